"""Central differences of the loss in NumPy: two losses for each entry of W, and no derivatives."""

import numpy as np

from softjax.comparison.frameworks.protocol import Prepared, Problem
from softjax.comparison.frameworks.shared_numpy import compute_loss

DTYPES = ("float64", "float32", "float16")

LOSS = """\
def loss(W):
    scores = X @ W
    shifted = scores - scores.max(axis=1, keepdims=True)
    return (np.log(np.exp(shifted).sum(1)) - shifted[np.arange(len(X)), y]).mean()« + reg * (W * W).sum()»
"""
SCRIPT = (
    LOSS
    + """\
h = np.finfo(W.dtype).eps ** (1 / 3)
E = h * np.eye(W.size, dtype=W.dtype).reshape(W.size, *W.shape)
print(loss(W), np.reshape([(loss(W + e) - loss(W - e)) / (2 * h) for e in E], W.shape))
"""
)
FORWARD = (
    LOSS
    + """\
h = np.finfo(W.dtype).eps ** (1 / 3)
print(loss(W), [(loss(W + h * V) - loss(W - h * V)) / (2 * h) for V in basis])
"""
)


def prepare(problem: Problem) -> Prepared:
    """(L(W + h e) − L(W − h e)) / 2h for each entry, h = ∛ε of the type."""
    h = problem.W.dtype.type(np.cbrt(np.finfo(problem.W.dtype).eps))

    def loss_and_grad(W: np.ndarray) -> tuple[np.floating, np.ndarray]:
        dW, point = np.empty_like(W), W.copy()
        for index in np.ndindex(*W.shape):
            point[index] = W[index] + h
            above = compute_loss(problem, point)
            point[index] = W[index] - h
            dW[index] = (above - compute_loss(problem, point)) / (2 * h)
            point[index] = W[index]
        return compute_loss(problem, W), dW

    def forward(W: np.ndarray, V: np.ndarray) -> np.floating:
        return (compute_loss(problem, W + h * V) - compute_loss(problem, W - h * V)) / (2 * h)

    return Prepared(
        place=np.array,
        loss_and_grad=loss_and_grad,
        to_numpy=lambda result: result,
        modes={"forward": forward},
    )


def count_operations(N: int, D: int, K: int) -> float:
    """Operations: two losses for each entry of W. The calls of one loss count as 400,000 operations."""
    return 2 * D * K * (2.0 * N * D * K + 4e5)
