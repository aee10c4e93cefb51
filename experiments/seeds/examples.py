"""The seeds' derivations, questions and slips, in numbers."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from seeds.measurements import Features
from softjax import Dataset, Split, SweepResult
from softjax.cs231n import softmax_loss_vectorized, svm_loss_vectorized

JPEG_DECIBELS = 30.0  # about the peak signal-to-noise ratio of such small images at quality 75
LAMBDA = 0.5  # any penalty strength
LARGE = np.array([800.0, 790.0, 0.0])  # scores whose exponentials overflow
CLIP = 700.0  # below log of the largest float64, 709


@dataclass(frozen=True)
class Derivation:
    """Seed 002's single example with three classes, the first of which is the right one. W is 3 × D, as there."""

    f: Float[np.ndarray, " 3"]
    p: Float[np.ndarray, " 3"]
    loss: float
    """−log p₁, its (1)"""
    expanded: float
    """−f₁ + log Σ exp f, its (2)"""
    equations: Float[np.ndarray, "3 D"]
    """its (4) and (5)"""
    autodiff: Float[np.ndarray, "3 D"]
    """jax.grad of its (2)"""
    jacobian: Float[np.ndarray, "3 3"]
    """∂pᵢ/∂fⱼ, by jax.jacfwd"""

    @property
    def difference(self) -> float:
        """The largest, as a share of the largest entry."""
        return float(np.abs(self.equations - self.autodiff).max() / np.abs(self.autodiff).max())


def derivation(features: Features) -> Derivation:
    """On the first training example of the first class."""
    train = features.dataset.train
    row = int(np.flatnonzero(train.y == 0)[0])
    x = features.prepared(train.X[row : row + 1])[0]
    W = features.weights(0).T[:3]
    f = W @ x
    p = np.exp(f) / np.exp(f).sum()

    def loss(W: Any) -> Any:
        scores = W @ jnp.asarray(x)
        return -scores[0] + jnp.log(jnp.exp(scores).sum())

    with jax.enable_x64(True):
        autodiff = np.asarray(jax.grad(loss)(jnp.asarray(W)))
        jacobian = np.asarray(jax.jacfwd(jax.nn.softmax)(jnp.asarray(f)))
        expanded = float(loss(jnp.asarray(W)))
    equations = np.stack([-x + p[0] * x, p[1] * x, p[2] * x])
    return Derivation(f, p, float(-np.log(p[0])), expanded, equations, autodiff, jacobian)


@dataclass(frozen=True)
class Slips:
    """What the seeds' formulas give, where they slip, and what is right."""

    penalty_right: float
    """‖∇(½ λ ΣW²) − λW‖ / ‖λW‖ by autodiff"""
    penalty_wrong: float
    """the same of λ ΣW, added to every entry"""
    naive_large: float
    """−log p₁ of large scores as they are"""
    shifted_large: float
    """less their maximum"""
    clipped_large: float
    """clipped"""
    true_large: float
    cross_entropy_form: float
    """relative difference of Xᵀ(p − onehot)/N from autodiff"""
    squared_error_form: float
    """of Xᵀ(Xw − onehot)/N from autodiff of the mean of ½ ‖Xw − onehot‖²"""
    two_gradients: float
    """of the two gradients from each other"""


def slips(features: Features) -> Slips:
    """On the development examples and random weights."""
    X, y = features.development(0)
    W = features.weights(0)
    onehot = np.eye(W.shape[1])[y]

    def off(a: Any, b: Any) -> float:
        return float(np.linalg.norm(np.asarray(a) - np.asarray(b)) / np.linalg.norm(np.asarray(b)))

    def first_loss(scores: Float[np.ndarray, " K"]) -> float:
        with np.errstate(over="ignore", invalid="ignore"):
            e = np.exp(scores)
            return float(-np.log(e[0] / e.sum()))

    with jax.enable_x64(True):
        w, x, t = jnp.asarray(W), jnp.asarray(X), jnp.asarray(onehot)
        penalty = jax.grad(lambda w: 0.5 * LAMBDA * (w * w).sum())(w)
        entropy = jax.grad(lambda w: -(t * jax.nn.log_softmax(x @ w)).sum() / len(X))(w)
        squares = jax.grad(lambda w: 0.5 * ((x @ w - t) ** 2).sum() / len(X))(w)
    s = X @ W
    p = np.exp(s) / np.exp(s).sum(axis=1, keepdims=True)
    return Slips(
        off(LAMBDA * W, penalty),
        off(np.full_like(W, LAMBDA * W.sum()), penalty),
        first_loss(LARGE),
        first_loss(LARGE - LARGE.max()),
        first_loss(np.clip(LARGE, -CLIP, CLIP)),
        float(np.log1p(np.exp(LARGE[1:] - LARGE[0]).sum())),
        off(X.T @ (p - onehot) / len(X), entropy),
        off(X.T @ (s - onehot) / len(X), squares),
        off(squares, entropy),
    )


@dataclass(frozen=True)
class AddedPoint:
    """Sums over the development examples without and with one example more, under one trained W, without penalty."""

    margin: float
    """s[y] less the largest other score, of the example that is added"""
    factor: float
    """what its features were multiplied by, so that the margin is at least 1; 1 where it was"""
    num_examples: int
    svm: tuple[float, float]
    softmax: tuple[float, float]


def added_point(features: Features, result: SweepResult) -> AddedPoint:
    """The training example that `result`'s best classifier is surest of is added."""
    W = result.best_weights.astype(np.float64)
    X, y = features.development(0)
    train = features.dataset.train
    num_candidates = min(5000, len(train))
    candidates, labels = features.prepared(train.X[:num_candidates]), train.y[:num_candidates]
    scores = candidates @ W
    own = scores[np.arange(num_candidates), labels].copy()
    scores[np.arange(num_candidates), labels] = -np.inf
    margins = own - scores.max(axis=1)
    best = int(margins.argmax())
    factor = 1.0 if margins[best] >= 1 else 1.01 / float(margins[best])
    more = np.vstack([X, factor * candidates[best]]), np.append(y, labels[best])

    def sums(loss: Any) -> tuple[float, float]:
        return float(loss(W, X, y, 0.0)[0] * len(y)), float(loss(W, *more, 0.0)[0] * len(more[1]))

    return AddedPoint(
        float(margins[best]) * factor,
        factor,
        len(y),
        sums(svm_loss_vectorized),
        sums(softmax_loss_vectorized),
    )


@dataclass(frozen=True)
class Noise:
    """What noise in the pixels as strong as the re-encoding's error does to a trained classifier."""

    grey_levels: float
    """its standard deviation"""
    changed: float
    """share of the validation images that are classified otherwise"""
    accuracy_shift: float
    """mean change of the validation accuracy"""
    accuracy_sd: float
    """and its standard deviation, over the draws"""


def pixel_noise(dataset: Dataset, result: SweepResult, num_draws: int = 20) -> Noise:
    """White noise of the peak signal-to-noise ratio `JPEG_DECIBELS` on the validation images."""
    sd = 255 / 10 ** (JPEG_DECIBELS / 20)
    rng = np.random.default_rng(0)
    before = result.scores(dataset.val).argmax(axis=1)
    X, y = dataset.val.X.astype(np.float32), dataset.val.y
    after = np.array(
        [
            result.scores(Split(X + np.float32(sd) * rng.normal(size=X.shape).astype(np.float32), y)).argmax(
                axis=1
            )
            for _ in range(num_draws)
        ]
    )
    shifts = (after == y).mean(axis=1) - (before == y).mean()
    return Noise(sd, float((after != before).mean()), float(shifts.mean()), float(shifts.std(ddof=1)))
