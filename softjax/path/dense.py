"""The whole Hessian, computed and inverted. It preconditions the solver of a path if it is small.

With pᵢ the probabilities of example i, the Hessian of the data's part is, for the weights of the classes k and l,

    ∂²L / ∂W[k]∂W[l] = 1/N Σᵢ pᵢₖ (1[k = l] − pᵢₗ) xᵢxᵢᵀ.

The second term is one matrix product for all pairs of classes, ZᵀZ with the rows zᵢ = pᵢ ⊗ xᵢ. It is computed in float32,
also where all else is float64: an error of a preconditioner changes the number of steps, not the minimum.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from softjax.evaluation.examples import map_blocks
from softjax.objective.penalty import penalty_curvature
from softjax.objective.scores import matmul
from softjax.path.passes import Data, SolverSpec, block_size, read_features

RIDGE = 1e-6  # of the largest entry of the diagonal, added to it: more than the rounding errors of float32


def invert_hessian(
    spec: SolverSpec, data: Data, reg: Float[Array, ""], probabilities: Float[Array, "N K"]
) -> Float[Array, "M M"]:
    """The inverse A of the Cholesky factor of the Hessian H, at the weights with these probabilities: H⁻¹ = AᵀA, M = K · D."""
    K = spec.num_classes

    def block(X: Any, p: Any) -> tuple[Any, None]:
        x = read_features(X, data.preprocessing, spec.centred_in, spec.dtype).astype(jnp.float32)
        weighted = p.astype(jnp.float32).T[:, None, :] * x.T[None]  # (K, D, B)
        Z = weighted.reshape(-1, len(x))
        return (jnp.einsum("kdb,be->kde", weighted, x, precision="highest"), matmul(Z, Z.T)), None

    size = max(block_size(data.X, spec.dtype) // K, min(len(data.y), 1024))
    (within, between), _ = map_blocks(block, (data.X, probabilities), min(size, len(data.y)))
    D = within.shape[1]
    same_class = jnp.eye(K, dtype=jnp.float32)[:, None, :, None]
    H = same_class * within[:, :, None, :] - between.reshape(K, D, K, D)
    H = H.reshape(K * D, K * D).astype(spec.dtype) / len(data.y)
    # As if the penalty included the bias, also where it does not: then the same step of all biases is no direction without
    # any curvature, along which float32 would leave only rounding errors.
    added = penalty_curvature(spec.objective, reg, spec.dtype) + RIDGE * jnp.diagonal(H).max()
    H = H + (added + float(np.finfo(spec.dtype).tiny)) * jnp.eye(K * D, dtype=spec.dtype)
    factor = jnp.linalg.cholesky(H, symmetrize_input=False).astype(jnp.float32)
    inverse: Array = jax.scipy.linalg.solve_triangular(factor, jnp.eye(K * D, dtype=jnp.float32), lower=True)
    return inverse


def divide_by_hessian(inverse: Float[Array, "M M"], R: Float[Array, "K D"]) -> Float[Array, "K D"]:
    """H⁻¹ R = Aᵀ (A R). Two products with A are several times as fast as two triangular solves."""
    r = R.ravel().astype(inverse.dtype)
    divided = jnp.matmul(jnp.matmul(inverse, r, precision="highest"), inverse, precision="highest")
    return divided.astype(R.dtype).reshape(R.shape)
