"""The arguments of the public functions, checked and in one type.

A call of a small problem takes longer to check than to compute. So shapes and types are looked at once for all calls that have
the same, the values of labels in one pass, and NumPy arrays are handed to the compiled program as they are.

Labels are checked where their values are known (`check_labels`). Elsewhere a wrong label becomes −1 (`as_labels`), and
the loss of its example and all derivatives are NaN (`losses`). The labels of a data set are checked when it is built,
in `softjax.datasets`.
"""

from dataclasses import replace
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, Integer

from softjax.objective.config import Objective
from softjax.weights import ClassWeight, check_weights, read_class_weight, weigh_examples

Shape = tuple[int, ...]
AnyArray = Array | np.ndarray


def check_arguments(
    W: ArrayLike,
    X: ArrayLike,
    y: ArrayLike,
    reg: ArrayLike,
    objective: Objective,
    sample_weight: ArrayLike | None,
    class_weight: ClassWeight,
) -> tuple[
    Float[AnyArray, "D K"],
    Float[AnyArray, "N D"],
    Integer[AnyArray, " N"],
    Objective,
    Float[Array, " N"] | None,
]:
    """The arguments of `loss` and its derivatives: checked, and converted to arrays of one floating type, of JAX or NumPy.

    If `reg` is the number 0, the penalty is removed: 0 · ΣW² would be NaN if a weight or its square is infinite. The last
    result is the share of each example, as `as_shares` computes it.
    """
    check_labels(y, jnp.shape(X)[0], jnp.shape(W)[-1])
    if isinstance(reg, int | float) and reg == 0:
        objective = replace(objective, penalty="none")
    W, X = as_floats(W, X)
    y = as_array(y)
    return W, X, y, objective, as_shares(y, W.shape[1], sample_weight, class_weight)


def as_shares(
    y: Integer[AnyArray, " N"], num_classes: int, sample_weight: ArrayLike | None, class_weight: ClassWeight
) -> Float[Array, " N"] | None:
    """The share of each example in the mean loss, wᵢ / Σw; None if no weights are given, so that all have the same.

    Weights whose values are not known, inside `jit` or on an accelerator, are not checked: negative ones become NaN.
    """
    if sample_weight is None and class_weight is None:
        return None
    if _is_at_hand(y) and (sample_weight is None or _is_at_hand(sample_weight)):
        given = None if sample_weight is None else check_weights(sample_weight, len(y))
        weight = weigh_examples(np.asarray(y), range(num_classes), given, class_weight)
        assert weight is not None  # one of the two is given
        return jnp.asarray(weight / weight.sum())
    if sample_weight is not None and np.shape(sample_weight) != y.shape:
        raise ValueError(
            f"sample_weight must be (N,) with N = {len(y)} examples, got the shape {np.shape(sample_weight)}"
        )
    share = jnp.ones(len(y)) if sample_weight is None else jnp.asarray(sample_weight).astype(float)
    share = jnp.where(share >= 0, share, jnp.nan)
    if class_weight is not None:
        totals = jnp.zeros(num_classes).at[y].add(share)
        balanced = jnp.where(totals > 0, 1 / totals, 0)  # up to a factor, which the shares do not depend on
        table = (
            balanced
            if isinstance(class_weight, str) and class_weight == "balanced"
            else jnp.asarray(read_class_weight(class_weight, range(num_classes)))
        )
        share = share * table[y]
    return share / share.sum()


def as_labels(y: Integer[AnyArray, " N"], num_classes: int) -> Int[Array, " N"]:
    """`y` as int32, with −1 for what is no label. It is replaced before the cast, which could wrap it into 0..K−1."""
    return jnp.where((y >= 0) & (y < num_classes), y, jnp.full_like(y, -1)).astype(jnp.int32)


def as_floats(W: ArrayLike, X: ArrayLike) -> tuple[AnyArray, AnyArray]:
    """`W` and `X` as arrays of one floating type: the promoted type of the two, integers not counted."""
    a, b = as_array(W), as_array(X)
    default = a.dtype if a.dtype.kind == "f" else jnp.result_type(float)  # takes as long as a small gradient
    dtype = _find_type(a.shape, b.shape, a.dtype, b.dtype, default)
    return (
        a if a.dtype == dtype else jnp.asarray(a).astype(dtype),
        b if b.dtype == dtype else jnp.asarray(b).astype(dtype),
    )


@lru_cache(maxsize=4096)
def _find_type(W: Shape, X: Shape, W_dtype: Any, X_dtype: Any, default: Any) -> Any:
    """The floating type of W and X; `default` if both are integers. Raises `ValueError` unless the shapes fit."""
    if len(W) != 2 or len(X) != 2 or X[1] != W[0]:
        raise ValueError(f"X must be (N, D) and W (D, K), the same D, got X {X} and W {W}")
    dtype = W_dtype if jnp.issubdtype(W_dtype, jnp.floating) else default
    if X_dtype != dtype and jnp.issubdtype(X_dtype, jnp.floating):
        with jax.numpy_dtype_promotion("standard"):
            dtype = jnp.promote_types(dtype, X_dtype)
    return dtype


def as_array(a: ArrayLike) -> AnyArray:
    """An array of JAX as it is, and one of NumPy too, except that it has 64 bits only if 64-bit types are on.

    A function may have been traced before, with 64-bit types on. JAX would then use an array in its closure at 64 bits. A
    compiled program places an array of NumPy faster than `jnp.asarray` does.
    """
    if isinstance(a, jax.Array):
        return a
    if isinstance(a, np.ndarray):
        return a.astype(jax.dtypes.canonicalize_dtype(a.dtype), copy=False)
    return jnp.asarray(a)


def check_labels(y: ArrayLike, num_examples: int, num_classes: int) -> None:
    """Raises `ValueError` unless `y` holds `num_examples` integers 0..`num_classes` − 1.

    Inside `jit` the values are not known, and reading them from an accelerator would wait for it: only shape and type are
    checked.
    """
    given: Any = y if hasattr(y, "dtype") else np.asarray(y)
    as_unsigned = _check_type(given.shape, np.dtype(given.dtype), num_examples, num_classes)
    if num_examples > 0 and _is_at_hand(given):
        labels = np.asarray(given)
        # negative ones are the largest of all as unsigned numbers
        if labels.astype(as_unsigned, copy=False).max() >= num_classes:
            wrong = labels[(labels < 0) | (labels >= num_classes)][0]
            raise ValueError(f"y holds the label {wrong}, outside 0..{num_classes - 1} (K = {num_classes})")


@lru_cache(maxsize=4096)
def _check_type(shape: Shape, dtype: np.dtype, num_examples: int, num_classes: int) -> np.dtype:
    """The type of unsigned integers of the size of `dtype`. Raises `ValueError` unless labels have this shape and type."""
    if shape != (num_examples,):
        raise ValueError(f"y must be (N,) with N = {num_examples} examples, got {shape}")
    if dtype.kind not in "iu" and not jnp.issubdtype(dtype, jnp.integer):  # NumPy gives int4 another kind
        raise ValueError(f"y must hold integer labels 0..{num_classes - 1}, got {dtype.name}")
    return np.dtype(f"u{max(dtype.itemsize, 1)}")


def _is_at_hand(y: ArrayLike) -> bool:
    """Whether the values of `y` are known, and in the memory of the host."""
    if isinstance(y, jax.core.Tracer):
        return False
    return not isinstance(y, jax.Array) or {device.platform for device in y.devices()} == {"cpu"}
