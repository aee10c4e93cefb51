"""The result of a sweep."""

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float, Int, Integer, Shaped

from softjax.classifier.classifier import Classifier
from softjax.datasets.dataset import Schema, Split
from softjax.datasets.preprocess import Preprocessing
from softjax.errors import InputError, check_instance
from softjax.evaluation.examples import score_split
from softjax.evaluation.intervals import accuracy_intervals, find_tied
from softjax.training.config import SweepConfig
from softjax.training.state import Seconds

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure

    from softjax.datasets.dataset import Dataset
    from softjax.reports.display import Page


def rank(val_accuracy: Float[np.ndarray, "C S"]) -> Int[np.ndarray, " C"]:
    """The configurations sorted by accuracy, averaged over seeds: the highest first, NaN last.

    Configurations with equal accuracy keep their order.
    """
    mean = val_accuracy.mean(axis=1)
    order: np.ndarray = np.argsort(-np.where(np.isnan(mean), -1, mean), kind="stable")
    return order


@dataclass(frozen=True, repr=False)
class SweepResult:
    """A sweep's C configurations × S seeds, as NumPy arrays.

    The configurations of a grid are in the order of two nested loops, learning rates in the outer loop; `grid` returns
    any of these arrays as (L, R, ...). Accuracies are shares from 0 to 1, losses are in nats.

    Examples:
        >>> from softjax import SweepConfig, load_dataset, sweep
        >>> digits = load_dataset("digits")
        >>> config = SweepConfig(learning_rates=(0.001, 0.01), regs=(0.001,), num_iters=10)
        >>> result = sweep(digits, config)
        >>> result.grid("val_accuracy").shape, result.scores(digits.test).shape
        ((2, 1, 1), (270, 10))

    Attributes:
        config: The grid and how it was trained.
        learning_rate: Learning rates (C,).
        reg: Penalty strengths (C,).
        seed: Seeds (S,).
        steps: Steps of training (C,), fewer than `num_iters` if successive halving stopped the configuration. All
            other values of a configuration are those after these steps.
        train_accuracy: Accuracy on the training split (C, S); NaN if the run diverged.
        val_accuracy: Accuracy on the validation split (C, S); NaN if the run diverged.
        test_accuracy: Accuracy on the test split (C, S); NaN if the run diverged.
        val_hits: For each validation example, how many of the S classifiers are correct (C, N).
        test_hits: The same for each test example (C, N).
        final_loss: The objective, weights and penalty included, on the whole training split (C, S); NaN if the run diverged.
        diverged: Whether the loss or a weight became infinite or NaN during training (C, S).
        fold_accuracy: With cross-validation the accuracy on each fold, of the runs that are trained without it (C, S, F);
            `val_accuracy` and `val_hits` are then of all folds together, and all other values those of the runs with all
            examples. F is 0 without cross-validation.
        loss_history: The minibatch objective, penalty included, before the update of each step in `history_steps`
            (C, S, H). NaN after a configuration was stopped.
        data_loss_history: The same without the penalty (C, S, H).
        history_steps: The steps in the history (H,): every step if C · S · T is at most 2²⁵, else evenly spaced ones.
        best_weights: Weights (D, K) of `best` and `best_seed`, the bias in the last row, for features that were
            preprocessed with `preprocessing`. Without meaning if every configuration diverged.
        weights: Weights of all runs (C, S, D, K) with `keep_weights="all"`, else None.
        preprocessing: The mean and scale of the features.
        grid_shape: (L, R), or None if the configurations were drawn.
        schema: The classes, and the names of the features.
        seconds: Time to load, compile, train and evaluate, in seconds.
    """

    config: SweepConfig
    learning_rate: Float[np.ndarray, " C"]
    reg: Float[np.ndarray, " C"]
    seed: Int[np.ndarray, " S"]
    steps: Int[np.ndarray, " C"]
    train_accuracy: Float[np.ndarray, "C S"]
    val_accuracy: Float[np.ndarray, "C S"]
    test_accuracy: Float[np.ndarray, "C S"]
    val_hits: Integer[np.ndarray, "C V"]
    test_hits: Integer[np.ndarray, "C N"]
    final_loss: Float[np.ndarray, "C S"]
    diverged: Bool[np.ndarray, "C S"]
    fold_accuracy: Float[np.ndarray, "C S F"]
    loss_history: Float[np.ndarray, "C S H"]
    data_loss_history: Float[np.ndarray, "C S H"]
    history_steps: Int[np.ndarray, " H"]
    best_weights: Float[np.ndarray, "D K"]
    weights: Float[np.ndarray, "C S D K"] | None
    preprocessing: Preprocessing
    grid_shape: tuple[int, int] | None
    schema: Schema
    seconds: Seconds

    def __repr__(self) -> str:
        from softjax.reports.display import describe_sweep

        return describe_sweep(self)

    def show(self, dataset: "Dataset") -> "Page":
        """The interactive page of a report: in a notebook it shows itself, and its `save(path)` writes it as one file.

        **Arguments:**

        - `dataset`: the data set of the sweep, not preprocessed.

        Examples:
            >>> from softjax import SweepConfig, load_dataset, sweep
            >>> digits = load_dataset("digits")
            >>> config = SweepConfig(learning_rates=(0.001, 0.01), regs=(0.001,), num_iters=10)
            >>> page = sweep(digits, config).show(digits)
            >>> page.html.splitlines()[0]
            '<!doctype html>'
        """
        from softjax.reports.display import show_sweep_page

        return show_sweep_page(self, dataset)

    def _repr_html_(self) -> str:
        from softjax.reports.display import show_sweep

        return show_sweep(self)

    @property
    def best(self) -> int:
        """The index of the configuration with the highest validation accuracy, averaged over seeds.

        Only configurations that were trained to the end count. Of several with equal accuracy, it is the first.
        Raises `InputError` if every configuration has a run that diverged.
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
        """Validation accuracies; NaN if the configuration was stopped early."""
        return np.where((self.steps == self.steps.max())[:, None], self.val_accuracy, np.nan)

    @property
    def best_seed(self) -> int:
        """The index of the seed with the highest validation accuracy, in the best configuration."""
        return int(np.argmax(self.val_accuracy[self.best]))

    @cached_property
    def val_interval(self) -> Float[np.ndarray, "C 2"]:
        """The 95 % interval of each configuration's validation accuracy, lower and upper end; NaN if a run diverged.

        It includes the variation over validation examples (a bootstrap) and, with two or more seeds, over seeds:
        `softjax.evaluation.intervals`.
        """
        return accuracy_intervals(self.val_hits, self.val_accuracy)

    @cached_property
    def test_interval(self) -> Float[np.ndarray, "C 2"]:
        """The same for the test accuracy."""
        return accuracy_intervals(self.test_hits, self.test_accuracy)

    @cached_property
    def tied(self) -> Bool[np.ndarray, " C"]:
        """Which configurations are tied with the best: the 95 % interval of the paired difference contains 0.

        The best itself is True. A configuration that diverged or was stopped early is False.
        """
        return find_tied(self.val_hits, self._contending, self.best)

    def grid(self, name: str) -> Shaped[np.ndarray, "L R ..."]:
        """The array called `name`, with two axes, learning rates and regs, in place of that of the configurations.

        Raises `InputError` if the configurations were drawn, and so are no grid, or there is no such array.
        """
        if self.grid_shape is None:
            raise InputError(
                f"a {self.config.search} search is no grid: use the arrays themselves, with one axis of configurations"
            )
        array = getattr(self, name, None) if isinstance(name, str) else None
        if not isinstance(array, np.ndarray) or array.shape[:1] != self.reg.shape:
            raise InputError(
                f"grid takes the name of an array with an axis of configurations, such as val_accuracy, got {name!r}"
            )
        return array.reshape(self.grid_shape + array.shape[1:])

    def scores(
        self, split: Split, config: int | None = None, seed: int | None = None
    ) -> Float[np.ndarray, "N K"]:
        """The scores (N, K) of one trained classifier on a split of the raw data set.

        **Arguments:**

        - `split`: examples of the data set, not preprocessed.
        - `config`, `seed`: indices of the run. By default those of the best run.

        Raises `InputError` if the weights of that run were not kept.
        """
        check_instance("split", split, Split)
        return score_split(self._find_run(config, seed)[2], self.preprocessing, split)

    def _find_run(self, config: int | None, seed: int | None) -> tuple[int, int, Float[np.ndarray, "D K"]]:
        """The indices of a run, by default those of the best, and its weights."""
        config = self.best if config is None else config
        seed = self.best_seed if seed is None else seed
        if self.weights is not None:
            return config, seed, self.weights[config, seed]
        if (config, seed) == (self.best, self.best_seed):
            return config, seed, self.best_weights
        raise InputError(
            f"the weights of configuration {config}, seed {seed} were not kept: only those of the best "
            f"({self.best}, {self.best_seed}) are; keep_weights='all' keeps all"
        )

    def plot(self, title: str = "Validation accuracy") -> "Figure":
        """The heat map of the sweep, as `softjax.plots.heat_map`.

        **Arguments:** `title`, which stands above it.

        Raises `InputError` if every configuration diverged.
        """
        from softjax.plots import heat_map

        return heat_map(self, title)

    def to_dataframe(self) -> "pandas.DataFrame":
        """A table of pandas with a row for each configuration, in their order.

        The columns are named as in `cv_results_` of scikit-learn. A test score there, and in this table, is that of the examples
        on which configurations are compared: the validation split, or the folds. Accuracies on the test split are called
        `test_accuracy_mean` and so on.

        - `params`, `param_lr`, `param_reg`: the configuration.
        - `split0_test_score`, ...: the accuracy on each fold of a cross-validation, averaged over the seeds.
        - `seed0_test_score`, ...: the validation accuracy of each seed; with cross-validation, on all folds together.
        - `mean_test_score`: its mean over the seeds. `std_test_score`: the standard deviation over the folds, or else over the
          seeds (with S − 1; NaN for one seed).
        - `rank_test_score`: 1 for the highest mean; equal ones have the same rank. Configurations of which a run diverged,
          or which were stopped early, are last.
        - `mean_train_score`, `std_train_score`: the same of the training accuracy.

        The others are named as in the report's cells.csv: `steps`; `val_low`, `val_high`, the 95 % interval; `tied` with
        the best; `test_accuracy_mean`, `test_accuracy_sd`; and `test_low`, `test_high`, and `num_diverged` runs.

        Raises `InputError` if pandas is not installed.
        """
        from softjax.reports.display import tabulate_sweep

        return tabulate_sweep(self)

    def classifier(self, config: int | None = None, seed: int | None = None) -> Classifier:
        """One of the trained classifiers, with its preprocessing and the names of classes and features.

        **Arguments:**

        - `config`, `seed`: indices of the run. By default those of the best run.

        Raises `InputError` if there is no such run, it diverged, or its weights were not kept.
        """
        for name, index, number in (("config", config, len(self.reg)), ("seed", seed, len(self.seed))):
            if index is not None and not 0 <= index < number:
                raise InputError(f"{name} must be an index from 0 to {number - 1}, got {index}")
        config, seed, W = self._find_run(config, seed)
        if self.diverged[config, seed]:
            raise InputError(f"configuration {config}, seed {seed} diverged, so it is no classifier")
        run = {"learning_rate": self.learning_rate[config], "reg": self.reg[config], "seed": self.seed[seed]}
        how = asdict(self.config) | run | {"steps": self.steps[config]}
        return Classifier(W, self.preprocessing, self.schema, how)
