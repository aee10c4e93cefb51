"""Faults of a student's function, and the findings that the report lists."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

Verdict = Literal["right", "wrong", "note"]


class Fault(NamedTuple):
    """What is wrong, and the likely reason."""

    what: str
    reason: str


@dataclass(frozen=True)
class Finding:
    """One line of a grade's report.

    - `verdict`: `"right"`, `"wrong"`, or `"note"` for something that does not count.
    - `text`: what the check found.
    - `reason`: the likely reason and what to do; empty if nothing is wrong.

    Examples:
        >>> print(Finding("wrong", "loss: the sign is flipped", "the loss is −log p[y]"))
          WRONG  loss: the sign is flipped
                 likely: the loss is −log p[y]
    """

    verdict: Verdict
    text: str
    reason: str = ""

    def __str__(self) -> str:
        head = "WRONG" if self.verdict == "wrong" else self.verdict
        return f"  {head:5}  {self.text}" + (f"\n         likely: {self.reason}" if self.reason else "")
