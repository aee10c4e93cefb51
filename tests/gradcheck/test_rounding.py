"""NumPy's evaluation of a traced function is JAX's, and the deviation is what rounding really does."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from mpmath import mp
from support.problems import problem

import softjax
from softjax.gradcheck.interpreter import NotAnalytic, evaluate
from softjax.gradcheck.rounding import Rounding, find_lowest_precision, measure_deviation

rng = np.random.default_rng(0)
A, B, v = rng.normal(size=(4, 4)), rng.normal(size=(3, 4, 2)), rng.uniform(0.5, 2, size=4)

FUNCTIONS = {
    "elementwise": lambda: jnp.sum(
        jnp.exp(v) / jnp.log1p(v) - jnp.sqrt(v) ** 3 + jnp.tanh(v) * jnp.sin(v) ** -2
    ),
    "logistic": lambda: jnp.sum(jax.nn.sigmoid(v) + jax.nn.softplus(v) + jax.scipy.special.erf(v)),
    "contractions": lambda: jnp.einsum("ij,bjk,bli->kl", A, B, jnp.swapaxes(B, 1, 2) @ A),
    "batched product": lambda: jnp.matmul(B.swapaxes(1, 2), B),
    "structure": lambda: jnp.concatenate([A[1:3, ::2].ravel(), jnp.pad(v, 1), jnp.roll(v, 1)[::-1]]),
    "choices": lambda: jnp.where(A > 0, jnp.maximum(A, 0.3), jnp.clip(A, -0.5, 0.5)).max(axis=1),
    "indices": lambda: jnp.asarray(A)[jnp.array([2, 0]), jnp.argmax(A, axis=0)[:2]] + jnp.cumsum(v)[:2],
    "logsumexp": lambda: jax.nn.logsumexp(A, axis=0) + jax.nn.log_softmax(A)[0],
    "linear algebra": lambda: jnp.linalg.solve(A @ A.T, v) * jnp.linalg.slogdet(A)[1],
    "a loop": lambda: jax.lax.fori_loop(0, 3, lambda i, x: x * A[0, 0] + i, 1.0),
    "a scan": lambda: jax.lax.scan(lambda c, x: (c * x + 1, jnp.sin(c)), jnp.asarray(1.0, A.dtype), v)[1],
    "a branch": lambda: jax.lax.cond(v[0] > 0, jnp.sin, jnp.cos, v[1]),
    "integers": lambda: jnp.sum(jnp.arange(5) // 2 % 2 - jnp.abs(jnp.array([-3, 2, 0, 1, -1]))) * 1.0,
    "a barrier": lambda: jax.lax.optimization_barrier((v, jnp.asarray(A)))[1] * 2,
    "a custom rule": lambda: softjax.softmax_cross_entropy(A, np.arange(4)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.filterwarnings("ignore:scatter inputs have incompatible types")
def test_evaluation_agrees_with_jax(x64, name):
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        traced = jax.make_jaxpr(FUNCTIONS[name])()
        np.testing.assert_allclose(evaluate(traced, [])[0], FUNCTIONS[name](), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("kind", ["softmax", "hinge"])
@pytest.mark.parametrize("penalty", ["l2", "l1"])
def test_the_complex_step_passes_through_comparisons(x64, kind, penalty):
    W, X, y = problem()
    traced = jax.make_jaxpr(lambda W: softjax.loss(W, X, y, 0.3, kind=kind, penalty=penalty))(W)
    direction = rng.normal(size=W.shape)
    slope = evaluate(traced, [W + 1e-100j * direction])[0].imag / 1e-100
    gradient = jax.grad(softjax.loss)(W, X, y, 0.3, kind=kind, penalty=penalty)
    assert slope == pytest.approx(float((gradient * direction).sum()), rel=1e-12)


def test_operations_without_a_complex_rule_say_so(x64):
    traced = jax.make_jaxpr(lambda A: jnp.linalg.slogdet(A)[1])(A)
    with pytest.raises(NotAnalytic):
        evaluate(traced, [A + 1e-100j])


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16", "float16"])
def test_the_unit_roundoff_is_half_the_spacing_at_one(dtype):
    one = np.ones((), dtype)
    unit = Rounding.of(dtype).unit
    with jax.enable_x64(True):
        assert (np.float64(one) + 2 * unit).astype(dtype) != one
        assert (np.float64(one) + 0.99 * unit).astype(dtype) == one


def test_the_deviation_of_a_sum_is_that_of_its_terms(x64):
    """1 − 1 + 1e-3 has an error of the size of its terms, not of its result."""
    x = np.array([1.0, -1.0, 1e-3])
    traced = jax.make_jaxpr(jnp.sum)(x)
    (value,), (deviation,) = measure_deviation(traced, [x], Rounding.of(np.float32))
    assert value == pytest.approx(1e-3)
    assert deviation == pytest.approx(2.001 * 2.0**-24, rel=1e-12)


@pytest.mark.parametrize("scale", [0.1, 3.0])
def test_the_deviation_is_the_size_of_real_rounding_errors(scale):
    """Float32 gradients against 50 digits of the same problem."""
    W, X, y = problem(num_examples=40, num_features=12, num_classes=5, scale=scale, dtype=np.float32)
    gradient = np.asarray(jax.grad(softjax.loss)(W, X, y), np.float64)
    with mp.workdps(50):
        exact = np.zeros(W.shape)
        for d, k in np.ndindex(*W.shape):
            total = mp.mpf(0)
            for x, label in zip(X.tolist(), y.tolist(), strict=True):
                s = [mp.fdot(x, W[:, j].tolist()) for j in range(5)]
                p = mp.exp(s[k]) / mp.fsum(map(mp.exp, s))
                total += (p - (k == label)) * x[d]
            exact[d, k] = total / len(y)
    with jax.enable_x64(True):
        W64, X64 = W.astype(np.float64), X.astype(np.float64)
        traced = jax.make_jaxpr(jax.grad(lambda W: softjax.loss(W, X64, y)))(W64)
        (reference,), (deviation,) = measure_deviation(traced, [W64], Rounding.of(np.float32))
    np.testing.assert_allclose(reference, exact, rtol=1e-9, atol=1e-14)
    ratio = np.abs(gradient - exact) / deviation
    assert 0.1 < np.sqrt((ratio**2).mean()) < 1.5
    assert ratio.max() < 5


def test_the_lowest_precision_is_found_inside_calls(x64):
    assert find_lowest_precision(jax.make_jaxpr(jnp.sin)(1.0)) == np.float64
    inside = jax.jit(lambda x: jnp.sin(x.astype(jnp.float16)).astype(jnp.float64))
    assert find_lowest_precision(jax.make_jaxpr(lambda x: inside(x) * 2)(np.float64(1))) == np.float16


def test_what_only_compilers_see_rounds_nothing(x64):
    traced = jax.make_jaxpr(lambda x: jax.lax.optimization_barrier(jax.lax.optimization_barrier(x)))(v)
    _, (deviation,) = measure_deviation(traced, [v], Rounding.of(np.float32))
    assert (deviation == 0).all()


def test_a_loop_under_vmap_stops_for_each_part_by_itself():
    def halvings(x):
        return jax.lax.while_loop(
            lambda state: state[0] > 1, lambda state: (state[0] / 2, state[1] + state[0]), (x, x)
        )[1]

    x = np.array([1.0, 5.0, 100.0])
    with jax.enable_x64(True):
        traced = jax.make_jaxpr(jax.vmap(halvings))(x)
        (interpreted,) = evaluate(traced, [x], lambda eqn, inputs, outputs: outputs)
        np.testing.assert_array_equal(interpreted, jax.vmap(halvings)(x))
