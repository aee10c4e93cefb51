"""MindSpore: ops.cross_entropy and mindspore.value_and_grad, in PyNative mode or in a graph by mindspore.jit."""

from collections.abc import Callable
from typing import Any

import mindspore as ms
import numpy as np

from softjax.comparison.frameworks.protocol import Prepared, Problem

DTYPES = ("float64", "float32", "float16")


def write_script(problem: Problem, compiled: bool) -> str:
    """The loss as its users write it, and `value_and_grad`."""
    function = "ms.value_and_grad(compute_loss)"
    lines = _write_loss(problem)
    if compiled:
        lines += ["@ms.jit", "def loss_and_grad(W):", f"    return {function}(W)"]
        function = "loss_and_grad"
    return "\n".join([*lines, f"print(*{function}(ms.Tensor(W)))"]) + "\n"


def write_forward(problem: Problem, compiled: bool) -> str:
    """The loss as its users write it, and `jvp`."""
    forward = "print([ms.jvp(compute_loss, ms.Tensor(W), ms.Tensor(V)) for V in basis])"
    return "\n".join([*_write_loss(problem), forward]) + "\n"


def _write_loss(problem: Problem) -> list[str]:
    labels = "labels" if problem.sample_weight is not None and problem.ignore_index is not None else "y"
    options = ", reduction='none'" if problem.sample_weight is not None else ""
    for name in _name_options(problem):
        value = f"ms.Tensor({name})" if name == "class_weight" else name
        options += f", {'weight' if name == 'class_weight' else name}={value}"
    value = f"ms.ops.cross_entropy(ms.Tensor(X) @ W, ms.Tensor({labels}){options})"
    if problem.sample_weight is not None:
        value = f"(ms.Tensor(w) * {value}).sum() / ms.Tensor(w).sum()"
    penalty = " + reg * (W * W).sum()" if problem.reg else ""
    return ["import mindspore as ms", "def compute_loss(W):", f"    return {value}{penalty}"]


def prepare(problem: Problem, compiled: bool) -> Prepared:
    """Reverse mode by transforming the function; the other derivatives are made of it."""
    X = ms.Tensor(problem.X)
    options = {name: getattr(problem, name) for name in _name_options(problem)}
    if "class_weight" in options:
        options["weight"] = ms.Tensor(options.pop("class_weight"))
    weights = None if problem.sample_weight is None else ms.Tensor(problem.weights.reshape(-1))
    K = problem.W.shape[1]
    labels = problem.y if problem.soft or weights is None else problem.labels
    y = ms.Tensor(labels.reshape(-1, K) if problem.soft else labels.reshape(-1))

    def score(W: Any, X: Any) -> Any:  # the loss has the classes in the second axis
        return (X @ W).reshape(-1, K)

    def losses(W: Any, X: Any) -> Any:
        return ms.ops.cross_entropy(score(W, X), y, reduction="none", **options)

    def loss(W: Any, X: Any) -> Any:
        if weights is None:
            value = ms.ops.cross_entropy(score(W, X), y, **options)
        else:
            value = problem.average(losses(W, X), weights, ms.ops.mean, ms.ops.sum)
        return problem.penalized(value, lambda: W.abs().sum(), lambda: (W * W).sum())

    def loss_of_weights(W: Any) -> Any:
        return loss(W, X)

    def call(function: Callable[..., Any]) -> Callable[..., Any]:
        return ms.jit(function) if compiled else function

    compute = call(lambda W: ms.value_and_grad(loss_of_weights)(W))

    def loss_and_grad(W: Any) -> tuple[np.ndarray, np.ndarray]:
        value, grad = compute(W)
        return value.asnumpy(), grad.asnumpy()  # waits for the operations that are under way

    def on_numpy(function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: np.ndarray) -> Any:
            result = call(function)(*map(ms.Tensor, arguments))
            return tuple(t.asnumpy() for t in result) if isinstance(result, tuple) else result.asnumpy()

        return run

    grad = ms.grad(loss_of_weights)
    return Prepared(
        place=ms.Tensor,
        loss_and_grad=loss_and_grad,
        to_numpy=lambda result: result,
        modes={
            "forward": on_numpy(lambda W, V: ms.jvp(loss_of_weights, W, V)[1]),
            "hvp": on_numpy(lambda W, V: ms.jvp(grad, W, V)[1]),
            "hessian": on_numpy(lambda W: ms.jacrev(grad)(W)),
            "per_example": on_numpy(lambda W: ms.jacrev(losses)(W, X)),
            "vmap": on_numpy(lambda stack: ms.vmap(ms.value_and_grad(loss_of_weights))(stack)),
            "inputs": on_numpy(lambda W: ms.grad(loss, 1)(W, X)),
        },
    )


def _name_options(problem: Problem) -> list[str]:
    """The options of MindSpore's own loss; weights of examples are not among them, and stand for the other weights too."""
    names = ["label_smoothing"] if problem.label_smoothing else []
    if problem.sample_weight is None:
        names += [name for name in ("class_weight", "ignore_index") if getattr(problem, name) is not None]
    return names
