"""SciPy without scipy.special: linear algebra, distributions, splines, distances, transforms, optimization, integration."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from scipy import fft, integrate, interpolate, linalg, ndimage, optimize, signal, sparse, special, stats
from scipy.spatial import distance

from checkers.registry import FLOAT64, TWO_TYPES, RealFunction, in_types

RNG = np.random.default_rng(0)
A = np.array([[3.0, 0.5, -0.4], [0.2, 2.5, 0.7], [-0.3, 0.6, 4.0]])
B = np.array([[0.3, -1.2, 0.8], [0.9, 0.4, -0.5], [1.1, -0.7, 0.2]])
S = A @ A.T / 4
BAD = np.diag([1.0, 1e-3, 1e-6]) + 1e-7 * B  # its condition number is 1e6
b = np.array([1.0, -2.0, 0.5])
T = np.linspace(0.0, 5.0, 9)
Y = np.sin(T) + 0.2 * T
AT = np.array([0.23, 1.1, 2.7, 3.9, 4.6])
U = np.array([0.3, 1.5, 0.9, 2.2])
V = np.array([1.2, 0.4, 1.9, 0.7])
SIGNAL, WEIGHTS = RNG.normal(size=(2, 12))


def list_functions(library: str) -> Iterator[RealFunction]:
    """The functions of each module of SciPy."""
    for listed in (
        list_linalg,
        list_stats,
        list_interpolate,
        list_distances,
        list_transforms,
        list_optimize,
    ):
        for name, dtypes, fun, gradient, params, *args in listed():
            yield from in_types(library, f"scipy.{name}", fun, gradient, params, *args, dtypes=dtypes)


def list_linalg() -> Iterator[tuple[Any, ...]]:
    """Matrices: the derivatives are those of the Matrix Cookbook."""
    inv = linalg.inv
    yield "linalg.det", TWO_TYPES, linalg.det, lambda A: linalg.det(A) * inv(A).T, A
    yield (
        "linalg.inv",
        TWO_TYPES,
        lambda A, B: np.trace(inv(A) @ B),
        lambda A, B: -(inv(A) @ B @ inv(A)).T,
        A,
        B,
    )
    yield (
        "linalg.inv at a condition number of 1e6",
        FLOAT64,
        lambda A, B: np.trace(inv(A) @ B),
        lambda A, B: -(inv(A) @ B @ inv(A)).T,
        BAD,
        B,
    )
    yield (
        "linalg.solve",
        TWO_TYPES,
        lambda p: np.sum(linalg.solve(p["A"], p["b"])),
        lambda p: {
            "A": -np.outer(linalg.solve(p["A"].T, np.ones_like(p["b"])), linalg.solve(p["A"], p["b"])),
            "b": linalg.solve(p["A"].T, np.ones_like(p["b"])),
        },
        {"A": A, "b": b},
    )
    yield (
        "linalg.solve_triangular",
        TWO_TYPES,
        lambda b, A: np.sum(linalg.solve_triangular(A, b)),
        lambda b, A: linalg.solve_triangular(A, np.ones_like(b), trans=1),
        b,
        A,
    )
    yield (
        "linalg.cho_solve",
        TWO_TYPES,
        lambda b, S: b @ linalg.cho_solve(linalg.cho_factor(S), b),
        lambda b, S: 2 * linalg.cho_solve(linalg.cho_factor(S), b),
        b,
        S,
    )
    yield "linalg.expm", TWO_TYPES, lambda A: np.trace(linalg.expm(A)), lambda A: linalg.expm(A).T, A / 4
    yield (
        "linalg.expm_frechet",
        FLOAT64,
        lambda A, B: np.sum(B * linalg.expm(A)),
        lambda A, B: linalg.expm_frechet(A.T, B, compute_expm=False),
        A / 4,
        B,
    )
    yield "linalg.logm", FLOAT64, lambda A: np.trace(linalg.logm(A)), lambda A: inv(A).T, A
    yield (
        "linalg.sqrtm",
        TWO_TYPES,
        lambda A: np.trace(linalg.sqrtm(A)),
        lambda A: inv(linalg.sqrtm(A)).T / 2,
        A,
    )
    yield "linalg.cosm", FLOAT64, lambda A: np.trace(linalg.cosm(A)), lambda A: -linalg.sinm(A).T, A
    yield "linalg.tanhm", FLOAT64, lambda A: np.trace(linalg.coshm(A)), lambda A: linalg.sinhm(A).T, A / 4
    yield "linalg.norm", TWO_TYPES, linalg.norm, lambda A: A / linalg.norm(A), A
    yield (
        "linalg.svdvals",
        TWO_TYPES,
        lambda A: np.sum(linalg.svdvals(A)),
        lambda A: linalg.polar(A)[0],
        A + B,
    )
    yield (
        "linalg.norm, the largest singular value",
        FLOAT64,
        lambda A: linalg.norm(A, 2),
        lambda A: np.outer(linalg.svd(A)[0][:, 0], linalg.svd(A)[2][0]),
        A,
    )

    def slope_of_largest(S: np.ndarray) -> Any:
        v = linalg.eigh(S)[1][:, -1]
        return np.outer(v, v)

    yield (
        "linalg.eigvalsh",
        TWO_TYPES,
        lambda S: linalg.eigvalsh((S + S.T) / 2)[-1],
        slope_of_largest,
        S,
    )
    yield (
        "linalg.cholesky",
        TWO_TYPES,
        lambda S: 2 * np.sum(np.log(np.diag(linalg.cholesky((S + S.T) / 2)))),
        inv,
        S,
    )
    yield (
        "linalg.lu_factor",
        TWO_TYPES,
        lambda A: np.sum(np.log(np.abs(np.diag(linalg.lu_factor(A)[0])))),
        lambda A: inv(A).T,
        A,
    )
    yield (
        "linalg.qr",
        TWO_TYPES,
        lambda A: np.sum(np.log(np.abs(np.diag(linalg.qr(A)[1])))),
        lambda A: inv(A).T,
        A,
    )
    tall = np.vstack([A, B])

    def measure_residual(y: np.ndarray, X: np.ndarray) -> Any:
        return np.sum((y - X @ linalg.lstsq(X, y)[0]) ** 2)

    yield (
        "linalg.lstsq",
        TWO_TYPES,
        measure_residual,
        lambda y, X: 2 * (y - X @ linalg.lstsq(X, y)[0]),
        np.array([1.0, 0.3, -2.0, 0.7, 1.5, -0.2]),
        tall,
    )
    yield "linalg.pinv", FLOAT64, lambda A: np.sum(linalg.pinv(A)), slope_of_pinv, tall
    yield (
        "sparse.csr_array, least squares",
        TWO_TYPES,
        lambda w, X, y: np.sum((X @ w - y) ** 2) / 2,
        lambda w, X, y: X.T @ (X @ w - y),
        b,
        sparse.csr_array(np.where(np.abs(tall) > 0.5, tall, 0)),
        np.arange(6.0),
    )


def slope_of_pinv(A: np.ndarray) -> Any:
    """The gradient of Σ A⁺ for A of full column rank: Golub and Pereyra, 1973."""
    P, ones = linalg.pinv(A), np.ones(A.shape[::-1])
    n = len(A)
    return -(P @ ones.T @ P).T + (np.eye(n) - A @ P) @ ones.T @ P @ P.T


def list_stats() -> Iterator[tuple[Any, ...]]:
    """Log densities by their arguments, Σ over five points."""
    x, positive, unit = (
        np.array([-1.2, -0.3, 0.4, 1.1, 2.6]),
        np.array([0.3, 0.9, 1.4, 2.2, 4.1]),
        np.array([0.1, 0.3, 0.5, 0.7, 0.9]),
    )
    psi = special.digamma
    place = {"loc": np.array(0.3), "scale": np.array(1.4)}

    def located(distribution: Any, slope: Callable[[Any], Any]) -> tuple[Any, Any]:
        """Σ logpdf(x) and its gradient by loc and scale, given the slope of the standard logpdf."""

        def fun(p: Any, x: np.ndarray) -> Any:
            return np.sum(distribution.logpdf(x, loc=p["loc"], scale=p["scale"]))

        def gradient(p: Any, x: np.ndarray) -> Any:
            z = (x - p["loc"]) / p["scale"]
            return {
                "loc": np.asarray(np.sum(-slope(z)) / p["scale"]),
                "scale": np.asarray(np.sum(-slope(z) * z - 1) / p["scale"]),
            }

        return fun, gradient

    standard = {
        "norm": (stats.norm, lambda z: -z),
        "logistic": (stats.logistic, lambda z: -np.tanh(z / 2)),
        "cauchy": (stats.cauchy, lambda z: -2 * z / (1 + z**2)),
        "gumbel_r": (stats.gumbel_r, lambda z: np.exp(-z) - 1),
        "laplace": (stats.laplace, lambda z: -np.sign(z)),
        "hypsecant": (stats.hypsecant, lambda z: -np.tanh(z)),
        "t": (stats.t(5), None),
    }
    for name, (distribution, slope) in standard.items():
        if slope is not None:
            yield f"stats.{name}.logpdf", FLOAT64, *located(distribution, slope), place, x
    yield "stats.norm.logpdf by x", FLOAT64, lambda x: np.sum(stats.norm.logpdf(x)), lambda x: -x, x
    yield (
        "stats.norm.logpdf by x, large",
        FLOAT64,
        lambda x: np.sum(stats.norm.logpdf(x)),
        lambda x: -x,
        1e4 * x,
    )
    yield "stats.norm.cdf", FLOAT64, lambda x: np.sum(stats.norm.cdf(x)), stats.norm.pdf, x
    yield (
        "stats.norm.logcdf",
        FLOAT64,
        lambda x: np.sum(stats.norm.logcdf(x)),
        lambda x: np.exp(stats.norm.logpdf(x) - stats.norm.logcdf(x)),
        x,
    )
    yield (
        "stats.norm.logsf, far out",
        FLOAT64,
        lambda x: np.sum(stats.norm.logsf(x)),
        lambda x: -np.sqrt(2 / np.pi) / special.erfcx(x / np.sqrt(2)),
        10 * positive,
    )
    yield (
        "stats.norm.ppf",
        FLOAT64,
        lambda q: np.sum(stats.norm.ppf(q)),
        lambda q: 1 / stats.norm.pdf(stats.norm.ppf(q)),
        unit,
    )
    yield "stats.t.logpdf", FLOAT64, lambda x: np.sum(stats.t.logpdf(x, 5)), lambda x: -6 * x / (5 + x**2), x
    yield "stats.t.cdf", FLOAT64, lambda x: np.sum(stats.t.cdf(x, 5)), lambda x: stats.t.pdf(x, 5), x
    yield (
        "stats.gamma.logpdf",
        FLOAT64,
        lambda a, x: np.sum(stats.gamma.logpdf(x, a)),
        lambda a, x: np.log(x) - psi(a),
        positive[::-1].copy(),
        positive,
    )
    yield (
        "stats.gamma.logpdf by x",
        FLOAT64,
        lambda x: np.sum(stats.gamma.logpdf(x, 2.5)),
        lambda x: 1.5 / x - 1,
        positive,
    )
    yield (
        "stats.gamma.cdf",
        FLOAT64,
        lambda x: np.sum(stats.gamma.cdf(x, 2.5)),
        lambda x: stats.gamma.pdf(x, 2.5),
        positive,
    )
    yield (
        "stats.invgamma.logpdf",
        FLOAT64,
        lambda x: np.sum(stats.invgamma.logpdf(x, 2.5)),
        lambda x: -3.5 / x + 1 / x**2,
        positive,
    )
    yield (
        "stats.beta.logpdf",
        FLOAT64,
        lambda p, x: np.sum(stats.beta.logpdf(x, p["a"], p["b"])),
        lambda p, x: {
            "a": np.asarray(np.sum(np.log(x) - psi(p["a"]) + psi(p["a"] + p["b"]))),
            "b": np.asarray(np.sum(np.log1p(-x) - psi(p["b"]) + psi(p["a"] + p["b"]))),
        },
        {"a": np.array(1.7), "b": np.array(2.6)},
        unit,
    )
    yield (
        "stats.beta.cdf",
        FLOAT64,
        lambda x: np.sum(stats.beta.cdf(x, 2, 3)),
        lambda x: stats.beta.pdf(x, 2, 3),
        unit,
    )
    yield (
        "stats.expon.logpdf",
        FLOAT64,
        lambda s, x: np.sum(stats.expon.logpdf(x, scale=s)),
        lambda s, x: x / s**2 - 1 / s,
        positive[::-1].copy(),
        positive,
    )
    yield (
        "stats.lognorm.logpdf",
        FLOAT64,
        lambda x: np.sum(stats.lognorm.logpdf(x, 0.8)),
        lambda x: -1 / x - np.log(x) / (0.64 * x),
        positive,
    )
    yield (
        "stats.weibull_min.logpdf",
        FLOAT64,
        lambda x: np.sum(stats.weibull_min.logpdf(x, 1.8)),
        lambda x: 0.8 / x - 1.8 * x**0.8,
        positive,
    )
    yield (
        "stats.pareto.logpdf",
        FLOAT64,
        lambda c, x: np.sum(stats.pareto.logpdf(x, c)),
        lambda c, x: 1 / c - np.log(x),
        positive,
        1 + positive,
    )
    yield (
        "stats.chi2.logpdf",
        FLOAT64,
        lambda k, x: np.sum(stats.chi2.logpdf(x, k)),
        lambda k, x: (np.log(x / 2) - psi(k / 2)) / 2,
        1 + positive,
        positive,
    )
    yield (
        "stats.vonmises.logpdf",
        FLOAT64,
        lambda x: np.sum(stats.vonmises.logpdf(x, 2.0)),
        lambda x: -2 * np.sin(x),
        x,
    )
    counts = np.array([0, 1, 3, 2, 6])
    yield (
        "stats.poisson.logpmf",
        FLOAT64,
        lambda m, k: np.sum(stats.poisson.logpmf(k, m)),
        lambda m, k: k / m - 1,
        positive,
        counts,
    )
    yield (
        "stats.binom.logpmf",
        FLOAT64,
        lambda p, k: np.sum(stats.binom.logpmf(k, 8, p)),
        lambda p, k: k / p - (8 - k) / (1 - p),
        unit,
        counts,
    )
    yield (
        "stats.nbinom.logpmf",
        FLOAT64,
        lambda p, k: np.sum(stats.nbinom.logpmf(k, 3, p)),
        lambda p, k: 3 / p - k / (1 - p),
        unit,
        counts,
    )
    yield (
        "stats.geom.logpmf",
        FLOAT64,
        lambda p, k: np.sum(stats.geom.logpmf(k, p)),
        lambda p, k: 1 / p - (k - 1) / (1 - p),
        unit,
        1 + counts,
    )
    yield (
        "stats.multivariate_normal.logpdf",
        FLOAT64,
        lambda m, x, S: stats.multivariate_normal.logpdf(x, m, S),
        lambda m, x, S: linalg.solve(S, x - m),
        b,
        np.array([0.2, 0.1, -0.4]),
        S,
    )
    yield (
        "stats.multivariate_t.logpdf",
        FLOAT64,
        lambda m, x, S: stats.multivariate_t.logpdf(x, m, S, df=4),
        lambda m, x, S: 7 * linalg.solve(S, x - m) / (4 + (x - m) @ linalg.solve(S, x - m)),
        b,
        np.array([0.2, 0.1, -0.4]),
        S,
    )
    yield (
        "stats.dirichlet.logpdf",
        FLOAT64,
        lambda a, x: stats.dirichlet.logpdf(x, a),
        lambda a, x: np.log(x) - psi(a) + psi(a.sum()),
        np.array([1.5, 2.5, 0.7]),
        np.array([0.2, 0.5, 0.3]),
    )
    yield (
        "stats.gaussian_kde",
        FLOAT64,
        lambda t, data: np.sum(stats.gaussian_kde(data)(t)),
        slope_of_density,
        np.array([-0.5, 0.2, 1.5]),
        x,
    )
    yield (
        "stats.entropy",
        FLOAT64,
        stats.entropy,
        lambda p: -(np.log(p / p.sum()) + stats.entropy(p)) / p.sum(),
        positive,
    )


def slope_of_density(t: np.ndarray, data: np.ndarray) -> Any:
    """The derivative of a kernel density estimate."""
    width = np.sqrt(stats.gaussian_kde(data).covariance[0, 0])
    z = (t[:, None] - data) / width
    return np.mean(-z * np.exp(-(z**2) / 2), axis=1) / (np.sqrt(2 * np.pi) * width**2)


def list_interpolate() -> Iterator[tuple[Any, ...]]:
    """Interpolants at five places, by the place, with their own derivatives; and one by the values, which is a linear map."""
    splines = {
        "CubicSpline": interpolate.CubicSpline(T, Y),
        "PchipInterpolator": interpolate.PchipInterpolator(T, Y),
        "Akima1DInterpolator": interpolate.Akima1DInterpolator(T, Y),
        "CubicHermiteSpline": interpolate.CubicHermiteSpline(T, Y, np.cos(T)),
        "make_interp_spline of degree 5": interpolate.make_interp_spline(T, Y, k=5),
        "make_smoothing_spline": interpolate.make_smoothing_spline(T, Y, lam=0.1),
        "UnivariateSpline": interpolate.UnivariateSpline(T, Y, s=0.01),
    }
    for name, spline in splines.items():
        yield f"interpolate.{name}", FLOAT64, lambda t, s=spline: np.sum(s(t)), spline.derivative(), AT
    for name, kind in (
        ("KroghInterpolator", interpolate.KroghInterpolator),
        ("BarycentricInterpolator", interpolate.BarycentricInterpolator),
    ):
        polynomial = kind(T, Y)
        yield (
            f"interpolate.{name}",
            FLOAT64,
            lambda t, s=polynomial: np.sum(s(t)),
            lambda t, s=polynomial: s.derivative(t),
            AT,
        )
    surface = interpolate.RectBivariateSpline(T, T, np.outer(Y, np.cos(T)))
    yield (
        "interpolate.RectBivariateSpline",
        FLOAT64,
        lambda p: np.sum(surface.ev(p["x"], p["y"])),
        lambda p: {"x": surface.ev(p["x"], p["y"], dx=1), "y": surface.ev(p["x"], p["y"], dy=1)},
        {"x": AT, "y": AT[::-1].copy()},
    )
    yield (
        "interpolate.CubicSpline by the values",
        FLOAT64,
        lambda y: np.sum(interpolate.CubicSpline(T, y)(AT)),
        lambda y: interpolate.CubicSpline(T, np.eye(len(T)))(AT).sum(axis=0),
        Y,
    )
    yield (
        "interpolate.RBFInterpolator by the values",
        FLOAT64,
        lambda y: np.sum(interpolate.RBFInterpolator(T[:, None], y)(AT[:, None])),
        lambda y: interpolate.RBFInterpolator(T[:, None], np.eye(len(T)))(AT[:, None]).sum(axis=0),
        Y,
    )


def list_distances() -> Iterator[tuple[Any, ...]]:
    """Distances of two vectors, by the first."""

    def slope_of_cosine(u: np.ndarray, v: np.ndarray) -> Any:
        a, c = linalg.norm(u), linalg.norm(v)
        return -v / (a * c) + u * (u @ v) / (a**3 * c)

    def slope_of_correlation(u: np.ndarray, v: np.ndarray) -> Any:
        slope = slope_of_cosine(u - u.mean(), v - v.mean())
        return slope - slope.mean()

    def slope_of_pdist(X: np.ndarray) -> Any:
        difference = X[:, None] - X
        apart = np.sqrt((difference**2).sum(axis=2))
        return (difference / (apart + np.eye(len(X)))[:, :, None]).sum(axis=1)

    def slope_of_jensenshannon(u: np.ndarray, v: np.ndarray) -> Any:
        p, q = u / u.sum(), v / v.sum()
        slope = np.log(2 * p / (p + q)) / (4 * distance.jensenshannon(u, v))
        return (slope - slope @ p) / u.sum()

    VI = linalg.inv(np.diag([1.0, 2.0, 1.5, 0.7]) + 0.1)
    of_two = {
        "euclidean": (distance.euclidean, lambda u, v: (u - v) / linalg.norm(u - v)),
        "sqeuclidean": (distance.sqeuclidean, lambda u, v: 2 * (u - v)),
        "cityblock": (distance.cityblock, lambda u, v: np.sign(u - v)),
        "minkowski(p=3)": (
            lambda u, v: distance.minkowski(u, v, 3),
            lambda u, v: np.sign(u - v) * (u - v) ** 2 / distance.minkowski(u, v, 3) ** 2,
        ),
        "cosine": (distance.cosine, slope_of_cosine),
        "correlation": (distance.correlation, slope_of_correlation),
        "canberra": (distance.canberra, lambda u, v: np.sign(u - v) * 2 * v / (u + v) ** 2),
        "braycurtis": (
            distance.braycurtis,
            lambda u, v: (np.sign(u - v) - distance.braycurtis(u, v)) / (u + v).sum(),
        ),
        "mahalanobis": (
            lambda u, v: distance.mahalanobis(u, v, VI),
            lambda u, v: VI @ (u - v) / distance.mahalanobis(u, v, VI),
        ),
        "jensenshannon": (distance.jensenshannon, slope_of_jensenshannon),
    }
    for name, (fun, gradient) in of_two.items():
        yield f"spatial.distance.{name}", FLOAT64, fun, gradient, U, V
    points = np.array([[0.0, 0.3], [1.1, -0.4], [0.5, 2.0], [-1.3, 0.8]])
    yield "spatial.distance.pdist", FLOAT64, lambda X: np.sum(distance.pdist(X)), slope_of_pdist, points
    yield (
        "spatial.distance.cdist",
        FLOAT64,
        lambda X, Z: np.sum(distance.cdist(X, Z, "sqeuclidean")),
        lambda X, Z: 2 * (X[:, None] - Z).sum(axis=1),
        points,
        points[::-1].copy() + 1,
    )


def list_transforms() -> Iterator[tuple[Any, ...]]:
    """Linear maps L of a signal: Σ w L(x) has the gradient Lᵀ w; and two powers of a spectrum."""
    kernel = np.array([0.5, -1.0, 0.25])
    linear = {
        "signal.detrend": (signal.detrend, FLOAT64),
        "signal.savgol_filter": (lambda x: signal.savgol_filter(x, 5, 2), FLOAT64),
        "signal.resample": (lambda x: signal.resample(x, 12), FLOAT64),
        "signal.filtfilt": (lambda x: signal.filtfilt([0.3, 0.3], [1.0, -0.4], x, padlen=3), FLOAT64),
        "signal.cspline1d": (signal.cspline1d, FLOAT64),
        "signal.sosfilt": (lambda x: signal.sosfilt([[1.0, 0.5, 0.2, 1.0, -0.3, 0.1]], x), FLOAT64),
        "integrate.cumulative_trapezoid": (
            lambda x: integrate.cumulative_trapezoid(x, initial=0),
            FLOAT64,
        ),
        "ndimage.spline_filter1d": (lambda x: ndimage.spline_filter1d(x), FLOAT64),
        "ndimage.gaussian_filter1d": (lambda x: ndimage.gaussian_filter1d(x, 1.2), FLOAT64),
        "ndimage.shift": (lambda x: ndimage.shift(x, 0.4), FLOAT64),
    }
    for name, (f, dtypes) in linear.items():
        yield (
            name,
            dtypes,
            lambda x, w, f=f: np.sum(w * f(x)),
            lambda x, w, f=f: np.array([f(row) for row in np.eye(len(x))]) @ w,
            SIGNAL,
            WEIGHTS,
        )
    yield (
        "fft.dct",
        TWO_TYPES,
        lambda x, w: np.sum(w * fft.dct(x, norm="ortho")),
        lambda x, w: fft.idct(w, norm="ortho"),
        SIGNAL,
        WEIGHTS,
    )
    yield (
        "fft.dst",
        TWO_TYPES,
        lambda x, w: np.sum(w * fft.dst(x, norm="ortho")),
        lambda x, w: fft.idst(w, norm="ortho"),
        SIGNAL,
        WEIGHTS,
    )
    yield (
        "fft.fft, its power",
        TWO_TYPES,
        lambda x: np.sum(np.abs(fft.fft(x)) ** 2),
        lambda x: 2 * len(x) * x,
        SIGNAL,
    )
    yield (
        "fft.rfft, weighted power",
        TWO_TYPES,
        lambda x, w: np.sum(w[:7] * np.abs(fft.rfft(x)) ** 2),
        lambda x, w: 2 * np.real(np.conj(fft.fft(np.pad(w[:7] * np.conj(fft.rfft(x)), (0, 5))))),
        SIGNAL,
        WEIGHTS,
    )
    yield (
        "signal.convolve",
        TWO_TYPES,
        lambda x, h, w: np.sum(w * signal.convolve(x, h, mode="same")),
        lambda x, h, w: signal.correlate(w, h, mode="same"),
        SIGNAL,
        kernel,
        WEIGHTS,
    )
    yield (
        "signal.fftconvolve",
        TWO_TYPES,
        lambda x, h, w: np.sum(w * signal.fftconvolve(x, h, mode="same")),
        lambda x, h, w: signal.correlate(w, h, mode="same"),
        SIGNAL,
        kernel,
        WEIGHTS,
    )
    yield (
        "signal.lfilter",
        TWO_TYPES,
        lambda x, h, w: np.sum(w * signal.lfilter(h[:2], np.array([1, -0.5], x.dtype), x)),
        lambda x, h, w: signal.lfilter(h[:2], np.array([1, -0.5], x.dtype), w[::-1])[::-1],
        SIGNAL,
        kernel,
        WEIGHTS,
    )


def list_optimize() -> Iterator[tuple[Any, ...]]:
    """Rosenbrock's function with SciPy's own derivative, and integrals under whose sign one differentiates."""
    start = np.array([1.3, 0.7, 0.8, 1.9, 1.2])
    yield "optimize.rosen", TWO_TYPES, optimize.rosen, optimize.rosen_der, start
    yield "optimize.rosen near its minimum", TWO_TYPES, optimize.rosen, optimize.rosen_der, 1 + 1e-4 * start
    yield "optimize.rosen at large values", TWO_TYPES, optimize.rosen, optimize.rosen_der, 1e3 * start
    yield "optimize.rosen at small values", TWO_TYPES, optimize.rosen, optimize.rosen_der, 1e-6 * start
    v = np.array([0.2, -0.4, 1.0, 0.5, -0.3])
    yield (
        "optimize.rosen_hess_prod",
        FLOAT64,
        lambda x, v: optimize.rosen_der(x) @ v,
        optimize.rosen_hess_prod,
        start,
        v,
    )

    def integral(a: np.ndarray) -> Any:
        return integrate.quad(lambda t: np.exp(-a[0] * t * t) * np.cos(a[1] * t), 0, 1)[0]

    def slope_of_integral(a: np.ndarray) -> Any:
        by_0 = integrate.quad(lambda t: -t * t * np.exp(-a[0] * t * t) * np.cos(a[1] * t), 0, 1)[0]
        by_1 = integrate.quad(lambda t: -t * np.exp(-a[0] * t * t) * np.sin(a[1] * t), 0, 1)[0]
        return np.array([by_0, by_1])

    yield "integrate.quad", FLOAT64, integral, slope_of_integral, np.array([1.3, 2.1])
    yield (
        "integrate.simpson",
        TWO_TYPES,
        lambda y: integrate.simpson(y**2, dx=0.25),
        lambda y: 2 * y * integrate.simpson(np.eye(len(y), dtype=y.dtype), dx=0.25),
        Y,
    )
    yield (
        "integrate.trapezoid",
        TWO_TYPES,
        lambda y: integrate.trapezoid(np.exp(y), dx=0.25),
        lambda y: np.exp(y) * integrate.trapezoid(np.eye(len(y), dtype=y.dtype), dx=0.25),
        Y,
    )
