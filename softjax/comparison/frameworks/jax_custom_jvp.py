"""JAX with softjax's custom derivative: jax.value_and_grad through softjax.softmax_cross_entropy."""

import softjax
from softjax.comparison.frameworks.protocol import Prepared, Problem
from softjax.comparison.frameworks.shared_jax import prepare_losses

DTYPES = ("float64", "float32", "bfloat16", "float16")

LOSS = """\
import jax, jax.numpy as jnp, softjax
def loss(W, y):
    return softjax.softmax_cross_entropy(jnp.asarray(X) @ W, y).mean()« + reg * (W * W).sum()»
W, y = jnp.asarray(W), jnp.asarray(y)
"""
SCRIPT = (
    LOSS
    + """\
print(*jax.jit(jax.value_and_grad(loss))(W, y))
"""
)
FORWARD = (
    LOSS
    + """\
print(loss(W, y), [jax.jvp(lambda W: loss(W, y), (W,), (jnp.asarray(V),))[1] for V in basis])
"""
)


def prepare(problem: Problem) -> Prepared:
    """∂ℓ/∂s = p − onehot(y) is a formula; reverse mode does the rest."""
    return prepare_losses(problem, softjax.softmax_cross_entropy)
