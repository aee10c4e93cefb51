"""The problem that a framework gets, and the functions that it returns to compute it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np

from softjax.objective.config import PenaltyName
from softjax.objective.penalty import Penalty, coefficients

Mode = Literal["forward", "hvp", "hessian", "per_example", "vmap", "inputs"]


class NotOffered(Exception):
    """Raised by an adapter for a problem that its framework has no way to state."""


@dataclass(frozen=True)
class Problem:
    """The objective L(W) = Σᵢ wᵢ ℓᵢ / Σᵢ wᵢ + penalty(W) at one point, as NumPy arrays.

    The loss of an example is ℓᵢ = −Σₖ tᵢₖ log softmax(X[i] @ W)[k], where tᵢ is one-hot for a label.

    Frameworks whose own loss takes class weights, smoothing or an ignored label get these as their users write them.
    For the others `weights`, `labels` and `targets` say the same with weights wᵢ and targets tᵢ.

    **Fields:**

    - `X`: features (N, D), or (..., D); `W`: weights (D, K). The type of W is the type of the arithmetic.
    - `y`: labels (N,), or (...) beside X (..., D); or soft labels (N, K), whose rows are distributions.
    - `reg`, `penalty`, `l1_ratio`: as in `softjax.loss`.
    - `sample_weight`: (N,), or None. `class_weight`: (K,), or None: an example has the weight of its label.
    - `label_smoothing`: ε; the target of a label is (1 − ε) onehot(y) + ε/K.
    - `ignore_index`: examples with this label are left out of both sums; None if no label is special.
    """

    X: np.ndarray
    y: np.ndarray
    W: np.ndarray
    reg: float = 0.0
    penalty: PenaltyName = "l2"
    l1_ratio: float = 0.5
    sample_weight: np.ndarray | None = None
    class_weight: np.ndarray | None = None
    label_smoothing: float = 0.0
    ignore_index: int | None = None

    @property
    def dtype(self) -> str:
        """The type of the arithmetic, by name."""
        return self.W.dtype.name

    @property
    def size(self) -> tuple[int, int, int]:
        """N, D, K."""
        return (self.X.shape[0], *self.W.shape)

    @property
    def soft(self) -> bool:
        """Whether `y` has soft labels (N, K)."""
        return self.y.ndim == self.X.ndim

    @cached_property
    def labels(self) -> np.ndarray:
        """The labels (N,), with 0 in place of the ignored ones, whose weight is 0. Of soft labels, the largest."""
        if self.soft:
            return self.y.argmax(axis=-1)
        return self.y if self.ignore_index is None else np.where(self.y == self.ignore_index, 0, self.y)

    @cached_property
    def weights(self) -> np.ndarray | None:
        """The weights wᵢ (N,) in the type of W; None if all are 1."""
        factors = [] if self.sample_weight is None else [self.sample_weight]
        if self.class_weight is not None:
            factors.append(self.class_weight[self.labels])
        if self.ignore_index is not None:
            factors.append(self.y != self.ignore_index)
        return np.prod(factors, axis=0).astype(self.W.dtype) if factors else None

    @cached_property
    def targets(self) -> np.ndarray | None:
        """The targets tᵢ (N, K) in the type of W; None where each is the one-hot row of a label."""
        if not self.soft and not self.label_smoothing:
            return None
        K = self.W.shape[1]
        rows = self.y if self.soft else np.eye(K)[self.labels]
        return ((1 - self.label_smoothing) * rows + self.label_smoothing / K).astype(self.W.dtype)

    def as_shares(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """W, X (N, D), and labels (N,) or targets (N, K) of the same problem, without weights: as a plain mean.

        The targets are those of the examples with a weight, times wᵢ N / Σ w, in float64.
        """
        X = self.X.reshape(-1, self.X.shape[-1])
        if self.weights is None and self.targets is None:
            return self.W, X, self.y.reshape(-1).astype(np.int64)
        K = self.W.shape[1]
        rows = self.y.reshape(-1, K).astype(np.float64) if self.soft else np.eye(K)[self.labels.reshape(-1)]
        rows = (1 - self.label_smoothing) * rows + self.label_smoothing / K
        weights = np.ones(len(X)) if self.weights is None else self.weights.reshape(-1).astype(np.float64)
        kept = weights != 0
        share = weights[kept] / weights.mean(where=kept)
        return self.W, X[kept], share[:, None] * rows[kept]

    @staticmethod
    def average(losses: Any, weights: Any, mean: Callable[[Any], Any], total: Callable[[Any], Any]) -> Any:
        """The mean of the losses, Σ w ℓ / Σ w.

        **Arguments:**

        - `losses`: (N,) in the framework; `weights`: `self.weights` in it, or None: then it is mean(losses).
        - `mean`, `total`: the framework's mean and sum of an array.
        """
        return mean(losses) if weights is None else total(weights * losses) / total(weights)

    @cached_property
    def coefficients(self) -> Penalty:
        """The coefficients l1 and l2 of the penalty l1 Σ|W| + l2 ΣW²."""
        return coefficients(self.penalty, self.reg, self.l1_ratio)

    @property
    def l1(self) -> float:
        """The coefficient of Σ|W|, 0 if the penalty lacks it."""
        return float(self.coefficients.l1 or 0.0)

    @property
    def l2(self) -> float:
        """The coefficient of ΣW², 0 if the penalty lacks it."""
        return float(self.coefficients.l2 or 0.0)

    def penalized(self, loss: Any, abs_sum: Callable[[], Any], square_sum: Callable[[], Any]) -> Any:
        """The sum loss + l1 Σ|W| + l2 ΣW²; a term whose coefficient is 0 is left out.

        **Arguments:**

        - `loss`: a number of the framework; `abs_sum`, `square_sum`: compute Σ|W| and ΣW² in it.
        """
        if self.l1:
            loss = loss + self.l1 * abs_sum()
        if self.l2:
            loss = loss + self.l2 * square_sum()
        return loss

    def with_slope(self, grad: Any, W: Any, sign: Callable[[Any], Any]) -> Any:
        """The sum grad + l1 sign(W) + 2 l2 W; a term whose coefficient is 0 is left out."""
        if self.l1:
            grad = grad + self.l1 * sign(W)
        if self.l2:
            grad = grad + 2 * self.l2 * W
        return grad


@dataclass(frozen=True)
class Prepared:
    """A framework ready to compute the loss and gradient of one problem.

    **Fields:**

    - `place`: weights (D, K) of NumPy → the framework's array, in the layout that the framework prefers.
    - `loss_and_grad`: such weights → the loss and its gradient in that layout. It returns when both are computed.
    - `to_numpy`: the result of `loss_and_grad` → the loss and the gradient (D, K), in the types of the framework.
    - `modes`: the other derivatives that the framework offers, from and to NumPy arrays:
      `"forward"` (W, V) → the directional derivative ⟨∇L, V⟩ in forward mode;
      `"hvp"` (W, V) → ∇²L V, (D, K); `"hessian"` (W) → (D, K, D, K);
      `"per_example"` (W) → the gradient of each example's loss, without penalty, (N, D, K);
      `"vmap"` (B, D, K) → the losses (B,) and gradients (B, D, K) of a stack of weights, in one call;
      `"inputs"` (W) → the gradient with respect to X, in its shape.
    - `begin`: such weights → the loss and gradient, which are begun and not waited for, where `loss_and_grad` waits for a GPU.
    - `read_loss`: the framework's loss as a number.
    - `read_clock`: the seconds of the last `loss_and_grad` by the clock of a program that runs beside this process.
    - `products`: such weights → the two matrix products of the gradient alone, as the framework computes them, for
      frameworks whose share of time in the products is reported.
    """

    place: Callable[[np.ndarray], Any]
    loss_and_grad: Callable[[Any], tuple[Any, Any]]
    to_numpy: Callable[[tuple[Any, Any]], tuple[Any, np.ndarray]]
    modes: Mapping[Mode, Callable[..., Any]] = field(default_factory=dict)
    begin: Callable[[Any], object] | None = None
    read_loss: Callable[[Any], float] = float
    products: Callable[[Any], object] | None = None
    read_clock: Callable[[], float] | None = None
