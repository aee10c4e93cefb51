"""The regularization path reaches the minimum that other solvers reach, for every option, and says where it does not."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import log_softmax
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression

import softjax
from softjax import InputError, PathConfig, SweepConfig, compilation, load_dataset, regularization_path
from softjax.datasets import preprocess
from softjax.datasets.dataset import build_dataset
from softjax.path import axes, newton, passes, problem, solve
from softjax.path.checkpoint import load_path, save_path
from softjax.path.result import Minimum
from softjax.runs.checkpoint import Checkpoint

REGS = (0.3, 1e-3, 0.03)
CONFIG = SweepConfig(regs=REGS, dtype="float64")
TIGHT = PathConfig(tolerance=1e-12)


@pytest.fixture(params=["dense", "axes"])
def preconditioner(request, monkeypatch):
    """Both ways to precondition, whatever the size."""
    monkeypatch.setattr(problem, "LARGEST_DENSE", 10**6 if request.param == "dense" else 0)
    return request.param


@pytest.fixture
def fresh_programs():
    """Constants are read when a program is compiled."""
    clear()
    yield
    clear()


def clear():
    compilation._compile.cache_clear()
    jax.clear_caches()


def one_split(X, y, names=None):
    split = softjax.Split(X, np.asarray(y, np.int32))
    return build_dataset("own", "own", (split, split, split), names)


@pytest.fixture(scope="module")
def wine():
    return one_split(*load_wine(return_X_y=True))


@pytest.fixture(scope="module")
def overlapping():
    """Classes that no linear classifier separates."""
    rng = np.random.default_rng(0)
    y = np.arange(400) % 4
    return one_split(rng.normal(size=(400, 6)) + 0.7 * np.eye(4, 6)[y], y)


def features(dataset, result):
    X = preprocess.centre(result.preprocessing, dataset.train.X, "float64")
    return np.hstack([X, np.ones((len(X), 1))])


def trust_ncg(X, y, curvature, penalize_bias):
    """SciPy's minimum of 1/N Σ ℓ + ½ c ΣW², with derivatives written here, and its weights (D, K)."""
    (N, D), K = X.shape, int(y.max()) + 1
    target = np.eye(K)[y]
    c = np.full((D, 1), curvature)
    if not penalize_bias:
        c[-1] = 0

    def value_and_grad(w):
        W = w.reshape(D, K)
        logs = log_softmax(X @ W, axis=1)
        grad = X.T @ (np.exp(logs) - target) / N + c * W
        return -(target * logs).sum() / N + (c * W**2).sum() / 2, grad.ravel()

    def product(w, v):
        p, u = np.exp(log_softmax(X @ w.reshape(D, K), axis=1)), X @ v.reshape(D, K)
        return (X.T @ (p * (u - (p * u).sum(axis=1, keepdims=True))) / N + c * v.reshape(D, K)).ravel()

    found = minimize(
        value_and_grad, np.zeros(D * K), jac=True, hessp=product, method="trust-ncg", options={"gtol": 1e-9}
    )
    return found.fun, found.x.reshape(D, K)


@pytest.mark.parametrize("penalize_bias", [True, False])
@pytest.mark.parametrize(("penalty", "factor"), [("l2", 2), ("half_l2", 1)])
def test_the_minimum_is_that_of_scipy_s_trust_region(
    wine, preconditioner, fresh_programs, penalty, factor, penalize_bias
):
    options = {"penalty": penalty, "penalize_bias": penalize_bias, "standardize": True, "dtype": "float64"}
    result = regularization_path(wine, regs=REGS, solver=TIGHT, **options)
    assert result.converged.all()
    X, y = features(wine, result), wine.train.y
    for r, reg in enumerate(REGS):
        value, W = trust_ncg(X, y, factor * reg, penalize_bias)
        ours = result.weights[r]
        if not penalize_bias:  # a constant added to all biases changes nothing
            W[-1], ours[-1] = W[-1] - W[-1].mean(), ours[-1] - ours[-1].mean()
        assert result.objective[r] == pytest.approx(value, rel=1e-8)
        np.testing.assert_allclose(ours, W, atol=1e-5 * np.abs(W).max())


def test_without_a_penalty_too(overlapping, preconditioner, fresh_programs):
    result = regularization_path(
        overlapping, penalty="none", regs=(0.1, 1.0), solver=PathConfig(tolerance=1e-8)
    )
    assert result.converged.all()
    np.testing.assert_array_equal(*result.weights)  # one problem, whatever the strength
    X, y = features(overlapping, result), overlapping.train.y
    assert result.objective[0] == pytest.approx(trust_ncg(X, y, 0.0, True)[0], rel=1e-8)
    at_zero = np.linalg.norm(softjax.loss_and_grad(np.zeros((7, 4)), X, y)[1])
    np.testing.assert_allclose(result.gap, result.gradient_norm / at_zero, rtol=1e-5)
    by_strength = regularization_path(overlapping, regs=(0.0, 1e-3), solver=PathConfig(tolerance=1e-8))
    assert by_strength.objective[0] == pytest.approx(result.objective[0], rel=1e-8)


def test_separable_classes_have_no_minimum_without_a_penalty(wine, preconditioner, fresh_programs):
    result = regularization_path(wine, regs=(0.0, 1e-4), standardize=True)
    assert result.reasons == ("separable", "")
    assert result.converged.tolist() == [False, True]


def test_a_bias_without_a_penalty_has_converged_too(preconditioner, fresh_programs):
    """A large penalty bounds how far the weights are from their minimum, but not the bias."""
    y = np.repeat([0, 1], [90, 10])
    dataset = one_split(np.full((100, 2), 7.0), y)
    result = regularization_path(dataset, regs=(2e5, 1.0), penalize_bias=False)
    assert result.converged.all()
    entropy = -(0.9 * np.log(0.9) + 0.1 * np.log(0.1))
    np.testing.assert_allclose(result.objective, entropy, rtol=1e-5)


def test_where_the_start_is_the_minimum_it_stays(preconditioner, fresh_programs):
    dataset = one_split(np.full((40, 2), 7.0), np.arange(40) % 4)
    result = regularization_path(dataset, regs=(0.0, 0.1))
    assert result.reasons[1] == ""  # at 0 the gradient is all rounding, compared with rounding
    np.testing.assert_allclose(result.objective, np.log(4), rtol=1e-6)


@pytest.mark.parametrize(("scale", "reg"), [(1e60, 1e117), (1.0, 1e-3)])
def test_features_of_any_scale_and_alike_converge(preconditioner, fresh_programs, scale, reg):
    rng = np.random.default_rng(0)
    y = np.arange(300) % 3
    shared = rng.normal(size=(300, 1))  # one direction has a hundred times the variance of the others
    X = scale * (10 * shared + rng.normal(size=(300, 30)) + np.eye(3, 30)[y])
    X[:, 0] *= 1e6  # units that differ
    result = regularization_path(one_split(X, y), regs=(reg,), dtype="float64")
    assert result.converged.all()
    assert result.passes[0] < 3000


def test_unbalanced_classes_and_constant_features(preconditioner, fresh_programs):
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], [900, 90, 10])
    X = rng.normal(size=(1000, 5)) + y[:, None]
    X[:, 2] = 3.0
    dataset = one_split(X, y)
    result = regularization_path(dataset, replace(CONFIG, regs=(0.01,)), TIGHT)
    assert result.converged.all()
    theirs = LogisticRegression(C=1 / (2 * 0.01 * 1000), fit_intercept=False, tol=1e-10, max_iter=10_000)
    theirs.fit(features(dataset, result), y)
    np.testing.assert_allclose(result.weights[0], theirs.coef_.T, atol=1e-6)


@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_it_converges_from_anywhere(overlapping, preconditioner, fresh_programs, monkeypatch, scale):
    """Far away the model promises what does not happen: the trust region shrinks until it does."""
    near = regularization_path(overlapping, regs=(1e-3,), dtype="float64", solver=TIGHT)
    far = scale * np.random.default_rng(0).normal(size=(4, 7))
    monkeypatch.setattr(solve, "_begin", lambda _, point, state: newton.start_point(point, 1e-3, far))
    result = regularization_path(overlapping, regs=(1e-3,), dtype="float64", solver=TIGHT)
    assert result.converged.all()
    np.testing.assert_allclose(result.weights, near.weights, atol=1e-5)
    assert result.newton_steps[0] > near.newton_steps[0]


def test_float32_gives_way_to_float64_where_it_cannot_prove_the_gap(digits, x64, monkeypatch):
    monkeypatch.setattr(problem, "LARGEST_DENSE", 0)
    options = {"regs": (1e-4, 1.0), "penalty": "half_l2"}
    result = regularization_path(digits, **options, solver=PathConfig(tolerance=1e-11))
    assert result.solved_in == ("float64", "float32")
    assert result.weights.dtype == np.float32
    assert result.converged.all()
    exact = regularization_path(digits, **options, dtype="float64", solver=TIGHT)
    X = features(digits, result)
    for r, reg in enumerate(result.reg):
        rounded = softjax.loss(result.weights[r].astype(float), X, digits.train.y, reg, penalty="half_l2")
        assert rounded == pytest.approx(exact.objective[r], rel=1e-9)  # the weights are rounded to float32
    assert set(regularization_path(digits, **options).solved_in) == {"float32"}


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


def test_the_next_minimum_is_predicted_by_a_parabola():
    regs = [1.0, 0.3, 0.1, 0.05]
    A, B, C = np.random.default_rng(0).normal(size=(3, 2, 3))

    def weights(reg):
        return A + B * np.log(reg) + C * np.log(reg) ** 2

    minima = [Minimum(reg, weights(reg), 0.0, 0.0, 1.0, 1, 1, "float64") for reg in regs]
    np.testing.assert_allclose(solve.predict(minima, 0.02), weights(0.02))
    np.testing.assert_array_equal(solve.predict(minima[:1], 0.02), minima[0].W)
    np.testing.assert_array_equal(solve.predict(minima, 0.0), minima[-1].W)


def test_the_prediction_saves_passes(digits):
    fine = regularization_path(digits, regs=np.geomspace(1e-4, 1, 9))
    alone = [regularization_path(digits, regs=(reg,)).passes[0] for reg in fine.reg]
    assert fine.converged.all()
    assert fine.passes.sum() < sum(alone) / 2


def test_the_order_of_the_strengths_changes_nothing(digits):
    sorted_ones = regularization_path(digits, regs=(1e-3, 0.03, 0.3))
    shuffled = regularization_path(digits, regs=(0.03, 0.3, 1e-3))
    np.testing.assert_array_equal(shuffled.weights, sorted_ones.weights[[1, 2, 0]])
    np.testing.assert_array_equal(shuffled.val_hits, sorted_ones.val_hits[[1, 2, 0]])


@pytest.mark.parametrize("num_classes", [3, 130])  # of many classes the scores have another layout
@pytest.mark.parametrize("stored", [True, False])
def test_blocks_and_kept_probabilities_change_only_rounding(
    monkeypatch, preconditioner, fresh_programs, stored, num_classes
):
    if preconditioner == "dense" and not (stored and num_classes == 3):
        pytest.skip("a Hessian is computed for few classes, from kept probabilities")
    rng = np.random.default_rng(0)
    y = np.arange(1040) % num_classes
    dataset = one_split(rng.normal(size=(1040, 3)) + np.linspace(0, 1, 1040)[:, None], y)
    whole = regularization_path(dataset, CONFIG, TIGHT)
    clear()
    monkeypatch.setattr(passes, "BLOCK_BYTES", 100 * 3 * 8)
    monkeypatch.setattr(passes, "WHOLE_BYTES", 0)
    monkeypatch.setattr(solve, "WHOLE_BYTES", 0)
    if not stored:
        monkeypatch.setattr(problem, "STORED_BYTES", 0)
    blocks = regularization_path(dataset, CONFIG, TIGHT)
    np.testing.assert_allclose(blocks.objective, whole.objective, rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.uint8, np.float16, np.float32, np.float64])
def test_features_of_every_type_are_used_as_they_are(fresh_programs, monkeypatch, dtype):
    """Blocks alone are converted: no program holds a copy of all features in a wider type."""
    monkeypatch.setattr(passes, "BLOCK_BYTES", 2**14)
    monkeypatch.setattr(passes, "WHOLE_BYTES", 0)
    monkeypatch.setattr(solve, "WHOLE_BYTES", 0)
    monkeypatch.setattr(problem, "LARGEST_DENSE", 0)
    rng = np.random.default_rng(0)
    y = np.arange(6000) % 3
    X = (rng.normal(100, 20, size=(6000, 40)) + 10 * np.eye(3, 40)[y]).clip(0, 255).astype(dtype)
    programs = []
    compiled = newton.compile_solver
    monkeypatch.setattr(
        solve, "compile_solver", lambda *args: programs.append(compiled(*args)) or programs[-1]
    )
    result = regularization_path(one_split(X, y), regs=(1.0, 0.1))
    exact = regularization_path(one_split(X.astype(np.float64), y), regs=(1.0, 0.1), dtype="float64")
    assert result.converged.all()
    np.testing.assert_allclose(result.objective, exact.objective, rtol=1e-5)
    assert programs[0].result().memory_analysis().temp_size_in_bytes < X.size * 4 / 2


def test_the_axes_save_passes_and_change_nothing_else(fresh_programs, monkeypatch):
    monkeypatch.setattr(problem, "LARGEST_DENSE", 0)
    rng = np.random.default_rng(0)
    spectrum = np.geomspace(1, 1e-4, 30)  # as of pixels: neighbours are alike
    X = rng.normal(size=(500, 30)) * spectrum @ np.linalg.qr(rng.normal(size=(30, 30)))[0]
    y = (X @ rng.normal(size=(30, 3)) + rng.normal(size=(500, 3))).argmax(axis=1)
    config, solver = replace(CONFIG, regs=(1e-4,)), PathConfig(tolerance=1e-10)
    with_axes = regularization_path(one_split(X, y), config, solver)
    clear()
    monkeypatch.setattr(axes, "LARGEST_BASIS", 1)  # as with very many features
    without = regularization_path(one_split(X, y), config, solver)
    np.testing.assert_allclose(without.objective, with_axes.objective, rtol=1e-9)
    assert with_axes.passes[0] < 0.8 * without.passes[0]


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


def test_what_does_not_converge_is_said_with_the_reason(digits, preconditioner, fresh_programs):
    few = regularization_path(digits, CONFIG, PathConfig(max_passes=3, tolerance=1e-12))
    assert few.reasons == ("passes",) * 3
    assert (few.passes <= 4).all()
    beyond = regularization_path(digits, regs=(0.3,), solver=PathConfig(tolerance=1e-40))
    assert beyond.reasons == ("rounding",)
    assert beyond.solved_in == ("float64",)
    assert beyond.passes[0] < 300  # it stops where rounding is all that is left


def test_progress_is_told(digits):
    told = []
    regularization_path(digits, CONFIG, on_progress=told.append)
    assert (told[0].converged, told[0].passes) == (0, 0)
    assert told[-1].converged == told[-1].num_regs == 3
    assert told[-1].gradient_norm < 1e-3
    counts = [progress.passes for progress in told]
    assert counts == sorted(counts)


def test_options_are_arguments_or_a_config(digits):
    config = SweepConfig(regs=(0.1,), penalty="half_l2", standardize=True, dtype="float64")
    one = regularization_path(digits, config)
    other = regularization_path(
        digits, regs=np.array([0.1]), penalty="half_l2", standardize=True, dtype="float64"
    )
    np.testing.assert_array_equal(one.weights, other.weights)
    single = regularization_path(digits, regs=0.1, penalty="half_l2", standardize=True, dtype="float64")
    np.testing.assert_array_equal(one.weights, single.weights)
    with pytest.raises(InputError, match="regs is given beside a SweepConfig"):
        regularization_path(digits, config, regs=(0.2,))


@pytest.mark.usefixtures("own_messages")
@pytest.mark.parametrize("regs", ["log:1e-3:1:4", [[0.1, 1.0]], (-1.0,), (), (np.nan,), (1, "a")])
def test_wrong_strengths_are_refused_by_name(digits, regs):
    with pytest.raises(InputError, match=r"^regs "):
        regularization_path(digits, regs=regs)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "hinge"}, "kind must be softmax: hinge has kinks"),
        ({"penalty": "l1"}, "penalty must be l2, half_l2 or none: l1 has kinks"),
        ({"penalty": "elastic_net"}, "elastic_net has kinks"),
        ({"dtype": "bfloat16"}, "dtype must be float32 or float64, got 'bfloat16'"),
    ],
)
def test_what_has_no_second_derivatives_is_refused(digits, options, message):
    with pytest.raises(InputError, match=message):
        regularization_path(digits, SweepConfig(**options))


@pytest.mark.slow
def test_pixels_converge_in_a_few_passes(cifar10_dir):
    dataset = load_dataset("cifar10", cifar10_dir)
    red = {
        part: softjax.Split(np.ascontiguousarray(split.X[:5000, ::3]), split.y[:5000])
        for part in ("train", "val", "test")
        for split in [getattr(dataset, part)]
    }
    dataset = replace(dataset, **red, image_shape=None)
    result = regularization_path(dataset, SweepConfig(regs=(1000.0, 100.0)))
    assert result.converged.all()
    assert result.passes.max() <= 25


@pytest.mark.parametrize(
    ("penalty", "regs", "tolerance", "largest_dense"),
    [
        ("l2", (1.0, 0.1, 1e-4), 1e-6, 1000),
        ("half_l2", (1.0, 1e-2, 1e-4), 1e-11, 0),
        ("none", (0.0,), 1e-6, 0),
    ],
)
def test_from_every_state_a_path_goes_on_to_the_same_bits(
    digits, overlapping, tmp_path, monkeypatch, penalty, regs, tolerance, largest_dense
):
    """Also across the change from float32 to float64."""
    monkeypatch.setattr(solve, "passes_per_call", lambda *_: 3)
    monkeypatch.setattr(problem, "LARGEST_DENSE", largest_dense)
    dataset = overlapping if penalty == "none" else digits
    states = []
    options = {"penalty": penalty, "regs": regs, "solver": PathConfig(tolerance=tolerance)}
    whole = regularization_path(
        dataset, **options, on_progress=lambda progress: states.append(progress.state())
    )
    saved = Checkpoint(tmp_path / "saved")
    saved.start({})
    if largest_dense == 0 and penalty != "none":
        assert {state.dtype for state in states} == {"float32", "float64"}
    assert sum(state.point is not None for state in states) > 2
    for state in states[:: max(len(states) // 12, 1)]:
        save_path(saved, state)
        again = regularization_path(dataset, **options, state=load_path(saved))
        for name in ("weights", "objective", "gap", "newton_steps", "passes", "val_hits", "solved_in"):
            np.testing.assert_array_equal(getattr(again, name), getattr(whole, name), err_msg=name)


def test_a_second_data_set_of_these_shapes_compiles_nothing(fresh_programs):
    rng = np.random.default_rng(0)
    y = np.arange(120) % 3
    first, second = (one_split(rng.normal(size=(120, 4)), y) for _ in range(2))
    regularization_path(first, regs=REGS)
    compiled = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda name, *_, **__: compiled.append(name) if name.endswith("backend_compile_duration") else None
    )
    try:
        regularization_path(second, regs=(0.2, 0.002, 0.02))
    finally:
        jax.monitoring.clear_event_listeners()
    assert not compiled


@pytest.mark.parametrize("align", [1, 16])
def test_products_with_the_hessian_are_those_of_the_public_function(overlapping, x64, align):
    rng = np.random.default_rng(0)
    X = np.hstack([overlapping.train.X, np.ones((400, 1))])
    y = overlapping.train.y
    W, V = rng.normal(size=(2, 4, 7))
    spec = passes.SolverSpec(
        softjax.SweepConfig().objective,
        4,
        "float64",
        "float64",
        dense=False,
        stored=True,
        backend="cpu",
        align=align,
    )
    data = passes.Data(jnp.asarray(X), jnp.asarray(y), None)
    value, grad, curved, p = passes.evaluate(spec, data, jnp.asarray(0.1), jnp.asarray(W))
    product = passes.multiply(spec, data, jnp.asarray(0.1), jnp.asarray(W), p, jnp.asarray(V))
    expected_value, expected_grad = softjax.loss_and_grad(W.T, X, y, 0.1)
    np.testing.assert_allclose(value, expected_value, rtol=1e-12)
    np.testing.assert_allclose(grad.T, expected_grad, rtol=1e-10, atol=1e-14)
    expected = jax.jvp(
        lambda W: jax.grad(softjax.loss)(W, X, y, 0.1), (jnp.asarray(W.T),), (jnp.asarray(V.T),)
    )[1]
    np.testing.assert_allclose(product.T, expected, rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(curved, (p * (1 - p)).mean(axis=0), rtol=1e-12)
