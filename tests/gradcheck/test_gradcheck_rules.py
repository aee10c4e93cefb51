"""Custom derivative rules: the cross-entropy's is right in every mode, and a broken one is noticed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.gradcheck import users_defaults
from support.problems import problem

import softjax
from softjax import check_gradient
from softjax.testing import assert_gradient


@pytest.fixture(autouse=True)
def _as_users_have_it(own_messages):
    with users_defaults():
        yield


def test_a_broken_custom_rule_is_found():
    @jax.custom_jvp
    def square(x):
        return jnp.sum(x**2)

    square.defjvp(lambda primals, tangents: (square(*primals), jnp.sum(3 * primals[0] * tangents[0])))
    check = check_gradient(square, lambda x: 2 * x, jnp.arange(1.0, 4.0))
    assert check.ok
    assert "the function's own rules is wrong" in str(check)
    assert check_gradient(square, jax.grad(square), jnp.arange(1.0, 4.0)).factor == pytest.approx(1.5)


@pytest.mark.parametrize("order", ["reverse", "forward", "jitted", "vmapped", "second"])
def test_the_custom_derivative_is_right_in_every_mode(x64, order):
    _, scores, y = problem(num_features=5)
    y = y % 5
    weights = np.random.default_rng(0).normal(size=len(y))

    def plain(s):
        return jnp.vdot(weights, jax.nn.logsumexp(s, axis=1) - s[jnp.arange(len(y)), y])

    def ours(s):
        return jnp.vdot(weights, softjax.softmax_cross_entropy(s, y))

    def derivative(f):
        match order:
            case "reverse":
                return jax.grad(f)(scores)
            case "forward":
                return jax.jacfwd(f)(scores)
            case "jitted":
                return jax.jit(jax.grad(f))(scores)
            case "vmapped":
                return jax.vmap(jax.grad(f))(jnp.stack([scores, 2 * scores]))
            case "second":
                return jax.hessian(f)(scores)

    np.testing.assert_allclose(derivative(ours), derivative(jax.jit(plain)), rtol=1e-10, atol=1e-12)
    assert_gradient(ours, jax.grad(ours), scores)


def test_where_scores_tie_the_value_is_differentiated_too(x64):
    s, y, v = jnp.zeros((1, 3)), np.array([0]), jnp.array([[1.0, 2.0, 4.0]])

    def fun(s):
        return softjax.softmax_cross_entropy(s, y).sum()

    (value, _), (slope, _) = jax.jvp(jax.value_and_grad(fun), (s,), (v,))
    assert float(value) == pytest.approx(np.log(3))
    assert float(slope) == pytest.approx(7 / 3 - 1)
    W, X, y = problem()
    W = jnp.zeros_like(W)
    of_value = jax.grad(lambda W: softjax.loss_and_grad(W, X, y)[0])(W)
    np.testing.assert_allclose(of_value, softjax.loss_and_grad(W, X, y)[1], atol=1e-15)


@pytest.mark.parametrize("mode", [jax.jacfwd, jax.jacrev])
def test_a_ruled_out_class_has_no_derivative_in_either_mode(mode):
    s, y = jnp.array([[1.0, -jnp.inf, 2.0]]), np.array([2])
    derivative = mode(lambda s: softjax.softmax_cross_entropy(s, y)[0])(s)
    expected = jax.grad(lambda s: softjax.softmax_cross_entropy(s, np.array([1]))[0])(jnp.array([[1.0, 2.0]]))
    np.testing.assert_allclose(derivative, [[expected[0, 0], 0, expected[0, 1]]], rtol=1e-6)
    hessian = jax.hessian(lambda s: softjax.softmax_cross_entropy(s, y)[0])(s)
    assert np.isfinite(hessian).all()


def test_labels_outside_are_refused_and_under_jit_make_nan():
    s = np.zeros((2, 3), np.float32)
    with pytest.raises(ValueError, match=r"y holds the label -1, outside 0\.\.2"):
        softjax.softmax_cross_entropy(s, np.array([0, -1]))
    with pytest.raises(ValueError, match=r"y must be \(N,\) with N = 2 examples"):
        softjax.softmax_cross_entropy(s, np.array([0]))
    losses = jax.jit(softjax.softmax_cross_entropy)(s, np.array([0, 3]))
    assert np.isfinite(losses[0])
    assert np.isnan(losses[1])
    with jax.enable_x64(True):  # 2³² must not wrap around to class 0
        assert np.isnan(jax.jit(softjax.softmax_cross_entropy)(s, np.array([0, 2**32]))[1])
