"""Optax: softmax_cross_entropy_with_integer_labels, by jax.value_and_grad.

Label distributions, also those of smoothed labels, are for the function beside it, softmax_cross_entropy. Both leave
out examples by `where`.
"""

import jax
import optax

from softjax.comparison.frameworks.optax_safe import distribute, write_distribution
from softjax.comparison.frameworks.protocol import Prepared, Problem
from softjax.comparison.frameworks.shared_jax import (
    prepare_losses,
    write_loss,
    write_reverse,
    write_tangents,
)

DTYPES = ("float64", "float32", "bfloat16", "float16")


def prepare(problem: Problem, compiled: bool) -> Prepared:
    """The loss for labels."""

    def losses(scores: jax.Array, y: jax.Array) -> jax.Array:
        where = None if problem.ignore_index is None else y != problem.ignore_index
        if problem.targets is None:
            return optax.softmax_cross_entropy_with_integer_labels(scores, y, where=where)
        return optax.softmax_cross_entropy(scores, distribute(problem, scores, y), where=where)

    arrays = (problem.X, problem.y, problem.weights)
    return prepare_losses(problem, arrays, losses, compiled=compiled)


def write_script(problem: Problem, compiled: bool) -> str:
    """Reverse mode."""
    return _write_loss(problem) + write_reverse(compiled)


def write_forward(problem: Problem, compiled: bool) -> str:
    """Forward mode."""
    return _write_loss(problem) + write_tangents(compiled)


def _write_loss(problem: Problem) -> str:
    name, rows = "softmax_cross_entropy_with_integer_labels", "jnp.asarray(y)"
    if problem.targets is not None:
        name, rows = "softmax_cross_entropy", write_distribution(problem)
    where = "" if problem.ignore_index is None else ", where=jnp.asarray(y != ignore_index)"
    return write_loss(problem, f"losses = optax.{name}(jnp.asarray(X) @ W, {rows}{where})", ", optax")
