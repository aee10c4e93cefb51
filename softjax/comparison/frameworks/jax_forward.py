"""JAX in forward mode: ∂ℓ/∂s by jax.jacfwd over the K scores of each example, then Xᵀ Q by hand."""

import jax
import jax.numpy as jnp

from softjax.comparison.frameworks.protocol import Prepared, Problem
from softjax.comparison.frameworks.shared_jax import Value, ValueAndGrad, prepare_jax, write_tangents
from softjax.comparison.frameworks.shared_numpy import (
    flatten_examples,
    name_targets,
    write_flat,
    write_objective,
    write_slope,
)

DTYPES = ("float64", "float32", "bfloat16", "float16")


def prepare(problem: Problem, compiled: bool) -> Prepared:
    """One tangent for each score; one for each entry of W would cost D times more."""

    def loss_of_example(s: jax.Array, t: jax.Array) -> jax.Array:
        return jax.nn.logsumexp(s) - s[t] if t.ndim == 0 else -(t * jax.nn.log_softmax(s)).sum()

    def with_value(s: jax.Array, t: jax.Array) -> tuple[jax.Array, jax.Array]:
        value = loss_of_example(s, t)
        return value, value

    def build(problem: Problem) -> tuple[Value, ValueAndGrad]:
        def add_up(losses: jax.Array, w: jax.Array | None, W: jax.Array) -> jax.Array:
            mean = problem.average(losses, w, jnp.mean, jnp.sum)
            return problem.penalized(mean, lambda: jnp.abs(W).sum(), lambda: (W * W).sum())

        def value(W: jax.Array, X: jax.Array, t: jax.Array, w: jax.Array | None) -> jax.Array:
            return add_up(jax.vmap(loss_of_example)(X @ W, t), w, W)

        def value_and_tangents(
            W: jax.Array, X: jax.Array, t: jax.Array, w: jax.Array | None
        ) -> tuple[jax.Array, jax.Array]:
            Q, losses = jax.vmap(jax.jacfwd(with_value, has_aux=True))(X @ W, t)
            Q = Q / len(X) if w is None else Q * (w / w.sum())[:, None]
            return add_up(losses, w, W), problem.with_slope(X.T @ Q, W, jnp.sign)

        return value, value_and_tangents

    return prepare_jax(problem, flatten_examples(problem), build, compiled=compiled, grad=jax.jacfwd)


def write_script(problem: Problem, compiled: bool) -> str:
    """The gradient by forward mode over the scores."""
    t = name_targets(problem)
    share = "Q / len(X)" if problem.weights is None else "Q * (w / w.sum())[:, None]"
    return f"""\
{_write_data(problem)}def loss_and_grad(W):
    losses = jax.vmap(loss_of_example)(X @ W, {t})
    Q = jax.vmap(jax.jacfwd(loss_of_example))(X @ W, {t})
    return {write_objective(problem)}, X.T @ ({share}){write_slope(problem)}
print(*{"jax.jit(loss_and_grad)" if compiled else "loss_and_grad"}(jnp.asarray(W)))
"""


def write_forward(problem: Problem, compiled: bool) -> str:
    """Forward mode of the whole loss."""
    return f"""\
{_write_data(problem)}def loss(W):
    losses = jax.vmap(loss_of_example)(X @ W, {name_targets(problem)})
    return {write_objective(problem)}
{write_tangents(compiled)}"""


def _write_data(problem: Problem) -> str:
    t = name_targets(problem)
    loss = "-(t * jax.nn.log_softmax(s)).sum()" if t == "T" else "jax.nn.logsumexp(s) - s[t]"
    return f"""\
import jax, jax.numpy as jnp
{write_flat(problem)}X, {t} = jnp.asarray(X), jnp.asarray({t})
def loss_of_example(s, t):
    return {loss}
"""


def count_numbers(N: int, D: int, K: int) -> float:
    """Numbers in memory at once: a K × K Jacobian for each example."""
    return 2.0 * N * K * K
