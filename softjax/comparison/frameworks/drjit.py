"""Dr.Jit: tensors of its LLVM backend, traced and compiled for each new expression, and drjit.backward."""

from collections.abc import Callable
from typing import Any

import drjit as dr
import numpy as np
from drjit.auto import ad

from softjax.comparison.frameworks.protocol import Prepared, Problem

DTYPES = ("float64", "float32")


def write_script(problem: Problem) -> str:
    """The loss with a log-softmax of tensors, and `backward`."""
    lines = ["dr.enable_grad(W)", *_write_loss(problem), "dr.backward(loss)", "print(loss, W.grad)"]
    return "\n".join(_write_data(problem) + lines) + "\n"


def write_forward(problem: Problem) -> str:
    """The loss with a log-softmax of tensors, and `forward_to`."""
    lines = [
        "for V in basis:",
        "    dr.enable_grad(W)",
        "    dr.set_grad(W, Tensor(V))",
        *(f"    {line}" for line in _write_loss(problem)),
        "    print(loss, dr.forward_to(loss))",
    ]
    return "\n".join(_write_data(problem) + lines) + "\n"


def _write_data(problem: Problem) -> list[str]:
    tensor = f"TensorXf{_SUFFIX[problem.dtype]}"
    return [
        f"import drjit as dr; from drjit.auto.ad import {tensor} as Tensor, UInt",
        "N, X, W = X[..., 0].size, Tensor(X), Tensor(W)",
    ]


def _write_loss(problem: Problem) -> list[str]:
    lines = [
        "scores = X @ W",
        "shifted = scores - dr.max(dr.detach(scores), axis=-1, keepdims=True)",
        "log_p = shifted - dr.log(dr.sum(dr.exp(shifted), axis=-1, keepdims=True))",
    ]
    if problem.targets is None:
        labels = "labels" if problem.ignore_index is not None else "y"
        index = f"dr.arange(UInt, N) * W.shape[1] + UInt({labels}.ravel())"
        lines.append(f"losses = -dr.gather(type(log_p.array), log_p.array, {index})")
    else:
        lines.append("losses = -dr.sum(Tensor(T) * log_p, axis=-1).array")
    if problem.weights is None:
        lines.append("loss = dr.mean(losses)")
    else:
        lines.append("weights = type(losses)(w.ravel())")
        lines.append("loss = dr.sum(weights * losses) / dr.sum(weights)")
    if problem.reg:
        lines.append("loss += reg * dr.sum(dr.square(W), axis=None).array")
    return lines


_SUFFIX = {"float64": "64", "float32": "", "float16": "16"}


def prepare(problem: Problem) -> Prepared:
    """Reverse mode on the traced expressions; the compiled kernels are found again by their code."""
    Tensor = getattr(ad, f"TensorXf{_SUFFIX[problem.dtype]}")
    X = Tensor(problem.X)
    Float = type(X.array)
    N, K = problem.X[..., 0].size, problem.W.shape[1]
    index = dr.arange(ad.UInt, N) * K + ad.UInt(problem.labels.reshape(-1))
    targets = None if problem.targets is None else Tensor(problem.targets)
    weights = None if problem.weights is None else Float(problem.weights.reshape(-1))

    def loss(W: Any, X: Any) -> Any:
        scores = X @ W
        shifted = scores - dr.max(dr.detach(scores), axis=-1, keepdims=True)
        log_p = shifted - dr.log(dr.sum(dr.exp(shifted), axis=-1, keepdims=True))
        if targets is None:
            losses = -dr.gather(Float, log_p.array, index)
        else:
            losses = -dr.sum(targets * log_p, axis=-1).array
        value = problem.average(losses, weights, dr.mean, dr.sum)
        return problem.penalized(
            value, lambda: dr.sum(dr.abs(W), axis=None).array, lambda: dr.sum(dr.square(W), axis=None).array
        )

    def differentiate(compute: Callable[[Any], Any], at: Any) -> tuple[Any, Any]:
        at = Tensor(at)
        dr.enable_grad(at)
        value = compute(at)
        dr.backward(value)
        grad = dr.grad(at)
        dr.eval(value, grad)
        dr.sync_thread()
        return dr.detach(value), grad

    def forward(W: np.ndarray, V: np.ndarray) -> Any:
        at = Tensor(W)
        dr.enable_grad(at)
        dr.set_grad(at, Tensor(V))
        return dr.forward_to(loss(at, X)).numpy()[0]

    return Prepared(
        place=Tensor,
        loss_and_grad=lambda W: differentiate(lambda W: loss(W, X), W),
        to_numpy=lambda result: (result[0].numpy()[0], result[1].numpy()),
        modes={
            "forward": forward,
            "inputs": lambda W: differentiate(lambda X: loss(Tensor(W), X), X)[1].numpy(),
        },
        read_loss=lambda loss: loss[0],
    )
