"""The objective: the mean loss of a linear classifier's scores, and a penalty on its weights."""

import jax
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Integer, Num

from softjax.objective.arguments import as_labels, check_arguments
from softjax.objective.config import Kind, Objective, PenaltyName
from softjax.objective.losses import LOSSES
from softjax.objective.penalty import penalty_value
from softjax.objective.scores import matmul


def loss(
    W: Num[ArrayLike, "D K"],
    X: Num[ArrayLike, "N D"],
    y: Integer[ArrayLike, " N"],
    reg: ArrayLike = 0.0,
    *,
    kind: Kind = "softmax",
    penalty: PenaltyName = "l2",
    l1_ratio: ArrayLike = 0.5,
    penalize_bias: bool = True,
) -> Float[Array, ""]:
    """The objective L(W) = 1/N Σᵢ ℓ(X[i] @ W, y[i]) + penalty(W), differentiable by any JAX transformation.

    **Arguments:**

    - `W`: weights (D, K), the last row being the bias.
    - `X`: features (N, D), the last column ones; integers are taken in the type of `W`.
    - `y`: labels (N,), integers 0..K−1.
    - `reg`: strength of the penalty.
    - `kind`: ℓ, `"softmax"`, the cross-entropy −log softmax(s)[y], or `"hinge"`, the multiclass SVM's
      Σ_{j≠y} max(0, sⱼ − s[y] + 1).
    - `penalty`: `"l2"` reg ΣW² (the course's), `"half_l2"` ½ reg ΣW², `"l1"` reg Σ|W|, `"elastic_net"`
      reg (l1_ratio Σ|W| + ½ (1 − l1_ratio) ΣW²) (scikit-learn's), `"none"`.
    - `l1_ratio`: share of the L1 part in `"elastic_net"`.
    - `penalize_bias`: whether the last row of `W` counts in the penalty.

    Half types are multiplied as they are, summed in float32, and the loss is float32.

    Raises `ValueError` where shapes do not fit, a label lies outside 0..K−1, or `kind` or `penalty` is
    unknown. Inside `jit`, where labels cannot be looked at, one outside makes the loss NaN.
    """
    W, X, y, objective = check_arguments(W, X, y, reg, Objective(kind, penalty, l1_ratio, penalize_bias))
    value: Array = _loss(W, X, y, reg, objective)
    return value


@jax.jit
def _loss(
    W: Float[Array, "D K"],
    X: Float[Array, "N D"],
    y: Integer[Array, " N"],
    reg: ArrayLike,
    objective: Objective,
) -> Float[Array, ""]:
    s, y = matmul(X, W), as_labels(y, W.shape[1])
    return LOSSES[objective.kind](s, y).mean() + penalty_value(objective, reg, W, s.dtype, bias_axis=0)
