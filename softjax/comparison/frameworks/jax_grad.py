"""JAX: jax.value_and_grad of the loss by jax.nn.log_softmax."""

import jax
import jax.numpy as jnp

from softjax.comparison.frameworks.protocol import Prepared, Problem
from softjax.comparison.frameworks.shared_jax import (
    prepare_losses,
    write_loss,
    write_reverse,
    write_tangents,
)
from softjax.comparison.frameworks.shared_numpy import name_targets

DTYPES = ("float64", "float32", "bfloat16", "float16")


def prepare(problem: Problem, compiled: bool) -> Prepared:
    """Reverse mode. Without jit, each operation is dispatched by itself."""
    T = problem.targets

    def losses(scores: jax.Array, y: jax.Array) -> jax.Array:
        log_p = jax.nn.log_softmax(scores)
        if T is not None:
            return -(y * log_p).sum(axis=-1)
        return -jnp.take_along_axis(log_p, y[..., None], axis=-1)[..., 0]

    arrays = (problem.X, problem.labels if T is None else T, problem.weights)
    return prepare_losses(problem, arrays, losses, compiled=compiled)


def write_script(problem: Problem, compiled: bool) -> str:
    """Reverse mode."""
    return _write_loss(problem) + write_reverse(compiled)


def write_forward(problem: Problem, compiled: bool) -> str:
    """Forward mode."""
    return _write_loss(problem) + write_tangents(compiled)


def _write_loss(problem: Problem) -> str:
    t = name_targets(problem)
    losses = (
        "-(T * log_p).sum(axis=-1)"
        if t == "T"
        else f"-jnp.take_along_axis(log_p, jnp.asarray({t})[..., None], axis=-1)[..., 0]"
    )
    return write_loss(problem, f"log_p = jax.nn.log_softmax(jnp.asarray(X) @ W)\nlosses = {losses}")
