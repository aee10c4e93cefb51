"""What a sweep gives back."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int, Integer, Shaped

from softjax.datasets.dataset import Split
from softjax.datasets.preprocess import Preprocessing
from softjax.errors import InputError
from softjax.evaluation.examples import score_split
from softjax.evaluation.intervals import accuracy_intervals, find_tied
from softjax.training.config import SweepConfig
from softjax.training.state import Seconds


def rank(val_accuracy: Float[np.ndarray, "C S"]) -> Int[np.ndarray, " C"]:
    """The configurations by accuracy averaged over their seeds, the highest first; those with a NaN come last.

    Equals stay in order.
    """
    mean = val_accuracy.mean(axis=1)
    order: np.ndarray = np.argsort(-np.where(np.isnan(mean), -1, mean), kind="stable")
    return order


@dataclass(frozen=True)
class SweepResult:
    """A sweep's C configurations × S seeds, as NumPy arrays.

    The configurations of a grid come in the order of two nested loops, learning rates outside; `grid` gives any of
    these arrays as (L, R, ...). Accuracies are shares, losses are in nats.

    - `learning_rate`, `reg` (C,); `seed` (S,).
    - `steps` (C,): SGD steps each was trained, fewer than `num_iters` where successive halving stopped it. All else that
      is said of a configuration is of its weights after them.
    - `train_accuracy`, `val_accuracy`, `test_accuracy` (C, S): NaN where a run diverged.
    - `val_hits`, `test_hits` (C, N): how many of the S classifiers are right about each validation and test example.
    - `final_loss` (C, S): the objective, penalty included, on the whole training set at the end.
    - `diverged` (C, S): whether loss or weights stopped being finite.
    - `loss_history` (C, S, H): the minibatch objective, penalty included, before the update of the steps
      `history_steps` (H,): of every step, where C · S · T is at most 2²⁶. NaN after a configuration was stopped.
    - `best_weights` (D, K): of `best` and `best_seed`, for features preprocessed as `preprocessing` says, the bias in
      the last row; of no use where every configuration diverged.
    - `weights` (C, S, D, K): of all runs, with `keep_weights="all"`; else None.
    - `grid_shape`: (L, R), or None where the configurations were drawn.
    - `seconds`: load, compile, train, evaluate.
    """

    config: SweepConfig
    learning_rate: Float[np.ndarray, " C"]
    reg: Float[np.ndarray, " C"]
    seed: Int[np.ndarray, " S"]
    steps: Int[np.ndarray, " C"]
    train_accuracy: Float[np.ndarray, "C S"]
    val_accuracy: Float[np.ndarray, "C S"]
    test_accuracy: Float[np.ndarray, "C S"]
    val_hits: Integer[np.ndarray, "C V"] = field(repr=False)
    test_hits: Integer[np.ndarray, "C N"] = field(repr=False)
    final_loss: Float[np.ndarray, "C S"]
    diverged: Bool[np.ndarray, "C S"]
    loss_history: Float[np.ndarray, "C S H"] = field(repr=False)
    history_steps: Int[np.ndarray, " H"] = field(repr=False)
    best_weights: Float[np.ndarray, "D K"] = field(repr=False)
    weights: Float[np.ndarray, "C S D K"] | None = field(repr=False)
    preprocessing: Preprocessing = field(repr=False)
    grid_shape: tuple[int, int] | None
    seconds: Seconds

    @property
    def best(self) -> int:
        """The configuration with the highest validation accuracy, averaged over its seeds, of those trained longest.

        Of equals, the first. Raises `InputError` if a seed of every configuration diverged.
        """
        if np.isnan(self._contending).any(axis=1).all():
            raise InputError(
                "every configuration diverged: the learning rates "
                f"({min(self.learning_rate):g} to {max(self.learning_rate):g}) are too large for these "
                "features and penalty strengths; try smaller ones"
            )
        return int(rank(self._contending)[0])

    @property
    def _contending(self) -> Float[np.ndarray, "C S"]:
        """Validation accuracies, NaN where a configuration was stopped early."""
        return np.where((self.steps == self.steps.max())[:, None], self.val_accuracy, np.nan)

    @property
    def best_seed(self) -> int:
        """The index of the best configuration's seed with the highest validation accuracy."""
        return int(np.argmax(self.val_accuracy[self.best]))

    @cached_property
    def val_interval(self) -> Float[np.ndarray, "C 2"]:
        """The ends of each configuration's 95 % interval for its validation accuracy; NaN where a run diverged.

        It counts the finite validation split (a bootstrap over its examples), and from two seeds on the seeds:
        `softjax.evaluation.intervals`.
        """
        return accuracy_intervals(self.val_hits, self.val_accuracy)

    @cached_property
    def test_interval(self) -> Float[np.ndarray, "C 2"]:
        """The same for the test accuracy."""
        return accuracy_intervals(self.test_hits, self.test_accuracy)

    @cached_property
    def tied(self) -> Bool[np.ndarray, " C"]:
        """Which configurations are not told from the best: the 95 % interval of the paired difference contains 0.

        The best is among them; one that diverged or was stopped early is not.
        """
        return find_tied(self.val_hits, self._contending, self.best)

    def grid(self, name: str) -> Shaped[np.ndarray, "L R ..."]:
        """The array called `name` with the axis of configurations unfolded into learning rates × regs.

        Raises `InputError` where the configurations are no grid.
        """
        if self.grid_shape is None:
            raise InputError(f"a {self.config.search} search is no grid: use the arrays by configuration")
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
        return score_split(W, self.preprocessing, split)
