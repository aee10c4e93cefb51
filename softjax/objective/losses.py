"""The loss of each example, from its scores.

In public functions W is (D, K), and the classes are on the last axis of the scores X @ W. Inside a sweep W is (K, D)
and the scores W @ X.T are (K, N), so that XLA need not copy transposed arrays. `axis` is the axis of the classes.
"""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int


def is_label(scores: Float[Array, "..."], y: Int[Array, " N"], axis: int) -> Bool[Array, "..."]:
    """1[y = k] in the layout of `scores`, as booleans."""
    return lax.broadcasted_iota(jnp.int32, scores.shape, axis % scores.ndim) == jnp.expand_dims(y, axis)


def label_score(scores: Float[Array, "..."], y: Int[Array, " N"], axis: int) -> Float[Array, " N"]:
    """scores[i, y[i]], or NaN if y[i] is no label."""
    # A masked sum, not a gather: XLA fuses it with the operations around it, and a wrong label matches no class.
    score = jnp.where(is_label(scores, y, axis), scores, 0).sum(axis)
    return jnp.where((y >= 0) & (y < scores.shape[axis]), score, jnp.nan)


def cross_entropy(scores: Float[Array, "..."], y: Int[Array, " N"], *, axis: int = -1) -> Float[Array, " N"]:
    """The softmax cross-entropy of each example, −log p[y] = log Σⱼ exp(sⱼ) − s[y], in nats.

    The maximum is subtracted from the scores first, so exp cannot overflow: large finite scores give finite losses. A
    class with score −∞ has probability 0.

    **Arguments:**

    - `scores`: (N, K), or (K, N) with `axis=0`.
    - `y`: labels (N,), integers 0..K−1. The loss of any other label is NaN, never the loss of another class.
    - `axis`: the axis of the classes.

    Source: Murphy, *Probabilistic Machine Learning: An Introduction*, 2022, section 10.3.
    """
    shifted = scores - lax.stop_gradient(scores.max(axis, keepdims=True))
    return jnp.log(jnp.exp(shifted).sum(axis)) - label_score(shifted, y, axis)


def hinge(scores: Float[Array, "..."], y: Int[Array, " N"], *, axis: int = -1) -> Float[Array, " N"]:
    """The multiclass hinge loss of each example, Σ_{j≠y} max(0, sⱼ − s[y] + 1).

    **Arguments:** as `cross_entropy`. At a kink (a margin of exactly 0) the derivative is taken as 0.

    Source: Weston and Watkins, *Support Vector Machines for Multi-Class Pattern Recognition*, 1999.
    """
    margins = scores - jnp.expand_dims(label_score(scores, y, axis), axis) + 1
    return jnp.where(is_label(scores, y, axis), 0, jax.nn.relu(margins)).sum(axis)


LOSSES = {"softmax": cross_entropy, "hinge": hinge}
