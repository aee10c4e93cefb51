"""How one published run, or a table of them, lies among runs of ours."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int

from softjax.evaluation.intervals import prediction_intervals

PER_CENT_INSIDE = 95.0  # that a 95 % prediction interval is to hold


@dataclass(frozen=True)
class Agreement:
    """A published run of C cells, and S runs of each of ours."""

    published: Float[np.ndarray, " C"]
    runs: Float[np.ndarray, "C S"]

    @cached_property
    def mean(self) -> Float[np.ndarray, " C"]:
        mean: Float[np.ndarray, " C"] = self.runs.mean(axis=1)
        return mean

    @cached_property
    def sd(self) -> Float[np.ndarray, " C"]:
        """Over the seeds; NaN of one seed."""
        several = self.runs.shape[1] > 1
        return self.runs.std(axis=1, ddof=1) if several else np.full(len(self.runs), np.nan)

    @cached_property
    def interval(self) -> Float[np.ndarray, "C 2"]:
        """For one run more."""
        return prediction_intervals(self.runs)

    @cached_property
    def inside(self) -> Bool[np.ndarray, " C"]:
        return inside(self.published, self.interval)

    @property
    def misses(self) -> int:
        """Cells whose published number lies outside."""
        return int((~self.inside).sum())

    @property
    def offset(self) -> float:
        """Ours less the published, mean over the cells."""
        return float((self.mean - self.published).mean())

    @property
    def offset_error(self) -> float:
        """The standard error of that mean, from the spread over the cells."""
        return float((self.mean - self.published).std(ddof=1) / np.sqrt(len(self.published)))

    @cached_property
    def inside_less_offset(self) -> Bool[np.ndarray, " C"]:
        """The same as `inside` once the published numbers are all moved by `offset`."""
        return inside(self.published + self.offset, self.interval)

    @property
    def scatter(self) -> float:
        """The mean square of (published + offset − mean) in units of what one run more is to scatter by, sd √(1 + 1/S).

        About (S − 1) / (S − 3) where the published runs scatter as ours do.
        """
        num_runs = self.runs.shape[1]
        expected = self.sd**2 * (1 + 1 / num_runs)
        known = expected > 0
        square = (self.published + self.offset - self.mean) ** 2
        return float(np.mean(square[known] / expected[known])) if known.any() else float("nan")

    @cached_property
    def misses_of_ours(self) -> Int[np.ndarray, " S"]:
        """The misses of each of our own seeds against the others: what to expect of a run like ours. Needs three seeds."""
        num_runs = self.runs.shape[1]
        if num_runs < 3:
            return np.zeros(0, int)
        left_out = [
            inside(self.runs[:, s], prediction_intervals(np.delete(self.runs, s, axis=1)))
            for s in range(num_runs)
        ]
        misses: Int[np.ndarray, " S"] = (~np.array(left_out)).sum(axis=1)
        return misses

    @property
    def rank(self) -> float:
        """The share of our own seeds, and the published run with them, that have as many misses as it or more."""
        ours = self.misses_of_ours
        return float((1 + (ours >= self.misses).sum()) / (1 + len(ours))) if len(ours) else float("nan")


def inside(values: Float[np.ndarray, "..."], ends: Float[np.ndarray, "... 2"]) -> Bool[np.ndarray, "..."]:
    """Which values lie in their intervals; none in one that is NaN."""
    within: Bool[np.ndarray, ...] = (ends[..., 0] <= values) & (values <= ends[..., 1])
    return within


def central(values: Float[np.ndarray, " n"]) -> tuple[float, float]:
    """Between which the middle 95 % of `values` lie."""
    low, high = np.quantile(values, (0.025, 0.975))
    return float(low), float(high)


def neighbour_variances(
    accuracy: Float[np.ndarray, "C S"], shape: tuple[int, int]
) -> Float[np.ndarray, " pairs"]:
    """For every two cells beside each other in a grid, the variance over the seeds of their difference."""
    grid = accuracy.reshape(*shape, -1)
    differences = [np.diff(grid, axis=axis).reshape(-1, grid.shape[2]) for axis in (0, 1)]
    variances: Float[np.ndarray, " pairs"] = np.concatenate(differences).var(axis=1, ddof=1)
    return variances


@dataclass(frozen=True)
class Chosen:
    """What each seed's run of a grid chooses by its validation accuracy: the first of the best."""

    config: Int[np.ndarray, " S"]
    val: Float[np.ndarray, " S"]
    test: Float[np.ndarray, " S"]


def chosen(val: Float[np.ndarray, "C S"], test: Float[np.ndarray, "C S"]) -> Chosen:
    """The choice of every seed; a run that diverged, NaN, is chosen by none."""
    config = np.argmax(np.nan_to_num(val, nan=-1.0), axis=0)
    seeds = np.arange(val.shape[1])
    return Chosen(config, val[config, seeds], test[config, seeds])
