"""What rounding excuses: how far each entry of a right gradient may be from the truth."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from softjax.gradcheck.claim import Claim, is_floating
from softjax.gradcheck.references import Leaves, Point, References
from softjax.gradcheck.rounding import Rounding, measure_deviation

DEVIATIONS = 1.25  # a rounding bound, in root mean squares of the rounding error
NOISE_AT_MOST = 30.0  # bounds: what the framework's own gradient is off by beyond that is no rounding
JITTER = 1e-6  # relative change of the inputs, where the sensitivity of a NumPy claim is taken


def rounding_bounds(
    point: Point, found: References, claim: Claim, rounding: Rounding, own: Leaves | None, seed: int
) -> Leaves:
    """The rounding bound of each entry, to first order.

    **Arguments:**

    - `point`, `found`: the function and its references, in float64.
    - `claim`: where autodiff is not available, its own sensitivity stands for the function's.
    - `rounding`: of the type at hand.
    - `own`: the framework's gradient computed in that type, if there is one; its real error counts where it
      is larger.
    """
    if point.gradient is None:
        return _without_autodiff(found, claim, rounding, seed)
    deviation = found.deviation
    if rounding != Rounding.of(np.float64):
        _, deviation = measure_deviation(point.gradient, point.leaves, rounding, seed=seed)
    bounds = [
        DEVIATIONS * d + rounding.unit * np.abs(g) + rounding.smallest
        for d, g in zip(deviation, found.gradient, strict=True)
    ]
    if own is None:
        return bounds
    errors = [np.abs(o - g) for o, g in zip(own, found.gradient, strict=True)]
    errors = [np.where(e <= NOISE_AT_MOST * b, e, 0.0) for e, b in zip(errors, bounds, strict=True)]
    squares = [(DEVIATIONS * e / b) ** 2 for e, b in zip(errors, bounds, strict=True)]
    noise = float(np.sqrt(sum(s.sum() for s in squares) / max(1, sum(s.size for s in squares))))
    return [np.maximum(max(1.0, noise) * b, e) for b, e in zip(bounds, errors, strict=True)]


def own_gradient(claim: Claim) -> Leaves | None:
    """The framework's gradient in the type of the claim, if it has one there."""
    gradient_of = jax.grad(lambda leaves: claim.fun(claim.unflatten(leaves), *claim.args))
    if not hasattr(claim.fun, "lower"):  # what is jitted already need not be compiled again
        gradient_of = jax.jit(gradient_of)
    try:
        with jax.enable_x64(claim.dtype == np.float64):
            gradient = gradient_of([jnp.asarray(leaf) for leaf in claim.given])
        return [np.array(leaf, np.float64) for leaf in gradient]
    except Exception:  # what the function does in this type is its own affair
        return None


def _without_autodiff(found: References, claim: Claim, rounding: Rounding, seed: int) -> Leaves:
    """The claim's own change when its inputs are off by their rounding, and the error of the differences."""
    rng = np.random.default_rng(seed)
    leaves, args = claim.exact()
    scale = max(float(np.nanmax(np.abs(g), initial=0)) for g in found.gradient)
    bounds = [np.full_like(leaf, 4 * rounding.unit * scale + rounding.smallest) for leaf in leaves]

    def moved(x: Any) -> Any:
        return x * (1 + JITTER * rng.choice([-1.0, 1.0], np.shape(x))) if is_floating(x) else x

    if callable(claim.claimed):
        squares = [np.zeros_like(leaf) for leaf in leaves]
        try:
            base = claim.at(leaves, args)
            for _ in range(8):
                other = claim.at([moved(leaf) for leaf in leaves], jax.tree.map(moved, args))
                for total, a, b in zip(squares, other, base, strict=True):
                    total += ((np.asarray(a) - np.asarray(b)) / JITTER) ** 2 / 8
        except Exception:  # the claim takes no other arguments than its own
            squares = [np.zeros_like(leaf) for leaf in leaves]
        bounds = [b + DEVIATIONS * rounding.unit * np.sqrt(s) for b, s in zip(bounds, squares, strict=True)]
    for derivative in found.derivatives:
        if derivative.entry is not None and "complex step" not in derivative.values:
            leaf, index = derivative.entry
            bounds[leaf][index] += derivative.difference_error
    return bounds
