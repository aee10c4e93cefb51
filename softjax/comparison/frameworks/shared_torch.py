"""What the frameworks on PyTorch share: weights (K, D) as in nn.Linear, the objective, and tensors to and from NumPy."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from softjax.comparison.frameworks.protocol import Mode, Prepared, Problem


def prepare_torch(loss_and_grad: Callable[..., Any], modes: dict[Mode, Callable[..., Any]]) -> Prepared:
    """A loss and gradient of weights (K, D), contiguous."""
    return Prepared(
        place=lambda W: to_tensor(np.ascontiguousarray(W.T)),
        loss_and_grad=loss_and_grad,
        to_numpy=lambda result: (to_numpy(result[0]), to_numpy(result[1].T)),
        modes=modes,
    )


def build_objective(problem: Problem) -> Callable[[torch.Tensor], torch.Tensor]:
    """The objective as a function of weights (K, D)."""
    X, y = to_tensor(problem.X), to_tensor(problem.y)

    def loss(weight: torch.Tensor) -> torch.Tensor:
        value = torch.nn.functional.cross_entropy(torch.nn.functional.linear(X, weight), y)
        total: torch.Tensor = problem.penalized(value, lambda: weight.abs().sum(), lambda: (weight**2).sum())
        return total

    return loss


def differentiate_backward(
    loss: Callable[..., torch.Tensor], *data: torch.Tensor
) -> Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]:
    """The loss and its gradient as a function of the weights, by `backward()` of `loss(weight, *data)`."""

    def loss_and_grad(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        weight = weight.detach().requires_grad_()
        value = loss(weight, *data)
        value.backward()
        assert weight.grad is not None
        return value.detach(), weight.grad

    return loss_and_grad


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
