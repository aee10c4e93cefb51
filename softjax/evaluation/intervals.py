"""Confidence intervals of an accuracy. They include the variation over the images of a split and over the seeds.

An accuracy is a mean over N images and S runs. Other images and other seeds would give another value. Each of B
bootstrap replicates draws N images with replacement. It then adds a random error of the mean over the seeds, t · sd / √S,
with t from Student's distribution with S − 1 degrees of freedom, because sd is uncertain for few seeds. With one seed, sd is
unknown and the interval includes the images only.

The mean over the drawn images depends only on how often each value occurs among them. An image counts how many of the S
runs classify it correctly, 0 to S; in a paired difference, −S to S. These frequencies have a multinomial distribution, so
memory and time of a replicate grow with S and not with N.

Where all images are classified correctly by all runs, or none by any, all replicates are alike. The interval is then the exact
one of Clopper and Pearson for N images.

Source: Efron and Tibshirani, *An Introduction to the Bootstrap*, 1993, chapters 8 and 13. Clopper and Pearson, *The Use of
Confidence or Fiducial Limits Illustrated in the Case of the Binomial*, 1934.
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
    ends = _intervals(hits, None, accuracy, seed).clip(0, 1)
    farthest = ((1 - LEVEL) / 2) ** (1 / hits.shape[1])
    known = ~np.isnan(accuracy).any(axis=1)
    ends[known & (hits == accuracy.shape[1]).all(axis=1)] = farthest, 1
    ends[known & (hits == 0).all(axis=1)] = 0, 1 - farthest
    return ends


def difference_intervals(
    hits: Integer[np.ndarray, "C N"], accuracy: Float[np.ndarray, "C S"], reference: int, *, seed: int = 0
) -> Float[np.ndarray, "C 2"]:
    """The 95 % interval of each configuration's accuracy minus that of configuration `reference`.

    The difference is paired: both accuracies are of the same images and the same seeds. If the configurations share
    their minibatches, the difference varies less over the seeds than each accuracy.
    """
    return _intervals(hits, reference, accuracy - accuracy[reference], seed)


def find_tied(
    hits: Integer[np.ndarray, "C N"], accuracy: Float[np.ndarray, "C S"], reference: int
) -> Bool[np.ndarray, " C"]:
    """Which configurations are tied with `reference`: the interval of the difference contains 0."""
    low, high = difference_intervals(hits, accuracy, reference).T
    tied: np.ndarray = (low <= 0) & (high >= 0)
    return tied


def paired_interval(
    hits_a: Integer[np.ndarray, " N"],
    runs_a: Float[np.ndarray, " S"],
    hits_b: Integer[np.ndarray, " N"],
    runs_b: Float[np.ndarray, " R"],
    *,
    seed: int = 0,
) -> Float[np.ndarray, " 2"]:
    """The 95 % interval of the accuracy of b minus that of a, of the same N images: lower and upper end.

    The difference is paired over the images. Seeds of two searches have nothing to do with each other, so their variation adds:
    t has the degrees of freedom of Welch, *The Generalization of Student's Problem*, 1947.

    **Arguments:**

    - `hits_a`, `hits_b`: number of the runs of a and of b that classify each image correctly.
    - `runs_a`, `runs_b`: the accuracy of each run. If one is NaN, so is the interval.
    - `seed`: seed of the replicates.
    """
    num_a, num_b = len(runs_a), len(runs_b)
    if np.isnan(runs_a).any() or np.isnan(runs_b).any():
        return np.full(2, np.nan)
    rng = np.random.default_rng(seed)
    values = num_a * hits_b.astype(np.int64) - num_b * hits_a.astype(np.int64)
    means = _draw_means(values, rng) / (num_a * num_b)
    # of each mean over seeds; one seed shows no variation
    squares = [(runs.var(ddof=1) / len(runs), len(runs)) for runs in (runs_a, runs_b) if len(runs) > 1]
    total = sum(square for square, _ in squares)
    if total > 0:
        freedom = total**2 / sum(square**2 / (count - 1) for square, count in squares)
        means = means + np.sqrt(total) * rng.standard_t(freedom, size=REPLICATES)
    ends: np.ndarray = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return ends


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


def _intervals(
    hits: Integer[np.ndarray, "C N"], reference: int | None, runs: Float[np.ndarray, "C S"], seed: int
) -> Float[np.ndarray, "C 2"]:
    """The interval of each configuration's mean of `runs`; hits are less those of `reference`, if there is one."""
    num_seeds, rng = runs.shape[1], np.random.default_rng(seed)
    t = rng.standard_t(num_seeds - 1, size=REPLICATES) if num_seeds > 1 else np.zeros(REPLICATES)
    error = runs.std(axis=1, ddof=1) / np.sqrt(num_seeds) if num_seeds > 1 else np.zeros(len(runs))
    ends = np.full((len(runs), 2), np.nan)
    for c in np.flatnonzero(~np.isnan(runs).any(axis=1)):
        values = hits[c].astype(np.int32)
        if reference is not None:
            values -= hits[reference]
        means = _draw_means(values, rng) / num_seeds + error[c] * t
        ends[c] = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return ends


def _draw_means(values: Integer[np.ndarray, " N"], rng: np.random.Generator) -> Float[np.ndarray, " B"]:
    """The means of B draws of N of the `values` with replacement."""
    least = values.min()
    frequency = np.bincount(values - least)
    distinct = np.flatnonzero(frequency)
    drawn = rng.multinomial(len(values), frequency[distinct] / len(values), size=REPLICATES)
    means: np.ndarray = drawn @ ((distinct + least) / len(values))
    return means
