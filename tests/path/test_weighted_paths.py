"""The path minimizes the weighted objective: that of repeated examples, and scikit-learn's."""

import numpy as np
import pytest
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression

from softjax import PathConfig, Split, compilation, regularization_path
from softjax.datasets.dataset import build_dataset
from softjax.path import passes, problem

X, Y = load_wine(return_X_y=True)
COUNTS = np.arange(len(Y)) % 3 + 1
REGS = (1e-3, 0.1)
TIGHT = PathConfig(tolerance=1e-12)


def one_split(X, y, weight=None):
    split = Split(X, np.asarray(y, np.int32), weight)
    return build_dataset("own", "own", (split, split, split))


@pytest.fixture(params=["dense", "axes", "axes, blocks"])
def arrangement(request, monkeypatch):
    """Both preconditioners; examples at once and in blocks, whose probabilities are computed again."""
    monkeypatch.setattr(problem, "LARGEST_DENSE", 10**6 if request.param == "dense" else 0)
    if "blocks" in request.param:
        monkeypatch.setattr(passes, "WHOLE_BYTES", 0)
        monkeypatch.setattr(passes, "BLOCK_BYTES", 50 * 14 * 8)
        monkeypatch.setattr("softjax.path.problem.STORED_BYTES", 0)
    compilation._compile.cache_clear()
    yield request.param
    compilation._compile.cache_clear()


@pytest.mark.parametrize("standardize", [True, False])
def test_a_weight_counts_how_often_an_example_is_there(arrangement, standardize):
    options = {"regs": REGS, "solver": TIGHT, "standardize": standardize, "dtype": "float64"}
    weighted = regularization_path(one_split(X, Y, COUNTS.astype(float)), **options)
    repeated = regularization_path(one_split(np.repeat(X, COUNTS, axis=0), np.repeat(Y, COUNTS)), **options)
    assert weighted.converged.all()
    np.testing.assert_allclose(weighted.objective, repeated.objective, rtol=1e-10)
    np.testing.assert_allclose(weighted.weights, repeated.weights, atol=1e-5 * np.abs(repeated.weights).max())


def test_the_minimum_is_scikit_learn_s(arrangement):
    """C = 1 / (reg Σw) for the penalty ½ reg ΣW², whose bias is free there."""
    weight = np.random.default_rng(0).exponential(size=len(Y))
    Z = (X - np.average(X, axis=0, weights=weight)) / X.std(axis=0)
    result = regularization_path(
        one_split(Z, Y, weight),
        regs=REGS,
        solver=TIGHT,
        penalty="half_l2",
        penalize_bias=False,
        dtype="float64",
    )
    for r, reg in enumerate(REGS):
        model = LogisticRegression(C=1 / (reg * weight.sum()), tol=1e-12, max_iter=10_000)
        model.fit(Z, Y, sample_weight=weight)
        np.testing.assert_allclose(result.weights[r, :-1].T, model.coef_, atol=1e-4)
        bias = result.weights[r, -1] - result.weights[r, -1].mean()
        np.testing.assert_allclose(bias, model.intercept_ - model.intercept_.mean(), atol=1e-4)
