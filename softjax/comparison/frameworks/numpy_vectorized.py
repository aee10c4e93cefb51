"""NumPy, in two matrix products: the course's vectorized solution."""

import numpy as np

from softjax.comparison.frameworks.protocol import Prepared, Problem
from softjax.comparison.frameworks.shared_numpy import (
    add_up,
    compute_losses,
    flatten_examples,
    name_targets,
    write_flat,
    write_losses,
    write_objective,
    write_slope,
)

DTYPES = ("float64", "float32", "float16")


def prepare(problem: Problem) -> Prepared:
    """The gradient by hand, Xᵀ (p − onehot(y)) / N, and with respect to X, (p − onehot(y)) Wᵀ / N."""
    X, t, w = flatten_examples(problem)
    rows = np.arange(len(X))

    def differentiate(W: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The losses (N,), and the derivative of their mean with respect to the scores (N, K)."""
        losses, Q, total = compute_losses(X, t, W)
        Q /= total
        if t.ndim == 1:
            Q[rows, t] -= 1
        else:
            Q -= t
        if w is None:
            Q /= len(X)
        else:
            Q *= (w / w.sum())[:, None]
        return losses, Q

    def loss_and_grad(W: np.ndarray) -> tuple[np.floating, np.ndarray]:
        losses, Q = differentiate(W)
        return add_up(problem, losses, w, W), problem.with_slope(X.T @ Q, W, np.sign)

    return Prepared(
        place=np.array,
        loss_and_grad=loss_and_grad,
        to_numpy=lambda result: result,
        modes={"inputs": lambda W: (differentiate(W)[1] @ W.T).reshape(problem.X.shape)},
        products=lambda W: X.T @ (X @ W),
    )


def write_script(problem: Problem) -> str:
    """The same formulas."""
    t = name_targets(problem)
    Q = "Q = e / total - T" if t == "T" else f"Q = e / total\nQ[np.arange(len(X)), {t}] -= 1"
    share = "Q / len(X)" if problem.weights is None else "Q * (w / w.sum())[:, None]"
    return f"""\
{write_flat(problem)}{write_losses(problem)}{Q}
print({write_objective(problem)}, X.T @ ({share}){write_slope(problem)})
"""


def count_operations(N: int, D: int, K: int) -> float:
    """Operations. The calls of one gradient count as a million. This matters because half types are slow."""
    return 4.0 * N * D * K + 1e6
