"""The principal axes of the features. They precondition the solver of a path.

Let π be the shares of the classes and Σ = 1/N XᵀX. At W = 0 the Hessian of the data term, for the weights of class k, is
π_k(1 − π_k) Σ (without the terms that couple classes). The penalty adds c · I. In the principal axes of the features both
are diagonal:

    Σ = U diag(λ) Uᵀ,    W[k] = U v[k] / √(π_k(1 − π_k) λ + c).

The Hessian with respect to v is close to the identity. For pixels λ spans eight orders of magnitude: L-BFGS on v takes
about fifteen iterations, on W hundreds. The minimum is the same, that of `softjax.loss`.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
from jaxtyping import Array, Float, Num

from softjax.datasets.preprocess import Preprocessing, apply
from softjax.evaluation.examples import Examples, map_blocks
from softjax.objective.config import Objective
from softjax.objective.penalty import penalty_curvature, without_bias

BLOCK_BYTES = 2**23  # of features: a block should stay in the cache between its two products
LARGEST_BASIS = 8192  # features; for more, computing the principal axes takes longer than it saves
SAMPLE = 4  # examples per feature, to compute the axes


class Axes(NamedTuple):
    """The principal axes of the features, as the columns of U, and the variances along them, that of the bias last.

    U is None for the axes of the features themselves.
    """

    U: Float[Array, "F F"] | None
    variances: Float[Array, " D"]


def find_axes(train: Examples, preprocessing: Preprocessing) -> Axes:
    """The principal axes, from the covariance of the training features. The preprocessing centres them."""
    dtype = preprocessing.mean.dtype
    if train.X.shape[1] > LARGEST_BASIS:
        variances = _moments(train, preprocessing, diagonal=True)
        return Axes(None, jnp.append(variances, jnp.ones(1, dtype)))
    covariance = np.asarray(_moments(train, preprocessing, diagonal=False))
    variances, U = scipy.linalg.eigh(covariance, driver="evd", overwrite_a=True, check_finite=False)
    return Axes(jnp.asarray(U), jnp.append(jnp.asarray(variances.clip(min=0)), jnp.ones(1, dtype)))


def block_size(train: Examples, dtype: Any) -> int:
    """Number of examples in a block of a pass over all of them."""
    num_examples, num_features = train.X.shape
    row_bytes = int(num_features * np.dtype(dtype).itemsize)
    return min(max(BLOCK_BYTES // row_bytes, 1), num_examples)


def rotate(W: Float[Array, "K D"], axes: Axes) -> Float[Array, "K D"]:
    """Converts `W` from the principal axes to the features."""
    return W if axes.U is None else _multiply(W, axes.U.T)


def rotate_back(W: Float[Array, "K D"], axes: Axes) -> Float[Array, "K D"]:
    """Converts `W` from the features to the principal axes."""
    return W if axes.U is None else _multiply(W, axes.U)


def steepness(
    objective: Objective, reg: Float[Array, ""], shares: Float[Array, " K"], axes: Axes
) -> Float[Array, "K D"]:
    """Square roots of the Hessian's diagonal at W = 0, in the principal axes. `shares` are the shares of the classes."""
    bent = jnp.full_like(axes.variances, penalty_curvature(objective, reg, reg.dtype))
    if not objective.penalize_bias:
        bent = without_bias(bent, bias_axis=0)
    diagonal = (shares * (1 - shares))[:, None] * axes.variances[None] + bent[None]
    least = np.finfo(reg.dtype).eps * diagonal.max()
    return jnp.sqrt(jnp.maximum(diagonal, least))


def _multiply(W: Float[Array, "K D"], U: Float[Array, "F F"]) -> Float[Array, "K D"]:
    return jnp.concatenate([jnp.matmul(W[:, :-1], U, precision="highest"), W[:, -1:]], axis=1)


@partial(jax.jit, static_argnames="diagonal")
def _moments(train: Examples, preprocessing: Preprocessing, *, diagonal: bool) -> Float[Array, "..."]:
    dtype = preprocessing.mean.dtype
    num_examples, num_features = train.X.shape
    # A sample is enough: the axes change the number of iterations, not the minimum.
    sample = jax.tree.map(lambda each: each[:: max(num_examples // (SAMPLE * num_features), 1)], train)

    def moment(rows: Num[Array, "B F"], _: Any) -> tuple[Float[Array, "..."], None]:
        x = apply(preprocessing, rows, dtype)[:, :-1]
        return (x * x).sum(axis=0) if diagonal else jnp.matmul(x.T, x, precision="highest"), None

    total, _ = map_blocks(moment, sample, block_size(sample, dtype))
    mean: Array = total / len(sample.y)
    return mean
