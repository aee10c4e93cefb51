"""PyTensor: pytensor.grad of the loss by pytensor.tensor.special.log_softmax, compiled by pytensor.function."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
from pytensor.graph.replace import vectorize_graph
from pytensor.tensor.special import log_softmax

from softjax.comparison.frameworks.protocol import Mode, Prepared, Problem

DTYPES = ("float64", "float32")

Kinds = tuple[tuple[str, int], ...]  # the type and the number of axes of X, W, y or targets, and weights


def prepare(problem: Problem) -> Prepared:
    """Symbolic reverse mode."""
    data = [problem.X, problem.labels if problem.targets is None else problem.targets]
    data += [] if problem.weights is None else [problem.weights]
    kinds = tuple((a.dtype.name, a.ndim) for a in (problem.W, *data))
    settings = (kinds, problem.targets is None, problem.l1, problem.l2)
    compiled = _compile(*settings)

    def loss_and_grad(W: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        loss, grad = compiled(W, *data)
        return loss, grad

    def call_mode(name: Mode) -> Callable[..., Any]:
        def call(W: np.ndarray, *others: np.ndarray) -> Any:
            return _compile_mode(name, *settings)(W, *data, *others)

        return call

    names: tuple[Mode, ...] = ("forward", "hvp", "hessian", "per_example", "vmap", "inputs")
    return Prepared(
        place=np.array,
        loss_and_grad=loss_and_grad,
        to_numpy=lambda result: result,
        modes={name: call_mode(name) for name in names},
    )


def _write_loss(kinds: Kinds, labelled: bool, l1: float, l2: float) -> tuple[Any, ...]:
    """The variables W and the data, the losses, and the objective."""
    W, X, y, *weights = (pt.tensor(dtype=dtype, shape=(None,) * ndim) for dtype, ndim in kinds)
    log_p = log_softmax(X @ W, axis=-1)
    if not labelled:
        losses = -(y * log_p).sum(axis=-1)
    elif y.ndim == 1:
        losses = -log_p[pt.arange(X.shape[0]), y]
    else:
        losses = -pt.take_along_axis(log_p, y[..., None], axis=-1)[..., 0]
    loss = Problem.average(losses, weights[0] if weights else None, pt.mean, pt.sum)
    if l1:
        loss = loss + pt.constant(l1, dtype=W.dtype) * pt.abs(W).sum()
    if l2:
        loss = loss + pt.constant(l2, dtype=W.dtype) * (W**2).sum()
    return W, [X, y, *weights], losses, loss


@functools.cache
def _compile(kinds: Kinds, labelled: bool, l1: float, l2: float) -> Any:
    """One function for every shape: compiling takes tens of seconds."""
    W, data, _, loss = _write_loss(kinds, labelled, l1, l2)
    return pytensor.function([W, *data], [loss, pytensor.grad(loss, W)])


@functools.cache
def _compile_mode(name: Mode, kinds: Kinds, labelled: bool, l1: float, l2: float) -> Any:
    W, data, losses, loss = _write_loss(kinds, labelled, l1, l2)
    grad = pytensor.grad(loss, W)
    V = pt.matrix(dtype=W.dtype)
    gradient: Any = pytensor.gradient
    match name:
        case "forward":
            return pytensor.function([W, *data, V], gradient.pushforward(loss, W, V))
        case "hvp":
            return pytensor.function([W, *data, V], gradient.pushforward(grad, W, V))
        case "hessian":
            output = gradient.jacobian(grad.flatten(), W).reshape((*W.shape, *W.shape))
        case "per_example":
            output = gradient.jacobian(losses, W)
        case "inputs":
            output = pytensor.grad(loss, data[0])
        case _:
            stack = pt.tensor3(dtype=W.dtype)
            return pytensor.function([stack, *data], vectorize_graph([loss, grad], {W: stack}))
    return pytensor.function([W, *data], output)


def write_script(problem: Problem) -> str:
    """The loss and its gradient, by pytensor.grad."""
    return (
        _write_start(problem)
        + "print(*pytensor.function([weight], [loss, pytensor.grad(loss, weight)])(W))\n"
    )


def write_forward(problem: Problem) -> str:
    """The derivatives along `basis`, by pytensor.gradient.pushforward."""
    return (
        _write_start(problem)
        + """\
tangent = pt.matrix("V", dtype=W.dtype)
slope = pytensor.function([weight, tangent], [loss, pytensor.gradient.pushforward(loss, weight, tangent)])
print([slope(W, V) for V in basis])
"""
    )


def _write_start(problem: Problem) -> str:
    """Lines that define `loss` and `weight`."""
    labels = "y" if problem.ignore_index is None else "labels"
    if problem.targets is not None:
        losses = "(pt.constant(T) * log_p).sum(axis=-1)"
    elif problem.y.ndim == 1:
        losses = f"log_p[pt.arange(len(X)), pt.constant({labels})]"
    else:
        losses = f"pt.take_along_axis(log_p, pt.constant({labels}[..., None]), axis=-1)"
    mean = "losses.mean()" if problem.weights is None else "(pt.constant(w) * losses).sum() / w.sum()"
    penalty = " + pt.constant(reg, dtype=W.dtype) * (weight**2).sum()" if problem.reg else ""
    return f"""\
import pytensor, pytensor.tensor as pt
from pytensor.tensor.special import log_softmax
weight = pt.matrix("W", dtype=W.dtype)
log_p = log_softmax(pt.constant(X) @ weight, axis=-1)
losses = -{losses}
loss = {mean}{penalty}
"""
