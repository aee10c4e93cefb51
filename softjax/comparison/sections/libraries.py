"""The table of libraries, and a page for each library: what it gets wrong, how exact and how fast it is."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from softjax.comparison.conventions import Convention, find_convention
from softjax.comparison.edge_cases import EDGE_CASES, EdgeCase
from softjax.comparison.frameworks import FRAMEWORKS
from softjax.comparison.modes import MODES
from softjax.comparison.outcomes import Tally, count, find_level, group_rows, list_rows
from softjax.comparison.records import Comparison, Record
from softjax.comparison.sections import accuracy, speed
from softjax.comparison.sections.cells import (
    describe_outcome,
    find_version,
    format_array,
    join_parts,
    join_rows,
    make_file_name,
)
from softjax.comparison.sections.modes import format_mode
from softjax.reports.markdown import render, table

FOLDER = "libraries"
DERIVATIVES = {
    "gradient": "gradient",
    "forward": "gradient by forward mode",
    "hvp": "∇²L V",
    "inputs": "gradient of X",
    "vmap": "gradients",
}
DIGITS = {"float64": 12}  # others: 6


def tabulate(comparison: Comparison) -> str:
    """A line for each library: its version, its rows with their counts, and in how many cases it is silently wrong."""
    records = comparison.of("edge_cases")
    tallies = count(records)
    lines = [
        (
            "library",
            "version",
            "row: right, of those it offers (as documented)",
            "silently wrong, not documented",
        )
    ]
    for library, rows in group_rows(list_rows((*comparison.records, *comparison.speeds))).items():
        version = find_version(comparison.versions, rows)
        if not version:
            lines.append(
                (library, f"not installed: `{FRAMEWORKS[rows[0]].install}`", join_rows(rows, most=9), "")
            )
            continue
        counts = [_count(row, tallies.get(row)) for row in rows]
        wrong = {
            record.case for record in records if record.framework in rows and find_level(record) == "wrong"
        }
        link = f"[{library}]({FOLDER}/{make_file_name(library)}.md)"
        lines.append((link, version, "<br>".join(counts), str(len(wrong)) if tallies else ""))
    return table(lines, align="left")


def _count(row: str, tally: Tally | None) -> str:
    if tally is None:
        return f"`{row}`"
    also = f" ({tally.by_rule})" if tally.by_rule != tally.right else ""
    return f"`{row}` {tally.right}/{tally.offered}{also}"


def write_pages(comparison: Comparison) -> dict[str, str]:
    """The page of each library that ran, by the name of its file."""
    groups = group_rows(list_rows((*comparison.records, *comparison.speeds)))
    return {
        f"{FOLDER}/{make_file_name(library)}.md": _write_page(library, rows, comparison)
        for library, rows in groups.items()
        if find_version(comparison.versions, rows)
    }


def _write_page(library: str, rows: Sequence[str], comparison: Comparison) -> str:
    records = [record for record in comparison.of("edge_cases") if record.framework in rows]
    speeds = speed.tabulate_rows(comparison.speeds, rows)
    parts = {
        "Edge cases that are not right": _write_cases(records),
        "Accuracy": _write_accuracy(comparison.of("accuracy"), rows),
        "Derivative modes": _tabulate_modes(comparison.of("modes"), rows),
        "Speed": f"In float32. Memory is the peak in the first two calls.\n\n{speeds}" if speeds else "",
    }
    lines = "\n".join(_describe_row(row, count(records).get(row)) for row in rows)
    sections = [f"## {title}\n\n{part}" for title, part in parts.items() if part]
    return render(
        Path(__file__).with_name("library.md"),
        library=library,
        version=find_version(comparison.versions, rows),
        parts=join_parts(lines, _warn(records), *sections),
    )


def _describe_row(row: str, tally: Tally | None) -> str:
    text = f"- `{row}` ({FRAMEWORKS[row].title})"
    if tally is None:
        return text
    text += f": right in {tally.right} of {tally.offered} edge cases; by what it documents in {tally.by_rule}"
    counts = {
        "silently wrong, and not as documented, in": tally.counts["wrong"],
        "NaN, ∞ or an error in": tally.counts["loud"],
        "crashes or hangs in": tally.counts["dead"],
        "does not offer": tally.counts["absent"],
    }
    return text + "".join(f"; {what} {number}" for what, number in counts.items() if number) + "."


def _warn(records: Sequence[Record]) -> str:
    parts = []
    for level, also in (("wrong", ""), ("documented", " (as documented)")):
        cases = {r.case: None for r in records if r.status == "wrong" and find_level(r) == level}
        parts += [f"{EDGE_CASES[case].what}{also}" for case in cases]
    return f"Beware of wrong values without an error: {'; '.join(parts)}." if parts else ""


def _write_cases(records: Sequence[Record]) -> str:
    """Each case in which some row is not right, or does not do what its library documents."""
    parts = []
    for name, case in EDGE_CASES.items():
        of_case = [record for record in records if record.case == name]
        shown = [
            r
            for r in of_case
            if find_level(r) not in ("right", "absent") or r.documented not in (None, "right")
        ]
        if shown:
            parts.append(f"### `{name}`: {case.what}\n\n{_write_case(case, shown)}")
    return "\n\n".join(parts)


def _write_case(case: EdgeCase, records: Sequence[Record]) -> str:
    parts = [f"Right: {describe_right(case)}, because {case.reason}."]
    for record in records:
        rule = write_rule(record)
        if rule and rule not in parts:
            parts.append(rule)
    for group in group_outcomes(case, records):
        rows = join_rows([record.framework for record in group], most=len(group))
        parts.append(f"{rows}: **{describe_outcome(group[0])}**. Seen: {describe_seen(case, group[0])}.")
        if group[0].script:
            parts.append(write_script(group[0].script))
    return "\n\n".join(parts)


def write_rule(record: Record) -> str:
    """What the library documents about the case of a record, with the address; empty if it documents nothing else."""
    convention = find_convention(record.framework, FRAMEWORKS[record.framework].library, record.case)
    if convention is None or record.documented is None:
        return ""
    return f"Documented: {convention.says} ([source]({convention.source})). By that, right is {_describe_due(convention)}."


def _describe_due(convention: Convention) -> str:
    return "whatever comes" if convention.outcome == "anything" else describe_right(convention.as_case())


def write_script(script: str) -> str:
    """A script as a block of code."""
    return f"```python\n{script.strip()}\n```"


def group_outcomes(case: EdgeCase, records: Sequence[Record]) -> list[list[Record]]:
    """The records that show the same, together."""
    groups: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        groups.setdefault((describe_outcome(record), describe_seen(case, record)), []).append(record)
    return list(groups.values())


def describe_right(case: EdgeCase) -> str:
    """The right outcome of an edge case, with the true numbers."""
    if case.expected != "value":
        return {"undefined": "no finite value, or an error", "refused": "an error"}[case.expected]
    if case.derivative in ("gradient", "forward"):
        assert case.truth is not None
        return _describe_numbers(case, case.truth.loss, case.truth.grad)
    truths = MODES[case.derivative].truth(case.problem)
    loss = truths[0] if len(truths) > 1 else None
    return _describe_numbers(case, loss, truths[-1])


def describe_seen(case: EdgeCase, record: Record) -> str:
    """What a row gave in an edge case: numbers, or the error."""
    if record.error is not None:
        return f"`{record.error}: {record.message}`" if record.message else f"`{record.error}`"
    if record.grad is None:
        return record.message or record.status
    also = f" ({record.message})" if record.message else ""
    return _describe_numbers(case, record.loss, np.asarray(record.grad)) + also


def _describe_numbers(case: EdgeCase, loss: object, grad: np.ndarray) -> str:
    digits = DIGITS.get(case.problem.dtype, 6)
    text = f"{DERIVATIVES[case.derivative]} {format_array(grad, digits)}"
    if loss is None:
        return text
    several = case.derivative == "vmap"
    return f"{'losses' if several else 'loss'} {format_array(loss, digits)}, {text}"


def _write_accuracy(records: Sequence[Record], rows: Sequence[str]) -> str:
    tables = {row: accuracy.tabulate_row(records, row) for row in rows}
    parts = [f"**`{row}`**\n\n{text}" for row, text in tables.items() if text]
    if not parts:
        return ""
    return "\n\n".join(
        [
            "The error of the gradient's worst entry in roundings, and in brackets the relative error in norm.",
            *parts,
        ]
    )


def _tabulate_modes(records: Sequence[Record], rows: Sequence[str]) -> str:
    found: Mapping[tuple[str, str], Record] = {(record.framework, record.case): record for record in records}
    asked = [name for name in MODES if any(case == name for _, case in found)]
    lines = (
        [
            (f"`{row}`", *(format_mode(found[row, name]) for name in asked))
            for row in rows
            if (row, asked[0]) in found
        ]
        if asked
        else []
    )
    if not lines:
        return ""
    return f"Relative errors; a dash: not offered.\n\n{table([('way', *asked), *lines], align='left')}"
