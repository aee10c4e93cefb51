"""tinygrad: Tensor.sparse_categorical_crossentropy and Tensor.gradient, captured by TinyJit."""

from typing import Any

import numpy as np
from tinygrad import Device, Tensor, TinyJit, dtypes

from softjax.comparison.frameworks.protocol import Prepared, Problem

DTYPES = ("float64", "float32", "bfloat16", "float16")

SCRIPT = """\
from tinygrad import Tensor
w = Tensor(W)
loss = (Tensor(X) @ w).sparse_categorical_crossentropy(Tensor(y))« + reg * (w * w).sum()»
print(loss.numpy(), loss.gradient(w)[0].numpy())
"""


def prepare(problem: Problem) -> Prepared:
    """Lazy: the loss and its gradient are one graph, computed when realized."""
    X, y = _to_tensor(problem.X).realize(), _to_tensor(problem.y).realize()

    def loss(w: Any) -> Any:
        value = (X @ w).sparse_categorical_crossentropy(y)
        return problem.penalized(value, lambda: w.abs().sum(), lambda: (w * w).sum())

    @TinyJit
    def value_and_grad(w: Any) -> tuple[Any, Any]:
        value = loss(w)
        grad = value.gradient(w)[0]  # before the value is realized, because that would drop the graph
        Tensor.realize(value, grad)
        return value, grad

    def loss_and_grad(w: Any) -> tuple[Any, Any]:
        result = value_and_grad(w)
        Device[Device.DEFAULT].synchronize()
        return result

    def hvp(W: np.ndarray, V: np.ndarray) -> np.ndarray:
        w = _to_tensor(W)
        return _to_numpy((loss(w).gradient(w)[0] * _to_tensor(V)).sum().gradient(w)[0])

    return Prepared(
        place=lambda W: _to_tensor(W).realize(),
        loss_and_grad=loss_and_grad,
        to_numpy=lambda result: (_to_numpy(result[0]), _to_numpy(result[1])),
        modes={"hvp": hvp},
        read_loss=lambda loss: float(loss.item()),
    )


def _to_tensor(a: np.ndarray) -> Any:
    return Tensor(a.astype(np.float32)).cast(dtypes.bfloat16) if a.dtype.name == "bfloat16" else Tensor(a)


def _to_numpy(t: Any) -> np.ndarray:
    array: np.ndarray = (t.cast(dtypes.float32) if t.dtype == dtypes.bfloat16 else t).numpy()
    return array
