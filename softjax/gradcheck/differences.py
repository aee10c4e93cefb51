"""Directional derivatives without autodiff: the complex step, and central differences."""

import warnings
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from softjax.gradcheck.function import ScalarFunction
from softjax.gradcheck.leaves import Leaves

COMPLEX_STEP = 1e-100  # its square underflows to 0, so there is no truncation error
COMPLEX_ROUTINE = (
    1e-12  # relative: libraries compute functions of complex numbers by other, less precise routines
)
ROUNDINGS = 2  # samples of the rounding of a complex step
FIRST_LEVELS = (1, 2, 3)  # steps of the differences, an eighth of each other, that are tried alone
SETTLED = 1e-9  # and are enough if their relative error is at most that
LEVELS, LEVELS_AT_MOST = 7, 16  # the steps else
TOO_COARSE = 1e-6  # above this relative error, smaller steps are tried


class Difference(NamedTuple):
    """A derivative by central differences, its estimated error, and whether the function jumps there."""

    value: float
    error: float
    jumps: bool = False
    bend: float = 0.0
    """f'(x; v) + f'(x; −v), which is 0 unless the function has a kink here: positive if it is convex there"""


def take_complex_step(
    function: ScalarFunction, direction: Leaves, measured: bool = True
) -> tuple[float | None, float]:
    """Im f(x + i h v) / h, or None if the function does not accept complex numbers; and its rounding error.

    The error is known to be 0 to rounding where JAX traces the function. Where it does not, it is measured if `measured`: how
    much the derivative changes when the parameters are rounded.

    Source: Squire and Trapp, *Using Complex Variables to Estimate Derivatives of Real Functions*, 1998.
    """
    value = _step(function, function.leaves, direction) if function.takes_complex else None
    if value is None or function.traced is not None or not measured:
        return value, 0.0
    rng = np.random.default_rng(0)
    error = abs(value) * (COMPLEX_ROUTINE + 10 * _compare_at_complex(function, direction))
    for _ in range(ROUNDINGS):
        moved = [x * (1 + np.finfo(x.dtype).eps * rng.choice([-1.0, 1.0], x.shape)) for x in function.leaves]
        other = _step(function, moved, direction)
        error = max(error, abs((value if other is None else other) - value))
    return value, error


def _compare_at_complex(function: ScalarFunction, direction: Leaves) -> float:
    """How far the function of complex numbers is from that of real ones, relative: often it is another routine."""
    try:
        at_complex = function.evaluate_at(
            [x + 0j * v for x, v in zip(function.leaves, direction, strict=True)]
        )
    except Exception:  # it takes complex numbers along other directions only
        return float("inf")
    difference = abs(float(np.real(at_complex)) - function.value)
    return difference / abs(function.value) if function.value else difference


def _step(function: ScalarFunction, leaves: Leaves, direction: Leaves) -> float | None:
    try:
        shifted = [x + 1j * COMPLEX_STEP * v for x, v in zip(leaves, direction, strict=True)]
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
) -> Difference:
    """The derivative along `direction` by central differences, and an estimate of its error.

    **Arguments:**

    - `size`: the size of the parameters that move; the first step is a tenth of it.
    - `own_size`: the size of the one parameter that moves, if there is only one. If it is smaller than `size` and
      the steps turn out too coarse, steps from `own_size` / 10 on are tried too.
    """
    found = _extrapolate(function, direction, size)
    if own_size is not None and own_size < size and not found.error <= TOO_COARSE * abs(found.value):
        finer = _extrapolate(function, direction, own_size)
        if finer.error < found.error:
            return finer
    return found


def _extrapolate(function: ScalarFunction, direction: Leaves, size: float) -> Difference:
    """D(h) = (f(x + hv) − f(x − hv)) / 2h, extrapolated to h = 0, and an estimate of its error.

    The first step is `size` / 10, and each following step is an eighth of the one before. Where the function is smooth, the
    second, third and fourth step settle the value, and no others are taken. Each pair of neighbouring
    steps is extrapolated, (64 D(h/8) − D(h)) / 63. The error of an extrapolation is its difference from the one
    before, or from a later one beyond the rounding of that, plus 4 r / h, where r is the rounding error of f. The
    extrapolation with the least error is returned. r is Σ|terms| · u; |f| · u would be far too small near a loss of 0.
    Beyond seven steps, smaller ones are tried as long as none is good enough and rounding allows it: near the edge of the
    domain, or where the function varies fast. The value is NaN if the function jumps or nothing converges.

    Source: Ridders, *Accurate computation of F'(x) and F'(x)F''(x)*, 1982.
    """

    @cache
    def look(level: int) -> tuple[Any, list[float]]:
        step = np.float64(0.1 * size * 8.0**-level)  # 0 for the smallest numbers
        return step, [_evaluate_along(function, direction, sign * step) for sign in (1, -1)]

    steps, pairs = map(list, zip(*map(look, FIRST_LEVELS), strict=True))
    found = _read_table(np.array(pairs), np.array(steps), function.noise)
    rises = np.array(pairs) - function.value
    if (
        found.error <= SETTLED * abs(found.value)
        and not _find_bends(rises, np.array(steps), function.noise)[1].any()
    ):
        return found
    steps, pairs, found = [], [], Difference(float("nan"), float("inf"))
    for level in range(LEVELS_AT_MOST):
        step, pair = look(level)
        steps.append(step)
        pairs.append(pair)
        if level + 1 < LEVELS:
            continue
        rise = np.abs([above - below for above, below in pairs])
        if (rise[-3:] > 0.5 * rise[-4:-1]).all() and rise[-1] > 1000 * function.noise:
            found = Difference(float("nan"), float("inf"), jumps=True)  # the rise does not shrink: go on
            continue
        found = _read_table(np.array(pairs), np.array(steps), function.noise)
        if found.error <= TOO_COARSE * abs(found.value) or 4 * function.noise / steps[-1] > found.error:
            break
    bend = _find_bend(np.array(pairs) - function.value, np.array(steps), function.noise)
    if np.isinf(bend):
        return Difference(float("nan"), float("inf"), jumps=True)
    return found._replace(bend=bend)


def _find_bend(rises: np.ndarray, steps: np.ndarray, noise: float) -> float:
    """The limit of (f(x + hv) − 2 f(x) + f(x − hv)) / h, which falls with h where f is smooth; ∞ at a cusp."""
    bends, clear = _find_bends(rises, steps, noise)
    for last in range(len(bends), 2, -1):
        three = bends[last - 3 : last]
        if clear[last - 3 : last].all() and np.ptp(three) <= 0.05 * np.abs(three).min():
            return float(three[-1])
        with np.errstate(all="ignore"):
            growth = np.abs(three[1:] / three[:-1])
        if (
            clear[last - 3 : last].all() and growth.min() > 1.5 and growth.max() < 5
        ):  # by 8 it would be a jump
            return float("inf")
        if clear[last - 1]:  # it is seen well here, and falls
            return 0.0
    return 0.0


def _find_bends(rises: np.ndarray, steps: np.ndarray, noise: float) -> tuple[np.ndarray, np.ndarray]:
    """(f(x + hv) − 2 f(x) + f(x − hv)) / h without what is proportional to h, and where it is more than rounding."""
    with np.errstate(all="ignore"):
        plain = rises.sum(axis=1) / steps
        bends = (8 * plain[1:] - plain[:-1]) / 7
        slopes = np.abs(rises / steps[:, None]).max(axis=1)[1:]
        return bends, np.abs(bends) > np.maximum(100 * noise / steps[1:], 1e-6 * slopes)


def _read_table(pairs: np.ndarray, steps: np.ndarray, noise: float) -> Difference:
    with np.errstate(all="ignore"):
        plain = (pairs[:, 0] - pairs[:, 1]) / (2 * steps)
        extrapolated = (64 * plain[1:] - plain[:-1]) / 63
        unsettled = np.abs(np.diff(extrapolated))
        rest, rounding = extrapolated[1:], 4 * noise / steps[2:]
        later = np.abs(rest[None, :] - rest[:, None]) - 2 * rounding[None, :]  # of one, from a finer one
        later = np.where(np.triu(np.isfinite(later), 1), later, 0).max(axis=1)
        unsettled = np.maximum(unsettled, later) + rounding
    if not np.isfinite(unsettled).any():
        return Difference(float("nan"), float("inf"))
    best = int(np.nanargmin(np.where(np.isfinite(unsettled), unsettled, np.inf)))
    return Difference(float(rest[best]), float(unsettled[best]))


def _evaluate_along(function: ScalarFunction, direction: Leaves, step: float) -> float:
    moved = [x + step * v for x, v in zip(function.leaves, direction, strict=True)]
    return function.evaluate_near(moved)
