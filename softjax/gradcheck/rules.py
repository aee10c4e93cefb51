"""JAX's operations in NumPy, for real and for complex numbers.

A rule gets the parameters and inputs of an operation, and returns its one result. Complex inputs are compared by
their real parts, because the complex step needs this.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

Rule = Callable[..., Any]


def to_numpy(value: Any) -> Any:
    """A NumPy array, in float64 if it is floating. Complex arrays and random keys are returned unchanged."""
    if isinstance(value, jax.Array) and jax.numpy.issubdtype(value.dtype, jax.dtypes.extended):
        return value
    array = np.asarray(value)
    if jax.numpy.issubdtype(array.dtype, jax.numpy.floating):
        return array.astype(np.float64, copy=False)
    return array


def _multiply_matrices(params: Any, a: Any, b: Any) -> Any:
    (contract_a, contract_b), (batch_a, batch_b) = params["dimension_numbers"]
    free_a = [axis for axis in range(a.ndim) if axis not in (*contract_a, *batch_a)]
    free_b = [axis for axis in range(b.ndim) if axis not in (*contract_b, *batch_b)]
    left = _merge_axes(a, (batch_a, free_a, contract_a))
    right = _merge_axes(b, (batch_b, contract_b, free_b))
    shape = [a.shape[axis] for axis in (*batch_a, *free_a)] + [b.shape[axis] for axis in free_b]
    return np.matmul(left, right).reshape(shape)


def _merge_axes(x: Any, groups: tuple[Sequence[int], ...]) -> Any:
    """The array with the axes of each group merged into one axis, in the order of the groups."""
    sizes = [int(np.prod([x.shape[axis] for axis in axes])) for axes in groups]
    return x.transpose([axis for axes in groups for axis in axes]).reshape(sizes)


def _broadcast(params: Any, x: Any, *_: Any) -> Any:
    shape = [1] * len(params["shape"])
    for axis, size in zip(params["broadcast_dimensions"], x.shape, strict=True):
        shape[axis] = size
    return np.broadcast_to(x.reshape(shape), params["shape"])


def _convert(params: Any, x: Any) -> Any:
    dtype = params["new_dtype"]
    if jax.numpy.issubdtype(dtype, jax.numpy.floating):
        return x if x.dtype.kind in "fc" else x.astype(np.float64)
    return (x.real if x.dtype.kind == "c" else x).astype(dtype)


def _count_up(params: Any) -> Any:
    shape, axis = params["shape"], params["dimension"]
    line = np.arange(shape[axis]).reshape([-1 if k == axis else 1 for k in range(len(shape))])
    return to_numpy(np.broadcast_to(line, shape).astype(params["dtype"]))


def _slice(params: Any, x: Any) -> Any:
    strides = params["strides"] or [1] * x.ndim
    ranges = zip(params["start_indices"], params["limit_indices"], strides, strict=True)
    return x[tuple(slice(*bounds) for bounds in ranges)]


def _select(_: Any, which: Any, *cases: Any) -> Any:
    which = which.astype(np.intp)
    if which.ndim == 0:
        return cases[int(which)]
    return np.choose(which, cases) if len(cases) != 2 else np.where(which, cases[1], cases[0])


def _pick_extreme(pick: Callable[..., Any]) -> Rule:
    """The larger or smaller of two, by real part."""

    def rule(_: Any, a: Any, b: Any) -> Any:
        if a.dtype.kind != "c" and b.dtype.kind != "c":
            return pick(a, b)
        return np.where(pick(a.real, b.real) == a.real, a, b)

    return rule


def _reduce_to_extreme(pick: Callable[..., Any], where: Callable[..., Any], empty_value: float) -> Rule:
    """The largest or smallest along some axes, by real part."""

    def rule(params: Any, x: Any) -> Any:
        axes = tuple(params["axes"])
        if x.dtype.kind != "c":
            empty = {"initial": empty_value} if x.dtype.kind == "f" else {}
            return pick(x, axis=axes, **empty)
        kept = [axis for axis in range(x.ndim) if axis not in axes]
        flat = x.transpose([*kept, *axes]).reshape([x.shape[axis] for axis in kept] + [-1])
        index = where(flat.real, axis=-1)[..., None]
        return np.take_along_axis(flat, index, axis=-1)[..., 0]

    return rule


def _compare_real(function: Callable[..., Any]) -> Rule:
    return lambda _, a, b: function(
        a.real if a.dtype.kind == "c" else a, b.real if b.dtype.kind == "c" else b
    )


def _apply(function: Callable[..., Any]) -> Rule:
    return lambda _, x: function(x)


def _reduce(function: Callable[..., Any]) -> Rule:
    return lambda params, x: function(x, axis=tuple(params["axes"]))


# JAX computes the operations that are not listed here.
RULES: dict[str, Rule] = {
    "add": lambda _, a, b: a + b,
    "add_any": lambda _, a, b: a + b,
    "sub": lambda _, a, b: a - b,
    "mul": lambda _, a, b: a * b,
    "div": lambda _, a, b: a / b,
    "pow": lambda _, a, b: a**b,
    "integer_pow": lambda params, x: x ** params["y"] if params["y"] >= 0 else 1 / x ** -params["y"],
    "square": lambda _, x: x * x,
    "neg": _apply(np.negative),
    "exp": _apply(np.exp),
    "exp2": _apply(np.exp2),
    "log": _apply(np.log),
    "log1p": _apply(np.log1p),
    "expm1": _apply(np.expm1),
    "sin": _apply(np.sin),
    "cos": _apply(np.cos),
    "tanh": _apply(np.tanh),
    "sqrt": _apply(np.sqrt),
    "rsqrt": _apply(lambda x: 1 / np.sqrt(x)),
    "logistic": _apply(lambda x: 1 / (1 + np.exp(-x))),
    "abs": _apply(lambda x: x * np.sign(x.real)),
    "sign": _apply(lambda x: np.sign(x.real)),
    "max": _pick_extreme(np.maximum),
    "min": _pick_extreme(np.minimum),
    "eq": _compare_real(np.equal),
    "ne": _compare_real(np.not_equal),
    "lt": _compare_real(np.less),
    "le": _compare_real(np.less_equal),
    "gt": _compare_real(np.greater),
    "ge": _compare_real(np.greater_equal),
    "is_finite": _apply(np.isfinite),
    "not": _apply(np.invert),
    "and": lambda _, a, b: a & b,
    "or": lambda _, a, b: a | b,
    "stop_gradient": _apply(lambda x: x),
    "copy": _apply(lambda x: x),
    "copy_p": _apply(lambda x: x),
    "iota": _count_up,
    "convert_element_type": _convert,
    "select_n": _select,
    "broadcast_in_dim": _broadcast,
    "reshape": lambda params, x: x.reshape(params["new_sizes"]),
    "slice": _slice,
    "squeeze": lambda params, x: x.squeeze(tuple(params["dimensions"])),
    "transpose": lambda params, x: x.transpose(params["permutation"]),
    "concatenate": lambda params, *xs: np.concatenate(xs, axis=params["dimension"]),
    "reduce_sum": _reduce(np.sum),
    "reduce_prod": _reduce(np.prod),
    "reduce_and": _reduce(np.all),
    "reduce_or": _reduce(np.any),
    "reduce_max": _reduce_to_extreme(np.max, np.argmax, -np.inf),
    "reduce_min": _reduce_to_extreme(np.min, np.argmin, np.inf),
    "dot_general": _multiply_matrices,
}
# These rules hold for floating numbers only: integers divide and overflow differently.
FLOATS_ONLY = {"div", "pow", "integer_pow", "abs", "sign", "reduce_prod", "not"}
