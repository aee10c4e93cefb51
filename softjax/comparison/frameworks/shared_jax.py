"""What the frameworks on JAX share: losses that are differentiated by JAX, and the modes of JAX."""

import contextlib
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from softjax.comparison.frameworks.protocol import Mode, Prepared, Problem

# The ends of scripts that define `loss`.
REVERSE = "print(*jax.jit(jax.value_and_grad(loss))(jnp.asarray(W)))\n"
JVP = "print(loss(jnp.asarray(W)), [jax.jvp(loss, (jnp.asarray(W),), (jnp.asarray(V),))[1] for V in basis])\n"

Value = Callable[[jax.Array, jax.Array, jax.Array], jax.Array]
ValueAndGrad = Callable[[jax.Array, jax.Array, jax.Array], tuple[jax.Array, jax.Array]]
Build = Callable[[Problem], tuple[Value, ValueAndGrad]]


def prepare_losses(problem: Problem, losses: Callable[[jax.Array, jax.Array], jax.Array]) -> Prepared:
    """Reverse mode of a loss of scores (N, K) and labels (N,) that is written in JAX."""

    def build(problem: Problem) -> tuple[Value, ValueAndGrad]:
        def objective(W: jax.Array, X: jax.Array, y: jax.Array) -> jax.Array:
            total = losses(X @ W, y).mean()
            return problem.penalized(total, lambda: jnp.abs(W).sum(), lambda: (W * W).sum())

        return objective, jax.jit(jax.value_and_grad(objective))

    return prepare_jax(problem, build)


def prepare_jax(problem: Problem, build: Build) -> Prepared:
    """Prepares a problem. `build` returns its loss, and its loss and gradient, as JAX functions of (W, X, y)."""
    # The context is used only for float64: entering it takes as long as a tiny gradient.
    types: Any = partial(jax.enable_x64, True) if problem.dtype == "float64" else contextlib.nullcontext
    with types():
        X, y = jnp.asarray(problem.X), jnp.asarray(problem.y)
    value, value_and_grad = build(problem)

    def place(W: np.ndarray) -> jax.Array:
        with types():
            return jnp.asarray(W)

    def loss_and_grad(W: jax.Array) -> Any:
        with types():
            return jax.block_until_ready(value_and_grad(W, X, y))

    return Prepared(
        place=place,
        loss_and_grad=loss_and_grad,
        to_numpy=lambda result: (np.asarray(result[0]), np.asarray(result[1])),
        modes=_derive_modes(problem, build, value, value_and_grad, X, y, types),
    )


def _derive_modes(
    problem: Problem,
    build: Build,
    value: Value,
    value_and_grad: ValueAndGrad,
    X: jax.Array,
    y: jax.Array,
    types: Any,
) -> dict[Mode, Callable[..., Any]]:
    """The other derivatives, by JAX's transformations of the loss and of its gradient."""

    def on_numpy(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: np.ndarray) -> Any:
            with types():
                return jax.tree.map(np.asarray, jax.jit(function)(*map(jnp.asarray, arguments)))

        return call

    def grad_of_example(W: jax.Array, x: jax.Array, label: jax.Array) -> jax.Array:
        return build(replace(problem, reg=0.0))[1](W, x[None], label[None])[1]

    return {
        "forward": on_numpy(lambda W, V: jax.jvp(lambda W: value(W, X, y), (W,), (V,))[1]),
        "hvp": on_numpy(lambda W, V: jax.jvp(lambda W: value_and_grad(W, X, y)[1], (W,), (V,))[1]),
        "hessian": on_numpy(jax.jacfwd(lambda W: value_and_grad(W, X, y)[1])),
        "per_example": on_numpy(lambda W: jax.vmap(grad_of_example, (None, 0, 0))(W, X, y)),
        "vmap": on_numpy(jax.vmap(lambda W: value_and_grad(W, X, y))),
    }
