"""The made-up package's own tests. They pass: no test of theirs compares a derivative."""

import jax
import jax.numpy as jnp
import numpy as np
from geometry import meant, right, wrong
from scipy.optimize import minimize, root

X = jnp.linspace(-2.5, 3.0, 6)


def test_compiled():
    assert jax.jit(right.log1pexp)(X).shape == (6,)
    assert jax.jit(jax.grad(lambda x: right.norm(x) + wrong.twice(x).sum()))(X).shape == (6,)
    assert right.norm(jnp.zeros(3)) == 0


def test_for_a_batch():
    assert jax.vmap(lambda x: right.logsumexp(x, 0))(X.reshape(3, 2)).shape == (3,)
    assert jax.jit(jax.vmap(jax.grad(wrong.sign)))(X).shape == (6,)
    assert jax.vmap(jax.vmap(meant.straight_through))(X.reshape(3, 2)).shape == (3, 2)


def test_in_a_loop():
    total, _ = jax.lax.scan(lambda total, x: (total + wrong.half_line(x), None), 0.0, X)
    assert total > 0
    assert jax.lax.while_loop(lambda x: x < 10, lambda x: wrong.unweighted(x) + 1, 1.5) > 10


def test_arguments_that_are_no_arrays():
    params = {"A": jnp.array([[2.0, 0.3], [0.1, 1.5]]), "b": jnp.array([1.0, -1.0]), "name": None}
    assert right.solve(params, scale=2.0).shape == (2,)
    assert meant.reverse(X, 0.5).shape == (6,)
    assert right.make_power(3)(X).shape == (6,)


def test_outputs():
    assert wrong.transposed(jnp.array([[1.0, 2.0], [3.0, 4.0]]), X[:2]).shape == (2,)
    assert wrong.mean(X, X**2) > 0
    assert meant.smoothed(X).shape == meant.damped(X).shape == (6,)


def test_second_order():
    assert np.isfinite(jax.hessian(lambda x: wrong.second(x).sum())(X[:2])).all()


def test_optimizers():
    found = minimize(right.rosenbrock, np.array([-1.2, 1.0]), jac=right.rosenbrock_slope)
    assert np.allclose(found.x, 1, atol=1e-3)
    assert root(wrong.circle, [1.0, 2.0], args=(2.0,), jac=wrong.circle_slope).x.shape == (2,)


def test_the_program_itself():
    assert len(jax.make_jaxpr(right.log1pexp)(X).eqns) == 1
