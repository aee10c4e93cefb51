"""Calls JAX's public functions that have derivative rules of their own, with their gradients. JAX's own tests take hours."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import nn
from jax.experimental.ode import odeint
from jax.scipy import special

jax.config.update("jax_softmax_custom_jvp", True)  # the rule of softmax is behind this option
RNG = np.random.default_rng(0)
X = jnp.asarray(RNG.uniform(-2, 2, 7), jnp.float32)
SHARE = jnp.asarray(RNG.uniform(0.1, 0.9, 7), jnp.float32)
POSITIVE = jnp.asarray(RNG.uniform(0.5, 4.0, 7), jnp.float32)
SQUARE = jnp.asarray(RNG.normal(size=(5, 5)), jnp.float32) + 3 * jnp.eye(5)
TALL = jnp.asarray(RNG.normal(size=(5, 3)), jnp.float32)


def find_root(a):
    """The cube root, by Newton's method."""

    def newton(f, start):
        return jax.lax.fori_loop(0, 30, lambda _, y: y - f(y) / (3 * y * y), start)

    return jax.lax.custom_root(
        lambda y: y**3 - a, jnp.ones_like(a), newton, lambda g, y: y / g(jnp.ones_like(y))
    )


def decay(start):
    return odeint(lambda y, t, rate: -rate * y, start, jnp.linspace(0.0, 1.0, 4), 0.7)


FUNCTIONS = {
    "relu": (nn.relu, X),
    "relu6": (nn.relu6, 4 * X),
    "silu": (nn.silu, X),
    "softmax": (nn.softmax, X),
    "softmax of columns": (lambda a: nn.softmax(a, axis=0), SQUARE),
    "softmax where": (lambda a: nn.softmax(a, where=X > 0), X),
    "logsumexp": (nn.logsumexp, X),
    "log1mexp": (nn.log1mexp, POSITIVE),
    "standardize": (nn.standardize, X),
    "i0": (jnp.i0, POSITIVE),
    "sinc": (jnp.sinc, X),
    "sinc of 0": (jnp.sinc, jnp.zeros(3)),
    "frexp": (lambda a: jnp.frexp(a)[0], POSITIVE),
    "logaddexp": (lambda a: jnp.logaddexp(a, POSITIVE), X),
    "logaddexp2": (lambda a: jnp.logaddexp2(a, POSITIVE), X),
    "slogdet": (lambda a: jnp.linalg.slogdet(a)[1], SQUARE),
    "slogdet by QR": (lambda a: jnp.linalg.slogdet(a, method="qr")[1], SQUARE),
    "det": (jnp.linalg.det, SQUARE),
    "det of 3 rows": (jnp.linalg.det, SQUARE[:3, :3]),
    "det of 2 rows": (jnp.linalg.det, SQUARE[:2, :2]),
    "pinv": (jnp.linalg.pinv, TALL),
    "logit": (special.logit, SHARE),
    "xlogy": (lambda a: special.xlogy(a, POSITIVE), SHARE),
    "xlogy of y": (lambda a: special.xlogy(SHARE, a), POSITIVE),
    "xlog1py": (lambda a: special.xlog1py(a, POSITIVE), SHARE),
    "xlog1py of y": (lambda a: special.xlog1py(SHARE, a), POSITIVE),
    "entr": (special.entr, SHARE),
    "rel_entr": (lambda a: special.rel_entr(a, POSITIVE), SHARE),
    "kl_div": (lambda a: special.kl_div(a, POSITIVE), SHARE),
    "zeta": (lambda a: special.zeta(2.5, a), POSITIVE),
    "polygamma": (lambda a: special.polygamma(1, a), POSITIVE),
    "log_ndtr": (special.log_ndtr, 4 * X),
    "expi": (special.expi, POSITIVE),
    "expn": (lambda a: special.expn(1, a), POSITIVE),
    "exp1": (special.exp1, POSITIVE),
    "wofz": (lambda a: jnp.real(special.wofz(a + 0.3j)), X),
    "erfcx": (special.erfcx, X),
    "dawsn": (special.dawsn, X),
    "custom_root": (find_root, POSITIVE),
    "checkpoint": (jax.checkpoint(lambda a: jnp.sin(a) * nn.relu(a)), X),
    "cg": (lambda b: jax.scipy.sparse.linalg.cg(lambda v: SQUARE @ (SQUARE.T @ v), b)[0], SQUARE[0]),
    "odeint": (decay, POSITIVE),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_value_and_gradient_are_finite(name):
    function, argument = FUNCTIONS[name]
    assert np.isfinite(function(argument)).all()
    assert np.isfinite(jax.grad(lambda a: jnp.cos(function(a)).sum())(argument)).all()
