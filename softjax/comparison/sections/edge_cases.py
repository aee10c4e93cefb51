"""The section on edge cases: the outcome of each framework, and where they disagree."""

import math
from collections.abc import Sequence
from pathlib import Path

from softjax.comparison import pictures
from softjax.comparison.edge_cases import EDGE_CASES
from softjax.comparison.frameworks import FRAMEWORKS
from softjax.comparison.judge import ROUNDINGS_ALLOWED
from softjax.comparison.records import Record
from softjax.comparison.sections.cells import (
    format_number,
    format_outcome,
    list_frameworks,
    name_non_finite,
)
from softjax.reports.markdown import render, table

Cells = dict[tuple[str, str], Record]  # by case and framework


def write(records: Sequence[Record]) -> str:
    """The section as text."""
    cells = {(record.case, record.framework): record for record in records}
    return render(
        Path(__file__).with_suffix(".md"),
        roundings=f"{ROUNDINGS_ALLOWED:.0f}",
        table=_tabulate(cells),
        disagreements=_list_disagreements(cells),
    )


def draw(records: Sequence[Record], folder: Path) -> None:
    """The table as a picture, conformance.png."""
    cells = {(record.case, record.framework): record for record in records}
    frameworks, cases = _choose(cells)
    figure = pictures.draw_conformance(
        [[cells[case, name].status for name in frameworks] for case in cases],
        [[_shorten(cells[case, name]) for name in frameworks] for case in cases],
        [f"{EDGE_CASES[case].what}  ({EDGE_CASES[case].expected})" for case in cases],
        [FRAMEWORKS[name].title for name in frameworks],
        "Edge cases of the softmax cross-entropy",
    )
    figure.savefig(folder / "conformance.png", dpi=150)


def _choose(cells: Cells) -> tuple[list[str], list[str]]:
    """The frameworks that ran (all of them if none did), and the cases."""
    ran = {name for (_, name), record in cells.items() if record.status != "not installed"}
    asked = {case for case, _ in cells}
    frameworks = [name for name in FRAMEWORKS if name in ran] or list_frameworks(cells.values())
    return frameworks, [case for case in EDGE_CASES if case in asked]


def _tabulate(cells: Cells) -> str:
    frameworks, cases = _choose(cells)
    header = ("case", "right", *(FRAMEWORKS[name].title for name in frameworks))
    rows = [
        (
            f"`{case}`: {EDGE_CASES[case].what}",
            f"{EDGE_CASES[case].expected}: {EDGE_CASES[case].reason}",
            *(format_outcome(cells[case, name]) for name in frameworks),
        )
        for case in cases
    ]
    return table([header, *rows], align="left")


def _list_disagreements(cells: Cells) -> str:
    frameworks, cases = _choose(cells)
    lines = []
    for name in cases:
        case = EDGE_CASES[name]
        answers = [cells[name, framework] for framework in frameworks]
        odd = [record for record in answers if record.status in ("wrong", "nan", "crash", "hang")]
        if odd:
            lines.append(f"- **{case.what}** (`{name}`; {case.expected}: {case.reason})")
            lines += [f"  - {FRAMEWORKS[record.framework].title}: {_describe(record)}" for record in odd]
    return "\n".join(lines) if lines else "They agree in all cases."


def _describe(record: Record) -> str:
    if record.status in ("crash", "hang"):
        return f"{record.status}: {record.message}"
    text = f"{'**wrong**' if record.status == 'wrong' else 'not finite'}: loss {format_number(record.loss)}"
    if record.grad is not None and len(record.grad) == 1:
        text += f", gradient [{', '.join(map(format_number, record.grad[0]))}]"
    elif record.grad is not None:
        finite = all(math.isfinite(v) for row in record.grad for v in row)
        text += ", a finite gradient" if finite else ", a gradient with NaN or ∞"
    return text + (f" ({record.message})" if record.message else "")


def _shorten(record: Record) -> str:
    """A cell of the picture. A star marks NaN if an error would be right."""
    match record.status:
        case "right":
            return "refuses" if record.error else "right"
        case "nan":
            return name_non_finite(record) + ("*" if EDGE_CASES[record.case].expected == "refused" else "")
        case "not installed" | "not offered":
            return "–"
        case _:
            return record.status
