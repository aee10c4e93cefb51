"""Evaluates JAX functions in NumPy, in float64 or on complex numbers, and measures what rounding can do to them.

A traced function (a jaxpr) is run operation by operation. Nothing is compiled, so that checking a small
gradient takes milliseconds; each operation's result can be disturbed by its rounding error; and complex
numbers can be fed through functions that compare, as the complex step needs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.extend.core as jex
import numpy as np
from jaxtyping import Float

Arrays = list[Any]


@dataclass(frozen=True)
class Rounding:
    """The unit roundoff of a floating type, and the size below which its numbers are no longer relative."""

    unit: float
    smallest: float

    @classmethod
    def of(cls, dtype: Any) -> "Rounding":
        """That of a floating type, bfloat16 included."""
        info = jax.numpy.finfo(dtype)  # type: ignore[no-untyped-call]
        smallest = info.smallest_subnormal if np.dtype(dtype) == np.float16 else info.tiny
        return cls(float(info.eps) / 2, float(smallest))


class NotAnalytic(Exception):
    """An operation cannot be carried out on complex numbers."""


def evaluate(
    traced: jex.ClosedJaxpr,
    arguments: Sequence[Any],
    rounding: Rounding | None = None,
    rng: np.random.Generator | None = None,
) -> Arrays:
    """The results of a traced function, as NumPy arrays.

    **Arguments:**

    - `traced`: as `jax.make_jaxpr` gives it, traced on float64 arguments.
    - `arguments`: one array an input; complex ones are taken through comparisons by their real parts.
    - `rounding`, `rng`: with them, the result v of each operation that rounds becomes v ± (u |v| + η), with
      u the unit roundoff and random signs; for sums and products of matrices |v| is Σ|terms|.

    Raises `NotAnalytic` where complex numbers meet an operation that has no rule for them.
    """
    with np.errstate(all="ignore"):
        return _run(traced.jaxpr, traced.consts, arguments, rounding, rng)


def rounding_deviation(
    traced: jex.ClosedJaxpr, arguments: Sequence[Any], rounding: Rounding, *, samples: int = 12, seed: int = 0
) -> tuple[list[Float[np.ndarray, "..."]], list[Float[np.ndarray, "..."]]]:
    """The results of a traced function, and how far rounding moves each of their entries.

    The deviation is the root mean square over `samples` evaluations in which every operation is off by its
    rounding error, with random signs: to first order √(Σᵢ (∂out/∂vᵢ δᵢ)²) over all intermediate values vᵢ,
    δᵢ being u |vᵢ|, or u Σ|terms| (times √n / 4 for long sums) where vᵢ is a sum. (This is Monte Carlo arithmetic: Parker 1997.)
    """
    exact = evaluate(traced, arguments)
    rng = np.random.default_rng(seed)
    squares = [np.zeros_like(value) for value in exact]
    for _ in range(samples):
        disturbed = evaluate(traced, arguments, rounding, rng)
        for total, value, other in zip(squares, exact, disturbed, strict=True):
            total += (np.asarray(other) - value) ** 2
    return exact, [np.asarray(np.sqrt(total / samples)) for total in squares]


def lowest_precision(traced: jex.ClosedJaxpr) -> np.dtype[Any]:
    """The least precise floating type that a traced function computes in, float64 if there is no lower."""
    found = [np.dtype(np.float64)]

    def look(jaxpr: jex.Jaxpr) -> None:
        for eqn in jaxpr.eqns:
            if eqn.primitive.name not in _EXACT - {"convert_element_type"}:
                dtypes = (getattr(atom.aval, "dtype", None) for atom in eqn.outvars)
                found.extend(np.dtype(d) for d in dtypes if d is not None and _is_real_type(d))
            for inner in _inner(eqn):
                look(inner.jaxpr if isinstance(inner, jex.ClosedJaxpr) else inner)

    look(traced.jaxpr)
    return least_precise(found)


def _is_real_type(dtype: Any) -> bool:
    return bool(jax.numpy.issubdtype(dtype, jax.numpy.floating))


def least_precise(dtypes: Sequence[np.dtype[Any]]) -> np.dtype[Any]:
    """The floating type among them whose unit roundoff is largest."""
    return max(dtypes, key=lambda dtype: Rounding.of(dtype).unit)


def _inner(eqn: Any) -> list[Any]:
    """The functions that an operation calls."""
    found = []
    for value in eqn.params.values():
        for part in value if isinstance(value, tuple | list) else (value,):
            if isinstance(part, jex.Jaxpr | jex.ClosedJaxpr):
                found.append(part)
    return found


class _Step(NamedTuple):
    """An operation, and how it is carried out."""

    eqn: Any
    name: str
    body: jex.ClosedJaxpr | None
    """the function it calls, if that is all it does"""
    rule: Callable[..., Any] | None
    """NumPy's, for real numbers"""
    floats_only: bool
    real: list[bool]
    """which inputs are declared real"""


@lru_cache(maxsize=64)
def _steps(jaxpr: Any) -> list[_Step]:
    steps = []
    for eqn in jaxpr.eqns:
        name, body = eqn.primitive.name, None
        if name in _CALLS:
            (inner,) = _inner(eqn)
            body = inner if isinstance(inner, jex.ClosedJaxpr) else jex.ClosedJaxpr(inner, [])
        all_real = not any(_is_complex(atom.aval) for atom in (*eqn.invars, *eqn.outvars))
        rule = _RULES.get(name) if all_real else None
        real = [not _is_complex(atom.aval) for atom in eqn.invars]
        steps.append(_Step(eqn, name, body, rule, name in _FLOATS_ONLY, real))
    return steps


def _run(
    jaxpr: Any, consts: Any, arguments: Any, rounding: Rounding | None, rng: np.random.Generator | None
) -> Arrays:
    values: dict[Any, Any] = {}

    def read(atom: Any) -> Any:
        return _plain(atom.val) if isinstance(atom, jex.Literal) else values[atom]

    def write(variables: Any, results: Any) -> None:
        values.update(zip(variables, results, strict=True))

    write(jaxpr.constvars, map(_plain, consts))
    write(jaxpr.invars, map(_plain, arguments))
    for step in _steps(jaxpr):
        eqn = step.eqn
        inputs = [read(atom) for atom in eqn.invars]
        if step.body is not None:
            write(eqn.outvars, _run(step.body.jaxpr, step.body.consts, inputs, rounding, rng))
            continue
        if step.name == "optimization_barrier":  # for compilers; it changes nothing
            write(eqn.outvars, inputs)
            continue
        if step.rule is not None and (not step.floats_only or inputs[0].dtype.kind in "fc"):
            outputs = [np.asarray(step.rule(eqn.params, *inputs))]
        elif any(real and _is_complex(value) for real, value in zip(step.real, inputs, strict=True)):
            raise NotAnalytic(step.name)
        else:
            outputs = _bind(eqn, inputs)
        if rounding is not None and rng is not None and step.name not in _EXACT:
            magnitudes = _magnitudes(eqn, inputs, outputs)
            outputs = [
                _disturbed(value, magnitude, rounding, rng)
                for value, magnitude in zip(outputs, magnitudes, strict=True)
            ]
        write(eqn.outvars, outputs)
    return [read(atom) for atom in jaxpr.outvars]


def _is_complex(value: Any) -> bool:
    return getattr(getattr(value, "dtype", None), "kind", "") == "c"


def _plain(value: Any) -> Any:
    """NumPy's array of it; random keys stay what they are. A complex128 stays what it is, too."""
    if isinstance(value, jax.Array) and jax.numpy.issubdtype(value.dtype, jax.dtypes.extended):
        return value
    array = np.asarray(value)
    if jax.numpy.issubdtype(array.dtype, jax.numpy.floating):
        return array.astype(np.float64, copy=False)
    return array


def _bind(eqn: Any, inputs: Arrays) -> Arrays:
    """An operation without a rule below is JAX's to carry out."""
    typed = [
        jax.numpy.asarray(value, atom.aval.dtype) if isinstance(value, np.ndarray) else value
        for atom, value in zip(eqn.invars, inputs, strict=True)
    ]
    found = eqn.primitive.get_bind_params(eqn.params)
    functions, params = found if isinstance(found, tuple) else ((), found)  # before and since JAX 0.10
    result = eqn.primitive.bind(*functions, *typed, **params)
    return [_plain(value) for value in (result if eqn.primitive.multiple_results else [result])]


def _magnitudes(eqn: Any, inputs: Arrays, outputs: Arrays) -> Arrays:
    """What each result's rounding error is relative to: its size, or the sum of its terms' sizes."""
    arrays = [np.abs(x) if isinstance(x, np.ndarray) and x.dtype.kind == "f" else x for x in inputs]
    match eqn.primitive.name:
        case "reduce_sum":
            terms = int(np.prod([inputs[0].shape[axis] for axis in eqn.params["axes"]]))
            return [_chain(terms) * _RULES["reduce_sum"](eqn.params, *arrays)]
        case "dot_general":
            contracted = eqn.params["dimension_numbers"][0][0]
            terms = int(np.prod([inputs[0].shape[axis] for axis in contracted]))
            return [_chain(terms) * _RULES["dot_general"](eqn.params, *arrays)]
        case "cumsum" | "scatter-add" | "conv_general_dilated":
            return _bind(eqn, arrays)
        case _:
            return [np.abs(v) if isinstance(v, np.ndarray) and v.dtype.kind == "f" else v for v in outputs]


def _chain(terms: int) -> float:
    """How much the rounding of a sum grows with its length: as √n where terms of one sign add up in a row."""
    return float(max(1.0, np.sqrt(terms) / 4))


def _disturbed(value: Any, magnitude: Any, rounding: Rounding, rng: np.random.Generator) -> Any:
    if not isinstance(value, np.ndarray) or value.dtype.kind != "f":
        return value
    signs = 2.0 * rng.integers(0, 2, value.shape, dtype=np.int8) - 1
    # an infinite or missing value stays what it is
    return value + np.where(
        np.isfinite(magnitude), signs * (rounding.unit * magnitude + rounding.smallest), 0
    )


def _dot_general(params: Any, a: Any, b: Any) -> Any:
    (contract_a, contract_b), (batch_a, batch_b) = params["dimension_numbers"]

    def arranged(x: Any, contract: Any, batch: Any, contract_last: bool) -> tuple[Any, list[int]]:
        free = [axis for axis in range(x.ndim) if axis not in (*contract, *batch)]
        order = [*batch, *free, *contract] if contract_last else [*batch, *contract, *free]
        sizes = [int(np.prod([x.shape[axis] for axis in axes])) for axes in (batch, free, contract)]
        shape = (sizes[0], sizes[1], sizes[2]) if contract_last else (sizes[0], sizes[2], sizes[1])
        return x.transpose(order).reshape(shape), [x.shape[axis] for axis in free]

    left, free_a = arranged(a, contract_a, batch_a, True)
    right, free_b = arranged(b, contract_b, batch_b, False)
    return np.matmul(left, right).reshape([a.shape[axis] for axis in batch_a] + free_a + free_b)


def _broadcast_in_dim(params: Any, x: Any, *_: Any) -> Any:
    shape = [1] * len(params["shape"])
    for axis, size in zip(params["broadcast_dimensions"], x.shape, strict=True):
        shape[axis] = size
    return np.broadcast_to(x.reshape(shape), params["shape"])


def _convert(params: Any, x: Any) -> Any:
    dtype = params["new_dtype"]
    if jax.numpy.issubdtype(dtype, jax.numpy.floating):
        return x if x.dtype.kind in "fc" else x.astype(np.float64)
    return (x.real if x.dtype.kind == "c" else x).astype(dtype)


def _iota(params: Any) -> Any:
    shape, axis = params["shape"], params["dimension"]
    line = np.arange(shape[axis]).reshape([-1 if k == axis else 1 for k in range(len(shape))])
    return _plain(np.broadcast_to(line, shape).astype(params["dtype"]))


def _select(_: Any, which: Any, *cases: Any) -> Any:
    which = which.astype(np.intp)
    if which.ndim == 0:
        return cases[int(which)]
    return np.choose(which, cases) if len(cases) != 2 else np.where(which, cases[1], cases[0])


def _extreme(pick: Callable[..., Any]) -> Callable[..., Any]:
    """The larger or smaller of two, by real part."""

    def rule(_: Any, a: Any, b: Any) -> Any:
        if a.dtype.kind != "c" and b.dtype.kind != "c":
            return pick(a, b)
        return np.where(pick(a.real, b.real) == a.real, a, b)

    return rule


def _reduce_extreme(
    pick: Callable[..., Any], where: Callable[..., Any], empty_value: float
) -> Callable[..., Any]:
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


def _compare(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda _, a, b: function(
        a.real if a.dtype.kind == "c" else a, b.real if b.dtype.kind == "c" else b
    )


def _unary(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda _, x: function(x)


def _reduce(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda params, x: function(x, axis=tuple(params["axes"]))


# Rules for floating and complex numbers; what is not here is carried out by JAX.
_RULES: dict[str, Callable[..., Any]] = {
    "add": lambda _, a, b: a + b,
    "add_any": lambda _, a, b: a + b,
    "sub": lambda _, a, b: a - b,
    "mul": lambda _, a, b: a * b,
    "div": lambda _, a, b: a / b,
    "pow": lambda _, a, b: a**b,
    "integer_pow": lambda params, x: x ** params["y"] if params["y"] >= 0 else 1 / x ** -params["y"],
    "square": lambda _, x: x * x,
    "neg": _unary(np.negative),
    "exp": _unary(np.exp),
    "exp2": _unary(np.exp2),
    "log": _unary(np.log),
    "log1p": _unary(np.log1p),
    "expm1": _unary(np.expm1),
    "sin": _unary(np.sin),
    "cos": _unary(np.cos),
    "tanh": _unary(np.tanh),
    "sqrt": _unary(np.sqrt),
    "rsqrt": _unary(lambda x: 1 / np.sqrt(x)),
    "logistic": _unary(lambda x: 1 / (1 + np.exp(-x))),
    "abs": _unary(lambda x: x * np.sign(x.real)),
    "sign": _unary(lambda x: np.sign(x.real)),
    "max": _extreme(np.maximum),
    "min": _extreme(np.minimum),
    "eq": _compare(np.equal),
    "ne": _compare(np.not_equal),
    "lt": _compare(np.less),
    "le": _compare(np.less_equal),
    "gt": _compare(np.greater),
    "ge": _compare(np.greater_equal),
    "is_finite": _unary(np.isfinite),
    "not": _unary(np.invert),
    "and": lambda _, a, b: a & b,
    "or": lambda _, a, b: a | b,
    "stop_gradient": _unary(lambda x: x),
    "copy": _unary(lambda x: x),
    "copy_p": _unary(lambda x: x),
    "iota": _iota,
    "convert_element_type": _convert,
    "select_n": _select,
    "broadcast_in_dim": _broadcast_in_dim,
    "reshape": lambda params, x: x.reshape(params["new_sizes"]),
    "slice": lambda params, x: x[
        tuple(
            slice(*each)
            for each in zip(
                params["start_indices"],
                params["limit_indices"],
                params["strides"] or [1] * x.ndim,
                strict=True,
            )
        )
    ],
    "squeeze": lambda params, x: x.squeeze(tuple(params["dimensions"])),
    "transpose": lambda params, x: x.transpose(params["permutation"]),
    "concatenate": lambda params, *xs: np.concatenate(xs, axis=params["dimension"]),
    "reduce_sum": _reduce(np.sum),
    "reduce_prod": _reduce(np.prod),
    "reduce_and": _reduce(np.all),
    "reduce_or": _reduce(np.any),
    "reduce_max": _reduce_extreme(np.max, np.argmax, -np.inf),
    "reduce_min": _reduce_extreme(np.min, np.argmin, np.inf),
    "dot_general": _dot_general,
}
_FLOATS_ONLY = {"div", "pow", "integer_pow", "abs", "sign", "reduce_prod", "not"}
_CALLS = {
    "jit", "pjit", "closed_call", "core_closed_call", "core_call", "checkpoint", "remat", "remat2",
    "custom_jvp_call", "custom_vjp_call", "custom_vjp_call_jaxpr",
}  # fmt: skip
_EXACT = {
    "neg", "abs", "sign", "max", "min", "floor", "ceil", "round", "stop_gradient", "copy", "copy_p",
    "convert_element_type", "select_n", "broadcast_in_dim", "reshape", "squeeze", "transpose", "concatenate",
    "reduce_max", "reduce_min", "slice", "dynamic_slice", "dynamic_update_slice", "gather", "scatter", "rev",
    "pad", "sort", "split", "expand_dims", "clamp", "real", "imag", "iota",
}  # fmt: skip
