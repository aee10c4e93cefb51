"""PyTensor: pytensor.grad of the loss by pytensor.tensor.special.log_softmax, compiled by pytensor.function."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
from pytensor.graph.replace import vectorize_graph
from pytensor.tensor.special import log_softmax

from softjax.comparison.frameworks.protocol import Prepared, Problem

DTYPES = ("float64", "float32")

SCRIPT = """\
import pytensor, pytensor.tensor as pt
from pytensor.tensor.special import log_softmax
w = pt.matrix("W", dtype=W.dtype)
log_p = log_softmax(pt.constant(X) @ w, axis=1)
loss = -log_p[pt.arange(len(X)), pt.constant(y)].mean()« + pt.constant(reg, dtype=W.dtype) * (w**2).sum()»
print(*pytensor.function([w], [loss, pytensor.grad(loss, w)])(W))
"""
FORWARD = """\
import pytensor, pytensor.tensor as pt
from pytensor.tensor.special import log_softmax
w, v = pt.matrix("W", dtype=W.dtype), pt.matrix("V", dtype=W.dtype)
log_p = log_softmax(pt.constant(X) @ w, axis=1)
loss = -log_p[pt.arange(len(X)), pt.constant(y)].mean()« + pt.constant(reg, dtype=W.dtype) * (w**2).sum()»
slope = pytensor.function([w, v], [loss, pytensor.gradient.pushforward(loss, w, v)])
print([slope(W, V) for V in basis])
"""


def prepare(problem: Problem) -> Prepared:
    """Symbolic reverse mode."""
    X, y = problem.X, problem.y
    types = (X.dtype.name, y.dtype.name, problem.dtype)
    compiled = _compile(types, problem.l1, problem.l2)

    def loss_and_grad(W: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        loss, grad = compiled(X, y, W)
        return loss, grad

    def call_mode(name: str) -> Callable[..., Any]:
        return lambda *arguments: _compile_mode(name, types, problem.l1, problem.l2)(X, y, *arguments)

    return Prepared(
        place=np.array,
        loss_and_grad=loss_and_grad,
        to_numpy=lambda result: result,
        modes={name: call_mode(name) for name in ("forward", "hvp", "hessian", "per_example", "vmap")},
    )


_SHAPES = ((None, None), (None,), (None, None))


def _write_loss(types: tuple[str, str, str], l1: float, l2: float) -> tuple[Any, ...]:
    X, y, W = (pt.tensor(dtype=dtype, shape=shape) for dtype, shape in zip(types, _SHAPES, strict=True))
    log_p = log_softmax(X @ W, axis=1)
    losses = -log_p[pt.arange(y.shape[0]), y]
    loss = losses.mean()
    if l1:
        loss = loss + pt.constant(l1, dtype=types[2]) * pt.abs(W).sum()
    if l2:
        loss = loss + pt.constant(l2, dtype=types[2]) * (W**2).sum()
    return X, y, W, losses, loss


@functools.cache
def _compile(types: tuple[str, str, str], l1: float, l2: float) -> Any:
    """One function for every shape: compiling takes tens of seconds."""
    X, y, W, _, loss = _write_loss(types, l1, l2)
    return pytensor.function([X, y, W], [loss, pytensor.grad(loss, W)])


@functools.cache
def _compile_mode(name: str, types: tuple[str, str, str], l1: float, l2: float) -> Any:
    X, y, W, losses, loss = _write_loss(types, l1, l2)
    grad = pytensor.grad(loss, W)
    V = pt.matrix(dtype=types[2])
    stack = pt.tensor3(dtype=types[2])
    gradient: Any = pytensor.gradient
    match name:
        case "forward":
            inputs, output = [V], gradient.pushforward(loss, W, V)
        case "hvp":
            inputs, output = [V], gradient.pushforward(grad, W, V)
        case "hessian":
            inputs, output = [], gradient.jacobian(grad.flatten(), W).reshape((*W.shape, *W.shape))
        case "per_example":
            inputs, output = [], gradient.jacobian(losses, W)
        case _:
            return pytensor.function([X, y, stack], vectorize_graph([loss, grad], {W: stack}))
    return pytensor.function([X, y, W, *inputs], output)
