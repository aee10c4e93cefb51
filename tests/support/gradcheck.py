"""Problems for the gradient checker, and JAX as its users have it."""

from contextlib import contextmanager
from typing import get_args

import jax
import jax.numpy as jnp
from conftest import problem

from softjax.objective.config import PenaltyName

PENALTIES = get_args(PenaltyName)


@contextmanager
def users_defaults():
    """Functions under test are the users', who have JAX's defaults: it promotes types and ranks."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


def typed(dtype, **options):
    """W, X, y of a random problem, W and X as JAX arrays of a type."""
    W, X, y = problem(**options)
    return jnp.asarray(W, dtype), jnp.asarray(X, dtype), y
