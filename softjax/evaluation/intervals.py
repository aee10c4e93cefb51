"""Confidence intervals of an accuracy. They include the variation over the images of a split and over the seeds.

An accuracy is a mean over N images and S runs. Other images and other seeds would give another value. Each of B
bootstrap replicates draws N images with replacement, the same ones for all configurations (a paired bootstrap). It then
adds a random error of the mean over the seeds, t · sd / √S, with t from Student's distribution with S − 1 degrees of
freedom, because sd is uncertain for few seeds. With one seed, sd is unknown and the interval includes the images only.

Source: Efron and Tibshirani, *An Introduction to the Bootstrap*, 1993, chapters 8 and 13.
"""

import numpy as np
from jaxtyping import Bool, Float, Integer

LEVEL = 0.95
REPLICATES = 2000


def accuracy_intervals(
    hits: Integer[np.ndarray, "C N"], accuracy: Float[np.ndarray, "C S"], *, seed: int = 0
) -> Float[np.ndarray, "C 2"]:
    """The 95 % interval of each configuration's accuracy, averaged over seeds and images: lower and upper end.

    **Arguments:**

    - `hits`: number of the S runs that classify each image correctly.
    - `accuracy`: the accuracy of each run, NaN if it diverged. The interval of such a configuration is NaN.
    - `seed`: seed of the replicates.
    """
    means = _means_over_images(hits, accuracy.shape[1], seed)
    return _interval(means, accuracy, seed).clip(0, 1)


def difference_intervals(
    hits: Integer[np.ndarray, "C N"], accuracy: Float[np.ndarray, "C S"], reference: int, *, seed: int = 0
) -> Float[np.ndarray, "C 2"]:
    """The 95 % interval of each configuration's accuracy minus that of configuration `reference`.

    The difference is paired: both accuracies are of the same images and the same seeds. If the configurations share
    their minibatches, the difference varies less over the seeds than each accuracy.
    """
    means = _means_over_images(hits, accuracy.shape[1], seed)
    return _interval(means - means[reference], accuracy - accuracy[reference], seed)


def find_tied(
    hits: Integer[np.ndarray, "C N"], accuracy: Float[np.ndarray, "C S"], reference: int
) -> Bool[np.ndarray, " C"]:
    """Which configurations are tied with `reference`: the interval of the difference contains 0."""
    low, high = difference_intervals(hits, accuracy, reference).T
    tied: np.ndarray = (low <= 0) & (high >= 0)
    return tied


def prediction_intervals(runs: Float[np.ndarray, "... S"]) -> Float[np.ndarray, "... 2"]:
    """The 95 % prediction interval of one further run, mean ± t · sd · √(1 + 1/S), t with S − 1 degrees of freedom.

    It contains the value of the next run with probability 95 % if the runs are normal and independent; the images stay
    the same. It is NaN if there is only one run, or if a run is NaN.

    Source: Hahn and Meeker, *Statistical Intervals*, 1991, section 4.8.
    """
    from scipy.stats import t as student

    num_runs = runs.shape[-1]
    if num_runs < 2:
        return np.full((*runs.shape[:-1], 2), np.nan)
    spread = runs.std(axis=-1, ddof=1) * np.sqrt(1 + 1 / num_runs)
    half = student.ppf((1 + LEVEL) / 2, num_runs - 1) * spread
    mean = runs.mean(axis=-1)
    return np.stack([mean - half, mean + half], axis=-1)


def _means_over_images(
    hits: Integer[np.ndarray, "C N"], num_seeds: int, seed: int
) -> Float[np.ndarray, "C B"]:
    num_images = hits.shape[1]
    draws = np.random.default_rng(seed).multinomial(
        num_images, np.full(num_images, 1 / num_images), size=REPLICATES
    )
    scale = np.float32(1 / (num_images * num_seeds))
    return (hits.astype(np.float32) @ draws.T.astype(np.float32)) * scale


def _interval(
    means: Float[np.ndarray, "C B"], runs: Float[np.ndarray, "C S"], seed: int
) -> Float[np.ndarray, "C 2"]:
    num_seeds = runs.shape[1]
    if num_seeds > 1:
        t = np.random.default_rng(seed + 1).standard_t(num_seeds - 1, size=means.shape[1])
        means = means + runs.std(axis=1, ddof=1, keepdims=True) / np.sqrt(num_seeds) * t[None]
    ends = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=1).T
    return np.where(np.isnan(runs).any(axis=1, keepdims=True), np.nan, ends)
