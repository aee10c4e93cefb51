"""JAX with the gradient by hand: softjax.loss_and_grad."""

from dataclasses import replace
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

import softjax
from softjax.comparison.frameworks.protocol import Prepared, Problem
from softjax.comparison.frameworks.shared_jax import Value, ValueAndGrad, prepare_jax
from softjax.objective.gradient import NARROW
from softjax.objective.scores import matmul

DTYPES = ("float64", "float32", "bfloat16", "float16")

SCRIPT = """\
import jax, softjax
print(*softjax.loss_and_grad(W, X, y«, reg»))
"""
FORWARD = """\
import jax, jax.numpy as jnp, softjax
def loss(W):
    return softjax.loss_and_grad(W, X, y«, reg»)[0]
print(loss(W), [jax.jvp(loss, (jnp.asarray(W),), (jnp.asarray(V),))[1] for V in basis])
"""


def prepare(problem: Problem) -> Prepared:
    """The formula (p − 1[y=k]) xᵢ. Only the other modes use autodiff."""

    def build(problem: Problem) -> tuple[Value, ValueAndGrad]:
        def value_and_grad(W: jax.Array, X: jax.Array, y: jax.Array) -> tuple[jax.Array, jax.Array]:
            return softjax.loss_and_grad(
                W, X, y, problem.reg, penalty=problem.penalty, l1_ratio=problem.l1_ratio
            )

        return lambda W, X, y: value_and_grad(W, X, y)[0], value_and_grad

    @cache
    def features() -> jax.Array:
        """Places the arrays only when the products are timed, so that the memory of the gradient is measured without them."""
        return jnp.asarray(problem.X)

    @jax.jit
    def products(W: jax.Array, X: jax.Array) -> jax.Array:
        barrier: Any = lax.optimization_barrier  # as in softjax.loss_and_grad
        scores = matmul(X, W)
        return barrier(matmul(barrier(barrier(scores).T), X)) if W.shape[1] <= NARROW else matmul(X.T, scores)

    return replace(
        prepare_jax(problem, build), products=lambda W: products(W, features()).block_until_ready()
    )
