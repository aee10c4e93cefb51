"""Traced in 64 bits, a function draws the numbers that it draws in 32."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.gradcheck import users_defaults

from softjax.gradcheck.rewrite import draw_in_32_bits

KEY = jax.random.key(3)
DRAWS = {
    "normal": lambda: jax.random.normal(KEY, (5,)),
    "uniform": lambda: jax.random.uniform(KEY, (5,), minval=2.0, maxval=5.0),
    "bernoulli": lambda: jax.random.bernoulli(KEY, 0.3, (50,)),
    "truncated": lambda: jax.random.truncated_normal(KEY, -1.0, 1.0, (5,)),
    "categorical": lambda: jax.random.categorical(KEY, jnp.arange(50.0) / 100),
    "integers": lambda: jax.random.randint(KEY, (5,), 0, 1000),
    "choice": lambda: jax.random.choice(KEY, 1000),
    "permutation": lambda: jax.random.permutation(KEY, 10),
    "gamma": lambda: jax.random.gamma(KEY, 2.0, (3,)),
    "keys of a batch": lambda: jax.vmap(lambda key: jax.random.randint(key, (2,), 0, 9))(
        jax.random.split(KEY, 3)
    ),
    "ends of a batch": lambda: jax.vmap(lambda end: jax.random.randint(KEY, (2,), 0, end))(
        jnp.array([5, 50, 500])
    ),
    "in a loop": lambda: jax.lax.scan(
        lambda x, key: (x, jax.random.normal(key)), 0.0, jax.random.split(KEY, 3)
    )[1],
}


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_a_draw_is_that_of_32_bits(own_messages, draw):
    with users_defaults():
        expected = np.asarray(draw())
        with jax.enable_x64(True):
            found = np.asarray(draw_in_32_bits(lambda _: draw())(0.0))
    np.testing.assert_allclose(found.astype(float), expected.astype(float), rtol=1e-5, atol=1e-6)
