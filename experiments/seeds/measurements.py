"""What the seeds report without training: gradient checks, times, initial losses."""

import io
import random
import re
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int
from tqdm import tqdm

from softjax import Dataset, loss_and_grad
from softjax.cs231n import grad_check_sparse, softmax_loss_naive, softmax_loss_vectorized
from softjax.datasets.preprocess import fit

SCALE, STEP, NUM_CHECKS, NUM_DEVELOPMENT = 1e-4, 1e-5, 10, 500  # the course's
REGS = (0.0, 5e1)  # of the gradient checks
SMALL_REG = 0.000005  # where the two losses are compared
LINE = re.compile(r"numerical: (\S+) analytic: (\S+), relative error: (\S+)")


def check_lines(text: str) -> Float[np.ndarray, "lines 3"]:
    """Numerical and analytic derivatives and relative errors, of the lines that `grad_check_sparse` prints."""
    return np.array([[float(value) for value in line] for line in LINE.findall(text)])


@dataclass(frozen=True)
class Features:
    """A data set as the course's notebook has it: float64, centred, with a column of ones."""

    dataset: Dataset
    mean: Float[np.ndarray, " F"]

    @classmethod
    def of(cls, dataset: Dataset) -> "Features":
        """Centred at the mean of the training examples."""
        return cls(dataset, np.asarray(fit(dataset.train.X, False).mean))

    def prepared(self, X: Any) -> Float[np.ndarray, "N D"]:
        """Rows as the data set holds them, prepared."""
        return np.hstack([X - self.mean, np.ones((len(X), 1))])

    def development(self, seed: int) -> tuple[Float[np.ndarray, "N D"], Int[np.ndarray, " N"]]:
        """The notebook's X_dev and y_dev, drawn anew for every seed."""
        split = self.dataset.development(NUM_DEVELOPMENT, seed)
        return self.prepared(split.X), split.y

    def weights(self, seed: int) -> Float[np.ndarray, "D K"]:
        """The notebook's W."""
        shape = (self.dataset.num_features + 1, self.dataset.num_classes)
        return SCALE * np.random.default_rng([seed, 1]).normal(size=shape)


@dataclass(frozen=True)
class InitialLoss:
    """The loss at random W, without penalty, R draws of W and of the development examples."""

    zero: float
    """at W = 0"""
    losses: Float[np.ndarray, " R"]
    predicted: float
    """−log(1/K) + ½ (1 − 1/K) times the variance of a score: what random scores add, to second order"""
    label_probability: float
    """mean p[y] over draws and examples"""
    score_sd: float
    """root mean square of the scores, over draws, examples and classes"""


def initial_loss(features: Features, num_repeats: int) -> InitialLoss:
    """Of `num_repeats` draws."""
    losses, probabilities, squares = [], [], []
    for seed in range(num_repeats):
        X, y = features.development(seed)
        s = X @ features.weights(seed)
        shifted = s - s.max(axis=1, keepdims=True)
        logs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        labels = logs[np.arange(len(y)), y]
        losses.append(-labels.mean())
        probabilities.append(np.exp(labels).mean())
        squares.append((s**2).mean())
    K = features.dataset.num_classes
    zero = softmax_loss_vectorized(np.zeros((X.shape[1], K)), X, y, 0.0)[0]
    variance = float(np.mean(squares))
    return InitialLoss(
        float(zero),
        np.array(losses),
        float(zero) + 0.5 * (1 - 1 / K) * variance,
        float(np.mean(probabilities)),
        float(np.sqrt(variance)),
    )


@dataclass(frozen=True)
class Check:
    """`grad_check_sparse` at one penalty strength."""

    reg: float
    naive: Float[np.ndarray, "n 3"]
    """the notebook's cell, with the loss in loops"""
    repeats: Float[np.ndarray, "R n 3"]
    """with the vectorized loss, W and examples drawn anew"""
    smaller_step: float
    """the median relative error of the first repeat's weights with a tenth of the step"""

    @property
    def errors(self) -> Float[np.ndarray, "R n"]:
        errors: Float[np.ndarray, "R n"] = self.repeats[..., 2]
        return errors

    @property
    def sizes(self) -> Float[np.ndarray, " R"]:
        """The root mean square of the analytic derivatives, a repeat each."""
        return root_mean_square(self.repeats)


def root_mean_square(lines: Float[np.ndarray, "... n 3"]) -> Float[np.ndarray, "..."]:
    """Of the analytic derivatives."""
    sizes: Float[np.ndarray, ...] = np.sqrt((lines[..., 1] ** 2).mean(axis=-1))
    return sizes


def gradient_check(features: Features, reg: float, num_repeats: int) -> Check:
    """The notebook's ten entries, once with its loops, and `num_repeats` times with the vectorized loss."""

    def lines(loss: Callable[..., Any], seed: int, h: float = STEP) -> Float[np.ndarray, "n 3"]:
        X, y = features.development(seed)
        W = features.weights(seed)
        random.seed(seed)
        printed = io.StringIO()
        with redirect_stdout(printed):
            grad_check_sparse(lambda w: loss(w, X, y, reg)[0], W, loss(W, X, y, reg)[1], NUM_CHECKS, h)
        return check_lines(printed.getvalue())

    repeats = [
        lines(softmax_loss_vectorized, seed)
        for seed in tqdm(range(num_repeats), desc=f"checks, reg {reg:g}", disable=None, leave=False)
    ]
    smaller = lines(softmax_loss_vectorized, 0, STEP / 10)[:, 2]
    return Check(reg, lines(softmax_loss_naive, 0), np.array(repeats), float(np.median(smaller)))


@dataclass(frozen=True)
class Versus:
    """The loss in loops, in matrix products, and in JAX: seconds (rounds,), and what they differ in."""

    loss: float
    naive: Float[np.ndarray, " r"]
    vectorized: Float[np.ndarray, " r"]
    jax: Float[np.ndarray, " r"]
    loss_difference: float
    gradient_difference: float
    jax_loss_difference: float
    """float32, from the vectorized loss in float64"""
    jax_gradient_difference: float

    @property
    def ratio(self) -> float:
        """Naive to vectorized, of the medians."""
        return float(np.median(self.naive) / np.median(self.vectorized))

    @property
    def jax_ratio(self) -> float:
        """Naive to JAX, of the medians."""
        return float(np.median(self.naive) / np.median(self.jax))


def naive_against_vectorized(features: Features, num_repeats: int) -> Versus:
    """In turns; the loops a tenth as often."""
    X, y = features.development(0)
    W = features.weights(0)
    W32, X32, labels = jnp.asarray(W, jnp.float32), jnp.asarray(X, jnp.float32), jnp.asarray(y)

    def in_jax() -> Any:
        return jax.block_until_ready(loss_and_grad(W32, X32, labels, SMALL_REG))  # type: ignore[no-untyped-call]

    def timed(call: Callable[[], Any]) -> tuple[float, Any]:
        start = time.perf_counter()
        found = call()
        return time.perf_counter() - start, found

    in_jax()  # compiles
    rounds: dict[str, list[float]] = {"naive": [], "vectorized": [], "jax": []}
    for number in range(num_repeats):
        if number % 10 == 0:
            seconds, naive = timed(lambda: softmax_loss_naive(W, X, y, SMALL_REG))
            rounds["naive"].append(seconds)
        seconds, vectorized = timed(lambda: softmax_loss_vectorized(W, X, y, SMALL_REG))
        rounds["vectorized"].append(seconds)
        seconds, by_jax = timed(in_jax)
        rounds["jax"].append(seconds)
    return Versus(
        float(naive[0]),
        **{name: np.array(values) for name, values in rounds.items()},
        loss_difference=float(abs(naive[0] - vectorized[0])),
        gradient_difference=float(np.linalg.norm(naive[1] - vectorized[1])),
        jax_loss_difference=float(abs(float(by_jax[0]) - vectorized[0])),
        jax_gradient_difference=float(np.linalg.norm(np.asarray(by_jax[1]) - vectorized[1])),
    )


@dataclass(frozen=True)
class Measurements:
    """All of these."""

    shapes: str
    initial: InitialLoss
    checks: tuple[Check, ...]
    versus: Versus


def measured(features: Features, num_repeats: int) -> Measurements:
    """Everything, `num_repeats` times where it is random, or a time."""
    data, D = features.dataset, features.dataset.num_features + 1
    shapes = [
        shape for split in (data.train, data.val, data.test) for shape in ((len(split), D), (len(split),))
    ]
    num_development = min(NUM_DEVELOPMENT, len(data.train))
    return Measurements(
        ", ".join(map(str, [*shapes, (num_development, D), (num_development,)])),
        initial_loss(features, num_repeats),
        tuple(gradient_check(features, reg, num_repeats) for reg in REGS),
        naive_against_vectorized(features, num_repeats),
    )
