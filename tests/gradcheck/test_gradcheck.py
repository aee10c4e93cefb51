"""The checker accuses no right gradient, misses no wrong one, and says what is wrong."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.gradcheck import typed, users_defaults
from support.problems import PENALTIES, problem

import softjax
from softjax import GradientError, check_gradient
from softjax.datasets import preprocess
from softjax.datasets.load import load_dataset
from softjax.testing import assert_gradient

DTYPES = ("float64", "float32", "bfloat16", "float16")


@pytest.fixture(autouse=True)
def _as_users_have_it(own_messages):
    with users_defaults():
        yield


def numpy_loss(W, X, y, reg):
    s = X @ W
    s = s - s.max(axis=1, keepdims=True)
    return np.mean(np.log(np.exp(s).sum(axis=1)) - s[np.arange(len(y)), y]) + reg * (W * W).sum()


def numpy_gradient(W, X, y, reg):
    s = X @ W
    p = np.exp(s - s.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    p[np.arange(len(y)), y] -= 1
    return X.T @ p / len(y) + 2 * reg * W


# Right gradients


@pytest.mark.parametrize(
    ("dtype", "penalty"),
    [
        *(("float32", penalty) for penalty in PENALTIES),
        ("float64", "l2"),
        ("bfloat16", "l2"),
        ("float16", "l2"),
    ],
)
@pytest.mark.parametrize("kind", ["softmax", "hinge"])
def test_the_gradient_by_hand_is_right(dtype, kind, penalty):
    with jax.enable_x64(dtype == "float64"):
        W, X, y = typed(dtype)
        check = check_gradient(
            lambda *a: softjax.loss(*a, kind=kind, penalty=penalty),
            lambda *a: softjax.loss_and_grad(*a, kind=kind, penalty=penalty),
            *(W, X, y, 0.3),
        )
    assert check.ok, str(check)
    assert check.error_in_bounds < 2


@settings(max_examples=4)
@given(st.integers(0, 10_000), st.sampled_from(DTYPES), st.sampled_from((0.01, 1.0, 5.0)))
def test_it_is_right_on_any_problem(seed, dtype, scale):
    with jax.enable_x64(dtype == "float64"):
        W, X, y = typed(dtype, seed=seed, scale=scale, num_examples=20, num_features=4)
        assert_gradient(softjax.loss, softjax.loss_and_grad, W, X, y, 0.1)


@pytest.mark.parametrize("dtype", DTYPES)
def test_near_an_optimum_a_right_gradient_is_right_and_a_small_fault_a_fault(dtype):
    """There the terms cancel: the error is many roundings of the gradient, but few of its terms."""
    W, X, y = problem(num_examples=40)
    with jax.enable_x64(True):
        hessian_of = jax.jit(jax.hessian(lambda W: softjax.loss(W, X, y, 0.1)))
        for _ in range(60):  # Newton's method
            _, grad = softjax.loss_and_grad(W, X, y, 0.1)
            hessian = hessian_of(W).reshape(W.size, W.size)
            W = W - np.linalg.solve(hessian, np.asarray(grad).ravel()).reshape(W.shape)
    with jax.enable_x64(dtype == "float64"):
        W, X = jnp.asarray(W, dtype), jnp.asarray(X, dtype)
        check = assert_gradient(softjax.loss, softjax.loss_and_grad, W, X, y, 0.1)
        if dtype == "float64":
            assert check.relative_error > 1e-8
        wrong = check_gradient(
            softjax.loss,
            lambda *a: softjax.loss_and_grad(*a)[1] - 2 * 0.1 * W.astype(a[0].dtype),
            W,
            X,
            y,
            0.1,
        )
        assert wrong.verdict == "wrong"


def test_functions_that_are_not_ours():
    rng = np.random.default_rng(0)
    X, labels = jnp.asarray(rng.normal(size=(20, 6)), jnp.float32), rng.integers(0, 2, 20)

    def network(params, X):
        hidden = jnp.tanh(X @ params["w"] + params["b"])
        return jnp.mean((hidden @ params["v"]) ** 2)

    params = {
        "w": jnp.asarray(rng.normal(size=(6, 5)), jnp.float32),
        "b": jnp.asarray(rng.normal(size=5), jnp.float32),
        "v": jnp.asarray(rng.normal(size=5), jnp.float32),
    }
    assert_gradient(network, jax.grad(network), params, X)

    def logistic(w, X, t):
        return jnp.mean(jnp.logaddexp(0, -t * (X @ w)))

    def logistic_gradient(w, X, t):
        return -X.T @ (t * jax.nn.sigmoid(-t * (X @ w))) / len(X)

    assert_gradient(logistic, logistic_gradient, params["w"][:, 0], X, 2.0 * labels - 1)
    A = jnp.asarray(rng.normal(size=(4, 4)), jnp.float32)
    assert_gradient(lambda A: jnp.linalg.slogdet(A)[1], lambda A: jnp.linalg.inv(A).T, A)
    assert_gradient(lambda A: jnp.trace(A @ A @ A), lambda A: 3 * (A @ A).T, A)
    assert_gradient(lambda x: jnp.sin(x), lambda x: jnp.cos(x), jnp.float32(0.7))


def test_a_gradient_may_be_given_as_an_array_or_with_its_value():
    W, X, y = typed("float32")
    assert_gradient(softjax.loss, softjax.loss_and_grad(W, X, y)[1], W, X, y)
    assert_gradient(softjax.loss, softjax.loss_and_grad, W, X, y)
    assert_gradient(softjax.loss, lambda *a: softjax.loss_and_grad(*a)[1], W, X, y)


@pytest.mark.parametrize("fun", [softjax.loss, numpy_loss])
def test_numpy_functions_are_checked_in_the_type_they_compute_in(fun):
    W, X, y = problem()
    for dtype in (np.float64, np.float32):
        check = assert_gradient(fun, numpy_gradient, W.astype(dtype), X.astype(dtype), y, 0.3)
        assert check.dtype == np.dtype(dtype).name
    assert ("no autodiff: JAX cannot trace the function" in str(check)) == (fun is numpy_loss)
    wrong = check_gradient(fun, lambda *a: numpy_gradient(*a) * (1 + 1e-6), W, X, y, 0.3)
    assert wrong.factor == pytest.approx(1 + 1e-6, rel=1e-9)


def test_a_numpy_function_of_one_number_is_checked():
    def fun(x):
        return float(np.sin(x))  # which takes no complex numbers

    assert check_gradient(fun, np.cos, np.float64(0.7)).ok
    assert check_gradient(fun, lambda x: -np.cos(x), np.float64(0.7)).factor == pytest.approx(-1)


def test_of_a_large_numpy_function_a_sample_is_seen_and_directions_besides():
    rng = np.random.default_rng(0)
    x = rng.normal(size=5000)

    def fun(x):
        return float(np.sum(np.sin(x)))

    check = check_gradient(fun, np.cos, x)
    assert check.ok
    assert "200 of 5,000 entries" in str(check)

    def one_entry_wrong(x):
        gradient = np.cos(x)
        gradient[4321] += 1e-3
        return gradient

    assert not check_gradient(fun, one_entry_wrong, x).ok


# Wrong gradients, and what is said of them


def damaged(change):
    return lambda W, X, y, reg: change(softjax.loss_and_grad(W, X, y, reg)[1], W, reg)


FAULTS = [
    (lambda g, W, r: 30 * g, 30, "30 times the gradient, and 30 is the length of axis 0 of argument 1"),
    (lambda g, W, r: g * 30 / 29, 30 / 29, "30/29 times the gradient.* divided by N − 1 instead of N"),
    (lambda g, W, r: -g, -1, "its sign is wrong"),
    (lambda g, W, r: g / 2, 0.5, "half the gradient"),
    (lambda g, W, r: 0 * g, 0, "the claim is zero"),
    (lambda g, W, r: g * 1.25, 1.25, "1.25 times the gradient"),
    (
        lambda g, W, r: g - 2 * r * W,
        None,
        "lacks the term 0.6 w, which is the gradient of a penalty 0.3 Σw²",
    ),
    (lambda g, W, r: g - r * W, None, "lacks the term 0.3 w. A penalty 0.3 Σw² has the gradient 0.6 w"),
    (lambda g, W, r: g + 2 * r * W, None, "has an extra term 0.6 w"),
    (lambda g, W, r: g - r * jnp.sign(W), None, r"lacks the term 0.3 sign\(w\), which .* 0.3 Σ\|w\|"),
    (
        lambda g, W, r: g.at[-1].add(-2 * r * W[-1]),
        None,
        r"only in row 6 \(the last\) of params. There it lacks",
    ),
    (
        lambda g, W, r: g.at[:, 1].multiply(2),
        None,
        "only in column 1 of params. There it is twice the gradient",
    ),
    (lambda g, W, r: g.at[2, 3].multiply(1.01), None, r"only in row 2 and column 3 \(the last\)"),
    (
        lambda g, W, r: g.at[0, 0].set(jnp.nan),
        None,
        r"not finite in 1 of 28 entries, first at params\[0, 0\]",
    ),
    (
        lambda g, W, r: g + jnp.sin(7 * g),
        None,
        "28 of 28 entries are wrong, and the errors have no known pattern",
    ),
]


@pytest.mark.parametrize("dtype", ["float64", "bfloat16"])
@pytest.mark.parametrize(("change", "factor", "sentence"), FAULTS)
def test_a_fault_is_caught_and_named(dtype, change, factor, sentence):
    with jax.enable_x64(dtype == "float64"):
        W, X, y = typed(dtype)
        check = check_gradient(softjax.loss, damaged(change), W, X, y, 0.3)
    assert check.verdict == "wrong"
    assert check.factor == (None if factor is None else pytest.approx(factor, abs=1e-9))
    with pytest.raises(AssertionError, match=sentence):
        check.raise_if_wrong()


def test_a_transposed_result_is_recognized():
    A = jnp.asarray(np.random.default_rng(0).normal(size=(4, 4)), jnp.float32)
    check = check_gradient(lambda A: jnp.linalg.slogdet(A)[1], jnp.linalg.inv, A)
    assert "the transpose of the gradient" in check.diagnosis


def test_a_wrong_leaf_is_named():
    params = {"scale": jnp.ones(3), "shift": jnp.arange(3.0)}

    def fun(params):
        return jnp.sum(params["scale"] ** 2 * params["shift"] ** 3)

    def wrong(params):
        gradient = jax.grad(fun)(params)
        return gradient | {"shift": 2 * gradient["shift"]}

    check = check_gradient(fun, wrong, params)
    assert "wrong only in params['shift']. There it is twice the gradient" in check.diagnosis
    assert check.worst.path == "params['shift']"
    assert check.worst.claimed == 2 * check.worst.true


def test_arithmetic_in_too_short_a_type_is_told_from_a_wrong_formula():
    W, X, y = typed("float32")

    def short(W, X, y):
        _, gradient = softjax.loss_and_grad(W.astype(jnp.float16), X.astype(jnp.float16), y)
        return gradient.astype(W.dtype)

    check = check_gradient(softjax.loss, short, W, X, y)
    assert check.verdict == "wrong"
    assert check.relative_error < 1e-2

    def cancelling(W, X, y):
        big = 1e4 * jnp.ones_like(W)
        return (softjax.loss_and_grad(W, X, y)[1] + big) - big

    check = check_gradient(softjax.loss, cancelling, W, X, y)
    assert check.verdict == "wrong"
    assert "the formula is right" in check.diagnosis


# Functions that cannot be judged


@pytest.mark.parametrize(
    "fun",
    [
        lambda W, X, y: softjax.loss(W, X, y) + jnp.sqrt(jnp.abs(W[0, 0])),
        lambda W, X, y: softjax.loss(W, X, y) + jnp.where(W[0, 0] >= 0, 1.0, 0.0),  # a jump
        lambda W, X, y: softjax.loss(W, X, y) + np.random.default_rng().normal(),
        lambda W, X, y: softjax.loss(W, X, y) + jax.lax.stop_gradient(W[1, 1] ** 2),
    ],
    ids=["cusp", "jump", "randomness", "stop_gradient"],
)
def test_where_the_references_disagree_the_claim_is_not_blamed(fun):
    W, X, y = problem()
    W[0, 0] = 0
    check = check_gradient(fun, jax.grad(fun), jnp.asarray(W, jnp.float32), X.astype(np.float32), y)
    assert check.verdict == "undecided"
    assert not check.ok
    with pytest.raises(GradientError, match="may not be differentiable here"):
        check.raise_if_wrong()


def test_a_function_that_reads_state_is_checked_as_it_is_now():
    class Model:
        reg = 0.0

        def loss(self, w):
            return jnp.sum(jnp.sin(w)) + self.reg * jnp.sum(w**2)

    model, w = Model(), np.linspace(0.1, 1, 5, dtype=np.float32)
    assert check_gradient(model.loss, np.cos, w).ok
    model.reg = 1.0
    assert check_gradient(model.loss, np.cos, w).verdict == "wrong"


def test_parameters_of_very_different_sizes():
    assert_gradient(lambda w: jnp.sum(jnp.log(w)), lambda w: 1 / w, jnp.array([1e-9, 1.0]))
    assert_gradient(
        lambda p: (p["a"] * 1e-6) ** 2 + jnp.sin(1e3 * p["b"]),
        lambda p: {"a": 2e-12 * p["a"], "b": 1e3 * jnp.cos(1e3 * p["b"])},
        {"a": jnp.float32(1e6), "b": jnp.float32(1e-3)},
    )


def test_functions_that_are_complex_inside():
    w = jnp.asarray(np.random.default_rng(0).normal(size=8), jnp.float32)
    for fun in (
        lambda w: jnp.sum(jnp.abs(jnp.fft.fft(w)) ** 2),
        lambda w: jnp.sum(jnp.fft.rfft(w).real ** 2),
        lambda w: jnp.sum(jnp.abs(w * jnp.exp(1j * w)) ** 2),
    ):
        assert_gradient(fun, jax.grad(fun), w)


def test_a_short_array_in_the_background_excuses_nothing():
    rng = np.random.default_rng(0)
    X = jnp.asarray(rng.normal(size=(50, 4)), jnp.float16)

    def fun(w):
        return jnp.mean(jnp.sin(X.astype(jnp.float32) @ w))

    w = jnp.asarray(rng.normal(size=4), jnp.float32)
    assert_gradient(fun, jax.grad(fun), w)
    assert check_gradient(fun, lambda w: 1.001 * jax.grad(fun)(w), w).factor == pytest.approx(1.001)


def test_a_numpy_function_that_computes_in_float32_is_held_to_float32():
    w = np.linspace(0.1, 2, 6)
    assert_gradient(lambda w: np.sum(np.sin(w.astype(np.float32))), np.cos, w)


# What is refused, and what is left alone


@pytest.mark.parametrize(
    ("fun", "claimed", "params", "message"),
    [
        (lambda w: w, lambda w: w, jnp.ones(3), r"fun must return one scalar, got an array of shape \(3,\)"),
        (
            lambda w: jnp.sum(w > 0),
            lambda w: w,
            jnp.ones(3),
            "fun must return a real floating number, got int",
        ),
        (jnp.sum, jnp.ones_like, jnp.ones(3, int), "params must be floating numbers, got int"),
        (
            lambda p: jnp.sum(p["a"]),
            lambda p: 1.0,
            {"a": jnp.ones(3)},
            "the claim must be like params",
        ),
        (jnp.sum, lambda w: jnp.ones((3, 2)), jnp.ones((2, 3)), r"got \(3, 2\) \(is it transposed\?\)"),
        (lambda p: 1.0, lambda p: p, {}, "params hold no arrays"),
    ],
)
def test_what_cannot_be_checked_is_refused(fun, claimed, params, message):
    with pytest.raises(ValueError, match=message):
        check_gradient(fun, claimed, params)


@pytest.mark.parametrize("enabled", [False, True])
def test_jax_s_configuration_is_left_as_it_was(enabled):
    W, X, y = typed("float32")
    with jax.enable_x64(enabled):
        check_gradient(softjax.loss, softjax.loss_and_grad, W, X, y)
        assert jax.config.jax_enable_x64 == enabled


def test_tolerances_can_be_overridden():
    W, X, y = typed("float32")
    claim = damaged(lambda g, W, r: g * 1.001)
    assert not check_gradient(softjax.loss, claim, W, X, y, 0.3).ok
    assert check_gradient(softjax.loss, claim, W, X, y, 0.3, rtol=0.01).ok
    assert check_gradient(softjax.loss, claim, W, X, y, 0.3, atol=0.01).ok
    assert check_gradient(softjax.loss, claim, W, X, y, 0.3, allowed_bounds=1e15).ok


def test_the_report_and_the_course_s_table():
    W, X, y = typed("float32")
    check = check_gradient(softjax.loss, softjax.loss_and_grad, W, X, y, 0.3)
    text = str(check)
    for part in ("RIGHT (float32, 28 entries)", "reverse mode (every entry)", "central differences"):
        assert part in text
    lines = check.table().split("\n")
    assert len(lines) == 10
    assert all(line.startswith("numerical: ") and "relative error: " in line for line in lines)
    assert max(sample.relative_error for sample in check.samples) < 1e-4
    errors = check.relative_errors()
    assert errors.shape == W.shape
    assert errors.max() < 1e-4


# The course's check, on real images


def test_the_gradient_by_hand_on_cifar10(cifar10_dir):
    dataset = load_dataset("cifar10", cifar10_dir)
    dev = dataset.development()
    features = dev.X - preprocess.fit(dataset.train.X, standardize=False).mean
    X = np.hstack([features, np.ones((len(dev), 1))])
    W = 1e-4 * np.random.default_rng(0).standard_normal((X.shape[1], 10))
    for dtype, reg in ((np.float64, 0.0), (np.float32, 50.0)):
        with jax.enable_x64(dtype == np.float64):
            args = (X.astype(dtype), dev.y)
            assert softjax.loss(W.astype(dtype), *args) == pytest.approx(-np.log(0.1), abs=0.2)
            assert_gradient(softjax.loss, softjax.loss_and_grad, W.astype(dtype), *args, reg)
