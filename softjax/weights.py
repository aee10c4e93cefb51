"""How often each example counts: sample weights and class weights.

With weights wᵢ the objective is Σ wᵢ ℓᵢ / Σ wᵢ plus the penalty. An example of weight 2 counts as if it were there twice, one of
weight 0 as if it were not there.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Int

from softjax.errors import InputError, write_count

ClassWeight = Literal["balanced"] | Mapping[Any, float] | None


def weigh_examples(
    y: Int[np.ndarray, " N"],
    classes: Sequence[Any],
    sample_weight: Any = None,
    class_weight: ClassWeight = None,
) -> Float[np.ndarray, " N"] | None:
    """The weights of the examples, sample weight · weight of the class; None if neither is given, so that all count alike.

    **Arguments:**

    - `y`: labels 0..K−1.
    - `classes`: the K labels as the user wrote them.
    - `sample_weight`: (N,), zero or positive, of any scale.
    - `class_weight`: `"balanced"`, Σw / (K · Σ_{yᵢ = k} wᵢ) for class k with the K classes that have examples; or a mapping from
      classes to weights. A class that it does not name has weight 1.

    Raises `InputError` for weights that are negative, not finite or all zero, or a class that there is not.

    Examples:
        >>> weigh_examples(np.array([0, 0, 0, 1]), ("cat", "dog"), class_weight="balanced")
        array([0.66666667, 0.66666667, 0.66666667, 2.        ])
    """
    if sample_weight is None and class_weight is None:
        return None
    weight = np.ones(len(y)) if sample_weight is None else read_sample_weight(sample_weight, len(y))
    if class_weight is not None:
        table = balance(y, weight, len(classes)) if class_weight == "balanced" else None
        weight = weight * (read_class_weight(class_weight, classes) if table is None else table)[y]
    if not weight.any():
        raise InputError("all examples have the weight 0: at least one must count")
    return weight


def read_sample_weight(sample_weight: Any, num_examples: int) -> Float[np.ndarray, " N"]:
    """Sample weights in float64. Raises `InputError` unless they are N numbers, finite and not negative."""
    try:
        weight = np.asarray(sample_weight, np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"sample_weight must be numbers: {error}") from error
    if weight.shape != (num_examples,):
        raise InputError(
            f"sample_weight must be (N,) with N = {num_examples} examples, got the shape {weight.shape}"
        )
    wrong = np.flatnonzero(~(np.isfinite(weight) & (weight >= 0)))
    if len(wrong):
        raise InputError(
            f"sample_weight must be finite and not negative, got {weight[wrong[0]]:g} for example {write_count(int(wrong[0]))}"
        )
    return weight


def read_class_weight(class_weight: Any, classes: Sequence[Any]) -> Float[np.ndarray, " K"]:
    """The weight of each class. Raises `InputError` for what is no mapping, an unknown class, or a weight that cannot be one."""
    if not isinstance(class_weight, Mapping):
        raise InputError(
            f"class_weight must be 'balanced' or a mapping from classes to weights, got {class_weight!r}"
        )
    known, table = {each: k for k, each in enumerate(classes)}, np.ones(len(classes))
    for each, weight in class_weight.items():
        if each not in known:
            some = ", ".join(repr(name) for name in list(known)[:5])
            raise InputError(
                f"class_weight names the class {each!r}, which there is not; the {len(known)} classes are {some}"
                + (", …" if len(known) > 5 else "")
            )
        try:
            table[known[each]] = float(weight)
        except (TypeError, ValueError):
            table[known[each]] = np.nan
        if not (np.isfinite(table[known[each]]) and table[known[each]] >= 0):
            raise InputError(
                f"class_weight must be finite and not negative, got {weight!r} for the class {each!r}"
            )
    return table


def balance(
    y: Int[np.ndarray, " N"], weight: Float[np.ndarray, " N"], num_classes: int
) -> Float[np.ndarray, " K"]:
    """The weights with which all classes count alike, Σw / (K · Σ_{yᵢ = k} wᵢ), as scikit-learn has them."""
    totals = np.bincount(y, weights=weight, minlength=num_classes)
    present = totals > 0
    return np.where(present, totals.sum() / (max(present.sum(), 1) * np.where(present, totals, 1)), 1)
