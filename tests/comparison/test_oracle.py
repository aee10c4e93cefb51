"""The oracle is right: against closed forms, a second formula, exact fractions, and itself at two precisions."""

import sys
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import log_loss

from softjax.comparison import oracle
from softjax.comparison.frameworks.protocol import Problem

UNIT = 2.0**-53
extended = pytest.mark.skipif(
    np.finfo(np.longdouble).nmant <= 52, reason="numpy.longdouble is float64 on this platform"
)


def random_problem(seed=0, N=12, D=40, K=30, scale=1.0):
    rng = np.random.default_rng(seed)
    W = scale / np.sqrt(D) * rng.normal(size=(D, K))
    return W, rng.normal(size=(N, D)), rng.integers(0, K, N)


def scores(*values, label=0):
    return np.array([values]), np.ones((1, 1)), np.array([label])


@given(st.floats(-300, 300), st.floats(-300, 300))
def test_of_two_classes_the_loss_is_the_softplus_of_the_margin(a, b):
    truth = oracle.truth(*scores(a, b))
    with mpmath.workdps(60):
        margin = mpmath.mpf(b) - mpmath.mpf(a)
        expected, p = mpmath.log1p(mpmath.exp(margin)), 1 / (1 + mpmath.exp(-margin))
        assert abs(truth.loss + mpmath.mpf(truth.loss_rest) - expected) <= mpmath.mpf(10) ** -30 * expected
        assert np.allclose(truth.grad, [[-float(p), float(p)]], rtol=1e-15, atol=0)


def test_a_problem_with_weights_is_the_weighted_mean_of_scikit_learn():
    rng = np.random.default_rng(5)
    X, W, y = rng.normal(size=(8, 4)), rng.normal(size=(4, 3)), rng.integers(0, 3, 8)
    weights, classes = rng.uniform(0, 2, 8) * (np.arange(8) != 3), np.array([1.0, 2.0, 0.5])
    problem = Problem(
        X, np.where(np.arange(8) == 5, -1, y), W, sample_weight=weights, class_weight=classes, ignore_index=-1
    )
    e = np.exp(X @ W)
    kept = np.arange(8) != 5
    expected = log_loss(
        y[kept],
        (e / e.sum(axis=1, keepdims=True))[kept],
        sample_weight=(weights * classes[y])[kept],
        labels=range(3),
    )
    assert oracle.truth(*problem.as_shares()).loss == pytest.approx(expected, rel=1e-14)


def test_many_threads_may_ask_at_once():
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    problems = [random_problem(seed, N=4, D=3, K=3) for seed in range(40)]
    alone = [oracle.truth(*problem) for problem in problems]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda problem: oracle.truth(*problem), problems))
    sys.setswitchinterval(interval)
    for one, other in zip(alone, together, strict=True):
        assert (one.loss, one.loss_rest) == (other.loss, other.loss_rest)
        assert (one.grad_rest == other.grad_rest).all()


def test_of_equal_scores_it_is_log_K():
    truth = oracle.truth(*scores(*[3.0] * 7, label=2))
    assert truth.loss == pytest.approx(np.log(7), rel=1e-15)
    assert np.allclose(truth.grad, 1 / 7 - np.eye(7)[2], rtol=1e-15, atol=0)


def test_one_class_has_no_loss_and_a_class_ruled_out_no_share():
    assert oracle.truth(*scores(5.0)).loss == 0
    ruled_out = oracle.truth(*scores(1.0, -np.inf, 2.0))
    without = oracle.truth(*scores(1.0, 2.0))
    assert ruled_out.loss == without.loss
    assert ruled_out.grad.tolist() == [[without.grad[0, 0], 0.0, without.grad[0, 1]]]
    at_label = oracle.truth(*scores(1.0, -np.inf, 2.0, label=1))
    assert at_label.loss == np.inf
    assert at_label.grad[0, 1] == -1


@pytest.mark.parametrize("scale", [0.1, 10.0])
@pytest.mark.parametrize("targets", [None, [[1.0, 0.0, 0.0], [0.25, 2.0, 0.5], [0.1, 0.2, 0.7]]])
def test_its_gradient_is_the_derivative_of_a_loss_written_otherwise(scale, targets):
    """−log of the quotient itself, differentiated by mpmath's differences at twice the digits."""
    W, X, y = random_problem(N=3, D=2, K=3, scale=scale)
    shares = np.eye(3)[y] if targets is None else np.array(targets)
    y = y if targets is None else shares
    value, grad = oracle.evaluate_by_mpmath(W, X, y, 0.1, 0.2)
    with mpmath.workdps(100):

        def loss(*w):
            w = [w[3 * d : 3 * d + 3] for d in range(2)]
            total = mpmath.mpf(0)
            for x, t in zip(X.tolist(), shares.tolist(), strict=True):
                e = [mpmath.exp(x[0] * w[0][k] + x[1] * w[1][k]) for k in range(3)]
                total -= sum(t[k] * mpmath.log(e[k] / sum(e)) for k in range(3))
            flat = [v for row in w for v in row]
            return total / 3 + 0.1 * sum(map(abs, flat)) + 0.2 * sum(v * v for v in flat)

        point = [mpmath.mpf(float(v)) for v in W.ravel()]
        assert abs(loss(*point) - value) < mpmath.mpf(10) ** -45
        for i in range(6):
            order = tuple(int(i == j) for j in range(6))
            assert abs(mpmath.diff(loss, point, order) - grad[i // 3][i % 3]) < mpmath.mpf(10) ** -40


@extended
@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e2, 1e4])
def test_extended_precision_is_exact_enough_for_float64(scale):
    """To a hundredth of a rounding, against 50 digits."""
    W, X, y = random_problem(scale=scale)
    loss_unit, grad_unit = oracle.compute_units(W, X, y, 0.1, 0.2)
    (loss, loss_rest), (grad, grad_rest) = oracle.compute_by_mpmath(W, X, y, 0.1, 0.2)
    (loss2, loss_rest2), (grad2, grad_rest2) = oracle.compute_extended(W, X, y, 0.1, 0.2)
    assert abs((loss - loss2) + (loss_rest - loss_rest2)) < 0.01 * UNIT * loss_unit
    assert (np.abs((grad - grad2) + (grad_rest - grad_rest2)) < 0.01 * UNIT * grad_unit).all()


@extended
@given(st.integers(0, 1000), st.integers(1, 200), st.sampled_from([0, 6]))
def test_products_are_exact_to_the_extended_type(seed, length, spread):
    rng = np.random.default_rng(seed)
    A, B = (
        rng.normal(size=shape) * 10.0 ** rng.uniform(-spread, spread, shape)
        for shape in ((2, length), (length, 2))
    )
    C = oracle.multiply(A, B)
    for i, j in np.ndindex(2, 2):
        exact = sum(Fraction(a) * Fraction(b) for a, b in zip(A[i].tolist(), B[:, j].tolist(), strict=True))
        head = float(C[i, j])
        error = exact - Fraction(head) - Fraction(float(C[i, j] - np.longdouble(head)))
        assert abs(error) <= 2.0**-60 * length * np.abs(A[i]).max() * np.abs(B[:, j]).max()


def test_the_unit_of_error_is_about_what_a_right_gradient_is_off_by():
    for scale in (1e-2, 1.0, 1e2):
        W, X, y = (a.astype(np.float32) if a.dtype == float else a for a in random_problem(scale=scale))
        truth = oracle.truth(W, X, y)
        s = X @ W
        e = np.exp(s - s.max(axis=1, keepdims=True))
        grad = X.T @ (e / e.sum(axis=1, keepdims=True) - np.eye(30, dtype=np.float32)[y]) / np.float32(12)
        worst = (np.abs(grad - truth.grad) / (2.0**-24 * truth.grad_unit + 2.0**-126)).max()
        assert 0.01 < worst < 3


@pytest.mark.parametrize(("labels", "N"), [([3], 1), ([-1], 1), ([], 0)])
def test_what_is_no_problem_is_refused(labels, N):
    with pytest.raises(ValueError, match=r"labels 0\.\.2|no examples"):
        oracle.truth(np.ones((2, 3)), np.ones((N, 2)), np.array(labels, int))
