"""What is minimized: the mean loss of a linear classifier's scores, and a penalty on its weights.

Classes lie on the last axis of the public functions' scores, X @ W with W (D, K). Inside a sweep W is (K, D)
and the scores W @ X.T are (K, N), the layout in which XLA needs no transposed copies; `axis` says which.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int, Integer, Num

from softjax.config import Kind, Penalty, Precision, check_choice


def matmul(
    a: Float[Array, "M L"], b: Float[Array, "L P"], precision: Precision = "highest"
) -> Float[Array, "M P"]:
    """The product a @ b, by default at the full precision of its type, half types summed in float32.

    Below `"highest"` GPUs and TPUs round float32 factors to TF32 or bfloat16.
    """
    total = jnp.float64 if a.dtype == jnp.float64 else jnp.float32
    return jnp.matmul(a, b, precision=precision, preferred_element_type=total)


def scores(W: Num[ArrayLike, "D K"], X: Num[ArrayLike, "N D"]) -> Float[Array, "N K"]:
    """The scores ("logits") X @ W, at full precision on every device.

    **Arguments:**

    - `W`: weights (D, K), the bias in the last row.
    - `X`: features (N, D), the last column ones. Integers (pixels) are taken in the type of `W`.

    Raises `ValueError` where the shapes do not fit.
    """
    W, X = as_floats(W, X)
    return matmul(X, W)


def cross_entropy(scores: Float[Array, "..."], y: Int[Array, " N"], *, axis: int = -1) -> Float[Array, " N"]:
    """The softmax cross-entropy of each example, −log p[y] = log Σⱼ exp(sⱼ) − s[y], in nats.

    Computed from the scores less their maximum, so that finite scores give finite losses however large they
    are, as far as the loss itself can be represented. A score of −∞ rules its class out.

    **Arguments:**

    - `scores`: (N, K), or (K, N) with `axis=0`.
    - `y`: labels (N,), integers 0..K−1. The loss of a label outside is NaN, never another class's loss.
    - `axis`: where the classes lie.

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


def penalty_value(
    W: Float[Array, "..."], reg: Float[Array, ""], penalty: Penalty, l1_ratio: Float[Array, ""]
) -> Float[Array, ""]:
    """The penalty of all entries of W, whatever its layout, summed in float32 at least.

    `"l2"` is reg ΣW², `"half_l2"` ½ reg ΣW², `"l1"` reg Σ|W|, `"elastic_net"`
    reg (l1_ratio Σ|W| + ½ (1 − l1_ratio) ΣW²), `"none"` 0.
    """
    W = W.astype(reg.dtype)
    match penalty:
        case "l2":
            return reg * jnp.sum(W * W)
        case "half_l2":
            return reg * 0.5 * jnp.sum(W * W)
        case "l1":
            return reg * jnp.sum(jnp.abs(W))
        case "elastic_net":
            return reg * (l1_ratio * jnp.sum(jnp.abs(W)) + 0.5 * (1 - l1_ratio) * jnp.sum(W * W))
        case "none":
            return jnp.zeros((), reg.dtype)


def loss(
    W: Num[ArrayLike, "D K"],
    X: Num[ArrayLike, "N D"],
    y: Integer[ArrayLike, " N"],
    reg: ArrayLike = 0.0,
    *,
    kind: Kind = "softmax",
    penalty: Penalty = "l2",
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
    check_problem(W, X, y, kind, penalty)
    W, X, y = as_arrays(W, X, y)
    penalty = needed_penalty(reg, penalty)
    value: Array = _loss(W, X, y, reg, l1_ratio, kind=kind, penalty=penalty, penalize_bias=penalize_bias)
    return value


@partial(jax.jit, static_argnames=("kind", "penalty", "penalize_bias"))
def _loss(
    W: Float[Array, "D K"],
    X: Float[Array, "N D"],
    y: Integer[Array, " N"],
    reg: ArrayLike,
    l1_ratio: ArrayLike,
    *,
    kind: Kind,
    penalty: Penalty,
    penalize_bias: bool,
) -> Float[Array, ""]:
    s, y = matmul(X, W), as_labels(y, W.shape[1])
    reg, l1_ratio = jnp.asarray(reg, s.dtype), jnp.asarray(l1_ratio, s.dtype)
    penalized = W if penalize_bias else W[:-1]
    return LOSSES[kind](s, y).mean() + penalty_value(penalized, reg, penalty, l1_ratio)


def needed_penalty(reg: ArrayLike, penalty: Penalty) -> Penalty:
    """`"none"` where `reg` is the number 0: 0 · ΣW² would be NaN where a weight is infinite, or its square."""
    return "none" if isinstance(reg, int | float) and reg == 0 else penalty


def is_label(scores: Float[Array, "..."], y: Int[Array, " N"], axis: int) -> Bool[Array, "..."]:
    """1[y = k] in the layout of `scores`, as booleans."""
    return lax.broadcasted_iota(jnp.int32, scores.shape, axis % scores.ndim) == jnp.expand_dims(y, axis)


def label_score(scores: Float[Array, "..."], y: Int[Array, " N"], axis: int) -> Float[Array, " N"]:
    """scores[i, y[i]], and NaN where y[i] is no label."""
    # A masked sum, not a gather: it fuses with its neighbours, and a wrong label matches no class.
    score = jnp.where(is_label(scores, y, axis), scores, 0).sum(axis)
    return jnp.where((y >= 0) & (y < scores.shape[axis]), score, jnp.nan)


def as_arrays(
    W: ArrayLike, X: ArrayLike, y: ArrayLike
) -> tuple[Float[Array, "D K"], Float[Array, "N D"], Integer[Array, " N"]]:
    """`W` and `X` in one floating type (their promoted one, where integers have no say), and `y`."""
    W, X = as_floats(W, X)
    return W, X, as_array(y)


def as_labels(y: Integer[Array, " N"], num_classes: int) -> Int[Array, " N"]:
    """`y` as int32, −1 where it is no label; a large one must not wrap around into another class."""
    return jnp.where((y >= 0) & (y < num_classes), y, jnp.full_like(y, -1)).astype(jnp.int32)


def as_floats(W: ArrayLike, X: ArrayLike) -> tuple[Array, Array]:
    """`W` and `X` as arrays of one floating type: their promoted one, where integers have no say."""
    W, X = as_array(W), as_array(X)
    if W.ndim != 2 or X.ndim != 2 or X.shape[1] != W.shape[0]:
        raise ValueError(f"X must be (N, D) and W (D, K), the same D, got X {X.shape} and W {W.shape}")
    if X.dtype == W.dtype == jnp.float32:  # what follows takes as long as a small gradient
        return W, X
    dtype = W.dtype if jnp.issubdtype(W.dtype, jnp.floating) else jnp.result_type(float)
    if X.dtype != dtype and jnp.issubdtype(X.dtype, jnp.floating):
        with jax.numpy_dtype_promotion("standard"):
            dtype = jnp.promote_types(dtype, X.dtype)
    return W.astype(dtype), X.astype(dtype)


def as_array(a: ArrayLike) -> Array:
    """`jnp.asarray`, but for NumPy's 64-bit arrays with 64-bit types off, which are rounded here.

    Closed over by a function that was traced with 64-bit types on before, JAX would take them for what they were.
    """
    if isinstance(a, jax.Array):
        return a
    if isinstance(a, np.ndarray):
        a = a.astype(jax.dtypes.canonicalize_dtype(a.dtype), copy=False)
    return jnp.asarray(a)


def check_problem(W: ArrayLike, X: ArrayLike, y: ArrayLike, kind: Kind, penalty: Penalty) -> None:
    """Raises the `ValueError`s that `loss` promises, as far as they can be seen from here."""
    check_choice("kind", kind, Kind)
    check_choice("penalty", penalty, Penalty)
    check_labels(y, np.shape(X)[0], np.shape(W)[-1])


def check_labels(y: ArrayLike, num_examples: int, num_classes: int) -> None:
    """Raises `ValueError` unless `y` are `num_examples` integers 0..`num_classes` − 1, as far as can be seen."""
    if np.shape(y) != (num_examples,):
        raise ValueError(f"y must be (N,) with N = {num_examples} examples, got {np.shape(y)}")
    dtype = np.dtype(y.dtype if hasattr(y, "dtype") else np.asarray(y).dtype)
    if dtype.kind not in "iu" and not jnp.issubdtype(dtype, jnp.integer):  # int4 is of another kind
        raise ValueError(f"y must hold integer labels 0..{num_classes - 1}, got {dtype.name}")
    if not isinstance(y, jax.core.Tracer) and num_examples > 0:
        labels = np.asarray(y)
        if labels.min() < 0 or labels.max() >= num_classes:
            wrong = labels[(labels < 0) | (labels >= num_classes)][0]
            raise ValueError(f"y holds the label {wrong}, outside 0..{num_classes - 1} (K = {num_classes})")
