"""JAX: jax.value_and_grad of the loss by jax.nn.log_softmax, jitted."""

import jax
import jax.numpy as jnp

from softjax.comparison.frameworks.protocol import Prepared, Problem
from softjax.comparison.frameworks.shared_jax import JVP, REVERSE, prepare_losses

DTYPES = ("float64", "float32", "bfloat16", "float16")

LOSS = """\
import jax, jax.numpy as jnp
def loss(W):
    log_p = jax.nn.log_softmax(jnp.asarray(X) @ W)
    return -jnp.take_along_axis(log_p, jnp.asarray(y)[:, None], axis=1).mean()« + reg * (W * W).sum()»
"""
SCRIPT = LOSS + REVERSE
FORWARD = LOSS + JVP


def prepare(problem: Problem) -> Prepared:
    """Reverse mode."""

    def losses(scores: jax.Array, y: jax.Array) -> jax.Array:
        return -jnp.take_along_axis(jax.nn.log_softmax(scores), y[:, None], axis=1)[:, 0]

    return prepare_losses(problem, losses)
