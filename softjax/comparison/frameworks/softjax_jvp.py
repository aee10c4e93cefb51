"""softjax's custom derivative: jax.value_and_grad through softjax.softmax_cross_entropy, eager and jitted."""

import softjax
from softjax.comparison.frameworks.protocol import Prepared, Problem
from softjax.comparison.frameworks.shared_jax import (
    prepare_losses,
    write_loss,
    write_reverse,
    write_tangents,
)
from softjax.comparison.frameworks.shared_numpy import flatten_examples, name_targets, write_flat
from softjax.comparison.frameworks.softjax import refuse_distributions

DTYPES = ("float64", "float32", "bfloat16", "float16")


def prepare(problem: Problem, compiled: bool) -> Prepared:
    """∂ℓ/∂s = p − onehot(y) is a formula; reverse mode does the rest.

    Raises `NotOffered` for soft labels and smoothing.
    """
    refuse_distributions(problem)
    losses = softjax.softmax_cross_entropy
    return prepare_losses(problem, flatten_examples(problem), losses, compiled=compiled)


def write_script(problem: Problem, compiled: bool) -> str:
    """Reverse mode."""
    return _write_loss(problem) + write_reverse(compiled)


def write_forward(problem: Problem, compiled: bool) -> str:
    """Forward mode."""
    return _write_loss(problem) + write_tangents(compiled)


def _write_loss(problem: Problem) -> str:
    refuse_distributions(problem)
    losses = f"losses = softjax.softmax_cross_entropy(jnp.asarray(X) @ W, {name_targets(problem)})"
    return write_loss(problem, losses, ", softjax", write_flat(problem))
