"""What a gradient check found, and its report."""

from dataclasses import dataclass, field
from typing import Literal

import jax
import numpy as np
from jaxtyping import PyTree


class GradientError(AssertionError):
    """A checked gradient is wrong, or could not be judged. The message is the report."""


@dataclass(frozen=True)
class Entry:
    """One entry of a gradient."""

    name: str
    path: str
    index: tuple[int, ...]
    claimed: float
    true: float


@dataclass(frozen=True)
class Sample:
    """One entry in the course's table."""

    name: str
    numerical: float
    analytic: float
    autodiff: float
    """NaN where there is no autodiff"""

    @property
    def relative_error(self) -> float:
        """|numerical − analytic| / (|numerical| + |analytic|), as the course defines it."""
        scale = abs(self.numerical) + abs(self.analytic)
        return abs(self.numerical - self.analytic) / scale if scale > 0 else 0.0


@dataclass(frozen=True)
class GradientCheck:
    """What `check_gradient` found. `str()` of it is the report.

    - `verdict`: `"right"`, `"wrong"`, or `"undecided"` where the references disagree with each other.
    - `worst`: the entry that is off by most of its rounding bounds: name, path, index, claimed, true.
    - `relative_error`: ‖claimed − true‖ / ‖true‖.
    - `error_in_bounds`: the largest |claimed − true| in units of its entry's rounding bound.
    - `allowed_bounds`: how many of them are allowed.
    - `claimed`, `true`, `bound`: pytrees like the parameters, float64.
    - `dtype`: the type whose rounding is excused.
    - `references`: how each reference was taken.
    - `factor`: the constant by which the claim is off, if that is all that is wrong, else None.
    - `diagnosis`: a sentence.
    - `samples`: entries by central differences, claim and autodiff: the course's table.
    """

    verdict: Literal["right", "wrong", "undecided"]
    worst: Entry
    relative_error: float
    error_in_bounds: float
    allowed_bounds: float
    claimed: PyTree = field(repr=False)
    true: PyTree = field(repr=False)
    bound: PyTree = field(repr=False)
    dtype: str
    num_entries: int
    references: tuple[str, ...]
    factor: float | None
    diagnosis: str
    samples: tuple[Sample, ...] = field(repr=False)

    @property
    def ok(self) -> bool:
        """Whether the claim is right."""
        return self.verdict == "right"

    def relative_errors(self) -> PyTree:
        """|claimed − true| / |true|, entry by entry (0 where both are 0)."""

        def one(claimed: np.ndarray, true: np.ndarray) -> np.ndarray:
            with np.errstate(all="ignore"):
                return np.where(claimed == true, 0.0, np.abs(claimed - true) / np.abs(true))

        return jax.tree.map(one, self.claimed, self.true)

    def table(self) -> str:
        """The course's lines: numerical, analytic, relative error, one a sampled entry."""
        return "\n".join(
            f"numerical: {sample.numerical:f} analytic: {sample.analytic:f}, "
            f"relative error: {sample.relative_error:e}"
            for sample in self.samples
        )

    def raise_if_wrong(self) -> None:
        """Raises `GradientError` with the report, unless the claim is right."""
        if not self.ok:
            raise GradientError(str(self))

    def __str__(self) -> str:
        worst = self.worst
        return "\n".join(
            [
                f"gradient check: {self.verdict.upper()} ({self.dtype}, {self.num_entries:,} entries)",
                f"  {self.diagnosis}",
                f"  worst entry: {worst.name} claimed {worst.claimed:.9g}, true {worst.true:.9g}, "
                f"off by {self.error_in_bounds:.3g} rounding bounds ({self.allowed_bounds:g} allowed)",
                f"  relative error in norm: {self.relative_error:.3g}",
                "  references: " + "; ".join(self.references),
            ]
        )
