"""What is known of a class: the grades of all submissions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from softjax.cs231n.classroom.limits import Held
from softjax.cs231n.grading.findings import Finding
from softjax.cs231n.grading.grade import Grade


@dataclass(frozen=True)
class Result:
    """The grade of one function.

    - `function`: its name; `file`: the file in the submission, empty if there is none.
    - `grade`: what was found.
    - `seconds`: from the start of its process to its grade.
    """

    function: str
    file: str
    grade: Grade
    seconds: float = 0.0


@dataclass(frozen=True)
class Graded:
    """A submission and its grades.

    - `name`: of the student; `path`: where the submission was found.
    - `results`: one for each function, at least one.
    """

    name: str
    path: str
    results: Sequence[Result]

    @property
    def passed(self) -> bool:
        """Whether all functions passed."""
        return all(result.grade.passed for result in self.results)

    def as_dict(self) -> dict[str, Any]:
        """The submission as JSON has it."""
        return {
            "name": self.name,
            "path": self.path,
            "passed": self.passed,
            "functions": [
                result.grade.as_dict() | {"file": result.file, "seconds": round(result.seconds, 3)}
                for result in self.results
            ],
        }


@dataclass(frozen=True)
class ClassResult:
    """The grades of a class.

    - `submissions`: all of them.
    - `held`: which limits held.
    - `seconds`: from the start to the last grade.
    """

    submissions: Sequence[Graded]
    held: Held
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether all submissions passed."""
        return all(each.passed for each in self.submissions)


def fail(function: str, text: str, reason: str) -> Grade:
    """The grade of a function that could not be looked at."""
    return Grade(function, (Finding("wrong", text, reason),))
