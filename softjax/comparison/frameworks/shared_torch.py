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


def average_cross_entropy(
    weight: torch.Tensor, data: Data, label_smoothing: float, ignore_index: int | None
) -> torch.Tensor:
    """The mean loss of weights (K, D). PyTorch leaves out the label −100 by itself, if `ignore_index` is None."""
    scores, y = torch.nn.functional.linear(data.X, weight), data.y
    if scores.ndim > 2:
        scores, y = scores.flatten(0, -2), y.flatten(0, scores.ndim - 2)
    losses: torch.Tensor = torch.nn.functional.cross_entropy(
        scores,
        y,
        data.class_weight,
        ignore_index=-100 if ignore_index is None else ignore_index,
        label_smoothing=label_smoothing,
        reduction="mean" if data.weights is None else "none",
    )
    if data.weights is None:
        return losses
    averaged: torch.Tensor = Problem.average(losses, data.weights.flatten(), torch.mean, torch.sum)
    return averaged


def build_objective(problem: Problem) -> tuple[Callable[..., torch.Tensor], Data]:
    """The objective as a function of weights (K, D) and data, and the data."""

    def loss(weight: torch.Tensor, data: Data) -> torch.Tensor:
        value = average_cross_entropy(weight, data, problem.label_smoothing, problem.ignore_index)
        total: torch.Tensor = problem.penalized(value, lambda: weight.abs().sum(), lambda: (weight**2).sum())
        return total

    return loss, read_data(problem)


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


def differentiate_inputs(loss: Callable[..., torch.Tensor], data: Data) -> Callable[[np.ndarray], np.ndarray]:
    """The gradient with respect to X, by `backward()`, as a function of the weights (D, K) in NumPy."""

    def inputs(W: np.ndarray) -> np.ndarray:
        X = data.X.detach().requires_grad_()
        loss(to_tensor(W.T), data._replace(X=X)).backward()
        assert X.grad is not None
        return to_numpy(X.grad)

    return inputs


def to_tensor(a: np.ndarray) -> torch.Tensor:
    """A tensor of the same type; PyTorch does not read NumPy's bfloat16."""
    if a.dtype.name == "bfloat16":
        return torch.tensor(a.astype(np.float32)).to(torch.bfloat16)
    return torch.tensor(a)


def to_numpy(t: torch.Tensor) -> np.ndarray:
    """A NumPy array, of float32 where NumPy lacks the type."""
    t = t.detach()
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
