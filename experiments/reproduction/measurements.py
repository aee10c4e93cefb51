"""Measurements without training, for measurements.json: losses, gradient checks, times, derivations, corrections."""

import io
import random
import re
import time
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from scipy.special import log_softmax
from tqdm import trange

from reproduction.published import read_checks
from reproduction.sweeps import INDEPENDENT, name_assignment
from softjax import Dataset, Split, SweepResult, loss_and_grad
from softjax.cs231n import grad_check_sparse, softmax_loss_naive, softmax_loss_vectorized, svm_loss_vectorized
from softjax.datasets.preprocess import fit

SCALE, STEP, NUM_CHECKS, NUM_DEVELOPMENT = 1e-4, 1e-5, 10, 500  # the course's
SMALL_REG = 0.000005  # where the two losses are compared
LINE = re.compile(r"numerical: (\S+) analytic: (\S+), relative error: (\S+)")  # of grad_check_sparse
JPEG_DECIBELS = 30.0  # about the peak signal-to-noise ratio of such small images at quality 75
LAMBDA = 0.5  # any penalty strength
LARGE = np.array([800.0, 790.0, 0.0])  # scores whose exponentials overflow
CLIP = 700.0  # below log of the largest float64, 709


@dataclass(frozen=True)
class Notebook:
    """A data set as in the course's notebook: float64, centred, with a column of ones."""

    dataset: Dataset
    mean: Float[np.ndarray, " F"]  # of the training examples

    def prepare(self, X: Any) -> Float[np.ndarray, "N D"]:
        """Centres rows of the data set and adds the column of ones."""
        return np.hstack([X - self.mean, np.ones((len(X), 1))])

    def draw(self, seed: int) -> tuple[Any, Any, Any]:
        """Draws W (D, K), X_dev (N, D) and y_dev (N,), other ones for each seed."""
        shape = (self.dataset.num_features + 1, self.dataset.num_classes)
        W = SCALE * np.random.default_rng([seed, 1]).normal(size=shape)
        split = self.dataset.development(NUM_DEVELOPMENT, seed)
        return W, self.prepare(split.X), split.y


def measure(dataset: Dataset, results: Mapping[str, SweepResult], num_repeats: int) -> dict[str, Any]:
    """All measurements. Random ones and times are repeated `num_repeats` times."""
    notebook = Notebook(dataset, np.asarray(fit(dataset.train.X, False).mean))
    splits = (dataset.train, dataset.val, dataset.test, dataset.development(NUM_DEVELOPMENT))
    return {
        "measurements": {
            "shapes": ", ".join(f"({len(s)}, {dataset.num_features + 1}), ({len(s)},)" for s in splits),
            "initial": measure_initial_loss(notebook, num_repeats),
            "checks": [check_gradient(notebook, reg, num_repeats) for reg in read_checks()],
            "versus": time_losses(notebook, num_repeats),
        },
        "derivation": derive(notebook),
        "corrections": correct(notebook),
        "added_point": add_point(notebook, results[name_assignment("hinge", "l2")]),
        "pixel_noise": disturb_pixels(dataset, results[INDEPENDENT]),
    }


def measure_initial_loss(notebook: Notebook, num_repeats: int) -> dict[str, Any]:
    """The loss at random W, without penalty, over draws of W and of the development examples."""
    losses, probabilities, squares = [], [], []
    for seed in range(num_repeats):
        W, X, y = notebook.draw(seed)
        s = X @ W
        labels = log_softmax(s, axis=1)[np.arange(len(y)), y]
        losses.append(-labels.mean())
        probabilities.append(np.exp(labels).mean())
        squares.append((s**2).mean())
    zero, variance = float(softmax_loss_vectorized(np.zeros_like(W), X, y, 0.0)[0]), float(np.mean(squares))
    return {
        "zero": zero,  # at W = 0
        "losses": losses,
        "predicted": zero + 0.5 * (1 - 1 / W.shape[1]) * variance,  # what random scores add, to second order
        "label_probability": np.mean(probabilities),  # p[y]
        "score_sd": np.sqrt(variance),
    }


def check_gradient(notebook: Notebook, reg: float, num_repeats: int) -> dict[str, Any]:
    """Checks ten entries as the notebook does: once with loops, then repeatedly with the vectorized loss and new W and examples."""

    def check(loss: Callable[..., Any], seed: int, h: float = STEP) -> Float[np.ndarray, "n 3"]:
        W, X, y = notebook.draw(seed)
        random.seed(seed)
        with redirect_stdout(io.StringIO()) as printed:
            grad_check_sparse(lambda w: loss(w, X, y, reg)[0], W, loss(W, X, y, reg)[1], NUM_CHECKS, h)
        return np.array(LINE.findall(printed.getvalue()), float)

    seeds = trange(num_repeats, desc=f"checks, reg {reg:g}", disable=None, leave=False)
    return {
        "reg": reg,
        "naive": check(softmax_loss_naive, 0),
        "repeats": [check(softmax_loss_vectorized, seed) for seed in seeds],
        "smaller_step": np.median(check(softmax_loss_vectorized, 0, STEP / 10)[:, 2]),
    }


def time_losses(notebook: Notebook, num_repeats: int) -> dict[str, Any]:
    """The seconds of each call of the loss in loops, in matrix products and in JAX, and the differences of their results.

    The three take turns; the loops take part in a tenth of the rounds.
    """
    W, X, y = notebook.draw(0)
    W32, X32, labels = jnp.asarray(W, jnp.float32), jnp.asarray(X, jnp.float32), jnp.asarray(y)
    ways: dict[str, Callable[[], Any]] = {
        "naive": lambda: softmax_loss_naive(W, X, y, SMALL_REG),
        "vectorized": lambda: softmax_loss_vectorized(W, X, y, SMALL_REG),
        "jax": lambda: jax.block_until_ready(loss_and_grad(W32, X32, labels, SMALL_REG)),  # type: ignore[no-untyped-call]
    }
    ways["jax"]()  # compiles
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    given = {}
    for number in range(num_repeats):
        for name in ways if number % 10 == 0 else ("vectorized", "jax"):
            start = time.perf_counter()
            given[name] = ways[name]()
            seconds[name].append(time.perf_counter() - start)
    loss, gradient = given["vectorized"]
    return {
        "loss": given["naive"][0],
        **seconds,
        "loss_difference": abs(given["naive"][0] - loss),
        "gradient_difference": np.linalg.norm(given["naive"][1] - gradient),
        "jax_loss_difference": abs(float(given["jax"][0]) - loss),  # float32, from float64
        "jax_gradient_difference": np.linalg.norm(np.asarray(given["jax"][1]) - gradient),
    }


def derive(notebook: Notebook) -> dict[str, Any]:
    """002's example with three classes. x is the first training example of class 0, the right one; W is 3 × D, as in the note."""
    train = notebook.dataset.train
    row = int(np.flatnonzero(train.y == 0)[0])
    x = notebook.prepare(train.X[row : row + 1])[0]
    W = notebook.draw(0)[0].T[:3]
    f = W @ x
    p = np.exp(f) / np.exp(f).sum()

    def expand(W: Any) -> Any:
        scores = W @ jnp.asarray(x)
        return -scores[0] + jnp.log(jnp.exp(scores).sum())

    with jax.enable_x64(True):
        expanded, autodiff = jax.value_and_grad(expand)(jnp.asarray(W))
        jacobian = jax.jacfwd(jax.nn.softmax)(jnp.asarray(f))
    return {
        "f": f,
        "p": p,
        "loss": -np.log(p[0]),  # its (1)
        "expanded": float(expanded),  # −f₁ + log Σ exp f, its (2)
        "equations": np.stack([-x + p[0] * x, p[1] * x, p[2] * x]),  # its (4) and (5)
        "autodiff": np.asarray(autodiff),  # of its (2)
        "jacobian": np.asarray(jacobian),  # ∂pᵢ/∂fⱼ
    }


def correct(notebook: Notebook) -> dict[str, float]:
    """The values of the accounts' wrong formulas and of the right ones, on development examples and random W."""
    W, X, y = notebook.draw(0)
    onehot = np.eye(W.shape[1])[y]

    def measure_off(a: Any, b: Any) -> float:
        return float(np.linalg.norm(np.asarray(a) - np.asarray(b)) / np.linalg.norm(np.asarray(b)))

    def lose(scores: Float[np.ndarray, " K"]) -> float:
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
    return {
        "penalty_right": measure_off(LAMBDA * W, penalty),  # λW
        "penalty_wrong": measure_off(
            np.full_like(W, LAMBDA * W.sum()), penalty
        ),  # λ ΣW, added to every entry
        "naive_large": lose(LARGE),
        "shifted_large": lose(LARGE - LARGE.max()),
        "clipped_large": lose(np.clip(LARGE, -CLIP, CLIP)),
        "true_large": float(np.log1p(np.exp(LARGE[1:] - LARGE[0]).sum())),
        "cross_entropy_form": measure_off(X.T @ (p - onehot) / len(X), entropy),
        "squared_error_form": measure_off(X.T @ (s - onehot) / len(X), squares),
        "two_gradients": measure_off(squares, entropy),
    }


def add_point(notebook: Notebook, result: SweepResult) -> dict[str, Any]:
    """The summed losses over the development examples, without and with the example of the best classifier's largest margin."""
    W = result.best_weights.astype(np.float64)
    _, X, y = notebook.draw(0)
    train = notebook.dataset.train
    candidates, labels = notebook.prepare(train.X[:5000]), train.y[:5000]
    scores, own = candidates @ W, (np.arange(len(labels)), labels)
    right = scores[own]
    scores[own] = -np.inf
    margins = right - scores.max(axis=1)
    best = int(margins.argmax())
    factor = 1.0 if margins[best] >= 1 else 1.01 / float(margins[best])
    more = np.vstack([X, factor * candidates[best]]), np.append(y, labels[best])

    def add_up(loss: Any) -> list[float]:
        return [float(loss(W, *points, 0.0)[0] * len(points[1])) for points in ((X, y), more)]

    return {
        "margin": float(margins[best]) * factor,
        "factor": factor,  # of its features, so that the margin is at least 1
        "num_examples": len(y),
        "svm": add_up(svm_loss_vectorized),
        "softmax": add_up(softmax_loss_vectorized),
    }


def disturb_pixels(dataset: Dataset, result: SweepResult, num_draws: int = 20) -> dict[str, float] | None:
    """How noise of the strength of the JPEG error changes the predictions of `result`'s best classifier.

    None if the images are not re-encoded.
    """
    if dataset.title != "CIFAR-10 (JPEG)":
        return None
    sd = 255 / 10 ** (JPEG_DECIBELS / 20)
    rng = np.random.default_rng(0)
    X, y = dataset.val.X.astype(np.float32), dataset.val.y
    before = result.scores(dataset.val).argmax(axis=1)
    noisy = (X + np.float32(sd) * rng.normal(size=X.shape).astype(np.float32) for _ in range(num_draws))
    after = np.array([result.scores(Split(images, y)).argmax(axis=1) for images in noisy])
    shifts = (after == y).mean(axis=1) - (before == y).mean()
    return {
        "grey_levels": sd,
        "changed": (after != before).mean(),  # share of the images whose prediction changed
        "accuracy_shift": shifts.mean(),
        "accuracy_sd": shifts.std(ddof=1),
    }
