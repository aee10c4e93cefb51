"""The section on derivative modes: relative errors."""

from collections.abc import Sequence
from pathlib import Path

from softjax.comparison.modes import MODES
from softjax.comparison.records import Record
from softjax.comparison.sections.cells import build_rows, format_outcome
from softjax.reports.markdown import render, table


def write(records: Sequence[Record]) -> str:
    """The section as text."""
    rows = build_rows(records, list(MODES), _format)
    return render(
        Path(__file__).with_suffix(".md"),
        modes="; ".join(f"`{case.name}`: {case.what}" for case in MODES.values()),
        table=table([("framework", *MODES), *rows], align="left"),
    )


def _format(record: Record) -> str:
    if record.relative_error is not None and record.status in ("right", "wrong"):
        return f"{'**wrong** ' if record.status == 'wrong' else ''}{record.relative_error:.1e}"
    return "–" if record.status == "not offered" else format_outcome(record)
