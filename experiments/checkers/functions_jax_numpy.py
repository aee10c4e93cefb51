"""jax.numpy and jax.numpy.linalg, with the gradient by jax.grad in the type."""

from collections.abc import Iterator
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.numpy import linalg

from checkers.registry import RealFunction, by_jax

A = np.array([[3.0, 0.5, -0.4], [0.2, 2.5, 0.7], [-0.3, 0.6, 4.0]])
B = np.array([[0.3, -1.2, 0.8], [0.9, 0.4, -0.5], [1.1, -0.7, 0.2]])
S = A @ A.T / 4
BAD = np.diag([1.0, 1e-2, 1e-3]) + 1e-4 * B  # its condition number is 1e3
TALL = np.vstack([A, B])
b = np.array([1.0, -2.0, 0.5])
X = np.array([[-2.3, -0.7, 0.2, 1.4], [0.6, -1.1, 3.1, 0.9]])


def list_functions(library: str) -> Iterator[RealFunction]:
    """Matrices, then reductions."""
    for name, fun, params, *args in (*list_linalg(), *list_reductions()):
        yield from by_jax(library, f"jax.numpy.{name}", fun, params, *args)


def list_linalg() -> Iterator[tuple[Any, ...]]:
    """jax.numpy.linalg."""
    yield "linalg.det", linalg.det, A
    yield "linalg.det of a small matrix", linalg.det, 1e-6 * A
    yield "linalg.det of a large matrix", linalg.det, 1e4 * A
    yield "linalg.slogdet", lambda A: linalg.slogdet(A)[1], A
    yield "linalg.inv", lambda A, B: jnp.trace(linalg.inv(A) @ B), A, B
    yield "linalg.inv at a condition number of 1e3", lambda A, B: jnp.trace(linalg.inv(A) @ B), BAD, B
    yield "linalg.solve", lambda p: linalg.solve(p["A"], p["b"]).sum(), {"A": A, "b": b}
    yield "linalg.norm", linalg.norm, A
    yield "linalg.norm, nuclear", lambda A: linalg.norm(A, "nuc"), A
    yield "linalg.norm, the largest singular value", lambda A: linalg.norm(A, 2), A
    yield "linalg.norm of a vector, p = 3", lambda x: linalg.norm(x, 3), b
    yield "linalg.vector_norm", linalg.vector_norm, X
    yield "linalg.eigvalsh", lambda S: jnp.log(linalg.eigvalsh(S)).sum(), S
    yield "linalg.eigh", lambda S: (linalg.eigh(S)[1][:, -1] ** 4).sum(), S
    yield "linalg.svd", lambda A: (linalg.svd(A)[0][:, 0] ** 4).sum(), A
    yield "linalg.svdvals", lambda A: (linalg.svdvals(A) ** 3).sum(), TALL
    yield "linalg.qr", lambda A: (linalg.qr(A)[1] ** 4).sum(), TALL
    yield "linalg.cholesky", lambda S: linalg.cholesky(S).sum(), S
    yield "linalg.pinv", lambda A: linalg.pinv(A).sum(), TALL
    yield "linalg.lstsq", lambda A: linalg.lstsq(A, jnp.ones(6, A.dtype))[0].sum(), TALL
    yield "linalg.matrix_power", lambda A: jnp.trace(linalg.matrix_power(A, 3)), A
    yield "linalg.multi_dot", lambda A, B: linalg.multi_dot([A, B, A]).sum(), A, B
    yield "linalg.cond", linalg.cond, A
    yield "linalg.tensorinv", lambda A: linalg.tensorinv(A.reshape(3, 3), ind=1).sum(), A
    yield "linalg.cross", lambda p: (linalg.cross(p["A"], p["B"]) ** 2).sum(), {"A": A, "B": B}


def list_reductions() -> Iterator[tuple[Any, ...]]:
    """Reductions and others of jax.numpy."""
    yield "logaddexp", lambda x: jnp.logaddexp(x[0], x[1]).sum(), X
    yield "var", jnp.var, X
    yield "var of values far from 0", jnp.var, 1e3 + X
    yield "std", jnp.std, X
    yield "prod", jnp.prod, X
    yield "cumprod", lambda x: jnp.cumprod(x).sum(), X
    yield "median", jnp.median, X
    yield "quantile", lambda x: jnp.quantile(x, 0.3), X
    yield "sort", lambda x: (jnp.sort(x.ravel()) * jnp.arange(8)).sum(), X
    yield "max", jnp.max, X
    yield "interp", lambda x: jnp.interp(x, jnp.arange(-3.0, 5.0), jnp.arange(8.0) ** 2).sum(), X
    yield "sinc", lambda x: jnp.sinc(x).sum(), X
    yield "arctan2", lambda x: jnp.arctan2(x[0], x[1]).sum(), X
    yield "hypot", lambda x: jnp.hypot(x[0], x[1]).sum(), X
    yield "fft.rfft", lambda x: (jnp.abs(jnp.fft.rfft(x)) ** 3).sum(), X
    yield "corrcoef", lambda x: jnp.corrcoef(x)[0, 1], X
    yield "einsum", lambda x: jnp.einsum("ij,kj,kl->", x, x, x), X
    yield "polyval", lambda p: (jnp.polyval(p, jnp.arange(4.0)) ** 2).sum(), b
    yield "convolve", lambda x: (jnp.convolve(x[0], x[1]) ** 2).sum(), X
    yield "log1p, expm1", lambda x: (jnp.log1p(x**2) * jnp.expm1(x)).sum(), 1e-3 * X
