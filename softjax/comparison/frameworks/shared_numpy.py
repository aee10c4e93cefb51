"""What the frameworks on NumPy share: the examples, their losses, the objective, and the same as text."""

from typing import Any

import numpy as np

from softjax.comparison.frameworks.protocol import Problem

Examples = tuple[np.ndarray, np.ndarray, np.ndarray | None]


def flatten_examples(problem: Problem) -> Examples:
    """X (N, D), the labels (N,) or targets (N, K), and the weights (N,) or None, with all examples on one axis."""
    X = problem.X.reshape(-1, problem.X.shape[-1])
    weights = None if problem.weights is None else problem.weights.reshape(-1)
    if problem.targets is None:
        return X, problem.labels.reshape(-1), weights
    return X, problem.targets.reshape(-1, problem.targets.shape[-1]), weights


def compute_losses(X: Any, t: np.ndarray, W: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The losses (N,) for labels t (N,) or targets t (N, K), and the exponentials (N, K) with their sums (N, 1)."""
    scores = X @ W
    shifted = scores - scores.max(axis=1, keepdims=True)
    e = np.exp(shifted)
    total = e.sum(axis=1, keepdims=True)
    if t.ndim == 1:
        return np.log(total[:, 0]) - shifted[np.arange(len(X)), t], e, total
    return (t * (np.log(total) - shifted)).sum(axis=1), e, total


def add_up(problem: Problem, losses: np.ndarray, weights: np.ndarray | None, W: np.ndarray) -> np.floating:
    """The objective: the mean of the losses plus the penalty."""
    mean = problem.average(losses, weights, np.mean, np.sum)
    value: np.floating = problem.penalized(mean, lambda: np.abs(W).sum(), lambda: (W * W).sum())
    return value


def name_targets(problem: Problem) -> str:
    """The variable of a script that holds what `flatten_examples` returns second."""
    if problem.targets is not None:
        return "T"
    return "y" if problem.ignore_index is None else "labels"


def write_flat(problem: Problem) -> str:
    """The line that puts the examples of batches of batches on one axis; "" if they are on one."""
    if problem.X.ndim == 2:
        return ""
    t = name_targets(problem)
    shapes = {"X": "-1, X.shape[-1]", t: "-1, T.shape[-1]" if t == "T" else "-1"}
    if problem.weights is not None:
        shapes["w"] = "-1"
    values = ", ".join(f"{name}.reshape({shape})" for name, shape in shapes.items())
    return f"{', '.join(shapes)} = {values}\n"


def write_losses(problem: Problem) -> str:
    """Lines that compute `losses`, `e` and `total`, as `compute_losses` does."""
    t = name_targets(problem)
    losses = (
        "(T * (np.log(total) - shifted)).sum(axis=1)"
        if t == "T"
        else f"np.log(total[:, 0]) - shifted[np.arange(len(X)), {t}]"
    )
    return f"""\
scores = X @ W
shifted = scores - scores.max(axis=1, keepdims=True)
e = np.exp(shifted)
total = e.sum(axis=1, keepdims=True)
losses = {losses}
"""


def write_objective(problem: Problem) -> str:
    """The objective of the array `losses`, for NumPy and for JAX."""
    mean = "losses.mean()" if problem.weights is None else "(w * losses).sum() / w.sum()"
    return f"{mean} + reg * (W * W).sum()" if problem.reg else mean


def write_slope(problem: Problem) -> str:
    """The gradient of the penalty, to be added."""
    return " + 2 * reg * W" if problem.reg else ""
