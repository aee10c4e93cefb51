"""PaddlePaddle: paddle.nn.functional.cross_entropy and backward(), eagerly or through paddle.jit.to_static."""

from typing import Any

import numpy as np
import paddle

from softjax.comparison.frameworks.protocol import Prepared, Problem

DTYPES = ("float64", "float32")


def write_script(problem: Problem, compiled: bool) -> str:
    """The loss as its users write it, and `backward()`."""
    options = ", reduction='none'" if problem.sample_weight is not None else ""
    labels = "labels" if problem.sample_weight is not None and problem.ignore_index is not None else "y"
    for name in _name_options(problem):
        value = f"paddle.to_tensor({name})" if name == "class_weight" else name
        options += f", {'weight' if name == 'class_weight' else name}={value}"
    if problem.soft:
        options += ", soft_label=True"
    value = f"F.cross_entropy(paddle.to_tensor(X) @ W, paddle.to_tensor({labels}){options})"
    penalty = " + reg * (W * W).sum()" if problem.reg else ""
    lines = ["import paddle, paddle.nn.functional as F"]
    if problem.sample_weight is not None:
        lines.append("w = paddle.to_tensor(w)")
        value = f"(w * {value}.reshape(w.shape)).sum() / w.sum()"
    if compiled:
        lines += ["@paddle.jit.to_static", "def compute_loss(W):", f"    return {value}{penalty}"]
        value, penalty = "compute_loss(W)", ""
    lines += [
        "W = paddle.to_tensor(W, stop_gradient=False)",
        f"loss = {value}{penalty}",
        "loss.backward()",
        "print(loss.numpy(), W.grad.numpy())",
    ]
    return "\n".join(lines) + "\n"


def prepare(problem: Problem, compiled: bool) -> Prepared:
    """The tape of the dynamic graph, or a static graph of the loss, which is differentiated backwards alike."""
    X = paddle.to_tensor(problem.X)
    options = {name: getattr(problem, name) for name in _name_options(problem)}
    if problem.class_weight is not None and problem.sample_weight is None:
        options["weight"] = paddle.to_tensor(options.pop("class_weight"))
    weights = None if problem.sample_weight is None else paddle.to_tensor(problem.weights)
    y = paddle.to_tensor(problem.y if problem.soft or weights is None else problem.labels)

    def losses(W: Any, X: Any, reduction: str) -> Any:
        return paddle.nn.functional.cross_entropy(
            X @ W, y, reduction=reduction, soft_label=problem.soft, **options
        )

    def loss(W: Any, X: Any) -> Any:
        if weights is None:
            value = losses(W, X, "mean")
        else:  # the losses of soft labels are (N, 1)
            each = losses(W, X, "none").reshape(weights.shape)
            value = problem.average(each, weights, paddle.mean, paddle.sum)
        return problem.penalized(value, lambda: W.abs().sum(), lambda: (W * W).sum())

    compute_loss = paddle.jit.to_static(loss) if compiled else loss

    def loss_and_grad(W: Any) -> tuple[Any, Any]:
        W.clear_grad()
        value = compute_loss(W, X)
        value.backward()
        return value, W.grad

    def per_example(W: np.ndarray) -> np.ndarray:
        flat = _to_parameter(W).reshape([-1])
        each = losses(flat.reshape(W.shape), X, "none").reshape([-1])
        return paddle.autograd.jacobian(each, flat)[:].numpy().reshape(-1, *W.shape)

    def inputs(W: np.ndarray) -> np.ndarray:
        X = _to_parameter(problem.X)
        compute_loss(paddle.to_tensor(W), X).backward()
        return X.grad.numpy()

    return Prepared(
        place=_to_parameter,
        loss_and_grad=loss_and_grad,
        to_numpy=lambda result: (result[0].numpy(), result[1].numpy()),
        modes={"inputs": inputs, "per_example": per_example},
    )


def _name_options(problem: Problem) -> list[str]:
    """The options of Paddle's own loss; weights of examples are not among them, and stand for the other weights too."""
    names = ["label_smoothing"] if problem.label_smoothing else []
    if problem.sample_weight is None:
        names += [name for name in ("class_weight", "ignore_index") if getattr(problem, name) is not None]
    return names


def _to_parameter(a: np.ndarray) -> Any:
    return paddle.to_tensor(a, stop_gradient=False)
