"""PyTorch's function transforms: torch.func.grad_and_value, W (K, D)."""

import torch

from softjax.comparison.frameworks.protocol import Prepared, Problem
from softjax.comparison.frameworks.shared_torch import (
    build_loss,
    derive_modes,
    prepare_torch,
    read_data,
    read_settings,
    write_objective,
)

DTYPES = ("float64", "float32", "bfloat16", "float16")


def prepare(problem: Problem) -> Prepared:
    """Reverse mode, and every other mode that torch.func composes."""
    settings, data = read_settings(problem), read_data(problem)
    grad_and_value = torch.func.grad_and_value(build_loss(settings))

    def loss_and_grad(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        grad, value = grad_and_value(weight, data)
        return value, grad

    return prepare_torch(loss_and_grad, derive_modes(settings, data))


def write_script(problem: Problem) -> str:
    """The loss and its gradient, by one transform."""
    return (
        write_objective(problem)
        + """\
grad, value = torch.func.grad_and_value(loss)(torch.tensor(W.T))
print(value.item(), grad.T)
"""
    )


def write_forward(problem: Problem) -> str:
    """The derivatives along `basis`, by torch.func.jvp."""
    return (
        write_objective(problem)
        + "print([torch.func.jvp(loss, (torch.tensor(W.T),), (torch.tensor(V.T),))[1].item() for V in basis])\n"
    )
