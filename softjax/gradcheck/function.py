"""The function that is checked: a real scalar function of float64 arrays, traced by JAX if possible."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.extend.core as jex
import numpy as np

from softjax.gradcheck.interpreter import evaluate
from softjax.gradcheck.leaves import Leaves
from softjax.gradcheck.rounding import Rounding, find_lowest_precision, measure_deviation


@dataclass(frozen=True)
class ScalarFunction:
    """A scalar function of some arrays, and the arrays at which its gradient is checked.

    `traced` is its jaxpr, and `gradient` the jaxpr of its reverse-mode gradient. Both are None if JAX cannot trace it.
    """

    call: Callable[[Leaves], Any]
    leaves: Leaves
    traced: jex.ClosedJaxpr | None
    gradient: jex.ClosedJaxpr | None
    precision: np.dtype[Any]
    """the least precise type in which the function computes"""
    noise: float
    """the rounding error of the function's value"""

    @property
    def coarseness(self) -> float:
        """The unit roundoff of its precision, divided by that of float64."""
        return Rounding.of(self.precision).unit / Rounding.of(np.float64).unit

    def evaluate_at(self, leaves: Sequence[Any]) -> Any:
        """The function's value at real or complex arrays."""
        if self.traced is not None:
            return evaluate(self.traced, leaves)[0]
        with np.errstate(all="ignore"):
            return np.asarray(self.call(list(leaves)))

    def is_repeatable(self) -> bool:
        """Whether a second evaluation, traced anew, gives the same value."""
        if self.traced is None:
            second = self.evaluate_at(self.leaves)
        else:
            # a new function, since JAX caches the trace of the old one
            second = evaluate(jax.make_jaxpr(lambda leaves: self.call(leaves))(self.leaves), self.leaves)[0]
        return bool(np.array_equal(second, self.evaluate_at(self.leaves), equal_nan=True))


def trace_function(call: Callable[[Leaves], Any], leaves: Leaves) -> ScalarFunction:
    """Traces `call` at `leaves`, if JAX can. Call it with 64-bit types enabled.

    Raises `ValueError` unless the function returns a real scalar.
    """
    traced: jex.ClosedJaxpr | None
    try:
        traced = jax.make_jaxpr(call)(leaves)
        results: list[Any] = traced.out_avals
    except Exception:  # a NumPy function may raise anything when it gets a tracer
        traced, results = None, [np.asarray(call(leaves))]
    if len(results) != 1 or results[0].shape != ():
        raise ValueError(f"fun must return one scalar, got {', '.join(str(r.shape) for r in results)}")
    if not jax.numpy.issubdtype(results[0].dtype, jax.numpy.floating):
        raise ValueError(f"fun must return a real number, got {results[0].dtype}")
    if traced is None:
        precision = results[0].dtype
        noise = _jitter(call, leaves, Rounding.of(precision))
        return ScalarFunction(call, leaves, None, None, precision, noise)
    precision = find_lowest_precision(traced)
    _, (deviation,) = measure_deviation(traced, leaves, Rounding.of(precision))
    gradient = jax.make_jaxpr(jax.grad(call))(leaves)
    return ScalarFunction(call, leaves, traced, gradient, precision, float(deviation))


def _jitter(call: Callable[[Leaves], Any], leaves: Leaves, rounding: Rounding) -> float:
    """How much the value of a function that cannot be traced changes when its parameters are rounded."""
    rng = np.random.default_rng(0)
    with np.errstate(all="ignore"):
        center = float(call(leaves))
        moved = [
            float(call([x * (1 + 2 * rounding.unit * rng.choice([-1, 1], x.shape)) for x in leaves]))
            for _ in range(8)
        ]
    spread = float(np.sqrt(np.mean((np.array(moved) - center) ** 2)))
    return max(spread if np.isfinite(spread) else 0.0, rounding.unit * abs(center))
