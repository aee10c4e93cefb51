r"""The gradient of the objective, derived by hand.

Write s for the scores of one example, p = softmax(s), and ℓ = −log p_y for its loss. The derivative of the
softmax has two cases, ∂pᵢ/∂sᵢ = pᵢ(1 − pᵢ) and ∂pᵢ/∂sⱼ = −pᵢpⱼ for j ≠ i. With an indicator they become one:

    ∂pᵢ/∂sₖ = pᵢ (1[i = k] − pₖ).

The loss contains only p_y, so i = y. The chain rule through the logarithm divides by p_y:

    ∂ℓ/∂sₖ = −1/p_y · ∂p_y/∂sₖ = −(1[y = k] − pₖ) = pₖ − 1[y = k].

So both cases give p − 1[y = k]. For k = y it is the first case: −p_y(1 − p_y)/p_y = p_y − 1. For every other k it is
the second: p_y pₖ/p_y = pₖ. (A shorter way: ℓ = log Σⱼ exp(sⱼ) − s_y, and the derivative of the first term is pₖ, that
of the second 1[y = k].) The scores are linear, s = Wᵀx, so ∂sₖ/∂W[:, k] = x. The sum over the examples is a matrix
product:

    ∇ℓᵢ = xᵢ (pᵢ − 1[yᵢ = k])ᵀ,    ∇L = 1/N Xᵀ Q + ∇penalty,    Q = p − onehot(y).

Weights wᵢ multiply the losses and so the rows of Q, and the mean divides by their sum:

    L = Σᵢ wᵢ ℓᵢ / Σᵢ wᵢ + penalty,    ∇L = Xᵀ (w ∘ Q) / Σᵢ wᵢ + ∇penalty.

For the hinge, each violated margin m_k = s_k − s_y + 1 > 0 adds 1 at k and subtracts 1 at y:

    Q[k] = 1[m_k > 0] for k ≠ y,    Q[y] = −(number of violated margins).
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, Integer, Num

from softjax.objective.arguments import as_array, as_labels, check_arguments, check_labels
from softjax.objective.config import Kind, Objective, PenaltyName, Precision
from softjax.objective.losses import RESIDUALS, leave_out, softmax_residual
from softjax.objective.penalty import penalty_and_slope
from softjax.objective.scores import matmul
from softjax.weights import ClassWeight

# On CPUs, Q.T @ X is faster than X.T @ Q up to this number of classes (twice as fast for ten), and slower beyond it. XLA
# would turn one product into the other, and move transpositions of Q and of the scores into the products. Optimization
# barriers prevent that. Other devices get the plain products.
NARROW = 128


def loss_and_grad(
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
) -> tuple[Float[Array, ""], Float[Array, "D K"]]:
    """The objective and its gradient by hand, ∇L = 1/N Xᵀ Q + ∇penalty with Q = p − onehot(y), jitted.

    With weights, ∇L = Xᵀ (w ∘ Q) / Σw + ∇penalty.

    Nothing here is differentiated automatically. The derivation in short: ∂pᵢ/∂sₖ = pᵢ (1[i = k] − pₖ) covers both
    cases of the softmax's derivative, pᵢ(1 − pᵢ) and −pᵢpₖ. The loss −log p_y contains only i = y, and its derivative
    divides by p_y: ∂ℓ/∂sₖ = pₖ − 1[y = k]. With s = Wᵀx, the column of class k is (pₖ − 1[y = k]) x. The top of this
    module has every step, and those for the hinge.

    **Arguments:** as `softjax.loss`.

    **Returns:** the objective, as `softjax.loss` computes it, and its gradient (D, K), in the type of `W` (or of `X`, if
    it is wider). The derivative of |w| at 0, and of the hinge at a margin of exactly 0, is taken as 0.

    Raises `ValueError` as `softjax.loss` does. Where the values of labels are not known, a label outside 0..K−1 makes
    both results NaN.

    Source: Bishop, *Pattern Recognition and Machine Learning*, 2006, section 4.3.4.

    Examples:
        >>> import numpy as np
        >>> from softjax import loss_and_grad
        >>> value, grad = loss_and_grad(np.zeros((3, 2)), np.ones((4, 3)), np.array([0, 0, 0, 1]))
        >>> print(f"{value:.4f}", grad[0])
        0.6931 [-0.25  0.25]
    """
    given = Objective(kind, penalty, l1_ratio, penalize_bias)
    W, X, y, objective, share = check_arguments(W, X, y, reg, given, sample_weight, class_weight)
    value, grad = _loss_and_grad(W, X, y, reg, objective, share)
    return value, grad


@jax.jit
def _loss_and_grad(
    W: Float[Array, "D K"],
    X: Float[Array, "N D"],
    y: Integer[Array, " N"],
    reg: ArrayLike,
    objective: Objective,
    share: Float[Array, " N"] | None,
) -> tuple[Float[Array, ""], Float[Array, "D K"]]:
    y = as_labels(y, W.shape[1])
    s = matmul(X, W)
    narrow = W.shape[1] <= NARROW
    if narrow:
        s = lax.platform_dependent(s, cpu=_barrier, default=lambda s: s)
    if share is None:
        losses, Q = RESIDUALS[objective.kind](s, y, axis=1)
        data_loss, Q = losses.mean(), Q / y.shape[0]
    else:
        losses, Q = RESIDUALS[objective.kind](*leave_out(s, y, share, axis=1), axis=1)
        share = share.astype(s.dtype)
        data_loss, Q = (share * losses).sum(), share[:, None] * Q
    Q = Q.astype(X.dtype)
    data_grad = (
        lax.platform_dependent(X, Q, cpu=_multiply_narrow, default=_multiply) if narrow else _multiply(X, Q)
    )
    value, slope = penalty_and_slope(objective, reg, W, s.dtype, bias_axis=0)
    return data_loss + value, (data_grad + slope).astype(W.dtype)


def _multiply(X: Float[Array, "N D"], Q: Float[Array, "N K"]) -> Float[Array, "D K"]:
    return matmul(X.T, Q)


def _multiply_narrow(X: Float[Array, "N D"], Q: Float[Array, "N K"]) -> Float[Array, "D K"]:
    return _barrier(matmul(_barrier(Q.T), X)).T


def _barrier(a: Float[Array, "..."]) -> Float[Array, "..."]:
    kept: Array = lax.optimization_barrier(a)  # type: ignore[no-untyped-call]
    return kept


@jax.custom_jvp
def _cross_entropy(scores: Float[Array, "N K"], y: Int[Array, " N"]) -> Float[Array, " N"]:
    return softmax_residual(scores, y, axis=1)[0]


@_cross_entropy.defjvp
def _cross_entropy_jvp(primals: tuple[Any, Any], tangents: tuple[Any, Any]) -> tuple[Array, Array]:
    (scores, y), (tangent, _) = primals, tangents
    _, Q = softmax_residual(scores, y, axis=1)
    return _cross_entropy(scores, y), (Q * tangent).sum(axis=1)


def softmax_cross_entropy(scores: Num[ArrayLike, "N K"], y: Integer[ArrayLike, " N"]) -> Float[Array, " N"]:
    """The cross-entropy of each example, −log softmax(s)[y], differentiated by hand: ∂ℓ/∂s = p − onehot(y).

    The derivative is a custom JVP rule, ℓ̇ = Σₖ (pₖ − 1[y = k]) ṡₖ. It holds in reverse mode, forward mode and second
    order (its derivative is diag(p) − ppᵀ), and under `vmap` and `jit`. The loss and p − 1 keep all their digits when p
    is close to 1. A class other than y with score −∞ has probability 0 and derivative 0.

    **Arguments:**

    - `scores`: (N, K); integers are converted to floats.
    - `y`: labels (N,), integers 0..K−1.

    **Returns:** the losses (N,), in nats.

    Raises `ValueError` if shapes do not fit or a label is outside 0..K−1. Inside `jit` the values of labels are not
    known: there the loss of such an example, and every derivative of it, is NaN.

    Examples:
        >>> import jax, jax.numpy as jnp
        >>> from softjax import softmax_cross_entropy
        >>> y = jnp.array([1])
        >>> print(jax.grad(lambda s: softmax_cross_entropy(s, y).sum())(jnp.zeros((1, 4))))  # p − onehot(y)
        [[ 0.25 -0.75  0.25  0.25]]
    """
    check_labels(y, np.shape(scores)[0], np.shape(scores)[-1])
    s = jnp.asarray(scores)
    s = s if jnp.issubdtype(s.dtype, jnp.floating) else s.astype(jnp.result_type(float))
    return _cross_entropy(s, as_labels(as_array(y), s.shape[1]))


def loss_and_grad_kd(
    W: Float[Array, "K D"],
    X: Float[Array, "N D"],
    y: Int[Array, " N"],
    reg: ArrayLike,
    objective: Objective,
    precision: Precision = "highest",
    share: Float[Array, " N"] | None = None,
) -> tuple[Float[Array, ""], Float[Array, ""], Float[Array, "K D"]]:
    """`loss_and_grad` for training: W is (K, D), and the arguments are not checked.

    `share` (N,) are the shares of the examples in the mean loss, 1/N each by default.

    **Returns:** the objective, its part without the penalty, and the gradient.

    In this layout both products, W @ X.T (K, N) and Q @ X (K, D), read their factors in memory order. Under `vmap` over
    W each stays one product for all configurations. The products are computed in the type of `X`; the gradient has the
    type of `W`.
    """
    s = matmul(W.astype(X.dtype), X.T, precision)
    losses, Q = RESIDUALS[objective.kind](s, y, axis=0)
    if share is None:
        data_loss, Q = losses.mean(), Q / y.shape[0]
    else:
        data_loss, Q = (share * losses).sum(), share[None] * Q
    data_grad = matmul(Q.astype(X.dtype), X, precision)
    value, slope = penalty_and_slope(objective, reg, W, s.dtype, bias_axis=1)
    return data_loss + value, data_loss, (data_grad + slope).astype(W.dtype)
