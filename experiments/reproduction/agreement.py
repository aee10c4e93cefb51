"""The statistics that compare published runs with ours."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from softjax import SweepResult
from softjax.evaluation.intervals import prediction_intervals


@dataclass(frozen=True)
class Agreement:
    """A published run of C cells, and S runs of ours for each cell."""

    published: Float[np.ndarray, " C"]
    mean: Float[np.ndarray, " C"]
    sd: Float[np.ndarray, " C"]  # over the seeds; NaN of one seed
    median_sd: float
    interval: Float[np.ndarray, "C 2"]  # for one run more
    inside: Bool[np.ndarray, " C"]  # whether the published number lies there
    num_inside: int
    misses: int  # cells where it does not
    offset: float  # ours less the published, mean over the cells
    offset_error: float  # the standard error of that mean, from the spread over the cells
    num_inside_less_offset: int  # once the published numbers are all moved by the offset
    # The mean square of published + offset − mean in units of what one run more is to scatter by, sd √(1 + 1/S):
    # about (S − 1) / (S − 3) where the published runs scatter as ours do.
    scatter: float
    misses_of_ours: Int[np.ndarray, " S"]  # of each seed against the others; none of less than three
    rank: float  # the share of our seeds, and the published run with them, that have as many misses as it or more


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
    """Which values lie in their intervals; none in one that is NaN."""
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
    """What each seed's run of a grid chooses by its validation accuracy: the first of the best."""

    config: Int[np.ndarray, " S"]
    val: Float[np.ndarray, " S"]
    test: Float[np.ndarray, " S"]


def choose(result: SweepResult) -> Choice:
    """The choice of every seed. No seed chooses a run that diverged (NaN)."""
    best = np.argmax(np.nan_to_num(result.val_accuracy, nan=-1.0), axis=0)
    chosen = best, np.arange(len(best))
    return Choice(best, result.val_accuracy[chosen], result.test_accuracy[chosen])
