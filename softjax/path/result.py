"""What a regularization path gives back, and what it tells on the way."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int, Integer

from softjax.datasets.dataset import Split
from softjax.datasets.preprocess import Preprocessing
from softjax.evaluation.examples import score_split
from softjax.evaluation.intervals import accuracy_intervals, find_tied
from softjax.path.config import PathConfig
from softjax.path.lbfgs import End
from softjax.training.config import SweepConfig


@dataclass(frozen=True)
class PathSeconds:
    """Where the time went, in seconds."""

    load: float = 0.0
    axes: float = 0.0
    """finding the features' principal axes"""
    compile: float = 0.0
    solve: float = 0.0
    evaluate: float = 0.0


@dataclass(frozen=True)
class PathState:
    """Where a path stands: all that it needs to go on, on one machine to the same bits.

    - `ends`: what the batches that are done came to, in the order in which they were solved.
    - `point`: the arrays of the batch in work, None before its first iteration; `iterations`: how many it has done.
    - `unit`: the gradient's norm at W = 0, NaN before it is known.
    - `seconds`: compilation and minimization so far.
    """

    ends: tuple[End, ...] = field(repr=False)
    point: tuple[np.ndarray, ...] | None = field(repr=False)
    iterations: int
    unit: float
    seconds: PathSeconds


@dataclass(frozen=True)
class PathProgress:
    """What `regularization_path` tells its caller: before the first iteration, about every second, and at the end."""

    converged: int
    """penalty strengths that are done"""
    num_regs: int
    iterations: int
    """L-BFGS iterations of the batch in work"""
    gradient_norm: float
    """the largest ‖∇L‖ in the batch, or in the last one that was solved; NaN before the first"""
    state: Callable[[], PathState] = field(repr=False)
    """copies the path's state; to be called before the call goes on"""


@dataclass(frozen=True)
class PathResult:
    """The minima of R penalty strengths, as NumPy arrays, in the order of `config.regs`.

    - `reg` (R,); `train_accuracy`, `val_accuracy`, `test_accuracy` (R,), shares; `val_hits`, `test_hits` (R, N), 1 for
      each example that is classified rightly.
    - `objective` (R,): in nats, penalty included; `gradient_norm` (R,): ‖∇L‖.
    - `gap` (R,): the share of itself by which the objective may be off its minimum at most, ‖∇L‖² / 2cL with c the
      penalty's curvature (certain where the bias is penalized too; without a penalty ‖∇L‖ as a share of that at W = 0).
    - `converged` (R,): whether that is within the tolerance.
    - `iterations`, `evaluations` (R,): L-BFGS iterations, and evaluations of objective and gradient in them.
    - `order`: `"together"` or `"warm"`, as it was done.
    - `weights` (R, D, K): for features preprocessed as `preprocessing` says, the bias in the last row.
    """

    config: SweepConfig
    solver: PathConfig
    reg: Float[np.ndarray, " R"]
    train_accuracy: Float[np.ndarray, " R"]
    val_accuracy: Float[np.ndarray, " R"]
    test_accuracy: Float[np.ndarray, " R"]
    val_hits: Integer[np.ndarray, "R V"] = field(repr=False)
    test_hits: Integer[np.ndarray, "R N"] = field(repr=False)
    objective: Float[np.ndarray, " R"]
    gradient_norm: Float[np.ndarray, " R"]
    gap: Float[np.ndarray, " R"]
    converged: Bool[np.ndarray, " R"]
    iterations: Int[np.ndarray, " R"]
    evaluations: Int[np.ndarray, " R"]
    order: str
    weights: Float[np.ndarray, "R D K"] = field(repr=False)
    preprocessing: Preprocessing = field(repr=False)
    seconds: PathSeconds

    @property
    def best(self) -> int:
        """The penalty strength with the highest validation accuracy; of equals the largest."""
        return int(max(range(len(self.reg)), key=lambda r: (self.val_accuracy[r], self.reg[r])))

    @property
    def best_weights(self) -> Float[np.ndarray, "D K"]:
        """Those of `best`."""
        best: np.ndarray = self.weights[self.best]
        return best

    @cached_property
    def val_interval(self) -> Float[np.ndarray, "R 2"]:
        """The ends of the 95 % intervals of the validation accuracies: a bootstrap over the examples."""
        return accuracy_intervals(self.val_hits, self.val_accuracy[:, None])

    @cached_property
    def test_interval(self) -> Float[np.ndarray, "R 2"]:
        """The same for the test accuracies."""
        return accuracy_intervals(self.test_hits, self.test_accuracy[:, None])

    @cached_property
    def tied(self) -> Bool[np.ndarray, " R"]:
        """Which are not told from the best: the 95 % interval of the paired difference contains 0."""
        return find_tied(self.val_hits, self.val_accuracy[:, None], self.best)

    def scores(self, split: Split, reg: int | None = None) -> Float[np.ndarray, "N K"]:
        """The scores (N, K) of the classifier of penalty strength number `reg` (the best) on raw examples."""
        return score_split(self.weights[self.best if reg is None else reg], self.preprocessing, split)
