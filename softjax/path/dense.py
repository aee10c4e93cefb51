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
from softjax.objective.penalty import penalty_curvature, without_bias
from softjax.objective.scores import matmul
from softjax.path.passes import Data, SolverSpec, block_size, read_features

RIDGE = 1e-6  # of the largest entry of the diagonal, added to it: more than the rounding errors of float32


def invert_hessian(
    spec: SolverSpec, data: Data, reg: Float[Array, ""], probabilities: Float[Array, "N K"]
) -> Float[Array, "M M"]:
    """The inverse of the Hessian, M = K · D, at the weights with these probabilities."""
    num_classes = spec.num_classes

    def block(X: Any, p: Any) -> tuple[Any, None]:
        x = read_features(X, data.preprocessing, spec.centred_in, spec.dtype).astype(jnp.float32)
        p = p.astype(jnp.float32).T
        weighted = p[:, :, None] * x[None]  # (K, B, D)
        Z = weighted.swapaxes(0, 1).reshape(len(x), -1)
        return (jnp.einsum("kbd,be->kde", weighted, x, precision="highest"), matmul(Z.T, Z)), None

    size = max(block_size(data.X, spec.dtype) // num_classes, min(len(data.y), 1024))
    (within, between), _ = map_blocks(block, (data.X, probabilities), min(size, len(data.y)))
    D = within.shape[1]
    classes = jnp.arange(num_classes)
    H = -between.reshape(num_classes, D, num_classes, D).swapaxes(1, 2)
    H = H.at[classes, classes].add(within).swapaxes(1, 2).reshape(num_classes * D, num_classes * D)
    bent = jnp.full((num_classes, D), penalty_curvature(spec.objective, reg, spec.dtype))
    if not spec.objective.penalize_bias:
        bent = without_bias(bent, bias_axis=1)
    H = H.astype(spec.dtype) / len(data.y)
    added = bent.ravel() + RIDGE * jnp.diagonal(H).max() + float(np.finfo(spec.dtype).tiny)
    factor = jnp.linalg.cholesky(H + jnp.diag(added), symmetrize_input=False)
    inverse: Array = jax.scipy.linalg.cho_solve((factor, True), jnp.eye(len(H), dtype=spec.dtype))
    return inverse.astype(jnp.float32)


def divide_by_hessian(inverse: Float[Array, "M M"], R: Float[Array, "K D"]) -> Float[Array, "K D"]:
    """H⁻¹ R. One product with the inverse is several times as fast as two triangular solves."""
    divided = jnp.matmul(inverse, R.ravel().astype(inverse.dtype), precision="highest")
    return divided.astype(R.dtype).reshape(R.shape)
