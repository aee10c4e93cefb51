"""Rounding errors: of a floating type, of the results of a function, and of a right gradient.

The model: the error of an operation's result v is u |v|, or u Σ|terms| if v is a sum; u is the unit roundoff.

Source: Parker, *Monte Carlo Arithmetic*, 1997; Higham, *Accuracy and Stability of Numerical Algorithms*, 2002.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.extend.core as jex
import numpy as np

from softjax.gradcheck.interpreter import Arrays, evaluate, run_in_jax
from softjax.gradcheck.leaves import Leaves
from softjax.gradcheck.rewrite import list_called
from softjax.gradcheck.rules import RULES

SAMPLES, FEW_SAMPLES = 12, 4  # of the rounding of a program
LONG_PROGRAM = 5000  # operations
DEVIATIONS = 1.25  # a rounding bound, in root mean squares of the rounding error
NOISE_STEPS = 0.03 * np.arange(-6, 7)  # relative to the parameters
KINK = 1e-8  # relative to the value: more noise than that may be a kink nearby
FINER = 0.1  # the share of the steps at which noise is still there, and a kink is smaller
STAYS = 0.3  # the share of noise that is still there
SMALLEST_STEPS = 1e-4
UNKNOWN = 30.0  # unit roundoffs, where a program gives NaN when it is disturbed
NOISE_AT_MOST = 30.0  # in rounding bounds: a larger error of JAX's own gradient is not rounding

_EXACT = {
    "neg", "abs", "sign", "max", "min", "floor", "ceil", "round", "stop_gradient", "copy", "copy_p",
    "convert_element_type", "select_n", "broadcast_in_dim", "reshape", "squeeze", "transpose", "concatenate",
    "reduce_max", "reduce_min", "slice", "dynamic_slice", "dynamic_update_slice", "gather", "scatter", "rev",
    "pad", "sort", "split", "expand_dims", "clamp", "real", "imag", "iota",
}  # fmt: skip


@dataclass(frozen=True)
class Rounding:
    """The unit roundoff of a floating type, and the size below which its errors are no longer relative."""

    unit: float
    smallest: float

    @classmethod
    def of(cls, dtype: Any) -> "Rounding":
        """The rounding of a floating type, bfloat16 included."""
        info = jax.numpy.finfo(dtype)  # type: ignore[no-untyped-call]
        smallest = info.smallest_subnormal if np.dtype(dtype) == np.float16 else info.tiny
        return cls(float(info.eps) / 2, float(smallest))


def pick_least_precise(dtypes: Sequence[np.dtype[Any]]) -> np.dtype[Any]:
    """The floating type among them whose unit roundoff is largest."""
    return max(dtypes, key=lambda dtype: Rounding.of(dtype).unit)


def find_lowest_precision(traced: jex.ClosedJaxpr) -> np.dtype[Any]:
    """The least precise floating type that a traced function computes in, float64 if there is no lower."""
    computed_in = [np.dtype(np.float64)]

    def look(jaxpr: jex.Jaxpr) -> None:
        for eqn in jaxpr.eqns:
            if eqn.primitive.name not in _EXACT - {"convert_element_type"}:
                dtypes = (getattr(atom.aval, "dtype", None) for atom in eqn.outvars)
                computed_in.extend(np.dtype(d) for d in dtypes if d is not None and _is_real_type(d))
            for called in list_called(eqn):
                look(called.jaxpr if isinstance(called, jex.ClosedJaxpr) else called)

    look(traced.jaxpr)
    return pick_least_precise(computed_in)


def find_noise(values: Sequence[Any]) -> np.ndarray:
    """The noise in values at `NOISE_STEPS`, entry by entry; 0 where it is below what is smooth in them.

    A function that is computed in steps, as by a solver, or by one of several approximations, may be smooth between
    neighbouring numbers and jump elsewhere. High differences of equidistant values of a smooth function fall with their
    order. Those of noise, divided by the root of their binomial coefficient, do not.

    Source: Moré and Wild, *Estimating Computational Noise*, 2011.
    """
    with np.errstate(all="ignore"):
        levels = [
            np.sqrt(
                np.mean(np.diff(np.asarray(values), order, axis=0) ** 2, axis=0) / math.comb(2 * order, order)
            )
            for order in (8, 9, 10)
        ]
        flat = np.max(levels, axis=0) <= 1.6 * np.min(levels, axis=0)
    return np.where(flat & np.isfinite(levels[-1]), levels[-1], 0.0)


def measure_deviation(
    traced: jex.ClosedJaxpr, arguments: Sequence[Any], rounding: Rounding, *, seed: int = 0
) -> tuple[Leaves, Leaves]:
    """The results of a traced function, and the rounding error of each of their entries.

    The rounding error is estimated by 12 evaluations, by 4 of a long program. In each, the result of every operation is changed by
    its rounding error with a random sign; the estimate is the root mean square of the changes. To first order it is √(Σᵢ (∂out/∂vᵢ δᵢ)²) over all intermediate values vᵢ,
    where δᵢ is u |vᵢ|, or u Σ|terms| (times √n / 4 for long sums) where vᵢ is a sum. This is Monte Carlo
    arithmetic (Parker 1997).
    """
    exact = evaluate(traced, arguments)
    rng = np.random.default_rng(seed)
    operations = itertools.count()

    def disturb(*operation: Any) -> Arrays:
        next(operations)
        return _disturb(rounding, rng, *operation)

    squares = [np.zeros_like(value) for value in exact]
    taken, wanted = 0, SAMPLES
    while taken < wanted:
        disturbed = evaluate(traced, arguments, disturb)
        for total, value, other in zip(squares, exact, disturbed, strict=True):
            total += (np.asarray(other) - value) ** 2
        taken += 1
        if taken == 1 and next(operations) > LONG_PROGRAM:
            wanted = FEW_SAMPLES
    # of few samples the mean may be small by chance
    doubt = 1.0 if taken == SAMPLES else 1.5
    return exact, [np.asarray(doubt * np.sqrt(total / taken)) for total in squares]


def bound_rounding(
    gradient: Leaves, deviation: Leaves, rounding: Rounding, own: Leaves | None = None
) -> Leaves:
    """The rounding bound of each entry: the error that a right gradient may have there, to first order.

    **Arguments:**

    - `gradient`: the true gradient, in float64.
    - `deviation`: the rounding errors of its entries, by `measure_deviation`.
    - `rounding`: the rounding of the type in which the claim was computed.
    - `own`: JAX's gradient in that type, if there is one. If its real error is larger than the bound, it counts.
    """
    deviation = [
        np.where(np.isfinite(d), d, UNKNOWN * rounding.unit * np.abs(g))
        for d, g in zip(deviation, gradient, strict=True)
    ]
    bounds = [
        DEVIATIONS * d + rounding.unit * np.abs(g) + rounding.smallest
        for d, g in zip(deviation, gradient, strict=True)
    ]
    if own is None:
        return bounds
    errors = [np.abs(o - g) for o, g in zip(own, gradient, strict=True)]
    errors = [np.where(e <= NOISE_AT_MOST * b, e, 0.0) for e, b in zip(errors, bounds, strict=True)]
    squares = [(DEVIATIONS * e / b) ** 2 for e, b in zip(errors, bounds, strict=True)]
    noise = float(np.sqrt(sum(s.sum() for s in squares) / max(1, sum(s.size for s in squares))))
    return [np.maximum(max(1.0, noise) * b, e) for b, e in zip(bounds, errors, strict=True)]


def _is_real_type(dtype: Any) -> bool:
    return bool(jax.numpy.issubdtype(dtype, jax.numpy.floating))


def _disturb(
    rounding: Rounding, rng: np.random.Generator, eqn: Any, inputs: Arrays, outputs: Arrays
) -> Arrays:
    """The outputs of an operation, each changed by its rounding error with a random sign."""
    if eqn.primitive.name in _EXACT:
        return outputs
    return [
        _move(value, magnitude, rounding, rng)
        for value, magnitude in zip(outputs, _measure_terms(eqn, inputs, outputs), strict=True)
    ]


def _measure_terms(eqn: Any, inputs: Arrays, outputs: Arrays) -> Arrays:
    """The number that the rounding error of each output is relative to: |output|, or Σ|terms| for a sum."""
    sizes = [_take_size(x) for x in inputs]
    match eqn.primitive.name:
        case "reduce_sum":
            terms = int(np.prod([inputs[0].shape[axis] for axis in eqn.params["axes"]]))
            return [_allow_for_length(terms) * RULES["reduce_sum"](eqn.params, *sizes)]
        case "dot_general":
            contracted = eqn.params["dimension_numbers"][0][0]
            terms = int(np.prod([inputs[0].shape[axis] for axis in contracted]))
            return [_allow_for_length(terms) * RULES["dot_general"](eqn.params, *sizes)]
        case "cumsum" | "scatter-add" | "conv_general_dilated":
            return run_in_jax(eqn, sizes)
        case _:
            return [_take_size(value) for value in outputs]


def _take_size(value: Any) -> Any:
    return np.abs(value) if isinstance(value, np.ndarray) and value.dtype.kind == "f" else value


def _allow_for_length(terms: int) -> float:
    """How the rounding error of a sum grows with its length: as √n, as when terms of one sign are added in a row."""
    return float(max(1.0, np.sqrt(terms) / 4))


def _move(value: Any, magnitude: Any, rounding: Rounding, rng: np.random.Generator) -> Any:
    if not isinstance(value, np.ndarray) or value.dtype.kind != "f":
        return value
    signs = 2.0 * rng.integers(0, 2, value.shape, dtype=np.int8) - 1
    error = signs * (rounding.unit * magnitude + rounding.smallest)
    return value + np.where(
        np.isfinite(magnitude), error, 0
    )  # infinite and missing values stay what they are
