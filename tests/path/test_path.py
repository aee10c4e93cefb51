"""The regularization path reaches the minimum that scikit-learn's solver reaches, whatever the order and the axes."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

import softjax
from softjax import InputError, PathConfig, SweepConfig, compilation, load_dataset, regularization_path
from softjax.datasets import preprocess
from softjax.path import axes, solve
from softjax.path import lbfgs as solver_module
from softjax.path.checkpoint import load_path, save_path
from softjax.runs.checkpoint import Checkpoint

REGS = (0.3, 1e-3, 0.03)
CONFIG = SweepConfig(regs=REGS, dtype="float64")
TIGHT = PathConfig(tolerance=1e-12)


def features(dataset, result):
    return np.asarray(preprocess.apply(result.preprocessing, dataset.train.X, np.float64))


@pytest.mark.parametrize(("penalty", "factor", "penalize_bias"), [("l2", 2, True), ("half_l2", 1, False)])
def test_the_minimum_is_scikit_learn_s(digits, x64, penalty, factor, penalize_bias):
    """Of 1/N Σ ℓ + ½ factor reg ΣW², which it writes as C Σ ℓ + ½ ΣW²."""
    config = replace(CONFIG, penalty=penalty, penalize_bias=penalize_bias)
    result = regularization_path(digits, config, TIGHT)
    X, y = features(digits, result), digits.train.y
    for r, reg in enumerate(REGS):
        C = 1 / (factor * reg * len(y))
        theirs = LogisticRegression(C=C, fit_intercept=not penalize_bias, tol=1e-9, max_iter=10_000)
        theirs.fit(X if penalize_bias else X[:, :-1], y)
        W = theirs.coef_.T if penalize_bias else np.vstack([theirs.coef_.T, theirs.intercept_])
        ours = result.weights[r]
        if not penalize_bias:  # a constant added to all biases changes nothing
            W[-1], ours[-1] = W[-1] - W[-1].mean(), ours[-1] - ours[-1].mean()
        assert np.linalg.norm(ours - W) <= 1e-4 * np.linalg.norm(W)
        options = {"penalty": penalty, "penalize_bias": penalize_bias}
        objective = float(softjax.loss(W, X, y, reg, **options))
        assert result.objective[r] == pytest.approx(objective, rel=1e-8)
        assert float(softjax.loss(ours, X, y, reg, **options)) <= objective * (1 + 1e-10)


def test_in_float32_it_is_within_what_the_issue_of_rounding_allows(digits, x64):
    exact = regularization_path(digits, CONFIG, TIGHT)
    rounded = regularization_path(digits, replace(CONFIG, dtype="float32"))
    assert rounded.weights.dtype == np.float32
    assert rounded.converged.all()
    np.testing.assert_allclose(rounded.objective, exact.objective, rtol=1e-6)
    for ours, theirs in zip(rounded.weights, exact.weights, strict=True):
        assert np.linalg.norm(ours - theirs) <= 1e-3 * np.linalg.norm(theirs)


@pytest.mark.parametrize("tolerance", [1e-2, 1e-4, 1e-6])
def test_the_gradient_is_as_small_and_the_objective_as_near_as_it_says(digits, x64, tolerance):
    result = regularization_path(digits, CONFIG, PathConfig(tolerance=tolerance))
    X, y = features(digits, result), digits.train.y
    least = regularization_path(digits, CONFIG, TIGHT).objective
    for r, (W, reg) in enumerate(zip(result.weights, REGS, strict=True)):
        value, grad = softjax.loss_and_grad(W, X, y, reg)
        assert result.objective[r] == pytest.approx(float(value), rel=1e-12)
        assert result.gradient_norm[r] == pytest.approx(float(np.linalg.norm(grad)), rel=1e-6)
        assert result.gap[r] == pytest.approx(result.gradient_norm[r] ** 2 / (4 * reg * result.objective[r]))
        assert result.gap[r] <= tolerance
        assert 1 - least[r] / result.objective[r] <= result.gap[r]


def test_without_a_penalty_the_gradient_is_compared_with_that_at_zero(x64):
    dataset = load_dataset("synthetic", num_examples=510, num_features=3, num_classes=3)
    result = regularization_path(dataset, replace(CONFIG, regs=(0.0,)), PathConfig(tolerance=1e-4))
    X, y = features(dataset, result), dataset.train.y
    at_zero = np.linalg.norm(softjax.loss_and_grad(np.zeros((4, 3)), X, y)[1])
    assert result.gap[0] == pytest.approx(result.gradient_norm[0] / at_zero)
    assert result.gap[0] <= 1e-4


@pytest.mark.parametrize("batch", [10, 25])
def test_warm_starts_lead_to_the_same_minima(digits, monkeypatch, batch):
    together = regularization_path(digits, CONFIG, PathConfig(path="together"))
    monkeypatch.setattr(solve, "WARM", batch)
    warm = regularization_path(digits, CONFIG, PathConfig(path="warm"))
    assert (together.order, warm.order) == ("together", "warm")
    np.testing.assert_allclose(warm.objective, together.objective, rtol=1e-6)
    np.testing.assert_allclose(warm.val_accuracy, together.val_accuracy, atol=0.005)


def test_the_axes_shorten_the_way_and_change_nothing_else(digits, monkeypatch):
    rng = np.random.default_rng(0)
    spectrum = np.geomspace(1, 1e-4, 30)  # as of pixels: neighbours are alike
    X = rng.normal(size=(500, 30)) * spectrum @ np.linalg.qr(rng.normal(size=(30, 30)))[0]
    y = (X @ rng.normal(size=(30, 3)) + rng.normal(size=(500, 3))).argmax(axis=1).astype(np.int32)
    split = softjax.Split(X, y)
    alike = softjax.Dataset("own", "own", split, split, split, ("a", "b", "c"), None, "")
    solver = PathConfig(tolerance=1e-10)
    for dataset, config in ((digits, CONFIG), (alike, replace(CONFIG, regs=(1e-4,)))):
        with_axes = regularization_path(dataset, config, solver)
        monkeypatch.setattr(axes, "LARGEST_BASIS", 1)  # as with very many features
        without = regularization_path(dataset, config, solver)
        monkeypatch.undo()
        np.testing.assert_allclose(without.objective, with_axes.objective, rtol=1e-9)
    assert with_axes.iterations[0] < without.iterations[0] / 2  # of the features that are alike


def test_blocks_of_examples_add_up(digits, monkeypatch):
    whole = regularization_path(digits, CONFIG)
    jax.clear_caches()
    compilation._compile.cache_clear()
    monkeypatch.setattr(axes, "BLOCK_BYTES", 100 * 64 * 8)
    blocks = regularization_path(digits, CONFIG)
    np.testing.assert_allclose(blocks.objective, whole.objective, rtol=1e-6)
    compilation._compile.cache_clear()


def test_unbalanced_classes_and_constant_features(x64):
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], [900, 90, 10]).astype(np.int32)
    X = rng.normal(size=(1000, 5)) + y[:, None]
    X[:, 2] = 3.0
    split = softjax.Split(X, y)
    dataset = softjax.Dataset("own", "own", split, split, split, ("a", "b", "c"), None, "")
    result = regularization_path(dataset, replace(CONFIG, regs=(0.01,)), TIGHT)
    assert result.converged.all()
    theirs = LogisticRegression(C=1 / (2 * 0.01 * 1000), fit_intercept=False, tol=1e-10, max_iter=10_000)
    theirs.fit(features(dataset, result), y)
    np.testing.assert_allclose(result.weights[0], theirs.coef_.T, atol=1e-6)


def test_accuracies_and_the_best_are_those_of_the_weights(digits):
    result = regularization_path(digits, SweepConfig(regs=REGS))
    for r in range(3):
        for name in ("train", "val", "test"):
            split = getattr(digits, name)
            accuracy = softjax.accuracy(result.scores(split, r), split.y)
            assert getattr(result, f"{name}_accuracy")[r] == pytest.approx(float(accuracy), abs=1e-6)
    assert result.val_accuracy[result.best] == result.val_accuracy.max()
    np.testing.assert_array_equal(result.best_weights, result.weights[result.best])
    assert result.tied[result.best]


def test_of_equals_the_most_regularized_is_the_best(digits):
    result = regularization_path(digits, SweepConfig(regs=REGS))
    equal = replace(result, val_accuracy=np.full(3, 0.9))
    assert REGS[equal.best] == 0.3


def test_what_does_not_converge_is_said(digits):
    result = regularization_path(digits, CONFIG, PathConfig(max_lbfgs_iters=3, tolerance=1e-12))
    assert not result.converged.any()
    assert (result.iterations == 3).all()
    beyond_rounding = regularization_path(digits, SweepConfig(regs=(0.3,)), PathConfig(tolerance=1e-30))
    assert not beyond_rounding.converged.any()
    assert beyond_rounding.iterations[0] < 1000  # it stops where rounding is all that is left


def test_progress_is_told(digits, monkeypatch):
    monkeypatch.setattr(solve, "WARM", 10)
    told = []
    regularization_path(digits, CONFIG, PathConfig(path="warm"), on_progress=told.append)
    assert told[-1].converged == told[-1].num_regs == 3
    assert told[-1].gradient_norm < 1e-3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "hinge"}, "kind must be softmax: hinge has kinks"),
        ({"penalty": "l1"}, "penalty must be l2, half_l2 or none: l1 has kinks"),
        ({"penalty": "elastic_net"}, "elastic_net has kinks"),
        ({"dtype": "bfloat16"}, "dtype must be float32 or float64, got 'bfloat16'"),
    ],
)
def test_what_l_bfgs_cannot_minimize_is_refused(digits, options, message):
    with pytest.raises(InputError, match=message):
        regularization_path(digits, SweepConfig(**options))


@pytest.mark.slow
def test_pixels_converge_in_a_few_iterations(cifar10_dir):
    dataset = load_dataset("cifar10", cifar10_dir)
    red = {
        part: softjax.Split(np.ascontiguousarray(split.X[:5000, ::3]), split.y[:5000])
        for part in ("train", "val", "test")
        for split in [getattr(dataset, part)]
    }
    dataset = replace(dataset, **red, image_shape=None)
    result = regularization_path(dataset, SweepConfig(regs=(1000.0, 100.0)))
    assert result.converged.all()
    assert result.iterations.max() <= 25


@pytest.mark.parametrize("path", ["together", "warm"])
def test_from_every_state_a_path_goes_on_to_the_same_bits(digits, tmp_path, monkeypatch, path):
    monkeypatch.setattr(solver_module, "iterations_per_segment", lambda *_: 3)
    config, solver = replace(CONFIG, regs=tuple(np.geomspace(0.01, 1, 8))), PathConfig(path=path)
    states = []
    whole = regularization_path(
        digits, config, solver, on_progress=lambda progress: states.append(progress.state())
    )
    saved = Checkpoint(tmp_path / "saved")
    saved.start({})
    assert sum(state.point is not None for state in states) > 2
    for state in states[::3]:
        save_path(saved, state)
        again = regularization_path(digits, config, solver, state=load_path(saved))
        for name in ("weights", "objective", "gap", "iterations", "evaluations", "val_hits"):
            np.testing.assert_array_equal(getattr(again, name), getattr(whole, name), err_msg=name)
