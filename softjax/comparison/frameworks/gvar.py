"""gvar: forward mode. Each number carries its derivatives with respect to all of W, in a sparse vector."""

import gvar as gv
import numpy as np

from softjax.comparison.frameworks.protocol import Prepared, Problem
from softjax.comparison.frameworks.shared_objects import Library, Objective, write_loss

DTYPES = ("float64",)


def prepare(problem: Problem) -> Prepared:
    """gvar.valder makes the variables, GVar.deriv reads the derivatives."""
    loss = Objective(problem, Library(exp=gv.exp, log=gv.log, values=gv.mean, abs=gv.fabs))

    def loss_and_grad(W: np.ndarray) -> tuple[float, np.ndarray]:
        value = loss(W)
        return value.mean, value.deriv(W)

    def forward(W: np.ndarray, V: np.ndarray) -> float:
        (t,) = gv.valder([0.0])
        return loss(W + V * t).deriv(t)

    def inputs(W: np.ndarray) -> np.ndarray:
        X = gv.valder(loss.X)
        return loss(W, X).deriv(X).reshape(problem.X.shape)

    def per_example(W: np.ndarray) -> np.ndarray:
        w = gv.valder(W)
        return gv.deriv(loss.losses(w), w)

    return Prepared(
        place=gv.valder,
        loss_and_grad=loss_and_grad,
        to_numpy=lambda result: result,
        modes={"forward": forward, "per_example": per_example, "inputs": inputs},
    )


def write_script(problem: Problem) -> str:
    """The gradient, in forward mode."""
    return f"""\
import gvar as gv
from gvar import exp, log, mean as values
{write_loss(problem)}v = gv.valder(W)
result = loss(v)
print(result.mean, result.deriv(v))
"""


def write_forward(problem: Problem) -> str:
    """The derivatives along single directions."""
    return f"""\
import gvar as gv
from gvar import exp, log, mean as values
{write_loss(problem)}t, = gv.valder([0.0])
for V in basis:
    result = loss(W + V * t)
    print(result.mean, result.deriv(t))
"""


def count_operations(N: int, D: int, K: int) -> float:
    """Operations: the derivatives in all numbers. Each number counts as a hundred."""
    scores = N * K * (D * 2 * 100 + D * D / 2)
    losses = N * K * (2 * 100 + D * K)
    return scores + losses + D * K * (2 * 100 + D * K / 2) + 1000


def count_numbers(N: int, D: int, K: int) -> float:
    """The derivatives in the scores, of which there are two arrays, each with its index."""
    return 6.0 * N * D * K
