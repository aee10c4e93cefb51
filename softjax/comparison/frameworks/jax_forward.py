"""JAX in forward mode: ∂ℓ/∂s by jax.jacfwd over the K scores of each example, then Xᵀ Q by hand."""

import jax
import jax.numpy as jnp

from softjax.comparison.frameworks.protocol import Prepared, Problem
from softjax.comparison.frameworks.shared_jax import Value, ValueAndGrad, prepare_jax

DTYPES = ("float64", "float32", "bfloat16", "float16")

SCRIPT = """\
import jax, jax.numpy as jnp
def loss(s, label):
    return jax.nn.logsumexp(s) - s[label]
X, W = jnp.asarray(X), jnp.asarray(W)
Q = jax.vmap(jax.jacfwd(loss))(X @ W, jnp.asarray(y))
print(jax.vmap(loss)(X @ W, jnp.asarray(y)).mean()« + reg * (W * W).sum()», X.T @ (Q / len(X))« + 2 * reg * W»)
"""
FORWARD = """\
import jax, jax.numpy as jnp
X, y = jnp.asarray(X), jnp.asarray(y)
def loss(W):
    return jax.vmap(lambda s, label: jax.nn.logsumexp(s) - s[label])(X @ W, y).mean()« + reg * (W * W).sum()»
print(loss(jnp.asarray(W)), [jax.jvp(loss, (jnp.asarray(W),), (jnp.asarray(V),))[1] for V in basis])
"""


def prepare(problem: Problem) -> Prepared:
    """One tangent for each score; one for each entry of W would cost D times more."""

    def build(problem: Problem) -> tuple[Value, ValueAndGrad]:
        def value_and_tangents(W: jax.Array, X: jax.Array, y: jax.Array) -> tuple[jax.Array, jax.Array]:
            def loss_of_example(s: jax.Array, label: jax.Array) -> tuple[jax.Array, jax.Array]:
                value = jax.nn.logsumexp(s) - s[label]
                return value, value

            Q, losses = jax.vmap(jax.jacfwd(loss_of_example, has_aux=True))(X @ W, y)
            dW = problem.with_slope(X.T @ (Q / len(X)), W, jnp.sign)
            value = problem.penalized(losses.mean(), lambda: jnp.abs(W).sum(), lambda: (W * W).sum())
            return value, dW

        return lambda W, X, y: value_and_tangents(W, X, y)[0], jax.jit(value_and_tangents)

    return prepare_jax(problem, build)


def count_numbers(N: int, D: int, K: int) -> float:
    """Numbers in memory at once: a K × K Jacobian for each example."""
    return 2.0 * N * K * K
