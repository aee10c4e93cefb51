"""The statistics that compare published runs with ours."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from softjax import SweepResult
from softjax.evaluation.intervals import prediction_intervals


@dataclass(frozen=True)
class Agreement:
    """How a published run of C cells compares with our S runs of each cell."""

    published: Float[np.ndarray, " C"]
    mean: Float[np.ndarray, " C"]
    sd: Float[np.ndarray, " C"]  # over the seeds; NaN of one seed
    median_sd: float
    interval: Float[np.ndarray, "C 2"]  # the prediction interval for one more run
    inside: Bool[np.ndarray, " C"]  # whether the published number lies in it
    num_inside: int
    misses: int  # cells where it does not
    offset: float  # ours less the published, mean over the cells
    offset_error: float  # the standard error of that mean, from the spread over the cells
    num_inside_less_offset: int  # after the offset is added to all published numbers
    # The mean of (published + offset − mean)² / (sd² (1 + 1/S)); the denominator is the variance of one more run.
    # It is about (S − 1) / (S − 3) if the published runs scatter as ours do.
    scatter: float
    misses_of_ours: Int[
        np.ndarray, " S"
    ]  # of each seed against the others; empty if there are fewer than three
    rank: float  # of our seeds and the published run, the share with as many misses as the published run or more


def compare(published: Float[np.ndarray, " C"], runs: Float[np.ndarray, "C S"]) -> Agreement:
    """Compares the published run with ours."""
    C, S = runs.shape
    mean, interval = runs.mean(axis=1), prediction_intervals(runs)
    sd = runs.std(axis=1, ddof=1) if S > 1 else np.full(C, np.nan)
    inside, offset = lie_inside(published, interval), float((mean - published).mean())
    expected, squares = sd**2 * (1 + 1 / S), (published + offset - mean) ** 2
    known = expected > 0
    others = [prediction_intervals(np.delete(runs, s, axis=1)) for s in range(S if S > 2 else 0)]
    ours = np.array([(~lie_inside(runs[:, s], ends)).sum() for s, ends in enumerate(others)], int)
    misses = int((~inside).sum())
    offset_error = float((mean - published).std(ddof=1) / np.sqrt(C))
    without = int(lie_inside(published + offset, interval).sum())
    scatter = float(np.mean(squares[known] / expected[known])) if known.any() else float("nan")
    rank = float((1 + (ours >= misses).sum()) / (1 + S)) if len(ours) else float("nan")
    cells = (published, mean, sd, float(np.median(sd)), interval, inside)
    return Agreement(*cells, C - misses, misses, offset, offset_error, without, scatter, ours, rank)


def lie_inside(values: Float[np.ndarray, "..."], ends: Float[np.ndarray, "... 2"]) -> Bool[np.ndarray, "..."]:
    """Which values lie in their intervals. No value lies in an interval of NaN."""
    return np.asarray((ends[..., 0] <= values) & (values <= ends[..., 1]))


def compare_neighbours(runs: Float[np.ndarray, "C S"], shape: tuple[int, int]) -> Float[np.ndarray, " pairs"]:
    """For every two cells beside each other in a grid, the variance over the seeds of their difference."""
    grid = runs.reshape(*shape, -1)
    differences = [np.diff(grid, axis=axis).reshape(-1, grid.shape[2]) for axis in (0, 1)]
    return np.asarray(np.concatenate(differences).var(axis=1, ddof=1))


@dataclass(frozen=True)
class Summary:
    """Mean and standard deviation of our runs, with the 95 % prediction interval for one more run."""

    mean: float
    sd: float
    low: float
    high: float


def summarize(runs: Float[np.ndarray, " S"]) -> Summary:
    return Summary(runs.mean(), runs.std(ddof=1), *prediction_intervals(runs).tolist())


@dataclass(frozen=True)
class Choice:
    """The cell of a grid that each seed chooses: the first of those with the highest validation accuracy."""

    config: Int[np.ndarray, " S"]
    val: Float[np.ndarray, " S"]
    test: Float[np.ndarray, " S"]


def choose(result: SweepResult) -> Choice:
    """The choice of every seed. No seed chooses a run that diverged (NaN)."""
    best = np.argmax(np.nan_to_num(result.val_accuracy, nan=-1.0), axis=0)
    chosen = best, np.arange(len(best))
    return Choice(best, result.val_accuracy[chosen], result.test_accuracy[chosen])
