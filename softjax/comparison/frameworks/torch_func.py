"""PyTorch's function transforms: torch.func.grad_and_value, W (K, D)."""

from typing import Any

import numpy as np
import torch

from softjax.comparison.frameworks.protocol import Prepared, Problem
from softjax.comparison.frameworks.shared_torch import (
    build_objective,
    prepare_torch,
    to_numpy,
    to_tensor,
    write_objective,
)

DTYPES = ("float64", "float32", "bfloat16", "float16")


def prepare(problem: Problem) -> Prepared:
    """Reverse mode, and every other mode that torch.func composes."""
    objective, data = build_objective(problem)
    func = torch.func

    def loss(weight: torch.Tensor) -> torch.Tensor:
        return objective(weight, data)

    grad_and_value = func.grad_and_value(loss)

    def loss_and_grad(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        grad, value = grad_and_value(weight)
        return value, grad

    def hvp(W: np.ndarray, V: np.ndarray) -> np.ndarray:
        return to_numpy(func.jvp(func.grad(loss), (to_tensor(W.T),), (to_tensor(V.T),))[1].T)

    def vmap(stack: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        grads, values = func.vmap(grad_and_value)(to_tensor(stack.transpose(0, 2, 1)))
        return to_numpy(values), to_numpy(grads.transpose(1, 2))

    def loss_of_example(weight: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        scores = torch.nn.functional.linear(x, weight)
        return torch.nn.functional.cross_entropy(scores, y, label_smoothing=problem.label_smoothing)

    def per_example(W: np.ndarray) -> np.ndarray:
        grads: Any = func.vmap(func.grad(loss_of_example), (None, 0, 0))(to_tensor(W.T), data.X, data.y)
        return to_numpy(grads.transpose(1, 2))

    def inputs(W: np.ndarray) -> np.ndarray:
        weight = to_tensor(W.T)
        return to_numpy(func.grad(lambda X: objective(weight, data._replace(X=X)))(data.X))

    return prepare_torch(
        loss_and_grad,
        {
            "forward": lambda W, V: to_numpy(func.jvp(loss, (to_tensor(W.T),), (to_tensor(V.T),))[1]),
            "hvp": hvp,
            "hessian": lambda W: to_numpy(func.hessian(loss)(to_tensor(W.T)).permute(1, 0, 3, 2)),
            "per_example": per_example,
            "vmap": vmap,
            "inputs": inputs,
        },
    )


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
