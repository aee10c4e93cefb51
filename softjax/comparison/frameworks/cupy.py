"""CuPy: the formulas of NumPy's vectorized solution on a GPU."""

from typing import Any

import cupy as cp

from softjax.comparison.frameworks.protocol import Prepared, Problem
from softjax.comparison.frameworks.shared_numpy import (
    flatten_examples,
    name_targets,
    write_flat,
    write_losses,
    write_objective,
    write_slope,
)

DTYPES = ("float64", "float32", "float16")


def prepare(problem: Problem) -> Prepared:
    """The gradient by hand, Xᵀ (p − onehot(y)) / N."""
    features, targets, weights = flatten_examples(problem)
    X, t = cp.asarray(features), cp.asarray(targets)
    w = None if weights is None else cp.asarray(weights)
    rows = cp.arange(len(X))

    def loss_and_grad(W: Any) -> tuple[Any, Any]:
        scores = X @ W
        shifted = scores - scores.max(axis=1, keepdims=True)
        Q = cp.exp(shifted)
        total = Q.sum(axis=1, keepdims=True)
        Q /= total
        if t.ndim == 1:
            losses = cp.log(total[:, 0]) - shifted[rows, t]
            Q[rows, t] -= 1
        else:
            losses = (t * (cp.log(total) - shifted)).sum(axis=1)
            Q -= t
        Q *= 1 / len(X) if w is None else (w / w.sum())[:, None]
        mean = problem.average(losses, w, cp.mean, cp.sum)
        value = problem.penalized(mean, lambda: cp.abs(W).sum(), lambda: (W * W).sum())
        return value, problem.with_slope(X.T @ Q, W, cp.sign)

    return Prepared(
        place=cp.array,
        loss_and_grad=loss_and_grad,
        to_numpy=lambda result: (cp.asnumpy(result[0]), cp.asnumpy(result[1])),
    )


def write_script(problem: Problem) -> str:
    """The same formulas."""
    t = name_targets(problem)
    Q = "Q = e / total - T" if t == "T" else f"Q = e / total\nQ[cp.arange(len(X)), {t}] -= 1"
    share = "Q / len(X)" if problem.weights is None else "Q * (w / w.sum())[:, None]"
    names = ["X", "W", t] + ["w"] * (problem.weights is not None)
    formulas = f"{write_losses(problem)}{Q}\nprint({write_objective(problem)}, X.T @ ({share}){write_slope(problem)})\n"
    return (
        "import cupy as cp\n"
        + write_flat(problem)
        + f"{', '.join(names)} = map(cp.asarray, ({', '.join(names)}))\n"
        + formulas.replace("np.", "cp.")
    )
