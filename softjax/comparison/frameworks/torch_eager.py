"""PyTorch, eager: torch.nn.functional.cross_entropy and backward(), W (K, D) as in nn.Linear."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from softjax.comparison.frameworks.protocol import Mode, Prepared, Problem
from softjax.comparison.frameworks.shared_torch import (
    build_objective,
    differentiate_backward,
    prepare_torch,
    to_numpy,
    to_tensor,
)

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
    loss = build_objective(problem)
    functional: Any = torch.autograd.functional
    modes: dict[Mode, Callable[..., Any]] = {
        "hvp": lambda W, V: to_numpy(functional.hvp(loss, to_tensor(W.T), to_tensor(V.T))[1].T),
        "hessian": lambda W: to_numpy(functional.hessian(loss, to_tensor(W.T)).permute(1, 0, 3, 2)),
        "forward": lambda W, V: _push_forward(loss, to_tensor(W.T), to_tensor(V.T)),
    }
    return prepare_torch(differentiate_backward(loss), modes)


def _push_forward(
    loss: Callable[[torch.Tensor], torch.Tensor], weight: torch.Tensor, V: torch.Tensor
) -> np.ndarray:
    forward: Any = torch.autograd.forward_ad
    with forward.dual_level():
        return to_numpy(forward.unpack_dual(loss(forward.make_dual(weight, V))).tangent)
