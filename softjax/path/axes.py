"""The principal axes of the features. They precondition the solver of a path if the Hessian is large.

Let Σ = 1/N Σᵢ wᵢ xᵢxᵢᵀ, and h_k the weighted mean of p_k(1 − p_k) over the examples. The Hessian of the data's part for the weights of class
k, without the terms that couple classes, is about h_k Σ. The penalty adds c · I. In the principal axes of the features both are
diagonal:

    Σ = U diag(λ) Uᵀ,    M = U diag(h_k λ + c) Uᵀ.

For pixels λ spans eight orders of magnitude: with M conjugate gradients take a few steps, without it hundreds. The minimum
is the same, that of `softjax.loss`.
"""

from concurrent.futures import Future
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.stages import Compiled
from jaxtyping import Array, Float

from softjax.compilation import compile_once, shape_of, start_compiling
from softjax.evaluation.examples import map_blocks
from softjax.objective.config import Objective
from softjax.objective.penalty import penalty_curvature, without_bias
from softjax.path.passes import Data, SolverSpec, block_size, read_features

LARGEST_BASIS = 8192  # features; for more, computing the principal axes takes longer than it saves
SAMPLE = 2  # examples per feature, to compute the axes


class Axes(NamedTuple):
    """The principal axes of the features, as the columns of U, and the variances along them, that of the bias last.

    U is None for the axes of the features themselves.
    """

    U: Float[Array, "F F"] | None
    variances: Float[Array, " D"]


def compile_axes(spec: SolverSpec, data: Data) -> Future[Compiled]:
    """`find_axes(data)` for these examples, and all others of the same shapes and types.

    It gives the principal axes, from the covariance of the training features. The preprocessing centres them.
    """
    return compile_once(_build, spec, data)


def shape_axes(spec: SolverSpec, num_features: int) -> Axes:
    """The shapes and types of the axes."""
    square = (num_features, num_features)
    U: Any = None if num_features > LARGEST_BASIS else shape_of(square, spec.dtype)
    variances: Any = shape_of((num_features + 1,), spec.dtype)
    return Axes(U, variances)


def divide_by_axes(
    objective: Objective,
    reg: Float[Array, ""],
    axes: Axes,
    curved: Float[Array, " K"],
    R: Float[Array, "K D"],
) -> Float[Array, "K D"]:
    """M⁻¹ R. `curved` are the means of p(1 − p)."""
    bent = jnp.full_like(axes.variances, penalty_curvature(objective, reg, R.dtype))
    if not objective.penalize_bias:
        bent = without_bias(bent, bias_axis=0)
    diagonal = curved[:, None] * axes.variances[None] + bent[None]
    diagonal = jnp.maximum(diagonal, float(np.finfo(R.dtype).eps) * diagonal.max())
    if axes.U is None:
        return R / diagonal
    return _multiply(_multiply(R, axes.U) / diagonal, axes.U.T)


def _multiply(W: Float[Array, "K D"], U: Float[Array, "F F"]) -> Float[Array, "K D"]:
    return jnp.concatenate([jnp.matmul(W[:, :-1], U, precision="highest"), W[:, -1:]], axis=1)


def _build(spec: SolverSpec, data: Data) -> Future[Compiled]:
    num_features = data.X.shape[1] - (data.preprocessing is None)
    program = jax.jit(partial(_find_axes, spec, num_features > LARGEST_BASIS)).lower(data)
    return start_compiling(program, "float64", spec.backend, often=False)


def _find_axes(spec: SolverSpec, diagonal: bool, data: Data) -> Axes:
    # A sample is enough: the axes change the number of steps, not the minimum.
    step = max(len(data.y) // (SAMPLE * data.X.shape[1]), 1)

    def moment(X: Array, weight: Array | None) -> tuple[Float[Array, "..."], None]:
        x = read_features(X, data.preprocessing, spec.centred_in, spec.dtype)[:, :-1]
        if weight is not None:
            x = x * jnp.sqrt(weight).astype(x.dtype)[:, None]
        return (x * x).sum(axis=0) if diagonal else jnp.matmul(x.T, x, precision="highest"), None

    sample, weight = jax.tree.map(lambda each: each[::step], (data.X, data.weight))
    total, _ = map_blocks(moment, (sample, weight), block_size(spec, sample))
    mean = total / len(sample)
    variances, U = (mean, None) if diagonal else jnp.linalg.eigh(mean)
    return Axes(U, jnp.append(variances.clip(min=0), jnp.ones(1, spec.dtype)))
