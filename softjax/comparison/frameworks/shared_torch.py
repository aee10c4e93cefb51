"""What the frameworks on PyTorch share: weights (K, D) as in nn.Linear, the loss, its modes, tensors and scripts."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch

from softjax.comparison.frameworks.protocol import Mode, Prepared, Problem


class Data(NamedTuple):
    """The data of a problem as tensors.

    Weights of examples are averaged outside of PyTorch's loss, which takes weights of classes only: with them,
    `weights` has both, and `class_weight` is None.
    """

    X: torch.Tensor
    y: torch.Tensor
    weights: torch.Tensor | None
    class_weight: torch.Tensor | None


def read_data(problem: Problem) -> Data:
    """The data of a problem."""
    sample = problem.sample_weight is not None
    return Data(
        to_tensor(problem.X),
        to_tensor(problem.y),
        to_tensor(problem.weights) if sample and problem.weights is not None else None,
        to_tensor(problem.class_weight) if not sample and problem.class_weight is not None else None,
    )


class Settings(NamedTuple):
    """The numbers of a problem that are part of a compiled function."""

    l1: float
    l2: float
    label_smoothing: float
    ignore_index: int | None


def read_settings(problem: Problem) -> Settings:
    """The settings of a problem."""
    return Settings(problem.l1, problem.l2, problem.label_smoothing, problem.ignore_index)


def build_loss(settings: Settings) -> Callable[[torch.Tensor, Data], torch.Tensor]:
    """The objective as a function of weights (K, D) and data.

    Its penalty is not that of `Problem.penalized`, which torch.compile cannot follow.
    """
    # PyTorch leaves out the label −100 by itself
    ignore_index = -100 if settings.ignore_index is None else settings.ignore_index

    def loss(weight: torch.Tensor, data: Data) -> torch.Tensor:
        scores, y = torch.nn.functional.linear(data.X, weight), data.y
        if scores.ndim > 2:
            scores, y = scores.flatten(0, -2), y.flatten(0, scores.ndim - 2)
        value: torch.Tensor = torch.nn.functional.cross_entropy(
            scores,
            y,
            data.class_weight,
            ignore_index=ignore_index,
            label_smoothing=settings.label_smoothing,
            reduction="mean" if data.weights is None else "none",
        )
        if data.weights is not None:
            value = Problem.average(value, data.weights.flatten(), torch.mean, torch.sum)
        if settings.l1:
            value = value + settings.l1 * weight.abs().sum()
        if settings.l2:
            value = value + settings.l2 * (weight**2).sum()
        return value

    return loss


def prepare_torch(loss_and_grad: Callable[..., Any], modes: dict[Mode, Callable[..., Any]]) -> Prepared:
    """A loss and gradient of weights (K, D), contiguous."""
    return Prepared(
        place=lambda W: to_tensor(np.ascontiguousarray(W.T)),
        loss_and_grad=loss_and_grad,
        to_numpy=lambda result: (to_numpy(result[0]), to_numpy(result[1].T)),
        modes=modes,
    )


def differentiate_backward(
    loss: Callable[..., torch.Tensor], data: Data
) -> Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]:
    """The loss and its gradient as a function of the weights, by `backward()` of `loss(weight, data)`."""

    def loss_and_grad(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        weight = weight.detach().requires_grad_()
        value = loss(weight, data)
        value.backward()
        assert weight.grad is not None
        return value.detach(), weight.grad

    return loss_and_grad


def derive_modes(
    settings: Settings, data: Data, transform: Callable[..., Any] = lambda function: function
) -> dict[Mode, Callable[..., Any]]:
    """The derivatives that torch.func composes, each as `transform` makes it, such as torch.compile."""
    func, objective = torch.func, build_loss(settings)

    def loss(weight: torch.Tensor) -> torch.Tensor:
        return objective(weight, data)

    def loss_of_example(weight: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        scores = torch.nn.functional.linear(x, weight)
        return torch.nn.functional.cross_entropy(scores, y, label_smoothing=settings.label_smoothing)

    forward = transform(lambda weight, V: func.jvp(loss, (weight,), (V,))[1])
    product = transform(lambda weight, V: func.jvp(func.grad(loss), (weight,), (V,))[1])
    hessian = transform(func.hessian(loss))
    per_example = transform(func.vmap(func.grad(loss_of_example), (None, 0, 0)))
    stacked = transform(func.vmap(func.grad_and_value(loss)))
    inputs = transform(lambda weight, X: func.grad(lambda X: objective(weight, data._replace(X=X)))(X))

    def vmap(stack: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        grads, values = stacked(to_tensor(stack.transpose(0, 2, 1)))
        return to_numpy(values), to_numpy(grads.transpose(1, 2))

    return {
        "forward": lambda W, V: to_numpy(forward(to_tensor(W.T), to_tensor(V.T))),
        "hvp": lambda W, V: to_numpy(product(to_tensor(W.T), to_tensor(V.T)).T),
        "hessian": lambda W: to_numpy(hessian(to_tensor(W.T)).permute(1, 0, 3, 2)),
        "per_example": lambda W: to_numpy(per_example(to_tensor(W.T), data.X, data.y).transpose(1, 2)),
        "vmap": vmap,
        "inputs": lambda W: to_numpy(inputs(to_tensor(W.T), data.X)),
    }


def to_tensor(a: np.ndarray) -> torch.Tensor:
    """A tensor of the same type; PyTorch does not read NumPy's bfloat16."""
    if a.dtype.name == "bfloat16":
        return torch.tensor(a.astype(np.float32)).to(torch.bfloat16)
    return torch.tensor(a)


def to_numpy(t: torch.Tensor) -> np.ndarray:
    """A NumPy array, of float32 where NumPy lacks the type."""
    t = t.detach().cpu()
    array: np.ndarray = (t.float() if t.dtype == torch.bfloat16 else t).numpy()
    return array


def write_objective(problem: Problem, decorator: str = "") -> str:
    """The start of scripts: the objective of weights (K, D)."""
    scores, y = (
        ("(X @ weight.T).flatten(0, -2)", "y.flatten()") if problem.X.ndim > 2 else ("X @ weight.T", "y")
    )
    options = [scores, y]
    if problem.class_weight is not None and problem.sample_weight is None:
        options.append("weight=torch.tensor(class_weight)")
    if problem.ignore_index is not None:
        options.append("ignore_index=ignore_index")
    if problem.label_smoothing:
        options.append("label_smoothing=label_smoothing")
    if problem.sample_weight is not None:
        options.append('reduction="none"')
    lines = [f"loss = torch.nn.functional.cross_entropy({', '.join(options)})"]
    if problem.sample_weight is not None:
        lines.append("loss = (torch.tensor(w) * loss).sum() / torch.tensor(w).sum()")
    body = "\n    ".join(lines)
    return f"""\
import torch
X, y = torch.tensor(X), torch.tensor(y)
{decorator}def loss(weight):
    {body}
    return loss{" + reg * (weight**2).sum()" if problem.reg else ""}
"""
