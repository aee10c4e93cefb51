"""Optax: safe_softmax_cross_entropy of one-hot labels, which allows for scores of −∞, by jax.value_and_grad."""

import jax
import optax

from softjax.comparison.frameworks.protocol import Prepared, Problem
from softjax.comparison.frameworks.shared_jax import JVP, REVERSE, prepare_losses

DTYPES = ("float64", "float32", "bfloat16", "float16")

LOSS = """\
import jax, jax.numpy as jnp, optax
def loss(W):
    onehot = jax.nn.one_hot(y, W.shape[1], dtype=W.dtype)
    return optax.safe_softmax_cross_entropy(jnp.asarray(X) @ W, onehot).mean()« + reg * (W * W).sum()»
"""
SCRIPT = LOSS + REVERSE
FORWARD = LOSS + JVP


def prepare(problem: Problem) -> Prepared:
    """The loss for label distributions; the labels are converted to one-hot rows."""

    def losses(scores: jax.Array, y: jax.Array) -> jax.Array:
        onehot = jax.nn.one_hot(y, scores.shape[1], dtype=scores.dtype)
        return optax.safe_softmax_cross_entropy(scores, onehot)

    return prepare_losses(problem, losses)
