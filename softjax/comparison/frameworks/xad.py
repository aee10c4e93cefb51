"""XAD: the adjoint mode of xad.adj_1st, and the forward mode of xad.fwd_1st. Each scalar operation is recorded on a tape."""

from collections.abc import Callable
from typing import Any

import numpy as np
import xad.fwd_1st
import xad.math
from xad.adj_1st import Real, Tape

from softjax.comparison.frameworks.protocol import Prepared, Problem
from softjax.comparison.frameworks.shared_objects import Library, Objective, write_loss

DTYPES = ("float64",)

LIBRARY = Library(
    exp=np.frompyfunc(xad.math.exp, 1, 1),
    log=np.frompyfunc(xad.math.log, 1, 1),
    values=lambda a: np.frompyfunc(xad.value, 1, 1)(a).astype(np.float64),
)


def prepare(problem: Problem) -> Prepared:
    """The tape is recorded anew in each call."""
    loss = Objective(problem, LIBRARY)

    def loss_and_grad(W: np.ndarray) -> tuple[float, np.ndarray]:
        (value,), (grad,) = _differentiate(loss, W)
        return value, grad

    def forward(W: np.ndarray, V: np.ndarray) -> float:
        w = np.frompyfunc(xad.fwd_1st.Real, 1, 1)(W)
        for number, slope in zip(w.flat, V.flat, strict=True):
            number.setDerivative(slope)
        return loss(w).getDerivative()

    return Prepared(
        place=np.array,
        loss_and_grad=loss_and_grad,
        to_numpy=lambda result: result,
        modes={
            "forward": forward,
            "per_example": lambda W: _differentiate(loss.losses, W)[1],
            "inputs": lambda W: _differentiate(lambda X: loss(W, X), loss.X)[1].reshape(problem.X.shape),
        },
    )


def _differentiate(function: Callable[[Any], Any], at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The outputs (M,) of a function at a point, and their gradients (M, ...)."""
    with Tape() as tape:
        x = np.frompyfunc(Real, 1, 1)(at)
        tape.registerInputs(x.flat)
        tape.newRecording()
        outputs = np.ravel(function(x))
        tape.registerOutputs(outputs)
        gradients = np.empty((len(outputs), *at.shape))
        for output, gradient in zip(outputs, gradients, strict=True):
            tape.clearDerivatives()
            output.setDerivative(1.0)
            tape.computeAdjoints()
            gradient.flat = [number.getDerivative() for number in x.flat]
        return LIBRARY.values(outputs), gradients


def write_script(problem: Problem) -> str:
    """Adjoint mode."""
    return f"""\
import xad.math
from xad.adj_1st import Real, Tape
{_write_loss(problem)}with Tape() as tape:
    v = np.vectorize(Real)(W)
    tape.registerInputs(v.flat)
    tape.newRecording()
    result = loss(v)
    tape.registerOutput(result)
    result.derivative = 1.0
    tape.computeAdjoints()
    print(result.value, np.reshape([number.derivative for number in v.flat], W.shape))
"""


def write_forward(problem: Problem) -> str:
    """Forward mode."""
    return f"""\
import xad.math
from xad.fwd_1st import Real
{_write_loss(problem)}for V in basis:
    v = np.vectorize(Real)(W)
    for number, slope in zip(v.flat, V.flat):
        number.setDerivative(slope)
    print(loss(v).getValue(), loss(v).getDerivative())
"""


def _write_loss(problem: Problem) -> str:
    functions = (("exp", "xad.math.exp"), ("log", "xad.math.log"), ("values", "xad.value"))
    lines = [
        f"{name} = np.vectorize({function}, otypes=[{'float' if name == 'values' else 'object'}])"
        for name, function in functions
    ]
    return "\n".join(lines) + "\n" + write_loss(problem)


def count_operations(N: int, D: int, K: int) -> float:
    """Operations on the tape. Those of the products are nearly all."""
    return 2.0 * N * D * K


def count_numbers(N: int, D: int, K: int) -> float:
    """The tape has about five numbers for each operation."""
    return 10.0 * N * D * K
