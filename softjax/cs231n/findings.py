"""What a grade is made of, and its report."""

from dataclasses import dataclass, field
from typing import Literal

from softjax.gradcheck.result import GradientCheck

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


@dataclass(frozen=True)
class Grade:
    """What `grade` found. `str()` of it is the report.

    - `function`: the name of the student's function.
    - `findings`: one a thing that was looked at, in that order.
    - `penalty`: the convention, such as "reg · ΣW²" or "½ · reg · ΣW²"; "none" where there is no telling.
    - `check`: what `softjax.check_gradient` found, holding the gradient against the student's own loss; None where it
      was not run.
    """

    function: str
    findings: tuple[Finding, ...]
    penalty: str = "none"
    check: GradientCheck | None = field(default=None, repr=False)

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong; notes do not count."""
        return not self.faults

    @property
    def faults(self) -> tuple[Finding, ...]:
        """The findings that are wrong."""
        return tuple(finding for finding in self.findings if finding.verdict == "wrong")

    def __str__(self) -> str:
        count = len(self.faults)
        result = (
            "passed" if not count else f"not yet, {count} {'thing is' if count == 1 else 'things are'} wrong"
        )
        return "\n".join([f"{self.function}: {result}", *map(str, self.findings)])
