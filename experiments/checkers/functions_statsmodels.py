"""statsmodels: log-likelihoods with their scores, robust norms, links and variance functions."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import statsmodels.api as sm
from statsmodels.discrete import count_model, truncated_model
from statsmodels.discrete.conditional_models import ConditionalLogit, ConditionalPoisson
from statsmodels.discrete.discrete_model import GeneralizedPoisson, NegativeBinomialP
from statsmodels.genmod.families import links, varfuncs
from statsmodels.othermod.betareg import BetaModel
from statsmodels.robust import norms

from checkers.registry import TWO_TYPES, RealFunction, in_types

RNG = np.random.default_rng(2)
N = 30
X = sm.add_constant(RNG.normal(size=(N, 2)))
COEF = np.array([0.3, -0.5, 0.4])
BINARY = (RNG.random(N) < 0.5).astype(float)
COUNTS = RNG.poisson(np.exp(X @ COEF)).astype(float)
POSITIVE = RNG.gamma(2.0, size=N) + 0.1
REAL = X @ COEF + RNG.normal(size=N)
UNIT = RNG.beta(2.0, 3.0, size=N)
CLASSES = np.arange(N) % 3
GROUPS = np.arange(N) // 5
TIMES = RNG.exponential(size=N)


def list_functions(library: str) -> Iterator[RealFunction]:
    """The models, the norms, the links."""
    for name, fun, gradient, params in list_models():
        yield from in_types(library, f"statsmodels.{name}", fun, gradient, params)
    residuals = np.linspace(-4.4, 3.9, 9)
    for norm in (
        norms.LeastSquares(),
        norms.HuberT(),
        norms.TukeyBiweight(),
        norms.AndrewWave(),
        norms.RamsayE(),
        norms.Hampel(),
        norms.TrimmedMean(),
        norms.StudentT(),
        norms.TukeyQuartic(),
    ):
        yield from in_types(
            library,
            f"statsmodels.robust.norms.{type(norm).__name__}",
            lambda r, norm=norm: np.sum(norm.rho(r)),
            lambda r, norm=norm: norm.psi(r),
            residuals,
            dtypes=TWO_TYPES,
        )
    mean = np.array([0.07, 0.3, 0.55, 0.8])
    for name, link in {
        "Logit": links.Logit(),
        "Probit": links.Probit(),
        "CLogLog": links.CLogLog(),
        "LogLog": links.LogLog(),
        "Cauchy": links.Cauchy(),
        "Log": links.Log(),
        "LogC": links.LogC(),
        "InversePower": links.InversePower(),
        "Sqrt": links.Sqrt(),
        "NegativeBinomial": links.NegativeBinomial(),
    }.items():
        yield from in_types(
            library,
            f"statsmodels.links.{name}",
            lambda p, link=link: np.sum(link(p)),
            lambda p, link=link: link.deriv(p),
            mean,
        )
    for name, variance in {
        "Binomial": varfuncs.Binomial(n=3),
        "NegativeBinomial": varfuncs.NegativeBinomial(),
    }.items():
        yield from in_types(
            library,
            f"statsmodels.varfuncs.{name}",
            lambda p, v=variance: np.sum(v(p)),
            lambda p, v=variance: v.deriv(p),
            mean,
        )


def list_models() -> Iterator[tuple[Any, ...]]:
    """Log-likelihoods and scores: name, loglike, score, the parameters."""
    models = {
        "Logit": (sm.Logit(BINARY, X), COEF),
        "Logit with large coefficients": (sm.Logit(BINARY, X), 10 * COEF),
        "Probit": (sm.Probit(BINARY, X), COEF),
        "Poisson": (sm.Poisson(COUNTS, X), COEF),
        "NegativeBinomial, nb2": (sm.NegativeBinomial(COUNTS, X), np.append(COEF, 0.6)),
        "NegativeBinomial, nb1": (
            sm.NegativeBinomial(COUNTS, X, loglike_method="nb1"),
            np.append(COEF, 0.6),
        ),
        "NegativeBinomial, geometric": (
            sm.NegativeBinomial(COUNTS, X, loglike_method="geometric"),
            COEF,
        ),
        "NegativeBinomialP": (NegativeBinomialP(COUNTS, X), np.append(COEF, 0.6)),
        "GeneralizedPoisson": (GeneralizedPoisson(COUNTS, X), np.append(COEF, 0.2)),
        "ZeroInflatedPoisson": (
            count_model.ZeroInflatedPoisson(COUNTS, X),
            np.array([-0.7, *COEF]),
        ),
        "TruncatedLFPoisson": (
            truncated_model.TruncatedLFPoisson(COUNTS + 1, X),
            COEF,
        ),
        "MNLogit": (sm.MNLogit(CLASSES, X), np.array([0.3, -0.5, 0.4, 0.1, 0.6, -0.2])),
        "OLS": (sm.OLS(REAL, X), COEF),
        "PHReg, Breslow": (sm.PHReg(TIMES, X[:, 1:]), COEF[1:]),
        "PHReg, Efron": (sm.PHReg(np.round(TIMES, 1), X[:, 1:], ties="efron"), COEF[1:]),
        "ConditionalLogit": (ConditionalLogit(np.arange(N) % 2.0, X[:, 1:], groups=GROUPS), COEF[1:]),
        "ConditionalPoisson": (ConditionalPoisson(COUNTS, X[:, 1:], groups=GROUPS), COEF[1:]),
        "BetaModel": (BetaModel(UNIT, X), np.append(COEF, 1.2)),
    }
    for name, (model, coef) in models.items():
        yield name, model.loglike, model.score, coef
    families = sm.families
    of_family = {
        "Binomial": (families.Binomial(), BINARY),
        "Binomial, probit": (families.Binomial(links.Probit()), BINARY),
        "Binomial, complementary log-log": (families.Binomial(links.CLogLog()), BINARY),
        "Poisson": (families.Poisson(), COUNTS),
        "Gaussian": (families.Gaussian(), REAL),
        "Gamma, log": (families.Gamma(links.Log()), POSITIVE),
        "InverseGaussian, log": (families.InverseGaussian(links.Log()), POSITIVE),
        "NegativeBinomial": (families.NegativeBinomial(alpha=0.7), COUNTS),
        "Tweedie": (families.Tweedie(var_power=1.5, eql=True), COUNTS + 0.5),
    }
    for name, (family, y) in of_family.items():
        model = sm.GLM(y, X, family=family)
        yield (
            f"GLM, {name}",
            lambda w, m=model: m.loglike(w, scale=1.0),
            lambda w, m=model: m.score(w, scale=1.0),
            COEF,
        )
