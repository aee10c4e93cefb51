"""Problems for the gradient checker, and JAX as its users have it."""

from contextlib import contextmanager

import jax
import jax.numpy as jnp

from support.problems import problem


@contextmanager
def users_defaults():
    """Functions under test are the users', who have JAX's defaults: it promotes types and ranks."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


def typed(dtype, **options):
    """W, X, y of a random problem, W and X as JAX arrays of a type."""
    W, X, y = problem(**options)
    return jnp.asarray(W, dtype), jnp.asarray(X, dtype), y
