"""Examples on the device, and the evaluation of classifiers on them, one block at a time."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int, Num

from softjax.datasets.dataset import Dataset, Split
from softjax.datasets.preprocess import Preprocessing, apply, can_apply, centre, farthest, limits
from softjax.errors import InputError
from softjax.objective.config import Kind
from softjax.objective.losses import LOSSES
from softjax.objective.scores import matmul, scores

SCORES_AT_A_TIME = 2**23  # 32 MiB in float32


class Examples(NamedTuple):
    """A split: features without the bias column (N, D − 1), labels (N,), and weights (N,) with the mean 1, or None if all are 1.

    What is left to preprocess, `prepare` says.
    """

    X: Num[Array, "N F"] | Num[np.ndarray, "N F"]
    y: Int[Array, " N"] | Int[np.ndarray, " N"]
    weight: Float[Array, " N"] | Float[np.ndarray, " N"] | None = None


class Evaluation(NamedTuple):
    """Which examples of a split are classified correctly, and the sum of all weighted losses, without the penalty."""

    correct: Bool[Array, " N"]
    loss: Float[Array, ""]


class Prepared(NamedTuple):
    """The three splits as the devices need them, and the preprocessing that is left to do there."""

    preprocessing: Preprocessing
    train: Examples
    val: Examples
    test: Examples


def prepare(dataset: Dataset, fitted: Preprocessing, dtype: str) -> Prepared:
    """The examples of all splits for a run with weights of type `dtype`, on the host.

    uint8 and all features that `dtype` holds without rounding are preprocessed on the devices, when they are used. All
    others, such as float64 features of a float32 run, are centred and scaled here, in float64, before they are cast.

    Raises `InputError` if `dtype` cannot compute with the preprocessed features, because they are too large or too small.
    """
    check_ranges(dataset, fitted, dtype)
    splits = (dataset.train, dataset.val, dataset.test)
    if all(can_apply(fitted, split.X, dtype) for split in splits):
        left = jax.tree.map(lambda each: each.astype(dtype), fitted)
        pixels_or = (
            split.X if split.X.dtype == np.uint8 else split.X.astype(dtype, copy=False) for split in splits
        )
        ready = zip(pixels_or, splits, strict=True)
        return Prepared(left, *(Examples(X, split.y, mean_one(split.weight, dtype)) for X, split in ready))
    nothing = Preprocessing(np.zeros(dataset.num_features, dtype), None)
    return Prepared(
        nothing,
        *(
            Examples(centre(fitted, split.X, dtype), split.y, mean_one(split.weight, dtype))
            for split in splits
        ),
    )


def mean_one(weight: Float[np.ndarray, " N"] | None, dtype: str) -> Float[np.ndarray, " N"] | None:
    """Weights divided by their mean, in `dtype`: a sum of weighted losses divided by N is then their weighted mean."""
    return None if weight is None else (weight / weight.mean()).astype(dtype)


def check_ranges(dataset: Dataset, fitted: Preprocessing, dtype: str) -> None:
    """Raises `InputError` if `dtype` cannot compute with the preprocessed features of a split, and says what to do."""
    remedies = ["set standardize"] * (fitted.scale is None) + ["set dtype float64"] * (dtype != "float64")
    splits = (dataset.train, dataset.val, dataset.test)
    for name, split in zip(("training", "validation", "test"), splits, strict=True):
        check_range(name, split, fitted, dtype, ", or ".join(["rescale the features", *remedies]))


def check_range(
    name: str, split: Split, fitted: Preprocessing, dtype: str, remedy: str = "rescale the features"
) -> None:
    """Raises `InputError` if `dtype` cannot compute with the preprocessed features of the split of that name.

    Too large is a single feature, too small only all of them: beside larger ones a small one has no weight.
    """
    least, most = limits(dtype)
    if split.X.dtype.kind != "f" or float(np.finfo(split.X.dtype).max) <= most:
        return
    distance = farthest(fitted, split.X)
    worst = int(np.argmax(distance))
    if distance[worst] > most:
        unit = "" if fitted.scale is None else " standard deviations"
        raise InputError(
            f"column {worst} of the {name} features lies up to {distance[worst]:.3g}{unit} from its training mean, and "
            f"{dtype} computes with at most {most:.2g}: {remedy}"
        )
    if name == "training" and fitted.scale is None and 0 < distance[worst] < least:
        raise InputError(
            f"the {name} features lie at most {distance[worst]:.3g} from their means, and {dtype} computes with at "
            f"least {least:.2g}: {remedy}"
        )


def map_blocks(
    function: Callable[..., tuple[Any, Any]], arrays: tuple[Any, ...], block: int
) -> tuple[Any, Any]:
    """Calls `function(*arrays)` for blocks of `block` examples, so that memory does not grow with the number of examples.

    **Arguments:**

    - `function`: returns two pytrees: values to sum over the blocks, and values with one row per example.
    - `arrays`: arrays with one row per example, and None for what there is not; the first has at least one row.
    - `block`: size of a block; the last block may be smaller.

    **Returns:** the sums, and the rows of all examples in order.
    """
    num_examples = len(arrays[0])
    num_whole = (num_examples - 1) // block

    def part(start: Any, size: int) -> tuple[Any, Any]:
        return function(*jax.tree.map(lambda array: lax.dynamic_slice_in_dim(array, start, size), arrays))

    def add(total: Any, start: Any) -> tuple[Any, Any]:
        more, rows = part(start, block)
        return jax.tree.map(jnp.add, total, more), rows

    total, last = part(num_whole * block, num_examples - num_whole * block)
    if num_whole == 0:
        return total, last
    total, rows = lax.scan(add, total, block * jnp.arange(num_whole, dtype=jnp.int32))
    return total, jax.tree.map(
        lambda stacked, rest: jnp.concatenate([stacked.reshape(-1, *rest.shape[1:]), rest]), rows, last
    )


def evaluate(
    W: Float[Array, "K D"], examples: Examples, preprocessing: Preprocessing, *, kind: Kind, block: int
) -> Evaluation:
    """Which of `examples` are classified correctly, and the sum of all weighted losses; `block` examples at a time.

    W may have more columns than there are features, the first ones; they are zero.
    """

    def classify(
        X: Num[Array, "B F"], y: Int[Array, " B"], weight: Float[Array, " B"] | None
    ) -> tuple[Float[Array, ""], Bool[Array, " B"]]:
        scores = matmul(W, apply(preprocessing, X, W.dtype, W.shape[1]).T)
        losses = LOSSES[kind](scores, y, axis=0)
        losses = losses if weight is None else weight * losses
        return losses.sum(), lax.argmax(scores, 0, jnp.int32) == y

    loss, correct = map_blocks(classify, examples, min(block, len(examples.y)))
    return Evaluation(correct, loss)


def score_split(
    W: Float[np.ndarray, "D K"], preprocessing: Preprocessing, split: Split
) -> Float[np.ndarray, "N K"]:
    """The scores of a classifier on examples that are not preprocessed, 1,000 at a time. `preprocessing` is in float64."""
    dtype = str(W.dtype)
    direct = can_apply(preprocessing, split.X, dtype)
    nothing = Preprocessing(np.zeros(split.X.shape[1], dtype), None)

    def score(X: Num[np.ndarray, "B F"]) -> Float[np.ndarray, "B K"]:
        features = (
            apply(preprocessing, X, W.dtype)
            if direct
            else apply(nothing, centre(preprocessing, X, dtype), W.dtype)
        )
        return np.asarray(scores(W, features))

    with jax.enable_x64(W.dtype == np.float64):
        return np.concatenate([score(split.X[i : i + 1000]) for i in range(0, len(split), 1000)])
