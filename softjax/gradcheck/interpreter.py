"""Evaluates JAX functions in NumPy, in float64 or on complex numbers.

A traced function (a jaxpr) is run operation by operation. Nothing is compiled, so a check of a small gradient
takes milliseconds. The result of each operation can be changed before it is used; this imitates rounding.
Functions that compare numbers accept complex ones too, because the complex step needs this.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.extend.core as jex
import numpy as np

from softjax.gradcheck.rules import FLOATS_ONLY, RULES, Rule, to_numpy

Arrays = list[Any]
Disturb = Callable[[Any, Arrays, Arrays], Arrays]
"""Called with an operation, its inputs and its outputs; returns other outputs."""

_CALLS = {
    "jit", "pjit", "closed_call", "core_closed_call", "core_call", "checkpoint", "remat", "remat2",
    "custom_jvp_call", "custom_vjp_call", "custom_vjp_call_jaxpr",
}  # fmt: skip


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


def list_called(eqn: Any) -> list[Any]:
    """The functions that an operation calls."""
    called = []
    for value in eqn.params.values():
        for part in value if isinstance(value, tuple | list) else (value,):
            if isinstance(part, jex.Jaxpr | jex.ClosedJaxpr):
                called.append(part)
    return called


def run_in_jax(eqn: Any, inputs: Arrays) -> Arrays:
    """The results of one operation, carried out by JAX."""
    typed = [
        jax.numpy.asarray(value, atom.aval.dtype) if isinstance(value, np.ndarray) else value
        for atom, value in zip(eqn.invars, inputs, strict=True)
    ]
    bound = eqn.primitive.get_bind_params(eqn.params)
    functions, params = (
        bound if isinstance(bound, tuple) else ((), bound)
    )  # the form before JAX 0.10, and since then
    result = eqn.primitive.bind(*functions, *typed, **params)
    return [to_numpy(value) for value in (result if eqn.primitive.multiple_results else [result])]


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
        elif step.name == "optimization_barrier":  # a hint for the compiler; it does not change the values
            outputs = inputs
        else:
            outputs = _carry_out(step, inputs)
            if disturb is not None:
                outputs = disturb(step.eqn, inputs, outputs)
        values.update(zip(step.eqn.outvars, outputs, strict=True))
    return [_read(atom, values) for atom in jaxpr.outvars]


def _read(atom: Any, values: dict[Any, Any]) -> Any:
    return to_numpy(atom.val) if isinstance(atom, jex.Literal) else values[atom]


def _carry_out(step: _Step, inputs: Arrays) -> Arrays:
    if step.rule is not None and (step.name not in FLOATS_ONLY or inputs[0].dtype.kind in "fc"):
        return [np.asarray(step.rule(step.eqn.params, *inputs))]
    if any(real and _is_complex(value) for real, value in zip(step.real, inputs, strict=True)):
        raise NotAnalytic(step.name)
    return run_in_jax(step.eqn, inputs)


def _is_complex(value: Any) -> bool:
    return getattr(getattr(value, "dtype", None), "kind", "") == "c"
