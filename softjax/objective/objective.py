"""The objective: the mean loss of a linear classifier's scores plus a penalty on its weights."""

import jax
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Integer, Num

from softjax.objective.arguments import as_labels, check_arguments
from softjax.objective.config import Kind, Objective, PenaltyName
from softjax.objective.losses import LOSSES, leave_out
from softjax.objective.penalty import penalty_value
from softjax.objective.scores import matmul
from softjax.weights import ClassWeight


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
    sample_weight: Num[ArrayLike, " N"] | None = None,
    class_weight: ClassWeight = None,
) -> Float[Array, ""]:
    """The objective L(W) = Σᵢ wᵢ ℓ(X[i] @ W, y[i]) / Σᵢ wᵢ + penalty(W). JAX can differentiate it, in any mode.

    Without weights all wᵢ are 1, and the first term is the mean.

    **Arguments:**

    - `W`: weights (D, K), the bias in the last row.
    - `X`: features (N, D), the last column ones. Integers (pixels) are converted to the type of `W`.
    - `y`: labels (N,), integers 0..K−1.
    - `reg`: strength of the penalty.
    - `kind`: the loss ℓ of one example with scores s. `"softmax"`: the cross-entropy −log softmax(s)[y].
      `"hinge"`: the multiclass SVM's Σ_{j≠y} max(0, sⱼ − s[y] + 1).
    - `penalty`: `"l2"`: reg ΣW², as in the course. `"half_l2"`: ½ reg ΣW². `"l1"`: reg Σ|W|. `"elastic_net"`:
      reg (l1_ratio Σ|W| + ½ (1 − l1_ratio) ΣW²), as in scikit-learn. `"none"`: 0.
    - `l1_ratio`: share of the L1 part in `"elastic_net"`.
    - `penalize_bias`: whether the penalty includes the last row of `W`.
    - `sample_weight`: weights of the examples (N,), zero or positive. Weight 2 counts as the example twice, weight 0 as
      none. Only their ratios matter: the penalty's strength is relative to the weighted mean.
    - `class_weight`: `"balanced"`, or a mapping from classes 0..K−1 to weights; classes that it does not name have weight 1.
      wᵢ is the sample weight times the weight of the class. Balanced weights are Σw / (K · Σ_{yᵢ = k} wᵢ), so all classes
      count alike.

    **Returns:** the objective, a scalar; the cross-entropy is in nats. Half-precision types are multiplied in their
    type and summed in float32, and the objective is float32.

    Raises `ValueError` if shapes do not fit, a label is outside 0..K−1, `kind` or `penalty` is unknown, weights are negative,
    not finite or all zero, or a class weight is for no class. The values of labels and weights are not known inside `jit`, and
    not read from an accelerator: there a label outside 0..K−1 or a negative weight makes the loss NaN, and its derivatives
    too.

    Examples:
        >>> import numpy as np
        >>> from softjax import loss
        >>> W, X, y = np.zeros((3, 10)), np.ones((5, 3)), np.arange(5)
        >>> print(f"{loss(W, X, y, reg=0.1):.4f}")  # log K at W = 0
        2.3026
    """
    given = Objective(kind, penalty, l1_ratio, penalize_bias)
    W, X, y, objective, share = check_arguments(W, X, y, reg, given, sample_weight, class_weight)
    value: Array = _loss(W, X, y, reg, objective, share)
    return value


@jax.jit
def _loss(
    W: Float[Array, "D K"],
    X: Float[Array, "N D"],
    y: Integer[Array, " N"],
    reg: ArrayLike,
    objective: Objective,
    share: Float[Array, " N"] | None,
) -> Float[Array, ""]:
    s, y = matmul(X, W), as_labels(y, W.shape[1])
    penalty = penalty_value(objective, reg, W, s.dtype, bias_axis=0)
    if share is None:
        return LOSSES[objective.kind](s, y).mean() + penalty
    losses = LOSSES[objective.kind](*leave_out(s, y, share, axis=1))
    return (share.astype(s.dtype) * losses).sum() + penalty
