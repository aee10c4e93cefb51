"""PaddlePaddle: paddle.nn.functional.cross_entropy and backward(), eagerly or through paddle.jit.to_static.

Its losses and its softmax have no second derivatives, and `paddle.autograd.jacobian` asks for these even where they
are not needed. So the modes, except for the gradient of X, are those of a log-softmax written with exp and log.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import paddle

from softjax.comparison.frameworks.protocol import Mode, Prepared, Problem

DTYPES = ("float64", "float32")


def prepare(problem: Problem, compiled: bool) -> Prepared:
    """The tape of the dynamic graph, or a static graph of the loss, which is differentiated backwards alike."""
    X = paddle.to_tensor(problem.X)
    l1, l2, soft, smoothing = problem.l1, problem.l2, problem.soft, problem.label_smoothing
    weights = class_weight = None
    ignore_index = -100
    if problem.sample_weight is not None:
        weights = paddle.to_tensor(problem.weights)
    else:
        if problem.class_weight is not None:
            class_weight = paddle.to_tensor(problem.class_weight)
        if problem.ignore_index is not None:
            ignore_index = problem.ignore_index
    y = paddle.to_tensor(problem.y if soft or weights is None else problem.labels)

    def loss(W: Any, X: Any) -> Any:
        value = paddle.nn.functional.cross_entropy(
            X @ W,
            y,
            weight=class_weight,
            ignore_index=ignore_index,
            reduction="mean" if weights is None else "none",
            soft_label=soft,
            label_smoothing=smoothing,
        )
        if weights is not None:  # the losses of soft labels are (N, 1)
            value = (weights * value.reshape(weights.shape)).sum() / weights.sum()
        if l1:
            value = value + l1 * W.abs().sum()
        if l2:
            value = value + l2 * (W * W).sum()
        return value

    compute_loss = paddle.jit.to_static(loss) if compiled else loss

    def loss_and_grad(W: Any) -> tuple[Any, Any]:
        W.clear_grad()
        value = compute_loss(W, X)
        value.backward()
        return value, W.grad

    def inputs(W: np.ndarray) -> np.ndarray:
        X = _to_parameter(problem.X)
        compute_loss(paddle.to_tensor(W), X).backward()
        return X.grad.numpy()

    modes: dict[Mode, Callable[..., Any]] = {"inputs": inputs}
    return Prepared(
        place=_to_parameter,
        loss_and_grad=loss_and_grad,
        to_numpy=lambda result: (result[0].numpy(), result[1].numpy()),
        modes=modes if compiled else modes | _build_modes(problem, X),
    )


def _build_modes(problem: Problem, X: Any) -> dict[Mode, Callable[..., Any]]:
    """The derivatives that differentiate twice, of a loss that can be."""
    labels = paddle.to_tensor(problem.labels).unsqueeze(-1)
    targets = None if problem.targets is None else paddle.to_tensor(problem.targets)
    weights = None if problem.weights is None else paddle.to_tensor(problem.weights)

    def losses(W: Any) -> Any:
        scores = X @ W
        shifted = scores - scores.max(axis=-1, keepdim=True).detach()
        log_sum = shifted.exp().sum(axis=-1, keepdim=True).log()
        if targets is None:
            return (log_sum - paddle.take_along_axis(shifted, labels, -1)).squeeze(-1)
        return (targets * (log_sum - shifted)).sum(axis=-1)

    def loss(W: Any) -> Any:
        value = problem.average(losses(W), weights, paddle.mean, paddle.sum)
        return problem.penalized(value, lambda: W.abs().sum(), lambda: (W * W).sum())

    def forward(W: np.ndarray, V: np.ndarray) -> np.ndarray:
        return paddle.incubate.autograd.jvp(loss, paddle.to_tensor(W), paddle.to_tensor(V))[1].numpy()

    def hvp(W: np.ndarray, V: np.ndarray) -> np.ndarray:
        at = _to_parameter(W)
        (grad,) = paddle.grad(loss(at), at, create_graph=True)
        return paddle.grad((grad * paddle.to_tensor(V)).sum(), at)[0].numpy()

    def hessian(W: np.ndarray) -> np.ndarray:
        flat = _to_parameter(W.reshape(-1))
        return paddle.autograd.hessian(loss(flat.reshape(W.shape)), flat)[:].numpy().reshape(W.shape * 2)

    def per_example(W: np.ndarray) -> np.ndarray:
        flat = _to_parameter(W.reshape(-1))
        rows = paddle.autograd.jacobian(losses(flat.reshape(W.shape)).reshape([-1]), flat)[:]
        return rows.numpy().reshape(-1, *W.shape)

    return {"forward": forward, "hvp": hvp, "hessian": hessian, "per_example": per_example}


def _to_parameter(a: np.ndarray) -> Any:
    return paddle.to_tensor(a, stop_gradient=False)


def write_script(problem: Problem, compiled: bool) -> str:
    """The loss and its gradient, by backward()."""
    sample = problem.sample_weight is not None
    options = ["X @ W", "labels" if sample and problem.ignore_index is not None else "y"]
    options += ['reduction="none"'] if sample else []
    options += (
        ["weight=paddle.to_tensor(class_weight)"] if problem.class_weight is not None and not sample else []
    )
    options += ["ignore_index=ignore_index"] if problem.ignore_index is not None and not sample else []
    options += ["label_smoothing=label_smoothing"] if problem.label_smoothing else []
    options += ["soft_label=True"] if problem.soft else []
    names = ["X", options[1], *(["w"] if sample else [])]
    average = "\n    loss = (w * loss.reshape(w.shape)).sum() / w.sum()" if sample else ""
    return f"""\
import paddle
{", ".join(names)} = map(paddle.to_tensor, ({", ".join(names)}))
{"@paddle.jit.to_static" + chr(10) if compiled else ""}def compute_loss(W):
    loss = paddle.nn.functional.cross_entropy({", ".join(options)}){average}
    return loss{" + reg * (W * W).sum()" if problem.reg else ""}
W = paddle.to_tensor(W, stop_gradient=False)
loss = compute_loss(W)
loss.backward()
print(loss.numpy(), W.grad.numpy())
"""
