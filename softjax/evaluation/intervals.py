"""How sure an accuracy is: intervals that count both the finite split it is measured on and the seeds it is a mean of.

An accuracy is a mean over N images and S runs. Other images would have given another, and so would other seeds. Each of
B replicates draws the images anew with replacement, the same ones for all configurations (a paired bootstrap), and adds
what the mean over the seeds may be off by, t · sd / √S with t drawn from Student's distribution of S − 1 degrees of
freedom: with few seeds their spread is itself uncertain. Of one seed nothing is known, and the images alone count.

Source: Efron and Tibshirani, *An Introduction to the Bootstrap*, 1993, chapters 8 and 13.
"""

import numpy as np
from jaxtyping import Bool, Float, Integer

LEVEL = 0.95
REPLICATES = 2000


def accuracy_intervals(
    hits: Integer[np.ndarray, "C N"], accuracy: Float[np.ndarray, "C S"], *, seed: int = 0
) -> Float[np.ndarray, "C 2"]:
    """The ends of each configuration's 95 % interval for its accuracy averaged over seeds and images.

    **Arguments:**

    - `hits`: in how many of the S runs each image is classified rightly.
    - `accuracy`: the accuracy of each run, NaN where it diverged; such configurations have NaN for an interval.
    - `seed`: of the replicates.
    """
    means = _means_over_images(hits, accuracy.shape[1], seed)
    return _interval(means, accuracy, seed).clip(0, 1)


def difference_intervals(
    hits: Integer[np.ndarray, "C N"], accuracy: Float[np.ndarray, "C S"], reference: int, *, seed: int = 0
) -> Float[np.ndarray, "C 2"]:
    """The same for each configuration's accuracy less that of configuration `reference`.

    Paired twice: both are measured on the same images, and, where configurations share their minibatches, differ less
    from seed to seed than each of them does.
    """
    means = _means_over_images(hits, accuracy.shape[1], seed)
    return _interval(means - means[reference], accuracy - accuracy[reference], seed)


def find_tied(
    hits: Integer[np.ndarray, "C N"], accuracy: Float[np.ndarray, "C S"], reference: int
) -> Bool[np.ndarray, " C"]:
    """Which configurations' difference from configuration `reference` has an interval that contains 0."""
    low, high = difference_intervals(hits, accuracy, reference).T
    tied: np.ndarray = (low <= 0) & (high >= 0)
    return tied


def prediction_intervals(runs: Float[np.ndarray, "... S"]) -> Float[np.ndarray, "... 2"]:
    """The ends of the 95 % interval for one run more, mean ± t · sd · √(1 + 1/S), t of S − 1 degrees of freedom.

    It holds the next run's value with that chance where the runs are normal and independent; the images stay the same.
    NaN of one run alone, and where a run is NaN.

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
