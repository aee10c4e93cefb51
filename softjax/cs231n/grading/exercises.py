"""The small problems that a student's function is called with, and the right answers to them.

`Exercise` has the right answers of the softmax loss, `HingeExercise` those of the SVM's loss.
"""

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
        This does not change the right loss or gradient by the other features.
        """
        rng = np.random.default_rng([N, D, K])
        X = np.hstack([rng.normal(size=(N, D - 1)), np.ones((N, 1))])
        W, y = rng.normal(size=(D, K)) / np.sqrt(D), rng.permutation(np.arange(N) % K)
        if shift is not None:
            X, W = np.hstack([shift[:, None], X]), np.vstack([np.ones((1, K)), W])
        return cls(W, X, y)

    def with_labels(self, y: Integer[np.ndarray, " N"]) -> "Exercise":
        """The same problem with other labels."""
        return type(self)(self.W, self.X, y)

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

    @cached_property
    def Q(self) -> Float[np.ndarray, "N K"]:
        """The derivative of each example's loss by its scores, p − 1[y = k]."""
        Q: Float[np.ndarray, "N K"] = self.p - self.label
        return Q

    @property
    def loss(self) -> float:
        """The right loss without penalty: the mean of `losses`."""
        return float(self.losses.mean())

    @property
    def gradient(self) -> Float[np.ndarray, "D K"]:
        """The right gradient without penalty, 1/N Xᵀ Q."""
        return self.pull_back(self.Q)

    def pull_back(self, Q: Float[np.ndarray, "N K"]) -> Float[np.ndarray, "D K"]:
        """1/N Xᵀ Q, the gradient by W of a loss with the derivative Q / N by the scores."""
        gradient: Float[np.ndarray, "D K"] = self.X.T @ Q / self.N
        return gradient


@dataclass(frozen=True)
class HingeExercise(Exercise):
    """One small problem, with the loss of the SVM: Σ max(0, s[k] − s[y] + 1) over the classes k ≠ y."""

    @cached_property
    def margins(self) -> Float[np.ndarray, "N K"]:
        """s[k] − s[y] + 1 of every class; of the label it is 1."""
        return compute_margins(self.s, self.label, 1.0)

    @cached_property
    def violated(self) -> Bool[np.ndarray, "N K"]:
        """Which classes add to the loss: not the label, and the margin is above 0."""
        violated: Bool[np.ndarray, "N K"] = ~self.label & (self.margins > 0)
        return violated

    @cached_property
    def losses(self) -> Float[np.ndarray, " N"]:
        """The loss of each example."""
        losses: Float[np.ndarray, " N"] = (self.margins * self.violated).sum(axis=1)
        return losses

    @cached_property
    def Q(self) -> Float[np.ndarray, "N K"]:
        """Its derivative by the scores: 1 where `violated`, minus their number at the label."""
        return self.balance(1.0 * self.violated)

    def balance(self, Q: Float[np.ndarray, "N K"]) -> Float[np.ndarray, "N K"]:
        """`Q`, with minus the sum of the other classes at the label."""
        others = np.where(self.label, 0.0, Q)
        return np.where(self.label, -others.sum(axis=1, keepdims=True), others)


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


def compute_margins(
    s: Float[np.ndarray, "N K"], label: Bool[np.ndarray, "N K"], delta: float
) -> Float[np.ndarray, "N K"]:
    """s[k] − s[y] + δ, of every class."""
    margins: Float[np.ndarray, "N K"] = s - s[label][:, None] + delta
    return margins


SHAPES = ((12, 7, 5), (9, 4, 3), (20, 6, 10))
EXERCISES = tuple(Exercise.draw(*shape) for shape in SHAPES)
HINGE_EXERCISES = tuple(HingeExercise.draw(*shape) for shape in SHAPES)
