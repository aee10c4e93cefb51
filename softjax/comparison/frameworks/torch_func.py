"""PyTorch's function transforms: torch.func.grad_and_value, W (K, D)."""

from typing import Any

import numpy as np
import torch

from softjax.comparison.frameworks.protocol import Prepared, Problem
from softjax.comparison.frameworks.shared_torch import build_objective, prepare_torch, to_numpy, to_tensor

DTYPES = ("float64", "float32", "bfloat16", "float16")

LOSS = """\
import torch
def loss(weight):
    scores = torch.tensor(X) @ weight.T
    return torch.nn.functional.cross_entropy(scores, torch.tensor(y))« + reg * (weight**2).sum()»
"""
SCRIPT = (
    LOSS
    + """\
grad, value = torch.func.grad_and_value(loss)(torch.tensor(W.T))
print(value.item(), grad.T)
"""
)
FORWARD = (
    LOSS
    + """\
print([torch.func.jvp(loss, (torch.tensor(W.T),), (torch.tensor(V.T),))[1].item() for V in basis])
"""
)


def prepare(problem: Problem) -> Prepared:
    """Reverse mode, and every other mode that torch.func composes."""
    loss, func = build_objective(problem), torch.func
    grad_and_value = func.grad_and_value(loss)

    def loss_and_grad(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        grad, value = grad_and_value(weight)
        return value, grad

    def hvp(W: np.ndarray, V: np.ndarray) -> np.ndarray:
        return to_numpy(func.jvp(func.grad(loss), (to_tensor(W.T),), (to_tensor(V.T),))[1].T)

    def vmap(stack: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        grads, values = func.vmap(grad_and_value)(to_tensor(stack.transpose(0, 2, 1)))
        return to_numpy(values), to_numpy(grads.transpose(1, 2))

    X, y = to_tensor(problem.X), to_tensor(problem.y)

    def loss_of_example(weight: torch.Tensor, x: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.cross_entropy(torch.nn.functional.linear(x, weight), label)

    def per_example(W: np.ndarray) -> np.ndarray:
        grads: Any = func.vmap(func.grad(loss_of_example), (None, 0, 0))(to_tensor(W.T), X, y)
        return to_numpy(grads.transpose(1, 2))

    return prepare_torch(
        loss_and_grad,
        {
            "forward": lambda W, V: to_numpy(func.jvp(loss, (to_tensor(W.T),), (to_tensor(V.T),))[1]),
            "hvp": hvp,
            "hessian": lambda W: to_numpy(func.hessian(loss)(to_tensor(W.T)).permute(1, 0, 3, 2)),
            "per_example": per_example,
            "vmap": vmap,
        },
    )
