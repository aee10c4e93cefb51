"""softjax: the gradient by hand, softjax.loss_and_grad, called as it is and inside jax.jit.

Called as it is, with labels in NumPy, it checks the values of labels and weights, and then runs a program that is compiled once.
"""

from dataclasses import replace
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

import softjax
from softjax.comparison.frameworks.protocol import NotOffered, Prepared, Problem
from softjax.comparison.frameworks.shared_jax import Value, ValueAndGrad, prepare_jax, write_tangents
from softjax.comparison.frameworks.shared_numpy import flatten_examples, name_targets, write_flat
from softjax.objective.gradient import NARROW
from softjax.objective.scores import matmul

DTYPES = ("float64", "float32", "bfloat16", "float16")


def prepare(problem: Problem, compiled: bool) -> Prepared:
    """The formula (p − 1[y=k]) xᵢ. Only the other modes use autodiff. An ignored example has the weight 0.

    Raises `NotOffered` for soft labels and smoothing.
    """
    refuse_distributions(problem)
    X, y, weights = flatten_examples(problem)
    class_weight = None
    if problem.ignore_index is None:
        weights = problem.sample_weight
        class_weight = _name_classes(problem)

    def build(problem: Problem) -> tuple[Value, ValueAndGrad]:
        def value_and_grad(
            W: jax.Array, X: jax.Array, y: jax.Array | np.ndarray, w: jax.Array | None
        ) -> tuple[jax.Array, jax.Array]:
            return softjax.loss_and_grad(
                W,
                X,
                y,
                problem.reg,
                penalty=problem.penalty,
                l1_ratio=problem.l1_ratio,
                sample_weight=w,
                class_weight=class_weight,
            )

        return lambda *arguments: value_and_grad(*arguments)[0], value_and_grad

    if compiled:
        prepared = prepare_jax(problem, (X, y, weights), build, compiled=True)
        return replace(prepared, products=_prepare_products(problem))
    return prepare_jax(problem, (X, y, weights), build, compiled=False, place_labels=np.asarray)


def refuse_distributions(problem: Problem) -> None:
    """Raises `NotOffered` for soft labels and smoothing."""
    if problem.targets is not None:
        raise NotOffered("softjax takes labels, not distributions of labels")


def _name_classes(problem: Problem) -> dict[int, float] | None:
    return None if problem.class_weight is None else dict(enumerate(problem.class_weight.tolist()))


def _prepare_products(problem: Problem) -> Any:
    @cache
    def features() -> jax.Array:
        """Places the arrays only when the products are timed, so that the memory of the gradient is measured without them."""
        return jnp.asarray(problem.X)

    @jax.jit
    def products(W: jax.Array, X: jax.Array) -> jax.Array:
        barrier: Any = lax.optimization_barrier  # as in softjax.loss_and_grad
        scores = matmul(X, W)
        return barrier(matmul(barrier(barrier(scores).T), X)) if W.shape[1] <= NARROW else matmul(X.T, scores)

    return lambda W: products(W, features()).block_until_ready()


def write_script(problem: Problem, compiled: bool) -> str:
    """The loss and gradient by hand, of weights and features of JAX and labels in NumPy, as the comparison hands them over."""
    if not compiled:
        return f"""\
import jax.numpy as jnp, softjax
{write_flat(problem)}W, X = map(jnp.asarray, (W, X))
print(*{_write_call(problem)})
"""
    return f"""\
import jax, softjax
{write_flat(problem)}@jax.jit
def loss_and_grad(W, X, {name_targets(problem)}):
    return {_write_call(problem)}
print(*loss_and_grad(W, X, {name_targets(problem)}))
"""


def write_forward(problem: Problem, compiled: bool) -> str:
    """Forward mode through the loss."""
    return f"""\
import jax, jax.numpy as jnp, softjax
{write_flat(problem)}def loss(W):
    return {_write_call(problem)}[0]
{write_tangents(compiled)}"""


def _write_call(problem: Problem) -> str:
    refuse_distributions(problem)
    arguments = f"W, X, {name_targets(problem)}"
    if problem.reg:
        arguments += ", reg"
    if problem.ignore_index is not None:
        return f"softjax.loss_and_grad({arguments}, sample_weight=w)"
    if problem.sample_weight is not None:
        arguments += ", sample_weight=sample_weight"
    if problem.class_weight is not None:
        arguments += ", class_weight=dict(enumerate(class_weight.tolist()))"
    return f"softjax.loss_and_grad({arguments})"
