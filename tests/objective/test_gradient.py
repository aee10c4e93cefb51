"""The gradient by hand is the gradient: proved for three classes, and held against autodiff and PyTorch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from support.problems import PENALTIES, problem

import softjax
from softjax.objective.config import Objective
from softjax.objective.gradient import loss_and_grad_kd


@pytest.mark.parametrize("label", range(3))
def test_the_derivation_holds_symbolically_for_three_classes(label):
    """Seed 002's example: one input x, scores f = W x, and the derivatives by every weight."""
    x = sympy.symbols("x:2", real=True)
    w = sympy.Matrix(3, 2, sympy.symbols("w:3:2", real=True))
    f = w * sympy.Matrix(x)
    total = sum(sympy.exp(score) for score in f)
    p = [sympy.exp(score) / total for score in f]
    # the two cases of the softmax's derivative, as seed 001 quotes them
    s = sympy.symbols("s:3", real=True)
    softmax = [sympy.exp(score) / sum(map(sympy.exp, s)) for score in s]
    for i in range(3):
        for j in range(3):
            case = softmax[i] * (1 - softmax[i]) if i == j else -softmax[i] * softmax[j]
            assert sympy.simplify(sympy.diff(softmax[i], s[j]) - case) == 0
    # and what the loss makes of them
    loss = -sympy.log(p[label])
    for k in range(3):
        for d in range(2):
            by_hand = (p[k] - (1 if k == label else 0)) * x[d]
            assert sympy.simplify(sympy.diff(loss, w[k, d]) - by_hand) == 0


@pytest.mark.parametrize("kind", ["softmax", "hinge"])
@pytest.mark.parametrize(
    ("dtype", "penalty", "penalize_bias"),
    [
        *(("float64", penalty, False) for penalty in PENALTIES),
        ("float64", "elastic_net", True),
        ("float32", "l2", True),
    ],
)
def test_agrees_with_autodiff(dtype, kind, penalty, penalize_bias):
    tolerance = {"float64": 1e-12, "float32": 1e-5}[dtype]
    with jax.enable_x64(dtype == "float64"):
        W, X, y = problem(num_examples=200, num_features=31, num_classes=10, dtype=dtype)
        options = {"kind": kind, "penalty": penalty, "l1_ratio": 0.3, "penalize_bias": penalize_bias}
        value, gradient = softjax.loss_and_grad(W, X, y, 0.7, **options)
        expected_value, expected = jax.value_and_grad(softjax.loss)(W, X, y, 0.7, **options)
        assert gradient.dtype == value.dtype == dtype
        assert float(value) == pytest.approx(float(expected_value), rel=tolerance)
        assert np.linalg.norm(gradient - expected) < tolerance * np.linalg.norm(expected)


@pytest.mark.parametrize("kind", ["softmax", "hinge"])
def test_agrees_with_pytorch(x64, kind):
    torch = pytest.importorskip("torch")
    W, X, y = problem(num_examples=50, num_classes=5)
    weights = torch.tensor(W, requires_grad=True)
    scores = torch.tensor(X) @ weights
    if kind == "softmax":
        value = torch.nn.functional.cross_entropy(scores, torch.tensor(y))
    else:  # PyTorch divides by the number of classes
        value = 5 * torch.nn.functional.multi_margin_loss(scores, torch.tensor(y))
    value = value + 0.7 * (weights**2).sum()
    value.backward()
    ours, gradient = softjax.loss_and_grad(W, X, y, 0.7, kind=kind)
    assert float(ours) == pytest.approx(value.item(), rel=1e-13)
    np.testing.assert_allclose(gradient, weights.grad.numpy(), rtol=1e-12, atol=1e-14)


def test_no_digit_is_lost_where_the_classifier_is_sure(x64):
    """Where p is close to 1, p − 1 rounds to 0; the gradient by hand keeps the difference."""
    W, X, y = np.array([[50.0, 0.0]]), np.ones((1, 1)), np.array([0])
    value, gradient = softjax.loss_and_grad(W, X, y)
    assert float(value) == pytest.approx(np.exp(-50.0), rel=1e-14)
    np.testing.assert_allclose(gradient, [[-np.exp(-50.0), np.exp(-50.0)]], rtol=1e-14)


weights = arrays(np.float64, (4, 3), elements=st.floats(-5, 5))
features = arrays(np.float64, (6, 4), elements=st.floats(-5, 5))
labels = arrays(np.int64, (6,), elements=st.integers(0, 2))


@given(weights, features, labels)
def test_the_columns_sum_to_the_penalty_s(W, X, y):
    """The p − onehot(y) of an example sum to 0, so only the penalty is left."""
    with jax.enable_x64(True):
        _, gradient = softjax.loss_and_grad(W, X, y, 0.3)
        np.testing.assert_allclose(gradient.sum(axis=1), 2 * 0.3 * W.sum(axis=1), atol=1e-12)


@given(weights, features, labels, st.permutations(range(3)))
def test_renaming_the_classes_renames_the_columns(W, X, y, order):
    order = np.array(order)
    with jax.enable_x64(True):
        value, gradient = softjax.loss_and_grad(W, X, y, 0.3)
        renamed = softjax.loss_and_grad(W[:, order], X, np.argsort(order)[y], 0.3)
        assert float(renamed[0]) == pytest.approx(float(value), rel=1e-12, abs=1e-14)
        np.testing.assert_allclose(renamed[1], gradient[:, order], rtol=1e-9, atol=1e-12)


@given(weights, features, labels)
def test_a_doubled_data_set_changes_nothing(W, X, y):
    with jax.enable_x64(True):
        once = softjax.loss_and_grad(W, X, y, 0.3)
        twice = softjax.loss_and_grad(W, np.vstack([X, X]), np.hstack([y, y]), 0.3)
        assert float(twice[0]) == pytest.approx(float(once[0]), rel=1e-12, abs=1e-14)
        np.testing.assert_allclose(twice[1], once[1], rtol=1e-9, atol=1e-12)


@given(arrays(np.float32, (4, 3), elements=st.floats(-(2.0**60), 2.0**60, width=32)), labels)
def test_extreme_scores_give_finite_gradients(W, y):
    X = np.eye(6, 4, dtype=np.float32)
    value, gradient = softjax.loss_and_grad(W, X, y)
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()


def test_under_vmap_the_products_stay_two_large_ones():
    """What makes a sweep fast: no transposed copy, and no product per configuration."""
    _, X, y = problem(num_examples=20, num_features=7, num_classes=4, dtype=np.float32)
    W = jnp.zeros((5, 4, 7))

    def one(W):
        return loss_and_grad_kd(W, jnp.asarray(X), jnp.asarray(y), 0.1, Objective())

    program = jax.jit(jax.vmap(one)).lower(W).compile().as_text()
    products = [line for line in program.splitlines() if " dot(" in line]
    assert len(products) == 2
    assert all("f32[20," in line for line in products), products
    assert "transpose(" not in program
