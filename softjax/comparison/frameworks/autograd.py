"""HIPS autograd: value_and_grad of a loss that is written with autograd.numpy."""

from typing import Any

import autograd
import autograd.numpy as anp
import numpy as np
from autograd.scipy.special import logsumexp

from softjax.comparison.frameworks.protocol import Prepared, Problem

DTYPES = ("float64", "float32", "float16")

LOSS = """\
import autograd, autograd.numpy as anp
from autograd.scipy.special import logsumexp
def loss(W):
    scores = X @ W
    losses = logsumexp(scores, axis=1) - scores[anp.arange(len(X)), y]
    return anp.mean(losses)« + reg * anp.sum(W * W)»
"""
SCRIPT = (
    LOSS
    + """\
print(*autograd.value_and_grad(loss)(W))
"""
)
FORWARD = (
    LOSS
    + """\
print(loss(W), [autograd.make_jvp(loss)(W)(V)[1] for V in basis])
"""
)


def prepare(problem: Problem) -> Prepared:
    """Reverse mode on a tape of NumPy calls."""
    X, y = problem.X, problem.y
    rows = np.arange(len(X))

    def losses(W: Any) -> Any:
        scores = anp.dot(X, W)
        return logsumexp(scores, axis=1) - scores[rows, y]

    def loss(W: Any) -> Any:
        return problem.penalized(anp.mean(losses(W)), lambda: anp.sum(anp.abs(W)), lambda: anp.sum(W * W))

    grad = autograd.grad(loss)
    return Prepared(
        place=np.array,
        loss_and_grad=autograd.value_and_grad(loss),
        to_numpy=lambda result: result,
        modes={
            "forward": lambda W, V: autograd.make_jvp(loss)(W)(V)[1],
            "hvp": lambda W, V: autograd.hessian_vector_product(loss)(W, V),
            "hessian": autograd.jacobian(grad),
            "per_example": autograd.jacobian(losses),
        },
    )


def count_operations(N: int, D: int, K: int) -> float:
    """Operations. The calls of one gradient count as ten million. This matters because half types are slow."""
    return 4.0 * N * D * K + 1e7
