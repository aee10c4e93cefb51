"""statsmodels: the log-likelihood of MNLogit, its score and its Hessian."""

import numpy as np
import pandas as pd
from statsmodels.discrete.discrete_model import MNLogit

from softjax.comparison.frameworks.protocol import Prepared, Problem
from softjax.comparison.frameworks.shared_numpy import (
    flatten_examples,
    name_targets,
    write_flat,
    write_slope,
)

DTYPES = ("float64",)


def prepare(problem: Problem) -> Prepared:
    """The gradient by hand, of the parameters W[:, 1:] − W[:, :1], since the first class is the base.

    The labels are a categorical with all K classes, because classes that do not occur would be left out; or a matrix
    of indicators, which may be soft. The model has no weights: the log-likelihoods and scores of single examples have.
    """
    X, t, w = flatten_examples(problem)
    (D, K), N = problem.W.shape, len(X)
    endog = t if t.ndim > 1 else pd.Series(pd.Categorical(t, categories=range(K)))
    model = MNLogit(endog, X.astype(np.float64))

    def spread(score: np.ndarray) -> np.ndarray:
        """The gradient (..., D, K) from a score (..., (K − 1) D)."""
        rows = score.reshape(*score.shape[:-1], K - 1, D).swapaxes(-1, -2)
        return np.concatenate([rows.sum(axis=-1, keepdims=True), -rows], axis=-1)

    def loss_and_grad(W: np.ndarray) -> tuple[np.floating, np.ndarray]:
        params = _shift(W)
        if w is None:
            value, score = (total / N for total in model.loglike_and_score(params))
        else:
            value = w @ model.loglikeobs(params).sum(axis=1) / w.sum()
            score = w @ model.score_obs(params) / w.sum()
        loss = problem.penalized(-value, lambda: np.abs(W).sum(), lambda: (W * W).sum())
        return loss, problem.with_slope(spread(score), W, np.sign)

    def hessian(W: np.ndarray) -> np.ndarray:
        contrast = np.vstack([-np.ones(K - 1), np.eye(K - 1)])  # the derivative of the parameters
        blocks = model.hessian(_shift(W)).reshape(K - 1, D, K - 1, D)
        curvature = np.einsum("kj,jdme,lm->dkel", contrast, blocks, contrast) / -N
        return curvature + 2 * problem.l2 * np.eye(W.size).reshape(curvature.shape)

    return Prepared(
        place=np.array,
        loss_and_grad=loss_and_grad,
        to_numpy=lambda result: result,
        modes={"hessian": hessian, "per_example": lambda W: spread(model.score_obs(_shift(W)))},
    )


def _shift(W: np.ndarray) -> np.ndarray:
    W = W.astype(np.float64)
    return (W[:, 1:] - W[:, :1]).ravel(order="F")


def write_script(problem: Problem) -> str:
    """The same calls."""
    t = name_targets(problem)
    endog = "T" if t == "T" else f"pd.Series(pd.Categorical({t}, categories=range(W.shape[1])))"
    results = (
        "(total / len(X) for total in model.loglike_and_score(params))"
        if problem.weights is None
        else "(w @ a / w.sum() for a in (model.loglikeobs(params).sum(axis=1), model.score_obs(params)))"
    )
    penalty = " + reg * (W * W).sum()" if problem.reg else ""
    return f"""\
import pandas as pd
from statsmodels.api import MNLogit
{write_flat(problem)}model = MNLogit({endog}, X.astype(float))
params = (W[:, 1:] - W[:, :1]).ravel(order="F")  # the first class is the base
value, score = {results}
rows = score.reshape(W.shape[1] - 1, W.shape[0])
print(-value{penalty}, -np.vstack([-rows.sum(axis=0), rows]).T{write_slope(problem)})
"""


def count_numbers(N: int, D: int, K: int) -> float:
    """The model has an index of all parameters, and several arrays of the size of the scores."""
    return 4.0 * D * K + 6.0 * N * K
