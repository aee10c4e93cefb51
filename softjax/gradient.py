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

from softjax.config import Kind, Penalty, Precision
from softjax.objective import (
    as_array,
    as_arrays,
    as_labels,
    check_labels,
    check_problem,
    hinge,
    is_label,
    label_score,
    matmul,
    needed_penalty,
    penalty_value,
)

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
    penalty: Penalty = "l2",
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
    check_problem(W, X, y, kind, penalty)
    W, X, y = as_arrays(W, X, y)
    penalty = needed_penalty(reg, penalty)
    value, grad = _loss_and_grad(
        W, X, y, reg, l1_ratio, kind=kind, penalty=penalty, penalize_bias=penalize_bias
    )
    return value, grad


@partial(jax.jit, static_argnames=("kind", "penalty", "penalize_bias"))
def _loss_and_grad(
    W: Float[Array, "D K"],
    X: Float[Array, "N D"],
    y: Integer[Array, " N"],
    reg: ArrayLike,
    l1_ratio: ArrayLike,
    *,
    kind: Kind,
    penalty: Penalty,
    penalize_bias: bool,
) -> tuple[Float[Array, ""], Float[Array, "D K"]]:
    y = as_labels(y, W.shape[1])
    s = matmul(X, W)
    narrow = W.shape[1] <= NARROW
    losses, Q = _RESIDUALS[kind](_barrier(s) if narrow else s, y, axis=1)
    Q = (Q / y.shape[0]).astype(X.dtype)
    data_grad = _barrier(matmul(_barrier(Q.T), X)).T if narrow else matmul(X.T, Q)
    value, slope = penalty_and_slope(
        W, reg, l1_ratio, s.dtype, penalty, slice(None) if penalize_bias else slice(-1)
    )
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


def hessian_vector_product(
    W: Num[ArrayLike, "D K"],
    V: Num[ArrayLike, "D K"],
    X: Num[ArrayLike, "N D"],
    y: Integer[ArrayLike, " N"],
    reg: ArrayLike = 0.0,
    *,
    penalty: Penalty = "l2",
    l1_ratio: ArrayLike = 0.5,
    penalize_bias: bool = True,
) -> Float[Array, "D K"]:
    """∇²L(W) V for the softmax objective, by hand: 1/N Xᵀ [(diag(pᵢ) − pᵢpᵢᵀ) (XV)ᵢ]ᵢ + ∇²penalty V.

    From ∂pᵢ/∂sⱼ = pᵢ (1[i = j] − pⱼ): where V moves the scores of an example by u = Vᵀx, it moves
    p − onehot(y) by p ∘ u − p (p · u). The label drops out, and the Hessian is positive semidefinite.

    **Arguments:** as `loss_and_grad`, and `V` (D, K), the direction. |w| counts as flat: its second derivative
    is 0 away from 0.

    Raises `ValueError` as `loss_and_grad` does, or where `V` is not shaped like `W`.
    """
    check_problem(W, X, y, "softmax", penalty)
    if np.shape(V) != np.shape(W):
        raise ValueError(f"V must be shaped like W, {np.shape(W)}, got {np.shape(V)}")
    W, X, _ = as_arrays(W, X, y)
    V = jnp.asarray(V).astype(W.dtype)
    p = jax.nn.softmax(matmul(X, W), axis=1)
    u = matmul(X, V)
    moved = p * (u - (p * u).sum(axis=1, keepdims=True)) / len(X)
    curvature = {"l2": 2.0, "half_l2": 1.0, "elastic_net": 1 - l1_ratio}.get(penalty, 0.0)
    bent = jnp.asarray(reg, p.dtype) * jnp.asarray(curvature, p.dtype) * V.astype(p.dtype)
    if not penalize_bias:
        bent = bent.at[-1].set(0)
    return (matmul(X.T, moved.astype(X.dtype)) + bent).astype(W.dtype)


def loss_and_grad_kd(
    W: Float[Array, "K D"],
    X: Float[Array, "N D"],
    y: Int[Array, " N"],
    reg: ArrayLike,
    l1_ratio: ArrayLike,
    *,
    kind: Kind,
    penalty: Penalty,
    penalize_bias: bool,
    precision: Precision = "highest",
) -> tuple[Float[Array, ""], Float[Array, "K D"]]:
    """`loss_and_grad` with the classes in the rows of `W`, unchecked: what training calls.

    In this layout both products, W @ X.T (K, N) and Q @ X (K, D), read their factors as they lie in memory,
    and under `vmap` over W they stay one product for all configurations. The factors are taken in the type of
    `X`, the gradient is given in that of `W`.
    """
    s = matmul(W.astype(X.dtype), X.T, precision)
    losses, Q = _RESIDUALS[kind](s, y, axis=0)
    data_grad = matmul((Q / y.shape[0]).astype(X.dtype), X, precision)
    bias = (slice(None), slice(None) if penalize_bias else slice(-1))
    value, slope = penalty_and_slope(W, reg, l1_ratio, s.dtype, penalty, bias)
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


def penalty_and_slope(
    W: Float[Array, "..."],
    reg: ArrayLike,
    l1_ratio: ArrayLike,
    dtype: Any,
    penalty: Penalty,
    penalized: Any,
) -> tuple[Float[Array, ""], Float[Array, "..."]]:
    """The penalty of `W[penalized]`, in whatever layout, and its gradient, 0 elsewhere; in `dtype`."""
    reg, l1_ratio, wide = jnp.asarray(reg, dtype), jnp.asarray(l1_ratio, dtype), W.astype(dtype)
    value = penalty_value(W[penalized], reg, penalty, l1_ratio)
    match penalty:
        case "l2":
            slope = 2 * reg * wide
        case "half_l2":
            slope = reg * wide
        case "l1":
            slope = reg * jnp.sign(wide)
        case "elastic_net":
            slope = reg * (l1_ratio * jnp.sign(wide) + (1 - l1_ratio) * wide)
        case "none":
            return value, jnp.zeros_like(wide)
    if W[penalized].shape != W.shape:
        slope = jnp.zeros_like(slope).at[penalized].set(slope[penalized])
    return value, slope
