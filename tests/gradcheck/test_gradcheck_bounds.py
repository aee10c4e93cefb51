"""The bounds are those of rounding: no kink nearby, bad complex routine or coarse step lets a fault pass. And what a check costs."""

import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.fft
import scipy.special
from support.gradcheck import users_defaults

import softjax.gradcheck.claim
from softjax import check_gradient

W = np.array([0.3, -0.8, 1.7, 0.9])
T = np.array([0.3 - 1e-3, 0.5, 1.2, -2.0])


@pytest.fixture(autouse=True)
def _as_users_have_it(own_messages):
    with users_defaults():
        yield


def hampel(z):
    """With kinks of its derivative at 1 and 1.5; as NumPy functions do, it drops what is imaginary."""
    size = abs(z)
    return np.sum(np.where(size < 1, size**2 / 2, np.where(size < 1.5, size - 0.5, 1)))


FUNCTIONS = {
    "a kink nearby": (lambda w: np.abs(w - T).mean(), lambda w: np.sign(w - T) / 4),
    "a kink of the slope nearby": (
        lambda w: np.sum(np.where(abs(w - T) < 1.1, (w - T) ** 2 / 2, 1.1 * abs(w - T) - 0.605)),
        lambda w: np.clip(w - T, -1.1, 1.1),
    ),
    "imaginary parts dropped": (
        hampel,
        lambda w: np.where(abs(w) < 1, w, np.where(abs(w) < 1.5, np.sign(w), 0)),
    ),
    "Bessel functions of complex numbers": (
        lambda w: scipy.special.jv(2.5, 2 + w).sum(),
        lambda w: scipy.special.jvp(2.5, 2 + w),
    ),
    "a complex transform": (
        lambda w: (scipy.fft.ifft(scipy.fft.fft(w) * scipy.fft.fft(T)).real ** 2).sum(),
        lambda w: 2 * scipy.linalg.circulant(T).T @ scipy.linalg.circulant(T) @ w,
    ),
    "a less precise routine for complex numbers": (
        lambda w: scipy.special.hyp2f1(0.5, 1.5, 2, w / 2).sum(),
        lambda w: 0.5 * 1.5 / 2 / 2 * scipy.special.hyp2f1(1.5, 2.5, 3, w / 2),
    ),
}


def log_of_positive(x):
    if (np.real(x) <= 0).any():
        raise ValueError("x must be positive")
    return np.log(x).sum()


@pytest.mark.parametrize(("fun", "gradient"), FUNCTIONS.values(), ids=FUNCTIONS)
def test_the_right_gradient_is_right_and_a_thousandth_more_is_wrong(fun, gradient):
    right = check_gradient(fun, gradient, W)
    assert right.ok, str(right)
    assert np.max(right.bound) < 1e-7 * np.max(np.abs(right.true))
    assert check_gradient(fun, lambda w: 1.001 * gradient(w), W).verdict == "wrong"


def test_outside_of_its_domain_a_function_may_raise():
    x = np.array([1e-3, 0.5])
    assert check_gradient(log_of_positive, lambda x: 1 / x, x).ok
    assert check_gradient(log_of_positive, lambda x: 1.001 / x, x).verdict == "wrong"


def test_tensors_among_the_arguments_have_the_type_of_the_parameters():
    torch = pytest.importorskip("torch")
    X, w = torch.randn(4, 3), torch.randn(3)
    assert check_gradient(lambda w, X: ((X @ w) ** 2).sum(), lambda w, X: 2 * X.T @ (X @ w), w, X).ok
    module = torch.nn.Linear(3, 2)  # whose weights stay float32

    def through_module(w):
        return module(w).square().sum()

    assert check_gradient(through_module, lambda w: 2 * module.weight.detach().T @ module(w).detach(), w).ok


def test_where_a_program_gives_nan_when_it_is_disturbed_it_is_still_checked():
    """The derivative of polygamma(2, x) is polygamma(3.0, x) in JAX, and NaN for an order that is not whole."""
    x = jnp.array([0.7, 1.9])

    def fun(x):
        return jax.scipy.special.polygamma(2, x).sum()

    right = check_gradient(fun, jax.grad(fun), x)
    assert right.ok, str(right)
    np.testing.assert_allclose(right.true, scipy.special.polygamma(3, np.asarray(x, np.float64)), rtol=1e-12)
    assert not check_gradient(fun, lambda x: 1.001 * jax.grad(fun)(x), x).ok


def round_to_tf32(x):
    bits = np.asarray(x, np.float32).view(np.uint32)
    return ((bits + 0x1000) & np.uint32(0xFFFFE000)).view(np.float32)


def round_to_bfloat16(x):
    return np.asarray(jnp.asarray(x, jnp.bfloat16).astype(jnp.float32))


@pytest.mark.parametrize(("platform", "coarsen"), [("gpu", round_to_tf32), ("tpu", round_to_bfloat16)])
def test_on_gpus_and_tpus_products_round_their_factors(monkeypatch, platform, coarsen):
    """On a CPU JAX's precisions do nothing, so the product of this claim rounds its factors by itself."""
    rng = np.random.default_rng(0)
    W = jnp.asarray(rng.normal(size=(30, 4)), jnp.float32)
    X, Y = (jnp.asarray(rng.normal(size=shape), jnp.float32) for shape in ((50, 30), (50, 4)))

    def fun(W, X, Y, precision=None):
        return ((jnp.tanh(jnp.matmul(X, W, precision=precision)) - Y) ** 2).mean()

    def coarse(W, X, Y):
        product = coarsen(X) @ coarsen(W)
        residual = 2 * (np.tanh(product) - Y) * (1 - np.tanh(product) ** 2) / Y.size
        return jnp.asarray(coarsen(X).T @ coarsen(residual))

    assert not check_gradient(fun, coarse, W, X, Y).ok
    monkeypatch.setattr(softjax.gradcheck.claim, "find_platform", lambda leaves: platform)
    assert check_gradient(fun, coarse, W, X, Y).ok
    assert not check_gradient(fun, lambda *a: {"gpu": 1.05, "tpu": 2.0}[platform] * coarse(*a), W, X, Y).ok
    highest = jax.lax.Precision.HIGHEST
    assert not check_gradient(lambda *a: fun(*a, precision=highest), coarse, W, X, Y).ok


def test_the_caller_s_arrays_are_float32_for_jax_afterwards():
    """A program that was traced with 64-bit types and holds an array makes JAX fail on it without them."""
    A, v = np.ones((3, 4)), np.ones(4)
    assert check_gradient(lambda w: np.tanh(A @ w).sum(), lambda w: (1 - np.tanh(A @ w) ** 2) @ A, v).ok
    loss = lambda w: jnp.tanh(jnp.asarray(A, w.dtype) @ w).sum()  # noqa: E731
    assert check_gradient(loss, jax.grad(loss), v).ok
    for array in (A, v):
        assert jax.jit(lambda x: x + 0)(array).dtype == np.float32


@pytest.mark.parametrize(("takes_complex", "at_most"), [(False, 58), (True, 70)])
def test_a_slow_function_is_called_a_few_times(takes_complex, at_most):
    calls = []
    A = np.random.default_rng(0).normal(size=(20, 5))

    def fun(w):
        calls.append(w)
        value = np.log1p(np.exp(A @ w)).sum()
        return value if takes_complex else float(value)

    check = check_gradient(fun, lambda w: A.T @ (1 / (1 + np.exp(-A @ w))), np.linspace(-1, 1, 5))
    assert check.ok
    assert len(calls) <= at_most


def test_when_the_budget_is_spent_it_says_what_it_has(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])

    def fun(w):
        clock[0] += 1
        return float((w**3).sum())

    w = np.linspace(1, 2, 30)
    check = check_gradient(fun, lambda w: 3 * w**2, w, budget=100)
    assert check.ok
    assert clock[0] < 150
    assert "of 30 entries were confirmed" in str(check)
    assert check_gradient(fun, lambda w: 3 * w**2 + (w == w[-1]), w, budget=100).verdict == "wrong"


@pytest.mark.slow
def test_a_gamma_draw_has_a_derivative_of_its_own():
    """Implicit: along the numbers of one probability. Those of one key move otherwise, by rejection."""
    key = jax.random.key(0)

    def fun(a):
        return jax.random.gamma(key, a) ** 2

    check = check_gradient(fun, jax.grad(fun), jnp.float32(1.5))
    assert check.ok, str(check)
    assert "gamma draw" in str(check)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((lambda w: None, lambda w: w, W), "one scalar, got None$"),
        ((lambda w: w[0] * w[1], lambda w: np.array([w[1], w[0]]), [1.0, 2.0]), "are a list of 2 numbers, the claim is an array"),
        ((lambda p: (p["a"] ** 2).sum(), lambda p: p["a"], {"a": W}), r"params are dict \{'a': \(4,\)\}, the claim is an array"),
    ],
)  # fmt: skip
def test_a_mistake_is_said_in_the_user_s_terms(arguments, message):
    with pytest.raises(ValueError, match=message) as raised:
        check_gradient(*arguments)
    assert "PyTreeDef" not in str(raised.value)


def test_an_exception_of_the_function_is_the_caller_s_own():
    def fun(w):
        return w.nonsense

    with pytest.raises(AttributeError, match="nonsense") as raised:
        check_gradient(fun, lambda w: w, W)
    assert raised.value.__cause__ is None
    assert raised.traceback[-1].name == "fun"
