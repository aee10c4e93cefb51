"""scipy.special: sums of functions of each entry, with the derivatives of the NIST handbook of mathematical functions."""

from collections.abc import Callable, Iterator
from functools import partial
from math import log, pi, sqrt
from typing import Any

import numpy as np
from scipy import special

from checkers.registry import FLOAT64, TWO_TYPES, RealFunction, in_types

REAL = np.array([-1.7, -0.6, 0.3, 0.9, 2.4])
POSITIVE = np.array([0.3, 0.8, 1.7, 2.6, 5.5])
UNIT = np.array([0.08, 0.25, 0.4, 0.7, 0.93])
TALL = np.array([12.0, 45.0, 300.0, 2500.0, 1e4])
TINY = 1e-6 * POSITIVE
SCORES = np.array([[1.0, -2.0, 0.5, 3.0], [0.1, 0.2, -0.3, 0.4]])
GAPS = np.array([800.0, 797.0, 0.0, -900.0])
WEIGHTS = np.array([[0.2, -1.0, 0.7, 0.4], [1.3, 0.1, -0.8, 0.5]])


def differentiate_agm(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """agm(x, y) = π (x + y) / (4 K(m)), m = ((x − y)/(x + y))²; it is homogeneous of degree 1."""
    total, m = x + y, ((x - y) / (x + y)) ** 2
    K, E = special.ellipk(m), special.ellipe(m)
    slope = (E / (1 - m) - K) / (2 * m)
    dm_dx = 4 * y * (x - y) / total**3
    by_x = pi / (4 * K) - pi * total / (4 * K**2) * slope * dm_dx
    return by_x, (special.agm(x, y) - x * by_x) / y


# name: the function of one array, its derivative, the array
OF_ONE: dict[str, tuple[Any, Any, np.ndarray]] = {
    "gammaln": (special.gammaln, special.digamma, POSITIVE),
    "gammaln at large values": (special.gammaln, special.digamma, TALL),
    "gammaln at small values": (special.gammaln, special.digamma, TINY),
    "digamma": (special.digamma, lambda x: special.polygamma(1, x), POSITIVE),
    "gamma": (special.gamma, lambda x: special.gamma(x) * special.digamma(x), POSITIVE),
    "rgamma": (special.rgamma, lambda x: -special.rgamma(x) * special.digamma(x), POSITIVE),
    "loggamma": (special.loggamma, special.digamma, POSITIVE),
    "expit": (special.expit, lambda x: special.expit(x) * special.expit(-x), REAL),
    "expit at large values": (special.expit, lambda x: special.expit(x) * special.expit(-x), 8 * REAL),
    "logit": (special.logit, lambda x: 1 / (x * (1 - x)), UNIT),
    "logit at small values": (special.logit, lambda x: 1 / (x * (1 - x)), TINY),
    "log_expit": (special.log_expit, lambda x: special.expit(-x), REAL),
    "log_expit at large values": (special.log_expit, lambda x: special.expit(-x), 20 * REAL),
    "erf": (special.erf, lambda x: 2 / sqrt(pi) * np.exp(-(x**2)), REAL),
    "erfc": (special.erfc, lambda x: -2 / sqrt(pi) * np.exp(-(x**2)), REAL),
    "erfcx": (special.erfcx, lambda x: 2 * x * special.erfcx(x) - 2 / sqrt(pi), REAL),
    "erfi": (special.erfi, lambda x: 2 / sqrt(pi) * np.exp(x**2), REAL),
    "erfinv": (special.erfinv, lambda x: sqrt(pi) / 2 * np.exp(special.erfinv(x) ** 2), REAL / 3),
    "erfcinv": (special.erfcinv, lambda x: -sqrt(pi) / 2 * np.exp(special.erfcinv(x) ** 2), UNIT),
    "dawsn": (special.dawsn, lambda x: 1 - 2 * x * special.dawsn(x), REAL),
    "ndtr": (special.ndtr, lambda x: np.exp(-(x**2) / 2) / sqrt(2 * pi), REAL),
    "log_ndtr": (special.log_ndtr, lambda x: np.exp(-(x**2) / 2 - special.log_ndtr(x)) / sqrt(2 * pi), REAL),
    "log_ndtr at −30": (
        special.log_ndtr,
        lambda x: sqrt(2 / pi) / special.erfcx(-x / sqrt(2)),
        np.array([-30.0, -28.5, -12.0]),
    ),
    "ndtri": (special.ndtri, lambda x: sqrt(2 * pi) * np.exp(special.ndtri(x) ** 2 / 2), UNIT),
    "ndtri_exp": (
        special.ndtri_exp,
        lambda x: sqrt(2 * pi) * np.exp(special.ndtri_exp(x) ** 2 / 2 + x),
        -POSITIVE,
    ),
    "entr": (special.entr, lambda x: -np.log(x) - 1, POSITIVE),
    "exprel": (special.exprel, lambda x: (np.exp(x) * (x - 1) + 1) / x**2, REAL),
    "expm1": (special.expm1, np.exp, REAL),
    "log1p": (special.log1p, lambda x: 1 / (1 + x), UNIT),
    "cosm1": (special.cosm1, lambda x: -np.sin(x), REAL),
    "exp2": (special.exp2, lambda x: log(2) * special.exp2(x), REAL),
    "exp10": (special.exp10, lambda x: log(10) * special.exp10(x), REAL),
    "cbrt": (special.cbrt, lambda x: 1 / (3 * special.cbrt(x) ** 2), REAL),
    "j0": (special.j0, lambda x: -special.j1(x), REAL),
    "j1": (special.j1, lambda x: special.j0(x) - special.j1(x) / x, REAL),
    "y0": (special.y0, lambda x: -special.y1(x), POSITIVE),
    "y1": (special.y1, lambda x: special.y0(x) - special.y1(x) / x, POSITIVE),
    "i0": (special.i0, special.i1, REAL),
    "i0e": (special.i0e, lambda x: special.i1e(x) - np.sign(x) * special.i0e(x), REAL),
    "i1": (special.i1, lambda x: special.i0(x) - special.i1(x) / x, REAL),
    "i1e": (special.i1e, lambda x: special.i0e(x) - special.i1e(x) * (np.sign(x) + 1 / x), REAL),
    "k0": (special.k0, lambda x: -special.k1(x), POSITIVE),
    "k0e": (special.k0e, lambda x: special.k0e(x) - special.k1e(x), POSITIVE),
    "k1": (special.k1, lambda x: -special.k0(x) - special.k1(x) / x, POSITIVE),
    "jv(2.5, x)": (lambda x: special.jv(2.5, x), lambda x: special.jvp(2.5, x), POSITIVE),
    "yv(2.5, x)": (lambda x: special.yv(2.5, x), lambda x: special.yvp(2.5, x), POSITIVE),
    "iv(2.5, x)": (lambda x: special.iv(2.5, x), lambda x: special.ivp(2.5, x), POSITIVE),
    "kv(2.5, x)": (lambda x: special.kv(2.5, x), lambda x: special.kvp(2.5, x), POSITIVE),
    "spherical_jn(2, x)": (
        lambda x: special.spherical_jn(2, x),
        lambda x: special.spherical_jn(2, x, derivative=True),
        POSITIVE,
    ),
    "spherical_yn(1, x)": (
        lambda x: special.spherical_yn(1, x),
        lambda x: special.spherical_yn(1, x, derivative=True),
        POSITIVE,
    ),
    "ellipk": (
        special.ellipk,
        lambda m: (special.ellipe(m) / (1 - m) - special.ellipk(m)) / (2 * m),
        UNIT,
    ),
    "ellipe": (special.ellipe, lambda m: (special.ellipe(m) - special.ellipk(m)) / (2 * m), UNIT),
    "ellipkinc(0.9, m)": (
        lambda m: special.ellipkinc(0.9, m),
        lambda m: (
            special.ellipeinc(0.9, m) / (2 * m * (1 - m))
            - special.ellipkinc(0.9, m) / (2 * m)
            - np.sin(1.8) / (4 * (1 - m) * np.sqrt(1 - m * np.sin(0.9) ** 2))
        ),
        UNIT,
    ),
    "lambertw": (
        lambda x: special.lambertw(x).real,
        lambda x: (special.lambertw(x) / (x * (1 + special.lambertw(x)))).real,
        POSITIVE,
    ),
    "wrightomega": (
        special.wrightomega,
        lambda x: special.wrightomega(x) / (1 + special.wrightomega(x)),
        REAL,
    ),
    "expi": (special.expi, lambda x: np.exp(x) / x, POSITIVE),
    "exp1": (special.exp1, lambda x: -np.exp(-x) / x, POSITIVE),
    "expn(3, x)": (lambda x: special.expn(3, x), lambda x: -special.expn(2, x), POSITIVE),
    "sici": (lambda x: special.sici(x)[0], lambda x: np.sin(x) / x, POSITIVE),
    "shichi": (lambda x: special.shichi(x)[1], lambda x: np.cosh(x) / x, POSITIVE),
    "fresnel": (lambda x: special.fresnel(x)[0], lambda x: np.sin(pi / 2 * x**2), REAL),
    "airy": (lambda x: special.airy(x)[0], lambda x: special.airy(x)[1], REAL),
    "airy, Bi": (lambda x: special.airy(x)[2], lambda x: special.airy(x)[3], REAL),
    "gammainc(2.5, x)": (
        lambda x: special.gammainc(2.5, x),
        lambda x: x**1.5 * np.exp(-x) * special.rgamma(2.5),
        POSITIVE,
    ),
    "gammaincc(2.5, x)": (
        lambda x: special.gammaincc(2.5, x),
        lambda x: -(x**1.5) * np.exp(-x) * special.rgamma(2.5),
        POSITIVE,
    ),
    "betainc(2, 3.5, x)": (
        lambda x: special.betainc(2.0, 3.5, x),
        lambda x: x * (1 - x) ** 2.5 / special.beta(2.0, 3.5),
        UNIT,
    ),
    "stdtr(4, t)": (
        lambda t: special.stdtr(4, t),
        lambda t: (1 + t**2 / 4) ** -2.5 * special.gamma(2.5) / sqrt(4 * pi),
        REAL,
    ),
    "chdtr(5, x)": (
        lambda x: special.chdtr(5, x),
        lambda x: x**1.5 * np.exp(-x / 2) * special.rgamma(2.5) / 2**2.5,
        POSITIVE,
    ),
    "spence": (special.spence, lambda x: np.log(x) / (1 - x), POSITIVE),
    "zeta(3, q)": (lambda q: special.zeta(3.0, q), lambda q: -3 * special.zeta(4.0, q), POSITIVE),
    "polygamma(2, x)": (
        lambda x: special.polygamma(2, x),
        lambda x: special.polygamma(3, x),
        POSITIVE,
    ),
    "eval_legendre(4, x)": (
        lambda x: special.eval_legendre(4, x),
        lambda x: 4 * (x * special.eval_legendre(4, x) - special.eval_legendre(3, x)) / (x**2 - 1),
        UNIT,
    ),
    "eval_chebyt(5, x)": (
        lambda x: special.eval_chebyt(5, x),
        lambda x: 5 * special.eval_chebyu(4, x),
        UNIT,
    ),
    "eval_hermite(4, x)": (
        lambda x: special.eval_hermite(4, x),
        lambda x: 8 * special.eval_hermite(3, x),
        REAL,
    ),
    "eval_laguerre(4, x)": (
        lambda x: special.eval_laguerre(4, x),
        lambda x: -special.eval_genlaguerre(3, 1, x),
        REAL,
    ),
    "eval_jacobi(3, 0.5, 1.5, x)": (
        lambda x: special.eval_jacobi(3, 0.5, 1.5, x),
        lambda x: 3 * special.eval_jacobi(2, 1.5, 2.5, x),
        UNIT,
    ),
    "boxcox(x, 0.4)": (lambda x: special.boxcox(x, 0.4), lambda x: x**-0.6, POSITIVE),
    "inv_boxcox(x, 0.4)": (
        lambda x: special.inv_boxcox(x, 0.4),
        lambda x: (1 + 0.4 * x) ** 1.5,
        POSITIVE,
    ),
    "huber(1, r)": (lambda r: special.huber(1.0, r), lambda r: np.clip(r, -1, 1), REAL),
    "pseudo_huber(1, r)": (
        lambda r: special.pseudo_huber(1.0, r),
        lambda r: r / np.sqrt(1 + r**2),
        REAL,
    ),
    "hyp1f1(1.5, 2.5, x)": (
        lambda x: special.hyp1f1(1.5, 2.5, x),
        lambda x: 0.6 * special.hyp1f1(2.5, 3.5, x),
        REAL,
    ),
    "hyp2f1(0.5, 1.5, 2, x)": (
        lambda x: special.hyp2f1(0.5, 1.5, 2.0, x),
        lambda x: 0.375 * special.hyp2f1(1.5, 2.5, 3.0, x),
        UNIT,
    ),
    "hyp0f1(1.5, x)": (
        lambda x: special.hyp0f1(1.5, x),
        lambda x: special.hyp0f1(2.5, x) / 1.5,
        REAL,
    ),
    "owens_t(h, 0.7)": (
        lambda h: special.owens_t(h, 0.7),
        lambda h: -np.exp(-(h**2) / 2) * special.erf(0.7 * h / sqrt(2)) / (2 * sqrt(2 * pi)),
        REAL,
    ),
    "struve(0, x)": (
        lambda x: special.struve(0, x),
        lambda x: 2 / pi - special.struve(1, x),
        POSITIVE,
    ),
    "kelvin, ber": (special.ber, special.berp, REAL),
    "psi at large values": (special.psi, lambda x: special.polygamma(1, x), TALL),
    "multigammaln(a, 3)": (
        lambda a: special.multigammaln(a, 3),
        lambda a: special.digamma(a) + special.digamma(a - 0.5) + special.digamma(a - 1),
        np.array([2.2, 3.7, 9.0]),
    ),
}  # fmt: skip
ONLY_FLOAT64 = {"zeta(3, q)", "multigammaln(a, 3)", "digamma", "poch", "agm"}
# name: the function of two arrays, its derivatives by each
OF_TWO: dict[str, tuple[Any, Any]] = {
    "xlogy": (special.xlogy, lambda x, y: (np.log(y), x / y)),
    "xlog1py": (special.xlog1py, lambda x, y: (np.log1p(y), x / (1 + y))),
    "kl_div": (special.kl_div, lambda x, y: (np.log(x / y), 1 - x / y)),
    "rel_entr": (special.rel_entr, lambda x, y: (np.log(x / y) + 1, -x / y)),
    "betaln": (
        special.betaln,
        lambda x, y: (
            special.digamma(x) - special.digamma(x + y),
            special.digamma(y) - special.digamma(x + y),
        ),
    ),
    "beta": (
        special.beta,
        lambda x, y: (
            special.beta(x, y) * (special.digamma(x) - special.digamma(x + y)),
            special.beta(x, y) * (special.digamma(y) - special.digamma(x + y)),
        ),
    ),
    "poch": (
        special.poch,
        lambda x, y: (
            special.poch(x, y) * (special.digamma(x + y) - special.digamma(x)),
            special.poch(x, y) * special.digamma(x + y),
        ),
    ),
    "agm": (
        special.agm,
        differentiate_agm,
    ),
}


def list_functions(library: str) -> Iterator[RealFunction]:
    """The functions of one array, those of two, and those of scores."""
    for name, (f, derivative, x) in OF_ONE.items():
        dtypes = FLOAT64 if name in ONLY_FLOAT64 else TWO_TYPES
        fun = partial(_sum, f)
        yield from in_types(library, f"scipy.special.{name}", fun, derivative, x, dtypes=dtypes)
    pair = {"x": POSITIVE, "y": POSITIVE[::-1].copy() + 0.1}
    for name, (f, slopes) in OF_TWO.items():
        dtypes = FLOAT64 if name in ONLY_FLOAT64 else TWO_TYPES
        fun, gradient = partial(_sum_of_pair, f), partial(_differentiate_pair, slopes)
        yield from in_types(library, f"scipy.special.{name}", fun, gradient, pair, dtypes=dtypes)
    for name, fun, gradient, *arrays in list_functions_of_scores():
        yield from in_types(library, f"scipy.special.{name}", fun, gradient, *arrays, dtypes=TWO_TYPES)


def list_functions_of_scores() -> Iterator[tuple[Any, ...]]:
    """Logsumexp and softmax: name, function, gradient, params, args."""
    points = {
        "": SCORES,
        " with large gaps": GAPS,
        " of large scores": 1e4 * SCORES,
        " of small scores": 1e-6 * SCORES,
    }
    for where, scores in points.items():
        yield f"logsumexp{where}", special.logsumexp, special.softmax, scores
    yield (
        "logsumexp with weights",
        lambda x, b: special.logsumexp(x, b=b),
        lambda x, b: b * np.exp(x - special.logsumexp(x, b=b)),
        SCORES,
        np.abs(WEIGHTS),
    )

    def slope_of_softmax(x: np.ndarray, w: np.ndarray) -> Any:
        p = special.softmax(x, axis=1)
        return p * (w - (w * p).sum(axis=1, keepdims=True))

    yield "softmax", lambda x, w: np.sum(w * special.softmax(x, axis=1)), slope_of_softmax, SCORES, WEIGHTS
    yield (
        "log_softmax",
        lambda x, w: np.sum(w * special.log_softmax(x, axis=1)),
        lambda x, w: w - special.softmax(x, axis=1) * w.sum(axis=1, keepdims=True),
        SCORES,
        WEIGHTS,
    )


def _sum(f: Callable[..., Any], x: np.ndarray) -> Any:
    return np.sum(f(x))


def _sum_of_pair(f: Callable[..., Any], p: dict[str, np.ndarray]) -> Any:
    return np.sum(f(p["x"], p["y"]))


def _differentiate_pair(slopes: Callable[..., Any], p: dict[str, np.ndarray]) -> Any:
    return dict(zip("xy", slopes(p["x"], p["y"]), strict=True))
