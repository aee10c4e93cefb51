"""The section on accuracy: the worst entry of each row's gradients, by type."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from softjax.comparison import pictures
from softjax.comparison.cases import ACCURACY, DTYPES, numpy_dtype
from softjax.comparison.outcomes import group_rows, list_rows
from softjax.comparison.records import Record
from softjax.comparison.sections.cells import describe_case, format_number, join_names
from softjax.drawing import save_picture
from softjax.gradcheck.rounding import Rounding
from softjax.reports.markdown import count_of, render, table

LEAST_SHOWN = 0.01  # roundings


def write(records: Sequence[Record]) -> str:
    """The section as text; empty if nothing was measured."""
    if not _choose_judged(records):
        return ""
    return render(
        Path(__file__).with_suffix(".md"),
        table=table([_HEADER, *_summarize(records)], align="left"),
        cases=join_names(
            [describe_case(case) for name, case in ACCURACY.items() if any(r.case == name for r in records)],
            most=len(ACCURACY),
        ),
    )


def draw(records: Sequence[Record], folder: Path) -> None:
    """Draws accuracy.png, if anything was measured: each row's errors in roundings, from the best case to the worst."""
    judged = _choose_judged(records)
    if not judged:
        return
    dtypes = [dtype for dtype in DTYPES if any(record.dtype == dtype for record in judged)]
    sorted_by = "float32" if "float32" in dtypes else dtypes[0]
    rows = sorted(list_rows(judged), key=lambda row: _find_worst(judged, row, sorted_by))
    ranges, lost = {}, {}
    for dtype in dtypes:
        of_rows = [_list_roundings(judged, row, dtype) for row in rows]
        ends = [(min(values), max(values)) if values else (math.nan, math.nan) for values in of_rows]
        title = f"{dtype}, u = {format_number(_unit_roundoff(dtype), 2)}"
        ranges[title] = np.maximum(np.array(ends), LEAST_SHOWN)
        lost[title] = np.array([bool(_list_lost(judged, row, dtype)) for row in rows])
    figure = pictures.draw_ranges(
        rows,
        ranges,
        lost,
        group_rows(rows).get("softjax", []),
        "roundings",
        "Error of the gradient's worst entry, in roundings of the type",
    )
    save_picture(figure, folder, "accuracy")


def tabulate_row(records: Sequence[Record], row: str) -> str:
    """A table of one row's errors by case and type; empty if it ran none."""
    of_row = {(record.case, record.dtype): record for record in records if record.framework == row}
    dtypes = [
        dtype
        for dtype in DTYPES
        if any(r.dtype == dtype and r.status not in ("not offered", "not installed") for r in of_row.values())
    ]
    cases = [case for case in ACCURACY if any(case == asked for asked, _ in of_row)]
    if not dtypes:
        return ""
    body = [
        (describe_case(ACCURACY[case]), *(_format(of_row.get((case, dtype))) for dtype in dtypes))
        for case in cases
    ]
    return table([("N × D × K", *dtypes), *body], align="left")


_HEADER = ("type", "rows that ran", "median", "least", "most", "not finite")


def _summarize(records: Sequence[Record]) -> list[tuple[str, ...]]:
    """For each type, the rows' worst errors in roundings."""
    judged = _choose_judged(records)
    table_rows = []
    for dtype in DTYPES:
        rows = list_rows(record for record in judged if record.dtype == dtype)
        worst = {row: _find_worst(judged, row, dtype) for row in rows}
        ordered = sorted((row for row in rows if math.isfinite(worst[row])), key=worst.__getitem__)
        lost = [row for row in rows if _list_lost(judged, row, dtype)]
        if ordered:
            median = format_number(float(np.median([worst[row] for row in ordered])), 2)
            ends = [f"{format_number(worst[row], 2)} (`{row}`)" for row in (ordered[0], ordered[-1])]
            table_rows.append(
                (dtype, str(len(rows)), median, *ends, count_of(len(lost), "row") if lost else "–")
            )
    return table_rows


def _choose_judged(records: Sequence[Record]) -> list[Record]:
    return [record for record in records if record.status in ("measured", "nan")]


def _list_roundings(records: Sequence[Record], row: str, dtype: str) -> list[float]:
    return [
        record.roundings
        for record in records
        if (record.framework, record.dtype, record.status) == (row, dtype, "measured")
        and record.roundings is not None
        and math.isfinite(record.roundings)
    ]


def _list_lost(records: Sequence[Record], row: str, dtype: str) -> list[str]:
    """The cases in which the loss or gradient of a row is not finite."""
    return [r.case for r in records if (r.framework, r.dtype, r.status) == (row, dtype, "nan")]


def _find_worst(records: Sequence[Record], row: str, dtype: str) -> float:
    return max(_list_roundings(records, row, dtype), default=math.inf)


def _format(record: Record | None) -> str:
    if record is None:
        return ""
    if record.status == "measured":
        return f"{format_number(record.roundings, 2)} ({format_number(record.relative_error, 2)})"
    if record.status == "nan":
        return f"not finite (loss {format_number(record.loss)})"
    return f"not run ({record.message})" if record.status == "not run" else record.error or record.status


def _unit_roundoff(dtype: str) -> float:
    return Rounding.of(numpy_dtype(dtype)).unit
