"""A student's function: called quietly, its answer taken apart, its exceptions put in words."""

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

LossFunction = Callable[..., Any]
Fault = tuple[str, str]  # what is wrong, and the likely reason

# Of an exception's type and message; the first that fits.
_REASONS = (
    (r"positional argument|unexpected keyword", "it is called as softmax_loss(W, X, y, reg) and takes these four"),
    (r"NotImplementedError", "it is not written yet"),
    (r"math range error", "math.exp overflows: subtract each example's largest score first, and use np.exp"),
    (r"math domain error", "a logarithm of 0 or of a negative number"),
    (r"only .*(length-1|size-1|0-dimensional|scalar) arrays?", "math.exp and math.log take one number: use np.exp and np.log"),
    (r"out of bounds", "a label taken one too high, or a loop over more classes or examples than there are"),
    (r"Cannot cast|same_kind", "an array of integers cannot take fractions: dW = np.zeros(W.shape), which is of floats"),
    (
        r"matmul|not aligned|core dimension|incompatible shapes for dot",
        "X is (N, D) and W (D, K): the scores are X @ W, the gradient X.T @ Q with Q (N, K)",
    ),
    (
        r"broadcast",
        "shapes that do not fit: sums and maxima over the classes keep their axis with keepdims=True; dW is (D, K)",
    ),
    (r"NoneType", "something that has not been computed yet"),
    (r"NameError|UnboundLocalError", "a name that is not defined when it is used, perhaps misspelled"),
    (r"", "the message says what Python saw there"),
)  # fmt: skip


class Raised(Exception):
    """The student's function raised an exception; `fault` says so in words."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault[0])
        self.fault = fault


@dataclass(frozen=True)
class Answer:
    """Loss and gradient as float64, None where they could not be read, and what is wrong with their form."""

    loss: float | None
    gradient: Float[np.ndarray, "D K"] | None
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True)
class Student:
    """A function f(W, X, y, reg) → (loss, dW). What it prints and warns of is not shown."""

    function: LossFunction

    @property
    def name(self) -> str:
        """As it was defined."""
        return str(getattr(self.function, "__name__", type(self.function).__name__))

    def call(self, W: Any, X: Any, y: Any, reg: float) -> Any:
        """What it returns. Raises `Raised` if it raises anything."""
        try:
            with redirect_stdout(io.StringIO()), warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                return self.function(W, X, y, reg)
        except Exception as error:
            raise Raised(_in_words(error, self.function)) from error

    def answer(
        self,
        W: Float[np.ndarray, "D K"],
        X: Float[np.ndarray, "N D"],
        y: Integer[np.ndarray, " N"],
        reg: float = 0.0,
    ) -> Answer:
        """Its answer to copies of the arguments in the layout they have, taken apart. Raises `Raised`."""
        return _read(self.call(W.copy("K"), X.copy("K"), y.copy(), reg), W.shape, len(X))


def _in_words(error: Exception, function: LossFunction) -> Fault:
    file = getattr(getattr(function, "__code__", None), "co_filename", None)
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    place = (
        f" in line {frames[-1].lineno}" + (f", {frames[-1].line}" if frames[-1].line else "")
        if frames
        else ""
    )
    message = str(error).strip().split("\n")[0]
    kind = type(error).__name__.removeprefix("_")
    reason = next(reason for pattern, reason in _REASONS if re.search(pattern, f"{kind} {message}"))
    return f"raises {kind}{place}" + (f": {message}" if message else ""), reason


def _read(output: Any, shape: tuple[int, int], num_examples: int) -> Answer:
    if not isinstance(output, tuple | list) or len(output) != 2:
        return Answer(
            None, None, ((f"returns {_describe(output)}, not (loss, dW)", "end with: return loss, dW"),)
        )
    faults: list[Fault] = []
    if np.ndim(_array(output[0])) == 2 and np.ndim(_array(output[1])) == 0:
        faults.append(("returns (dW, loss), not (loss, dW)", "end with: return loss, dW"))
        output = output[::-1]
    loss, gradient = (_array(part) for part in output)
    value: float | None = None
    if loss.dtype.kind not in "fiu":
        faults.append(
            (
                f"the loss is {_describe(output[0])}, not a number",
                "the loss is a float: the mean over the examples",
            )
        )
    elif loss.shape == (num_examples,) and num_examples > 1:
        faults.append(
            (
                f"the loss has the shape ({num_examples},), a number for each example",
                "take their mean: one number",
            )
        )
    elif loss.size != 1:
        faults.append(
            (f"the loss has the shape {loss.shape}; it is one number", "a sum over all examples is missing")
        )
    else:
        value = float(loss.reshape(()))
        if loss.ndim:
            faults.append(
                (
                    f"the loss has the shape {loss.shape}; it is one number",
                    "sum without keepdims, or loss.item()",
                )
            )
    if gradient.dtype.kind in "iu":
        faults.append(
            (
                f"the gradient is of integers ({gradient.dtype}), which lose all after the point",
                "dW = np.zeros(W.shape), which is of floats",
            )
        )
    elif gradient.dtype.kind != "f":
        faults.append(
            (f"the gradient is {_describe(output[1])}, not an array of floats", "dW is an array like W")
        )
    elif gradient.shape == shape:
        return Answer(value, gradient.astype(np.float64), tuple(faults))
    elif gradient.shape == shape[::-1]:
        faults.append(
            (
                f"the gradient is transposed: {gradient.shape}, where W is {shape}",
                "dW is (D, K) like W: X.T @ Q, not Q.T @ X",
            )
        )
        return Answer(value, gradient.T.astype(np.float64), tuple(faults))
    else:
        faults.append(
            (f"the gradient has the shape {gradient.shape}, where W has {shape}", "dW is an array like W")
        )
    return Answer(value, None, tuple(faults))


def _array(part: Any) -> np.ndarray:
    try:
        return np.asarray(part)
    except Exception:  # ragged lists, tensors on a device
        return np.array(None)


def _describe(output: Any) -> str:
    if output is None:
        return "None"
    if isinstance(output, np.ndarray):
        return f"an array {output.shape} of {output.dtype}"
    if isinstance(output, tuple | list):
        return f"{len(output)} values"
    return (
        "one number" if isinstance(output, int | float | np.number) else f"one value, {type(output).__name__}"
    )
