"""Rules that differ from the derivative on purpose, and two that no test calls."""

from functools import partial

import jax
import jax.numpy as jnp


@jax.custom_vjp
def straight_through(x):
    return jnp.round(x)


straight_through.defvjp(lambda x: (jnp.round(x), None), lambda _, g: (g,))


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def reverse(x, strength):
    return x


reverse.defvjp(lambda x, strength: (x, None), lambda strength, _, g: (-strength * g,))


@jax.custom_jvp
# the slope of a smoother function.  softjax: intended
def smoothed(x):
    return jnp.abs(x)


smoothed.defjvps(lambda t, value, x: t * jnp.tanh(3 * x))


@jax.custom_jvp
def damped(x):
    return x**2


damped.defjvps(lambda t, value, x: t * x)


@jax.custom_jvp
def forgotten(x):
    return x**2


forgotten.defjvps(lambda t, value, x: 3 * t * x)


def _plain(x):
    return x**2


unused = jax.custom_vjp(_plain)
unused.defvjp(lambda x: (x**2, x), lambda x, g: (g * x,))
