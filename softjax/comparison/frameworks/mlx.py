"""MLX: mlx.nn.losses.cross_entropy and mx.value_and_grad, eager or through mx.compile.

MLX's loss takes weights, but its mean of weighted losses divides by the number of examples: Σ w ℓ / Σ w is its sum,
divided by Σ w.
"""

from collections.abc import Callable
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np

from softjax.comparison.frameworks.protocol import Prepared, Problem

DTYPES = ("float64", "float32", "bfloat16", "float16")


def prepare(problem: Problem, compiled: bool) -> Prepared:
    """Reverse mode. MLX is lazy: it computes the graph only when it is evaluated."""
    X, y = _to_mlx(problem.X), _to_mlx(problem.y if problem.soft else problem.labels)
    weights = None if problem.weights is None else _to_mlx(problem.weights)
    smoothing = problem.label_smoothing

    def cross_entropy(scores: Any, y: Any, weights: Any, reduction: str) -> Any:
        return nn.losses.cross_entropy(scores, y, weights, label_smoothing=smoothing, reduction=reduction)

    def loss(W: Any, X: Any = X) -> Any:
        if weights is None:
            value = cross_entropy(X @ W, y, None, "mean")
        else:
            value = cross_entropy(X @ W, y, weights, "sum") / weights.sum()
        return problem.penalized(value, lambda: mx.abs(W).sum(), lambda: (W * W).sum())

    transform = mx.compile if compiled else lambda function: function
    value_and_grad = transform(mx.value_and_grad(loss))
    grad = mx.grad(loss)

    def loss_and_grad(W: Any) -> Any:
        result = value_and_grad(W)
        mx.eval(result)
        return result

    def hvp(W: Any, V: Any) -> Any:
        return mx.jvp(grad, [W], [V])[1][0]

    def hessian(W: Any) -> Any:
        basis = mx.eye(W.size, dtype=W.dtype).reshape(W.size, *W.shape)
        columns = mx.vmap(lambda V: hvp(W, V))(basis)  # the Hessian is symmetric: its rows are its columns
        return columns.reshape(*W.shape, *W.shape)

    def loss_of_example(W: Any, x: Any, label: Any) -> Any:
        return cross_entropy((x @ W)[None], label[None], None, "mean")

    def on_numpy(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: np.ndarray) -> Any:
            result = transform(function)(*map(_to_mlx, arguments))
            return tuple(map(_to_numpy, result)) if isinstance(result, tuple) else _to_numpy(result)

        return call

    return Prepared(
        place=_to_mlx,
        loss_and_grad=loss_and_grad,
        to_numpy=lambda result: (_to_numpy(result[0]), _to_numpy(result[1])),
        modes={
            "forward": on_numpy(lambda W, V: mx.jvp(loss, [W], [V])[1][0]),
            "hvp": on_numpy(hvp),
            "hessian": on_numpy(hessian),
            "per_example": on_numpy(
                lambda W: mx.vmap(mx.grad(loss_of_example), in_axes=(None, 0, 0))(W, X, y)
            ),
            "vmap": on_numpy(lambda stack: mx.vmap(mx.value_and_grad(loss))(stack)),
            "inputs": on_numpy(lambda W: mx.grad(loss, argnums=1)(W, X)),
        },
    )


def _to_mlx(a: np.ndarray) -> Any:
    with mx.stream(mx.cpu):  # the only device that has float64
        if a.dtype.name == "bfloat16":
            return mx.array(a.astype(np.float32)).astype(mx.bfloat16)
        return mx.array(a, dtype=mx.float64) if a.dtype == np.float64 else mx.array(a)


def _to_numpy(a: Any) -> np.ndarray:
    return np.array(a.astype(mx.float32) if a.dtype == mx.bfloat16 else a)


def write_script(problem: Problem, compiled: bool) -> str:
    """The loss and its gradient, by mx.value_and_grad."""
    call = "mx.compile(mx.value_and_grad(loss))" if compiled else "mx.value_and_grad(loss)"
    return _write_loss(problem) + f"print(*map(np.array, {call}(W)))\n"


def write_forward(problem: Problem, compiled: bool) -> str:
    """The derivatives along `basis`, by mx.jvp."""
    call = "lambda V: mx.jvp(loss, [W], [V])[1][0]"
    call = f"mx.compile({call})" if compiled else call
    return _write_loss(problem) + f"slope = {call}\nprint(loss(W), [slope(place(V)) for V in basis])\n"


def _write_loss(problem: Problem) -> str:
    """The start of scripts: `loss`, and its data in MLX."""
    y = "y" if problem.soft or problem.ignore_index is None else "labels"
    names = ["X", y, "W"] if problem.weights is None else ["X", y, "W", "w"]
    options = f", {y}" if problem.weights is None else f", {y}, w"
    options += ", label_smoothing=label_smoothing" if problem.label_smoothing else ""
    mean = f'nn.losses.cross_entropy(X @ W{options}, reduction="mean")'
    if problem.weights is not None:
        mean = f'nn.losses.cross_entropy(X @ W{options}, reduction="sum") / w.sum()'
    return f"""\
import mlx.core as mx, mlx.nn as nn
def place(a):
    return mx.array(a, dtype=getattr(mx, a.dtype.name))
{", ".join(names)} = map(place, ({", ".join(names)}))
def loss(W):
    return {mean}{" + reg * (W * W).sum()" if problem.reg else ""}
"""
