"""Evaluates JAX functions in NumPy, in float64 or on complex numbers.

A traced function (a jaxpr) is run operation by operation. Nothing is compiled, so a check of a small gradient
takes milliseconds. The result of each operation can be changed before it is used; this imitates rounding.
Functions that compare numbers accept complex ones too, because the complex step needs this.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import lru_cache, partial
from traceback import clear_frames, walk_tb
from typing import Any, NamedTuple

import jax
import jax.extend.core as jex
import numpy as np

from softjax.gradcheck.rewrite import bind, list_called
from softjax.gradcheck.rules import FLOATS_ONLY, RULES, Rule, to_numpy

Arrays = list[Any]
Disturb = Callable[[Any, Arrays, Arrays], Arrays]
"""Called with an operation, its inputs and its outputs; returns other outputs."""

_CALLS = {
    "jit", "pjit", "closed_call", "core_closed_call", "core_call", "checkpoint", "remat", "remat2",
    "custom_jvp_call", "custom_vjp_call", "custom_vjp_call_jaxpr",
}  # fmt: skip


_LINEAR = {
    "gather", "scatter", "scatter-add", "dynamic_slice", "dynamic_update_slice", "pad", "rev", "cumsum", "split",
    "reduce_window_sum", "copy", "copy_p",
}  # fmt: skip
_TRACED_ANEW = {"random_gamma"}
ITERATIONS_AT_MOST = 1000  # of a loop; longer ones run in JAX, without rounding inside


class NotAnalytic(Exception):
    """An operation cannot be carried out on complex numbers."""


def evaluate(traced: jex.ClosedJaxpr, arguments: Sequence[Any], disturb: Disturb | None = None) -> Arrays:
    """The results of a traced function, as NumPy arrays. Call it with 64-bit types enabled.

    **Arguments:**

    - `traced`: as `jax.make_jaxpr` gives it, traced on float64 arguments.
    - `arguments`: one array for each input. Complex arrays are compared by their real parts.
    - `disturb`: changes the results of each operation before the next one uses them.

    Raises `NotAnalytic` if an operation gets complex numbers and has no rule for them.
    """
    with np.errstate(all="ignore"):
        return _run(traced.jaxpr, traced.consts, arguments, disturb)


def run_in_jax(eqn: Any, inputs: Arrays) -> Arrays:
    """The results of one operation, carried out by JAX."""
    typed = [
        jax.numpy.asarray(value, atom.aval.dtype) if isinstance(value, np.ndarray) else value
        for atom, value in zip(eqn.invars, inputs, strict=True)
    ]
    call = _compile(eqn) if eqn.primitive.name in _TRACED_ANEW or list_called(eqn) else partial(bind, eqn)
    return [to_numpy(value) for value in call(typed)]


@lru_cache(maxsize=256)
def _compile(eqn: Any) -> Callable[[Arrays], Arrays]:
    """One operation, compiled. JAX compiles most of them once by itself, but traces some anew in each call."""
    return jax.jit(partial(bind, eqn))


def try_to_trace(call: Callable[..., Any], *arguments: Any) -> jex.ClosedJaxpr | None:
    """The jaxpr, None if JAX cannot trace the function."""
    try:
        return jax.make_jaxpr(call)(*arguments)
    except Exception as error:  # a NumPy function may raise anything when it gets a tracer
        _let_go(error)
        return None


def _let_go(error: BaseException | None) -> None:
    """Empties the programs that were being traced when an exception came, and the frames that it holds.

    JAX keeps such a program for ever, with the arrays that it refers to: see `forget_programs`.
    """
    while error is not None:
        for frame, _ in walk_tb(error.__traceback__):
            for tracer in frame.f_locals.values():
                if isinstance(tracer, jax.core.Tracer):
                    with suppress(AttributeError):  # these are not public
                        program = tracer._trace.frame
                        program.constvar_to_val.clear()
                        program.constid_to_tracer.clear()
        clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


def forget_programs() -> None:
    """Forgets the programs that were run.

    As long as a program lives that was traced with 64-bit types and holds a NumPy array of its caller, JAX takes this array as
    float64 without them too, and fails.
    """
    _plan_steps.cache_clear()
    _compile.cache_clear()


class _Step(NamedTuple):
    """One operation of a jaxpr, and how to compute it."""

    eqn: Any
    name: str
    body: jex.ClosedJaxpr | None
    """the function it calls, if that is all it does"""
    rule: Rule | None
    """its rule in NumPy, for real numbers"""
    real: list[bool]
    """which inputs are declared real"""


@lru_cache(maxsize=64)
def _plan_steps(jaxpr: Any) -> list[_Step]:
    steps = []
    for eqn in jaxpr.eqns:
        name, body = eqn.primitive.name, None
        if name in _CALLS:
            (inner,) = list_called(eqn)
            body = inner if isinstance(inner, jex.ClosedJaxpr) else jex.ClosedJaxpr(inner, [])
        all_real = not any(_is_complex(atom.aval) for atom in (*eqn.invars, *eqn.outvars))
        rule = RULES.get(name) if all_real else None
        steps.append(_Step(eqn, name, body, rule, [not _is_complex(atom.aval) for atom in eqn.invars]))
    return steps


def _run(jaxpr: Any, consts: Any, arguments: Any, disturb: Disturb | None) -> Arrays:
    values: dict[Any, Any] = dict(zip(jaxpr.constvars, map(to_numpy, consts), strict=True))
    values.update(zip(jaxpr.invars, map(to_numpy, arguments), strict=True))
    for step in _plan_steps(jaxpr):
        inputs = [_read(atom, values) for atom in step.eqn.invars]
        if step.body is not None:
            outputs = _run(step.body.jaxpr, step.body.consts, inputs, disturb)
        elif step.name in _LOOPS and (disturb is not None or any(map(_is_complex, inputs))):
            outputs = _LOOPS[step.name](step.eqn, inputs, disturb)
        elif step.name == "optimization_barrier":  # a hint for the compiler; it does not change the values
            outputs = inputs
        else:
            outputs = _carry_out(step, inputs)
            if disturb is not None:
                outputs = disturb(step.eqn, inputs, outputs)
        values.update(zip(step.eqn.outvars, outputs, strict=True))
    return [_read(atom, values) for atom in jaxpr.outvars]


def _run_scan(eqn: Any, inputs: Arrays, disturb: Disturb | None) -> Arrays:
    params, body = eqn.params, eqn.params["jaxpr"]
    num_consts, length = params["num_consts"], params["length"]
    if length > ITERATIONS_AT_MOST:
        return _carry_out_in_jax(eqn, inputs)
    consts, rest = inputs[:num_consts], inputs[num_consts:]
    carry, xs = rest[: params["num_carry"]], rest[params["num_carry"] :]
    rows: list[Arrays] = []
    for i in reversed(range(length)) if params["reverse"] else range(length):
        outputs = _run(body.jaxpr, body.consts, [*consts, *carry, *(x[i] for x in xs)], disturb)
        carry = outputs[: len(carry)]
        rows.append(outputs[len(carry) :])
    if params["reverse"]:
        rows.reverse()
    shapes = [atom.aval for atom in eqn.outvars[len(carry) :]]
    columns = zip(*rows, strict=True) if rows else ([] for _ in shapes)
    return [*carry, *(_stack(column, shape) for column, shape in zip(columns, shapes, strict=True))]


def _stack(rows: Sequence[Any], shape: Any) -> Any:
    if not rows:
        return to_numpy(np.zeros(shape.shape, shape.dtype))
    return np.stack(rows) if isinstance(rows[0], np.ndarray | np.generic) else jax.numpy.stack(rows)


def _run_while(eqn: Any, inputs: Arrays, disturb: Disturb | None) -> Arrays:
    condition, body = eqn.params["cond_jaxpr"], eqn.params["body_jaxpr"]
    first, second = eqn.params["cond_nconsts"], eqn.params["cond_nconsts"] + eqn.params["body_nconsts"]
    carry = inputs[second:]
    for _ in range(ITERATIONS_AT_MOST):
        if not np.all(_run(condition.jaxpr, condition.consts, [*inputs[:first], *carry], None)[0]):
            return carry
        carry = _run(body.jaxpr, body.consts, [*inputs[first:second], *carry], disturb)
    return _carry_out_in_jax(eqn, inputs)


def _run_cond(eqn: Any, inputs: Arrays, disturb: Disturb | None) -> Arrays:
    branches = eqn.params["branches"]
    branch = branches[int(np.clip(inputs[0], 0, len(branches) - 1))]
    return _run(branch.jaxpr, branch.consts, inputs[1:], disturb)


def _carry_out_in_jax(eqn: Any, inputs: Arrays) -> Arrays:
    if any(map(_is_complex, inputs)):
        raise NotAnalytic(eqn.primitive.name)
    return run_in_jax(eqn, inputs)


_LOOPS: dict[str, Callable[[Any, Arrays, Disturb | None], Arrays]] = {
    "scan": _run_scan,
    "while": _run_while,
    "cond": _run_cond,
}


def _read(atom: Any, values: dict[Any, Any]) -> Any:
    return to_numpy(atom.val) if isinstance(atom, jex.Literal) else values[atom]


def _carry_out(step: _Step, inputs: Arrays) -> Arrays:
    of_keys = any(isinstance(value, jax.Array) for value in inputs)  # random keys, which NumPy does not know
    if (
        step.rule is not None
        and not of_keys
        and (step.name not in FLOATS_ONLY or inputs[0].dtype.kind in "fc")
    ):
        return [np.asarray(step.rule(step.eqn.params, *inputs))]
    if any(real and _is_complex(value) for real, value in zip(step.real, inputs, strict=True)):
        if step.name not in _LINEAR:
            raise NotAnalytic(step.name)
        real, imaginary = ([_take_part(part, x) for x in inputs] for part in (np.real, np.imag))
        parts = zip(run_in_jax(step.eqn, real), run_in_jax(step.eqn, imaginary), strict=True)
        return [x + 1j * y for x, y in parts]
    return run_in_jax(step.eqn, inputs)


def _take_part(part: Callable[[Any], Any], value: Any) -> Any:
    """The real or imaginary part of a floating array; integers are indices, which belong to both."""
    return part(value) if getattr(getattr(value, "dtype", None), "kind", "") in ("f", "c") else value


def _is_complex(value: Any) -> bool:
    return getattr(getattr(value, "dtype", None), "kind", "") == "c"
