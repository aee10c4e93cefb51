"""Optax: safe_softmax_cross_entropy of one-hot labels, which allows for scores of −∞, by jax.value_and_grad."""

import jax
import optax

from softjax.comparison.frameworks.protocol import Prepared, Problem
from softjax.comparison.frameworks.shared_jax import (
    prepare_losses,
    write_loss,
    write_reverse,
    write_tangents,
)

DTYPES = ("float64", "float32", "bfloat16", "float16")


def prepare(problem: Problem, compiled: bool) -> Prepared:
    """The loss for label distributions; labels are converted to one-hot rows, and smoothed by optax.smooth_labels."""

    def losses(scores: jax.Array, y: jax.Array) -> jax.Array:
        return optax.safe_softmax_cross_entropy(scores, distribute(problem, scores, y))

    arrays = (problem.X, problem.y, problem.weights)
    return prepare_losses(problem, arrays, losses, compiled=compiled)


def distribute(problem: Problem, scores: jax.Array, y: jax.Array) -> jax.Array:
    """The label distributions (..., K) of labels (...) or of soft labels (..., K)."""
    rows = y if problem.soft else jax.nn.one_hot(y, scores.shape[-1], dtype=scores.dtype)
    return optax.smooth_labels(rows, problem.label_smoothing) if problem.label_smoothing else rows


def write_script(problem: Problem, compiled: bool) -> str:
    """Reverse mode."""
    return _write_loss(problem) + write_reverse(compiled)


def write_forward(problem: Problem, compiled: bool) -> str:
    """Forward mode."""
    return _write_loss(problem) + write_tangents(compiled)


def write_distribution(problem: Problem) -> str:
    """The label distributions, as `distribute` computes them."""
    rows = "jnp.asarray(y)" if problem.soft else "jax.nn.one_hot(y, W.shape[1], dtype=W.dtype)"
    return f"optax.smooth_labels({rows}, label_smoothing)" if problem.label_smoothing else rows


def _write_loss(problem: Problem) -> str:
    lines = f"""\
targets = {write_distribution(problem)}
losses = optax.safe_softmax_cross_entropy(jnp.asarray(X) @ W, targets)"""
    return write_loss(problem, lines, ", optax")
