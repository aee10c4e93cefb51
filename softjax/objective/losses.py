"""The loss of each example and its derivative by the scores, Q, both from one formula.

In public functions W is (D, K), and the classes are on the last axis of the scores X @ W. Inside a sweep W is (K, D)
and the scores W @ X.T are (K, N), so that XLA need not copy transposed arrays. `axis` is the axis of the classes.

A label outside 0..K−1 makes the loss, Q and every derivative by autodiff of its example NaN. So does a score of NaN.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int


def softmax_residual(
    s: Float[Array, "..."], y: Int[Array, " N"], axis: int
) -> tuple[Float[Array, " N"], Float[Array, "..."]]:
    """The cross-entropies log Σⱼ exp(sⱼ) − s[y], in nats, and Q = p − onehot(y), from one exponential.

    With e = exp(s − max s), p_y − 1 = −Σ_{k≠y} eₖ / Σₖ eₖ; and if the label has the largest score, log Σₖ eₖ =
    log1p(Σ_{k≠y} eₖ). Both stay accurate when p_y is close to 1, where the subtraction p_y − 1 would lose digits. Large
    finite scores give finite losses, and a class with score −∞ has probability 0.

    Source: Murphy, *Probabilistic Machine Learning: An Introduction*, 2022, section 10.3.
    """
    expand = partial(jnp.expand_dims, axis=axis)
    label = is_label(s, y, axis)
    largest, at_label, is_first = find_largest(s, y, axis)
    e = jnp.exp(s - expand(largest))
    others = jnp.where(label, 0, e).sum(axis)
    total = e.sum(axis)
    losses = jnp.where(is_first, jnp.log1p(others), jnp.log(total) - (at_label - largest))
    return losses, jnp.where(label, -expand(others), e) / expand(total)


def hinge_residual(
    s: Float[Array, "..."], y: Int[Array, " N"], axis: int
) -> tuple[Float[Array, " N"], Float[Array, "..."]]:
    """The multiclass hinge losses Σ_{k≠y} max(0, m_k) with the margins m_k = s_k − s_y + 1, and their derivative Q.

    Q[k] = 1[m_k > 0] for k ≠ y, and Q[y] = −(number of violated margins). At a margin of exactly 0 it is taken as 0.

    Source: Weston and Watkins, *Support Vector Machines for Multi-Class Pattern Recognition*, 1999.
    """
    expand = partial(jnp.expand_dims, axis=axis)
    label = is_label(s, y, axis)
    at_label = jnp.where(label, s, 0).sum(axis)
    margins = s - expand(jnp.where(_exists(s, y, axis), at_label, jnp.nan)) + 1
    # The derivative of max(0, m): 0, 1, or NaN where m is NaN. The loss is a product with it, so NaN also reaches autodiff.
    slope = jnp.where(label | (margins <= 0), 0, jnp.where(margins > 0, 1, jnp.nan)).astype(s.dtype)
    losses = jnp.where(slope == 0, 0, slope * margins).sum(axis)
    return losses, jnp.where(label, -expand(slope.sum(axis)), slope)


RESIDUALS = {"softmax": softmax_residual, "hinge": hinge_residual}


def cross_entropy(scores: Float[Array, "..."], y: Int[Array, " N"], *, axis: int = -1) -> Float[Array, " N"]:
    """The softmax cross-entropy of each example, −log p[y], in nats: the first part of `softmax_residual`.

    **Arguments:**

    - `scores`: (N, K), or (K, N) with `axis=0`.
    - `y`: labels (N,), integers 0..K−1. The loss of any other label is NaN, never the loss of another class.
    - `axis`: the axis of the classes.
    """
    return softmax_residual(scores, y, axis)[0]


def hinge(scores: Float[Array, "..."], y: Int[Array, " N"], *, axis: int = -1) -> Float[Array, " N"]:
    """The multiclass hinge loss of each example: the first part of `hinge_residual`. Arguments as `cross_entropy`."""
    return hinge_residual(scores, y, axis)[0]


LOSSES = {"softmax": cross_entropy, "hinge": hinge}


def leave_out(
    s: Float[Array, "..."], y: Int[Array, " N"], share: Float[Array, " N"], axis: int
) -> tuple[Float[Array, "..."], Int[Array, " N"]]:
    """Scores and labels with zeros for the examples without a share: theirs may be anything, and 0 · NaN would be NaN."""
    counts = share != 0
    return jnp.where(jnp.expand_dims(counts, axis), s, 0), jnp.where(counts, y, 0)


def is_label(scores: Float[Array, "..."], y: Int[Array, " N"], axis: int) -> Bool[Array, "..."]:
    """1[y = k] in the layout of `scores`, as booleans. A masked sum with it is fused by XLA, as a gather is not."""
    return lax.broadcasted_iota(jnp.int32, scores.shape, axis % scores.ndim) == jnp.expand_dims(y, axis)


def find_largest(
    s: Float[Array, "..."], y: Int[Array, " N"], axis: int
) -> tuple[Float[Array, " N"], Float[Array, " N"], Bool[Array, " N"]]:
    """The largest score of each example, or NaN if its label is none; the label's score; and whether they are the same."""
    label = is_label(s, y, axis)
    at_label = jnp.where(label, s, 0).sum(axis)
    top = s.max(axis)
    is_first = (at_label == top) & (top < jnp.inf)  # ∞ − ∞ is no number
    largest = _largest(s, label & jnp.expand_dims(is_first, axis), axis)
    return jnp.where(_exists(s, y, axis), largest, jnp.nan), at_label, is_first


@partial(jax.custom_jvp, nondiff_argnums=(2,))  # softjax: intended
def _largest(s: Float[Array, "..."], first_label: Bool[Array, "..."], axis: int) -> Float[Array, " N"]:
    """The largest score of each example, to be subtracted from all of its scores. `first_label` is the label, if it has it.

    The softmax does not depend on what is subtracted, so its derivative is free. It is chosen so that autodiff loses no
    digits: that of the label's score if it is the largest; else that of a score with more than half of the probability;
    else 0. Then p_k (1 − p_k) is a sum over the other classes, not the difference of two numbers close to p_k.
    """
    return s.max(axis)


@_largest.defjvp
def _largest_jvp(axis: int, primals: tuple[Any, Any], tangents: tuple[Any, Any]) -> tuple[Array, Array]:
    (s, first_label), (tangent, _) = primals, tangents
    largest = _largest(s, first_label, axis)
    e = jnp.exp(s - jnp.expand_dims(largest, axis))
    is_sure = 2 * e > e.sum(axis, keepdims=True)
    anchor = jnp.where(first_label.any(axis, keepdims=True), first_label, is_sure)
    return largest, jnp.where(anchor, tangent, 0).sum(axis)


def _exists(scores: Float[Array, "..."], y: Int[Array, " N"], axis: int) -> Bool[Array, " N"]:
    return (y >= 0) & (y < scores.shape[axis])
