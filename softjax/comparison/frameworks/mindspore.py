"""MindSpore: ops.cross_entropy and mindspore.value_and_grad, in PyNative mode or in a graph by mindspore.jit.

The loss of labels has no second derivatives, and its forward mode is made of these. So the modes, except for the
gradient of X, are those of the same function with probabilities as targets.
"""

import functools
from collections.abc import Callable
from typing import Any

import mindspore as ms
import numpy as np

from softjax.comparison.frameworks.protocol import Mode, Prepared, Problem

DTYPES = ("float32", "float64", "float16")  # float64 for labels alone


def prepare(problem: Problem, compiled: bool) -> Prepared:
    """Reverse mode by transforming the function."""
    l1, l2, shape = problem.l1, problem.l2, (-1, problem.W.shape[1])
    weights = class_weight = None
    ignore_index, smoothing, flat = -100, problem.label_smoothing, problem.X.ndim == 2
    if problem.sample_weight is not None and problem.weights is not None:
        weights = ms.Tensor(problem.weights.reshape(-1))
    else:
        if problem.class_weight is not None:
            class_weight = ms.Tensor(problem.class_weight)
        if problem.ignore_index is not None:
            ignore_index = problem.ignore_index
    labels = problem.y if problem.soft or weights is None else problem.labels
    y = ms.Tensor(labels if flat else labels.reshape(shape if problem.soft else -1))
    X = ms.Tensor(problem.X)

    def loss(W: Any, X: Any) -> Any:
        scores = X @ W if flat else (X @ W).reshape(shape)  # the loss has the classes in the second axis
        if weights is None:
            value = ms.ops.cross_entropy(scores, y, class_weight, ignore_index, "mean", smoothing)
        else:
            losses = ms.ops.cross_entropy(scores, y, None, -100, "none", smoothing)
            value = (weights * losses).sum() / weights.sum()
        if l1:
            value = value + l1 * W.abs().sum()
        if l2:
            value = value + l2 * (W * W).sum()
        return value

    inputs = _call_on_numpy(ms.grad(loss, 1), compiled)
    build_modes = functools.cache(lambda: _build_modes(problem, X, compiled))

    def call_mode(name: Mode) -> Callable[..., Any]:
        return lambda *arguments: build_modes()[name](*arguments)

    names: tuple[Mode, ...] = ("forward", "hvp", "hessian", "per_example", "vmap")
    return Prepared(
        place=ms.Tensor,
        loss_and_grad=_call_on_numpy(ms.value_and_grad(loss), compiled, X),
        to_numpy=lambda result: result,
        modes={"inputs": lambda W: inputs(W, problem.X), **{name: call_mode(name) for name in names}},
    )


def _build_modes(problem: Problem, X: Any, compiled: bool) -> dict[Mode, Callable[..., Any]]:
    """The derivatives that differentiate twice, of a loss that can be."""
    K = problem.W.shape[1]
    l1, l2 = problem.l1, problem.l2
    targets = problem.labels[..., None] == np.arange(K) if problem.targets is None else problem.targets
    T = ms.Tensor(targets.reshape(-1, K).astype(problem.W.dtype))
    weights = None if problem.weights is None else ms.Tensor(problem.weights.reshape(-1))

    def losses(W: Any) -> Any:
        return ms.ops.cross_entropy((X @ W).reshape(-1, K), T, None, -100, "none")

    def loss(W: Any) -> Any:
        value = losses(W).mean() if weights is None else (weights * losses(W)).sum() / weights.sum()
        if l1:
            value = value + l1 * W.abs().sum()
        if l2:
            value = value + l2 * (W * W).sum()
        return value

    def forward(W: Any, V: Any) -> Any:
        return ms.jvp(loss, W, V)[1]

    grad = ms.grad(loss)

    def hvp(W: Any, V: Any) -> Any:
        return ms.jvp(grad, W, V)[1]

    functions: dict[Mode, Callable[..., Any]] = {
        "forward": forward,
        "hvp": hvp,
        "hessian": ms.jacfwd(grad),
        "per_example": ms.jacrev(losses),
        "vmap": ms.vmap(ms.value_and_grad(loss)),
    }
    return {name: _call_on_numpy(function, compiled) for name, function in functions.items()}


def _call_on_numpy(function: Callable[..., Any], compiled: bool, *last: Any) -> Callable[..., Any]:
    """The function on arrays of NumPy; to make these, MindSpore waits for the operations that are under way."""
    if compiled:
        function = ms.jit(function)

    def call(*arguments: Any) -> Any:
        result = function(*map(ms.Tensor, arguments), *last)
        return tuple(t.asnumpy() for t in result) if isinstance(result, tuple) else result.asnumpy()

    return call


def write_script(problem: Problem, compiled: bool) -> str:
    """The loss and its gradient, by mindspore.value_and_grad."""
    jit = "@ms.jit\n" if compiled else ""
    return f"""\
{_write_loss(problem)}{jit}def loss_and_grad(W):
    return ms.value_and_grad(compute_loss)(W)
print(*loss_and_grad(ms.Tensor(W)))
"""


def write_forward(problem: Problem, compiled: bool) -> str:
    """The derivatives along `basis`, by mindspore.jvp, of the loss of probabilities."""
    targets = "np.eye(W.shape[1], dtype=W.dtype)[y]" if problem.targets is None else "T"
    losses = "ms.ops.cross_entropy(X @ W, targets, reduction='none')"
    if problem.weights is None:
        loss, names, arrays = f"{losses}.mean()", "X, targets", f"X, {targets}"
    else:
        loss, names, arrays = f"(w * {losses}).sum() / w.sum()", "X, targets, w", f"X, {targets}, w"
    return f"""\
import mindspore as ms
{names} = map(ms.Tensor, ({arrays}))
def compute_loss(W):
    return {loss}{" + reg * (W * W).sum()" if problem.reg else ""}
print([ms.jvp(compute_loss, ms.Tensor(W), ms.Tensor(V)) for V in basis])
"""


def _write_loss(problem: Problem) -> str:
    """The start of scripts: the objective as a function of the weights."""
    sample = problem.sample_weight is not None
    scores, y = "X @ W", "labels" if sample and problem.ignore_index is not None else "y"
    names = ["X", y, *(["w"] if sample else [])]
    if problem.X.ndim > 2:
        scores, flat = "(X @ W).reshape(-1, W.shape[1])", f"{y}.reshape(-1)"
    options = [scores, flat if problem.X.ndim > 2 else y]
    options += ["weight=ms.Tensor(class_weight)"] if problem.class_weight is not None and not sample else []
    options += ["ignore_index=ignore_index"] if problem.ignore_index is not None and not sample else []
    options += ["label_smoothing=label_smoothing"] if problem.label_smoothing else []
    options += ['reduction="none"'] if sample else []
    average = "\n    loss = (w * loss).sum() / w.sum()" if sample else ""
    return f"""\
import mindspore as ms
{", ".join(names)} = map(ms.Tensor, ({", ".join(names)}))
def compute_loss(W):
    loss = ms.ops.cross_entropy({", ".join(options)}){average}
    return loss{" + reg * (W * W).sum()" if problem.reg else ""}
"""
