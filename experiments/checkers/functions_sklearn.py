"""scikit-learn: what its estimators minimize, with the gradients that its solvers use; and its metrics."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn import metrics
from sklearn._loss import loss as losses
from sklearn.gaussian_process import GaussianProcessClassifier, GaussianProcessRegressor, kernels
from sklearn.linear_model._huber import _huber_loss_and_gradient
from sklearn.linear_model._linear_loss import LinearModelLoss
from sklearn.manifold._t_sne import _kl_divergence
from sklearn.metrics import pairwise
from sklearn.neighbors import NeighborhoodComponentsAnalysis

from checkers.registry import FLOAT64, TWO_TYPES, RealFunction, in_types

RNG = np.random.default_rng(1)
X = RNG.normal(size=(12, 3))
TARGET = np.sin(X[:, 0]) + 0.1 * RNG.normal(size=12)
CLASSES = np.arange(12) % 3
BINARY = (np.arange(12) % 2).astype(np.float64)
COUNTS = np.array([0.0, 1, 2, 0, 3, 1, 1, 5, 2, 0, 1, 4])
RAW = np.linspace(-2.1, 1.9, 12)
COEF = np.array([0.4, -0.8, 0.3, 0.2])


def list_functions(library: str) -> Iterator[RealFunction]:
    """The losses, the objectives of estimators, the marginal likelihoods, the metrics."""
    for listed in (list_losses, list_linear_models, list_estimators, list_likelihoods, list_metrics):
        for name, dtypes, fun, gradient, params, *args in listed():
            yield from in_types(library, f"sklearn.{name}", fun, gradient, params, *args, dtypes=dtypes)


def list_losses() -> Iterator[tuple[Any, ...]]:
    """The losses of the raw prediction, Σ over the examples."""
    of_one = {
        "HalfSquaredError": (losses.HalfSquaredError(), TARGET),
        "AbsoluteError": (losses.AbsoluteError(), TARGET),
        "PinballLoss": (losses.PinballLoss(quantile=0.3), TARGET),
        "HuberLoss": (losses.HuberLoss(delta=0.7), TARGET),
        "HalfPoissonLoss": (losses.HalfPoissonLoss(), COUNTS),
        "HalfGammaLoss": (losses.HalfGammaLoss(), COUNTS + 1),
        "HalfTweedieLoss": (losses.HalfTweedieLoss(power=1.5), COUNTS),
        "HalfBinomialLoss": (losses.HalfBinomialLoss(), BINARY),
        "ExponentialLoss": (losses.ExponentialLoss(), BINARY),
        "HalfTweedieLossIdentity": (losses.HalfTweedieLossIdentity(power=1.5), COUNTS),
    }
    for name, (loss, y) in of_one.items():
        raw = np.abs(RAW) + 0.1 if name == "HalfTweedieLossIdentity" else RAW
        points = {"": raw, " of large scores": 10 * raw} if name == "HalfBinomialLoss" else {"": raw}
        for where, point in points.items():
            yield (
                f"_loss.{name}{where}",
                TWO_TYPES,
                lambda raw, y, loss=loss: loss.loss(y, raw).sum(),
                lambda raw, y, loss=loss: loss.gradient(y, raw),
                point,
                y,
            )
    multinomial = losses.HalfMultinomialLoss(n_classes=3)
    yield (
        "_loss.HalfMultinomialLoss",
        TWO_TYPES,
        lambda raw, y: multinomial.loss(y.astype(raw.dtype), raw).sum(),
        lambda raw, y: multinomial.gradient(y.astype(raw.dtype), raw),
        RNG.normal(size=(12, 3)),
        CLASSES,
    )


def list_linear_models() -> Iterator[tuple[Any, ...]]:
    """The penalized losses of the linear models, by coefficients and intercept."""
    for name, base, y in (
        ("LogisticRegression", losses.HalfBinomialLoss(), BINARY),
        ("PoissonRegressor", losses.HalfPoissonLoss(), COUNTS),
        ("GammaRegressor", losses.HalfGammaLoss(), COUNTS + 1),
        ("TweedieRegressor", losses.HalfTweedieLoss(power=1.5), COUNTS),
        ("Ridge", losses.HalfSquaredError(), TARGET),
    ):
        objective = LinearModelLoss(base_loss=base, fit_intercept=True)
        for where, coef in {"": COEF, " with large coefficients": 10 * COEF}.items():
            if where and name != "LogisticRegression":
                continue
            yield (
                f"linear_model.{name}{where}",
                TWO_TYPES,
                lambda w, X, y, o=objective: o.loss(w, X, y, l2_reg_strength=0.3),
                lambda w, X, y, o=objective: o.gradient(w, X, y, l2_reg_strength=0.3),
                coef,
                X,
                y,
            )
    multinomial = LinearModelLoss(losses.HalfMultinomialLoss(n_classes=3), fit_intercept=True)
    yield (
        "linear_model.LogisticRegression of three classes",
        TWO_TYPES,
        lambda w, X, y: multinomial.loss(w, X, y.astype(w.dtype), l2_reg_strength=0.3),
        lambda w, X, y: multinomial.gradient(w, X, y.astype(w.dtype), l2_reg_strength=0.3),
        np.asfortranarray(RNG.normal(size=(3, 4))),
        X,
        CLASSES,
    )
    weight = np.ones(12)
    yield (
        "linear_model.HuberRegressor",
        FLOAT64,
        lambda w, X, y: _huber_loss_and_gradient(w, X, y, 1.35, 0.1, weight)[0],
        lambda w, X, y: _huber_loss_and_gradient(w, X, y, 1.35, 0.1, weight)[1],
        np.array([0.4, -0.8, 0.3, 0.2, 0.6]),
        X,
        TARGET,
    )


def list_estimators() -> Iterator[tuple[Any, ...]]:
    """t-SNE and neighborhood components analysis."""
    P = np.abs(RNG.normal(size=15)) + 0.1  # of the 15 pairs of 6 points, in condensed form
    P /= 2 * P.sum()
    yield (
        "manifold.TSNE",
        FLOAT64,
        lambda z, P: _kl_divergence(z, P, 1, 6, 2)[0],
        lambda z, P: _kl_divergence(z, P, 1, 6, 2)[1],
        RNG.normal(size=12),
        P,
    )
    nca = NeighborhoodComponentsAnalysis(n_components=2)
    nca.n_iter_ = 1  # it prints a line if it is 0 and verbose
    same = CLASSES[:, None] == CLASSES
    yield (
        "neighbors.NeighborhoodComponentsAnalysis",
        FLOAT64,
        lambda z, X: nca._loss_grad_lbfgs(z, X, same, -1.0)[0],
        lambda z, X: nca._loss_grad_lbfgs(z, X, same, -1.0)[1],
        RNG.normal(size=6),
        X,
    )


def list_likelihoods() -> Iterator[tuple[Any, ...]]:
    """The log marginal likelihood of Gaussian processes, by the logarithms of the kernel's parameters."""
    noise = kernels.WhiteKernel(0.1)
    of_regression = {
        "RBF": 1.5 * kernels.RBF(0.9) + noise,
        "anisotropic RBF": 1.5 * kernels.RBF([0.9, 1.4, 2.0]) + noise,
        "Matern 0.5": kernels.Matern(0.9, nu=0.5) + noise,
        "Matern 1.5": kernels.Matern(0.9, nu=1.5) + noise,
        "Matern 2.5": kernels.Matern(0.9, nu=2.5) + noise,
        "RationalQuadratic": kernels.RationalQuadratic(0.9, 1.2) + noise,
        "ExpSineSquared": kernels.ExpSineSquared(0.9, 3.0) + noise,
        "DotProduct": kernels.DotProduct(0.7) + noise,
        "Exponentiation": kernels.Exponentiation(kernels.RationalQuadratic(0.9, 1.2), 2) + noise,
    }
    for name, kernel in of_regression.items():
        inputs = X[:, :1] if name == "ExpSineSquared" else X  # it is a kernel of the line
        process = GaussianProcessRegressor(kernel, optimizer=None).fit(inputs, TARGET)
        yield (
            f"gaussian_process.GaussianProcessRegressor, {name}",
            FLOAT64,
            lambda theta, g=process: g.log_marginal_likelihood(theta),
            lambda theta, g=process: g.log_marginal_likelihood(theta, eval_gradient=True)[1],
            process.kernel_.theta,
        )
    classifier = GaussianProcessClassifier(1.5 * kernels.RBF(0.9), optimizer=None).fit(X, BINARY)
    yield (
        "gaussian_process.GaussianProcessClassifier, RBF",
        FLOAT64,
        lambda theta: classifier.log_marginal_likelihood(theta),
        lambda theta: classifier.log_marginal_likelihood(theta, eval_gradient=True)[1],
        classifier.kernel_.theta,
    )


def list_metrics() -> Iterator[tuple[Any, ...]]:
    """Metrics by the prediction."""
    n = len(TARGET)
    predicted, positive = TARGET + RAW / 3, np.abs(RAW) + 0.4
    deviance = metrics.mean_tweedie_deviance
    of_prediction = {
        "mean_squared_error": (metrics.mean_squared_error, lambda p, y: 2 * (p - y) / n, predicted, TARGET),
        "mean_absolute_error": (
            metrics.mean_absolute_error,
            lambda p, y: np.sign(p - y) / n,
            predicted,
            TARGET,
        ),
        "mean_squared_log_error": (
            metrics.mean_squared_log_error,
            lambda p, y: 2 * (np.log1p(p) - np.log1p(y)) / (n * (1 + p)),
            positive,
            COUNTS,
        ),
        "mean_poisson_deviance": (
            metrics.mean_poisson_deviance,
            lambda p, y: 2 * (1 - y / p) / n,
            positive,
            COUNTS,
        ),
        "mean_gamma_deviance": (
            metrics.mean_gamma_deviance,
            lambda p, y: 2 * (1 / p - y / p**2) / n,
            positive,
            COUNTS + 1,
        ),
        "mean_tweedie_deviance(power=1.5)": (
            lambda y, p: deviance(y, p, power=1.5),
            lambda p, y: 2 * (p**-0.5 - y * p**-1.5) / n,
            positive,
            COUNTS,
        ),
        "mean_pinball_loss": (
            lambda y, p: metrics.mean_pinball_loss(y, p, alpha=0.3),
            lambda p, y: np.where(y > p, -0.3, 0.7) / n,
            predicted,
            TARGET,
        ),
        "r2_score": (
            metrics.r2_score,
            lambda p, y: -2 * (p - y) / np.sum((y - y.mean()) ** 2),
            predicted,
            TARGET,
        ),
        "log_loss": (
            metrics.log_loss,
            lambda p, y: (-y / p + (1 - y) / (1 - p)) / n,
            (RAW + 3) / 6,
            BINARY,
        ),
        "brier_score_loss": (
            metrics.brier_score_loss,
            lambda p, y: 2 * (p - y) / n,
            (RAW + 3) / 6,
            BINARY,
        ),
    }
    for name, (metric, slope, prediction, y) in of_prediction.items():
        yield f"metrics.{name}", FLOAT64, lambda p, y, m=metric: m(y, p), slope, prediction, y
    few, centers = X[:4], X[4:6]

    def slope_of_rbf(Z: np.ndarray, C: np.ndarray) -> Any:
        k = pairwise.rbf_kernel(Z, C, gamma=0.3)
        return -0.6 * (k.sum(axis=1, keepdims=True) * Z - k @ C)

    yield (
        "metrics.pairwise.rbf_kernel",
        TWO_TYPES,
        lambda Z, C: pairwise.rbf_kernel(Z, C, gamma=0.3).sum(),
        slope_of_rbf,
        few,
        centers,
    )
    yield (
        "metrics.pairwise.polynomial_kernel",
        TWO_TYPES,
        lambda Z, C: pairwise.polynomial_kernel(Z, C, degree=2, gamma=0.3).sum(),
        lambda Z, C: 0.6 * (1 + 0.3 * Z @ C.T) @ C,
        few,
        centers,
    )
    yield (
        "metrics.pairwise.sigmoid_kernel",
        TWO_TYPES,
        lambda Z, C: pairwise.sigmoid_kernel(Z, C, gamma=0.3).sum(),
        lambda Z, C: 0.3 * (1 - np.tanh(1 + 0.3 * Z @ C.T) ** 2) @ C,
        few,
        centers,
    )
