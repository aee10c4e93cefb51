"""ALGOPY: reverse mode on a computational graph, algopy.CGraph, with Taylor arithmetic on matrices for second derivatives."""

from collections.abc import Callable
from typing import Any

import algopy
import numpy as np

from softjax.comparison.frameworks.protocol import Prepared, Problem
from softjax.comparison.frameworks.shared_numpy import flatten_examples, name_targets, write_flat

DTYPES = ("float64", "float32")


def prepare(problem: Problem) -> Prepared:
    """The graph is recorded in each call, because the largest scores, which are subtracted, are constants in it.

    The drivers of `CGraph` take vectors, so W is one. The label's scores are picked one by one: an array of indices
    loses their derivatives.
    """
    X, t, w = flatten_examples(problem)
    shape = problem.W.shape

    def losses(W: Any, features: Any = X) -> Any:
        scores = algopy.dot(algopy.reshape(features, X.shape), algopy.reshape(W, shape))
        shifted = scores - scores.x.max(axis=1, keepdims=True)
        total = algopy.log(algopy.sum(algopy.exp(shifted), axis=1))
        if t.ndim > 1:
            return total - algopy.sum(shifted * t, axis=1)
        picked = algopy.zeros(len(X), dtype=shifted)
        for i, label in enumerate(t):
            picked[i] = shifted[i, label]
        return total - picked

    def loss(W: Any, features: Any = X) -> Any:
        mean = problem.average(losses(W, features), w, lambda a: algopy.sum(a) / len(X), algopy.sum)
        return problem.penalized(
            mean, lambda: algopy.sum(algopy.absolute(W)), lambda: algopy.sum(algopy.square(W))
        )

    def loss_and_grad(W: np.ndarray) -> tuple[Any, np.ndarray]:
        graph = _record(loss, W)
        value = graph.dependentFunctionList[0].x
        return value, graph.gradient(W)

    def inputs(W: np.ndarray) -> np.ndarray:
        graph = _record(lambda features: loss(W.ravel(), features), X.ravel())
        return graph.gradient(X.ravel()).reshape(problem.X.shape)

    return Prepared(
        place=np.ravel,
        loss_and_grad=loss_and_grad,
        to_numpy=lambda result: (result[0], result[1].reshape(shape)),
        modes={
            "forward": lambda W, V: _record(loss, W.ravel()).jac_vec(W.ravel(), V.ravel()),
            "hvp": lambda W, V: _record(loss, W.ravel()).hess_vec(W.ravel(), V.ravel()).reshape(shape),
            "hessian": lambda W: _record(loss, W.ravel()).hessian(W.ravel()).reshape(shape + shape),
            "per_example": lambda W: _record(losses, W.ravel()).jacobian(W.ravel()).reshape(-1, *shape),
            "inputs": inputs,
        },
    )


def _record(function: Callable[[Any], Any], at: np.ndarray) -> Any:
    """The graph of a function, recorded at a point."""
    graph = algopy.CGraph()
    x = algopy.Function(at)
    y = function(x)
    graph.trace_off()
    graph.independentFunctionList, graph.dependentFunctionList = [x], [y]
    return graph


def write_script(problem: Problem) -> str:
    """Reverse mode."""
    return _write_graph(problem) + "print(y.x, graph.gradient(W.ravel()).reshape(W.shape))\n"


def write_forward(problem: Problem) -> str:
    """Forward mode."""
    return _write_graph(problem) + "print(y.x, [graph.jac_vec(W.ravel(), V.ravel()) for V in basis])\n"


def _write_graph(problem: Problem) -> str:
    t = name_targets(problem)
    pick = (
        "picked = algopy.sum(shifted * T, axis=1)"
        if t == "T"
        else f"""\
picked = algopy.zeros(len(X), dtype=shifted)
for i, label in enumerate({t}):
    picked[i] = shifted[i, label]"""
    )
    losses = "total - picked"
    mean = f"algopy.sum({losses}) / len(X)"
    if problem.weights is not None:
        mean = f"algopy.sum(w * ({losses})) / w.sum()"
    penalty = " + reg * algopy.sum(algopy.square(x))" if problem.reg else ""
    return f"""\
import algopy
{write_flat(problem)}graph = algopy.CGraph()
x = algopy.Function(W.ravel())
scores = algopy.dot(X, algopy.reshape(x, W.shape))
shifted = scores - scores.x.max(axis=1, keepdims=True)
total = algopy.log(algopy.sum(algopy.exp(shifted), axis=1))
{pick}
y = {mean}{penalty}
graph.trace_off()
graph.independentFunctionList, graph.dependentFunctionList = [x], [y]
"""


def count_operations(N: int, D: int, K: int) -> float:
    """Operations. An entry of the scores counts as 30,000 because the reverse mode subtracts entry by entry in Python."""
    return 8.0 * N * D * K + 3e4 * N * K + 3e5 * N + 3e6
