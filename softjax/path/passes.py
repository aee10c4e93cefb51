"""Passes over the training examples: the objective and its gradient, and products with its Hessian, block by block."""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Num

from softjax.datasets.preprocess import Preprocessing, apply
from softjax.evaluation.examples import map_blocks
from softjax.objective.config import Objective
from softjax.objective.gradient import NARROW
from softjax.objective.hessian import move_residual
from softjax.objective.losses import is_label, softmax_residual
from softjax.objective.penalty import penalty_and_slope
from softjax.objective.scores import matmul

BLOCK_BYTES = 2**23  # of features: a block should stay in the cache of a CPU between its two products
DEVICE_BLOCK_BYTES = (
    2**27
)  # of features and scores: on a GPU or TPU few large products are faster than many small ones
WHOLE_BYTES = 2**26  # of features: so many are preprocessed once, and kept


class SolverSpec(NamedTuple):
    """What a compiled solver depends on, apart from the shapes of its arguments.

    - `dtype`: the type of all arithmetic.
    - `centred_in`: the type in which features are centred and scaled, before they are cast to `dtype`.
    - `dense`: whether the inverse of the Hessian preconditions; otherwise the principal axes do.
    - `stored`: whether the probabilities of all examples are kept. Otherwise each product computes them again.
    - `backend`: of the device.
    - `align`: the products have a multiple of so many columns.
    """

    objective: Objective
    num_classes: int
    dtype: str
    centred_in: str
    dense: bool
    stored: bool
    backend: str
    align: int


class Data(NamedTuple):
    """Examples: features (N, D − 1), or (N, D) if nothing is left to preprocess; labels; and weights, with the mean 1."""

    X: Num[Array, "N F"] | Num[np.ndarray, "N F"]
    y: Int[Array, " N"] | Int[np.ndarray, " N"]
    preprocessing: Preprocessing | None
    weight: Float[Array, " N"] | Float[np.ndarray, " N"] | None = None


def evaluate(
    spec: SolverSpec, data: Data, reg: Float[Array, ""], W: Float[Array, "K D"]
) -> tuple[Float[Array, ""], Float[Array, "K D"], Float[Array, " K"], Float[Array, "P K"]]:
    """The objective at W, its gradient 1/N (w ∘ Q) X + ∇penalty, and two results for the Hessian.

    These are the weighted mean of p(1 − p) for each class, and the probabilities of all examples (N, K) if they are stored.
    """
    num_examples, axis = len(data.y), _class_axis(spec)
    wide = widen(W, spec.align)

    def block(X: Any, y: Any, weight: Any) -> tuple[Any, Any]:
        x = read_features(X, data.preprocessing, spec.centred_in, spec.dtype, wide.shape[1])
        s = _score(wide, x, axis)
        losses, Q = softmax_residual(s, y, axis)
        label = is_label(s, y, axis)
        p = jnp.where(label, 1 + Q, Q)
        bent = jnp.abs(Q) * jnp.where(label, p, 1 - p)  # |Q| is 1 − p at the label, else p
        losses = _weigh(jnp.expand_dims(losses, axis), weight, axis)
        Q, curved = _weigh(Q, weight, axis), _weigh(bent, weight, axis).sum(1 - axis)
        sums = losses.sum() / num_examples, _sum_outer(Q / num_examples, x, axis), curved / num_examples
        return sums, jnp.moveaxis(p, axis, 1) if spec.stored else None

    arrays = (data.X, data.y, data.weight)
    (loss, grad, curved), p = map_blocks(block, arrays, block_size(spec, data.X))
    grad = grad[:, wide.shape[1] - W.shape[1] :]
    penalty, slope = penalty_and_slope(spec.objective, reg, W, W.dtype, bias_axis=1)
    p = p if spec.stored else jnp.zeros((0, spec.num_classes), W.dtype)
    return loss + penalty, grad + slope, curved, p


def multiply(
    spec: SolverSpec,
    data: Data,
    reg: Float[Array, ""],
    W: Float[Array, "K D"],
    p: Float[Array, "P K"],
    V: Float[Array, "K D"],
) -> Float[Array, "K D"]:
    """The Hessian at W times V. `p` are the probabilities at W, if they are stored."""
    num_examples, axis = len(data.y), _class_axis(spec)
    direction = widen(V, spec.align)
    width = direction.shape[1]

    def block(X: Any, y: Any, weight: Any, stored: Any) -> tuple[Any, None]:
        x = read_features(X, data.preprocessing, spec.centred_in, spec.dtype, width)
        if spec.stored:
            p = jnp.moveaxis(stored, 1, axis)
        else:
            s = _score(widen(W, spec.align), x, axis)
            Q = softmax_residual(s, y, axis)[1]
            p = jnp.where(is_label(s, y, axis), 1 + Q, Q)
        M = _weigh(move_residual(p, _score(direction, x, axis), y, axis), weight, axis)
        return _sum_outer(M / num_examples, x, axis), None

    arrays = (data.X, data.y, data.weight, p if spec.stored else None)
    product: Array = map_blocks(block, arrays, block_size(spec, data.X))[0]
    return (
        product[:, width - V.shape[1] :] + penalty_and_slope(spec.objective, reg, V, V.dtype, bias_axis=1)[1]
    )  # cV: it is quadratic


def widen(W: Float[Array, "... D"], align: int) -> Float[Array, "... E"]:
    """W with columns of zeros before the others, so that their number is a multiple of `align`."""
    padding = -W.shape[-1] % align
    return jnp.pad(W, ((0, 0),) * (W.ndim - 1) + ((padding, 0),)) if padding else W


def _weigh(values: Float[Array, "..."], weight: Float[Array, " B"] | None, axis: int) -> Float[Array, "..."]:
    """Values times the weights of their examples; `axis` is that of the classes."""
    return values if weight is None else values * jnp.expand_dims(weight, axis).astype(values.dtype)


def _class_axis(spec: SolverSpec) -> int:
    """The axis of the classes in scores: 0 is faster for few, 1 for many."""
    return 0 if spec.num_classes <= NARROW else 1


def _score(W: Float[Array, "K D"], x: Float[Array, "B D"], axis: int) -> Float[Array, "..."]:
    return matmul(W, x.T) if axis == 0 else matmul(x, W.T)


def _sum_outer(M: Float[Array, "..."], x: Float[Array, "B D"], axis: int) -> Float[Array, "K D"]:
    """The sum over examples of the outer products of a row of M with one of x."""
    return matmul(M if axis == 0 else M.T, x)


def read_features(
    X: Num[Array, "B F"], preprocessing: Preprocessing | None, centred_in: str, dtype: str, width: int = 0
) -> Float[Array, "B D"]:
    """A block of features as the classifier uses them, with columns of zeros before them up to `width` columns."""
    if preprocessing is not None:
        return apply(preprocessing, X, jnp.dtype(centred_in), width).astype(dtype)
    X = X.astype(dtype)
    return jnp.pad(X, ((0, 0), (width - X.shape[1], 0))) if width > X.shape[1] else X


def block_size(spec: SolverSpec, X: Num[Array, "N F"] | Num[np.ndarray, "N F"]) -> int:
    """Number of examples in a block of a pass over all of them."""
    (num_examples, num_features), itemsize = X.shape, np.dtype(spec.dtype).itemsize
    row_bytes = num_features * itemsize
    if num_examples * row_bytes <= WHOLE_BYTES:
        return num_examples
    if spec.backend == "cpu":
        return max(BLOCK_BYTES // row_bytes, 1)
    return max(DEVICE_BLOCK_BYTES // (row_bytes + spec.num_classes * itemsize), 1)
