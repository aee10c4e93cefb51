"""How often each example counts: sample weights times class weights.

With weights wᵢ the objective is Σ wᵢ ℓᵢ / Σ wᵢ plus the penalty. An example of weight 2 counts as if it were there twice, one of
weight 0 as if it were not there.
"""

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Float64, Int

from softjax.errors import InputError

ClassWeight = Literal["balanced"] | Mapping[Any, Any] | None
"""Weights of classes: None, "balanced", or a mapping from the labels as the user wrote them."""


def check_weights(
    values: Any, num_examples: int, name: str = "sample_weight", whose: str = "example"
) -> Float64[np.ndarray, " N"]:
    """Weights (N,) or (N, 1) in float64. Raises `InputError` unless they are N numbers, finite, not negative, and not all zero."""
    values = np.asarray(values)
    if (
        values.dtype.type.__module__ == "ml_dtypes"
    ):  # bfloat16 and its relatives, which are of no kind of NumPy's
        values = values.astype(np.float32)
    if values.shape not in ((num_examples,), (num_examples, 1)) or values.dtype.kind not in "fiub":
        raise InputError(
            f"{name} must be {num_examples} numbers, one for each {whose}, got {values.dtype} {values.shape}"
        )
    with np.errstate(over="ignore"):
        weights = np.array(values.reshape(-1), np.float64)  # a copy
    wrong = ~(np.isfinite(weights) & (weights >= 0))
    if wrong.any():
        row = int(wrong.argmax())
        raise InputError(
            f"{name} must be finite and not negative, but holds {weights[row].item()} in row {row}"
        )
    if not weights.any():
        raise InputError(f"{name} is zero for all {num_examples} examples: at least one must count")
    return weights


def weigh_examples(
    y: Int[np.ndarray, " N"],
    classes: Sequence[Any],
    weights: Float64[np.ndarray, " N"] | None,
    class_weight: ClassWeight,
    where: str = "",
) -> Float64[np.ndarray, " N"] | None:
    """The weights of the examples: `weights`, as `check_weights` returns them, times the weight of their class.

    None where neither is given. `"balanced"` gives the class k the weight Σw / (K Σ_{y=k} w): all classes then weigh the same
    together. A class that a mapping lacks has the weight 1.

    Raises `InputError`, after `where`, if a class is unknown, or its weight is not a finite number that is not negative; and
    if all weights are zero, or their sum is not finite.

    Examples:
        >>> weigh_examples(np.array([0, 0, 0, 1]), ("cat", "dog"), None, "balanced").round(2)
        array([0.67, 0.67, 0.67, 2.  ])
    """
    if weights is None and class_weight is None:
        return None
    product = np.ones(len(y)) if weights is None else weights
    with np.errstate(over="ignore", invalid="ignore"):
        if isinstance(class_weight, str) and class_weight == "balanced":
            product = product * _balance(y, product, len(classes))[y]
        elif class_weight is not None:
            product = product * read_class_weight(class_weight, classes, where)[y]
        total = product.sum()
    if not np.isfinite(total):
        raise InputError(f"{where}the weights add up to {total}: make sample_weight or class_weight smaller")
    if total == 0:
        raise InputError(f"{where}the weights of all examples are zero: at least one must count")
    return product


def read_class_weight(
    class_weight: object, classes: Sequence[Any], where: str = ""
) -> Float[np.ndarray, " K"]:
    """The weight of each class, from a mapping. Raises `InputError` as `weigh_examples` does."""
    if not isinstance(class_weight, Mapping):
        raise InputError(
            f"{where}class_weight must be 'balanced' or a mapping of labels to weights, got {class_weight!r}"
        )
    number, table = {label: k for k, label in enumerate(classes)}, np.ones(len(classes))
    for label, weight in class_weight.items():
        if label not in number:
            some = ", ".join(map(repr, list(classes)[:5])) + ", …" * (len(classes) > 5)
            raise InputError(
                f"{where}class_weight names the label {label!r}, but the training examples have {some}"
            )
        is_number = isinstance(weight, Real) and not isinstance(weight, bool)
        if not (is_number and np.isfinite(float(weight)) and weight >= 0):
            raise InputError(
                f"{where}class_weight must be finite and not negative, but that of {label!r} is {weight!r}"
            )
        table[number[label]] = weight
    return table


def _balance(
    y: Int[np.ndarray, " N"], weights: Float64[np.ndarray, " N"], num_classes: int
) -> Float64[np.ndarray, " K"]:
    """The weights with which all classes that have any count alike."""
    totals = np.bincount(y, weights, minlength=num_classes)
    present = totals > 0
    balanced: np.ndarray = np.where(
        present, totals.sum() / (np.count_nonzero(present) * np.where(present, totals, 1)), 0.0
    )
    return balanced
