"""The regularization path: the minimum of the objective for every penalty strength."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array

from softjax.compilation import types_of
from softjax.datasets.dataset import Dataset
from softjax.datasets.preprocess import Preprocessing, fit
from softjax.errors import InputError
from softjax.evaluation.examples import SCORES_AT_A_TIME, Examples, evaluate, prepare
from softjax.memory import check_memory
from softjax.objective.config import Objective
from softjax.path.axes import find_axes
from softjax.path.config import PathConfig, path_bytes
from softjax.path.lbfgs import Data, End, Point, SolverSpec, compile_solver, gap, minimize
from softjax.path.result import PathProgress, PathResult, PathSeconds, PathState
from softjax.training.config import SweepConfig, weight_dtype

TOGETHER = 512  # columns of weights, R · K, up to which solving all penalty strengths together is faster
WARM = 64  # columns of weights in a batch of the order "warm"
SMOOTH = ("l2", "half_l2", "none")  # penalties


@dataclass(frozen=True)
class _Run:
    """A running path: its data on the device, and the order in which its penalty strengths are solved."""

    config: SweepConfig
    solver: PathConfig
    spec: SolverSpec
    data: Data
    held_out: tuple[Examples, Examples]
    fitted: Preprocessing
    """in float64"""
    order: str
    """together or warm"""
    rows: np.ndarray
    """(R,): indices of the penalty strengths, from the largest to the smallest"""
    batch: int
    """penalty strengths solved at the same time"""
    seconds: PathSeconds

    def batch_regs(self, number: int) -> Array:
        """The penalty strengths of a batch."""
        rows = self.rows[number * self.batch : (number + 1) * self.batch]
        return jnp.asarray([self.config.regs[row] for row in rows], self.spec.dtype)


def regularization_path(
    dataset: Dataset,
    config: SweepConfig | None = None,
    solver: PathConfig | None = None,
    *,
    on_progress: Callable[[PathProgress], None] | None = None,
    state: PathState | None = None,
) -> PathResult:
    """Minimizes the softmax objective of `softjax.loss` to convergence, by L-BFGS, for each penalty strength `config.regs`.

    **Arguments:**

    - `dataset`: from `load_dataset`, not preprocessed.
    - `config`: only `regs`, `penalty`, `penalize_bias`, `standardize` and `dtype` are used. By default `SweepConfig()`.
    - `solver`: when to stop, and in which order to solve. By default `PathConfig()`.
    - `on_progress`: called with a `PathProgress` before the first iteration, about every second, and at the end. An
      exception in it ends the call.
    - `state`: a `PathProgress.state()` of an earlier call with the same data set and options. This call continues from
      there and has the same result.

    **Returns:** a `PathResult`.

    Raises `InputError` if the objective is not smooth (hinge, `"l1"`, `"elastic_net"`), `dtype` is bfloat16, the features
    are out of its range, or the path cannot fit into memory.

    Source: Liu and Nocedal, *On the Limited Memory BFGS Method for Large Scale Optimization*, 1989.

    Examples:
        >>> from softjax import SweepConfig, load_dataset, regularization_path
        >>> path = regularization_path(load_dataset("digits"), SweepConfig(regs=(0.1, 1.0)))
        >>> path.converged.tolist(), float(path.reg[path.best])
        ([True, True], 0.1)
    """
    config, solver = config or SweepConfig(), solver or PathConfig()
    check_smooth(config)
    with types_of(config.dtype):
        run = _prepare(dataset, config, solver)
        state = state or PathState((), None, 0, float("nan"), PathSeconds())
        if on_progress is not None:
            on_progress(_describe(run, state))
        while len(state.ends) * run.batch < len(run.rows):
            state = _solve_batch(run, state, on_progress)
        if on_progress is not None:
            on_progress(_describe(run, state))
        return _evaluate(run, state)


def check_smooth(config: SweepConfig) -> None:
    """Raises `InputError` unless L-BFGS can minimize the objective of `config`."""
    if config.kind != "softmax":
        raise InputError(
            f"to converge, kind must be softmax: {config.kind} has kinks, on which L-BFGS stalls"
        )
    if config.penalty not in SMOOTH:
        raise InputError(
            f"to converge, penalty must be l2, half_l2 or none: {config.penalty} has kinks, on which L-BFGS stalls"
        )
    if config.dtype == "bfloat16":
        raise InputError("to converge, dtype must be float32 or float64, got 'bfloat16'")


def _prepare(dataset: Dataset, config: SweepConfig, solver: PathConfig) -> _Run:
    start = time.perf_counter()
    dtype, num_classes = weight_dtype(config.dtype), dataset.num_classes
    fitted = fit(dataset.train.X, config.standardize)
    splits = (dataset.train, dataset.val, dataset.test)
    needed = path_bytes(
        len(config.regs),
        num_examples=sum(map(len, splits)),
        num_features=dataset.num_features,
        num_classes=num_classes,
        itemsize=np.dtype(dtype).itemsize,
    )
    check_memory("the path", needed)
    preprocessing, train, *held_out = jax.tree.map(jnp.asarray, prepare(dataset, fitted, dtype))
    loaded = time.perf_counter()
    axes = find_axes(train, preprocessing)
    seconds = PathSeconds(load=loaded - start, axes=time.perf_counter() - loaded)
    objective = Objective(config.kind, config.penalty, penalize_bias=config.penalize_bias)
    columns = len(config.regs) * num_classes
    order = solver.path if solver.path != "auto" else "together" if columns <= TOGETHER else "warm"
    return _Run(
        config,
        solver,
        SolverSpec(objective, num_classes, dtype),
        Data(train, preprocessing, axes),
        (held_out[0], held_out[1]),
        fitted,
        order,
        np.argsort(-np.asarray(config.regs), kind="stable"),
        len(config.regs) if order == "together" else max(WARM // num_classes, 1),
        seconds,
    )


def _describe(run: _Run, state: PathState) -> PathProgress:
    """The progress between two batches."""
    done = min(len(state.ends) * run.batch, len(run.rows))
    iterations, norm = state.iterations, float("nan")
    if state.ends and state.point is None:
        iterations, norm = int(state.ends[-1].iterations.max()), float(state.ends[-1].norm.max())
    return PathProgress(done, len(run.rows), iterations, norm, lambda: state)


def _solve_batch(
    run: _Run, state: PathState, on_progress: Callable[[PathProgress], None] | None
) -> PathState:
    """Solves the current batch, or the next one, and returns the state after it."""
    regs, seconds = run.batch_regs(len(state.ends)), state.seconds
    W = jnp.zeros((run.spec.num_classes, run.data.train.X.shape[1] + 1), run.spec.dtype)
    if state.ends:
        W = jnp.asarray(state.ends[-1].W[-1])
    start = time.perf_counter()
    programs = compile_solver(run.spec, regs, W, run.data)
    ready = time.perf_counter()
    seconds = replace(seconds, compile=seconds.compile + ready - start)
    point: Point = programs.start(regs, W, run.data)
    unit = float(point.norm[0]) if np.isnan(state.unit) else state.unit
    if state.point is not None:
        leaves = map(jnp.asarray, state.point)
        point = jax.tree.unflatten(jax.tree.structure(point), leaves)

    def timed() -> PathSeconds:
        return replace(seconds, solve=seconds.solve + time.perf_counter() - ready)

    def tell(point: Point, finished: int, iterations: int) -> None:
        def copy() -> PathState:
            leaves = tuple(np.array(leaf) for leaf in jax.tree.leaves(point))
            return PathState(state.ends, leaves, iterations, unit, timed())

        if on_progress is not None:
            done = len(state.ends) * run.batch + finished
            now = int(np.max(point.iterations)), float(point.norm.max())
            on_progress(PathProgress(done, len(run.rows), *now, copy))

    end = minimize(programs, run.data, regs, point, state.iterations, unit, run.solver, tell)
    return PathState((*state.ends, end), None, 0, unit, timed())


def _evaluate(run: _Run, state: PathState) -> PathResult:
    """The result of a path whose batches are all solved."""
    config, back = run.config, np.argsort(run.rows)
    end: End = jax.tree.map(lambda *each: np.concatenate(each)[back], *state.ends)
    regs = np.asarray(config.regs, run.spec.dtype)
    gaps = np.asarray(gap(run.spec.objective, end.norm, end.value, regs, state.unit))
    start = time.perf_counter()
    block = max(SCORES_AT_A_TIME // max(end.W.shape[1:]), 1)
    hits = [
        np.asarray(_classify(end.W, split, run.data.preprocessing, block))
        for split in (run.data.train, *run.held_out)
    ]
    seconds = replace(
        run.seconds,
        compile=state.seconds.compile,
        solve=state.seconds.solve,
        evaluate=time.perf_counter() - start,
    )
    return PathResult(
        config=config,
        solver=run.solver,
        reg=np.asarray(config.regs, float),
        train_accuracy=hits[0].mean(axis=1),
        val_accuracy=hits[1].mean(axis=1),
        test_accuracy=hits[2].mean(axis=1),
        val_hits=hits[1].astype(np.uint8),
        test_hits=hits[2].astype(np.uint8),
        objective=end.value,
        gradient_norm=end.norm,
        gap=gaps,
        converged=gaps <= run.solver.tolerance,
        iterations=end.iterations,
        evaluations=end.evaluations,
        order=run.order,
        weights=np.asarray(end.W).swapaxes(1, 2),
        preprocessing=run.fitted,
        seconds=seconds,
    )


@partial(jax.jit, static_argnames="block")
def _classify(W: Any, split: Examples, preprocessing: Preprocessing, block: int) -> Any:
    """Which examples each of the weights (R, K, D) classifies correctly, (R, N)."""
    return lax.map(lambda each: evaluate(each, split, preprocessing, kind="softmax", block=block).correct, W)
