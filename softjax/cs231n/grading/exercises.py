"""Small problems, and what every solution computes on them."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Integer


@dataclass(frozen=True)
class Example:
    """A small problem, and what every solution computes on the way. The last column of `X` is ones."""

    W: Float[np.ndarray, "D K"]
    X: Float[np.ndarray, "N D"]
    y: Integer[np.ndarray, " N"]

    @classmethod
    def draw(cls, N: int, D: int, K: int, shift: Float[np.ndarray, " N"] | None = None) -> "Example":
        """Normal features, weights that give scores of size 1 or so, every class among the labels, as far as N goes.

        `shift` raises all scores of an example, by an additional feature; that leaves loss and gradient as they were.
        """
        rng = np.random.default_rng([N, D, K])
        X = np.hstack([rng.normal(size=(N, D - 1)), np.ones((N, 1))])
        W, y = rng.normal(size=(D, K)) / np.sqrt(D), rng.permutation(np.arange(N) % K)
        if shift is not None:
            X, W = np.hstack([shift[:, None], X]), np.vstack([np.ones((1, K)), W])
        return cls(W, X, y)

    @property
    def N(self) -> int:
        """Examples."""
        return len(self.X)

    @property
    def K(self) -> int:
        """Classes."""
        return int(self.W.shape[1])

    @cached_property
    def s(self) -> Float[np.ndarray, "N K"]:
        """Scores."""
        s: Float[np.ndarray, "N K"] = self.X @ self.W
        return s

    @cached_property
    def p(self) -> Float[np.ndarray, "N K"]:
        """Their softmax."""
        return softmax(self.s)

    @cached_property
    def label(self) -> Bool[np.ndarray, "N K"]:
        """1[y = k]."""
        label: Bool[np.ndarray, "N K"] = self.y[:, None] == np.arange(self.K)
        return label

    @cached_property
    def losses(self) -> Float[np.ndarray, " N"]:
        """−log p[y]."""
        return cross_entropy(self.s, self.label)

    @property
    def loss(self) -> float:
        """Their mean: what a loss without penalty must be."""
        return float(self.losses.mean())

    @property
    def gradient(self) -> Float[np.ndarray, "D K"]:
        """Its gradient, 1/N Xᵀ (p − 1[y = k])."""
        return self.back(self.p - self.label)

    def back(self, Q: Float[np.ndarray, "N K"]) -> Float[np.ndarray, "D K"]:
        """1/N Xᵀ Q: the gradient, where Q is N ∂L/∂scores."""
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


EXAMPLES = (Example.draw(12, 7, 5), Example.draw(9, 4, 3), Example.draw(20, 6, 10))
