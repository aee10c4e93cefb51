r"""The gradient of the objective, derived by hand.

Write s for the scores of one example, p = softmax(s), and ℓ = −log p_y for its loss. The derivative of the
softmax has two cases, ∂pᵢ/∂sᵢ = pᵢ(1 − pᵢ) and ∂pᵢ/∂sⱼ = −pᵢpⱼ for j ≠ i; with the indicator they are one:

    ∂pᵢ/∂sₖ = pᵢ (1[i = k] − pₖ).

Only p_y stands in the loss, so i = y, and the chain rule through the logarithm divides by p_y:

    ∂ℓ/∂sₖ = −1/p_y · ∂p_y/∂sₖ = −(1[y = k] − pₖ) = pₖ − 1[y = k].

This is how the two cases become p − 1[y=k]: k = y takes the first, and −p_y(1 − p_y)/p_y = p_y − 1; every
other k takes the second, and p_y pₖ/p_y = pₖ. (The same falls out of ℓ = log Σⱼ exp(sⱼ) − s_y at once: the
derivative of the first term is pₖ, of the second 1[y = k].) The scores are linear, s = Wᵀx, so that
∂sₖ/∂W[:, k] = x, and the mean over the examples makes a matrix product of the sum:

    ∇ℓᵢ = xᵢ (pᵢ − 1[yᵢ = k])ᵀ,    ∇L = 1/N Xᵀ Q + ∇penalty,    Q = p − onehot(y).

For the hinge, each violated margin m_k = s_k − s_y + 1 > 0 adds 1 at k and takes 1 from y:

    Q[k] = 1[m_k > 0] for k ≠ y,    Q[y] = −(number of violated margins).
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, Integer, Num

from softjax.objective.arguments import as_array, as_labels, check_arguments, check_labels
from softjax.objective.config import Kind, Objective, PenaltyName, Precision
from softjax.objective.losses import hinge, is_label, label_score
from softjax.objective.penalty import penalty_and_slope
from softjax.objective.scores import matmul

# Up to so many classes Q (K, N) @ X is the faster product on CPUs, twice as fast for ten of them, from there on
# X.T @ Q. XLA turns the one into the other where a transposition follows, and moves transpositions of Q and of the
# scores into the products, so barriers stand between.
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
) -> tuple[Float[Array, ""], Float[Array, "D K"]]:
    """The objective and its gradient by hand, ∇L = 1/N Xᵀ Q + ∇penalty with Q = p − onehot(y), jitted.

    Nothing here is differentiated automatically. In short: ∂pᵢ/∂sₖ = pᵢ (1[i = k] − pₖ) holds both cases of
    the softmax's derivative, pᵢ(1 − pᵢ) and −pᵢpⱼ; the loss −log p_y sees only i = y and divides by p_y,
    which leaves ∂ℓ/∂sₖ = pₖ − 1[y = k]; and s = Wᵀx gives (pₖ − 1[y = k]) x for the column of class k. The
    steps stand at the top of this module, with the hinge's.

    **Arguments:** as `softjax.loss`.

    **Returns:** the loss, as `softjax.loss` computes it, and its gradient (D, K) in the type of `W` (or that
    of `X`, where it is wider). The derivative of |w| at 0, and of a margin at its kink, is taken as 0.

    Raises `ValueError` as `softjax.loss` does.
    """
    W, X, y, objective = check_arguments(W, X, y, reg, Objective(kind, penalty, l1_ratio, penalize_bias))
    value, grad = _loss_and_grad(W, X, y, reg, objective)
    return value, grad


@jax.jit
def _loss_and_grad(
    W: Float[Array, "D K"],
    X: Float[Array, "N D"],
    y: Integer[Array, " N"],
    reg: ArrayLike,
    objective: Objective,
) -> tuple[Float[Array, ""], Float[Array, "D K"]]:
    y = as_labels(y, W.shape[1])
    s = matmul(X, W)
    narrow = W.shape[1] <= NARROW
    losses, Q = _RESIDUALS[objective.kind](_barrier(s) if narrow else s, y, axis=1)
    Q = (Q / y.shape[0]).astype(X.dtype)
    data_grad = _barrier(matmul(_barrier(Q.T), X)).T if narrow else matmul(X.T, Q)
    value, slope = penalty_and_slope(objective, reg, W, s.dtype, bias_axis=0)
    return losses.mean() + value, (data_grad + slope).astype(W.dtype)


def _barrier(a: Float[Array, "..."]) -> Float[Array, "..."]:
    kept: Array = lax.optimization_barrier(a)  # type: ignore[no-untyped-call]
    return kept


@jax.custom_jvp
def _cross_entropy(scores: Float[Array, "N K"], y: Int[Array, " N"]) -> Float[Array, " N"]:
    return _softmax_residual(scores, y, axis=1)[0]


@_cross_entropy.defjvp
def _cross_entropy_jvp(primals: tuple[Any, Any], tangents: tuple[Any, Any]) -> tuple[Array, Array]:
    (scores, y), (tangent, _) = primals, tangents
    _, Q = _softmax_residual(scores, y, axis=1)
    return _cross_entropy(scores, y), (Q * tangent).sum(axis=1)


def softmax_cross_entropy(scores: Num[ArrayLike, "N K"], y: Integer[ArrayLike, " N"]) -> Float[Array, " N"]:
    """The cross-entropy of each example, −log softmax(s)[y], differentiated by hand: ∂ℓ/∂s = p − onehot(y).

    The derivative is a custom JVP rule, ℓ̇ = Σₖ (pₖ − 1[y = k]) ṡₖ, right in reverse, forward and second order
    (its own derivative is diag(p) − ppᵀ), under `vmap` and `jit`. Neither the loss nor p − 1 loses digits where
    p is close to 1. A score of −∞ at another class rules that class out: its derivative is 0.

    **Arguments:**

    - `scores`: (N, K), in nats; integers are taken as floats.
    - `y`: labels (N,), integers 0..K−1.

    Raises `ValueError` where shapes do not fit or a label lies outside 0..K−1. Inside `jit`, where labels cannot
    be looked at, such an example's loss is NaN, never another class's loss.
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
) -> tuple[Float[Array, ""], Float[Array, "K D"]]:
    """`loss_and_grad` with the classes in the rows of `W`, unchecked: what training calls.

    In this layout both products, W @ X.T (K, N) and Q @ X (K, D), read their factors as they lie in memory,
    and under `vmap` over W they stay one product for all configurations. The factors are taken in the type of
    `X`, the gradient is given in that of `W`.
    """
    s = matmul(W.astype(X.dtype), X.T, precision)
    losses, Q = _RESIDUALS[objective.kind](s, y, axis=0)
    data_grad = matmul((Q / y.shape[0]).astype(X.dtype), X, precision)
    value, slope = penalty_and_slope(objective, reg, W, s.dtype, bias_axis=1)
    return losses.mean() + value, (data_grad + slope).astype(W.dtype)


def _softmax_residual(
    s: Float[Array, "..."], y: Int[Array, " N"], axis: int
) -> tuple[Float[Array, " N"], Float[Array, "..."]]:
    """The losses and Q = p − onehot(y), from one exponential; the classes lie on `axis`.

    With e = exp(s − max s), p_y − 1 is −Σ_{k≠y} eₖ / Σₖ eₖ, and log Σₖ eₖ is log1p(Σ_{k≠y} eₖ) where the
    label has the largest score: neither loses digits when p_y is close to 1, as the subtraction would.
    """
    expand = partial(jnp.expand_dims, axis=axis)
    label = is_label(s, y, axis)
    shifted = s - lax.stop_gradient(s.max(axis, keepdims=True))
    at_label = label_score(shifted, y, axis)
    # relative to the label where it is largest: 0 there, but its derivative counts
    anchor = jnp.where(at_label == 0, at_label, 0)
    e = jnp.exp(shifted - expand(anchor))
    others = jnp.where(label, 0, e).sum(axis)
    total = e.sum(axis)
    losses = jnp.where(at_label == 0, jnp.log1p(others), jnp.log(total) - at_label)
    return losses, jnp.where(label, -expand(others), e) / expand(total)


def _hinge_residual(
    s: Float[Array, "..."], y: Int[Array, " N"], axis: int
) -> tuple[Float[Array, " N"], Float[Array, "..."]]:
    """The losses and Q[k] = 1[m_k > 0] for k ≠ y, Q[y] = −(number of violated margins)."""
    expand = partial(jnp.expand_dims, axis=axis)
    label = is_label(s, y, axis)
    violated = ~label & (s - expand(label_score(s, y, axis)) + 1 > 0)
    count = violated.sum(axis, dtype=jnp.int32)
    return hinge(s, y, axis=axis), jnp.where(label, -expand(count), violated.astype(jnp.int32)).astype(
        s.dtype
    )


_RESIDUALS = {"softmax": _softmax_residual, "hinge": _hinge_residual}
