"""What happens to features before the classifier sees them, batch by batch: the course's preprocessing."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num


class Preprocessing(NamedTuple):
    """The training mean (D − 1,), and what centred features are multiplied by (or None)."""

    mean: Float[Array, " F"] | Float[np.ndarray, " F"]
    scale: Float[Array, " F"] | Float[np.ndarray, " F"] | None


def fit(X: Num[np.ndarray, "N F"], standardize: bool) -> Preprocessing:
    """The mean of each feature over the training set, and 1 / its standard deviation if asked for, in float64.

    A feature that is the same everywhere is left at its centred value, 0.
    """
    mean = X.mean(axis=0, dtype=np.float64)
    if not standardize:
        return Preprocessing(mean, None)
    blocks = (X[i : i + 1000] - mean for i in range(0, len(X), 1000))  # never all of X in float64
    variance = sum((block**2).sum(axis=0) for block in blocks) / len(X)
    return Preprocessing(mean, 1 / np.sqrt(np.where(variance > 0, variance, 1)))


def apply(
    preprocessing: Preprocessing, X: Num[Array, "B F"] | Num[np.ndarray, "B F"], dtype: jnp.dtype | type
) -> Float[Array, "B D"]:
    """The rows of `X` as the classifier takes them: centred, scaled if asked for, and a column of ones."""
    X = jnp.asarray(X).astype(dtype) - jnp.asarray(preprocessing.mean, dtype)[None]
    if preprocessing.scale is not None:
        X = X * jnp.asarray(preprocessing.scale, dtype)[None]
    return jnp.concatenate([X, jnp.ones((len(X), 1), dtype)], axis=1)
