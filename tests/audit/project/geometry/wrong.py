"""Rules with a fault each."""

import jax
import jax.numpy as jnp
import numpy as np


@jax.custom_jvp
def twice(x):
    return jnp.sin(x)


twice.defjvps(lambda t, value, x: 2 * t * jnp.cos(x))


@jax.custom_jvp
def sign(x):
    return jnp.cos(x)


sign.defjvps(lambda t, value, x: t * jnp.sin(x))


@jax.custom_vjp
def transposed(A, x):
    return A @ x


transposed.defvjp(lambda A, x: (A @ x, (A, x)), lambda saved, g: (jnp.outer(g, saved[1]), saved[0] @ g))


@jax.custom_vjp
def unweighted(x):
    return x**3


unweighted.defvjp(lambda x: (x**3, x), lambda x, g: (3 * x**2,))


@jax.custom_jvp
def half_line(x):
    return jnp.abs(x) ** 3


half_line.defjvps(lambda t, value, x: t * 3 * x**2)


@jax.custom_vjp
def mean(x, y):
    return ((x - y) ** 2).mean()


mean.defvjp(lambda x, y: (mean(x, y), (x, y)), lambda saved, g: (2 * g * (saved[0] - saved[1]),) * 2)


@jax.custom_jvp
def second(x):
    return jnp.exp(x)


second.defjvps(lambda t, value, x: t * jax.lax.stop_gradient(jnp.exp(x)))


def circle(x, radius):
    return np.array([x[0] ** 2 + x[1] ** 2 - radius**2, x[0] - x[1]])


def circle_slope(x, radius):
    return np.array([[2 * x[0], x[1]], [1.0, -1.0]])
