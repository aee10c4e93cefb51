"""Optax: softmax_cross_entropy_with_integer_labels, by jax.value_and_grad."""

import optax

from softjax.comparison.frameworks.protocol import Prepared, Problem
from softjax.comparison.frameworks.shared_jax import JVP, REVERSE, prepare_losses

DTYPES = ("float64", "float32", "bfloat16", "float16")

LOSS = """\
import jax, jax.numpy as jnp, optax
def loss(W):
    losses = optax.softmax_cross_entropy_with_integer_labels(jnp.asarray(X) @ W, jnp.asarray(y))
    return losses.mean()« + reg * (W * W).sum()»
"""
SCRIPT = LOSS + REVERSE
FORWARD = LOSS + JVP


def prepare(problem: Problem) -> Prepared:
    """The loss for labels."""
    return prepare_losses(problem, optax.softmax_cross_entropy_with_integer_labels)
