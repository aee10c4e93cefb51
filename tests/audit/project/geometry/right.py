"""Rules that are right."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np


@jax.custom_jvp
def log1pexp(x):
    return jnp.log1p(jnp.exp(x))


log1pexp.defjvps(lambda t, value, x: t * jax.nn.sigmoid(x))


@jax.custom_jvp
def norm(x):
    return jnp.sqrt((x**2).sum())


@norm.defjvp
def _norm_jvp(primals, tangents):
    (x,), (t,) = primals, tangents
    value = norm(x)
    return value, jnp.where(value == 0, 0, (x * t).sum() / jnp.where(value == 0, 1, value))


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def logsumexp(x, axis):
    return jax.scipy.special.logsumexp(x, axis)


logsumexp.defvjp(
    lambda x, axis: (logsumexp(x, axis), x),
    lambda axis, x, g: (jnp.expand_dims(g, axis) * jax.nn.softmax(x, axis),),
)


@jax.custom_vjp
def solve(params, scale):
    return scale * jnp.linalg.solve(params["A"], params["b"])


def _solve_backward(saved, g):
    params, scale = saved
    y = jnp.linalg.solve(params["A"].T, g)
    x = jnp.linalg.solve(params["A"], params["b"])
    return {"A": -scale * jnp.outer(y, x), "b": scale * y, "name": None}, g @ x


solve.defvjp(lambda params, scale: (solve(params, scale), (params, scale)), _solve_backward)


def make_power(exponent):
    @jax.custom_jvp
    def power(x):
        return x**exponent

    power.defjvps(lambda t, value, x: exponent * x ** (exponent - 1) * t)
    return power


def rosenbrock(x):
    return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2


def rosenbrock_slope(x):
    return np.array([-400 * x[0] * (x[1] - x[0] ** 2) - 2 * (1 - x[0]), 200 * (x[1] - x[0] ** 2)])
