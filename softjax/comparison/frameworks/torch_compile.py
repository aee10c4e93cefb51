"""PyTorch, compiled: torch.compile of the loss, then backward(), W (K, D)."""

import functools
from typing import Any

import torch

from softjax.comparison.frameworks.protocol import Prepared, Problem
from softjax.comparison.frameworks.shared_torch import (
    Data,
    average_cross_entropy,
    differentiate_backward,
    differentiate_inputs,
    prepare_torch,
    read_data,
    write_objective,
)

DTYPES = ("float64", "float32", "bfloat16", "float16")


def prepare(problem: Problem) -> Prepared:
    """The loss and its gradient as code compiled by inductor, once for each shape."""
    data = read_data(problem)
    loss = _compile(problem.l1, problem.l2, problem.label_smoothing, problem.ignore_index)
    return prepare_torch(differentiate_backward(loss, data), {"inputs": differentiate_inputs(loss, data)})


@functools.cache
def _compile(l1: float, l2: float, label_smoothing: float, ignore_index: int | None) -> Any:
    """One compiled function for all problems with these numbers, so that a shape is compiled once."""
    torch._dynamo.config.recompile_limit = 100  # else the ninth shape runs eager

    @torch.compile(dynamic=False)
    def loss(weight: torch.Tensor, data: Data) -> torch.Tensor:
        value = average_cross_entropy(weight, data, label_smoothing, ignore_index)
        if l1:
            value = value + l1 * weight.abs().sum()
        if l2:
            value = value + l2 * (weight**2).sum()
        return value

    return loss


def write_script(problem: Problem) -> str:
    """The loss and its gradient, by backward() of the compiled loss."""
    return (
        write_objective(problem, "@torch.compile(dynamic=False)\n")
        + """\
weight = torch.tensor(W.T, requires_grad=True)
value = loss(weight)
value.backward()
print(value.item(), weight.grad.T)
"""
    )
