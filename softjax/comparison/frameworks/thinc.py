"""thinc: the layer Softmax, and CategoricalCrossentropy, whose gradient is that of the cross-entropy.

Its loss is Σ (∂L/∂score)² over all scores, not the cross-entropy. Nothing else in the library computes one.
"""

from typing import Any

import numpy as np
from thinc.api import CategoricalCrossentropy, Softmax

from softjax.comparison.frameworks.protocol import Prepared, Problem
from softjax.comparison.frameworks.shared_numpy import write_flat, write_slope

DTYPES = ("float64", "float32")


def prepare(problem: Problem) -> Prepared:
    """The gradient by hand: the loss gives that of the scores, and the layer that of W (K, D) and X.

    The loss has label smoothing and a missing value, and takes soft labels. It has no weights: the rows of its
    gradient get them.
    """
    D, K = problem.W.shape
    layer = Softmax(nO=K, nI=D)
    X = layer.ops.asarray2f(problem.X.reshape(-1, D), dtype=problem.dtype)
    y = problem.y.reshape(-1, K) if problem.soft else problem.y.ravel()
    weighted = problem.sample_weight is not None or problem.class_weight is not None
    weights = problem.weights if weighted else None
    criterion = CategoricalCrossentropy(
        normalize=not weighted, label_smoothing=problem.label_smoothing, missing_value=problem.ignore_index
    )

    def differentiate(layer: Any) -> tuple[Any, np.ndarray]:
        """The loss and its derivative with respect to X. The layer has the one with respect to W."""
        guesses, backprop = layer.begin_update(X)
        d_scores, loss = criterion(guesses, y)
        if weights is not None:
            d_scores = d_scores * (weights.ravel() / weights.sum())[:, None]
            loss = (d_scores**2).sum()
        return loss, backprop(d_scores)

    def loss_and_grad(layer: Any) -> tuple[Any, np.ndarray]:
        W = layer.get_param("W")
        loss, _ = differentiate(layer)
        grad = layer.get_grad("W")
        layer.set_grad("W", np.zeros_like(grad))  # gradients add up until an optimizer takes them
        loss = problem.penalized(loss, lambda: np.abs(W).sum(), lambda: (W * W).sum())
        return loss, problem.with_slope(grad, W, np.sign)

    return Prepared(
        place=_place,
        loss_and_grad=loss_and_grad,
        to_numpy=lambda result: (result[0], result[1].T),
        modes={"inputs": lambda W: differentiate(_place(W))[1].reshape(problem.X.shape)},
    )


def _place(W: np.ndarray) -> Any:
    """The layer with these weights."""
    layer = Softmax(nO=W.shape[1], nI=W.shape[0])
    layer.set_param("W", np.array(W.T, order="C"))
    layer.set_param("b", np.zeros(W.shape[1], W.dtype))
    return layer


def write_script(problem: Problem) -> str:
    """The same layer and loss."""
    weighted = problem.sample_weight is not None or problem.class_weight is not None
    arguments = ["normalize=False"] if weighted else []
    if problem.label_smoothing:
        arguments.append("label_smoothing=label_smoothing")
    if problem.ignore_index is not None:
        arguments.append("missing_value=ignore_index")
    weigh = "d_scores *= (w / w.sum())[:, None]\nloss = (d_scores**2).sum()\n" if weighted else ""
    penalty = " + reg * (W * W).sum()" if problem.reg else ""
    flat = "X, y = X.reshape(-1, X.shape[-1]), y.ravel()\n" if write_flat(problem) else ""
    return f"""\
from thinc.api import CategoricalCrossentropy, Softmax
{flat}layer = Softmax(nO=W.shape[1], nI=W.shape[0])
layer.set_param("W", np.array(W.T, order="C"))
layer.set_param("b", np.zeros(W.shape[1], W.dtype))
guesses, backprop = layer.begin_update(layer.ops.asarray2f(X, dtype=W.dtype))
d_scores, loss = CategoricalCrossentropy({", ".join(arguments)})(guesses, y)
{weigh}backprop(d_scores)
print(loss{penalty}, layer.get_grad("W").T{write_slope(problem)})
"""


def count_numbers(N: int, D: int, K: int) -> float:
    """For labels, the loss makes a matrix (K, K) of all targets."""
    return K * K + 4.0 * N * K + 3.0 * D * K
