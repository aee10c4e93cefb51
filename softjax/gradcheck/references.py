"""What a claimed gradient is held against: autodiff both ways, differences and the complex step, in float64.

Functions here take parameters as a list of float64 arrays; a `Point` hides what the caller's function takes.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.extend.core as jex
import numpy as np
from jaxtyping import Float

from softjax.gradcheck.interpreter import evaluate
from softjax.gradcheck.rounding import Rounding, find_lowest_precision, measure_deviation

Leaves = list[Float[np.ndarray, "..."]]

LADDER = 0.1 * 8.0 ** -np.arange(7)  # steps of the differences, relative to a parameter
DENSE = 3  # random directions
COMPLEX_STEP = 1e-100  # its square is gone, so that it causes no truncation
DIFFERENCES_AGREE = 1e-7  # relative to Σ|terms| of a directional derivative
EXACT_METHODS_AGREE = 1e-9


@dataclass(frozen=True)
class Point:
    """A scalar function of some arrays, at a point.

    `traced` and `gradient` are its jaxpr and that of its reverse-mode gradient; None where JAX cannot trace it.
    """

    function: Callable[[Leaves], Any]
    leaves: Leaves
    traced: jex.ClosedJaxpr | None
    gradient: jex.ClosedJaxpr | None
    precision: np.dtype[Any]
    """the least precise type the function itself computes in"""
    noise: float
    """how far rounding moves the function's value"""

    def value(self, leaves: Sequence[Any]) -> Any:
        """The function there, for real or complex arrays."""
        if self.traced is not None:
            return evaluate(self.traced, leaves)[0]
        with np.errstate(all="ignore"):
            return np.asarray(self.function(list(leaves)))


@dataclass(frozen=True)
class Derivative:
    """The derivative of a function along one direction, by every method that could take it."""

    entry: tuple[int, tuple[int, ...]] | None
    """leaf and index, where the direction is a single parameter"""
    direction: Leaves = field(repr=False)
    values: dict[str, float]
    difference_error: float
    """how far the central difference itself may be off"""
    scale: float
    """Σ|terms| of the derivative, as far as it is known"""


@dataclass(frozen=True)
class References:
    """All references at a point, and whether they agree."""

    deviation: Leaves
    """what float64's own rounding does to each entry of the gradient, NaN where that is not known"""
    gradient: Leaves
    """float64; NaN in entries that nothing but a sample of differences has looked at"""
    derivatives: tuple[Derivative, ...]
    disagreement: str
    """a sentence, empty where they agree"""


def at_point(function: Callable[[Leaves], Any], leaves: Leaves) -> Point:
    """Traces `function` at `leaves`, if JAX can. To be called with 64-bit types on.

    Raises `ValueError` unless the function returns a real scalar.
    """
    traced: jex.ClosedJaxpr | None
    try:
        traced = jax.make_jaxpr(function)(leaves)
        results: list[Any] = traced.out_avals
    except Exception:  # a NumPy function fails in ways of its own on a tracer
        traced, results = None, [np.asarray(function(leaves))]
    if len(results) != 1 or results[0].shape != ():
        raise ValueError(f"fun must return one scalar, got {', '.join(str(r.shape) for r in results)}")
    if not jax.numpy.issubdtype(results[0].dtype, jax.numpy.floating):
        raise ValueError(f"fun must return a real number, got {results[0].dtype}")
    if traced is None:
        precision = results[0].dtype
        return Point(
            function, leaves, None, None, precision, _jitter(function, leaves, Rounding.of(precision))
        )
    precision = find_lowest_precision(traced)
    _, (noise,) = measure_deviation(traced, leaves, Rounding.of(precision))
    gradient = jax.make_jaxpr(jax.grad(function))(leaves)
    return Point(function, leaves, traced, gradient, precision, float(noise))


def _jitter(function: Callable[[Leaves], Any], leaves: Leaves, rounding: Rounding) -> float:
    """How far a function that cannot be traced moves when its parameters are off by their rounding."""
    rng = np.random.default_rng(0)
    with np.errstate(all="ignore"):
        center = float(function(leaves))
        moved = [
            float(function([x * (1 + 2 * rounding.unit * rng.choice([-1, 1], x.shape)) for x in leaves]))
            for _ in range(8)
        ]
    spread = float(np.sqrt(np.mean((np.array(moved) - center) ** 2)))
    return max(spread if np.isfinite(spread) else 0.0, rounding.unit * abs(center))


def references(
    point: Point,
    entries: Sequence[tuple[int, tuple[int, ...]]],
    name: Callable[[int, tuple[int, ...]], str],
    seed: int,
) -> References:
    """Every reference along `entries` (leaf, index; `name` says it) and along three dense random directions."""
    rng = np.random.default_rng(seed)
    sizes = [np.where(leaf == 0, np.abs(leaf).max(initial=0) or 1.0, np.abs(leaf)) for leaf in point.leaves]
    dense = [[size * rng.choice([-1.0, 1.0], size.shape) for size in sizes] for _ in range(DENSE)]
    if point.gradient is not None:
        gradient, noise = measure_deviation(point.gradient, point.leaves, Rounding.of(np.float64), seed=seed)
    else:
        gradient, noise = ([np.full_like(leaf, np.nan) for leaf in point.leaves] for _ in range(2))
    # an entry that is exactly 0 is compared on the scale of the others
    floor = max(1e-6 * max(float(np.nanmax(np.abs(g), initial=0)) for g in gradient), 1e-100)
    forward = _forward(point)
    fuzz = Rounding.of(point.precision).unit / Rounding.of(np.float64).unit
    derivatives, complaints = [], []
    for entry, direction in [(entry, _unit(point.leaves, entry)) for entry in entries] + [
        (None, direction) for direction in dense
    ]:
        values: dict[str, float] = {}
        if entry is None:  # each parameter moves in proportion to itself
            difference, error = _central_difference(point, direction, 1.0)
        else:
            leaf, index = entry
            largest = float(np.abs(point.leaves[leaf]).max()) or 1.0
            difference, error = _central_difference(point, direction, largest)
            own = float(sizes[leaf][index])
            if own < largest and not error <= 1e-6 * abs(difference):  # too coarse for this one, perhaps
                finer = _central_difference(point, direction, own)
                if finer[1] < error:
                    difference, error = finer
        scale = abs(difference)
        allowance = 0.0
        if point.gradient is not None:
            values["reverse mode"] = _inner(gradient, direction)
            scale = max(_inner([np.abs(g) for g in gradient], [np.abs(v) for v in direction]), floor)
            allowance = 100 * fuzz * _inner(noise, [np.abs(v) for v in direction])
        if forward is not None:
            values["forward mode"] = forward(direction)
        complex_step = _complex_step(point, direction)
        if (
            complex_step is not None
            and abs(complex_step - difference) <= 10 * error + DIFFERENCES_AGREE * scale
        ):
            values["complex step"] = complex_step
        values["central differences"] = difference
        derivatives.append(Derivative(entry, direction, values, error, scale))
        where = "along a random direction" if entry is None else f"at {name(*entry)}"
        complaints += [f"{text} {where}" for text in _complaints(values, error, scale, allowance, fuzz)]
    if point.gradient is None:
        for derivative in derivatives:
            if derivative.entry is not None:
                leaf, index = derivative.entry
                best = "complex step" if "complex step" in derivative.values else "central differences"
                gradient[leaf][index] = derivative.values[best]
    if not _repeatable(point):
        complaints.insert(0, "two evaluations at the same point give different values (randomness?)")
    return References(noise, gradient, tuple(derivatives), complaints[0] if complaints else "")


def _complaints(
    values: dict[str, float], error: float, scale: float, allowance: float, fuzz: float
) -> list[str]:
    """Pairs of methods that differ by more than their own errors allow."""
    difference = values["central differences"]
    exact = {name: value for name, value in values.items() if name != "central differences"}
    first = next(iter(exact), None)
    found = []
    for name, value in exact.items():
        pairs = [("central differences", difference, 10 * error + DIFFERENCES_AGREE * scale + allowance)]
        if first is not None and name != first:
            pairs.append((first, exact[first], EXACT_METHODS_AGREE * fuzz * scale + allowance))
        for other, compared, bound in pairs:
            if not abs(value - compared) <= bound:
                found.append(f"{name} gives {value:.9g}, {other} {compared:.9g}")
    if np.isnan(difference):
        found.insert(0, "central differences do not settle as their step shrinks")
    return found


def _repeatable(point: Point) -> bool:
    if point.traced is None:
        return bool(np.array_equal(point.value(point.leaves), point.value(point.leaves), equal_nan=True))
    again = jax.make_jaxpr(lambda leaves: point.function(leaves))(point.leaves)
    return bool(np.array_equal(evaluate(again, point.leaves)[0], point.value(point.leaves), equal_nan=True))


def _forward(point: Point) -> Callable[[Leaves], float] | None:
    if point.traced is None:
        return None
    traced = jax.make_jaxpr(lambda x, v: jax.jvp(point.function, (x,), (v,))[1])(point.leaves, point.leaves)
    return lambda direction: float(evaluate(traced, [*point.leaves, *direction])[0])


def _complex_step(point: Point, direction: Leaves) -> float | None:
    """Im f(x + i h v) / h, or None where the function does not take complex numbers.

    Source: Squire and Trapp, *Using Complex Variables to Estimate Derivatives of Real Functions*, 1998.
    """
    try:
        shifted = [x + 1j * COMPLEX_STEP * v for x, v in zip(point.leaves, direction, strict=True)]
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # NumPy only warns where it drops an imaginary part
            value = point.value(shifted)
    except Exception:  # NotAnalytic, or whatever a NumPy function makes of complex numbers
        return None
    value = np.asarray(value)
    if value.dtype.kind != "c" or not np.isfinite(value):
        return None
    return float(value.imag / COMPLEX_STEP)


def _central_difference(point: Point, direction: Leaves, size: float) -> tuple[float, float]:
    """(f(x + hv) − f(x − hv)) / 2h, and its error.

    Taken at steps h that shrink eightfold, from `size` / 10 on. Each neighbouring pair is extrapolated,
    (64 D(h/8) − D(h)) / 63, and the pair is kept whose extrapolations have settled best, where four times the
    rounding of f, over h, counts as unsettled: that is Σ|terms| · u, not |f| · u, which near a loss of 0 is far
    too little. NaN where the function jumps.

    Source: Ridders, *Accurate computation of F'(x) and F'(x)F''(x)*, 1982.
    """
    steps = LADDER * size
    pairs = [
        [
            float(
                np.real(point.value([x + sign * h * v for x, v in zip(point.leaves, direction, strict=True)]))
            )
            for sign in (1, -1)
        ]
        for h in steps
    ]
    rise = np.abs([above - below for above, below in pairs])
    if (rise[-3:] > 0.5 * rise[-4:-1]).all() and rise[-1] > 1000 * point.noise:
        return float("nan"), float("inf")  # a jump: the rise does not shrink with the step
    with np.errstate(all="ignore"):
        plain = np.array([above - below for above, below in pairs]) / (2 * steps)
        extrapolated = (64 * plain[1:] - plain[:-1]) / 63
        unsettled = np.abs(np.diff(extrapolated)) + 4 * point.noise / steps[2:]
    if not np.isfinite(unsettled).any():
        return float("nan"), float("inf")
    best = int(np.nanargmin(np.where(np.isfinite(unsettled), unsettled, np.inf)))
    return float(extrapolated[best + 1]), float(unsettled[best])


def _unit(leaves: Leaves, entry: tuple[int, tuple[int, ...]]) -> Leaves:
    direction = [np.zeros_like(leaf) for leaf in leaves]
    direction[entry[0]][entry[1]] = 1.0
    return direction


def _inner(a: Leaves, b: Leaves) -> float:
    return float(sum(np.vdot(x, y) for x, y in zip(a, b, strict=True)))
