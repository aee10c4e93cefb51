"""PyTorch, eager: torch.nn.functional.cross_entropy and backward(), W (K, D) as in nn.Linear."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from softjax.comparison.frameworks.protocol import Mode, Prepared, Problem
from softjax.comparison.frameworks.shared_torch import (
    build_loss,
    differentiate_backward,
    prepare_torch,
    read_data,
    read_settings,
    to_numpy,
    to_tensor,
    write_objective,
)

DTYPES = ("float64", "float32", "bfloat16", "float16")


def prepare(problem: Problem) -> Prepared:
    """The tape of autograd, recorded anew in each call."""
    objective, data = build_loss(read_settings(problem)), read_data(problem)

    def loss(weight: torch.Tensor) -> torch.Tensor:
        return objective(weight, data)

    def inputs(W: np.ndarray) -> np.ndarray:
        X = data.X.detach().requires_grad_()
        objective(to_tensor(W.T), data._replace(X=X)).backward()
        assert X.grad is not None
        return to_numpy(X.grad)

    functional: Any = torch.autograd.functional
    modes: dict[Mode, Callable[..., Any]] = {
        "hvp": lambda W, V: to_numpy(functional.hvp(loss, to_tensor(W.T), to_tensor(V.T))[1].T),
        "hessian": lambda W: to_numpy(functional.hessian(loss, to_tensor(W.T)).permute(1, 0, 3, 2)),
        "forward": lambda W, V: _push_forward(loss, to_tensor(W.T), to_tensor(V.T)),
        "inputs": inputs,
    }
    return prepare_torch(differentiate_backward(objective, data), modes)


def _push_forward(
    loss: Callable[[torch.Tensor], torch.Tensor], weight: torch.Tensor, V: torch.Tensor
) -> np.ndarray:
    forward: Any = torch.autograd.forward_ad
    with forward.dual_level():
        return to_numpy(forward.unpack_dual(loss(forward.make_dual(weight, V))).tangent)


def write_script(problem: Problem) -> str:
    """The loss and its gradient, by backward()."""
    return (
        write_objective(problem)
        + """\
weight = torch.tensor(W.T, requires_grad=True)
value = loss(weight)
value.backward()
print(value.item(), weight.grad.T)
"""
    )


def write_forward(problem: Problem) -> str:
    """The derivatives along `basis`, by dual numbers."""
    return (
        write_objective(problem)
        + """\
import torch.autograd.forward_ad as forward_ad
with forward_ad.dual_level():
    for V in basis:
        dual = forward_ad.make_dual(torch.tensor(W.T), torch.tensor(V.T))
        print(forward_ad.unpack_dual(loss(dual)))
"""
    )
