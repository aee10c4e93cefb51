"""A label that is none is refused where it is known, and elsewhere makes loss and gradient NaN: neither may look healthy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.problems import problem

import softjax
from softjax.objective.config import Objective
from softjax.objective.gradient import loss_and_grad_kd

W, X, _ = problem(num_examples=3, dtype=np.float32)
WRONG = [np.array([0, bad, 1]) for bad in (-1, 4, 2**31 - 1)]
KINDS = ("softmax", "hinge")


def per_example(derivative):
    """For each example whether any entry is NaN, and whether all are."""
    rows = np.isnan(np.asarray(derivative)).reshape(len(derivative), -1)
    return rows.any(axis=1).tolist(), rows.all(axis=1).tolist()


@pytest.mark.parametrize("y", WRONG)
@pytest.mark.parametrize("kind", KINDS)
def test_loss_and_gradient_are_nan_in_every_mode(kind, y):
    def loss(W, y):
        return softjax.loss(W, X, y, kind=kind)

    def by_hand(W, y):
        return softjax.loss_and_grad(W, X, y, kind=kind)

    def forward(W, y):
        return jax.jvp(lambda W: loss(W, y), (W,), (jnp.ones_like(W),))

    for function in (jax.value_and_grad(loss), by_hand, forward):
        value, derivative = jax.jit(function)(jnp.asarray(W), y)
        assert np.isnan(value)
        assert np.isnan(derivative).all()


@pytest.mark.parametrize("y", WRONG)
def test_second_derivatives_are_nan(y):
    V = jnp.ones_like(jnp.asarray(W))
    by_hand = jax.jit(lambda y: softjax.hessian_vector_product(W, V, X, y))(y)
    by_autodiff = jax.jit(
        lambda y: jax.jvp(lambda W: jax.grad(softjax.loss)(W, X, y), (jnp.asarray(W),), (V,))[1]
    )(y)
    assert np.isnan(by_hand).all()
    assert np.isnan(by_autodiff).all()


@pytest.mark.parametrize("y", WRONG)
@pytest.mark.parametrize("kind", KINDS)
def test_a_training_step_is_nan(kind, y):
    value, _, grad = loss_and_grad_kd(
        jnp.asarray(W.T), jnp.asarray(X), jnp.asarray(y, jnp.int32), 0.1, Objective(kind)
    )
    assert np.isnan(value)
    assert np.isnan(grad).all()


@pytest.mark.parametrize("y", WRONG)
def test_only_the_wrong_example_of_the_cross_entropy_is_nan(y):
    s = jnp.asarray(X @ W)
    only = [False, True, False]

    def losses(s, y):
        return softjax.softmax_cross_entropy(s, y)

    assert np.isnan(jax.jit(losses)(s, y)).tolist() == only
    for derivative in (
        jax.jit(jax.grad(lambda s, y: losses(s, y).sum()))(s, y),
        jax.jit(lambda s, y: jax.jvp(lambda s: losses(s, y), (s,), (s,))[1])(s, y),
        jax.jit(lambda s, y: jax.jvp(jax.grad(lambda s: losses(s, y).sum()), (s,), (s,))[1])(s, y),
        jax.vmap(jax.grad(lambda s, y: losses(s[None], y[None])[0]))(s, y),
    ):
        assert per_example(derivative) == (only, only)


def test_labels_whose_values_are_known_are_refused():
    y = np.array([0, 4, 1])
    for labels in (y, jnp.asarray(y)):
        for function in (
            softjax.loss,
            softjax.loss_and_grad,
            lambda *a: softjax.hessian_vector_product(W, *a),
        ):
            with pytest.raises(ValueError, match=r"y holds the label 4, outside 0\.\.3"):
                function(W, X, labels)
        with pytest.raises(ValueError, match=r"y holds the label 4, outside 0\.\.3"):
            softjax.softmax_cross_entropy(X @ W, labels)


def test_a_score_that_is_nan_makes_the_hinge_s_gradient_nan():
    broken = W.copy()
    broken[0, 2] = np.nan
    for function in (softjax.loss_and_grad, jax.value_and_grad(softjax.loss)):
        value, grad = function(jnp.asarray(broken), X, np.array([0, 2, 1]), kind="hinge")
        assert np.isnan(value)
        assert np.isnan(grad[:, 2]).all()


@pytest.mark.parametrize("mode", [jax.grad, jax.jacfwd])
def test_a_class_that_is_ruled_out_costs_the_hinge_nothing(mode):
    s = jnp.array([[1.0, -jnp.inf, 2.0]])
    y = np.array([0])
    grad = mode(lambda s: softjax.loss(s, np.ones((1, 1), np.float32), y, kind="hinge"))(s)
    np.testing.assert_array_equal(grad, [[-1.0, 0.0, 1.0]])
