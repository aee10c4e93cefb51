"""What the libraries of scalars share: the loss on NumPy's arrays of objects, whose entries are the library's numbers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from softjax.comparison.frameworks.protocol import Problem
from softjax.comparison.frameworks.shared_numpy import (
    flatten_examples,
    name_targets,
    write_flat,
    write_objective,
)


@dataclass(frozen=True)
class Library:
    """Functions of arrays of the library's numbers.

    **Fields:**

    - `exp`, `log`, `abs`: entry by entry. `values`: the values in float64, without derivatives.
    """

    exp: Callable[[Any], Any]
    log: Callable[[Any], Any]
    values: Callable[[Any], np.ndarray]
    abs: Callable[[Any], Any] = np.abs


class Objective:
    """The losses of the examples and their mean with the penalty. Such libraries compute in float64 only."""

    def __init__(self, problem: Problem, library: Library) -> None:
        X, self.t, weights = flatten_examples(problem)
        self.X = X.astype(np.float64)
        self.weights = None if weights is None else weights.astype(np.float64)
        self.problem, self.library = problem, library

    def losses(self, W: Any, X: Any = None) -> Any:
        """The losses (N,) of W (D, K). The largest score is subtracted as a constant: its derivative would cancel."""
        scores = (self.X if X is None else X) @ W
        shifted = scores - self.library.values(scores).max(axis=1, keepdims=True)
        total = self.library.log(self.library.exp(shifted).sum(axis=1))
        if self.t.ndim == 1:
            return total - shifted[np.arange(len(shifted)), self.t]
        return (self.t * (total[:, None] - shifted)).sum(axis=1)

    def __call__(self, W: Any, X: Any = None) -> Any:
        """The objective; of other features than those of the problem if `X` (N, D) is given."""
        mean = self.problem.average(self.losses(W, X), self.weights, np.mean, np.sum)
        return self.problem.penalized(mean, lambda: self.library.abs(W).sum(), lambda: (W * W).sum())


def write_loss(problem: Problem) -> str:
    """Lines that define loss(W), by functions of arrays with the names `exp`, `log` and `values`."""
    t = name_targets(problem)
    losses = (
        "(T * (total[:, None] - shifted)).sum(axis=1)"
        if t == "T"
        else f"total - shifted[np.arange(len(X)), {t}]"
    )
    return f"""\
{write_flat(problem)}def loss(W):
    scores = X @ W
    shifted = scores - values(scores).max(axis=1, keepdims=True)
    total = log(exp(shifted).sum(axis=1))
    losses = {losses}
    return {write_objective(problem)}
"""
