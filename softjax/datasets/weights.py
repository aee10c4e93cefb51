"""Weights of the training examples: those of the examples times those of their classes."""

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np
from jaxtyping import Float64, Int

from softjax.datasets.arraylike import get_column, is_frame, is_series, read_column, show, to_array
from softjax.datasets.dataset import Label
from softjax.datasets.labels import show_labels
from softjax.errors import InputError

ClassWeight = str | Mapping[Any, Any] | None
"""Weights of classes: None, "balanced", or a mapping from the labels as the user wrote them."""


def read_weights(weights: Any, num_examples: int, name: str = "sample_weight") -> Float64[np.ndarray, " N"]:
    """Weights (N,) or (N, 1) of the examples, from an array, a series, a tensor, or a list.

    Raises `InputError`, with `name`, if they are not N numbers that are finite and not negative, or all are zero.

    Examples:
        >>> read_weights([1, 2], num_examples=2)
        array([1., 2.])
    """
    if is_frame(weights) and weights.shape[1] == 1:
        weights = get_column(weights, 0)
    values = read_column(weights, name) if is_series(weights) else to_array(weights, name)
    if values.shape not in ((num_examples,), (num_examples, 1)) or values.dtype.kind not in "fiub":
        raise InputError(
            f"{name} must be {num_examples} numbers, one for each training example, got {values.dtype} {values.shape}"
        )
    with np.errstate(over="ignore"):
        values = np.array(values.reshape(-1), np.float64)  # a copy
    wrong = ~(np.isfinite(values) & (values >= 0))
    if wrong.any():
        row = int(wrong.argmax())
        raise InputError(
            f"{name} must be finite and not negative, but holds {show(values[row])} in row {row}"
        )
    if not values.any():
        raise InputError(f"{name} is zero for all {num_examples} examples: at least one must count")
    return values


def weight_examples(
    y: Int[np.ndarray, " N"],
    classes: Sequence[Label],
    weights: Float64[np.ndarray, " N"] | None,
    class_weight: ClassWeight,
    where: str = "",
) -> Float64[np.ndarray, " N"] | None:
    """The weights of training examples: `weights`, times the weight of their class. None where neither is given.

    `"balanced"` gives the class k the weight Σw / (K Σ_{y=k} w): all classes then weigh the same together. A class that a
    mapping lacks has the weight 1.

    Raises `InputError`, after `where`, if a class is unknown, or its weight is not a finite number that is not negative; and
    if all weights are zero, or their sum is not finite.

    Examples:
        >>> weight_examples(np.array([0, 0, 0, 1]), ("cat", "dog"), None, "balanced").round(2)
        array([0.67, 0.67, 0.67, 2.  ])
    """
    if weights is None and class_weight is None:
        return None
    product = np.ones(len(y)) if weights is None else weights
    with np.errstate(over="ignore", invalid="ignore"):
        if class_weight is not None:
            product = product * _weigh_classes(y, classes, weights, class_weight, where)[y]
        total = product.sum()
    if not np.isfinite(total):
        raise InputError(f"{where}the weights add up to {total}: make sample_weight or class_weight smaller")
    if total == 0:
        raise InputError(f"{where}the weights of all examples are zero: at least one must count")
    return product


def _weigh_classes(
    y: Int[np.ndarray, " N"],
    classes: Sequence[Label],
    weights: Float64[np.ndarray, " N"] | None,
    class_weight: ClassWeight,
    where: str,
) -> Float64[np.ndarray, " K"]:
    K = len(classes)
    if isinstance(class_weight, str) and class_weight == "balanced":
        of_class = np.bincount(y, weights, minlength=K).astype(np.float64)
        with np.errstate(over="ignore", divide="ignore"):
            # a class whose examples all have the weight 0 is left out
            present = np.count_nonzero(of_class)
            return np.where(
                of_class > 0, of_class.sum() / (present * np.where(of_class > 0, of_class, 1)), 0.0
            )
    if not isinstance(class_weight, Mapping):
        raise InputError(
            f"{where}class_weight must be 'balanced' or a mapping of labels to weights, got {show(class_weight)}"
        )
    number = {label: k for k, label in enumerate(classes)}
    unknown = [label for label in class_weight if label not in number]
    if unknown:
        raise InputError(
            f"{where}class_weight names {show_labels(unknown)}, but the training examples have {show_labels(classes)}"
        )
    result = np.ones(K)
    for label, weight in class_weight.items():
        is_number = isinstance(weight, Real) and not isinstance(weight, bool)
        if not (is_number and np.isfinite(float(weight)) and weight >= 0):
            raise InputError(
                f"{where}class_weight must be finite and not negative, but that of {show(label)} is {show(weight)}"
            )
        result[number[label]] = weight
    return result
