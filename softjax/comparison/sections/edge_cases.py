"""The section on edge cases, the page of all of them, and their pictures."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from softjax.comparison import pictures
from softjax.comparison.edge_cases import EDGE_CASES, EdgeCase
from softjax.comparison.frameworks import FRAMEWORKS
from softjax.comparison.judge import ROUNDINGS_ALLOWED
from softjax.comparison.outcomes import (
    LEVELS,
    OWN_CODE,
    count,
    find_level,
    find_silent,
    group_rows,
    list_libraries_run,
    list_rows,
)
from softjax.comparison.pictures import LOOKS
from softjax.comparison.records import Record
from softjax.comparison.sections.cells import join_rows, name_non_finite
from softjax.drawing import save_picture
from softjax.reports.markdown import render, table

SHOWN_CASES = 10
PAGE = "edge_cases.md"
HERE = Path(__file__).parent
DUE = {"value": "a value", "undefined": "no finite value", "refused": "an error"}
ORDINARY_SIZES = 1e-30, 1e3  # of numbers that are not at a limit


@dataclass(frozen=True)
class Kind:
    """A kind of edge cases: the name of its picture, its title, and which cases it holds."""

    name: str
    title: str
    holds: Callable[[EdgeCase], bool]


def _is_weighted(case: EdgeCase) -> bool:
    problem = case.problem
    given = (problem.sample_weight, problem.class_weight, problem.ignore_index)
    return problem.soft or problem.label_smoothing != 0 or any(value is not None for value in given)


def _is_at_limit(case: EdgeCase) -> bool:
    low, high = ORDINARY_SIZES
    numbers = [case.problem.X, case.problem.W, np.array([case.problem.reg])]
    sizes = np.abs(np.concatenate([a.astype(np.float64).ravel() for a in numbers]))
    return bool((~((sizes == 0) | ((low < sizes) & (sizes < high)))).any())


KINDS = (  # a case is of the first kind that holds it
    Kind("no-problem", "Arguments that describe no problem", lambda case: case.expected == "refused"),
    Kind("derivatives", "Other derivatives than the gradient", lambda case: case.derivative != "gradient"),
    Kind("weights", "Weights, label smoothing, soft and ignored labels", _is_weighted),
    Kind("limits", "Numbers at the limits: NaN, ∞, very large, very small", _is_at_limit),
    Kind("ordinary", "Types, shapes, layouts and penalties", lambda case: True),
)


def find_kind(case: EdgeCase) -> Kind:
    """The kind of an edge case."""
    return next(kind for kind in KINDS if kind.holds(case))


def write(records: Sequence[Record]) -> str:
    """The section as text; empty if no row ran."""
    ran = [record for record in records if find_level(record) != "absent"]
    if not ran:
        return ""
    cases = _list_cases(records)
    return render(
        HERE / "edge_cases.md",
        total=len(cases),
        all_right=sum(_is_right_in_all(case, ran) for case in cases),
        roundings=f"{ROUNDINGS_ALLOWED:.0f}",
        libraries=len(list_libraries_run(records)),
        table=_tabulate_worst(ran),
    )


def write_page(records: Sequence[Record]) -> str:
    """The page of all cases."""
    parts = []
    for kind in KINDS:
        cases = [case for case in _list_cases(records) if find_kind(EDGE_CASES[case]) == kind]
        if cases:
            parts.append(_write_kind(kind, cases, records))
    return render(
        HERE / "edge_cases_page.md",
        roundings=f"{ROUNDINGS_ALLOWED:.0f}",
        signs="; ".join(f"{LOOKS[level].sign} {LOOKS[level].label}" for level in LEVELS),
        kinds="\n\n".join(parts),
    )


def draw(records: Sequence[Record], folder: Path) -> None:
    """Draws the tallies, conformance.png, and the outcomes of each kind, edge_cases-KIND.png."""
    tallies = list(count(records).values())
    if not tallies:
        return
    tallies.sort(key=lambda tally: (-tally.right, tally.counts["wrong"], tally.counts["dead"]))
    figure = pictures.draw_tallies(
        [tally.row for tally in tallies],
        np.array([[tally.counts[level] for level in LEVELS] for tally in tallies]),
        _choose_marked(records),
        f"{len(_list_cases(records))} edge cases of the softmax cross-entropy",
    )
    save_picture(figure, folder, "conformance")
    for kind in KINDS:
        rows = set(_choose_not_right(kind, records))
        if rows:
            _draw_kind(kind, [tally.row for tally in tallies if tally.row in rows], records, folder)


def _draw_kind(kind: Kind, rows: Sequence[str], records: Sequence[Record], folder: Path) -> None:
    cases = [case for case in _choose_disputed(records) if find_kind(EDGE_CASES[case]) == kind]
    cells = {(record.framework, record.case): record for record in records}
    found = [[cells[row, case] for case in cases] for row in rows]
    figure = pictures.draw_outcomes(
        rows,
        cases,
        [[find_level(record) for record in row] for row in found],
        [[_shorten(record) for record in row] for row in found],
        _choose_marked(records),
        kind.title,
    )
    save_picture(figure, folder, f"edge_cases-{kind.name}")


def _write_kind(kind: Kind, cases: Sequence[str], records: Sequence[Record]) -> str:
    disputed = [case for case in _choose_disputed(records) if case in cases]
    agreed = [case for case in cases if case not in disputed]
    parts = [f"## {kind.title}"]
    not_right = _choose_not_right(kind, records)
    if not_right:
        parts.append(f"![{kind.title}: the outcome of each row](edge_cases-{kind.name}.png)")
    right = [row for row in count(records) if row not in not_right]
    if right:
        parts.append(f"Right in all of these cases that they offer: {join_rows(right, most=len(right))}.")
    if agreed:
        parts.append(f"All rows that offer them are right in: {', '.join(f'`{case}`' for case in agreed)}.")
    rows = [("case", "right", "not right")]
    for case in cases:
        edge = EDGE_CASES[case]
        of_case = [record for record in records if record.case == case]
        rows.append((f"`{case}`: {edge.what}", f"{DUE[edge.expected]}: {edge.reason}", _list_faults(of_case)))
    parts.append(table(rows, align="left"))
    return "\n\n".join(parts)


def _list_faults(records: Sequence[Record]) -> str:
    """The rows that are not right in a case, by level."""
    found = []
    for level in ("dead", "wrong", "loud", "documented"):
        rows = [record.framework for record in records if find_level(record) == level]
        if rows:
            found.append(f"{LOOKS[level].sign} {join_rows(rows, most=6)}")
    return "; ".join(found) or "–"


def _tabulate_worst(records: Sequence[Record]) -> str:
    """The cases in which most libraries are silently wrong, and how many libraries do what."""
    silent = find_silent(records)
    visible = {
        case: {
            FRAMEWORKS[record.framework].library
            for record in records
            if record.case == case and record.status in ("nan", "error", "crash", "hang")
        }.difference(OWN_CODE)
        for case in _list_cases(records)
    }
    worst = sorted(silent, key=lambda case: (-len(silent[case]), -len(visible[case])))
    rows: list[tuple[str, ...]] = [
        ("case", "right is", "silently wrong", "of these as documented", "visibly not right")
    ]
    for case in worst[:SHOWN_CASES]:
        figures = len(silent[case]), sum(silent[case].values()), len(visible[case])
        rows.append((EDGE_CASES[case].what, DUE[EDGE_CASES[case].expected], *map(str, figures)))
    if len(rows) == 1:
        return "No library is silently wrong in any case."
    return table(rows, align="left")


def _list_cases(records: Sequence[Record]) -> list[str]:
    asked = {record.case for record in records}
    return [case for case in EDGE_CASES if case in asked]


def _choose_disputed(records: Sequence[Record]) -> list[str]:
    """The cases in which some row that ran is not right."""
    return [case for case in _list_cases(records) if not _is_right_in_all(case, records)]


def _is_right_in_all(case: str, records: Sequence[Record]) -> bool:
    levels = {find_level(record) for record in records if record.case == case}
    return levels <= {"right", "absent"}


def _choose_not_right(kind: Kind, records: Sequence[Record]) -> list[str]:
    """The rows that are not right in some case of a kind."""
    return list_rows(
        record
        for record in records
        if find_level(record) not in ("right", "absent") and find_kind(EDGE_CASES[record.case]) == kind
    )


def _choose_marked(records: Sequence[Record]) -> list[str]:
    return group_rows(list_rows(records)).get("softjax", [])


def _shorten(record: Record) -> str:
    """The cell of a picture: what was seen, where that says more than the sign of its level."""
    level = find_level(record)
    if level not in ("loud", "documented"):
        return LOOKS[level].sign
    seen = {"error": "err", "wrong": LOOKS["wrong"].sign}.get(record.status) or name_non_finite(record)
    return seen + (LOOKS["documented"].sign if level == "documented" else "")
