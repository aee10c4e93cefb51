"""The result, the progress and the state of a regularization path."""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Integer

from softjax.classifier.classifier import Classifier
from softjax.datasets.dataset import Schema, Split
from softjax.datasets.preprocess import Preprocessing
from softjax.errors import InputError, check_instance
from softjax.evaluation.examples import score_split
from softjax.evaluation.intervals import accuracy_intervals, find_tied
from softjax.path.config import PathConfig
from softjax.training.config import SweepConfig

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure

    from softjax.datasets.dataset import Dataset
    from softjax.reports.display import Page

Reason = Literal["", "passes", "rounding", "separable"]


@dataclass(frozen=True)
class PathSeconds:
    """The time of each phase, in seconds. `axes` is the time to compute the principal axes of the features."""

    load: float = 0.0
    axes: float = 0.0
    compile: float = 0.0
    solve: float = 0.0
    evaluate: float = 0.0


class Minimum(NamedTuple):
    """Where the search for the minimum ended, for one penalty strength.

    `W` is (K, D); `curvature` is the least one of the objective; `dtype` is the type of the arithmetic.
    """

    reg: float
    W: np.ndarray
    value: float
    norm: float
    curvature: float
    newton_steps: int
    passes: int
    dtype: str


@dataclass(frozen=True)
class PathState:
    """The state of a path. A later call can continue from it, on one machine bit for bit.

    Attributes:
        dtype: The type of the arithmetic for the current penalty strength.
        minima: The finished penalty strengths, from the largest on.
        point: The arrays of the current penalty strength, by name; None before its first pass.
        unit: The norm of the gradient at W = 0; NaN before it is known.
        seconds: Time so far, in seconds.
        origin: The options and the data set of its path. None if it was read from a checkpoint, which knows them.
    """

    dtype: str
    minima: tuple[Minimum, ...] = field(default=(), repr=False)
    point: dict[str, np.ndarray] | None = field(default=None, repr=False)
    unit: float = float("nan")
    seconds: PathSeconds = PathSeconds()
    origin: dict[str, Any] | None = field(default=None, repr=False)


@dataclass(frozen=True)
class PathProgress:
    """The progress of `regularization_path`: before the first pass, about every second, and at the end.

    Attributes:
        converged: Penalty strengths that are finished.
        num_regs: Penalty strengths that differ.
        passes: Passes over the training examples so far, for all of them.
        gradient_norm: ‖∇L‖ of the current penalty strength, or of the last one that is finished; NaN before the first.
        best: The highest validation accuracy of the penalty strengths that are finished, and its strength, which is 0 for the
            penalty "none"; with cross-validation that on the folds so far. None before the first is finished.
        state: A function that copies the state of the path, a `PathState`. Call it before `on_progress` returns.
    """

    converged: int
    num_regs: int
    passes: int
    gradient_norm: float
    best: tuple[float, float] | None
    state: Callable[[], PathState] = field(repr=False)

    def describe(self) -> tuple[int, int, str]:
        """What a progress bar shows: the penalty strengths that are finished, all of them, and a text."""
        text = "" if self.best is None else "best {:.3f} (reg {:.3g}), ".format(*self.best)
        text += f"pass {self.passes:,}"
        if not math.isnan(self.gradient_norm):
            text += f", gradient norm {self.gradient_norm:.1e}"
        return self.converged, self.num_regs, text


@dataclass(frozen=True, repr=False)
class PathResult:
    """The minima for R penalty strengths, as NumPy arrays, in the order of `config.regs`.

    Examples:
        >>> from softjax import load_dataset, regularization_path
        >>> path = regularization_path(load_dataset("digits"), regs=(0.1, 1.0))
        >>> path.weights.shape, bool(path.objective[0] < path.objective[1])
        ((2, 65, 10), True)

    Attributes:
        config: The penalty strengths and the penalty.
        solver: When to stop.
        reg: Penalty strengths (R,).
        train_accuracy: Accuracy on the training split (R,), a share from 0 to 1.
        val_accuracy: Accuracy on the validation split (R,).
        test_accuracy: Accuracy on the test split (R,).
        val_hits: 1 for each validation example that is classified correctly, else 0 (R, N).
        test_hits: The same for each test example (R, N).
        objective: The minimum, in nats, penalty included (R,).
        gradient_norm: ‖∇L‖ at the minimum found (R,).
        gap: An upper bound of the relative distance of the objective from its minimum, ‖∇L‖² / 2cL, where c is the
            curvature of the penalty (R,). If the bias is not penalized, c is at most the least mean of p(1 − p) over the
            classes, and the bound is an estimate. Without a penalty the gap is ‖∇L‖ divided by its value at W = 0. All
            three are those of the weights before they are rounded to `config.dtype`: objective, norm and gap.
        converged: Whether the gap is at most the tolerance, and there is a minimum as far as is known (R,).
        reasons: Why not, for each penalty strength: `"passes"`, there were `solver.max_passes`; `"rounding"`, only rounding
            errors are left; `"separable"`, there is no minimum, because without a penalty the loss of examples that a
            linear classifier separates tends to 0 as the weights grow; `""` if it converged. That some of the classes
            alone can be separated is not recognized.
        solved_in: The type of the arithmetic, for each penalty strength. It is `"float64"` for up to 1,000 weights, for
            `dtype="float64"`, and where `"float32"` could not prove the gap.
        newton_steps: Steps that were tried, the predicted one included (R,).
        passes: Passes over the training examples: evaluations of objective and gradient, and products with the Hessian (R,).
            The inversion of the Hessian, for up to 1,000 weights, is not counted.
        fold_accuracy: With cross-validation the accuracy on each fold, of the path without it (R, F); `val_accuracy` and
            `val_hits` are then of all folds together, `gap` and `reasons` the worst of all paths, and all other values those of
            the path with all examples. F is 0 without cross-validation.
        weights: Weights (R, D, K), the bias in the last row, for features that were preprocessed with `preprocessing`.
        preprocessing: The mean and scale of the features.
        schema: The classes, and the names of the features.
        seconds: The time of each phase, in seconds.
    """

    config: SweepConfig
    solver: PathConfig
    reg: Float[np.ndarray, " R"]
    train_accuracy: Float[np.ndarray, " R"]
    val_accuracy: Float[np.ndarray, " R"]
    test_accuracy: Float[np.ndarray, " R"]
    val_hits: Integer[np.ndarray, "R V"]
    test_hits: Integer[np.ndarray, "R N"]
    objective: Float[np.ndarray, " R"]
    gradient_norm: Float[np.ndarray, " R"]
    gap: Float[np.ndarray, " R"]
    converged: Bool[np.ndarray, " R"]
    reasons: tuple[Reason, ...]
    solved_in: tuple[str, ...]
    newton_steps: Int[np.ndarray, " R"]
    passes: Int[np.ndarray, " R"]
    fold_accuracy: Float[np.ndarray, "R F"]
    weights: Float[np.ndarray, "R D K"]
    preprocessing: Preprocessing
    schema: Schema
    seconds: PathSeconds

    def __repr__(self) -> str:
        from softjax.reports.display import describe_path

        return describe_path(self)

    def show(self, dataset: "Dataset") -> "Page":
        """The interactive page of a report: in a notebook it shows itself, and its `save(path)` writes it as one file.

        **Arguments:**

        - `dataset`: the data set of the path, not preprocessed.

        Examples:
            >>> from softjax import load_dataset, regularization_path
            >>> digits = load_dataset("digits")
            >>> page = regularization_path(digits, regs=(0.1, 1.0)).show(digits)
            >>> page.html.splitlines()[0]
            '<!doctype html>'
        """
        from softjax.reports.display import show_path_page

        return show_path_page(self, dataset)

    def _repr_html_(self) -> str:
        from softjax.reports.display import show_path

        return show_path(self)

    @property
    def best(self) -> int:
        """The index of the penalty strength with the highest validation accuracy; of several, that of the largest one."""
        return int(max(range(len(self.reg)), key=lambda r: (self.val_accuracy[r], self.reg[r])))

    @property
    def best_weights(self) -> Float[np.ndarray, "D K"]:
        """The weights of `best`."""
        best: np.ndarray = self.weights[self.best]
        return best

    @cached_property
    def val_interval(self) -> Float[np.ndarray, "R 2"]:
        """The 95 % intervals of the validation accuracies, by a bootstrap over the examples: lower and upper end."""
        return accuracy_intervals(self.val_hits, self.val_accuracy[:, None])

    @cached_property
    def test_interval(self) -> Float[np.ndarray, "R 2"]:
        """The same for the test accuracies."""
        return accuracy_intervals(self.test_hits, self.test_accuracy[:, None])

    @cached_property
    def tied(self) -> Bool[np.ndarray, " R"]:
        """Which are tied with the best: the 95 % interval of the paired difference contains 0."""
        return find_tied(self.val_hits, self.val_accuracy[:, None], self.best)

    def scores(self, split: Split, reg: int | None = None) -> Float[np.ndarray, "N K"]:
        """The scores (N, K) on examples that are not preprocessed. `reg` is the index of the classifier, by default the best."""
        check_instance("split", split, Split)
        return score_split(self.weights[self.best if reg is None else reg], self.preprocessing, split)

    def plot(self, title: str = "Accuracy along the regularization path") -> "Figure":
        """The accuracies over the penalty strength, as `softjax.plots.path`.

        **Arguments:** `title`, which stands above it.
        """
        from softjax.plots import path

        return path(self, title)

    def to_dataframe(self) -> "pandas.DataFrame":
        """A table of pandas with a row for each penalty strength, in their order.

        `params`, `param_reg`, `mean_test_score`, `rank_test_score` and `mean_train_score` are those of
        `SweepResult.to_dataframe`, so that both tables are read in the same way; a mean is the accuracy itself. With
        cross-validation there are `split0_test_score`, ... and `std_test_score` too.

        The others are named as in the report's path.csv: `val_low`, `val_high`, the 95 % interval; `tied` with the best;
        `test_accuracy`; `objective`, `gradient_norm`, `gap`, `newton_steps`, `passes`, `converged`, `reason`,
        `arithmetic`; and `test_low`, `test_high`.

        Raises `InputError` if pandas is not installed.
        """
        from softjax.reports.display import tabulate_path

        return tabulate_path(self)

    def classifier(self, reg: int | None = None) -> Classifier:
        """One of the classifiers, with its preprocessing and the names of classes and features.

        `reg` is the index of its penalty strength, by default that of the best. Raises `InputError` if there is none.
        """
        reg = self.best if reg is None else reg
        if not 0 <= reg < len(self.reg):
            raise InputError(f"reg must be an index from 0 to {len(self.reg) - 1}, got {reg}")
        run = {"reg": self.reg[reg], "steps": self.newton_steps[reg]}
        how = asdict(self.config) | asdict(self.solver) | run
        return Classifier(self.weights[reg], self.preprocessing, self.schema, how)
