"""MLX: mlx.nn.losses.cross_entropy and mx.value_and_grad, compiled."""

from collections.abc import Callable
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np

from softjax.comparison.frameworks.protocol import Prepared, Problem

DTYPES = ("float64", "float32", "bfloat16", "float16")

LOSS = """\
import mlx.core as mx, mlx.nn as nn
X, y, W = (mx.array(a, dtype=getattr(mx, a.dtype.name)) for a in (X, y, W))
def loss(W):
    return nn.losses.cross_entropy(X @ W, y, reduction="mean")« + reg * (W * W).sum()»
"""
SCRIPT = LOSS + "print(*map(np.array, mx.compile(mx.value_and_grad(loss))(W)))\n"
FORWARD = LOSS + "print([mx.jvp(loss, [W], [mx.array(V)]) for V in basis])\n"


def prepare(problem: Problem) -> Prepared:
    """Reverse mode. MLX is lazy: it computes the graph only when it is evaluated."""
    X, y = _to_mlx(problem.X), _to_mlx(problem.y)

    def losses(W: Any) -> Any:
        return nn.losses.cross_entropy(X @ W, y, reduction="none")

    def loss(W: Any) -> Any:
        return problem.penalized(losses(W).mean(), lambda: mx.abs(W).sum(), lambda: (W * W).sum())

    compiled = mx.compile(mx.value_and_grad(loss))
    grad = mx.grad(loss)

    def loss_and_grad(W: Any) -> Any:
        result = compiled(W)
        mx.eval(result)
        return result

    def hvp(W: Any, V: Any) -> Any:
        return mx.jvp(grad, [W], [V])[1][0]

    def hessian(W: Any) -> Any:
        basis = mx.eye(W.size, dtype=W.dtype).reshape(W.size, *W.shape)
        columns = mx.vmap(lambda V: hvp(W, V))(basis)  # the Hessian is symmetric: its rows are its columns
        return columns.reshape(*W.shape, *W.shape)

    def loss_of_example(W: Any, x: Any, label: Any) -> Any:
        return nn.losses.cross_entropy((x @ W)[None], label[None], reduction="mean")

    def on_numpy(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: np.ndarray) -> Any:
            result = function(*map(_to_mlx, arguments))
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
        },
    )


def _to_mlx(a: np.ndarray) -> Any:
    with mx.stream(mx.cpu):  # the only device that has float64
        if a.dtype.name == "bfloat16":
            return mx.array(a.astype(np.float32)).astype(mx.bfloat16)
        return mx.array(a, dtype=mx.float64) if a.dtype == np.float64 else mx.array(a)


def _to_numpy(a: Any) -> np.ndarray:
    return np.array(a.astype(mx.float32) if a.dtype == mx.bfloat16 else a)
