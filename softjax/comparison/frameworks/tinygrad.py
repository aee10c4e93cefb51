"""tinygrad: Tensor.sparse_categorical_crossentropy and Tensor.gradient, eager or captured by TinyJit.

Weights of classes go through log_softmax and nll_loss, soft labels through cross_entropy. None of the losses takes
weights of examples.
"""

from typing import Any

import numpy as np
from tinygrad import Device, Tensor, TinyJit, dtypes

from softjax.comparison.frameworks.protocol import Prepared, Problem

DTYPES = ("float64", "float32", "bfloat16", "float16")


def prepare(problem: Problem, compiled: bool) -> Prepared:
    """Lazy: the loss and its gradient are one graph, computed when realized."""
    X, y = _to_tensor(problem.X).realize(), _to_tensor(problem.y).realize()
    name, weighted = _choose_loss(problem)
    weights = _to_tensor(problem.weights).flatten().realize() if weighted else None
    class_weight = _to_tensor(problem.class_weight).realize() if name == "nll_loss" else None
    reduction = "none" if weighted else "mean"

    def cross_entropy(scores: Any) -> Any:
        if name == "sparse_categorical_crossentropy":
            ignored = -1 if problem.ignore_index is None else problem.ignore_index
            return scores.sparse_categorical_crossentropy(y, ignored, problem.label_smoothing, reduction)
        # the other two have the classes on axis 1
        scores, targets = scores.flatten(0, -2), y.flatten(0, scores.ndim - 2)
        if name == "nll_loss":
            return scores.log_softmax().nll_loss(targets, class_weight, problem.ignore_index)
        return scores.cross_entropy(targets, reduction, problem.label_smoothing)

    def loss(w: Any, X: Any = X) -> Any:
        value = cross_entropy(X @ w)
        if weighted:
            value = problem.average(value.flatten(), weights, Tensor.mean, Tensor.sum)
        return problem.penalized(value, lambda: w.abs().sum(), lambda: (w * w).sum())

    def value_and_grad(w: Any) -> tuple[Any, Any]:
        value = loss(w)
        grad = value.gradient(w)[0]  # before the value is realized, because that would drop the graph
        Tensor.realize(value, grad)
        return value, grad

    call: Any = TinyJit(value_and_grad) if compiled else value_and_grad

    def loss_and_grad(w: Any) -> tuple[Any, Any]:
        value, grad = call(w)
        Device[Device.DEFAULT].synchronize()
        return value, grad

    def hvp(W: np.ndarray, V: np.ndarray) -> np.ndarray:
        w = _to_tensor(W)
        return _to_numpy((loss(w).gradient(w)[0] * _to_tensor(V)).sum().gradient(w)[0])

    return Prepared(
        place=lambda W: _to_tensor(W).realize(),
        loss_and_grad=loss_and_grad,
        to_numpy=lambda result: (_to_numpy(result[0]), _to_numpy(result[1])),
        modes={"hvp": hvp, "inputs": lambda W: _to_numpy(loss(_to_tensor(W), X).gradient(X)[0])},
        read_loss=lambda loss: float(loss.item()),
    )


def _choose_loss(problem: Problem) -> tuple[str, bool]:
    """The name of the loss, and whether the problem has weights that it does not take."""
    if problem.soft:
        return "cross_entropy", problem.weights is not None
    if problem.class_weight is not None and problem.sample_weight is None and not problem.label_smoothing:
        return "nll_loss", False
    weighted = problem.sample_weight is not None or problem.class_weight is not None
    return "sparse_categorical_crossentropy", weighted


def _to_tensor(a: Any) -> Any:
    return Tensor(a.astype(np.float32)).cast(dtypes.bfloat16) if a.dtype.name == "bfloat16" else Tensor(a)


def _to_numpy(t: Any) -> np.ndarray:
    array: np.ndarray = (t.cast(dtypes.float32) if t.dtype == dtypes.bfloat16 else t).numpy()
    return array


def write_script(problem: Problem, compiled: bool) -> str:
    """The loss and its gradient, by Tensor.gradient."""
    name, weighted = _choose_loss(problem)
    scores, y = "(Tensor(X) @ W)", "Tensor(y)"
    if problem.X.ndim > 2 and name != "sparse_categorical_crossentropy":
        scores, y = f"{scores}.flatten(0, -2)", f"{y}.flatten(0, X.ndim - 2)"
    options = [y]
    if name == "nll_loss":
        name = "log_softmax().nll_loss"
        options.append("weight=Tensor(class_weight)")
    if problem.ignore_index is not None:
        options.append("ignore_index=ignore_index")
    if problem.label_smoothing:
        options.append("label_smoothing=label_smoothing")
    if weighted:
        options.append('reduction="none"')
    lines = [f"loss = {scores}.{name}({', '.join(options)})"]
    if weighted:
        lines.append("loss = (Tensor(w) * loss).sum() / Tensor(w).sum()")
    if problem.reg:
        lines.append("loss = loss + reg * (W * W).sum()")
    body = "\n    ".join(lines)
    decorator = "@TinyJit\n" if compiled else ""
    return f"""\
from tinygrad import Tensor, TinyJit
{decorator}def loss_and_grad(W):
    {body}
    grad = loss.gradient(W)[0]
    Tensor.realize(loss, grad)
    return loss, grad
print(*[t.numpy() for t in loss_and_grad(Tensor(W).realize())])
"""
