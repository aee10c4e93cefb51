"""What the grading says about a student's function: faults, and the findings that the report lists."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

Verdict = Literal["right", "wrong", "note"]


class Fault(NamedTuple):
    """What is wrong, and the likely reason."""

    what: str
    reason: str


@dataclass(frozen=True)
class Finding:
    """What was seen, and whether it is right; where it is not, the likely reason and what to do."""

    verdict: Verdict
    text: str
    reason: str = ""

    def __str__(self) -> str:
        head = "WRONG" if self.verdict == "wrong" else self.verdict
        return f"  {head:5}  {self.text}" + (f"\n         likely: {self.reason}" if self.reason else "")
