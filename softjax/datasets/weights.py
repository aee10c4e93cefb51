"""Weights of examples, from whatever holds them."""

from typing import Any

import numpy as np
from jaxtyping import Float64

from softjax.datasets.arraylike import get_column, is_frame, is_series, read_column, show, to_array
from softjax.errors import InputError


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
