"""The section on accuracy: by size, by scale of the scores, and by type."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from softjax.comparison import pictures
from softjax.comparison.cases import ACCURACY, DTYPES, SIZES, numpy_dtype
from softjax.comparison.frameworks import FRAMEWORKS
from softjax.comparison.records import Record
from softjax.comparison.sections.cells import build_rows, format_number, list_frameworks
from softjax.gradcheck.rounding import Rounding
from softjax.reports.markdown import render, table

SCALES = ("scores-1e-4", "scores-1e-2", "development", "scores-1e2", "scores-1e4")


def write(records: Sequence[Record]) -> str:
    """The section as text."""
    tables = _tabulate_sizes(records) + _tabulate_scales(records)
    if _choose_measured(records):
        tables = ["![Relative error of each framework's gradient](accuracy.png)", *tables]
    return render(Path(__file__).with_suffix(".md"), tables="\n\n".join(tables))


def draw(records: Sequence[Record], folder: Path) -> None:
    """Draws the relative errors, accuracy.png, if any were measured."""
    measured = _choose_measured(records)
    if not measured:
        return
    names = list_frameworks(measured)
    cases = [case for case in ACCURACY if any(record.case == case for record in measured)]
    dtypes = [dtype for dtype in DTYPES if any(record.dtype == dtype for record in measured)]
    units = {dtype: _unit_roundoff(dtype) for dtype in dtypes}
    errors = {dtype: np.full((len(names), len(cases)), np.nan) for dtype in dtypes}
    for record in measured:
        # An error of 0 has no place on a logarithmic axis.
        error = max(record.relative_error or 0.0, 1e-3 * units[record.dtype])
        place = names.index(record.framework), cases.index(record.case)
        errors[record.dtype][place] = error if math.isfinite(error) else np.nan
    titles = [FRAMEWORKS[name].title for name in names]
    figure = pictures.draw_accuracy(errors, units, titles, cases, "Accuracy of the gradient")
    figure.savefig(folder / "accuracy.png", dpi=150)


def _choose_measured(records: Sequence[Record]) -> list[Record]:
    return [record for record in records if record.status in ("measured", "nan")]


def _tabulate_sizes(records: Sequence[Record]) -> list[str]:
    cases = _choose(records, SIZES)
    return ["### Sizes", *_tabulate(records, cases, [ACCURACY[case].title for case in cases])]


def _tabulate_scales(records: Sequence[Record]) -> list[str]:
    cases = _choose(records, SCALES)
    if cases in ([], ["development"]):
        return []
    heads = [f"scores ~ {ACCURACY[case].scale:g}" for case in cases]
    return ["### Score scales, N = 500, D = 3073, K = 10", *_tabulate(records, cases, heads)]


def _choose(records: Sequence[Record], cases: Sequence[str]) -> list[str]:
    return [case for case in cases if any(record.case == case for record in records)]


def _tabulate(records: Sequence[Record], cases: list[str], heads: list[str]) -> list[str]:
    """A table for each type in which a framework ran."""
    parts = []
    ran = [r for r in records if r.case in cases and r.status not in ("not offered", "not installed")]
    for dtype in DTYPES:
        of_type = [record for record in ran if record.dtype == dtype]
        if of_type:
            rows = build_rows(of_type, cases, _format)
            parts.append(f"**{dtype}** (unit roundoff {_unit_roundoff(dtype):.1e})")
            parts.append(table([("framework", *heads), *rows], align="left"))
    return parts


def _format(record: Record) -> str:
    if record.status == "measured":
        return f"{record.relative_error:.1e} / {record.roundings:.2g}"
    if record.status != "nan":
        return record.status
    return f"not finite (loss {format_number(record.loss)})" if record.message is None else record.message


def _unit_roundoff(dtype: str) -> float:
    return Rounding.of(numpy_dtype(dtype)).unit
