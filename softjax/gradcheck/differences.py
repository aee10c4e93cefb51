"""Directional derivatives without autodiff: the complex step, and central differences."""

import warnings

import numpy as np

from softjax.gradcheck.function import ScalarFunction
from softjax.gradcheck.leaves import Leaves

COMPLEX_STEP = 1e-100  # its square underflows to 0, so there is no truncation error
LADDER = 0.1 * 8.0 ** -np.arange(7)  # steps of the differences, relative to the size of the parameters
TOO_COARSE = 1e-6  # above this relative error, smaller steps are tried


def take_complex_step(function: ScalarFunction, direction: Leaves) -> float | None:
    """Im f(x + i h v) / h, or None if the function does not accept complex numbers.

    Source: Squire and Trapp, *Using Complex Variables to Estimate Derivatives of Real Functions*, 1998.
    """
    try:
        shifted = [x + 1j * COMPLEX_STEP * v for x, v in zip(function.leaves, direction, strict=True)]
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # NumPy only warns when it drops an imaginary part
            value = function.evaluate_at(shifted)
    except Exception:  # NotAnalytic, or any error of a NumPy function that gets complex numbers
        return None
    value = np.asarray(value)
    if value.dtype.kind != "c" or not np.isfinite(value):
        return None
    return float(value.imag / COMPLEX_STEP)


def take_central_difference(
    function: ScalarFunction, direction: Leaves, size: float, own_size: float | None = None
) -> tuple[float, float]:
    """The derivative along `direction` by central differences, and an estimate of its error.

    **Arguments:**

    - `size`: the size of the parameters that move; the first step is a tenth of it.
    - `own_size`: the size of the one parameter that moves, if there is only one. If it is smaller than `size` and
      the steps turn out too coarse, steps from `own_size` / 10 on are tried too.
    """
    difference, error = _extrapolate(function, direction, size)
    if own_size is not None and own_size < size and not error <= TOO_COARSE * abs(difference):
        finer = _extrapolate(function, direction, own_size)
        if finer[1] < error:
            return finer
    return difference, error


def _extrapolate(function: ScalarFunction, direction: Leaves, size: float) -> tuple[float, float]:
    """D(h) = (f(x + hv) − f(x − hv)) / 2h, extrapolated to h = 0, and an estimate of its error.

    The first step is `size` / 10, and each following step is an eighth of the one before. Each pair of neighbouring
    steps is extrapolated, (64 D(h/8) − D(h)) / 63. The error of an extrapolation is its difference from the one
    before, plus 4 r / h, where r is the rounding error of f. The extrapolation with the least error is returned.
    r is Σ|terms| · u; |f| · u would be far too small near a loss of 0. Returns NaN if the function jumps.

    Source: Ridders, *Accurate computation of F'(x) and F'(x)F''(x)*, 1982.
    """
    steps = LADDER * size
    pairs = [[_evaluate_along(function, direction, sign * h) for sign in (1, -1)] for h in steps]
    rise = np.abs([above - below for above, below in pairs])
    if (rise[-3:] > 0.5 * rise[-4:-1]).all() and rise[-1] > 1000 * function.noise:
        return float("nan"), float("inf")  # a jump: the rise does not shrink with the step
    with np.errstate(all="ignore"):
        plain = np.array([above - below for above, below in pairs]) / (2 * steps)
        extrapolated = (64 * plain[1:] - plain[:-1]) / 63
        unsettled = np.abs(np.diff(extrapolated)) + 4 * function.noise / steps[2:]
    if not np.isfinite(unsettled).any():
        return float("nan"), float("inf")
    best = int(np.nanargmin(np.where(np.isfinite(unsettled), unsettled, np.inf)))
    return float(extrapolated[best + 1]), float(unsettled[best])


def _evaluate_along(function: ScalarFunction, direction: Leaves, step: float) -> float:
    moved = [x + step * v for x, v in zip(function.leaves, direction, strict=True)]
    return float(np.real(function.evaluate_at(moved)))
