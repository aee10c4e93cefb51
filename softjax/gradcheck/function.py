"""The function that is checked: a real scalar function of float64 arrays, traced by JAX if possible."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from traceback import clear_frames
from typing import Any, NamedTuple

import jax
import jax.extend.core as jex
import numpy as np

from softjax.gradcheck.interpreter import evaluate, try_to_trace
from softjax.gradcheck.leaves import Leaves, to_array
from softjax.gradcheck.rewrite import (
    RANDOM,
    depends_on_inputs,
    draw_in_32_bits,
    has_operation,
    take_rules_off,
)
from softjax.gradcheck.rounding import (
    FINER,
    KINK,
    NOISE_STEPS,
    SMALLEST_STEPS,
    STAYS,
    Rounding,
    find_lowest_precision,
    find_noise,
    measure_deviation,
)

ROUNDINGS = 4  # samples of the rounding of a function that JAX cannot trace
FORWARD_AT_MOST = 2000  # up to this many parameters, forward mode takes every entry where reverse mode cannot
RULES_OF_ITS_OWN = {"custom_jvp_call", "custom_vjp_call", "custom_vjp_call_jaxpr"}


class Autodiff(NamedTuple):
    """A way in which JAX differentiates a function."""

    name: str
    gradient: jex.ClosedJaxpr
    """every entry of the gradient"""
    slope: jex.ClosedJaxpr | None
    """the derivative along a direction by forward mode, or None if JAX has none"""


@dataclass(frozen=True)
class ScalarFunction:
    """A scalar function of some arrays, and the arrays at which its gradient is checked.

    `traced` is its jaxpr, None if JAX cannot trace it.
    """

    call: Callable[[Leaves], Any]
    leaves: Leaves
    traced: jex.ClosedJaxpr | None
    precision: np.dtype[Any]
    """the least precise type in which the function computes"""
    value: float
    """its value at `leaves`"""
    noise: float
    """the rounding error of the function's value"""

    @property
    def coarseness(self) -> float:
        """The unit roundoff of its precision, divided by that of float64."""
        return Rounding.of(self.precision).unit / Rounding.of(np.float64).unit

    @cached_property
    def failures(self) -> dict[str, str]:
        """The modes of autodiff that JAX does not have for this function, and why."""
        found = {}
        for name, program in (("reverse mode", self._reverse), ("forward mode", self._slope)):
            if isinstance(program, str):
                found[name] = program
        return found

    @cached_property
    def _reverse(self) -> Any:
        return _trace(jax.grad(self.call), self.leaves)

    @cached_property
    def _slope(self) -> Any:
        return _trace_slope(self.call, self.leaves)

    def list_autodiff(self) -> Iterator[Autodiff]:
        """The ways in which JAX differentiates the function: with its own derivative rules, then without them."""
        if self.traced is None:
            return
        slope = self._slope
        if not isinstance(self._reverse, str):
            yield Autodiff("reverse mode", self._reverse, None if isinstance(slope, str) else slope)
        elif not isinstance(slope, str) and self._few:
            yield Autodiff("forward mode", jax.make_jaxpr(jax.jacfwd(self.call))(self.leaves), slope)
        if has_operation(self.traced, RULES_OF_ITS_OWN):
            bare = take_rules_off(self.call)
            slope = _trace_slope(bare, self.leaves)
            for mode, derivative in (("reverse", jax.grad), ("forward", jax.jacfwd)):
                program = _trace(derivative(bare), self.leaves) if mode == "reverse" or self._few else ""
                if not isinstance(program, str):
                    name = f"{mode} mode without the function's own derivative rules"
                    yield Autodiff(name, program, None if isinstance(slope, str) else slope)
                    return

    @property
    def _few(self) -> bool:
        return sum(leaf.size for leaf in self.leaves) <= FORWARD_AT_MOST

    def evaluate_at(self, leaves: Sequence[Any]) -> Any:
        """The function's value at real or complex arrays."""
        if self.traced is not None:
            return evaluate(self.traced, leaves)[0]
        with np.errstate(all="ignore"):
            return to_array(self.call(list(leaves)))

    def evaluate_near(self, leaves: Leaves) -> float:
        """The function's value at real arrays near the point, NaN where it raises: outside of its domain it may."""
        if self.traced is not None:
            return float(self.evaluate_at(leaves))
        return evaluate_or_nan(self.call, leaves)

    @cached_property
    def takes_complex(self) -> bool:
        """Whether the function accepts complex numbers at all."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # NumPy only warns when it drops an imaginary part
                value = np.asarray(self.evaluate_at([x + 1e-100j for x in self.leaves]))
        except Exception:  # NotAnalytic, or any error of a NumPy function that gets complex numbers
            return False
        return value.dtype.kind == "c"

    @cached_property
    def has_gradient_of_its_own(self) -> bool:
        """Whether JAX's derivative is by definition another one than that of the numbers which the function returns.

        JAX differentiates a gamma draw implicitly, at a fixed probability. The number that a key gives moves otherwise.
        """
        return self.traced is not None and depends_on_inputs(self.traced, "random_gamma")

    def is_repeatable(self) -> bool:
        """Whether a second evaluation, traced anew, gives the same value."""
        if self.traced is None:
            second = self.evaluate_at(self.leaves)
        else:
            # a new function, since JAX caches the trace of the old one
            second = evaluate(jax.make_jaxpr(lambda leaves: self.call(leaves))(self.leaves), self.leaves)[0]
        return bool(np.array_equal(second, self.value, equal_nan=True))


def evaluate_or_nan(call: Callable[[Leaves], Any], leaves: Leaves) -> float:
    """The value of a function, NaN where it raises."""
    try:
        with np.errstate(all="ignore"):
            return float(np.real(to_array(call(leaves))))
    except Exception:  # the caller's function may raise anything outside of its domain
        return float("nan")


def trace_function(call: Callable[[Leaves], Any], leaves: Leaves, in_32_bits: bool) -> ScalarFunction:
    """Traces `call` at `leaves`, if JAX can. Call it with 64-bit types enabled.

    **Arguments:**

    - `in_32_bits`: whether the function's user has 64-bit types disabled, so that it draws random numbers of 32 bits.

    Raises `ValueError` unless the function returns a real scalar.
    """
    traced = try_to_trace(call, leaves)
    if traced is not None and in_32_bits and has_operation(traced, RANDOM):
        call = draw_in_32_bits(call)
        traced = jax.make_jaxpr(call)(leaves)
    results: list[Any] = [to_array(call(leaves))] if traced is None else traced.out_avals
    if len(results) != 1 or results[0].shape != ():
        raise ValueError(f"fun must return one scalar, got {', '.join(str(r.shape) for r in results)}")
    if not jax.numpy.issubdtype(results[0].dtype, jax.numpy.floating):
        raise ValueError(f"fun must return a real number, got {results[0].dtype}")
    if traced is None:
        precision, value = results[0].dtype, float(results[0])
        return ScalarFunction(
            call, leaves, None, precision, value, _jitter(call, leaves, value, Rounding.of(precision))
        )
    precision = find_lowest_precision(traced)
    rounding = Rounding.of(precision)
    (value,), (deviation,) = measure_deviation(traced, leaves, rounding)
    # at the edge of its domain a function may be NaN a rounding away
    noise = float(deviation) if np.isfinite(deviation) else rounding.unit * abs(float(value))
    return ScalarFunction(call, leaves, traced, precision, float(value), noise)


def _trace(function: Callable[..., Any], *arguments: Any) -> jex.ClosedJaxpr | str:
    """The jaxpr, or why JAX has none, in one line."""
    try:
        return jax.make_jaxpr(function)(*arguments)
    except Exception as error:
        clear_frames(error.__traceback__)
        return (
            f"{type(error).__name__}: {str(error).splitlines()[0].rstrip('.')}"
            if str(error)
            else type(error).__name__
        )


def _trace_slope(call: Callable[..., Any], leaves: Leaves) -> jex.ClosedJaxpr | str:
    traced = _trace(lambda x, v: jax.jvp(call, (x,), (v,))[1], leaves, leaves)
    if not isinstance(traced, str) and has_operation(traced, {"custom_lin"}):  # it would fail when it runs
        return "custom_vjp has none"
    return traced


def _jitter(call: Callable[[Leaves], Any], leaves: Leaves, center: float, rounding: Rounding) -> float:
    """How much the value of a function that cannot be traced changes when its parameters are rounded.

    The noise on a coarser scale counts too: `rounding.find_noise`.
    """
    rng = np.random.default_rng(0)
    signs = [rng.choice([-1, 1], x.shape) for x in leaves]

    def value(step: float, signs: Sequence[Any]) -> float:
        moved = [x * (1 + step * sign) for x, sign in zip(leaves, signs, strict=True)]
        return float(evaluate_or_nan(call, moved))

    with np.errstate(all="ignore"):
        moved = [
            value(2 * rounding.unit, [rng.choice([-1, 1], x.shape) for x in leaves]) for _ in range(ROUNDINGS)
        ]
        rough = float(find_noise([value(step, signs) if step else center for step in NOISE_STEPS]))
        steps = NOISE_STEPS
        while rough > KINK * abs(center) and steps[-1] > SMALLEST_STEPS:
            steps = FINER * steps
            finer = float(find_noise([value(step, signs) if step else center for step in steps]))
            if finer >= STAYS * rough:
                break
            rough = finer  # noise stays where the steps shrink: this was a kink nearby
    spread = float(np.sqrt(np.mean((np.array(moved) - center) ** 2)))
    found = [each for each in (spread, rough) if np.isfinite(each)]
    return max(*found, rounding.unit * abs(center)) if found else rounding.unit * abs(center)
