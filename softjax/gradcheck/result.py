"""The result of a gradient check, and its report."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import jax
import numpy as np
from jaxtyping import PyTree


class GradientError(AssertionError):
    """A checked gradient is wrong, or the check could not decide. The message is the report.

    `GradientCheck.raise_if_wrong` and `softjax.testing.assert_gradient` raise it.

    Examples:
        >>> import softjax
        >>> softjax.check_gradient(lambda w: w**2, lambda w: w, 3.0).raise_if_wrong()
        Traceback (most recent call last):
            ...
        softjax.gradcheck.result.GradientError: gradient check: WRONG (float64, 1 entries)...
    """


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
    """NaN if JAX cannot differentiate the function"""

    @property
    def relative_error(self) -> float:
        """|numerical − analytic| / (|numerical| + |analytic|), as the course defines it."""
        scale = abs(self.numerical) + abs(self.analytic)
        return abs(self.numerical - self.analytic) / scale if scale > 0 else 0.0


class GradientChecks(tuple["GradientCheck", ...]):
    """Several gradient checks, as a tuple. `str()` of it is the report of the worst one.

    - `verdict`: `"wrong"` if one is wrong, else `"undecided"` if one is, else `"right"`.
    - `remark`: what they say together; empty if nothing more.
    - `names`: what each of them checked; empty if they have no names.

    Examples:
        >>> import numpy as np, softjax
        >>> checks = softjax.check_hessian(lambda w: (w**3).sum(), lambda w, v: 6 * w * v, np.array([1.0, 2.0]))
        >>> checks.ok, [check.verdict for check in checks]
        (True, ['right', 'right', 'right'])
    """

    remark: str
    names: tuple[str, ...]

    def __new__(
        cls, checks: Iterable["GradientCheck"], remark: str = "", names: Sequence[str] = ()
    ) -> "GradientChecks":
        """Several checks, what they say together, and their names."""
        self = super().__new__(cls, checks)
        self.remark, self.names = remark, tuple(names)
        return self

    @property
    def verdict(self) -> str:
        """The worst verdict."""
        return min((check.verdict for check in self), key=["wrong", "undecided", "right"].index)

    @property
    def ok(self) -> bool:
        """Whether all are right."""
        return self.verdict == "right"

    def raise_if_wrong(self) -> None:
        """Raises `GradientError` with the report, unless all are right."""
        if not self.ok:
            raise GradientError(str(self))

    def __str__(self) -> str:
        worst = next(number for number, check in enumerate(self) if check.verdict == self.verdict)
        lines = [self.remark] * bool(self.remark)
        if self.names:
            lines.append(
                "; ".join(f"{name}: {check.verdict}" for name, check in zip(self.names, self, strict=True))
            )
        return "\n".join([*lines, str(self[worst])])


@dataclass(frozen=True)
class GradientCheck:
    """The result of `check_gradient`. `str()` of it is the report.

    - `verdict`: `"right"`, `"wrong"`, or `"undecided"` if the references disagree with each other.
    - `worst`: the entry with the largest error in rounding bounds: its name, path, index, claimed and true values.
    - `relative_error`: ‖claimed − true‖ / ‖true‖.
    - `error_in_bounds`: the largest error of an entry, |claimed − true| divided by the entry's rounding bound.
    - `allowed_bounds`: the largest `error_in_bounds` that counts as right.
    - `claimed`, `true`, `bound`: the claimed and true gradients and the rounding bounds, float64 pytrees like the
      parameters.
    - `dtype`: the type whose rounding errors are allowed; `num_entries`: the number of parameters.
    - `references`: how each reference was computed.
    - `factor`: claimed / true, if that is the same number in all entries and not 1; else None.
    - `diagnosis`: what is wrong or right, in one or two sentences.
    - `samples`: some entries by central differences, by the claim and by autodiff, as in the course's table.

    Examples:
        >>> import numpy as np, softjax
        >>> check = softjax.check_gradient(lambda w: (w**2).sum(), lambda w: 6 * w, np.array([1.0, 2.0]))
        >>> check.ok, round(check.factor, 6), check.true.tolist()
        (False, 3.0, [2.0, 4.0])
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
        """|claimed − true| / |true| of each entry; 0 if both are 0. A pytree like the parameters."""

        def one(claimed: np.ndarray, true: np.ndarray) -> np.ndarray:
            with np.errstate(all="ignore"):
                return np.where(claimed == true, 0.0, np.abs(claimed - true) / np.abs(true))

        return jax.tree.map(one, self.claimed, self.true)

    def table(self) -> str:
        """The lines that the course prints, one for each sampled entry: numerical, analytic, relative error."""
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
