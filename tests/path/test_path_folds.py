"""Cross-validation of a path: each example is tested by the path that was not trained on it, as a path of its own gives it."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.datasets import load_wine

from softjax import PathConfig, Split, SweepConfig, regularization_path
from softjax.datasets.dataset import build_dataset
from softjax.datasets.folds import assign_folds, merge_parts
from softjax.path import problem

REGS = (1e-4, 0.01, 1.0)
TIGHT = PathConfig(tolerance=1e-10)


@pytest.fixture(scope="module")
def wine():
    X, y = load_wine(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))
    X, y = X[order] / X.std(axis=0), y[order].astype(np.int32)
    parts = (slice(0, 110), slice(110, 140), slice(140, None))
    train, val, test = (Split(X[rows], y[rows]) for rows in parts)
    return build_dataset("wine", "wine", (train, val, test))


@pytest.fixture(params=["dense", "axes"])
def preconditioner(request, monkeypatch):
    monkeypatch.setattr(problem, "LARGEST_DENSE", 10**6 if request.param == "dense" else 0)


def test_each_fold_is_tested_by_the_path_without_it(wine, preconditioner):
    options = {"regs": REGS, "penalize_bias": False, "dtype": "float64", "solver": TIGHT}
    result = regularization_path(wine, folds=3, **options)
    both = merge_parts(wine)
    folds = assign_folds(both, 3, 0)
    X, y = both.train.X, both.train.y
    # what is subtracted from features does not matter, as the bias is free
    hits = np.zeros((3, len(y)), int)
    for fold in range(3):
        kept = folds != fold
        held_out = Split(X[~kept], y[~kept])
        alone = regularization_path(replace(both, train=Split(X[kept], y[kept]), val=held_out), **options)
        hits[:, ~kept] = alone.val_hits
        np.testing.assert_allclose(result.fold_accuracy[:, fold], alone.val_accuracy)
    np.testing.assert_array_equal(result.val_hits, hits)
    whole = regularization_path(both, **options)
    for each in (result.weights, whole.weights):  # a constant added to all biases changes nothing
        each[:, -1] -= each[:, -1].mean(axis=1, keepdims=True)
    np.testing.assert_allclose(result.weights, whole.weights, atol=1e-5 * np.abs(whole.weights).max())
    np.testing.assert_allclose(result.test_accuracy, whole.test_accuracy)
    assert result.converged.all()


def test_it_resumes_to_the_same_bits(wine, preconditioner):
    states = []
    config = SweepConfig(regs=REGS, folds=3, dtype="float64")
    result = regularization_path(wine, config, on_progress=lambda progress: states.append(progress.state()))
    for state in states[:: max(len(states) // 5, 1)]:
        again = regularization_path(wine, config, state=state)
        np.testing.assert_array_equal(again.weights, result.weights)
        np.testing.assert_array_equal(again.fold_accuracy, result.fold_accuracy)
