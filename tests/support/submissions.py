"""Written submissions of students, several to a file, each after a line `#### name | what is found | …`."""

from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parents[1] / "cs231n" / "submissions"


class Written(NamedTuple):
    """A submission: the name of its student, its source, and what must be found in its report."""

    name: str
    source: str
    expected: tuple[str, ...]


def read_submissions(*files: str) -> list[Written]:
    """The submissions of some files, by default of all."""
    paths = [FOLDER / f"{file}.txt" for file in files] or sorted(FOLDER.glob("*.txt"))
    found = []
    for path in paths:
        for part in path.read_text(encoding="utf-8").split("#### ")[1:]:
            head, _, source = part.partition("\n")
            name, *expected = head.split(" | ")
            found.append(Written(name, source, tuple(expected)))
    return found


def hand_in(folder: Path, submissions: list[Written]) -> None:
    """Writes each submission to a file of its own."""
    for each in submissions:
        (folder / f"{each.name}.py").write_text(each.source, encoding="utf-8")
