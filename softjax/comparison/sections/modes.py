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
    libraries = len(list_libraries_run(records))
    if not libraries:
        return ""
    rows = [("derivative", "libraries that offer it", "rows right", "rows not right")]
    for name, mode in MODES.items():
        ran = [record for record in records if record.case == name and find_level(record) != "absent"]
        right = [record for record in ran if record.status == "right"]
        wrong = [record.framework for record in ran if record not in right]
        rows.append((f"`{name}`: {mode.what}", str(len(list_libraries_run(ran))), f"{len(right)} of {len(ran)}", join_rows(wrong) or "–"))
    return render(Path(__file__).with_suffix(".md"), table=table(rows, align="left"), libraries=libraries)


def format_mode(record: Record) -> str:
    """The cell of a derivative in a table: its relative error."""
    if record.relative_error is not None and record.status in ("right", "wrong"):
        return f"{'**wrong** ' if record.status == 'wrong' else ''}{format_number(record.relative_error, 2)}"
    return "–" if record.status == "not offered" else record.error or record.status
