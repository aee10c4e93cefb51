"""NumPy, example by example and class by class: the course's naive solution."""

import numpy as np

from softjax.comparison.frameworks.protocol import Prepared, Problem

DTYPES = ("float64", "float32", "float16")

SCRIPT = """\
loss, dW = W.dtype.type(0), np.zeros_like(W)
for x, label in zip(X, y, strict=True):
    shifted = x @ W - (x @ W).max()
    p = np.exp(shifted) / np.exp(shifted).sum()
    loss += np.log(np.exp(shifted).sum()) - shifted[label]
    for k in range(W.shape[1]):
        dW[:, k] += (p[k] - (k == label)) * x
print(loss / W.dtype.type(len(X))« + reg * (W * W).sum()», dW / len(X)« + 2 * reg * W»)
"""


def prepare(problem: Problem) -> Prepared:
    """The gradient by hand, (p − 1[y=k]) xᵢ added up in Python."""
    X, y = problem.X, problem.y

    def loss_and_grad(W: np.ndarray) -> tuple[np.floating, np.ndarray]:
        loss, dW = W.dtype.type(0), np.zeros_like(W)
        for x, label in zip(X, y, strict=True):
            shifted = x @ W
            shifted = shifted - shifted.max()
            e = np.exp(shifted)
            loss += np.log(e.sum()) - shifted[label]
            p = e / e.sum()
            for k in range(W.shape[1]):
                dW[:, k] += (p[k] - (k == label)) * x
        loss = problem.penalized(loss / W.dtype.type(len(X)), lambda: np.abs(W).sum(), lambda: (W * W).sum())
        dW /= len(X)
        return loss, problem.with_slope(dW, W, np.sign)

    return Prepared(place=np.array, loss_and_grad=loss_and_grad, to_numpy=lambda result: result)


def count_operations(N: int, D: int, K: int) -> float:
    """Operations. One turn of the inner loop in Python counts as 30,000."""
    return N * K * (4 * D + 3e4)
