"""Functions as users bring them: random draws, one mode of autodiff only, other libraries' arrays, kinks, noise, edges."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
import scipy.linalg
import scipy.sparse
from support.gradcheck import users_defaults

from softjax import check_gradient


@pytest.fixture(autouse=True)
def _as_users_have_it(own_messages):
    with users_defaults():
        yield


def floats(*values):
    return jnp.asarray(values, jnp.float32)


def sample(w, key):
    return jnp.mean((w[0] + jnp.exp(w[1]) * jax.random.normal(key, (20,))) ** 2)


def drop_out(w, key):
    hidden = jnp.tanh(jnp.linspace(-1, 1, 12).reshape(4, 3) @ w)
    return jnp.mean(jnp.where(jax.random.bernoulli(key, 0.7, hidden.shape), hidden / 0.7, 0) ** 2)


def walk(w, key):
    def step(x, key):
        return x * w[0] + w[1] * (jax.random.normal(key) + jax.random.randint(key, (), 0, 5)), None

    return jax.lax.scan(step, w[0], jax.random.split(key, 3))[0]


@pytest.mark.parametrize(
    ("fun", "w"), [(sample, (0.3, 0.2)), (drop_out, (0.3, 0.2, 0.5)), (walk, (0.3, 0.2))]
)
def test_the_references_see_the_numbers_that_the_function_draws(fun, w):
    """In float64 a default draw takes 64 bits, and gives other numbers."""
    key = jax.random.key(1)
    assert check_gradient(fun, jax.grad(fun), floats(*w), key).ok
    wrong = check_gradient(fun, lambda *a: 1.001 * jax.grad(fun)(*a), floats(*w), key)
    assert wrong.factor == pytest.approx(1.001)


def square_with_rule(factor):
    @jax.custom_vjp
    def square(x):
        return jnp.sum(x**2)

    square.defvjp(lambda x: (square(x), x), lambda x, g: (factor * x * g,))
    return square


def test_a_function_with_a_vjp_rule_has_no_forward_mode_and_is_checked_without_it():
    fun = square_with_rule(2.0)
    check = check_gradient(fun, jax.grad(fun), floats(0.3, 0.2, 1.0))
    assert check.ok
    assert "no forward mode" in str(check)


def test_a_wrong_rule_of_the_function_is_found_by_taking_it_off():
    fun = square_with_rule(1.9)
    w = floats(0.3, 0.2, 1.0)
    assert check_gradient(fun, jax.grad(fun), w).factor == pytest.approx(0.95)
    right = check_gradient(fun, lambda w: 2 * w, w)
    assert right.ok
    assert "without the function's own derivative rules" in str(right)


def test_where_reverse_mode_is_not_defined_forward_mode_takes_every_entry():
    def iterate(w):
        def step(state):
            return state[0] + 1, state[1] * jnp.sin(w[0]) + w[1]

        return jax.lax.while_loop(lambda state: state[0] < 5, step, (0, w[1]))[1]

    check = check_gradient(iterate, jax.jacfwd(iterate), floats(0.3, 0.2))
    assert check.ok
    assert "forward mode (every entry)" in str(check)
    assert not check_gradient(iterate, lambda w: 1.01 * jax.jacfwd(iterate)(w), floats(0.3, 0.2)).ok


def test_a_callback_is_checked_without_autodiff():
    def fun(w):
        result = jax.ShapeDtypeStruct(w.shape, w.dtype)
        return jnp.sum(jax.pure_callback(lambda x: np.sin(np.asarray(x)), result, w))

    assert check_gradient(fun, jnp.cos, floats(0.3, 0.2)).ok
    assert check_gradient(fun, lambda w: -jnp.cos(w), floats(0.3, 0.2)).verdict == "wrong"


def test_a_sparse_matrix_reaches_the_function_as_it_is():
    A = scipy.sparse.random(20, 5, 0.5, random_state=0, format="csr")
    w = np.arange(1.0, 6)
    assert check_gradient(lambda w, A: 0.5 * np.sum((A @ w) ** 2), lambda w, A: A.T @ (A @ w), w, A).ok
    assert not check_gradient(
        lambda w, A: 0.5 * np.sum((A @ w) ** 2), lambda w, A: A.T @ w[:20], w, A.T[:5] @ A
    ).ok


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_torch_functions_are_checked_in_the_type_of_their_tensors(dtype):
    torch = pytest.importorskip("torch")
    w = torch.tensor([0.3, 0.2], dtype=getattr(torch, dtype))
    other = torch.tensor([1.0, 3.0], dtype=torch.float64)

    def fun(w, other):
        return (w.sin() ** 2 * other).sum()

    def gradient(w, other):
        w = w.detach().clone().requires_grad_(True)
        fun(w, other).backward()
        return w.grad

    check = check_gradient(fun, gradient, w, other)
    assert check.ok, str(check)
    assert check.dtype == dtype
    assert check_gradient(fun, lambda *a: 1.01 * gradient(*a), w, other).factor == pytest.approx(1.01)


@pytest.mark.parametrize("seed", [6, 33])
def test_rounding_that_cannot_be_followed_is_measured(seed):
    """SciPy's real matrix exponential loses three digits at these, and its complex one does not."""
    A = np.random.default_rng(seed).normal(size=(3 + seed % 5,) * 2)

    def fun(A):
        return np.trace(scipy.linalg.expm(A))

    assert check_gradient(fun, lambda A: scipy.linalg.expm(A).T, A).ok
    assert not check_gradient(fun, lambda A: scipy.linalg.expm(A).T * (1 + 1e-10), A).ok


def test_a_solver_s_noise_is_no_fault_of_the_claim():
    def fun(w):
        def slope(t, y):
            return -w[0] * y + w[1]

        return float(scipy.integrate.solve_ivp(slope, (0, 1), [1.0], rtol=1e-10, atol=1e-12).y[0, -1])

    def gradient(w):
        a, b = w
        decay = np.exp(-a)
        return np.array([-decay - b / a**2 * (1 - decay) + b / a * decay, (1 - decay) / a])

    w = np.array([0.7, 0.2])
    assert check_gradient(fun, gradient, w).ok
    assert check_gradient(fun, lambda w: gradient(w) * (1 + 1e-6), w).verdict == "wrong"


ONES, TIE, ZERO = (1.0, 2.0), (2.0, 2.0, 1.0), (0.0, 0.0)
KINKS = [
    (
        lambda x: jnp.sum(jnp.maximum(0, 1 - x)),
        ONES,
        {(0.0, 0.0), (-1.0, 0.0), (-0.4, 0.0)},
        {(0.1, 0.0), (-1.1, 0.0)},
    ),
    (lambda x: -jnp.sum(jnp.abs(x)), (0.0, 2.0), {(0.3, -1.0)}, {(1.2, -1.0), (0.3, -0.9)}),
    (jnp.max, TIE, {(1.0, 0.0, 0.0), (0.3, 0.7, 0.0)}, {(1.0, 1.0, 0.0), (0.3, 0.6, 0.0), (1.2, -0.2, 0.0)}),
    (jnp.min, (2.0, 2.0, 3.0), {(0.0, 1.0, 0.0)}, {(1.0, 1.0, 0.0)}),
    (lambda x: jnp.sqrt(jnp.sum(x**2)), ZERO, {(0.0, 0.0), (0.6, 0.6)}, {(0.8, 0.8)}),
]


@pytest.mark.parametrize(("fun", "x", "right", "wrong"), KINKS, ids=["hinge", "-abs", "max", "min", "norm"])
def test_at_a_kink_subgradients_are_right_and_nothing_else(fun, x, right, wrong):
    for claims, verdict in ((right, "right"), (wrong, "wrong")):
        for claim in claims:
            check = check_gradient(fun, floats(*claim), floats(*x))
            assert check.verdict == verdict, (claim, str(check))
            assert "kink" in check.diagnosis or verdict == "wrong"


def test_what_cannot_be_told_at_a_kink_is_undecided():
    mixed = check_gradient(lambda x: jnp.abs(x[0]) - jnp.abs(x[1]), floats(0.5, 0.5), floats(0.0, 0.0))
    assert mixed.verdict == "undecided"
    cusp = check_gradient(lambda x: jnp.sum(jnp.sqrt(jnp.abs(x))), floats(0.0, 1.0), floats(0.0, 0.25))
    assert cusp.verdict == "undecided"


def test_a_kink_among_many_entries_is_found_where_the_claim_differs():
    x = jnp.asarray(np.random.default_rng(0).normal(size=200), jnp.float32).at[7].set(0)

    def fun(x):
        return jnp.sum(jnp.abs(x)) + jnp.sum(jnp.sin(x))

    def claim(more):
        return lambda x: jnp.sign(x) + jnp.cos(x) + more * (jnp.arange(200) == 7)

    assert [check_gradient(fun, claim(more), x).verdict for more in (0.0, 0.5, 1.5)] == [
        "right",
        "right",
        "wrong",
    ]


def test_a_subgradient_at_more_kinks_than_can_be_looked_at_is_not_accused():
    x = jnp.zeros(100)
    assert check_gradient(lambda x: jnp.sum(jnp.maximum(x, 0)), jnp.ones(100), x).verdict == "undecided"
    assert check_gradient(lambda x: jnp.sum(jnp.maximum(x, 0)), 2 * jnp.ones(100), x).verdict == "wrong"
    assert check_gradient(lambda x: jnp.sum(x**3), jnp.ones(100), x).verdict == "wrong"


def barrier(x):
    return -jnp.log(1 - x[0] - x[1]) - jnp.sum(jnp.log(x))


def invert(A):
    return jnp.sum(jnp.linalg.inv(A))


def only_positive_roots(x):
    return jnp.sum(jnp.where(x > 0, jnp.sqrt(x), 0.0))


HARD = {
    "a wall of the domain 1e-9 away": (barrier, jax.grad(barrier), [0.5, 0.5 - 1e-9]),
    "an ill-conditioned inverse": (invert, jax.grad(invert), scipy.linalg.hilbert(6)),
    "equal eigenvalues": (lambda A: jnp.sum(jnp.linalg.eigvalsh(A)), lambda A: jnp.eye(4), np.eye(4)),
    "equal singular values": (lambda A: jnp.sum(jnp.linalg.svd(A)[1] ** 2), lambda A: 2 * A, np.eye(3)),
    "NaN in reverse mode": (
        only_positive_roots,
        lambda x: jnp.where(x > 0, 0.5 / jnp.sqrt(jnp.abs(x)), 0.0),
        [-1.0, 4.0, -2.0],
    ),
}


@pytest.mark.parametrize(("fun", "claimed", "x"), HARD.values(), ids=HARD)
def test_what_the_other_references_decide_is_decided(x64, fun, claimed, x):
    check = check_gradient(fun, claimed, jnp.asarray(x))
    assert check.ok, str(check)
    assert check_gradient(fun, lambda x: claimed(x) * 1.001, jnp.asarray(x)).verdict == "wrong"


def test_rounding_inside_a_loop_counts():
    """The logistic map is chaotic: float32 loses all digits in forty steps, and the gradient is right."""

    def fun(w):
        return jax.lax.scan(lambda x, _: (w[0] * x * (1 - x), x), w[1], None, length=40)[0]

    assert check_gradient(fun, jax.grad(fun), floats(3.9, 0.3)).verdict != "wrong"


def test_frames_and_series_reach_the_function_untouched():
    pandas = pytest.importorskip("pandas")
    X = pandas.DataFrame(np.random.default_rng(0).normal(size=(6, 3)), columns=list("abc"))
    y = pandas.Series(np.arange(6.0))

    def fun(w, X, y):
        return ((X.loc[:, ["a", "b", "c"]] @ w - y) ** 2).mean()

    def gradient(w, X, y):
        return (2 * X.T @ (X @ w - y) / len(y)).to_numpy()

    assert check_gradient(fun, gradient, np.ones(3), X, y).ok
    assert not check_gradient(fun, lambda *a: 1.001 * gradient(*a), np.ones(3), X, y).ok
