"""NumPy, in two matrix products: the course's vectorized solution."""

import numpy as np

from softjax.comparison.frameworks.protocol import Prepared, Problem
from softjax.comparison.frameworks.shared_numpy import compute_exponentials

DTYPES = ("float64", "float32", "float16")

SCRIPT = """\
scores = X @ W
shifted = scores - scores.max(axis=1, keepdims=True)
e = np.exp(shifted)
losses = np.log(e.sum(axis=1)) - shifted[np.arange(len(X)), y]
Q = e / e.sum(axis=1, keepdims=True)
Q[np.arange(len(X)), y] -= 1
print(losses.mean()« + reg * (W * W).sum()», X.T @ (Q / len(X))« + 2 * reg * W»)
"""


def prepare(problem: Problem) -> Prepared:
    """The gradient by hand, Xᵀ (p − onehot(y)) / N."""
    X, y = problem.X, problem.y
    rows = np.arange(len(X))

    def loss_and_grad(W: np.ndarray) -> tuple[np.floating, np.ndarray]:
        shifted, Q = compute_exponentials(problem, W)
        total = Q.sum(axis=1)
        losses = np.log(total) - shifted[rows, y]
        value = problem.penalized(losses.mean(), lambda: np.abs(W).sum(), lambda: (W * W).sum())
        Q /= total[:, None]
        Q[rows, y] -= 1
        Q /= len(X)
        return value, problem.with_slope(X.T @ Q, W, np.sign)

    return Prepared(
        place=np.array,
        loss_and_grad=loss_and_grad,
        to_numpy=lambda result: result,
        products=lambda W: X.T @ (X @ W),
    )


def count_operations(N: int, D: int, K: int) -> float:
    """Operations. The calls of one gradient count as a million. This matters because half types are slow."""
    return 4.0 * N * D * K + 1e6
