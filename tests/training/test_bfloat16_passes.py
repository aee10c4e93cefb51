"""A TPU multiplies float32 in passes of bfloat16: one by default, three for "high", six for "highest". Here a CPU does the same.

A factor is split into parts of bfloat16; the products of parts are exact in float32, and are summed there.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from softjax import SweepConfig, compilation, load_dataset, regularization_path, sweep
from softjax.objective import gradient
from softjax.objective.config import Objective
from softjax.path import problem
from softjax.training import step

PARTS = {"default": 1, "high": 2, "highest": 3}


def split_into_parts(a, number):
    parts = []
    for _ in range(number):
        parts.append(a.astype(jnp.bfloat16).astype(jnp.float32))
        a = a - parts[-1]
    return parts


def multiply_in_passes(a, b, precision="highest"):
    """The product of float32 matrices from those of their leading parts: 1, 3 or 6, the smallest first."""
    number = PARTS[precision]
    A, B = split_into_parts(a, number), split_into_parts(b, number)
    pairs = [(i, order - i) for order in reversed(range(number)) for i in range(order + 1)]
    assert len(pairs) == {"default": 1, "high": 3, "highest": 6}[precision]
    return sum(jnp.matmul(A[i], B[j], precision="highest") for i, j in pairs)


@pytest.fixture
def tpu(monkeypatch):
    """Has all products of float32 matrices be computed in passes, and the weights aligned as on a TPU."""
    compilation._compile.cache_clear()
    for room in ("objective.gradient", "evaluation.examples", "path.passes", "path.evaluate"):
        monkeypatch.setattr(f"softjax.{room}.matmul", multiply_in_passes)
    monkeypatch.setattr(step, "choose_alignment", lambda *_: 128)
    monkeypatch.setattr(problem.Problem, "backend", property(lambda _: "tpu"))
    yield
    compilation._compile.cache_clear()


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits")


@pytest.fixture(scope="module")
def pixels():
    """Weights (K, D), features (N, D) and labels of the size of the course's."""
    rng = np.random.default_rng(0)
    X = np.hstack([rng.integers(0, 256, (200, 3072)) - 127.0, np.ones((200, 1))]).astype(np.float32)
    return (
        (1e-3 * rng.normal(size=(10, 3073))).astype(np.float32),
        X,
        rng.integers(0, 10, 200).astype(np.int32),
    )


@pytest.mark.parametrize(
    ("precision", "least", "most"),
    [("default", 2.0**-11, 2.0**-8), ("high", 2.0**-20, 2.0**-16), ("highest", 0, 2.0**-20)],
)
def test_the_gradient_has_the_digits_of_its_passes(pixels, tpu, monkeypatch, precision, least, most):
    W, X, y = pixels
    objective, reg = Objective("softmax", "l2"), np.float32(0.1)
    value, _, grad = gradient.loss_and_grad_kd(*map(jnp.asarray, (W, X, y)), reg, objective, precision)
    monkeypatch.undo()
    with jax.enable_x64(True):
        wide = (jnp.asarray(W, float), jnp.asarray(X, float), jnp.asarray(y))
        exact, _, true = map(np.asarray, gradient.loss_and_grad_kd(*wide, float(reg), objective))
    error = np.linalg.norm(grad - true) / np.linalg.norm(true)
    assert least <= error <= most
    assert abs(float(value) / exact - 1) <= most


@pytest.mark.parametrize(("precision", "weights"), [("default", 2e-2), ("high", 1e-4), ("highest", 1e-5)])
def test_a_sweep_in_passes_is_that_on_a_cpu_within_its_digits(digits, request, precision, weights):
    options = {"learning_rates": (0.003, 0.03), "regs": (0.001,), "num_iters": 30, "num_seeds": 1}
    plain = sweep(digits, SweepConfig(**options))
    request.getfixturevalue("tpu")
    there = sweep(digits, SweepConfig(**options, precision=precision))
    error = np.linalg.norm(there.best_weights - plain.best_weights) / np.linalg.norm(plain.best_weights)
    assert 0 < error <= weights
    np.testing.assert_allclose(there.val_accuracy, plain.val_accuracy, atol=0.01)


def test_a_path_in_six_passes_reaches_its_certificate(digits, request, monkeypatch):
    monkeypatch.setattr(problem, "LARGEST_DENSE", 0)
    plain = regularization_path(digits, regs=(0.01, 1.0))
    request.getfixturevalue("tpu")
    there = regularization_path(digits, regs=(0.01, 1.0))
    assert there.converged.all()
    assert there.solved_in == ("float32", "float32")
    np.testing.assert_allclose(there.objective, plain.objective, rtol=2e-6)
