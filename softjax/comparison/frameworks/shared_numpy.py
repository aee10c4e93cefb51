"""What the frameworks on NumPy share."""

import numpy as np

from softjax.comparison.frameworks.protocol import Problem


def compute_exponentials(problem: Problem, W: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The scores (N, K) less the largest of each example, and the exponentials of these."""
    scores = problem.X @ W
    shifted = scores - scores.max(axis=1, keepdims=True)
    return shifted, np.exp(shifted)


def compute_loss(problem: Problem, W: np.ndarray) -> np.floating:
    """The objective."""
    shifted, e = compute_exponentials(problem, W)
    losses = np.log(e.sum(axis=1)) - shifted[np.arange(len(shifted)), problem.y]
    value: np.floating = problem.penalized(losses.mean(), lambda: np.abs(W).sum(), lambda: (W * W).sum())
    return value
