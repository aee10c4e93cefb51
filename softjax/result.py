"""What a sweep gives back."""

from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from softjax.config import InputError, SweepConfig
from softjax.datasets import Split
from softjax.datasets.preprocess import Preprocessing, apply
from softjax.objective import scores


@dataclass(frozen=True)
class Seconds:
    """Where the time went, in seconds."""

    load: float = 0.0
    compile: float = 0.0
    train: float = 0.0
    evaluate: float = 0.0


@dataclass(frozen=True)
class Part:
    """What is kept of c configurations that have been trained and evaluated.

    - `train_accuracy`, `val_accuracy`, `test_accuracy`, `final_loss`, `diverged` (c, S) and `loss_history`
      (c, S, H): as in `SweepResult`.
    - `weights` (k, S, D, K): of all of them, or of the one with the highest mean validation accuracy.
    """

    train_accuracy: Float[np.ndarray, "c S"]
    val_accuracy: Float[np.ndarray, "c S"]
    test_accuracy: Float[np.ndarray, "c S"]
    final_loss: Float[np.ndarray, "c S"]
    diverged: Bool[np.ndarray, "c S"]
    loss_history: Float[np.ndarray, "c S H"] = field(repr=False)
    weights: Float[np.ndarray, "k S D K"] = field(repr=False)


def best_of(val_accuracy: Float[np.ndarray, "C S"]) -> int:
    """The first configuration of the highest accuracy averaged over its seeds; those with a NaN come last."""
    mean = val_accuracy.mean(axis=1)
    return int(np.argmax(np.where(np.isnan(mean), -1, mean)))


@dataclass(frozen=True)
class SweepResult:
    """A sweep's C configurations × S seeds, as NumPy arrays.

    The configurations are the grid's in the order of two nested loops, learning rates outside; `grid` gives
    any of these arrays as (L, R, ...). Accuracies are shares, losses are in nats.

    - `learning_rate`, `reg` (C,); `seed` (S,).
    - `train_accuracy`, `val_accuracy`, `test_accuracy` (C, S): NaN where a run diverged.
    - `final_loss` (C, S): the objective, penalty included, on the whole training set at the end.
    - `diverged` (C, S): whether loss or weights stopped being finite.
    - `loss_history` (C, S, H): the minibatch objective, penalty included, before the update of the steps
      `history_steps` (H,): of every step, where C · S · T is at most 2²⁶.
    - `best_weights` (D, K): of `best` and `best_seed`, for features preprocessed as `preprocessing` says, the bias in
      the last row; of no use where every configuration diverged.
    - `weights` (C, S, D, K): of all runs, with `keep_weights="all"`; else None.
    - `grid_shape`: (L, R).
    - `seconds`: load, compile, train, evaluate.
    """

    config: SweepConfig
    learning_rate: Float[np.ndarray, " C"]
    reg: Float[np.ndarray, " C"]
    seed: Int[np.ndarray, " S"]
    train_accuracy: Float[np.ndarray, "C S"]
    val_accuracy: Float[np.ndarray, "C S"]
    test_accuracy: Float[np.ndarray, "C S"]
    final_loss: Float[np.ndarray, "C S"]
    diverged: Bool[np.ndarray, "C S"]
    loss_history: Float[np.ndarray, "C S H"] = field(repr=False)
    history_steps: Int[np.ndarray, " H"] = field(repr=False)
    best_weights: Float[np.ndarray, "D K"] = field(repr=False)
    weights: Float[np.ndarray, "C S D K"] | None = field(repr=False)
    preprocessing: Preprocessing = field(repr=False)
    grid_shape: tuple[int, int]
    seconds: Seconds

    @property
    def best(self) -> int:
        """The configuration with the highest validation accuracy, averaged over its seeds.

        Of equals, the first. Raises `InputError` if a seed of every configuration diverged.
        """
        if np.isnan(self.val_accuracy).any(axis=1).all():
            raise InputError(
                "every configuration diverged: the learning rates "
                f"({min(self.learning_rate):g} to {max(self.learning_rate):g}) are too large for these "
                "features and penalty strengths; try smaller ones"
            )
        return best_of(self.val_accuracy)

    @property
    def best_seed(self) -> int:
        """The index of the best configuration's seed with the highest validation accuracy."""
        return int(np.argmax(self.val_accuracy[self.best]))

    def grid(self, name: str) -> Shaped[np.ndarray, "L R ..."]:
        """The array called `name` with the axis of configurations unfolded into learning rates × regs."""
        array: np.ndarray = getattr(self, name)
        return array.reshape(self.grid_shape + array.shape[1:])

    def scores(
        self, split: Split, config: int | None = None, seed: int | None = None
    ) -> Float[np.ndarray, "N K"]:
        """The scores (N, K) of one trained classifier on a split of the raw data set.

        **Arguments:**

        - `split`: examples as the data set holds them, not preprocessed.
        - `config`, `seed`: indices of the run; the best one's by default.

        Raises `InputError` where the weights of that run were not kept.
        """
        config = self.best if config is None else config
        seed = self.best_seed if seed is None else seed
        if self.weights is not None:
            W = self.weights[config, seed]
        elif (config, seed) == (self.best, self.best_seed):
            W = self.best_weights
        else:
            raise InputError(
                f"the weights of configuration {config}, seed {seed} were not kept: only those of the best "
                f"({self.best}, {self.best_seed}) are; keep_weights='all' keeps all"
            )
        with jax.enable_x64(W.dtype == np.float64):
            blocks = (jnp.asarray(split.X[i : i + 1000]) for i in range(0, len(split), 1000))
            parts = [scores(W, apply(self.preprocessing, X, W.dtype)) for X in blocks]
            return np.concatenate([np.asarray(part) for part in parts])
