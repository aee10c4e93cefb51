"""Holds the gradient by hand against autodiff and central differences."""

from dataclasses import dataclass

import jax
import numpy as np
from jaxtyping import Float, Int

from softjax.config import CheckConfig
from softjax.gradient import loss_and_grad
from softjax.objective import loss

TOLERANCE = 1e-6  # of the gradient's largest entry


@dataclass(frozen=True)
class EntryCheck:
    """One entry of the gradient, three times over."""

    index: tuple[int, int]
    numerical: float
    by_hand: float
    autodiff: float
    noise: float
    """how far the central difference itself may be off"""

    @property
    def relative_error(self) -> float:
        """|numerical − by hand| / (|numerical| + |by hand|), as the course defines it."""
        scale = abs(self.numerical) + abs(self.by_hand)
        return abs(self.numerical - self.by_hand) / scale if scale > 0 else 0.0


@dataclass(frozen=True)
class EntriesCheck:
    """The loss and some entries of its gradient at one penalty strength."""

    reg: float
    loss: float
    entries: tuple[EntryCheck, ...]
    largest: float
    """the largest entry of the whole gradient, in absolute value"""
    autodiff_error: float
    """the largest difference between the gradient by hand and `jax.grad`'s, over all entries"""

    @property
    def ok(self) -> bool:
        """Whether all agree to 1e-6 of the largest entry, plus the noise of the differences."""
        bound = TOLERANCE * self.largest
        return self.autodiff_error <= bound and all(
            abs(entry.numerical - entry.by_hand) <= bound + entry.noise for entry in self.entries
        )


def check_entries(
    X: Float[np.ndarray, "N D"],
    y: Int[np.ndarray, " N"],
    num_classes: int,
    reg: float,
    config: CheckConfig,
) -> EntriesCheck:
    """The seeds' check: random entries by central differences, by hand and by `jax.grad`, in float64.

    **Arguments:**

    - `X`: features (N, D), preprocessed, with the bias column; `y`: labels (N,), integers 0..K−1.
    - `num_classes`: K.
    - `reg`: penalty strength.
    - `config`: the weights' scale, the number of entries, the step h, the seed.

    The noise of a central difference D(h) is estimated as |D(2h) − D(h)|, which is thrice its truncation
    error, plus the rounding of two losses, eps |L| / h.
    """
    rng = np.random.default_rng(config.seed)
    W = config.init_scale * rng.standard_normal((X.shape[1], num_classes))
    with jax.enable_x64(True):

        def objective(W: Float[np.ndarray, "D K"]) -> float:
            return float(loss(W, X, y, reg, kind=config.kind, penalty=config.penalty))

        def central_difference(index: tuple[int, int], h: float) -> float:
            above, below = W.copy(), W.copy()
            above[index] += h
            below[index] -= h
            return (objective(above) - objective(below)) / float(above[index] - below[index])

        value, grad = loss_and_grad(W, X, y, reg, kind=config.kind, penalty=config.penalty)
        by_hand = np.asarray(grad)
        autodiff = np.asarray(jax.grad(loss)(W, X, y, reg, kind=config.kind, penalty=config.penalty))
        entries = []
        for _ in range(config.num_checks):
            index = (int(rng.integers(W.shape[0])), int(rng.integers(W.shape[1])))
            numerical = central_difference(index, config.step)
            truncation = abs(central_difference(index, 2 * config.step) - numerical)
            rounding = float(np.finfo(np.float64).eps * abs(value) / config.step)
            entries.append(
                EntryCheck(
                    index,
                    numerical,
                    float(by_hand[index]),
                    float(autodiff[index]),
                    truncation + rounding,
                )
            )
    return EntriesCheck(
        reg,
        float(value),
        tuple(entries),
        float(np.abs(by_hand).max()),
        float(np.abs(by_hand - autodiff).max()),
    )
