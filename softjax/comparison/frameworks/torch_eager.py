"""PyTorch, eager: torch.nn.functional.cross_entropy and backward(), W (K, D) as in nn.Linear."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from softjax.comparison.frameworks.protocol import Mode, Prepared, Problem

DTYPES = ("float64", "float32", "bfloat16", "float16")

SCRIPT = """\
import torch
weight = torch.tensor(W.T, requires_grad=True)
loss = torch.nn.functional.cross_entropy(torch.tensor(X) @ weight.T, torch.tensor(y))« + reg * (weight**2).sum()»
loss.backward()
print(loss.item(), weight.grad.T)
"""
FORWARD = """\
import torch, torch.autograd.forward_ad as forward_ad
def loss(weight):
    return torch.nn.functional.cross_entropy(torch.tensor(X) @ weight.T, torch.tensor(y))« + reg * (weight**2).sum()»
with forward_ad.dual_level():
    for V in basis:
        dual = forward_ad.make_dual(torch.tensor(W.T), torch.tensor(V.T))
        print(forward_ad.unpack_dual(loss(dual)))
"""


def prepare(problem: Problem) -> Prepared:
    """The tape of autograd, recorded anew in each call."""
    loss = objective(problem)

    def loss_and_grad(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        weight = weight.detach().requires_grad_()
        value = loss(weight)
        value.backward()
        assert weight.grad is not None
        return value.detach(), weight.grad

    functional: Any = torch.autograd.functional
    modes: dict[Mode, Callable[..., Any]] = {
        "hvp": lambda W, V: to_numpy(functional.hvp(loss, tensor(W.T), tensor(V.T))[1].T),
        "hessian": lambda W: to_numpy(functional.hessian(loss, tensor(W.T)).permute(1, 0, 3, 2)),
        "forward": lambda W, V: _dual(loss, tensor(W.T), tensor(V.T)),
    }
    return prepared(loss_and_grad, modes)


def prepared(loss_and_grad: Callable[..., Any], modes: dict[Mode, Callable[..., Any]]) -> Prepared:
    """What PyTorch's variants have in common: weights (K, D), contiguous."""
    return Prepared(
        place=lambda W: tensor(np.ascontiguousarray(W.T)),
        loss_and_grad=loss_and_grad,
        to_numpy=lambda result: (to_numpy(result[0]), to_numpy(result[1].T)),
        modes=modes,
    )


def objective(problem: Problem, reduction: str = "mean") -> Callable[[torch.Tensor], torch.Tensor]:
    """The objective of weights (K, D), or with `reduction="none"` the loss of each example."""
    X, y = tensor(problem.X), tensor(problem.y)

    def loss(weight: torch.Tensor) -> torch.Tensor:
        scores = torch.nn.functional.linear(X, weight)
        value = torch.nn.functional.cross_entropy(scores, y, reduction=reduction)
        if reduction == "none":
            return value
        total: torch.Tensor = problem.penalized(value, lambda: weight.abs().sum(), lambda: (weight**2).sum())
        return total

    return loss


def tensor(a: np.ndarray) -> torch.Tensor:
    """A tensor of the same type; NumPy's bfloat16 is none that PyTorch reads."""
    if a.dtype.name == "bfloat16":
        return torch.tensor(a.astype(np.float32)).to(torch.bfloat16)
    return torch.tensor(a)


def to_numpy(t: torch.Tensor) -> np.ndarray:
    """A NumPy array, of float32 where NumPy has not the type."""
    t = t.detach()
    array: np.ndarray = (t.float() if t.dtype == torch.bfloat16 else t).numpy()
    return array


def _dual(loss: Callable[[torch.Tensor], torch.Tensor], weight: torch.Tensor, V: torch.Tensor) -> np.ndarray:
    forward: Any = torch.autograd.forward_ad
    with forward.dual_level():
        return to_numpy(forward.unpack_dual(loss(forward.make_dual(weight, V))).tangent)
