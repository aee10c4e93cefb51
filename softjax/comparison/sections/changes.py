"""The section on what changed since an earlier comparison."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from softjax.comparison.cases import ACCURACY
from softjax.comparison.changes import Change, Changes, Earlier
from softjax.comparison.edge_cases import EDGE_CASES
from softjax.comparison.sections.cells import format_time, join_rows, title_size
from softjax.reports.markdown import count_of, render, table

MOST_LINES = 12
HEADER = ("group", "row", "case", "dtype", "before", "after", "ratio")


def write(changes: Changes, earlier: Earlier) -> str:
    """The section as text."""
    return render(
        Path(__file__).with_suffix(".md"),
        source=earlier.source.as_posix(),
        summary=_summarize(changes),
        outcomes=_tabulate_outcomes(changes.outcomes),
        speeds=_tabulate_speeds(changes.speeds)
        or "No time changed by more than the quartiles tell." * changes.same_device,
    )


def list_lines(changes: Changes) -> Iterable[tuple[object, ...]]:
    """The lines of changes.csv."""
    yield HEADER
    for change in (*changes.outcomes, *changes.speeds):
        key = change.key
        yield key.group, key.row, key.case, key.dtype, change.before, change.after, change.ratio


def _summarize(changes: Changes) -> str:
    versions = [f"{package} {before} → {after}" for package, before, after in changes.versions]
    lines = [f"Versions: {', '.join(versions)}." if versions else "All versions are the same."]
    for what, rows in (("are new", changes.new), ("are gone", changes.gone)):
        if rows:
            lines.append(f"Rows that {what}: {join_rows(rows)}.")
    same = "Times change with the machine, too."
    return " ".join(
        [*lines, same if changes.same_device else "Times are not compared: they are of another device."]
    )


def _tabulate_outcomes(changes: Sequence[Change]) -> str:
    """Outcomes that changed alike in a case, in one line."""
    if not changes:
        return "No outcome changed."
    grouped: dict[tuple[str, str, str], list[str]] = {}
    for change in changes:
        grouped.setdefault((_name_case(change), change.before, change.after), []).append(change.key.row)
    lines = [("case", "rows", "before → after")]
    for (case, before, after), rows in list(grouped.items())[:MOST_LINES]:
        lines.append((case, join_rows(rows), f"{before} → {after}"))
    return f"{count_of(len(changes), 'outcome')} changed{_say_shown(len(grouped))}:\n\n{table(lines, align='left')}"


def _name_case(change: Change) -> str:
    key = change.key
    if key.case in EDGE_CASES:
        return EDGE_CASES[key.case].what
    return f"{key.group} `{key.case}` {key.dtype}".strip()


def _tabulate_speeds(changes: Sequence[Change]) -> str:
    if not changes:
        return ""
    lines = [("row", "N × D × K", "type", "before → after", "ratio")]
    for change in changes[:MOST_LINES]:
        size = title_size(change.key.case) if change.key.case in ACCURACY else change.key.case
        times = f"{format_time(float(change.before))} → {format_time(float(change.after))}"
        lines.append((f"`{change.key.row}`", size, change.key.dtype, times, f"{change.ratio:.2f} ×"))
    slower = sum(change.ratio is not None and change.ratio > 1 for change in changes)
    return (
        f"{count_of(len(changes), 'time')} changed by more than the quartiles tell, {slower} of them to slower"
        f"{_say_shown(len(changes))}:\n\n{table(lines, align='left')}"
    )


def _say_shown(number: int) -> str:
    return (
        f" (the first {MOST_LINES} lines; all are in [changes.csv](changes.csv))"
        if number > MOST_LINES
        else ""
    )
