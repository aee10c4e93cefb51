"""Jacobians, Hessians and custom derivative rules: right ones are accepted in every form, a fault of one entry is found."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse
import scipy.sparse.linalg
from support.gradcheck import users_defaults

from softjax import check_hessian, check_jacobian, check_rule
from softjax.testing import assert_hessian, assert_jacobian, assert_rule

RNG = np.random.default_rng(0)
A, W = RNG.normal(size=(4, 3)), RNG.normal(size=3)


@pytest.fixture(autouse=True)
def _as_users_have_it(own_messages):
    with users_defaults():
        yield


def tanh(w):
    return np.tanh(A @ w)


def jacobian(w):
    return (1 - np.tanh(A @ w)[:, None] ** 2) * A


def one_entry_off(w):
    J = jacobian(w)
    J[2, 1] *= 1.01
    return J


@pytest.mark.parametrize(("J", "verdict"), [(jacobian, "right"), (one_entry_off, "wrong")])
@pytest.mark.parametrize(
    "form",
    [
        lambda J: {"claimed": J},
        lambda J: {"claimed": J(W)},
        lambda J: {"claimed": scipy.sparse.csr_array(J(W))},
        lambda J: {"claimed": lambda w: scipy.sparse.coo_array(J(w))},
        lambda J: {"claimed": scipy.sparse.linalg.aslinearoperator(J(W))},
        lambda J: {"claimed": lambda w, v: J(w) @ v, "form": "jvp"},
        lambda J: {"claimed": lambda w, u: J(w).T @ u, "form": "vjp"},
    ],
    ids=["function", "matrix", "sparse", "sparse function", "operator", "jvp", "vjp"],
)
def test_a_jacobian_is_checked_in_every_form(form, J, verdict):
    assert check_jacobian(tanh, params=W, **form(J)).verdict == verdict


def test_the_wrong_row_is_named():
    checks = check_jacobian(tanh, one_entry_off, W)
    assert "the first wrong row of the Jacobian is [2]" in str(checks)
    assert checks[0].worst.index == (1,)


@pytest.mark.parametrize(("factor", "verdict"), [(1, "right"), (1.001, "wrong")])
def test_a_jacobian_in_banded_form(factor, verdict):
    """Against SciPy, which solves with this form."""
    x = RNG.normal(size=6)
    bands = np.array([[0, 1, 1, 1, 1, 1], -2 * x])
    J = np.diag(-2 * x[:-1], 0) @ np.eye(5, 6) + np.eye(5, 6, 1)
    np.testing.assert_allclose(scipy.sparse.dia_array((bands, [1, 0]), shape=(5, 6)).toarray(), J)
    assert check_jacobian(lambda x: x[1:] - x[:-1] ** 2, factor * bands, x, bands=(0, 1)).verdict == verdict


def test_a_jacobian_of_a_pytree_in_jax():
    params = {"W": jnp.asarray(RNG.normal(size=(3, 2)), jnp.float32), "b": jnp.zeros(2)}
    X = jnp.asarray(RNG.normal(size=(5, 3)), jnp.float32)

    def network(params, X):
        return jnp.tanh(X @ params["W"] + params["b"])

    assert check_jacobian(network, jax.jacrev(network), params, X, num_directions=1).ok

    def of_one_output(params, X):
        return jax.tree.map(lambda block: block.at[:, 0].set(0), jax.jacrev(network)(params, X))

    assert not check_jacobian(network, of_one_output, params, X, num_directions=1).ok


def softplus(w):
    return np.log1p(np.exp(A @ w)).sum()


def hessian(w):
    p = 1 / (1 + np.exp(-A @ w))
    return A.T @ ((p * (1 - p))[:, None] * A)


@pytest.mark.parametrize(
    "fun", [softplus, lambda w: float(softplus(w).real)], ids=["complex step", "differences"]
)
@pytest.mark.parametrize(
    "form",
    [
        lambda factor: lambda w: factor * hessian(w),
        lambda factor: factor * hessian(W),
        lambda factor: lambda w, v: factor * hessian(w) @ v,
        lambda factor: scipy.sparse.linalg.aslinearoperator(factor * hessian(W)),
    ],
    ids=["dense", "matrix", "products", "operator"],
)
def test_a_hessian_of_a_numpy_function(fun, form):
    assert check_hessian(fun, form(1.0), W).ok
    assert check_hessian(fun, form(1.001), W).verdict == "wrong"


def test_a_dense_hessian_of_a_jax_function():
    def fun(w):
        return jnp.log1p(jnp.exp(jnp.asarray(A, w.dtype) @ w)).sum()

    w = jnp.asarray(W)
    assert check_hessian(fun, jax.hessian(fun), w, num_directions=1).ok
    assert not check_hessian(fun, lambda w: jax.hessian(fun)(w).at[0, 1].add(1e-3), w, num_directions=1).ok


def rule(derivative, *, vjp):
    """sin(x) k with a rule of its own."""

    def fun(x, k):
        return jnp.sin(x) * k

    if vjp:
        ruled = jax.custom_vjp(fun)
        ruled.defvjp(
            lambda x, k: (fun(x, k), (x, k)), lambda held, u: tuple(u * d for d in derivative(*held))
        )
    else:
        ruled = jax.custom_jvp(fun)
        ruled.defjvp(lambda p, t: (fun(*p), sum(d * v for d, v in zip(derivative(*p), t, strict=True))))
    return ruled


@pytest.mark.parametrize("vjp", [True, False])
def test_a_rule_is_checked_in_every_mode(vjp):
    x, k = jnp.array([1.0, 2.0]), jnp.array([3.0, 4.0])
    right = check_rule(rule(lambda x, k: (jnp.cos(x) * k, jnp.sin(x)), vjp=vjp), x, k)
    modes = ["reverse mode", "forward mode"][: 1 if vjp else 2]
    assert right.names == tuple(mode + how for mode in modes for how in ("", " under jit", " under vmap"))
    assert right.ok
    wrong = check_rule(rule(lambda x, k: (jnp.cos(x) * k, jnp.cos(x)), vjp=vjp), x, k)
    assert {check.verdict for check in wrong} == {"wrong"}
    assert "only in params[1]" in str(wrong)


def test_a_rule_that_is_wrong_in_a_batch_alone_is_found():
    @jax.custom_batching.custom_vmap
    def slope(x):
        return jnp.cos(x)

    slope.def_vmap(lambda size, batched, x: (jnp.sin(x), True))
    ruled = jax.custom_vjp(jnp.sin)
    ruled.defvjp(lambda x: (jnp.sin(x), x), lambda x, u: (u * slope(x),))
    found = check_rule(ruled, 1.0)
    verdicts = dict(zip(found.names, (check.verdict for check in found), strict=True))
    assert verdicts == {
        "reverse mode": "right",
        "reverse mode under jit": "right",
        "reverse mode under vmap": "wrong",
    }


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: check_jacobian(tanh, lambda w: 2 * w, W), r"must have shape \(4, 3\).*got \(3,\)"),
        (lambda: check_jacobian(lambda w: {"a": w}, lambda w: w, W), "must return one array, got dict"),
        (lambda: check_jacobian(tanh, jacobian, W, num_directions=0), "num_directions must be at least 1"),
        (lambda: check_rule(jnp.sin, 1.0), "no custom JVP or VJP rule; check_gradient"),
        (lambda: check_rule(jax.nn.relu, 1), "none of the arguments holds floating"),
    ],
)
def test_what_cannot_be_checked_is_said(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_the_assertions_fail_with_the_report():
    assert_jacobian(tanh, jacobian, W)
    assert_hessian(softplus, hessian, W)
    assert_rule(jax.nn.relu, jnp.array([1.0, -2.0]))
    with pytest.raises(AssertionError, match=r"first wrong row .* \[2\]"):
        assert_jacobian(tanh, one_entry_off, W)
    with pytest.raises(AssertionError, match="twice the gradient"):
        assert_hessian(softplus, lambda w: 2 * hessian(w), W)
    with pytest.raises(AssertionError, match="reverse mode: wrong"):
        assert_rule(rule(lambda x, k: (x, k), vjp=True), jnp.array(1.0), jnp.array(2.0))
