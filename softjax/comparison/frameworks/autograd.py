"""HIPS autograd: value_and_grad of a loss that is written with autograd.numpy."""

from typing import Any

import autograd
import autograd.numpy as anp
import numpy as np
from autograd.scipy.special import logsumexp

from softjax.comparison.frameworks.protocol import Prepared, Problem
from softjax.comparison.frameworks.shared_numpy import flatten_examples, name_targets, write_flat

DTYPES = ("float64", "float32", "float16")


def prepare(problem: Problem) -> Prepared:
    """Reverse mode on a tape of NumPy calls."""
    X, t, w = flatten_examples(problem)
    rows = np.arange(len(X))

    def losses(W: Any, X: Any) -> Any:
        scores = anp.dot(X, W)
        if t.ndim == 1:
            return logsumexp(scores, axis=1) - scores[rows, t]
        return -anp.sum(t * (scores - logsumexp(scores, axis=1, keepdims=True)), axis=1)

    def loss(W: Any, X: Any = X) -> Any:
        mean = problem.average(losses(W, X), w, anp.mean, anp.sum)
        return problem.penalized(mean, lambda: anp.sum(anp.abs(W)), lambda: anp.sum(W * W))

    grad = autograd.grad(loss)
    grad_of_inputs = autograd.grad(loss, argnum=1)
    return Prepared(
        place=np.array,
        loss_and_grad=autograd.value_and_grad(loss),
        to_numpy=lambda result: result,
        modes={
            "forward": lambda W, V: autograd.make_jvp(loss)(W)(V)[1],
            "hvp": lambda W, V: autograd.hessian_vector_product(loss)(W, V),
            "hessian": autograd.jacobian(grad),
            "per_example": autograd.jacobian(lambda W: losses(W, X)),
            "inputs": lambda W: grad_of_inputs(W, X).reshape(problem.X.shape),
        },
    )


def write_script(problem: Problem) -> str:
    """Reverse mode."""
    return _write_loss(problem) + "print(*autograd.value_and_grad(loss)(W))\n"


def write_forward(problem: Problem) -> str:
    """Forward mode."""
    return _write_loss(problem) + "print(loss(W), [autograd.make_jvp(loss)(W)(V)[1] for V in basis])\n"


def _write_loss(problem: Problem) -> str:
    t = name_targets(problem)
    losses = (
        "-anp.sum(T * (scores - logsumexp(scores, axis=1, keepdims=True)), axis=1)"
        if t == "T"
        else f"logsumexp(scores, axis=1) - scores[anp.arange(len(X)), {t}]"
    )
    mean = "anp.mean(losses)" if problem.weights is None else "anp.sum(w * losses) / anp.sum(w)"
    penalty = " + reg * anp.sum(W * W)" if problem.reg else ""
    return f"""\
import autograd, autograd.numpy as anp
from autograd.scipy.special import logsumexp
{write_flat(problem)}def loss(W):
    scores = anp.dot(X, W)
    losses = {losses}
    return {mean}{penalty}
"""


def count_operations(N: int, D: int, K: int) -> float:
    """Operations. The calls of one gradient count as ten million. This matters because half types are slow."""
    return 4.0 * N * D * K + 1e7
