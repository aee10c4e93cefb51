"""The inverse of the whole Hessian. It preconditions the solver of a path if it is small.

With pᵢ the probabilities of example i, the Hessian of the data's part is, for the weights of the classes k and l,

    ∂²L / ∂W[k]∂W[l] = 1/N Σᵢ wᵢ pᵢₖ (1[k = l] − pᵢₗ) xᵢxᵢᵀ.

The second term is one matrix product for all pairs of classes, Z Zᵀ with the columns zᵢ = pᵢ ⊗ √wᵢ xᵢ. It is computed in float32,
also where all else is float64: an error of a preconditioner changes the number of steps, not the minimum. Features are
divided by their root mean squares before, so that float32 holds all products.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from softjax.evaluation.examples import map_blocks
from softjax.objective.penalty import penalty_curvature
from softjax.objective.scores import matmul
from softjax.path.passes import WHOLE_BYTES, Data, SolverSpec, read_features

# The share of the norm of the Hessian that is added to its diagonal: more than rounding errors.
RIDGE = 4 * float(np.finfo(np.float32).eps)


class Inverse(NamedTuple):
    """The inverse A of the Cholesky factor of the Hessian of scaled features: H⁻¹ = S⁻¹ AᵀA S⁻¹, S = diag(scales)."""

    A: Float[Array, "M M"]
    scales: Float[Array, " D"]


def invert_hessian(
    spec: SolverSpec, data: Data, reg: Float[Array, ""], probabilities: Float[Array, "N K"]
) -> Inverse:
    """The inverse of the Hessian, M = K · D, at the weights with these probabilities."""
    K = spec.num_classes
    row_bytes = (data.X.shape[1] + 1) * K * 4
    size = max(min(len(data.y), WHOLE_BYTES // row_bytes), 1)
    scales = _measure_scales(spec, data, size)

    def block(X: Any, p: Any, weight: Any) -> tuple[Any, None]:
        x = read_features(X, data.preprocessing, spec.centred_in, spec.dtype) / scales[None]
        if weight is not None:  # in both sums the root occurs twice
            x = x * jnp.sqrt(weight).astype(x.dtype)[:, None]
        x = x.astype(jnp.float32)
        weighted = p.astype(jnp.float32).T[:, None, :] * x.T[None]  # (K, D, B)
        Z = weighted.reshape(-1, len(x))
        return (jnp.einsum("kdb,be->kde", weighted, x, precision="highest"), matmul(Z, Z.T)), None

    arrays = (data.X, probabilities, data.weight)
    (within, between), _ = map_blocks(block, arrays, min(size, len(data.y)))
    D = within.shape[1]
    same_class = jnp.eye(K, dtype=jnp.float32)[:, None, :, None]
    H = same_class * within[:, :, None, :] - between.reshape(K, D, K, D)
    H = H.reshape(K * D, K * D).astype(spec.dtype) / len(data.y)
    # As if the penalty included the bias, also where it does not: then the same step of all biases is no direction without
    # any curvature, along which float32 would leave only rounding errors.
    bent = jnp.tile(penalty_curvature(spec.objective, reg, spec.dtype) / scales**2, K)
    ridge = RIDGE * jnp.abs(H).sum(axis=1).max() + float(np.finfo(np.float32).tiny)
    diagonal = jnp.diagonal(H) + bent + ridge
    factor = jnp.linalg.cholesky(H + jnp.diag(bent + ridge), symmetrize_input=False).astype(jnp.float32)
    eye = jnp.eye(K * D, dtype=jnp.float32)
    A = jax.scipy.linalg.solve_triangular(factor, eye, lower=True)
    by_diagonal = jnp.diag((1 / jnp.sqrt(diagonal)).astype(jnp.float32))
    return Inverse(jnp.where(jnp.isfinite(A).all(), A, by_diagonal), scales)


def divide_by_hessian(inverse: Inverse, R: Float[Array, "K D"]) -> Float[Array, "K D"]:
    """H⁻¹ R. Two products with A are several times as fast as two triangular solves."""
    A = inverse.A
    r = (R / inverse.scales[None]).ravel().astype(A.dtype)
    divided = jnp.matmul(jnp.matmul(A, r, precision="highest"), A, precision="highest")
    return divided.astype(R.dtype).reshape(R.shape) / inverse.scales[None]


def _measure_scales(spec: SolverSpec, data: Data, size: int) -> Float[Array, " D"]:
    """The root mean squares of the features, 1 for those that are 0: float32 holds the scaled ones, whatever their unit."""

    def block(X: Any) -> tuple[Any, None]:
        x = read_features(X, data.preprocessing, spec.centred_in, spec.dtype)
        return (x * x).sum(axis=0), None

    squares, _ = map_blocks(block, (data.X,), min(size, len(data.y)))
    return jnp.where(squares > 0, jnp.sqrt(squares / len(data.y)), 1)
