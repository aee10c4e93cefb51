"""Checks of custom derivative rules of JAX: each mode of differentiation is a check of a gradient."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from softjax.gradcheck.check import check_gradient
from softjax.gradcheck.leaves import is_floating
from softjax.gradcheck.result import GradientChecks
from softjax.gradcheck.rewrite import WITH_RULES, has_operation, take_rules_off

WEIGHTS = (-1.5, -1.25, -0.75, -0.5, 0.5, 0.75, 1.25, 1.5)
"""What u is drawn from: exact in every type, and not 1, which would hide that a rule leaves its cotangent out."""


class Mode(NamedTuple):
    """A mode in which JAX uses the derivative rules of a function."""

    name: str
    fun: Callable[..., Any]
    """the scalar function without its rules"""
    claim: Callable[..., Any]
    """its gradient by its rules"""


def check_rule(fun: Callable[..., Any], *args: Any, seed: int = 0, **options: Any) -> GradientChecks:
    """Checks whether the custom JVP or VJP rule of a JAX function is right, in every mode in which it is used.

    The derivative with the rule is the claim. The references are that of the function with its rule taken off, the complex
    step and central differences. Checked are reverse mode and forward mode (a `custom_vjp` has none), both also under `jit`
    and `vmap`, each as the gradient of uᵀ fun for a random u.

    **Arguments:**

    - `fun`: a function with `jax.custom_jvp` or `jax.custom_vjp`, or one that calls such functions. It returns arrays.
    - `args`: its arguments. It is differentiated by those that hold floating arrays or numbers.
    - `seed`: selects u. `options`: as for `check_gradient`.

    **Returns:** a `GradientChecks`, one for each mode.

    Raises `ValueError` if `fun` has no such rule, no floating argument, or no floating output. What `fun` raises is passed on.

    Examples:
        >>> import jax, jax.numpy as jnp, softjax
        >>> @jax.custom_jvp
        ... def log1pexp(x):
        ...     return jnp.log1p(jnp.exp(x))
        >>> log1pexp.defjvps(lambda t, ans, x: (1 - 1 / (1 + jnp.exp(x))) * t)
        >>> softjax.check_rule(log1pexp, jnp.float32(3.0)).verdict
        'right'

    Source: JAX documentation, *Custom derivative rules for JAX-transformable Python functions*.
    """
    places = [k for k, arg in enumerate(args) if _floats_alone(arg)]
    if not places:
        raise ValueError(
            "check_rule: none of the arguments holds floating numbers alone, so there is nothing to differentiate by"
        )
    params = [jax.tree.map(jnp.asarray, args[k]) for k in places]

    def call(params: PyTree) -> PyTree:
        return fun(*_insert(args, places, params))

    if not has_operation(jax.make_jaxpr(call)(params), WITH_RULES):
        raise ValueError(
            "check_rule: the function has no custom JVP or VJP rule; check_gradient checks a claimed gradient"
        )
    modes = list(list_modes(weigh_outputs(call, draw_weights(call, params, seed)), params))
    checks = [check_gradient(mode.fun, mode.claim, params, seed=seed, **options) for mode in modes]
    return GradientChecks(checks, "", [mode.name for mode in modes])


def draw_weights(call: Callable[..., Any], params: PyTree, seed: int) -> list[np.ndarray | None]:
    """u: random numbers for each floating output of `call(params)`, None for the other outputs.

    Raises `ValueError` if there is no floating output.
    """
    rng = np.random.default_rng(seed)
    weights = [
        rng.choice(WEIGHTS, leaf.shape) if jnp.issubdtype(leaf.dtype, jnp.floating) else None
        for leaf in jax.tree.leaves(jax.eval_shape(call, params))
    ]
    if all(weight is None for weight in weights):
        raise ValueError("the function returns no floating array, so there is nothing to differentiate")
    return weights


def weigh_outputs(call: Callable[..., Any], weights: list[np.ndarray | None]) -> Callable[[PyTree], Any]:
    """The scalar function uᵀ call(params)."""

    def scalar(params: PyTree) -> Any:
        leaves = map(jnp.asarray, jax.tree.leaves(call(params)))
        terms = [
            (leaf * jnp.asarray(weight, leaf.dtype)).sum()
            for leaf, weight in zip(leaves, weights, strict=True)
            if weight is not None
        ]
        return sum(terms[1:], terms[0])

    return scalar


def list_modes(scalar: Callable[..., Any], params: PyTree) -> Iterator[Mode]:
    """The modes that the rules of a scalar function have, also compiled and for a batch."""

    def forward(params: PyTree) -> PyTree:
        return jax.jacfwd(scalar)(params)

    bare = take_rules_off(scalar)
    for name, gradient in (("reverse mode", jax.grad(scalar)), ("forward mode", forward)):
        try:
            gradient(params)
        except (TypeError, NotImplementedError, ValueError) as error:
            if "custom_vjp" in str(error) or "Reverse-mode" in str(error):
                continue  # a function with a VJP has no forward mode, a loop may have no reverse mode
            raise

        def batch(params: PyTree, gradient: Any = gradient) -> PyTree:
            """The same point, as the second of two."""
            two = jax.tree.map(lambda x: jnp.stack([x + x * jnp.asarray(1e-2, x.dtype), x]), params)
            return jax.tree.map(lambda x: x[1], jax.vmap(gradient)(two))

        yield Mode(name, bare, gradient)
        yield Mode(f"{name} under jit", bare, jax.jit(gradient))
        yield Mode(f"{name} under vmap", bare, batch)


def second_order(scalar: Callable[..., Any], params: PyTree, seed: int) -> Mode | None:
    """The derivative of the gradient along a random v of entries ±1: that of the rules, and that without. None if JAX has none."""
    rng = np.random.default_rng(seed)
    v = jax.tree.map(lambda x: rng.choice([-1.0, 1.0], x.shape), params)

    def like(params: PyTree) -> PyTree:
        return jax.tree.map(lambda direction, x: jnp.asarray(direction, x.dtype), v, params)

    bare = take_rules_off(scalar)

    def slope(params: PyTree) -> Any:
        return jax.jvp(bare, (params,), (like(params),))[1]

    def along(params: PyTree) -> Any:
        products = jax.tree.map(lambda g, d: (g * d).sum(), jax.grad(scalar)(params), like(params))
        return sum(jax.tree.leaves(products))

    try:
        jax.eval_shape(slope, params)
        jax.eval_shape(jax.grad(along), params)
    except (TypeError, NotImplementedError, ValueError):
        return None
    return Mode("second order", slope, jax.grad(along))


def _floats_alone(arg: Any) -> bool:
    leaves = jax.tree.leaves(arg)
    return bool(leaves) and all(is_floating(leaf) or isinstance(leaf, float) for leaf in leaves)


def _insert(args: tuple[Any, ...], places: list[int], params: PyTree) -> list[Any]:
    given = list(args)
    for place, param in zip(places, params, strict=True):
        given[place] = param
    return given
