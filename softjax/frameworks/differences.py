"""Central differences of NumPy's loss: no derivative at all, two losses an entry."""

import numpy as np

from softjax.frameworks.numpy_vectorized import loss
from softjax.frameworks.protocol import Prepared, Problem

DTYPES = ("float64", "float32", "float16")

SCRIPT = """\
def loss(W):
    scores = X @ W
    shifted = scores - scores.max(axis=1, keepdims=True)
    return (np.log(np.exp(shifted).sum(1)) - shifted[np.arange(len(X)), y]).mean()« + reg * (W * W).sum()»
h = np.finfo(W.dtype).eps ** (1 / 3)
E = h * np.eye(W.size, dtype=W.dtype).reshape(W.size, *W.shape)
print(loss(W), np.reshape([(loss(W + e) - loss(W - e)) / (2 * h) for e in E], W.shape))
"""


def prepare(problem: Problem) -> Prepared:
    """(L(W + h e) − L(W − h e)) / 2h for each entry, h = ∛ε · max(1, |w|)."""
    step = np.cbrt(np.finfo(problem.W.dtype).eps)

    def loss_and_grad(W: np.ndarray) -> tuple[np.floating, np.ndarray]:
        dW, point = np.empty_like(W), W.copy()
        for index in np.ndindex(*W.shape):
            at = point[index]
            h = (step * max(1, abs(at))).astype(W.dtype)
            ends = at + h, at - h
            values = []
            for point[index] in ends:
                values.append(loss(problem, point))
            point[index] = at
            dW[index] = (values[0] - values[1]) / (ends[0] - ends[1])  # of the ends as they were rounded
        return loss(problem, W), dW

    def forward(W: np.ndarray, V: np.ndarray) -> np.floating:
        h: np.floating = step * max(1, np.abs(W).max()) / np.abs(V).max()
        return (loss(problem, W + h * V) - loss(problem, W - h * V)) / (2 * h)

    return Prepared(
        place=np.array,
        loss_and_grad=loss_and_grad,
        to_numpy=lambda result: result,
        modes={"forward": forward},
    )


def work(N: int, D: int, K: int) -> float:
    """Operations: two products for each entry of W."""
    return 2 * D * K * (2.0 * N * D * K + 1000)
