"""PyTorch, compiled: torch.compile of the loss, then backward(), W (K, D)."""

import functools
from typing import Any

import torch

from softjax.comparison.frameworks.protocol import Prepared, Problem
from softjax.comparison.frameworks.torch_eager import prepared, tensor

DTYPES = ("float64", "float32", "bfloat16", "float16")

SCRIPT = """\
import torch
@torch.compile(dynamic=False)
def loss(weight, X, y):
    return torch.nn.functional.cross_entropy(X @ weight.T, y)« + reg * (weight**2).sum()»
weight = torch.tensor(W.T, requires_grad=True)
value = loss(weight, torch.tensor(X), torch.tensor(y))
value.backward()
print(value.item(), weight.grad.T)
"""


def prepare(problem: Problem) -> Prepared:
    """Forward and backward as inductor's code, one for each shape."""
    X, y = tensor(problem.X), tensor(problem.y)
    loss = _compiled(problem.l1, problem.l2)

    def loss_and_grad(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        weight = weight.detach().requires_grad_()
        value = loss(weight, X, y)
        value.backward()
        assert weight.grad is not None
        return value.detach(), weight.grad

    return prepared(loss_and_grad, {})


@functools.cache
def _compiled(l1: float, l2: float) -> Any:
    """One compiled function for all problems of a penalty, so that a shape is compiled once."""
    torch._dynamo.config.recompile_limit = 100  # else the ninth shape runs eager

    @torch.compile(dynamic=False)
    def loss(weight: torch.Tensor, X: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        value = torch.nn.functional.cross_entropy(torch.nn.functional.linear(X, weight), y)
        if l1:
            value = value + l1 * weight.abs().sum()
        if l2:
            value = value + l2 * (weight**2).sum()
        return value

    return loss
