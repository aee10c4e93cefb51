"""PyTorch, compiled: torch.compile of the loss, then backward(), W (K, D).

The other derivatives are torch.compile of those of torch.func.
"""

import functools
from typing import Any

import torch

from softjax.comparison.frameworks.protocol import Prepared, Problem
from softjax.comparison.frameworks.shared_torch import (
    Settings,
    build_loss,
    derive_modes,
    differentiate_backward,
    prepare_torch,
    read_data,
    read_settings,
    write_objective,
)

DTYPES = ("float64", "float32", "bfloat16", "float16")


def prepare(problem: Problem) -> Prepared:
    """The loss and its gradient as code compiled by inductor, once for each shape."""
    settings, data = read_settings(problem), read_data(problem)
    loss_and_grad = differentiate_backward(_compile(settings), data)
    return prepare_torch(loss_and_grad, derive_modes(settings, data, torch.compile(dynamic=False)))


@functools.cache
def _compile(settings: Settings) -> Any:
    """One compiled function for all problems with these settings, so that a shape is compiled once."""
    torch._dynamo.config.recompile_limit = 100  # else the ninth shape runs eager
    return torch.compile(build_loss(settings), dynamic=False)


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


def write_forward(problem: Problem) -> str:
    """The derivatives along `basis`, by torch.func.jvp in a compiled function."""
    return (
        write_objective(problem)
        + """\
@torch.compile(dynamic=False)
def slope(weight, V):
    return torch.func.jvp(loss, (weight,), (V,))[1]
print([slope(torch.tensor(W.T), torch.tensor(V.T)).item() for V in basis])
"""
    )
