"""JAX with softjax's custom derivative: jax.value_and_grad through softjax.softmax_cross_entropy."""

import softjax
from softjax.frameworks.jax_grad import prepare_losses
from softjax.frameworks.protocol import Prepared, Problem

DTYPES = ("float64", "float32", "bfloat16", "float16")

LOSS = """\
import jax, jax.numpy as jnp, softjax
jax.config.update("jax_enable_x64", W.dtype == np.float64)
def loss(W):
    return softjax.softmax_cross_entropy(jnp.asarray(X) @ W, y).mean()« + reg * (W * W).sum()»
"""
SCRIPT = (
    LOSS
    + """\
print(*jax.value_and_grad(loss)(jnp.asarray(W)))
"""
)
FORWARD = (
    LOSS
    + """\
print(loss(jnp.asarray(W)), [jax.jvp(loss, (jnp.asarray(W),), (jnp.asarray(V),))[1] for V in basis])
"""
)


def prepare(problem: Problem) -> Prepared:
    """∂ℓ/∂s = p − onehot(y) is given, the rest is reverse mode."""
    return prepare_losses(problem, softjax.softmax_cross_entropy)
