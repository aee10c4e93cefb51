"""The section on derivative modes: who offers them, and who is not right."""

from collections.abc import Sequence
from pathlib import Path

from softjax.comparison.modes import MODES
from softjax.comparison.outcomes import find_level, list_libraries_run
from softjax.comparison.records import Record
from softjax.comparison.sections.cells import format_number, join_rows
from softjax.reports.markdown import render, table


def write(records: Sequence[Record]) -> str:
    """The section as text; empty if no row ran."""
    ran = [record for record in records if find_level(record) != "absent"]
    if not ran:
        return ""
    lines = [("derivative", "libraries that offer it", "rows right", "rows not right")]
    for name, mode in MODES.items():
        of_mode = [record for record in ran if record.case == name]
        wrong = [record.framework for record in of_mode if record.status != "right"]
        right = f"{len(of_mode) - len(wrong)} of {len(of_mode)}"
        libraries = str(len(list_libraries_run(of_mode)))
        lines.append((f"`{name}`: {mode.what}", libraries, right, join_rows(wrong) or "–"))
    return render(
        Path(__file__).with_suffix(".md"),
        table=table(lines, align="left"),
        libraries=len(list_libraries_run(records)),
    )


def format_mode(record: Record) -> str:
    """The cell of a derivative in a table: its relative error."""
    if record.relative_error is not None and record.status in ("right", "wrong"):
        return f"{'**wrong** ' if record.status == 'wrong' else ''}{format_number(record.relative_error, 2)}"
    return "–" if record.status == "not offered" else record.error or record.status
