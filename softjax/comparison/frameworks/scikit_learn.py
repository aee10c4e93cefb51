"""scikit-learn: LinearModelLoss of HalfMultinomialLoss, what LogisticRegression minimizes. It is not public."""

import numpy as np
from sklearn._loss import HalfMultinomialLoss
from sklearn.linear_model._linear_loss import LinearModelLoss
from sklearn.utils import check_X_y

from softjax.comparison.frameworks.protocol import Prepared, Problem
from softjax.comparison.frameworks.shared_numpy import flatten_examples, name_targets, write_flat

DTYPES = ("float64", "float32")


def prepare(problem: Problem) -> Prepared:
    """The gradient by hand, for coefficients (K, D) in the order of columns. X is validated as LogisticRegression does.

    Labels have the type of X. The penalty is l2/2 ΣW²; Σ|W| is added by hand. An example with a target (K,) is stated
    as K examples, one of each class, whose weights are the target.
    """
    X, t, w = flatten_examples(problem)
    if t.ndim > 1:
        N, K = t.shape
        w = (t if w is None else t * w[:, None]).ravel()
        X, t = X.repeat(K, axis=0), np.tile(np.arange(K), N)
    X, y = check_X_y(X, t, dtype=[np.float64, np.float32], order="C")
    y = y.astype(X.dtype)
    w = None if w is None else w.astype(X.dtype)
    objective = LinearModelLoss(HalfMultinomialLoss(n_classes=problem.W.shape[1]), fit_intercept=False)
    l2 = 2 * problem.l2

    def loss_and_grad(coef: np.ndarray) -> tuple[float, np.ndarray]:
        loss, grad = objective.loss_gradient(coef, X, y, w, l2)
        if problem.l1:
            loss, grad = loss + problem.l1 * float(np.abs(coef).sum()), grad + problem.l1 * np.sign(coef)
        return loss, grad

    def hvp(W: np.ndarray, V: np.ndarray) -> np.ndarray:
        return objective.gradient_hessian_product(_place(W), X, y, w, l2)[1](_place(V)).T

    def hessian(W: np.ndarray) -> np.ndarray:
        return objective.gradient_hessian(_place(W), X, y, w, l2)[1].reshape(*W.shape, *W.shape)

    return Prepared(
        place=_place,
        loss_and_grad=loss_and_grad,
        to_numpy=lambda result: (result[0], result[1].T),
        modes={"hvp": hvp, "hessian": hessian},
    )


def _place(W: np.ndarray) -> np.ndarray:
    return np.array(W.T, order="F")


def write_script(problem: Problem) -> str:
    """The same call."""
    t = name_targets(problem)
    weights = "w" if problem.weights is not None else None
    lines = write_flat(problem)
    if t == "T":
        lines += f"w = (T{' * w[:, None]' if weights else ''}).ravel()\n"
        lines += "X, y = X.repeat(W.shape[1], axis=0), np.tile(np.arange(W.shape[1]), len(X))\n"
        t, weights = "y", "w"
    arguments = f"W.T, X, {t}.astype(X.dtype)"
    arguments += f", sample_weight={weights}.astype(X.dtype)" if weights else ""
    arguments += ", l2_reg_strength=2 * reg" if problem.reg else ""
    return f"""\
from sklearn._loss import HalfMultinomialLoss
from sklearn.linear_model._linear_loss import LinearModelLoss
from sklearn.utils import check_X_y
{lines}X, {t} = check_X_y(X, {t}, dtype=[np.float64, np.float32], order="C")
objective = LinearModelLoss(HalfMultinomialLoss(n_classes=W.shape[1]), fit_intercept=False)
loss, grad = objective.loss_gradient({arguments})
print(loss, grad.T)
"""
