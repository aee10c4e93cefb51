"""The claim next to the true gradient, and the error that rounding explains in each entry."""

from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool

from softjax.gradcheck.claim import Claim
from softjax.gradcheck.function import ScalarFunction
from softjax.gradcheck.leaves import Leaves, find_largest, name_entry, to_array
from softjax.gradcheck.references import References
from softjax.gradcheck.result import Entry
from softjax.gradcheck.rounding import (
    DEVIATIONS,
    Rounding,
    bound_rounding,
    measure_deviation,
    pick_least_precise,
)


@dataclass(frozen=True)
class Tolerance:
    """The error that an entry may have: in rounding bounds, relative to |true|, and absolute."""

    bounds: float
    rtol: float
    atol: float

    def allow(self, bounds: Leaves, true: Leaves) -> Leaves:
        """The error that is allowed in each entry."""
        return [
            self.bounds * b + self.rtol * np.abs(np.nan_to_num(t)) + self.atol
            for b, t in zip(bounds, true, strict=True)
        ]


@dataclass(frozen=True)
class Evidence:
    """A claim and the true gradient, leaf by leaf, with the arguments of the function."""

    paths: list[str]
    params: Leaves
    args: tuple[Any, ...]
    claimed: Leaves
    true: Leaves
    """NaN in entries where it is not known"""
    bounds: Leaves
    """the error that rounding explains"""
    allowed: Leaves
    """the error that is allowed: multiples of the bounds, and the tolerances"""

    @property
    def wrong(self) -> list[Bool[np.ndarray, "..."]]:
        """Which entries have a larger error than allowed."""
        parts = zip(self.claimed, self.true, self.allowed, strict=True)
        return [~(np.abs(c - t) <= a) & ~np.isnan(t) for c, t, a in parts]

    @property
    def any_wrong(self) -> bool:
        """Whether any entry is wrong."""
        return any(mask.any() for mask in self.wrong)

    @property
    def relative_error(self) -> float:
        """‖claimed − true‖ / ‖true‖, where the truth is known."""
        pairs = [(c[~np.isnan(t)], t[~np.isnan(t)]) for c, t in zip(self.claimed, self.true, strict=True)]
        error = float(np.sqrt(sum(((c - t) ** 2).sum() for c, t in pairs)))
        norm = float(np.sqrt(sum((t**2).sum() for _, t in pairs)))
        return error / norm if norm > 0 else float(error > 0)

    def find_worst(self) -> tuple[Entry, float]:
        """The entry with the largest error in units of its rounding bound, and that error."""
        candidates = []
        for path, c, t, b in zip(self.paths, self.claimed, self.true, self.bounds, strict=True):
            if c.size == 0:
                continue
            with np.errstate(all="ignore"):
                error = np.where(np.isnan(t), -1.0, np.nan_to_num(np.abs(c - t) / b, nan=np.inf))
            index = tuple(int(k) for k in np.unravel_index(int(error.argmax()), c.shape))
            entry = Entry(name_entry(path, index), path, index, float(c[index]), float(t[index]))
            candidates.append((entry, float(error[index])))
        return max(candidates, key=lambda candidate: candidate[1])

    def select(self, masks: list[Bool[np.ndarray, "..."]]) -> "Evidence":
        """The evidence for the selected entries alone; each leaf becomes a vector."""

        def cut(leaves: Leaves) -> Leaves:
            return [leaf[mask] for leaf, mask in zip(leaves, masks, strict=True)]

        return replace(
            self,
            params=cut(self.params),
            claimed=cut(self.claimed),
            true=cut(self.true),
            bounds=cut(self.bounds),
            allowed=cut(self.allowed),
        )


CONSTANT = 100  # unit roundoffs that a claim may be off whose rounding cannot be measured
UNFOLLOWED = 2.0  # a rounding bound, in changes of a claim that cannot be followed


def gather_evidence(
    claim: Claim,
    function: ScalarFunction,
    references: References,
    tolerance: Tolerance,
    seed: int,
    in_32_bits: bool,
) -> tuple[Evidence, Evidence | None]:
    """The evidence on the claim in its own type; and in float64, None if that is impossible or adds nothing."""

    def hold(claimed: Leaves, bounds: Leaves) -> Evidence:
        allowed = tolerance.allow(bounds, references.gradient)
        return Evidence(
            claim.paths, function.leaves, claim.args, claimed, references.gradient, bounds, allowed
        )

    own = _take_own_gradient(claim) if references.by_autodiff else None
    with jax.enable_x64(True):
        rounding = Rounding.of(pick_least_precise([claim.dtype, function.precision]))
        claimed = [to_array(leaf).astype(np.float64) for leaf in claim.gradient]
        in_type = hold(claimed, _bound_errors(claim, function, references, rounding, own, seed))
        short = claim.dtype != np.float64 and function.precision == np.float64
        formula = claim.evaluate_in_float64(in_32_bits) if short and callable(claim.claimed) else None
        if formula is None:
            return in_type, None
        rounding = Rounding.of(np.float64)
        return in_type, hold(formula, _bound_errors(claim, function, references, rounding, None, seed))


def _take_own_gradient(claim: Claim) -> Leaves | None:
    """JAX's gradient of the function in the type of the claim; None if JAX cannot compute it."""
    gradient_of = jax.grad(lambda leaves: claim.fun(claim.unflatten(leaves), *claim.args))
    if not hasattr(claim.fun, "lower"):  # a function that is already jitted need not be compiled again
        gradient_of = jax.jit(gradient_of)
    try:
        with jax.enable_x64(claim.dtype == np.float64):
            gradient = gradient_of([jnp.asarray(leaf) for leaf in claim.given])
        return [np.array(leaf, np.float64) for leaf in gradient]
    except Exception:  # the function may not work in this type; then there is no such gradient
        return None


def _bound_errors(
    claim: Claim,
    function: ScalarFunction,
    references: References,
    rounding: Rounding,
    own: Leaves | None,
    seed: int,
) -> Leaves:
    """The rounding bound of each entry in a type; `own` is JAX's gradient in that type."""
    if references.program is None:
        return _bound_without_autodiff(claim, references, rounding, seed)
    deviation = references.deviation
    if rounding != Rounding.of(np.float64):
        _, deviation = measure_deviation(references.program, function.leaves, rounding, seed=seed)
    return bound_rounding(references.gradient, deviation, rounding, own)


def _bound_without_autodiff(claim: Claim, references: References, rounding: Rounding, seed: int) -> Leaves:
    """How much the claim changes when its inputs are rounded, plus the error of the references."""
    scale = find_largest(references.gradient)
    sensitivities, own_errors = claim.measure_sensitivity(seed), claim.measure_rounding(rounding, seed)
    unknown = (
        find_largest([*sensitivities, *own_errors]) == 0
    )  # a gradient that does not depend on the parameters
    least = (CONSTANT if unknown else 4) * rounding.unit * scale + rounding.smallest
    bounds = [
        np.asarray(least + DEVIATIONS * rounding.unit * sensitivity + UNFOLLOWED * own)
        for sensitivity, own in zip(sensitivities, own_errors, strict=True)
    ]
    # all entries share the rounding of the function, so the largest error of a complex step is that of each
    steps = max(
        (
            each.complex_error
            for each in references.derivatives
            if each.entry is not None and "complex step" in each.values
        ),
        default=0.0,
    )
    for derivative in references.derivatives:
        if derivative.entry is not None:
            leaf, index = derivative.entry
            _, error = derivative.without_autodiff
            bounds[leaf][index] += max(error, steps if "complex step" in derivative.values else 0.0)
    return bounds
