"""PyTorch, compiled: torch.compile of the loss, then backward(), W (K, D)."""

import functools
from typing import Any

import torch

from softjax.comparison.frameworks.protocol import Prepared, Problem
from softjax.comparison.frameworks.shared_torch import differentiate_backward, prepare_torch, to_tensor

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
    """The loss and its gradient as code compiled by inductor, once for each shape."""
    X, y = to_tensor(problem.X), to_tensor(problem.y)
    loss = _compile(problem.l1, problem.l2)
    return prepare_torch(differentiate_backward(loss, X, y), {})


@functools.cache
def _compile(l1: float, l2: float) -> Any:
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
