"""jax.scipy: special functions, distributions and others, with the gradient by jax.grad in the type."""

from collections.abc import Iterator
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.scipy import integrate, interpolate, linalg, ndimage, signal, special, stats

from checkers.registry import TWO_TYPES, RealFunction, by_jax

REAL = np.array([-1.7, -0.6, 0.3, 0.9, 2.4])
POSITIVE = np.array([0.3, 0.8, 1.7, 2.6, 5.5])
UNIT = np.array([0.08, 0.25, 0.4, 0.7, 0.93])
TALL = np.array([12.0, 45.0, 300.0, 2500.0, 1e4])
A = np.array([[3.0, 0.5, -0.4], [0.2, 2.5, 0.7], [-0.3, 0.6, 4.0]])
S = A @ A.T / 4
b = np.array([1.0, -2.0, 0.5])


def list_functions(library: str) -> Iterator[RealFunction]:
    """The functions of each module of jax.scipy."""
    for listed in (list_special, list_stats, list_others):
        for name, fun, params, *args in listed():
            yield from by_jax(library, f"jax.scipy.{name}", fun, params, *args, dtypes=TWO_TYPES)


def list_special() -> Iterator[tuple[Any, ...]]:
    """Σ of the special functions."""
    of_one = {
        "gammaln": (special.gammaln, POSITIVE),
        "gammaln at large values": (special.gammaln, TALL),
        "gammaln at small values": (special.gammaln, 1e-6 * POSITIVE),
        "digamma": (special.digamma, POSITIVE),
        "gamma": (special.gamma, POSITIVE),
        "polygamma(2, x)": (lambda x: special.polygamma(2, x), POSITIVE),
        "expit": (special.expit, REAL),
        "logit": (special.logit, UNIT),
        "erf": (special.erf, REAL),
        "erfc": (special.erfc, REAL),
        "erfinv": (special.erfinv, REAL / 3),
        "ndtr": (special.ndtr, REAL),
        "ndtri": (special.ndtri, UNIT),
        "log_ndtr": (special.log_ndtr, REAL),
        "log_ndtr at −30": (special.log_ndtr, np.array([-30.0, -28.5, -12.0])),
        "entr": (special.entr, POSITIVE),
        "i0": (special.i0, REAL),
        "i0e": (special.i0e, REAL),
        "i1": (special.i1, REAL),
        "i1e": (special.i1e, REAL),
        "expi": (special.expi, POSITIVE),
        "exp1": (special.exp1, POSITIVE),
        "expn(3, x)": (lambda x: special.expn(3, x), POSITIVE),
        "spence": (special.spence, np.array([0.3, 0.8, 0.9, 2.6, 5.5])),  # JAX gives NaN at 1.7
        "zeta(3, q)": (lambda q: special.zeta(3.0, q), POSITIVE),
        "gammainc(2.5, x)": (lambda x: special.gammainc(2.5, x), POSITIVE),
        "gammainc(a, 1.5)": (lambda a: special.gammainc(a, 1.5), POSITIVE),
        "gammaincc(2.5, x)": (lambda x: special.gammaincc(2.5, x), POSITIVE),
        "betainc(2, 3.5, x)": (lambda x: special.betainc(2.0, 3.5, x), UNIT),
        "multigammaln(a, 3)": (lambda a: special.multigammaln(a, 3), np.array([2.2, 3.7, 9.0])),
        "hyp1f1(1.5, 2.5, x)": (lambda x: special.hyp1f1(1.5, 2.5, x), REAL),
        "dawsn": (special.dawsn, REAL),
        "erfcx": (special.erfcx, REAL),
        "owens_t(h, 0.7)": (lambda h: special.owens_t(h, 0.7), REAL),
        "boxcox(x, 0.4)": (lambda x: special.boxcox(x, 0.4), POSITIVE),
    }
    for name, (f, x) in of_one.items():
        yield f"special.{name}", lambda x, f=f: f(x).sum(), x
    pair = {"x": POSITIVE, "y": POSITIVE[::-1] + 0.1}
    for name in ("xlogy", "xlog1py", "kl_div", "rel_entr", "betaln", "beta", "poch"):
        f = getattr(special, name)
        yield f"special.{name}", lambda p, f=f: f(p["x"], p["y"]).sum(), pair
    yield "special.logsumexp with large gaps", special.logsumexp, np.array([800.0, 797.0, 0.0, -900.0])
    yield "special.logsumexp with weights", lambda x, w: special.logsumexp(x, b=w), REAL, POSITIVE


def list_stats() -> Iterator[tuple[Any, ...]]:
    """Σ log densities by location and scale, or by the distribution's own parameters."""
    place = {"loc": np.array(0.35), "scale": np.array(1.4)}
    for name in ("norm", "logistic", "cauchy", "laplace"):
        logpdf = getattr(stats, name).logpdf
        yield f"stats.{name}.logpdf", lambda p, x, f=logpdf: f(x, p["loc"], p["scale"]).sum(), place, REAL
    of_shapes = {
        "t.logpdf": (lambda p, x: stats.t.logpdf(x, p["a"]), {"a": 5.0}, REAL),
        "gamma.logpdf": (
            lambda p, x: stats.gamma.logpdf(x, p["a"], scale=p["b"]),
            {"a": 2.5, "b": 1.2},
            POSITIVE,
        ),
        "beta.logpdf": (lambda p, x: stats.beta.logpdf(x, p["a"], p["b"]), {"a": 1.7, "b": 2.6}, UNIT),
        "chi2.logpdf": (lambda p, x: stats.chi2.logpdf(x, p["a"]), {"a": 3.5}, POSITIVE),
        "pareto.logpdf": (lambda p, x: stats.pareto.logpdf(x, p["a"]), {"a": 2.5}, 1 + POSITIVE),
        "expon.logpdf": (lambda p, x: stats.expon.logpdf(x, scale=p["a"]), {"a": 2.5}, POSITIVE),
        "gennorm.logpdf": (lambda p, x: stats.gennorm.logpdf(x, p["a"]), {"a": 1.8}, REAL),
        "vonmises.logpdf": (lambda p, x: stats.vonmises.logpdf(x, p["a"]), {"a": 2.0}, REAL),
        "wrapcauchy.logpdf": (lambda p, x: stats.wrapcauchy.logpdf(x, p["a"]), {"a": 0.4}, POSITIVE),
        "truncnorm.logpdf": (lambda p, x: stats.truncnorm.logpdf(x, -2.0, 3.0, p["a"]), {"a": 0.1}, REAL),
        "norm.logcdf": (lambda p, x: stats.norm.logcdf(x, p["a"]), {"a": 0.1}, REAL),
    }
    counts = np.array([0, 1, 3, 2, 6])
    of_counts = {
        "poisson.logpmf": (lambda p, k: stats.poisson.logpmf(k, p["a"]), {"a": 2.5}),
        "nbinom.logpmf": (lambda p, k: stats.nbinom.logpmf(k, 3, p["a"]), {"a": 0.4}),
        "binom.logpmf": (lambda p, k: stats.binom.logpmf(k, 8, p["a"]), {"a": 0.4}),
        "geom.logpmf": (lambda p, k: stats.geom.logpmf(k + 1, p["a"]), {"a": 0.4}),
    }
    for name, (f, shapes, *x) in (of_shapes | of_counts).items():
        params = {key: np.array(value) for key, value in shapes.items()}
        yield f"stats.{name}", lambda p, x, f=f: f(p, x).sum(), params, *(x or [counts])
    yield (
        "stats.multivariate_normal.logpdf",
        lambda p, x: stats.multivariate_normal.logpdf(x, p["mean"], p["cov"]),
        {"mean": b, "cov": S},
        np.array([0.2, 0.1, -0.4]),
    )
    yield (
        "stats.dirichlet.logpdf",
        lambda a, x: stats.dirichlet.logpdf(x, a),
        np.array([1.5, 2.5, 0.7]),
        np.array([0.2, 0.5, 0.3]),
    )
    yield "stats.gaussian_kde", lambda t, x: stats.gaussian_kde(x)(t).sum(), np.array([-0.5, 0.2, 1.5]), REAL


def list_others() -> Iterator[tuple[Any, ...]]:
    """Linear algebra, signals, images, interpolation, integrals."""
    yield "linalg.expm", lambda A: (linalg.expm(A) ** 2).sum(), A / 4
    yield "linalg.cholesky", lambda S: linalg.cholesky((S + S.T) / 2).sum(), S
    yield "linalg.cho_solve", lambda S, b: b @ linalg.cho_solve(linalg.cho_factor((S + S.T) / 2), b), S, b
    yield (
        "linalg.solve_triangular",
        lambda p: linalg.solve_triangular(p["A"], p["b"]).sum(),
        {"A": A, "b": b},
    )
    yield (
        "linalg.solve, a positive matrix",
        lambda S, b: linalg.solve((S + S.T) / 2, b, assume_a="pos").sum(),
        S,
        b,
    )
    yield "linalg.lu", lambda A: (linalg.lu(A)[2] ** 2).sum(), A
    yield "linalg.polar", lambda A: linalg.polar(A, method="svd")[1].sum(), A
    yield "linalg.eigh", lambda S: jnp.log(linalg.eigh((S + S.T) / 2, eigvals_only=True)).sum(), S
    x, kernel = REAL, np.array([0.5, -1.0, 0.25])
    yield "signal.convolve", lambda x, h: (signal.convolve(x, h) ** 2).sum(), x, kernel
    yield "signal.correlate", lambda x, h: (signal.correlate(x, h) ** 2).sum(), x, kernel
    yield "signal.detrend", lambda x: (signal.detrend(x) ** 2).sum(), x
    image = np.outer(REAL, UNIT)
    yield (
        "ndimage.map_coordinates",
        lambda p, image: ndimage.map_coordinates(image, [p["x"], p["y"]], order=1).sum(),
        {"x": np.array([0.3, 1.6, 2.2]), "y": np.array([2.7, 0.4, 1.1])},
        image,
    )
    grid = np.array([0.0, 1.0, 2.5, 3.0, 4.0])

    def interpolated(x: Any, image: Any) -> Any:
        return interpolate.RegularGridInterpolator((grid, grid), image)(x).sum()  # type: ignore[no-untyped-call]

    yield "interpolate.RegularGridInterpolator", interpolated, np.array([[0.3, 2.7], [1.6, 0.4]]), image
    yield "integrate.trapezoid", lambda y: integrate.trapezoid(jnp.exp(y), dx=0.25), REAL
