"""An interval holds the truth as often as it says, whether images or seeds are what is uncertain."""

import numpy as np
import pytest
import scipy.stats

from softjax import SweepConfig, sweep
from softjax.evaluation import intervals


def simulated(rng, num_seeds, num_images, seed_spread, configs=(0.5,)):
    """Runs whose chance to be right about an image depends on the configuration, the image and the seed."""
    difficulty = rng.normal(0, 0.2, (1, 1, num_images))
    luck = rng.normal(0, seed_spread, (len(configs), num_seeds, 1))
    chance = np.clip(np.asarray(configs)[:, None, None] + difficulty + luck, 0, 1)
    right = rng.random((len(configs), num_seeds, num_images)) < chance
    return right.sum(axis=1), right.mean(axis=2)


@pytest.mark.parametrize(
    ("num_seeds", "num_images", "seed_spread"),
    [(1, 300, 0.0), (3, 300, 0.05), (10, 1000, 0.03), (2, 1000, 0.002)],
)
def test_about_95_of_100_intervals_hold_the_truth(num_seeds, num_images, seed_spread):
    rng = np.random.default_rng(0)
    drawn = [simulated(rng, num_seeds, num_images, seed_spread) for _ in range(100)]
    low, high = intervals.accuracy_intervals(*map(np.concatenate, zip(*drawn, strict=True))).T
    held = ((low <= 0.5) & (high >= 0.5)).sum()
    assert held >= 90  # 95 ± 5; few seeds make them wide, rather than wrong


def test_of_one_seed_it_is_the_interval_of_a_binomial_proportion():
    hits = np.zeros((1, 1000), int)
    hits[:, :400] = 1
    low, high = intervals.accuracy_intervals(hits, np.array([[0.4]]))[0]
    expected = scipy.stats.norm.interval(0.95, 0.4, np.sqrt(0.4 * 0.6 / 1000))
    np.testing.assert_allclose((low, high), expected, atol=0.002)


def test_drawing_frequencies_is_drawing_images():
    """Against SciPy's bootstrap, which draws the images themselves."""
    hits = np.random.default_rng(1).binomial(3, [[0.4], [0.7]], (2, 400))
    accuracy = np.repeat(hits.mean(axis=1, keepdims=True) / 3, 3, axis=1)  # the seeds agree
    for found, values in (
        (intervals.accuracy_intervals(hits, accuracy)[1], hits[1] / 3),
        (intervals.difference_intervals(hits, accuracy, 0)[1], (hits[1] - hits[0]) / 3),
    ):
        drawn = scipy.stats.bootstrap((values,), np.mean, method="percentile", rng=0).confidence_interval
        np.testing.assert_allclose(found, drawn, atol=0.003)


def test_seeds_count_by_student_s_distribution():
    """With images that all runs agree on, the seeds alone are left: a t interval of their mean."""
    accuracy = np.array([[0.52, 0.48, 0.5]])
    low, high = intervals.difference_intervals(np.full((2, 10), 3), np.vstack([accuracy, 0 * accuracy]), 1)[0]
    half = scipy.stats.t.ppf(0.975, 2) * 0.02 / np.sqrt(3)
    assert (high - low) / 2 == pytest.approx(half, rel=0.1)


def test_a_difference_on_the_same_images_is_surer_than_either_accuracy():
    rng = np.random.default_rng(0)
    hits, accuracy = simulated(rng, 1, 1000, 0.0, (0.5, 0.5))
    hits[1] = hits[0]
    hits[1, np.flatnonzero(hits[0] == 0)[:10]] = 1  # right about ten images more
    accuracy[1] = hits[1].mean()
    low, high = intervals.difference_intervals(hits, accuracy, 0)[1]
    assert 0 < low < 0.01 < high < 0.02
    each = intervals.accuracy_intervals(hits, accuracy)
    assert each[0, 1] > each[1, 0]
    assert intervals.find_tied(hits, accuracy, 1).tolist() == [False, True]


def test_a_diverged_run_has_no_interval_and_is_tied_with_none():
    hits, accuracy = np.ones((2, 10), int), np.array([[0.5, np.nan], [0.5, 0.5]])
    assert np.isnan(intervals.accuracy_intervals(hits, accuracy)[0]).all()
    assert intervals.find_tied(hits, accuracy, 1).tolist() == [False, True]


def test_a_sweep_s_intervals_hold_its_means(small_result):
    mean = small_result.val_accuracy.mean(axis=1)
    assert (small_result.val_interval[:, 0] <= mean).all()
    assert (mean <= small_result.val_interval[:, 1]).all()
    assert (small_result.test_interval[:, 0] < small_result.test_interval[:, 1]).all()
    assert small_result.tied[small_result.best]


def test_a_clearly_worse_configuration_is_not_tied(digits):
    result = sweep(digits, SweepConfig(learning_rates=(1e-7, 0.01), regs=(0.01,), num_iters=50, num_seeds=5))
    assert result.tied.tolist() == [False, True]


@pytest.mark.parametrize("num_runs", [2, 3, 5, 20])
def test_about_95_of_100_next_runs_lie_in_the_prediction_interval(num_runs):
    rng = np.random.default_rng(0)
    runs = rng.normal(0.3, 0.01, (10_000, num_runs + 1))
    low, high = intervals.prediction_intervals(runs[:, :-1]).T
    inside = np.mean((low <= runs[:, -1]) & (runs[:, -1] <= high))
    assert inside == pytest.approx(0.95, abs=0.007)  # three standard errors


def test_a_prediction_interval_is_mean_t_sd_and_unknown_of_one_run():
    low, high = intervals.prediction_intervals(np.array([0.34, 0.35, 0.33]))
    half = scipy.stats.t.ppf(0.975, 2) * 0.01 * np.sqrt(4 / 3)
    np.testing.assert_allclose([low, high], [0.34 - half, 0.34 + half])
    assert np.isnan(intervals.prediction_intervals(np.ones((3, 1)))).all()
    assert np.isnan(intervals.prediction_intervals(np.array([[1.0, np.nan, 1.0]]))).all()


@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize("num_images", [1, 15, 1000])
def test_all_right_and_all_wrong_are_not_certain(num_images, seeds):
    """The oracle is SciPy's exact interval; a bootstrap would say 1 to 1."""
    hits = np.repeat([[seeds], [0]], num_images, axis=1)
    found = intervals.accuracy_intervals(hits, np.repeat([[1.0], [0.0]], seeds, axis=1))
    for ends, right in zip(found, (num_images, 0), strict=True):
        expected = scipy.stats.binomtest(right, num_images).proportion_ci(0.95, method="exact")
        np.testing.assert_allclose(ends, [expected.low, expected.high], rtol=1e-6)


def test_what_diverged_has_no_interval_though_all_its_images_are_wrong():
    assert np.isnan(intervals.accuracy_intervals(np.zeros((1, 10), int), np.array([[np.nan]]))).all()
