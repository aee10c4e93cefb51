"""Complex parameters, holomorphic functions and batches are checked as real scalar functions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.gradcheck import users_defaults

from softjax import check_gradient

RNG = np.random.default_rng(0)
Z = RNG.normal(size=3) + 1j * RNG.normal(size=3)


@pytest.fixture(autouse=True)
def _as_users_have_it(own_messages):
    with users_defaults():
        yield


def fourth_power(z):
    return (abs(z) ** 4).sum()


def by_numpy(z):
    return 4 * np.abs(z) ** 2 * np.conj(z)


def test_a_gradient_by_complex_parameters_is_that_of_jax():
    z = jnp.asarray(Z, jnp.complex64)
    assert check_gradient(fourth_power, jax.grad(fourth_power), z).ok
    assert check_gradient(fourth_power, by_numpy, Z).ok
    assert check_gradient(lambda p: fourth_power(p["z"]) * p["r"], lambda p: {"z": by_numpy(p["z"]) * p["r"], "r": fourth_power(p["z"])}, {"z": Z, "r": np.array(2.0)}).ok  # fmt: skip


def test_the_conjugate_and_a_fault_are_found():
    conjugate = check_gradient(fourth_power, lambda z: np.conj(by_numpy(z)), Z)
    assert conjugate.verdict == "wrong"
    assert "conjugate" in conjugate.diagnosis
    imaginary_off = check_gradient(fourth_power, lambda z: by_numpy(z) + 1e-3j * np.array([0, 1, 0]), Z)
    assert imaginary_off.verdict == "wrong"
    assert "imag" in imaginary_off.worst.name


def test_tensors_have_the_convention_of_pytorch():
    torch = pytest.importorskip("torch")

    def gradient(z):
        z = z.clone().requires_grad_()
        fourth_power(z).backward()
        return z.grad

    z = torch.tensor(Z)
    assert check_gradient(fourth_power, gradient, z).ok
    assert "conjugate" in check_gradient(fourth_power, lambda z: gradient(z).conj(), z).diagnosis


def test_a_holomorphic_function_has_one_complex_derivative():
    def fun(z):
        return jnp.sum(jnp.sin(z) * z)

    z = jnp.asarray(Z, jnp.complex64)
    assert check_gradient(fun, jax.grad(fun, holomorphic=True), z, holomorphic=True).ok
    assert check_gradient(lambda z: np.sum(z**3), lambda z: 3 * z**2, Z, holomorphic=True).ok

    def not_holomorphic(z):
        return jnp.sum(jnp.sin(z) * jnp.conj(z))

    claim = jax.grad(not_holomorphic, holomorphic=True)
    assert not check_gradient(not_holomorphic, claim, z, holomorphic=True).ok
    # right in the real part alone
    assert not check_gradient(
        lambda z: np.sum(z.real + 2j * z.imag), lambda z: np.ones_like(z), Z, holomorphic=True
    ).ok


def test_a_batch_is_checked_at_once_and_a_leak_between_its_points_is_found():
    X = RNG.normal(size=(6, 3))
    assert check_gradient(lambda X: (X**3).sum(axis=1), lambda X: 3 * X**2, X, batched=True).ok

    def normalized(X):
        return ((X - X.mean(axis=0)) ** 2).sum(axis=1)

    def as_if_alone(X):
        return 2 * (X - X.mean(axis=0))

    assert not check_gradient(normalized, as_if_alone, X, batched=True).ok
    of_sum = check_gradient(lambda X: normalized(X).sum(), as_if_alone, X)
    assert of_sum.ok  # the sum does not show it


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: check_gradient(lambda z: z.sum(), lambda z: z, Z),
            "real number, got complex128: give holomorphic",
        ),
        (lambda: check_gradient(fourth_power, by_numpy, Z, holomorphic=True), "complex number, got float64"),
        (
            lambda: check_gradient(np.sum, np.sign, Z.real, holomorphic=True),
            "every parameter must be complex",
        ),
        (
            lambda: check_gradient(np.sum, np.sign, Z.real, batched=True),
            r"one value for each point.*shape \(\)",
        ),
    ],
)
def test_what_cannot_be_checked_is_said(call, message):
    with pytest.raises(ValueError, match=message):
        call()
