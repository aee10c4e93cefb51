"""What is said of a student's function: one finding for each thing that was looked at."""

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["right", "wrong", "note"]


@dataclass(frozen=True)
class Finding:
    """What was seen, and whether it is right; where it is not, the likely reason and what to do."""

    verdict: Verdict
    text: str
    reason: str = ""

    def __str__(self) -> str:
        head = "WRONG" if self.verdict == "wrong" else self.verdict
        return f"  {head:5}  {self.text}" + (f"\n         likely: {self.reason}" if self.reason else "")
