"""jax.nn: activations, normalizations and attention, with the gradient by jax.grad in the type."""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from checkers.registry import ALL_TYPES, TWO_TYPES, RealFunction, by_jax

X = np.array([[-2.3, -0.7, 0.2, 1.4], [0.6, -1.1, 3.1, 0.9]])
W = np.array([[0.2, -1.0, 0.7, 0.4], [1.3, 0.1, -0.8, 0.5]])
GAPS = np.array([80.0, 77.0, 0.0, -90.0])
IN_ALL_TYPES = {"sigmoid", "gelu", "softplus", "log_sigmoid"}


def list_functions(library: str) -> Iterator[RealFunction]:
    """Σ of each activation; Σ w f(x) where the sum alone is constant."""
    nn = jax.nn
    activations: dict[str, Callable[..., Any]] = {
        "relu": nn.relu,
        "relu6": nn.relu6,
        "sigmoid": nn.sigmoid,
        "softplus": nn.softplus,
        "soft_sign": nn.soft_sign,
        "silu": nn.silu,
        "log_sigmoid": nn.log_sigmoid,
        "leaky_relu": nn.leaky_relu,
        "hard_sigmoid": nn.hard_sigmoid,
        "hard_silu": nn.hard_silu,
        "hard_tanh": nn.hard_tanh,
        "elu": nn.elu,
        "celu": nn.celu,
        "selu": nn.selu,
        "gelu": nn.gelu,
        "gelu, exact": lambda x: nn.gelu(x, approximate=False),
        "glu": nn.glu,
        "mish": nn.mish,
        "squareplus": nn.squareplus,
        "sparse_plus": nn.sparse_plus,
        "sparse_sigmoid": nn.sparse_sigmoid,
        "tanh": nn.tanh,
    }
    for name, f in activations.items():
        dtypes = ALL_TYPES if name in IN_ALL_TYPES else TWO_TYPES
        yield from by_jax(library, f"jax.nn.{name}", lambda x, f=f: f(x).sum(), X, dtypes=dtypes)
    for name, f in {"sigmoid": nn.sigmoid, "softplus": nn.softplus, "log_sigmoid": nn.log_sigmoid}.items():
        yield from by_jax(library, f"jax.nn.{name} of large scores", lambda x, f=f: f(x).sum(), 20 * X)
    yield from by_jax(library, "jax.nn.log1mexp", lambda x: nn.log1mexp(x).sum(), np.abs(X))
    weighted: dict[str, Callable[..., Any]] = {
        "softmax": nn.softmax,
        "log_softmax": nn.log_softmax,
        "standardize": nn.standardize,
        "logsumexp": lambda x: nn.logsumexp(x, axis=0, keepdims=True),
        "logmeanexp": lambda x: nn.logmeanexp(x, axis=0, keepdims=True),
    }
    for name, f in weighted.items():
        dtypes = ALL_TYPES if name in ("softmax", "log_softmax") else TWO_TYPES
        yield from by_jax(library, f"jax.nn.{name}", lambda x, w, f=f: (w * f(x)).sum(), X, W, dtypes=dtypes)
    yield from by_jax(library, "jax.nn.logsumexp with large gaps", nn.logsumexp, GAPS)
    yield from by_jax(library, "jax.nn.logsumexp of large scores", nn.logsumexp, 1e4 * X)
    tokens = np.random.default_rng(3).normal(size=(3, 1, 5, 2, 3))

    def attend(q: dict[str, jax.Array]) -> jax.Array:
        return (nn.dot_product_attention(q["q"], q["k"], q["v"]) ** 2).sum()

    yield from by_jax(
        library, "jax.nn.dot_product_attention", attend, dict(zip("qkv", tokens[:, :, :3], strict=True))
    )

    def one_layer(p: dict[str, jax.Array], x: jax.Array, labels: jax.Array) -> jax.Array:
        scores = nn.relu(x @ p["W"] + p["b"]) @ p["V"]
        return -jnp.take_along_axis(nn.log_softmax(scores), labels[:, None], axis=1).mean()

    rng = np.random.default_rng(4)
    params = {"W": rng.normal(size=(4, 5)), "b": rng.normal(size=5), "V": rng.normal(size=(5, 3))}
    yield from by_jax(
        library, "jax.nn.relu, a network", one_layer, params, rng.normal(size=(6, 4)), np.arange(6) % 3, dtypes=ALL_TYPES
    )  # fmt: skip
