"""Cross-validation in the same matrix products: each run is what training without its fold gives, in a plain loop too."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import log_softmax
from sklearn.datasets import load_wine

from softjax import InputError, Split, SweepConfig, sweep
from softjax.datasets.dataset import build_dataset
from softjax.datasets.folds import assign_folds, merge_parts

CONFIG = SweepConfig(
    learning_rates=(0.01, 0.1),
    regs=(0.01,),
    num_iters=30,
    batch_size=40,
    folds=3,
    dtype="float64",
    standardize=True,
)


@pytest.fixture(scope="module")
def wine():
    X, y = load_wine(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))
    X, y = X[order], y[order].astype(np.int32)
    parts = (slice(0, 110), slice(110, 140), slice(140, None))
    train, val, test = (Split(X[rows], y[rows]) for rows in parts)
    return build_dataset("wine", "wine", (train, val, test))


def train_by_loop(X, y, kept, lr, reg, config):
    """Plain SGD in NumPy on minibatches from all examples, of which those that are not `kept` do not count."""
    init_key, batch_key = (jax.random.fold_in(jax.random.key(config.seed), stream) for stream in (0, 1))
    W = np.asarray(jax.random.normal(init_key, (3, X.shape[1]), jnp.float32), float).T * config.init_scale
    for t in range(config.num_iters):
        key = jax.random.fold_in(batch_key, t)
        rows = np.asarray(jax.random.randint(key, (config.batch_size,), 0, len(y), jnp.int32))
        rows = rows[kept[rows]]
        Q = np.exp(log_softmax(X[rows] @ W, axis=1)) - np.eye(3)[y[rows]]
        W = W - lr * (X[rows].T @ Q / len(rows) + 2 * reg * W)
    return W


@pytest.mark.parametrize("minibatches", ["shared", "independent"])
def test_each_fold_is_tested_by_the_run_that_was_trained_without_it(wine, minibatches):
    config = replace(
        CONFIG,
        minibatches=minibatches,
        learning_rates=(0.1,) if minibatches == "independent" else CONFIG.learning_rates,
    )
    result = sweep(wine, config)
    both = merge_parts(wine)
    folds = assign_folds(both, 3, config.seed)
    X = (both.train.X - both.train.X.mean(axis=0)) / both.train.X.std(axis=0)
    X, y = np.hstack([X, np.ones((len(X), 1))]), both.train.y
    assert result.val_hits.shape == (len(result.reg), len(y))
    if minibatches == "independent":  # other keys than those of the loop
        assert result.fold_accuracy.shape == (1, 1, 3)
        return
    for c, (lr, reg) in enumerate(zip(result.learning_rate, result.reg, strict=True)):
        hits = np.zeros(len(y), int)
        for fold in range(3):
            held_out = folds == fold
            W = train_by_loop(X, y, ~held_out, lr, reg, config)
            hits[held_out] = (X[held_out] @ W).argmax(axis=1) == y[held_out]
            assert result.fold_accuracy[c, 0, fold] == pytest.approx(hits[held_out].mean())
        np.testing.assert_array_equal(result.val_hits[c], hits)
        assert result.val_accuracy[c, 0] == pytest.approx(hits.mean())
    best = result.best
    W = train_by_loop(X, y, np.ones(len(y), bool), result.learning_rate[best], result.reg[best], config)
    np.testing.assert_allclose(result.best_weights, W, atol=1e-10)
    assert result.train_accuracy[best, 0] == pytest.approx(((X @ W).argmax(axis=1) == y).mean())


def test_chunks_and_resuming_do_not_change_it(wine):
    whole = sweep(wine, CONFIG)
    states = []
    config = replace(CONFIG, chunk_size=1, num_seeds=2)
    two = sweep(wine, config, on_progress=lambda progress: states.append(progress.state()))
    np.testing.assert_array_equal(two.val_accuracy[:, 0], whole.val_accuracy[:, 0])
    for state in (states[0], states[len(states) // 2]):
        again = sweep(wine, config, state=state)
        np.testing.assert_array_equal(again.best_weights, two.best_weights)
        np.testing.assert_array_equal(again.fold_accuracy, two.fold_accuracy)


def test_all_folds_are_about_alike_and_groups_stay_together(digits):
    both = merge_parts(digits)
    folds = assign_folds(both, 5, 0)
    assert len(folds) == len(digits.train) + len(digits.val)
    counts = np.array([np.bincount(both.train.y[folds == fold], minlength=10) for fold in range(5)])
    assert np.ptp(counts, axis=0).max() <= 1
    group = np.arange(len(folds)) // 7
    grouped = replace(both, train=replace(both.train, group=group))
    folds = assign_folds(grouped, 5, 0)
    assert all(len(set(folds[group == each])) == 1 for each in range(group.max() + 1))
    assert set(folds) == set(range(5))


def test_folds_that_cannot_be_are_refused_by_name(wine):
    with pytest.raises(InputError, match=r"60 folds .* class 2 has \d+"):
        assign_folds(merge_parts(wine), 60, 0)
    both = merge_parts(wine)
    by_class = replace(both, train=replace(both.train, group=both.train.y))
    with pytest.raises(InputError, match=r"all examples of the class .* are in fold"):
        assign_folds(by_class, 2, 0)
    with pytest.raises(InputError, match="5 folds need as many groups, and there are 3"):
        assign_folds(by_class, 5, 0)
    with pytest.raises(InputError, match="folds must be"):
        SweepConfig(folds=1)
    with pytest.raises(InputError, match="folds and halvings"):
        replace(CONFIG, halvings=1)


def test_a_diverging_fold_marks_its_configuration(wine):
    result = sweep(wine, replace(CONFIG, learning_rates=(0.1, 1e300)))
    assert result.diverged[:, 0].tolist() == [False, True]
    assert np.isnan(result.fold_accuracy[1]).all()
    assert np.isfinite(result.fold_accuracy[0]).all()
