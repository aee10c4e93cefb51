"""Functions with some of their operations replaced: draws of a shorter type, and custom derivative rules taken off.

The references are traced in float64. There a default draw such as `jax.random.normal(key, (5,))` takes 64 random bits where
the function under test takes 32, and gives other numbers.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.extend.core as jex
import jax.numpy as jnp

from softjax.compilation import shape_of

Rewrite = Callable[[Any, Sequence[Any]], "list[Any] | None"]
"""Called with an operation and its inputs; returns its outputs, or None to leave it as it is."""

RANDOM = {"random_bits", "random_gamma"}
_INLINED = {"jit", "pjit", "closed_call", "core_call", "checkpoint", "remat", "remat2"}
_WITH_RULES = {"custom_jvp_call", "custom_vjp_call", "custom_vjp_call_jaxpr"}
_LOOPS = {"scan", "while", "cond"}


def has_operation(jaxpr: Any, names: set[str]) -> bool:
    """Whether a jaxpr, or a function that it calls, has an operation of these names."""
    jaxpr = jaxpr.jaxpr if isinstance(jaxpr, jex.ClosedJaxpr) else jaxpr
    return any(
        eqn.primitive.name in names or any(has_operation(called, names) for called in list_called(eqn))
        for eqn in jaxpr.eqns
    )


def depends_on_inputs(jaxpr: Any, name: str, moving: Sequence[bool] | None = None) -> bool:
    """Whether a floating input of an operation of that name depends on inputs of the jaxpr, or on those that are `moving`."""
    jaxpr = jaxpr.jaxpr if isinstance(jaxpr, jex.ClosedJaxpr) else jaxpr
    marked = jaxpr.invars if moving is None else [v for v, m in zip(jaxpr.invars, moving, strict=True) if m]
    dependent = set(marked)
    for eqn in jaxpr.eqns:
        depends = [not isinstance(atom, jex.Literal) and atom in dependent for atom in eqn.invars]
        if eqn.primitive.name == name and any(depends):
            return True
        if any(depends):
            dependent.update(eqn.outvars)
        for called in list_called(eqn):
            inputs = (called.jaxpr if isinstance(called, jex.ClosedJaxpr) else called).invars
            if any(depends) and depends_on_inputs(
                called, name, depends if len(inputs) == len(depends) else None
            ):
                return True
    return False


def list_called(eqn: Any) -> list[Any]:
    """The functions that an operation calls."""
    called = []
    for value in eqn.params.values():
        for part in value if isinstance(value, tuple | list) else (value,):
            if isinstance(part, jex.Jaxpr | jex.ClosedJaxpr):
                called.append(part)
    return called


def bind(eqn: Any, inputs: Sequence[Any], **changed: Any) -> list[Any]:
    """The results of one operation in JAX, with some of its parameters changed."""
    bound = eqn.primitive.get_bind_params(eqn.params | changed)
    # the second form is that before JAX 0.10
    functions, params = bound if isinstance(bound, tuple) else ((), bound)
    result = eqn.primitive.bind(*functions, *inputs, **params)
    return list(result) if eqn.primitive.multiple_results else [result]


def take_rules_off(call: Callable[..., Any]) -> Callable[..., Any]:
    """`call` without its custom derivative rules, and without those of the functions that it calls."""
    return _rewrite(call, lambda eqn, inputs: None, inlined=_INLINED | _WITH_RULES)


def draw_in_32_bits(call: Callable[..., Any]) -> Callable[..., Any]:
    """`call`, traced with 64-bit types, with the random numbers that it draws without them."""
    return _rewrite(call, _shorten_draw, inlined=_INLINED)


def _shorten_draw(eqn: Any, inputs: Sequence[Any]) -> list[Any] | None:
    name, params = eqn.primitive.name, eqn.params
    if name == "random_bits" and params["bit_width"] == 64:
        (bits,) = bind(eqn, inputs, bit_width=32)
        # float32 uses the upper 23 bits of 32, float64 the upper 52 of 64: with 29 zeros the numbers are equal
        return [(bits >> jnp.uint32(9)).astype(jnp.uint64) << jnp.uint64(32 + 9)]
    if name == "random_gamma" and eqn.outvars[0].aval.dtype == jnp.float64:
        return [_draw_gamma(eqn, *inputs)]
    if name in ("jit", "pjit") and params["name"] == "_randint":
        return _draw_integers(eqn, inputs)
    return None


def _draw_integers(eqn: Any, inputs: Sequence[Any]) -> list[Any] | None:
    aval = eqn.outvars[0].aval
    if aval.dtype != jnp.int64:
        return None
    (drawn,) = {inner.params["shape"] for inner in _list_operations(eqn, "random_bits")}
    key, *ends = inputs
    ends = [jnp.asarray(end).astype(jnp.int32) for end in ends]

    def draw(batched: int, key: Any, *ends: Any) -> Any:
        """Under vmap the axes of the batch come first, in some of the arguments."""
        if not batched:
            return jax.random.randint(key, drawn, ends[0], ends[1], jnp.int32).astype(jnp.int64)
        size = aval.shape[aval.ndim - len(drawn) - batched]
        axes = [0 if key.ndim else None, *(0 if end.shape[:1] == (size,) else None for end in ends)]
        return jax.vmap(partial(draw, batched - 1), axes, axis_size=size)(key, *ends)

    return [draw(aval.ndim - len(drawn), key, *ends)]


def _list_operations(eqn: Any, name: str) -> list[Any]:
    """The operations of that name in the functions that `eqn` calls."""
    found = []
    for called in list_called(eqn):
        for inner in (called.jaxpr if isinstance(called, jex.ClosedJaxpr) else called).eqns:
            found += [inner] * (inner.primitive.name == name) + _list_operations(inner, name)
    return found


def _draw_gamma(eqn: Any, key: Any, concentration: Any) -> Any:
    """The draw with its derivative by the concentration, which is computed in float64."""
    in_log = eqn.params["log_space"]

    @jax.custom_jvp
    def draw(key: Any, concentration: Any) -> Any:
        return bind(eqn, [key, concentration.astype(jnp.float32)])[0].astype(jnp.float64)

    @draw.defjvp
    def draw_jvp(primals: Any, tangents: Any) -> Any:
        drawn = draw(*primals)
        sample = jnp.exp(drawn) if in_log else drawn
        slope = jax.lax.random_gamma_grad(primals[1], sample)
        return drawn, tangents[1] * (slope / sample if in_log else slope)

    return draw(key, concentration)


def _rewrite(call: Callable[..., Any], change: Rewrite, inlined: set[str]) -> Callable[..., Any]:
    def rewritten(*arguments: Any) -> Any:
        traced, shape = jax.make_jaxpr(call, return_shape=True)(*arguments)
        outputs = _run(traced.jaxpr, traced.consts, jax.tree.leaves(arguments), change, inlined)
        return jax.tree.unflatten(jax.tree.structure(shape), outputs)

    return rewritten


def _run(jaxpr: Any, consts: Any, arguments: Any, change: Rewrite, inlined: set[str]) -> list[Any]:
    values: dict[Any, Any] = dict(zip(jaxpr.constvars, consts, strict=True))
    values.update(zip(jaxpr.invars, arguments, strict=True))

    def read(atom: Any) -> Any:
        return atom.val if isinstance(atom, jex.Literal) else values[atom]

    for eqn in jaxpr.eqns:
        inputs = [read(atom) for atom in eqn.invars]
        outputs = change(eqn, inputs)
        if outputs is None and eqn.primitive.name in inlined:
            (called,) = list_called(eqn)
            inner, its_consts = (
                (called.jaxpr, called.consts) if isinstance(called, jex.ClosedJaxpr) else (called, ())
            )
            outputs = _run(inner, its_consts, inputs, change, inlined)
        elif outputs is None and eqn.primitive.name in _LOOPS:
            outputs = bind(eqn, inputs, **_rewrite_bodies(eqn, change, inlined))
        elif outputs is None:
            outputs = bind(eqn, inputs)
        values.update(zip(eqn.outvars, outputs, strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def _rewrite_bodies(eqn: Any, change: Rewrite, inlined: set[str]) -> dict[str, Any]:
    """The parameters of a loop or a branch that are functions, rewritten."""

    def one(closed: jex.ClosedJaxpr) -> jex.ClosedJaxpr:
        shapes = [shape_of(v.aval.shape, v.aval.dtype) for v in closed.jaxpr.invars]
        return jax.make_jaxpr(lambda *a: _run(closed.jaxpr, closed.consts, a, change, inlined))(*shapes)

    bodies: dict[str, Any] = {}
    for name, value in eqn.params.items():
        if isinstance(value, jex.ClosedJaxpr):
            bodies[name] = one(value)
        elif isinstance(value, tuple) and value and all(isinstance(part, jex.ClosedJaxpr) for part in value):
            bodies[name] = tuple(map(one, value))
    return bodies
