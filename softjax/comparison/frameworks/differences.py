"""Central differences of the loss in NumPy: two losses for each entry of W, and no derivatives."""

from collections.abc import Callable
from textwrap import indent
from typing import Any

import numpy as np

from softjax.comparison.frameworks.protocol import Prepared, Problem
from softjax.comparison.frameworks.shared_numpy import (
    add_up,
    compute_losses,
    flatten_examples,
    write_flat,
    write_losses,
    write_objective,
)

DTYPES = ("float64", "float32", "float16")


def prepare(problem: Problem) -> Prepared:
    """(L(W + h e) − L(W − h e)) / 2h for each entry, h = ∛ε of the type."""
    X, t, w = flatten_examples(problem)
    h = problem.W.dtype.type(np.cbrt(np.finfo(problem.W.dtype).eps))

    def loss(W: np.ndarray, X: np.ndarray = X) -> np.floating:
        return add_up(problem, compute_losses(X, t, W)[0], w, W)

    def forward(W: np.ndarray, V: np.ndarray) -> np.floating:
        return (loss(W + h * V) - loss(W - h * V)) / (2 * h)

    def differentiate_losses(W: np.ndarray) -> np.ndarray:
        return np.moveaxis(differentiate(lambda W: compute_losses(X, t, W)[0], W, h), -1, 0)

    return Prepared(
        place=np.array,
        loss_and_grad=lambda W: (loss(W), differentiate(loss, W, h)),
        to_numpy=lambda result: result,
        modes={
            "forward": forward,
            "per_example": differentiate_losses,
            "inputs": lambda W: differentiate(lambda X: loss(W, X), X, h).reshape(problem.X.shape),
        },
    )


def differentiate(f: Callable[[np.ndarray], Any], point: np.ndarray, h: np.floating) -> np.ndarray:
    """(f(x + h e) − f(x − h e)) / 2h for each entry of a point x, on the first axes."""
    slopes, moved = [], point.copy()
    for index in np.ndindex(*point.shape):
        moved[index] = point[index] + h
        above = f(moved)
        moved[index] = point[index] - h
        slopes.append((above - f(moved)) / (2 * h))
        moved[index] = point[index]
    return np.reshape(slopes, point.shape + np.shape(slopes[0]))


def write_script(problem: Problem) -> str:
    """The difference for each entry of W."""
    differences = "np.reshape([(loss(W + e) - loss(W - e)) / (2 * h) for e in E], W.shape)"
    return f"""\
{_write_loss(problem)}E = h * np.eye(W.size, dtype=W.dtype).reshape(W.size, *W.shape)
print(loss(W), {differences})
"""


def write_forward(problem: Problem) -> str:
    """The difference along each tangent."""
    return (
        _write_loss(problem)
        + "print(loss(W), [(loss(W + h * V) - loss(W - h * V)) / (2 * h) for V in basis])\n"
    )


def _write_loss(problem: Problem) -> str:
    return f"""\
{write_flat(problem)}def loss(W):
{indent(write_losses(problem), "    ")}    return {write_objective(problem)}
h = np.finfo(W.dtype).eps ** (1 / 3)
"""


def count_operations(N: int, D: int, K: int) -> float:
    """Operations: two losses for each entry of W. The calls of one loss count as 400,000 operations."""
    return 2 * D * K * (2.0 * N * D * K + 4e5)
