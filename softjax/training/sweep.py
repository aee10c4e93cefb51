"""Many training runs at once: every learning rate with every penalty strength, for every seed.

A chunk of configurations at a time trains in one compiled program, a segment of steps after the other. Between two
segments the caller may look at the sweep, or take its state and go on from there another time.
"""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import fields, replace

import jax
import numpy as np
from jax.sharding import Mesh

from softjax.datasets.dataset import Dataset
from softjax.training.config import SweepConfig
from softjax.training.devices import CONFIG, mesh_of
from softjax.training.plan import chunk_size
from softjax.training.programs import Programs
from softjax.training.result import SweepResult, rank
from softjax.training.run import (
    SweepRun,
    begin_chunk,
    compile_chunk,
    describe,
    parts_of_rung,
    prepare_run,
    train_chunk,
)
from softjax.training.state import ChunkResult, Progress, Seconds, SweepState


def sweep(
    dataset: Dataset,
    config: SweepConfig | None = None,
    *,
    on_progress: Callable[[Progress], None] | None = None,
    state: SweepState | None = None,
    mesh: Mesh | None = None,
) -> SweepResult:
    """Trains a linear classifier for every (lr, reg, seed) of `config`, and evaluates all of them.

    Each run is minibatch SGD, W ← W − lr ∇L(W), or another of `config`'s optimizers, on the objective of `softjax.loss`,
    from normal weights. The features are preprocessed as in the course: the training mean is subtracted, and a bias
    column of ones appended. All configurations of a seed share initial weights and minibatches (common random
    numbers), unless `config` says otherwise, so that they differ in lr and reg alone. On one machine the same seed
    gives the same result, bit for bit.

    **Arguments:**

    - `dataset`: raw, as `load_dataset` gives it.
    - `config`: the grid and how to train; `SweepConfig()`'s defaults suit the digits.
    - `on_progress`: called with a `Progress` before the first step, after each segment, about every second, and when all
      is evaluated, with the state of the finished sweep. What it raises ends the sweep.
    - `state`: a `Progress.state()` of an earlier sweep of this data set and configuration, from which this one
      goes on to the same result; on other devices, to rounding.
    - `mesh`: the devices, as `softjax.mesh_of` lays them out: by default all there are, each with its share of the
      configurations. Where they belong to several processes, all of these call this function alike, and all get the
      result; `Progress.state()` is then for all of them to call, or for none.

    **Returns:** a `SweepResult`. A run that diverges is marked there, and harms no other.
    """
    config = SweepConfig() if config is None else config
    with _types_of(config):
        run, state = _start(dataset, config, state, mesh or mesh_of())
        if on_progress is not None:
            on_progress(describe(run, state))
        while len(state.parts) < len(run.chunks):
            state = train_chunk(run, state, on_progress)
        if on_progress is not None:
            on_progress(describe(run, state))
        return _assemble(run, state)


def compile_sweep(dataset: Dataset, config: SweepConfig, mesh: Mesh | None = None) -> Programs:
    """The compiled programs with which `sweep` begins, to look at what they do; they are compiled once for both."""
    with _types_of(config):
        mesh = mesh or mesh_of()
        run = prepare_run(dataset, config, mesh, chunk_size(config, dataset, mesh.shape[CONFIG]))
        return compile_chunk(run, begin_chunk(run, 0, (), Seconds()))


def _types_of(config: SweepConfig) -> AbstractContextManager[None]:
    """64-bit types are on exactly for a float64 sweep, whatever the caller's setting."""
    context: AbstractContextManager[None] = jax.enable_x64(config.dtype == "float64")
    return context


def _start(
    dataset: Dataset, config: SweepConfig, state: SweepState | None, mesh: Mesh
) -> tuple[SweepRun, SweepState]:
    """A run with its data on the devices and its first programs compiled, and where it goes on."""
    most = state.chunk_size if state is not None else chunk_size(config, dataset, mesh.shape[CONFIG])
    run = prepare_run(dataset, config, mesh, most)
    state = state or begin_chunk(run, most, (), Seconds())
    if len(state.parts) < len(run.chunks):
        start = time.perf_counter()
        compile_chunk(run, state)
        compiled = state.seconds.compile + time.perf_counter() - start
        state = replace(state, seconds=replace(state.seconds, compile=compiled))
    jax.block_until_ready(run.setting.train)  # type: ignore[no-untyped-call]  # copied meanwhile
    return run, state


def _assemble(run: SweepRun, state: SweepState) -> SweepResult:
    """The result of a sweep that is done; of a configuration's parts the last one counts."""
    config, C = run.config, run.grid.shape[1]
    columns = {
        each.name: _empty_column(C, getattr(state.parts[0], each.name))
        for each in fields(ChunkResult)
        if each.name not in ("configs", "steps", "loss_history", "weights", "carry")
    }
    history_shape = (C, config.num_seeds, len(run.history_steps))
    history = np.full(history_shape, np.nan, state.parts[0].loss_history.dtype)
    steps = np.zeros(C, dtype=int)
    all_kept = config.keep_weights == "all"
    kept = state.parts[0].weights
    weights = np.empty((C, *kept.shape[1:]), kept.dtype) if all_kept else None
    for part, chunk in zip(state.parts, run.chunks, strict=True):
        for name, column in columns.items():
            column[part.configs] = getattr(part, name)
        at = np.searchsorted(run.history_steps, run.kept_steps(chunk.start, chunk.end))
        history[np.ix_(part.configs, np.arange(config.num_seeds), at)] = part.loss_history
        steps[part.configs] = part.steps
        if weights is not None:
            weights[part.configs] = part.weights
    return SweepResult(
        config=config,
        learning_rate=run.grid[0],
        reg=run.grid[1],
        seed=run.seeds,
        steps=steps,
        **columns,
        loss_history=history,
        history_steps=run.history_steps,
        best_weights=_best_weights(parts_of_rung(run, state.parts, config.halvings), all_kept),
        weights=weights,
        preprocessing=run.fitted,
        grid_shape=(len(config.learning_rates), len(config.regs)) if config.search == "grid" else None,
        seconds=replace(state.seconds, load=run.load_seconds),
    )


def _empty_column(length: int, like: np.ndarray) -> np.ndarray:
    return np.full((length, *like.shape[1:]), np.nan if like.dtype.kind == "f" else 0, like.dtype)


def _best_weights(parts: list[ChunkResult], all_kept: bool) -> np.ndarray:
    """Those of the best run among the chunks trained to the end."""
    best = int(rank(np.concatenate([part.val_accuracy for part in parts]))[0])
    chunk = parts[0].configs.size
    part, row = parts[best // chunk], best % chunk
    weights: np.ndarray = part.weights[row if all_kept else 0][np.argmax(part.val_accuracy[row])]
    return weights
