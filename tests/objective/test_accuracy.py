"""Every cross-entropy of the library is one formula, with all digits of its type, and so are its derivatives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from mpmath import mp

import softjax
from softjax.cs231n import softmax_loss_naive, softmax_loss_vectorized
from softjax.evaluation.metrics import negative_log_likelihood
from softjax.objective.losses import cross_entropy

INF = float("inf")
CASES = {
    "sure": ([50.0, 0.0, -1.0], 0),
    "sure and wrong": ([50.0, 0.0, -1.0], 1),
    "sure and wrong, a third": ([50.0, 0.0, -3.0], 2),
    "ordinary": ([0.5, -1.25, 2.0], 1),
    "a tie with the label": ([3.0, 3.0, -4.0], 0),
    "a tie of the others": ([3.0, 3.0, -4.0], 2),
    "all the same": ([0.0, 0.0, 0.0], 1),
    "ruled out": ([1.0, -INF, 30.0], 2),
    "ruled out, and wrong": ([1.0, -INF, 30.0], 0),
    "huge": ([1e4, -1e4, 0.0], 0),
    "huge, and wrong": ([1e4, -1e4, 0.0], 2),
    "many": ([*np.linspace(-4, 4, 60).tolist()], 7),
}


def exact(s, label):
    """Loss, gradient and Hessian by the scores, at 60 digits."""
    with mp.workdps(60):
        top = max(s)
        e = [mp.exp(mp.mpf(each) - top) if each != -INF else mp.mpf(0) for each in s]
        total, K = mp.fsum(e), range(len(s))
        others = [mp.fsum(e[j] for j in K if j != k) / total for k in K]  # 1 − p
        loss = mp.log1p(others[label] * total / e[label])
        p = [each / total for each in e]
        gradient = [-others[k] if k == label else p[k] for k in K]
        hessian = [[p[k] * others[k] if k == j else -p[k] * p[j] for j in K] for k in K]
        return float(loss), np.array(gradient, float), np.array(hessian, float)


def close(seen, expected, dtype, factor, case, size=None):
    info = jnp.finfo(dtype)
    seen = np.asarray(seen).astype(np.float64)
    # numbers below the smallest normal one are flushed to 0 on some devices
    allowed = (
        factor * float(info.eps) * (np.abs(expected) if size is None else size)
        + len(expected) * float(info.tiny) * 4
    )
    assert (np.abs(seen - expected) <= allowed).all(), (case, seen, expected)


def by_scores(function):
    """A function of the weights, as one of the scores of one example: X = 1."""
    return lambda s, y: function(s[None], jnp.ones((1, 1), s.dtype), y[None])


LOSSES = {
    "loss": by_scores(softjax.loss),
    "loss_and_grad": by_scores(lambda *a: softjax.loss_and_grad(*a)[0]),
    "softmax_cross_entropy": lambda s, y: softjax.softmax_cross_entropy(s[None], y[None])[0],
    "evaluation": lambda s, y: cross_entropy(s[:, None], y[None], axis=0)[0],
    "negative_log_likelihood": lambda s, y: negative_log_likelihood(s[None], y[None]),
}


def cases(dtype):
    """Scores, label, and what is right for these scores as they are in `dtype`."""
    for name, (scores, label) in CASES.items():
        s = jnp.array(scores, dtype)
        yield name, s, jnp.asarray(label, jnp.int32), exact(np.asarray(s).astype(float).tolist(), label)


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16", "float16"])
@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_has_all_digits(name, dtype):
    with jax.enable_x64(dtype == "float64"):
        function = jax.jit(LOSSES[name])
        for case, s, y, (loss, _, _) in cases(dtype):
            close(function(s, y), np.atleast_1d(loss), dtype, 4, case)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", ["loss", "loss_and_grad", "softmax_cross_entropy"])
def test_the_derivatives_have_all_digits(name, dtype):
    """Each entry for itself, however small beside the others."""
    with jax.enable_x64(dtype == "float64"):
        reverse, forward, second = (
            jax.jit(mode(LOSSES[name])) for mode in (jax.grad, jax.jacfwd, jax.hessian)
        )
        for case, s, y, (_, gradient, hessian) in cases(dtype):
            factor = 4 * len(s)
            close(reverse(s, y), gradient, dtype, factor, case)
            close(forward(s, y), gradient, dtype, factor, case)
            # the rule of softmax_cross_entropy has an entry p_y p_k as a difference: beside the largest entry it is exact
            size = np.abs(hessian).max() if name == "softmax_cross_entropy" else np.abs(hessian)
            close(second(s, y), hessian, dtype, factor, case, size)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_derivatives_by_hand_have_all_digits(dtype):
    with jax.enable_x64(dtype == "float64"):
        X = np.ones((1, 1), dtype)

        @jax.jit
        def hessian(s, y):
            units = jnp.eye(len(s), dtype=dtype)[:, None]
            return jax.vmap(lambda V: softjax.hessian_vector_product(s[None], V, X, y[None])[0])(units)

        for case, s, y, (_, gradient, expected) in cases(dtype):
            close(softjax.loss_and_grad(s[None], X, y[None])[1][0], gradient, dtype, 4 * len(s), case)
            close(hessian(s, y), expected, dtype, 4 * len(s), case)


@pytest.mark.parametrize("function", [softmax_loss_naive, softmax_loss_vectorized])
@pytest.mark.parametrize("case", [case for case in CASES if -INF not in CASES[case][0]])
def test_the_course_s_loss_has_all_digits(function, case):
    scores, label = CASES[case]
    loss, gradient, _ = exact(scores, label)
    value, grad = function(np.array([scores]), np.ones((1, 1)), np.array([label]), 0.0)
    close(value, np.atleast_1d(loss), "float64", 4, case)
    close(grad[0], gradient, "float64", 4 * len(scores), case)


def test_the_objective_and_its_gradient_by_hand_report_the_same_value():
    rng = np.random.default_rng(0)
    X, W = rng.normal(size=(40, 5)).astype(np.float32), 30 * rng.normal(size=(5, 3)).astype(np.float32)
    y = (X @ W).argmax(axis=1)
    np.testing.assert_allclose(softjax.loss(W, X, y), softjax.loss_and_grad(W, X, y)[0], rtol=1e-5)


@pytest.mark.parametrize("scores", [[INF, 1.0, 2.0], [1.0, INF, 2.0], [-INF, -INF, -INF], [INF, INF, 0.0]])
def test_what_is_undefined_is_nan(scores):
    """The softmax is ∞/∞ or 0/0."""
    s, y = jnp.array(scores), jnp.array(0, jnp.int32)
    for name, function in LOSSES.items():
        assert np.isnan(function(s, y)), name
        assert np.isnan(jax.grad(function)(s, y)).any(), name
    value, gradient = softjax.loss_and_grad(s[None], np.ones((1, 1), np.float32), y[None])
    assert np.isnan(value)
    assert np.isnan(gradient).any()
