"""The Hessian of the objective, derived by hand."""

import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, Integer, Num

from softjax.objective.arguments import as_labels, check_arguments
from softjax.objective.config import Objective, PenaltyName
from softjax.objective.losses import find_largest, is_label, leave_out
from softjax.objective.penalty import penalty_curvature, without_bias
from softjax.objective.scores import matmul
from softjax.weights import ClassWeight


def hessian_vector_product(
    W: Num[ArrayLike, "D K"],
    V: Num[ArrayLike, "D K"],
    X: Num[ArrayLike, "N D"],
    y: Integer[ArrayLike, " N"],
    reg: ArrayLike = 0.0,
    *,
    penalty: PenaltyName = "l2",
    l1_ratio: ArrayLike = 0.5,
    penalize_bias: bool = True,
    sample_weight: Num[ArrayLike, " N"] | None = None,
    class_weight: ClassWeight = None,
) -> Float[Array, "D K"]:
    """∇²L(W) V for the softmax objective, by hand: 1/N Xᵀ [(diag(pᵢ) − pᵢpᵢᵀ) (XV)ᵢ]ᵢ + ∇²penalty V.

    It follows from ∂pᵢ/∂sⱼ = pᵢ (1[i = j] − pⱼ): a step along V changes the scores of an example by u = Vᵀx, and
    p − onehot(y) by p ∘ u − p (p · u). With weights, wᵢ / Σw takes the place of 1/N. The result does not depend on the labels, if
    they are labels, apart from class weights. The Hessian is positive semidefinite.

    **Arguments:** as `loss_and_grad`, and `V` (D, K), the direction.

    **Returns:** the product (D, K), in the type of `W` (or of `X`, if it is wider). The second derivative of |w| is
    taken as 0, also at w = 0.

    Raises `ValueError` as `loss_and_grad` does, or if `V` does not have the shape of `W`.

    Source: Bishop, *Pattern Recognition and Machine Learning*, 2006, section 4.3.4.

    Examples:
        >>> import numpy as np
        >>> from softjax import hessian_vector_product
        >>> W, V, X, y = np.zeros((1, 2)), np.array([[1.0, 0.0]]), np.ones((4, 1)), np.array([0, 1, 1, 1])
        >>> print(hessian_vector_product(W, V, X, y))
        [[ 0.25 -0.25]]
    """
    if np.shape(V) != np.shape(W):
        raise ValueError(f"V must be shaped like W, {np.shape(W)}, got {np.shape(V)}")
    given = Objective("softmax", penalty, l1_ratio, penalize_bias)
    W, X, y, objective, share = check_arguments(W, X, y, reg, given, sample_weight, class_weight)
    W, X = jnp.asarray(W), jnp.asarray(X)
    V = jnp.asarray(V).astype(W.dtype)
    s, u, y = matmul(X, W), matmul(X, V), as_labels(y, W.shape[1])
    if share is not None:
        (s, y), (u, _) = leave_out(s, y, share, axis=1), leave_out(u, y, share, axis=1)
    e = jnp.exp(s - find_largest(s, y, 1)[0][:, None])
    p = e / e.sum(axis=1, keepdims=True)
    moved = move_residual(p, u, lax.argmax(p, 1, jnp.int32), axis=1)
    moved = moved / len(X) if share is None else share.astype(p.dtype)[:, None] * moved
    bent = penalty_curvature(objective, reg, p.dtype) * V.astype(p.dtype)
    if not penalize_bias:
        bent = without_bias(bent, bias_axis=0)
    return (matmul(X.T, moved.astype(X.dtype)) + bent).astype(W.dtype)


def move_residual(
    p: Float[Array, "..."], u: Float[Array, "..."], anchor: Int[Array, " N"], axis: int
) -> Float[Array, "..."]:
    """What a change u of the scores makes of Q = p − onehot(y): p ∘ u − p (p · u), for each example.

    **Arguments:**

    - `p`: probabilities, (N, K) with `axis=1` or (K, N) with `axis=0`.
    - `u`: the change of the scores, in the same layout.
    - `anchor`: a class of each example (N,). The result is the same for u minus a number. Minus the u of the most probable
      class, no digits are lost; minus that of the label, none where the label is the most probable one.
    - `axis`: the axis of the classes.
    """
    u = u - jnp.where(is_label(u, anchor, axis), u, 0).sum(axis, keepdims=True)
    return p * (u - (p * u).sum(axis, keepdims=True))
