"""Calls a student's function without its prints, reads loss and gradient from its answer, and explains exceptions."""

import io
import re
import traceback
import warnings
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Integer

from softjax.cs231n.grading.findings import Fault

LossFunction = Callable[..., Any]
NOTEBOOK = r"[Xy]_(train|dev|val|test|batch)"  # names of arrays in the course's notebooks

# A pattern for an exception's type and message, and the likely reason. The first that matches counts.
_REASONS = (
    (r"xrange", "Python 2's xrange: write range"),
    (r"NameError.*'(raw_input|unicode|long|basestring|reduce|cmp|file)'", "Python 2 had this name, Python 3 has not"),
    (rf"NameError.*'{NOTEBOOK}'", "a variable of the notebook, which the function does not see: use its arguments, X for the features, y for the labels, X.shape[0] for N"),
    (r"numpy.* has no attribute '(float|int|bool|object|str|complex|long|unicode)'", "NumPy has had no np.float, np.int, np.bool since 1.24: write float, int, bool, or np.float64"),
    (r"ModuleNotFoundError.*'(past|future|builtins|six)\b", "it was for Python 2: leave the import out, and write range for xrange"),
    (r"ModuleNotFoundError|ImportError", "a module that is not installed, or a file that was not handed in"),
    (r"FileNotFoundError", "a file that was not handed in: the function takes all it needs as arguments"),
    (r"EOFError", "input() waits for somebody who types: take the arguments alone"),
    (r"MemoryError|Unable to allocate", "more memory than there is: an array of N × N × K, or a list that grows without end"),
    (r"RecursionError", "it calls itself without end"),
    (r"has no attribute '(iteritems|itervalues|iterkeys|has_key)'", "Python 2's: write items(), values(), keys(), in"),
    (r"'tuple' object is not callable", "a shape is a tuple: X.shape[0] and W.shape[1], with square brackets"),
    (r"'numpy.ndarray' object is not callable", "an entry of an array has square brackets: y[i], p[i, k]"),
    (r"'tuple' object cannot be interpreted as an integer", "range takes one number: range(X.shape[0]), not range(X.shape)"),
    (r"'float' object cannot be interpreted as an integer|only integer scalar arrays|only integers, slices", "an index is a whole number: a // b, since a / b is a float, and y as it is"),
    (r"positional argument|unexpected keyword", "it is called as {name}(W, X, y, reg), and must take these four arguments"),
    (r"NotImplementedError", "it is not written yet"),
    (r"SystemExit", "it ends the program: return loss, dW, without exit()"),
    (r"math range error", "math.exp overflows: subtract each example's largest score first, and use np.exp"),
    (r"math domain error|expected a positive input", "a logarithm of 0 or of a negative number"),
    (r"only .*(length-1|size-1|0-dimensional|scalar) arrays?", "math.exp and math.log take one number: use np.exp and np.log"),
    (r"out of bounds", "a label that is one too high, or a loop over more classes or examples than there are: W.shape[1] and X.shape[0]"),
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


class _Nowhere(io.TextIOBase):
    """A stream that keeps nothing, however much is written."""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        return len(text)


@dataclass(frozen=True)
class Student:
    """A student's function f(W, X, y, reg) → (loss, dW). Its prints and warnings are not shown."""

    function: LossFunction

    @property
    def name(self) -> str:
        """The name that its definition gives it."""
        return str(getattr(self.function, "__name__", type(self.function).__name__))

    def call(self, *arguments: Any, **options: Any) -> Any:
        """Calls the function and returns its output as it is. Raises `Raised` if the function raises anything or exits."""
        try:
            with (
                redirect_stdout(_Nowhere()),
                redirect_stderr(_Nowhere()),
                warnings.catch_warnings(),
                np.errstate(all="ignore"),
            ):
                warnings.simplefilter("ignore")
                return self.function(*arguments, **options)
        except (Exception, SystemExit) as error:
            raise Raised(self._explain(error)) from error

    def solve(
        self,
        W: Float[np.ndarray, "D K"],
        X: Float[np.ndarray, "N D"],
        y: Integer[np.ndarray, " N"],
        reg: float = 0.0,
    ) -> Answer:
        """Calls the function with copies of the arrays, in the same memory layout, and reads its answer. Raises `Raised`."""
        return _read(self.call(W.copy("K"), X.copy("K"), y.copy(), reg), W.shape, len(X))

    def _explain(self, error: BaseException) -> Fault:
        code = getattr(self.function, "__code__", None)
        what, reason = explain_error(error, getattr(code, "co_filename", None), self.name)
        used = sorted(name for name in getattr(code, "co_names", ()) if re.fullmatch(NOTEBOOK, name))
        if used and "NameError" not in what:
            reason = (
                f"it reads {' and '.join(used)}, the notebook's variables: use its arguments, X for the features, "
                "y for the labels, X.shape[0] for N"
            )
        return Fault(what, reason)


def explain_error(error: BaseException, file: str | None, name: str) -> Fault:
    """The exception, the student's line that raised it, and the likely reason.

    **Arguments:**

    - `file`: the student's file; its last line in the traceback is shown.
    - `name`: the function that was called.
    """
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    kind, message = type(error).__name__.removeprefix("_"), _read_message(error)
    text = f"raises {kind}"
    if frames:
        text += f" in line {frames[-1].lineno}" + (f", {frames[-1].line}" if frames[-1].line else "")
    reason = next(reason for pattern, reason in _REASONS if re.search(pattern, f"{kind} {message}"))
    return Fault(text + (f": {message}" if message else ""), reason.replace("{name}", name))


def _read_message(error: BaseException) -> str:
    """The first line of its message, of a bounded length; empty if it cannot say it."""
    try:
        return str(error).strip().split("\n")[0][:300]
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
