"""The preprocessing of features, as in the course: subtract the training mean, append a column of ones."""

from collections.abc import Iterator
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Num

from softjax.errors import InputError

BLOCK = 2**17  # features at a time: without a float64 copy of all of X, in blocks that stay in the cache
ROUNDING = 16 * np.finfo(np.float64).eps  # relative to the mean: what varies by less is constant


class Preprocessing(NamedTuple):
    """The training mean (D − 1,), and the factors (D − 1,) of the centred features, or None for 1."""

    mean: Float[Array, " F"] | Float[np.ndarray, " F"]
    scale: Float[Array, " F"] | Float[np.ndarray, " F"] | None


def fit(
    X: Num[np.ndarray, "N F"], standardize: bool, weight: Float[np.ndarray, " N"] | None = None
) -> Preprocessing:
    """The mean of each feature over the training set and, with `standardize`, 1 / its standard deviation; in float64.

    With `weight` both are weighted: an example of weight 2 counts as if it were there twice. The factor of a constant feature is 1. A feature is constant if it varies by no more than the rounding of its mean.

    Raises `InputError` if the range of a feature exceeds float64, or 1 / its standard deviation does.
    """
    # of narrower types float64 holds every sum of a constant, and every square
    wide = X.dtype.itemsize >= 8 or weight is not None
    low, high = _extremes(X) if wide else (np.zeros(0), np.zeros(0))
    # The mean of a constant is this constant: no sum of it is rounded, as it is counted from the lowest value.
    mean = X.mean(axis=0, dtype=np.float64) if not wide else low + _mean_of_blocks(X, low, weight)
    if not standardize:
        return Preprocessing(mean, None)
    if not wide:
        deviation = np.sqrt(_mean_of_blocks(X, mean, weight, power=2))
    else:
        unit = np.ldexp(1.0, np.frexp(high - low)[1] - 1)  # a power of two, so that division does not round
        deviation = unit * np.sqrt(_mean_of_blocks(X, mean, weight, unit, power=2))
        deviation[_is_constant(low, high, mean)] = 0
    with np.errstate(over="ignore"):
        scale = 1 / np.where(deviation > 0, deviation, 1)
    if not np.isfinite(scale).all():
        column = int(np.argmin(np.isfinite(scale)))
        raise InputError(
            f"column {column} of the training features has the standard deviation {deviation[column]:.3g}, by which "
            "float64 cannot divide: rescale it"
        )
    return Preprocessing(mean, scale)


def constant_features(X: Num[np.ndarray, "N F"], fitted: Preprocessing) -> Int[np.ndarray, " C"]:
    """The columns of the training features that are constant, for which `fit` chose the factor 1.

    Examples:
        >>> X = np.array([[0.1, 1.0], [0.1, 3.0]])
        >>> constant_features(X, fit(X, standardize=True))
        array([0])
    """
    return np.flatnonzero(_is_constant(*_extremes(X), np.asarray(fitted.mean)))


def centre(fitted: Preprocessing, X: Num[np.ndarray, "N F"], dtype: str) -> Float[np.ndarray, "N F"]:
    """`X` centred, scaled if there is a scale, and only then cast: float64 until there, in blocks.

    Use it where `apply` would lose digits, as it casts first: `can_apply`.
    """
    centred = np.empty(X.shape, dtype)
    for rows in _blocks(X):
        block = X[rows] - fitted.mean
        centred[rows] = block if fitted.scale is None else block * fitted.scale
    return centred


def can_apply(fitted: Preprocessing, X: Num[np.ndarray, "N F"] | Num[Array, "N F"], dtype: str) -> bool:
    """Whether `dtype` holds all values of the type of `X`, and the scale: then `apply` loses nothing.

    Examples:
        >>> pixels, floats = np.zeros((2, 1), np.uint8), np.zeros((2, 1))
        >>> [can_apply(fit(X, standardize=False), X, "float32") for X in (pixels, floats)]
        [True, False]
    """
    least, most = limits(dtype)
    scale = np.ones(1) if fitted.scale is None else np.asarray(fitted.scale)
    return bool(np.can_cast(X.dtype, dtype) and (scale >= least).all() and (scale <= most).all())


def limits(dtype: str) -> tuple[float, float]:
    """The least and the largest size of features with which `dtype` computes.

    It must hold their squares, summed over examples and features, so these are the 0.4th powers of its own limits.

    Examples:
        >>> ["{:.1e} to {:.1e}".format(*limits(dtype)) for dtype in ("float32", "float64")]
        ['6.7e-16 to 2.6e+15', '8.7e-124 to 2.0e+123']
    """
    own = np.finfo(dtype)
    return float(own.tiny) ** 0.4, float(own.max) ** 0.4


def farthest(fitted: Preprocessing, X: Num[np.ndarray, "N F"]) -> Float[np.ndarray, " F"]:
    """The largest distance of each feature from its training mean, in standard deviations if there is a scale.

    It is infinite where float64 does not hold it.
    """
    low, high = X.min(axis=0), X.max(axis=0)
    with np.errstate(over="ignore"):
        distance: np.ndarray = np.maximum(high - fitted.mean, fitted.mean - low)
        return distance if fitted.scale is None else distance * np.asarray(fitted.scale)


def apply(
    preprocessing: Preprocessing,
    X: Num[Array, "B F"] | Num[np.ndarray, "B F"],
    dtype: jnp.dtype | type,
    width: int = 0,
) -> Float[Array, "B D"]:
    """The features of the classifier: `X` centred, scaled if there is a scale, with a column of ones appended.

    Columns of zeros before them make it `width` columns, if these are fewer.
    """
    X = jnp.asarray(X).astype(dtype) - jnp.asarray(preprocessing.mean, dtype)[None]
    if preprocessing.scale is not None:
        X = X * jnp.asarray(preprocessing.scale, dtype)[None]
    X = jnp.concatenate([X, jnp.ones((len(X), 1), dtype)], axis=1)
    return jnp.pad(X, ((0, 0), (width - X.shape[1], 0))) if width > X.shape[1] else X


def _extremes(X: Num[np.ndarray, "N F"]) -> tuple[Float[np.ndarray, " F"], Float[np.ndarray, " F"]]:
    """The least and the largest value of each feature. Raises `InputError` if float64 does not hold their difference."""
    low, high = (each.astype(np.float64) for each in (X.min(axis=0), X.max(axis=0)))
    with np.errstate(over="ignore"):
        beyond = ~np.isfinite(high - low)
    if beyond.any():
        column = int(np.argmax(beyond))
        raise InputError(
            f"column {column} of the training features lies from {low[column]:.3g} to {high[column]:.3g}, a range "
            "that float64 cannot hold: rescale it"
        )
    return low, high


def _is_constant(
    low: Float[np.ndarray, " F"], high: Float[np.ndarray, " F"], mean: Float[np.ndarray, " F"]
) -> Bool[np.ndarray, " F"]:
    constant: np.ndarray = high - low <= ROUNDING * np.abs(mean)
    return constant


def _mean_of_blocks(
    X: Num[np.ndarray, "N F"],
    origin: Float[np.ndarray, " F"],
    weight: Float[np.ndarray, " N"] | None,
    unit: Float[np.ndarray, " F"] | None = None,
    *,
    power: int = 1,
) -> Float[np.ndarray, " F"]:
    """The mean of (X − origin) ** power, or of ((X − origin) / unit) ** power, in float64; the weighted one with `weight`."""
    total = np.zeros(X.shape[1])
    for rows in _blocks(X):
        block = X[rows] - origin
        if unit is not None:
            block /= unit
        powers = block if power == 1 else block**power
        total += powers.sum(axis=0) if weight is None else weight[rows] @ powers
    return total / (len(X) if weight is None else weight.sum())


def _blocks(X: Num[np.ndarray, "N F"]) -> Iterator[slice]:
    rows = max(BLOCK // X.shape[1], 1)
    return (slice(start, start + rows) for start in range(0, len(X), rows))
