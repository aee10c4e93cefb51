"""ad: forward mode. Each number carries its first and second derivatives with respect to all of W, in dictionaries."""

from typing import Any

import ad
import ad.admath
import numpy as np

from softjax.comparison.frameworks.protocol import Prepared, Problem
from softjax.comparison.frameworks.shared_objects import Library, Objective, write_loss

DTYPES = ("float64",)

LIBRARY = Library(
    exp=np.frompyfunc(ad.admath.exp, 1, 1),
    log=np.frompyfunc(ad.admath.log, 1, 1),
    values=lambda a: a.astype(np.float64),
)


def prepare(problem: Problem) -> Prepared:
    """ad.adnumber makes the variables. The library always computes second derivatives too."""
    loss = Objective(problem, LIBRARY)

    def place(W: np.ndarray) -> Any:
        return ad.adnumber(W.astype(np.float64))

    def gradient(value: Any, at: Any) -> np.ndarray:
        return np.reshape(value.gradient(at.ravel()), at.shape)

    def loss_and_grad(w: Any) -> tuple[float, np.ndarray]:
        value = loss(w)
        return value.x, gradient(value, w)

    def forward(W: np.ndarray, V: np.ndarray) -> float:
        t = ad.adnumber(0.0)
        return loss(W + V * t).d(t)

    def hessian(W: np.ndarray) -> np.ndarray:
        w = place(W)
        return np.reshape(loss(w).hessian(w.ravel()), (*W.shape, *W.shape))

    def per_example(W: np.ndarray) -> np.ndarray:
        w = place(W)
        return np.reshape(ad.jacobian(loss.losses(w), w.ravel()), (-1, *W.shape))

    def inputs(W: np.ndarray) -> np.ndarray:
        X = ad.adnumber(loss.X)
        return gradient(loss(W, X), X).reshape(problem.X.shape)

    return Prepared(
        place=place,
        loss_and_grad=loss_and_grad,
        to_numpy=lambda result: result,
        modes={"forward": forward, "hessian": hessian, "per_example": per_example, "inputs": inputs},
    )


def write_script(problem: Problem) -> str:
    """The gradient, in forward mode."""
    return f"""\
{_write_loss(problem)}v = adnumber(W.astype(float))
result = loss(v)
print(result.x, np.reshape(result.gradient(v.ravel()), W.shape))
"""


def write_forward(problem: Problem) -> str:
    """The derivatives along single directions."""
    return f"""\
{_write_loss(problem)}t = adnumber(0.0)
for V in basis:
    result = loss(W + V * t)
    print(result.x, result.d(t))
"""


def _write_loss(problem: Problem) -> str:
    return f"""\
from ad import adnumber, admath
exp, log = (np.vectorize(f, otypes=[object]) for f in (admath.exp, admath.log))
def values(a):
    return a.astype(float)
{write_loss(problem)}"""


def count_operations(N: int, D: int, K: int) -> float:
    """Operations: the pairs of variables in all numbers, of which the library has second derivatives."""
    scores = N * K * (D**3 / 3 + 2 * D**2)
    losses = N * (D * K) ** 2 * (K / 3 + 3)
    return scores + losses + (D * K) ** 3 / 3
