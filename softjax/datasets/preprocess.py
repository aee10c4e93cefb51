"""The preprocessing of features, as in the course: subtract the training mean, append a column of ones."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num


class Preprocessing(NamedTuple):
    """The training mean (D − 1,), and the factors (D − 1,) of the centred features, or None for 1."""

    mean: Float[Array, " F"] | Float[np.ndarray, " F"]
    scale: Float[Array, " F"] | Float[np.ndarray, " F"] | None


def fit(X: Num[np.ndarray, "N F"], standardize: bool) -> Preprocessing:
    """The mean of each feature over the training set and, with `standardize`, 1 / its standard deviation; in float64.

    The factor of a constant feature is 1: its centred value is 0 in any case.
    """
    mean = X.mean(axis=0, dtype=np.float64)
    if not standardize:
        return Preprocessing(mean, None)
    blocks = (
        X[i : i + 1000] - mean for i in range(0, len(X), 1000)
    )  # in blocks, to avoid a float64 copy of all of X
    variance = sum((block**2).sum(axis=0) for block in blocks) / len(X)
    return Preprocessing(mean, 1 / np.sqrt(np.where(variance > 0, variance, 1)))


def apply(
    preprocessing: Preprocessing, X: Num[Array, "B F"] | Num[np.ndarray, "B F"], dtype: jnp.dtype | type
) -> Float[Array, "B D"]:
    """The features of the classifier: `X` centred, scaled if there is a scale, with a column of ones appended."""
    X = jnp.asarray(X).astype(dtype) - jnp.asarray(preprocessing.mean, dtype)[None]
    if preprocessing.scale is not None:
        X = X * jnp.asarray(preprocessing.scale, dtype)[None]
    return jnp.concatenate([X, jnp.ones((len(X), 1), dtype)], axis=1)
