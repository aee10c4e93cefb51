"""Calls a student's function without its prints, reads loss and gradient from its answer, and explains exceptions."""

import io
import re
import traceback
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Integer

from softjax.cs231n.grading.findings import Fault

LossFunction = Callable[..., Any]

# A pattern for an exception's type and message, and the likely reason. The first that matches counts.
_REASONS = (
    (r"positional argument|unexpected keyword", "it is called as softmax_loss(W, X, y, reg), and must take these four arguments"),
    (r"NotImplementedError", "it is not written yet"),
    (r"SystemExit", "it ends the program: return loss, dW, without exit()"),
    (r"math range error", "math.exp overflows: subtract each example's largest score first, and use np.exp"),
    (r"math domain error", "a logarithm of 0 or of a negative number"),
    (r"only .*(length-1|size-1|0-dimensional|scalar) arrays?", "math.exp and math.log take one number: use np.exp and np.log"),
    (r"out of bounds", "a label that is one too high, or a loop over more classes or examples than there are"),
    (r"Cannot cast|same_kind", "an array of integers cannot hold fractions: use dW = np.zeros(W.shape), an array of floats"),
    (
        r"matmul|not aligned|core dimension|incompatible shapes for dot",
        "X is (N, D) and W (D, K): the scores are X @ W, the gradient X.T @ Q with Q (N, K)",
    ),
    (
        r"broadcast",
        "shapes do not fit: use keepdims=True in sums and maxima over the classes; dW is (D, K)",
    ),
    (r"NoneType", "something that has not been computed yet"),
    (r"NameError|UnboundLocalError", "a name that is not defined when it is used, perhaps misspelled"),
    (r"", "read the message: it says what Python saw"),
)  # fmt: skip


class Raised(Exception):
    """The student's function raised an exception; `fault` says which, and the likely reason."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.what)
        self.fault = fault


@dataclass(frozen=True)
class Answer:
    """What a student's function returned.

    - `loss`, `gradient`: in float64; None where they could not be read.
    - `faults`: what is wrong with their form.
    """

    loss: float | None
    gradient: Float[np.ndarray, "D K"] | None
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True)
class Student:
    """A student's function f(W, X, y, reg) → (loss, dW). Its prints and warnings are not shown."""

    function: LossFunction

    @property
    def name(self) -> str:
        """The name that its definition gives it."""
        return str(getattr(self.function, "__name__", type(self.function).__name__))

    def call(self, W: Any, X: Any, y: Any, reg: float) -> Any:
        """Calls the function and returns its output as it is. Raises `Raised` if the function raises anything or exits."""
        try:
            with redirect_stdout(io.StringIO()), warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                return self.function(W, X, y, reg)
        except (Exception, SystemExit) as error:
            raise Raised(_explain(error, self.function)) from error

    def solve(
        self,
        W: Float[np.ndarray, "D K"],
        X: Float[np.ndarray, "N D"],
        y: Integer[np.ndarray, " N"],
        reg: float = 0.0,
    ) -> Answer:
        """Calls the function with copies of the arrays, in the same memory layout, and reads its answer. Raises `Raised`."""
        return _read(self.call(W.copy("K"), X.copy("K"), y.copy(), reg), W.shape, len(X))


def _explain(error: BaseException, function: LossFunction) -> Fault:
    """The exception, the student's line that raised it, and the likely reason."""
    file = getattr(getattr(function, "__code__", None), "co_filename", None)
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    kind, message = type(error).__name__.removeprefix("_"), _read_message(error)
    text = f"raises {kind}"
    if frames:
        text += f" in line {frames[-1].lineno}" + (f", {frames[-1].line}" if frames[-1].line else "")
    reason = next(reason for pattern, reason in _REASONS if re.search(pattern, f"{kind} {message}"))
    return Fault(text + (f": {message}" if message else ""), reason)


def _read_message(error: BaseException) -> str:
    """The first line of its message; empty if it cannot say it."""
    try:
        return str(error).strip().split("\n")[0]
    except Exception:
        return ""


def _read(output: Any, shape: tuple[int, int], num_examples: int) -> Answer:
    if not isinstance(output, tuple | list) or len(output) != 2:
        fault = Fault(f"returns {_describe(output)}, not (loss, dW)", "end with: return loss, dW")
        return Answer(None, None, (fault,))
    faults = []
    if np.ndim(_as_array(output[0])) == 2 and np.ndim(_as_array(output[1])) == 0:
        faults.append(Fault("returns (dW, loss), not (loss, dW)", "end with: return loss, dW"))
        output = output[::-1]
    loss, loss_fault = _read_loss(output[0], num_examples)
    gradient, gradient_fault = _read_gradient(output[1], shape)
    faults += [fault for fault in (loss_fault, gradient_fault) if fault is not None]
    return Answer(loss, gradient, tuple(faults))


def _read_loss(value: Any, num_examples: int) -> tuple[float | None, Fault | None]:
    loss = _as_array(value)
    if loss.dtype.kind not in "fiu":
        text = f"the loss is {_describe(value)}, not a number"
        return None, Fault(text, "it is a mean over the examples")
    if loss.ndim == 0:
        return float(loss), None
    text = f"the loss has the shape {loss.shape}"
    if loss.size == 1:
        fault = Fault(f"{text}; it is one number", "sum without keepdims, or loss.item()")
        return float(loss.item()), fault
    if loss.shape == (num_examples,):
        return None, Fault(f"{text}, a number for each example", "take their mean")
    return None, Fault(f"{text}; it is one number", "a sum or mean is missing")


def _read_gradient(
    value: Any, shape: tuple[int, int]
) -> tuple[Float[np.ndarray, "D K"] | None, Fault | None]:
    gradient = _as_array(value)
    if gradient.dtype.kind in "iu":
        text = f"the gradient is of integers ({gradient.dtype}), which have no decimals"
        return None, Fault(text, "use dW = np.zeros(W.shape), an array of floats")
    if gradient.dtype.kind != "f":
        text = f"the gradient is {_describe(value)}, not an array of floats"
        return None, Fault(text, "dW is an array like W")
    if gradient.shape == shape:
        return gradient.astype(np.float64), None
    if gradient.shape == shape[::-1]:
        text = f"the gradient is transposed: {gradient.shape}, where W is {shape}"
        return gradient.T.astype(np.float64), Fault(text, "dW is (D, K) like W: X.T @ Q, not Q.T @ X")
    text = f"the gradient has the shape {gradient.shape}, where W has {shape}"
    return None, Fault(text, "dW is an array like W")


def _as_array(value: Any) -> np.ndarray:
    try:
        return np.asarray(value)
    except Exception:  # ragged lists, tensors on a device
        return np.array(None)


def _describe(output: Any) -> str:
    if output is None:
        return "None"
    if isinstance(output, np.ndarray):
        return f"an array {output.shape} of {output.dtype}"
    if isinstance(output, tuple | list):
        return f"{len(output)} values"
    if isinstance(output, int | float | np.number):
        return "one number"
    return f"one value, {type(output).__name__}"
