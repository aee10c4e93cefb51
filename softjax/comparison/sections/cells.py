"""What several sections share: the order of frameworks, rows of a table, and texts of single records."""

import math
from collections.abc import Callable, Iterable, Sequence

from softjax.comparison.frameworks import FRAMEWORKS
from softjax.comparison.records import Record, Speed


def list_frameworks(records: Iterable[Record | Speed]) -> list[str]:
    """The frameworks among the records, in the order of the registry."""
    present = {record.framework for record in records}
    return [name for name in FRAMEWORKS if name in present]


def build_rows(
    records: Sequence[Record], cases: Sequence[str], cell: Callable[[Record], str]
) -> list[tuple[str, ...]]:
    """A row for each framework, a cell for each case. `cell` writes the cells of cases that ran without a failure."""
    answers = {(record.framework, record.case): record for record in records}
    rows = []
    for name in list_frameworks(records):
        cells = []
        for case in cases:
            record = answers.get((name, case))
            if record is None:
                cells.append("")
            elif record.status == "not run":
                cells.append(f"not run ({record.message})")
            elif record.status in ("error", "crash", "hang"):
                cells.append(f"{record.error or record.status}: {record.message}"[:60])
            else:
                cells.append(cell(record))
        rows.append((FRAMEWORKS[name].title, *cells))
    return rows


def format_outcome(record: Record) -> str:
    """The outcome of an edge case or a mode, as the cell of a table."""
    match record.status:
        case "right":
            return "right" if record.error is None else f"right ({record.error})"
        case "wrong" | "crash" | "hang":
            return f"**{record.status}**"
        case "nan":
            return name_non_finite(record)
        case "error":
            return str(record.error)
        case _:
            return record.status


def name_non_finite(record: Record) -> str:
    """NaN where the loss or gradient holds one, else ∞."""
    values = [record.loss, *(v for row in record.grad or [] for v in row)]
    return "NaN" if any(v is not None and math.isnan(v) for v in values) else "∞"


def format_number(value: float | None) -> str:
    """Four digits, with the signs of mathematics."""
    if value is None:
        return "none"
    return f"{value:.4g}".replace("inf", "∞").replace("nan", "NaN").replace("-", "−")
