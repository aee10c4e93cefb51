"""Weights count examples: weight 2 is the example twice, weight 0 is none, in the loss, its gradient and its Hessian."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy
from scipy.special import log_softmax
from sklearn.metrics import log_loss
from sklearn.utils.class_weight import compute_class_weight
from support.problems import PENALTIES, problem

import softjax
from softjax import InputError, check_gradient, check_hessian, hessian_vector_product, loss, loss_and_grad
from softjax.weights import weigh_examples

N, K = 60, 4
COUNTS = np.arange(N) % 3  # 0, 1, 2, 0, ...
REAL = np.random.default_rng(1).exponential(size=N)


@pytest.fixture
def examples(x64):
    return problem(num_examples=N, num_features=5, num_classes=K)


@pytest.mark.parametrize("kind", ["softmax", "hinge"])
@pytest.mark.parametrize("penalty", PENALTIES)
def test_a_weight_counts_how_often_an_example_is_there(examples, kind, penalty):
    W, X, y = examples
    options = {"kind": kind, "penalty": penalty, "penalize_bias": False}
    value, gradient = loss_and_grad(W, X, y, 0.3, sample_weight=COUNTS, **options)
    repeated = W, np.repeat(X, COUNTS, axis=0), np.repeat(y, COUNTS)
    expected, expected_gradient = loss_and_grad(*repeated, 0.3, **options)
    assert float(value) == pytest.approx(float(expected), rel=1e-13)
    assert float(loss(W, X, y, 0.3, sample_weight=COUNTS, **options)) == pytest.approx(
        float(expected), rel=1e-13
    )
    np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-12, atol=1e-14)
    if kind == "softmax":
        V = np.random.default_rng(0).normal(size=W.shape)
        del options["kind"]
        product = hessian_vector_product(W, V, X, y, 0.3, sample_weight=COUNTS, **options)
        expected_product = hessian_vector_product(W, V, *repeated[1:], 0.3, **options)
        np.testing.assert_allclose(product, expected_product, rtol=1e-11, atol=1e-13)


def test_only_the_ratios_of_weights_matter_of_any_scale(examples):
    value, gradient = loss_and_grad(*examples, 0.3, sample_weight=REAL)
    for scale in (1e-200, 7.0, 1e200):
        scaled, scaled_gradient = loss_and_grad(*examples, 0.3, sample_weight=scale * REAL)
        assert float(scaled) == pytest.approx(float(value), rel=1e-13)
        np.testing.assert_allclose(scaled_gradient, gradient, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("class_weight", ["balanced", {1: 5.0, 3: 0.25}])
def test_the_loss_is_scikit_learn_s(examples, class_weight):
    W, X, y = examples
    table = compute_class_weight(
        class_weight if class_weight == "balanced" else dict.fromkeys(range(K), 1.0) | class_weight,
        classes=np.arange(K),
        y=y,
    )
    p = np.exp(log_softmax(X @ W, axis=1))
    expected = log_loss(y, p, sample_weight=table[y], labels=range(K))
    assert float(loss(W, X, y, class_weight=class_weight)) == pytest.approx(expected, rel=1e-12)


def test_class_weights_are_pytorch_s(examples):
    torch = pytest.importorskip("torch")
    W, X, y = examples
    weights = torch.tensor(W, requires_grad=True)
    table = torch.tensor([1.0, 5.0, 1.0, 0.25], dtype=torch.float64)
    value = torch.nn.functional.cross_entropy(torch.tensor(X) @ weights, torch.tensor(y), weight=table)
    value.backward()
    ours, gradient = loss_and_grad(W, X, y, class_weight={1: 5, 3: 0.25})
    assert float(ours) == pytest.approx(value.item(), rel=1e-13)
    np.testing.assert_allclose(gradient, weights.grad.numpy(), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32", "int32"])
def test_weights_of_any_real_type_are_taken(dtype):
    counts = np.array([1, 0, 1, 1])
    W, X, y = np.ones((2, 3)), np.arange(8.0).reshape(4, 2), np.array([0, 2, 1, 2])
    expected = loss(W, X, y, sample_weight=counts.astype(float))
    assert loss(W, X, y, sample_weight=jnp.asarray(counts, dtype)) == expected
    with pytest.raises(InputError, match=r"sample_weight must be 4 numbers.* got complex64"):
        loss(W, X, y, sample_weight=counts.astype(np.complex64))


def test_balanced_classes_count_the_sample_weights():
    """A class with twice the weight and one with twice the examples are balanced alike."""
    y = np.array([0, 0, 0, 1, 1, 2])
    weight = np.array([1.0, 2.0, 1.0, 3.0, 1.0, 4.0])
    balanced = weigh_examples(y, "abc", weight, "balanced")
    np.testing.assert_allclose(np.bincount(y, weights=balanced), weight.sum() / 3)
    repeated = np.repeat(y, weight.astype(int))
    table = compute_class_weight("balanced", classes=np.arange(3), y=repeated)
    np.testing.assert_allclose(balanced, weight * table[y])


@pytest.mark.parametrize(
    "weights", [{"sample_weight": REAL}, {"class_weight": "balanced"}], ids=["samples", "classes"]
)
@pytest.mark.parametrize("kind", ["softmax", "hinge"])
def test_the_checker_finds_the_gradient_right(examples, weights, kind):
    options = {"kind": kind, **weights}
    check = check_gradient(partial(loss, **options), partial(loss_and_grad, **options), *examples, 0.3)
    assert check.ok, str(check)


def test_the_checker_finds_the_hessian_right(examples):
    W, X, y = examples
    V = np.random.default_rng(0).normal(size=W.shape)
    weighted = partial(loss, sample_weight=REAL)
    claimed = partial(hessian_vector_product, sample_weight=REAL)
    check = check_hessian(weighted, claimed, W, X, y, 0.3)
    assert check.ok, str(check)
    expected = jax.jvp(lambda W: jax.grad(weighted)(W, X, y, 0.3), (W,), (V,))[1]
    np.testing.assert_allclose(
        hessian_vector_product(W, V, X, y, 0.3, sample_weight=REAL), expected, rtol=1e-10, atol=1e-13
    )


def test_the_derivation_holds_symbolically():
    """Two examples of two features, three classes: ∇L = Xᵀ (w ∘ Q) / Σw, and its derivative along V."""
    X = sympy.Matrix(2, 2, sympy.symbols("x:2:2", real=True))
    W = sympy.Matrix(2, 3, sympy.symbols("W:2:3", real=True))
    V = sympy.Matrix(2, 3, sympy.symbols("V:2:3", real=True))
    weight, labels = sympy.symbols("w:2", positive=True), (2, 0)
    s, u = X * W, X * V
    e = s.applyfunc(sympy.exp)
    p = sympy.Matrix(2, 3, lambda i, k: e[i, k] / sum(e[i, :]))
    L = sum(-weight[i] * sympy.log(p[i, labels[i]]) for i in range(2)) / sum(weight)
    wQ = sympy.Matrix(2, 3, lambda i, k: weight[i] * (p[i, k] - (1 if k == labels[i] else 0)))
    gradient = X.T * wQ / sum(weight)
    moved = sympy.Matrix(
        2, 3, lambda i, k: weight[i] * p[i, k] * (u[i, k] - sum(p[i, j] * u[i, j] for j in range(3)))
    )
    product = X.T * moved / sum(weight)
    for d, k in np.ndindex(2, 3):
        assert sympy.simplify(sympy.diff(L, W[d, k]) - gradient[d, k]) == 0
        along = sum(sympy.diff(gradient[d, k], W[e, j]) * V[e, j] for e, j in np.ndindex(2, 3))
        assert sympy.simplify(along - product[d, k]) == 0


def test_an_example_of_weight_0_may_be_anything(examples):
    W, X, y = examples
    weight = np.where(np.arange(N) < 3, 0.0, 1.0)
    X = X.copy()
    X[:3] = 1e300  # its scores overflow
    expected = loss_and_grad(W, X[3:], y[3:])
    value, gradient = loss_and_grad(W, X, y, sample_weight=weight)
    assert float(value) == pytest.approx(float(expected[0]), rel=1e-13)
    np.testing.assert_allclose(gradient, expected[1], rtol=1e-12, atol=1e-14)
    by_autodiff = jax.grad(loss)(W, X, y, sample_weight=weight)
    np.testing.assert_allclose(by_autodiff, expected[1], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("class_weight", [None, "balanced", {2: 3.0}])
def test_inside_jit_weights_are_the_same(examples, class_weight):
    W, X, y = examples
    expected = loss_and_grad(W, X, y, 0.3, sample_weight=REAL, class_weight=class_weight)
    inside = jax.jit(
        lambda W, X, y, weight: loss_and_grad(W, X, y, 0.3, sample_weight=weight, class_weight=class_weight)
    )
    for ours, other in zip(inside(W, X, jnp.asarray(y), REAL), expected, strict=True):
        np.testing.assert_allclose(ours, other, rtol=1e-12, atol=1e-14)
    if class_weight is None:
        assert np.isnan(inside(W, X, y, -REAL)[0])
        assert np.isnan(inside(W, X, y, 0 * REAL)[0])


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ({"sample_weight": -REAL}, ["not negative", "row 0"]),
        ({"sample_weight": np.where(np.arange(N) == 7, np.nan, 1)}, ["nan", "row 7"]),
        ({"sample_weight": np.where(np.arange(N) == 7, np.inf, 1)}, ["inf", "row 7"]),
        ({"sample_weight": np.zeros(N)}, ["sample_weight is zero for all"]),
        ({"sample_weight": np.ones(N - 1)}, [f"must be {N} numbers", f"({N - 1},)"]),
        ({"sample_weight": ["a"] * N}, [f"must be {N} numbers"]),
        ({"class_weight": {K: 2.0}}, [f"the label {K}", "0, 1, 2, 3"]),
        ({"class_weight": {1: -2.0}}, ["not negative", "that of 1 is -2.0"]),
        ({"class_weight": "balance"}, ["'balanced'", "'balance'"]),
        ({"class_weight": dict.fromkeys(range(K), 0)}, ["the weights of all examples are zero"]),
    ],
)
def test_weights_that_cannot_be_are_refused_by_name(examples, own_messages, weights, words):
    for function in (loss, loss_and_grad):
        with pytest.raises(InputError) as error:
            function(*examples, **weights)
        assert all(word in str(error.value) for word in words), str(error.value)


def test_half_types_take_weights():
    W, X, y = problem(num_examples=N, num_features=5, num_classes=K, dtype="float32")
    value, gradient = loss_and_grad(
        jnp.asarray(W, jnp.bfloat16), jnp.asarray(X, jnp.bfloat16), y, sample_weight=REAL
    )
    expected, expected_gradient = softjax.loss_and_grad(W, X, y, sample_weight=REAL)
    assert value.dtype == jnp.float32
    assert gradient.dtype == jnp.bfloat16
    assert float(value) == pytest.approx(float(expected), rel=0.03)
    assert np.linalg.norm(np.float32(gradient) - expected_gradient) < 0.03 * np.linalg.norm(expected_gradient)
