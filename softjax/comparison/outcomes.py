"""How outcomes of edge cases count: levels of a record, tallies of a row, and the libraries that are silently wrong."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from softjax.comparison.frameworks import FRAMEWORKS
from softjax.comparison.records import Record, Speed

# Right; not right by the formula, but as the library documents; NaN, ∞ or an error where there is a value; a finite value
# that is wrong; a crash or a hang; not offered, not run or not installed.
Level = Literal["right", "documented", "loud", "wrong", "dead", "absent"]
LEVELS: tuple[Level, ...] = get_args(Level)
OWN_CODE = ("NumPy", "C")  # "libraries" whose rows are code of this package

_LEVEL_OF: dict[str, Level] = {
    "right": "right",
    "nan": "loud",
    "error": "loud",
    "wrong": "wrong",
    "crash": "dead",
    "hang": "dead",
}


def find_level(record: Record) -> Level:
    """The level of a record of an edge case or a mode.

    Examples:
        >>> find_level(Record("edge_cases", "mlx", "label-K", "float32", "wrong"))
        'wrong'
        >>> find_level(Record("edge_cases", "mlx", "label-K", "float32", "wrong", documented="right"))
        'documented'
    """
    level = _LEVEL_OF.get(record.status, "absent")
    return "documented" if level in ("loud", "wrong") and record.documented == "right" else level


def is_right(record: Record, by_rule: bool) -> bool:
    """Whether an outcome is right: by the formula, or with `by_rule` by what the library documents, if that differs."""
    return (record.documented if by_rule and record.documented else record.status) == "right"


@dataclass(frozen=True)
class Tally:
    """The edge cases of one row of the comparison, counted.

    **Fields:**

    - `row`: the name in the registry; `counts`: how many of its cases have each level.
    - `by_rule`: how many are right by what the library documents, or by the formula where it documents nothing else.
    """

    row: str
    counts: Counter[Level]
    by_rule: int

    @property
    def right(self) -> int:
        """How many are right by the formula."""
        return self.counts["right"]

    @property
    def offered(self) -> int:
        """How many the library can state at all."""
        return self.counts.total() - self.counts["absent"]


def list_rows(records: Iterable[Record | Speed]) -> list[str]:
    """The rows among the records, in the order of the registry."""
    present = {record.framework for record in records}
    return [name for name in FRAMEWORKS if name in present]


def group_rows(rows: Iterable[str]) -> dict[str, list[str]]:
    """The rows of each library."""
    libraries: dict[str, list[str]] = {}
    for row in rows:
        libraries.setdefault(FRAMEWORKS[row].library, []).append(row)
    return libraries


def count(records: Sequence[Record]) -> dict[str, Tally]:
    """By row, the tally of records of edge cases. Rows that ran no case are left out."""
    tallies = {}
    for row in list_rows(records):
        of_row = [record for record in records if record.framework == row]
        by_rule = sum(is_right(record, by_rule=True) for record in of_row)
        tally = Tally(row, Counter(map(find_level, of_row)), by_rule)
        if tally.offered:
            tallies[row] = tally
    return tallies


def find_leaders(tallies: Iterable[Tally], score: Callable[[Tally], int]) -> list[Tally]:
    """The tallies with the highest score, and of those the ones with the fewest cases that are not right."""
    rank = {tally.row: (score(tally), -tally.offered) for tally in tallies}
    best = max(rank.values())
    return [tally for tally in tallies if rank[tally.row] == best]


def find_silent(records: Iterable[Record]) -> dict[str, dict[str, bool]]:
    """By case, the libraries that give a finite wrong value in some way, and whether all such values are as documented."""
    found: dict[str, dict[str, bool]] = {}
    for record in records:
        library = FRAMEWORKS[record.framework].library
        if record.status == "wrong" and library not in OWN_CODE:
            libraries = found.setdefault(record.case, {})
            libraries[library] = libraries.get(library, True) and record.documented == "right"
    return found


def list_libraries_run(records: Iterable[Record]) -> list[str]:
    """The libraries that ran at least one case, without our own code."""
    ran = group_rows(list_rows(record for record in records if find_level(record) != "absent"))
    return [library for library in ran if library not in OWN_CODE]
