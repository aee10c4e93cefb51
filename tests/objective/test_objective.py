"""The loss is the right number, for any scores, in any type, and says what is wrong with its arguments."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from mpmath import mp
from sklearn.metrics import log_loss
from support.problems import PENALTIES, problem

import softjax
from softjax.objective.losses import cross_entropy


def exact_loss(W, X, y, reg, kind, penalty, l1_ratio, penalize_bias):
    """The objective at 50 digits, in plain loops."""
    with mp.workdps(50):
        W, X = (mp.matrix(array.tolist()) for array in (W, X))
        total = mp.mpf(0)
        for i, label in enumerate(y.tolist()):
            s = [mp.fsum(X[i, d] * W[d, k] for d in range(W.rows)) for k in range(W.cols)]
            if kind == "softmax":
                total += mp.log(mp.fsum(map(mp.exp, s))) - s[label]
            else:
                total += mp.fsum(max(0, s[k] - s[label] + 1) for k in range(W.cols) if k != label)
        entries = [W[d, k] for d in range(W.rows - (not penalize_bias)) for k in range(W.cols)]
        l1, l2 = mp.fsum(map(abs, entries)), mp.fsum(w * w for w in entries)
        parts = {
            "l2": l2,
            "half_l2": l2 / 2,
            "l1": l1,
            "elastic_net": l1_ratio * l1 + (1 - mp.mpf(l1_ratio)) * l2 / 2,
            "none": 0,
        }
        return float(total / len(y) + reg * parts[penalty])


@pytest.mark.parametrize("penalize_bias", [True, False])
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("kind", ["softmax", "hinge"])
def test_loss_is_exact_to_rounding(x64, kind, penalty, penalize_bias):
    W, X, y = problem()
    options = {"kind": kind, "penalty": penalty, "l1_ratio": 0.3, "penalize_bias": penalize_bias}
    value = softjax.loss(W, X, y, 0.7, **options)
    assert float(value) == pytest.approx(exact_loss(W, X, y, 0.7, **options), rel=1e-14)


def test_loss_agrees_with_scikit_learn(x64):
    W, X, y = problem()
    p = np.array(jax.nn.softmax(jnp.asarray(X @ W)))
    assert float(softjax.loss(W, X, y)) == pytest.approx(log_loss(y, p, labels=range(4)), rel=1e-12)


def test_small_weights_give_the_loss_of_guessing(x64):
    W, X, y = problem(num_classes=10, scale=1e-8)
    assert float(softjax.loss(W, X, y)) == pytest.approx(np.log(10), rel=1e-6)


finite_scores = arrays(np.float32, (5, 4), elements=st.floats(-(2.0**99), 2.0**99, width=32))
labels = arrays(np.int32, (5,), elements=st.integers(0, 3))


@given(finite_scores, labels)
def test_extreme_scores_give_finite_losses_and_gradients(s, y):
    losses, pull = jax.vjp(lambda s: cross_entropy(s, jnp.asarray(y)), jnp.asarray(s))
    (gradient,) = pull(jnp.ones_like(losses))
    assert np.isfinite(losses).all()
    assert (np.asarray(losses) >= 0).all()
    assert np.isfinite(gradient).all()


@given(arrays(np.float32, (5, 4), elements=st.floats(-50, 50, width=32)), labels, st.integers(-1000, 1000))
def test_a_shift_of_all_scores_changes_nothing(s, y, shift):
    shifted = (s + np.float32(shift)).astype(np.float32)
    before, after = (cross_entropy(jnp.asarray(a), jnp.asarray(y)) for a in (s, shifted))
    np.testing.assert_allclose(before, after, atol=1e-3)  # the shift itself rounds the scores


def test_a_ruled_out_class_counts_for_nothing():
    with_class = cross_entropy(jnp.array([[1.0, -jnp.inf, 2.0]]), jnp.array([2]))
    without = cross_entropy(jnp.array([[1.0, 2.0]]), jnp.array([1]))
    np.testing.assert_array_equal(with_class, without)


def test_the_second_derivative_is_the_softmax_s(x64):
    W, X, y = problem(num_examples=1, num_features=3, num_classes=4)
    p = np.array(jax.nn.softmax(jnp.asarray(X @ W)))[0]
    expected = np.einsum("d,kl,e->dkel", X[0], np.diag(p) - np.outer(p, p), X[0])
    np.testing.assert_allclose(jax.hessian(softjax.loss)(jnp.asarray(W), X, y), expected, atol=1e-14)


def test_numpy_pixels_and_64_bit_labels_are_taken_as_they_are():
    W, X, y = problem(dtype=np.float32)
    pixels = np.abs(X * 50).astype(np.uint8)
    as_pixels = softjax.loss(W, pixels, y.astype(np.int64), 0.1)
    assert as_pixels == softjax.loss(W, pixels.astype(np.float32), y.astype(np.uint8), 0.1)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_types_are_summed_in_float32(dtype):
    X = jnp.ones((1, 5000), dtype)
    W = jnp.ones((5000, 2), dtype)
    scores = softjax.scores(W, X)
    assert scores.dtype == jnp.float32
    np.testing.assert_array_equal(scores, 5000)


@pytest.mark.parametrize("function", [softjax.loss, softjax.loss_and_grad, jax.grad(softjax.loss)])
def test_every_matrix_product_asks_for_full_precision(function):
    W, X, y = problem(dtype=np.float32)
    jaxpr = str(jax.make_jaxpr(lambda W: function(W, X, y))(W))
    products = jaxpr.count("dot_general[")
    assert products > 0
    assert jaxpr.count("precision=(Precision.HIGHEST, Precision.HIGHEST)") == products


def test_a_label_outside_is_refused_and_under_jit_makes_the_loss_nan():
    W, X, _ = problem(num_examples=3)
    for bad in (-1, 4, -100):
        y = np.array([0, bad, 1])
        with pytest.raises(ValueError, match=rf"y holds the label {bad}, outside 0\.\.3"):
            softjax.loss(W, X, y)
        for kind in ("softmax", "hinge"):
            value, _ = jax.jit(lambda y, kind=kind: softjax.loss_and_grad(W, X, y, kind=kind))(y)
            assert np.isnan(value)
            assert np.isnan(jax.jit(lambda y, kind=kind: softjax.loss(W, X, y, kind=kind))(y))


@pytest.mark.usefixtures("own_messages")
@pytest.mark.parametrize("function", [softjax.loss, softjax.loss_and_grad])
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"X": np.ones((3, 5))}, r"X must be \(N, D\) and W \(D, K\).*got X \(3, 5\) and W \(7, 4\)"),
        ({"y": np.zeros(5, int)}, r"y must be \(N,\) with N = 3 examples, got \(5,\)"),
        ({"y": np.zeros(3)}, "y must hold integer labels 0..3, got float64"),
        ({"kind": "svm"}, "kind must be one of softmax, hinge, got 'svm'"),
        ({"penalty": "L2"}, "penalty must be one of l2, half_l2, .*, got 'L2'"),
    ],
)
def test_wrong_arguments_are_named(function, changes, message):
    W, X, y = problem(num_examples=3)
    with pytest.raises(ValueError, match=message):
        function(**({"W": W, "X": X, "y": y} | changes))
