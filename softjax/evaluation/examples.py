"""Examples on the device, and the evaluation of classifiers on them, one block at a time."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int, Num

from softjax.datasets.dataset import Split
from softjax.datasets.preprocess import Preprocessing, apply
from softjax.objective.config import Kind
from softjax.objective.losses import LOSSES
from softjax.objective.scores import matmul, scores

SCORES_AT_A_TIME = 2**23  # 32 MiB in float32


class Examples(NamedTuple):
    """A split, not preprocessed: features without the bias column (N, D − 1), labels (N,)."""

    X: Num[Array, "N F"] | Num[np.ndarray, "N F"]
    y: Int[Array, " N"] | Int[np.ndarray, " N"]


class Evaluation(NamedTuple):
    """Which examples of a split are classified correctly, and the sum of all losses, without the penalty."""

    correct: Bool[Array, " N"]
    loss: Float[Array, ""]


def take_examples(split: Split, dtype: str) -> Examples:
    """The examples of a split for training: uint8 pixels stay uint8, other features get the type of the weights."""
    X = split.X if split.X.dtype == np.uint8 else split.X.astype(dtype, copy=False)
    return Examples(X, split.y)


def map_blocks(
    function: Callable[[Any, Any], tuple[Any, Any]], examples: Examples, block: int
) -> tuple[Any, Any]:
    """Calls `function(X, y)` for blocks of `block` examples, so that memory does not grow with the number of examples.

    **Arguments:**

    - `function`: returns two pytrees: values to sum over the blocks, and values with one row per example.
    - `examples`: at least one.
    - `block`: size of a block; the last block may be smaller.

    **Returns:** the sums, and the rows of all examples in order.
    """
    num_whole = (len(examples.y) - 1) // block

    def part(start: Any, size: int) -> tuple[Any, Any]:
        return function(*(lax.dynamic_slice_in_dim(array, start, size) for array in examples))

    def add(total: Any, start: Any) -> tuple[Any, Any]:
        more, rows = part(start, block)
        return jax.tree.map(jnp.add, total, more), rows

    total, last = part(num_whole * block, len(examples.y) - num_whole * block)
    if num_whole == 0:
        return total, last
    total, rows = lax.scan(add, total, block * jnp.arange(num_whole, dtype=jnp.int32))
    return total, jax.tree.map(
        lambda stacked, rest: jnp.concatenate([stacked.reshape(-1, *rest.shape[1:]), rest]), rows, last
    )


def evaluate(
    W: Float[Array, "K D"], examples: Examples, preprocessing: Preprocessing, *, kind: Kind, block: int
) -> Evaluation:
    """Which of `examples` are classified correctly, and the sum of all losses; `block` examples at a time."""

    def classify(X: Num[Array, "B F"], y: Int[Array, " B"]) -> tuple[Float[Array, ""], Bool[Array, " B"]]:
        scores = matmul(W, apply(preprocessing, X, W.dtype).T)
        return LOSSES[kind](scores, y, axis=0).sum(), lax.argmax(scores, 0, jnp.int32) == y

    loss, correct = map_blocks(classify, examples, min(block, len(examples.y)))
    return Evaluation(correct, loss)


def score_split(
    W: Float[np.ndarray, "D K"], preprocessing: Preprocessing, split: Split
) -> Float[np.ndarray, "N K"]:
    """The scores of a classifier on examples that are not preprocessed, 1,000 at a time."""
    with jax.enable_x64(W.dtype == np.float64):
        blocks = (jnp.asarray(split.X[i : i + 1000]) for i in range(0, len(split), 1000))
        parts = [scores(W, apply(preprocessing, X, W.dtype)) for X in blocks]
        return np.concatenate([np.asarray(part) for part in parts])
