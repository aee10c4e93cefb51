"""The small problems that a student's function is called with, and the right answers to them."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Integer


@dataclass(frozen=True)
class Exercise:
    """One small problem: weights, features whose last column is ones, and labels.

    Its properties are the right loss and gradient without penalty, and the intermediate results. The formulas in
    `mistakes` use them.
    """

    W: Float[np.ndarray, "D K"]
    X: Float[np.ndarray, "N D"]
    y: Integer[np.ndarray, " N"]

    @classmethod
    def draw(cls, N: int, D: int, K: int, shift: Float[np.ndarray, " N"] | None = None) -> "Exercise":
        """Draws normal features, and weights for scores of about 1. The same sizes always give the same problem.

        If N is at least K, every class has an example. One more feature adds `shift[i]` to all scores of example i.
        This does not change the right loss or p.
        """
        rng = np.random.default_rng([N, D, K])
        X = np.hstack([rng.normal(size=(N, D - 1)), np.ones((N, 1))])
        W, y = rng.normal(size=(D, K)) / np.sqrt(D), rng.permutation(np.arange(N) % K)
        if shift is not None:
            X, W = np.hstack([shift[:, None], X]), np.vstack([np.ones((1, K)), W])
        return cls(W, X, y)

    @property
    def N(self) -> int:
        """The number of examples."""
        return len(self.X)

    @property
    def K(self) -> int:
        """The number of classes."""
        return int(self.W.shape[1])

    @cached_property
    def s(self) -> Float[np.ndarray, "N K"]:
        """The scores X @ W."""
        s: Float[np.ndarray, "N K"] = self.X @ self.W
        return s

    @cached_property
    def p(self) -> Float[np.ndarray, "N K"]:
        """The softmax of the scores."""
        return softmax(self.s)

    @cached_property
    def label(self) -> Bool[np.ndarray, "N K"]:
        """1[y = k]."""
        label: Bool[np.ndarray, "N K"] = self.y[:, None] == np.arange(self.K)
        return label

    @cached_property
    def losses(self) -> Float[np.ndarray, " N"]:
        """The loss of each example, −log p[y]."""
        return cross_entropy(self.s, self.label)

    @property
    def loss(self) -> float:
        """The right loss without penalty: the mean of `losses`."""
        return float(self.losses.mean())

    @property
    def gradient(self) -> Float[np.ndarray, "D K"]:
        """The right gradient without penalty, 1/N Xᵀ (p − 1[y = k])."""
        return self.pull_back(self.p - self.label)

    def pull_back(self, Q: Float[np.ndarray, "N K"]) -> Float[np.ndarray, "D K"]:
        """1/N Xᵀ Q, the gradient by W of a loss with the derivative Q / N by the scores."""
        gradient: Float[np.ndarray, "D K"] = self.X.T @ Q / self.N
        return gradient


def softmax(s: Float[np.ndarray, "N K"]) -> Float[np.ndarray, "N K"]:
    """exp(s) / Σ exp(s), over the classes."""
    e = np.exp(s - s.max(axis=1, keepdims=True))
    p: Float[np.ndarray, "N K"] = e / e.sum(axis=1, keepdims=True)
    return p


def cross_entropy(s: Float[np.ndarray, "N K"], label: Bool[np.ndarray, "N K"]) -> Float[np.ndarray, " N"]:
    """−log softmax(s)[y] = log Σ exp(s) − s[y]."""
    m = s.max(axis=1, keepdims=True)
    losses: Float[np.ndarray, " N"] = np.log(np.exp(s - m).sum(axis=1)) - (s - m)[label]
    return losses


EXERCISES = (Exercise.draw(12, 7, 5), Exercise.draw(9, 4, 3), Exercise.draw(20, 6, 10))
