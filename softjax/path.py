"""The regularization path: the minimum of the objective itself, for every penalty strength."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Integer

from softjax.config import InputError, PathConfig, SweepConfig
from softjax.datasets import Dataset, Split
from softjax.datasets.preprocess import Preprocessing, fit
from softjax.intervals import accuracy_intervals, tied_with
from softjax.lbfgs import CURVATURE, End, Point, Problem, Smooth, compiled, gap, minimized, principal_axes
from softjax.legs import weight_dtype
from softjax.result import raw_scores
from softjax.train import Examples, evaluate, examples

TOGETHER = 512  # columns of weights, C · K, up to which shared products are the faster way
WARM = 64  # columns of a batch of the other way


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
class PathProgress:
    """What `regularization_path` tells its caller about every second."""

    converged: int
    """penalty strengths that are done"""
    num_regs: int
    iterations: int
    """L-BFGS iterations of the batch in work"""
    gradient_norm: float
    """the largest ‖∇L‖ in the batch"""


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
        return tied_with(self.val_hits, self.val_accuracy[:, None], self.best)

    def scores(self, split: Split, reg: int | None = None) -> Float[np.ndarray, "N K"]:
        """The scores (N, K) of the classifier of penalty strength number `reg` (the best) on raw examples."""
        return raw_scores(self.weights[self.best if reg is None else reg], self.preprocessing, split)


def regularization_path(
    dataset: Dataset,
    config: SweepConfig | None = None,
    solver: PathConfig | None = None,
    *,
    on_progress: Callable[[PathProgress], None] | None = None,
) -> PathResult:
    """Minimizes the softmax objective of `softjax.loss` to convergence for every one of `config.regs`.

    **Arguments:**

    - `dataset`: raw, as `load_dataset` gives it.
    - `config`: of its fields `regs`, `penalty`, `penalize_bias`, `standardize` and `dtype` count.
    - `solver`: when to stop, and in which order to go; `PathConfig()` by default.
    - `on_progress`: called with a `PathProgress` about every second. What it raises ends the call.

    Raises `InputError` for an objective that is not smooth: the hinge, `"l1"`, `"elastic_net"`.

    Source: Liu and Nocedal, *On the Limited Memory BFGS Method for Large Scale Optimization*, 1989.
    """
    config, solver = config or SweepConfig(), solver or PathConfig()
    check_smooth(config)
    with jax.enable_x64(config.dtype == "float64"):
        start = time.perf_counter()
        dtype = weight_dtype(config.dtype)
        fitted = fit(dataset.train.X, config.standardize)
        splits = [
            jax.tree.map(jnp.asarray, examples(split, dtype))
            for split in (dataset.train, dataset.val, dataset.test)
        ]
        problem = Problem(splits[0], jax.tree.map(partial(jnp.asarray, dtype=dtype), fitted))
        smooth = Smooth(config.penalty, config.penalize_bias, dataset.num_classes, dtype)
        loaded = time.perf_counter()
        axes = principal_axes(problem)
        seconds = PathSeconds(load=loaded - start, axes=time.perf_counter() - loaded)

        columns = len(config.regs) * dataset.num_classes
        order = solver.path if solver.path != "auto" else "together" if columns <= TOGETHER else "warm"
        size = len(config.regs) if order == "together" else max(WARM // dataset.num_classes, 1)
        along = np.argsort(-np.asarray(config.regs), kind="stable")  # from the largest on
        W: Array = jnp.zeros((dataset.num_classes, dataset.num_features + 1), dtype)
        ends: list[End] = []
        unit = None
        for first in range(0, len(along), size):

            def told(point: Point, finished: int, first: int = first) -> None:
                if on_progress is not None:
                    now = int(np.max(point.iterations)), float(point.norm.max())
                    on_progress(PathProgress(first + finished, len(along), *now))

            regs = jnp.asarray([config.regs[i] for i in along[first : first + size]], dtype)
            start = time.perf_counter()
            programs = compiled(smooth, (regs, W, axes, problem))
            ready = time.perf_counter()
            end, unit = minimized(programs, problem, axes, regs, W, unit, solver, told)
            seconds = replace(
                seconds,
                compile=seconds.compile + ready - start,
                solve=seconds.solve + time.perf_counter() - ready,
            )
            ends.append(end)
            W = jnp.asarray(end.W[-1])
        end = jax.tree.map(lambda *each: np.concatenate(each)[np.argsort(along)], *ends)
        gaps = np.asarray(gap(smooth, end.norm, end.value, np.asarray(config.regs, dtype), unit))
        start = time.perf_counter()
        accuracies, hits = _evaluated(end.W, splits, problem.preprocessing)
        seconds = replace(seconds, evaluate=time.perf_counter() - start)
    train_accuracy, val_accuracy, test_accuracy = accuracies
    val_hits, test_hits = hits
    return PathResult(
        config,
        solver,
        np.asarray(config.regs, float),
        train_accuracy,
        val_accuracy,
        test_accuracy,
        val_hits,
        test_hits,
        end.value,
        end.norm,
        gaps,
        gaps <= solver.tolerance,
        end.iterations,
        end.evaluations,
        order,
        np.asarray(end.W).swapaxes(1, 2),
        fitted,
        seconds,
    )


def check_smooth(config: SweepConfig) -> None:
    """Raises `InputError` unless L-BFGS can minimize the objective of `config`."""
    if config.kind != "softmax":
        raise InputError(
            f"to converge, kind must be softmax: {config.kind} has kinks, on which L-BFGS stalls"
        )
    if config.penalty not in CURVATURE:
        raise InputError(
            f"to converge, penalty must be l2, half_l2 or none: {config.penalty} has kinks, on which L-BFGS stalls"
        )
    if config.dtype == "bfloat16":
        raise InputError("to converge, dtype must be float32 or float64, got 'bfloat16'")


def _evaluated(
    W: np.ndarray, splits: list[Examples], preprocessing: Preprocessing
) -> tuple[list[Any], list[Any]]:
    """Accuracies (R,) on the three splits, and which examples of the last two are classified rightly."""

    @jax.jit
    def correct(W: Any, split: Examples) -> Any:
        block = min(max(2**23 // max(W.shape[0], W.shape[1]), 1), len(split.y))
        return evaluate(W, split, preprocessing, kind="softmax", block=block).correct

    found = [np.stack([np.asarray(correct(each, split)) for each in W]) for split in splits]
    return [each.mean(axis=1) for each in found], [each.astype(np.uint8) for each in found[1:]]
