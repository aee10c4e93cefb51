"""What the libraries document about edge cases, where it differs from the mathematics.

An outcome is judged twice: by the formula, and by what the library says that it does.
"""

from dataclasses import dataclass, replace
from typing import Literal

from softjax.comparison.edge_cases import EDGE_CASES, EdgeCase
from softjax.comparison.frameworks.protocol import Problem


@dataclass(frozen=True)
class Convention:
    """What a library documents about an edge case.

    **Fields:**

    - `library`: as in the registry; `case`: the name of the edge case.
    - `says`: the rule, in our words; `source`: the address of the page that documents it.
    - `outcome`: `"value"`: that of `problem`. `"undefined"`: not finite, or an error. `"refused"`: an error.
      `"anything"`: the library says that the result is undefined.
    - `problem`: the problem whose value is the documented one.
    - `rows`: the names of the entries of the registry that it is about; all entries of the library by default.
    """

    library: str
    case: str
    says: str
    source: str
    outcome: Literal["value", "undefined", "refused", "anything"]
    problem: Problem | None = None
    rows: tuple[str, ...] = ()

    def as_case(self) -> EdgeCase:
        """The edge case with the documented outcome in place of the right one."""
        case = EDGE_CASES[self.case]
        outcome = "undefined" if self.outcome == "anything" else self.outcome
        return replace(case, expected=outcome, problem=self.problem or case.problem, reason=self.says)


CONVENTIONS: tuple[Convention, ...] = ()


def find_convention(row: str, library: str, case: str) -> Convention | None:
    """What the library of a row documents about a case; None if it is nothing, or what the mathematics say."""
    for convention in CONVENTIONS:
        if (convention.library, convention.case) == (library, case) and row in (convention.rows or (row,)):
            return convention
    return None
