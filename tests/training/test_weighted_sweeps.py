"""A sweep draws examples in proportion to their weights: weight 2 is the example twice, weight 0 is none."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from sklearn.preprocessing import StandardScaler

from softjax import Split, SweepConfig, loss, sweep
from softjax.datasets import preprocess
from softjax.datasets.dataset import build_dataset
from softjax.training.step import Method, draw_minibatch, weigh_draws

CONFIG = SweepConfig(
    learning_rates=(0.003, 0.01), regs=(0.01,), num_iters=40, batch_size=50, standardize=True
)
COUNTS = np.arange(1257) % 3 + 1  # 1, 2, 3, 1, ...


def with_train(dataset, train):
    return build_dataset("own", "own", (train, dataset.val, dataset.test))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_weight_counts_how_often_an_example_is_there(digits, dtype):
    X, y, config = digits.train.X, digits.train.y, replace(CONFIG, dtype=dtype)
    weighted = sweep(with_train(digits, Split(X, y, COUNTS.astype(float))), config)
    X, y = np.repeat(X, COUNTS, axis=0), np.repeat(y, COUNTS)
    repeated = sweep(with_train(digits, Split(X, y, np.ones(len(y)))), config)
    tolerance = 1e-5 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(weighted.best_weights, repeated.best_weights, atol=tolerance)
    np.testing.assert_allclose(weighted.final_loss, repeated.final_loss, rtol=tolerance)
    np.testing.assert_array_equal(weighted.val_hits, repeated.val_hits)


def test_the_final_loss_is_the_weighted_one(digits):
    weight = np.random.default_rng(0).exponential(size=len(digits.train))
    dataset = with_train(digits, Split(digits.train.X, digits.train.y, weight))
    result = sweep(dataset, replace(CONFIG, dtype="float64"))
    X = preprocess.centre(result.preprocessing, digits.train.X, "float64")
    X = np.hstack([X, np.ones((len(X), 1))])
    with jax.enable_x64(True):
        value = loss(result.best_weights, X, digits.train.y, 0.01, sample_weight=weight)
    assert result.final_loss[result.best, 0] == pytest.approx(float(value), rel=1e-12)


def test_examples_are_drawn_in_proportion_to_their_weights():
    weight = np.array([0.0, 3.0, 0.0, 0.5, 1.5, 1e-9, 0.0])
    method = Method("sgd", 200_000, "float32", "highest", data_parallel=1, align=1)
    bounds = jnp.asarray(weigh_draws(weight))
    rows = draw_minibatch(jax.random.key(0), len(weight), bounds, method, jnp.int32(0))
    counts = np.bincount(rows, minlength=len(weight))
    assert counts[[0, 2, 6]].tolist() == [0, 0, 0]
    likely = [1, 3, 4]
    assert counts[likely].sum() == 200_000
    expected = 200_000 * weight[likely] / weight[likely].sum()
    assert scipy.stats.chisquare(counts[likely], expected).pvalue > 0.01


def test_every_example_can_be_drawn_and_none_beyond():
    bounds = np.asarray(weigh_draws(np.ones(5)))
    drawn = np.array([0, bounds[0] - 1, bounds[0], bounds[3] - 1, bounds[3], 2**32 - 1], np.uint32)
    assert np.searchsorted(bounds[:-1], drawn, side="right").tolist() == [0, 0, 1, 3, 4, 4]


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_mean_and_deviation_are_scikit_learn_s_weighted_ones(dtype):
    rng = np.random.default_rng(0)
    X = (rng.normal(size=(300, 4)) * [1, 10, 3, 0] + 40).astype(dtype)
    weight = rng.exponential(size=300)
    fitted = preprocess.fit(X, True, weight)
    scaler = StandardScaler().fit(X.astype(float), sample_weight=weight)
    np.testing.assert_allclose(fitted.mean, scaler.mean_, rtol=1e-13)
    np.testing.assert_allclose(1 / fitted.scale, scaler.scale_, rtol=1e-12)
