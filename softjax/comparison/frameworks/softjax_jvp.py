"""softjax's custom derivative: jax.value_and_grad through softjax.softmax_cross_entropy, eager and jitted."""

import softjax
from softjax.comparison.frameworks.protocol import Prepared, Problem
from softjax.comparison.frameworks.shared_jax import prepare_losses, write_tangents
from softjax.comparison.frameworks.shared_numpy import (
    flatten_examples,
    name_targets,
    write_flat,
    write_objective,
)
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
    """Reverse mode. The labels are an argument, as in a training step: their values are not known inside jit."""
    t, function = name_targets(problem), "jax.value_and_grad(loss)"
    return f"""\
{_write_loss(problem, f"W, {t}")}print(*{f"jax.jit({function})" if compiled else function}(jnp.asarray(W), jnp.asarray({t})))
"""


def write_forward(problem: Problem, compiled: bool) -> str:
    """Forward mode."""
    return _write_loss(problem, "W") + write_tangents(compiled)


def _write_loss(problem: Problem, arguments: str) -> str:
    refuse_distributions(problem)
    return f"""\
import jax, jax.numpy as jnp, softjax
{write_flat(problem)}def loss({arguments}):
    losses = softjax.softmax_cross_entropy(jnp.asarray(X) @ W, {name_targets(problem)})
    return {write_objective(problem)}
"""
