"""The sweep: training runs for every learning rate, penalty strength and seed.

The configurations of a chunk train together in one compiled program, one segment of steps after another. Between two
segments the caller gets the progress, and can save the state to continue later.
"""

import time
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from softjax.compilation import types_of
from softjax.datasets.arrays import as_dataset
from softjax.datasets.dataset import Dataset
from softjax.errors import InputError, check_function, check_instance, read_kind
from softjax.progress import watched
from softjax.runs.checkpoint import check_origin
from softjax.training.config import SweepConfig
from softjax.training.devices import CONFIG, DATA, is_first, mesh_of
from softjax.training.plan import chunk_size
from softjax.training.prepare import SweepRun, prepare_run
from softjax.training.programs import Programs
from softjax.training.result import SweepResult, rank
from softjax.training.run import begin_chunk, compile_chunk, describe, parts_of_rung, train_chunk
from softjax.training.state import ChunkResult, Progress, Seconds, SweepState
from softjax.weights import ClassWeight


def sweep(
    dataset: Dataset | tuple[Any, Any],
    config: SweepConfig | None = None,
    *,
    sample_weight: Any = None,
    class_weight: ClassWeight = None,
    progress: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
    state: SweepState | None = None,
    mesh: Mesh | None = None,
) -> SweepResult:
    """Trains a linear classifier for every (lr, reg, seed) of `config`, and evaluates all of them.

    Each run minimizes the objective of `softjax.loss` by minibatch SGD, W ← W − lr ∇L(W), or another optimizer, from
    random normal weights. Features are preprocessed as in the course: the training mean is subtracted, and a column of
    ones appended. By default all configurations of a seed share initial weights and minibatches (common random
    numbers), so they differ in lr and reg alone. On one machine the same seed gives the same result, bit for bit.

    **Arguments:**

    - `dataset`: a `Dataset`, not preprocessed; or a pair (X, y) of arrays, tensors or frames, as `Dataset.from_arrays` takes them.
    - `config`: the grid and how to train; by default `SweepConfig()`, which suits the digits.
    - `sample_weight`: weights of the examples, (N,) for the rows of X, or those of the training examples of a `Dataset`. Weight
      2 counts as the example twice in training, weight 0 as none; accuracies count every example once.
    - `class_weight`: `"balanced"`, or a mapping from classes to weights.
    - `progress`: whether a bar shows how far it is, in a notebook as a widget. Of several processes, the first one shows it.
    - `on_progress`: called with a `Progress` before the first step, after each segment (about every second), and at the
      end, with the state of the finished sweep. An exception in it ends the sweep.
    - `state`: a `Progress.state()` of an earlier sweep of the same data set and configuration. This sweep continues from
      there and has the same result; on other devices, up to rounding.
    - `mesh`: the devices, from `softjax.mesh_of`. By default all devices; each trains its share of the configurations.
      If they belong to several processes, all processes must call this function with the same arguments, and all get
      the result. `Progress.state()` must then be called by all of them or by none.

    **Returns:** a `SweepResult`. It marks the runs that diverged; they do not affect the others.

    Raises `InputError` if an argument is of another type, `state` is that of another sweep, `batch_size` cannot be divided
    among the devices that share a minibatch, the features are out of the range of `config.dtype`, or the sweep cannot fit
    into memory.

    Examples:
        >>> from softjax import SweepConfig, load_dataset, sweep
        >>> config = SweepConfig(learning_rates=(0.001, 0.01), regs=(0.001,), num_iters=10)
        >>> result = sweep(load_dataset("digits"), config)
        >>> result.val_accuracy.shape, float(result.learning_rate[result.best])
        ((2, 1), 0.01)
    """
    config = SweepConfig() if config is None else config
    check_instance("config", config, SweepConfig)
    check_instance("state", state, SweepState, or_none=True)
    check_instance("mesh", mesh, Mesh, or_none=True)
    if mesh is not None and mesh.axis_names != (CONFIG, DATA):
        raise InputError(
            f"mesh must be one of softjax.mesh_of, with the axes config and data, got the axes {mesh.axis_names}"
        )
    check_function("on_progress", on_progress)
    shown = read_kind("progress", progress, bool) and is_first()
    examples = as_dataset(dataset, sample_weight=sample_weight, class_weight=class_weight)
    with types_of(config.dtype), watched(on_progress, shown, "step", "training") as tell:
        run, state = _start(examples, config, state, mesh or mesh_of())
        if tell is not None:
            tell(describe(run, state))
        while len(state.parts) < len(run.chunks):
            state = train_chunk(run, state, tell)
        if tell is not None:
            tell(describe(run, state))
        return _assemble(run, state)


def compile_sweep(dataset: Dataset, config: SweepConfig, mesh: Mesh | None = None) -> Programs:
    """The first compiled programs of `sweep`, to inspect them. `sweep` then uses the same ones, without compiling again."""
    with types_of(config.dtype):
        mesh = mesh or mesh_of()
        run = prepare_run(dataset, config, mesh, chunk_size(config, dataset, mesh.shape[CONFIG]))
        return compile_chunk(run, begin_chunk(run, 0, (), Seconds()))


def _start(
    dataset: Dataset, config: SweepConfig, state: SweepState | None, mesh: Mesh
) -> tuple[SweepRun, SweepState]:
    """The run, with its data on the devices and its first programs compiled, and the state it starts from."""
    most = state.chunk_size if state is not None else chunk_size(config, dataset, mesh.shape[CONFIG])
    run = prepare_run(dataset, config, mesh, most)
    if state is not None:
        check_origin(state.origin, run.origin)
        state = replace(state, origin=run.origin)
    state = state or begin_chunk(run, most, (), Seconds())
    if len(state.parts) < len(run.chunks):
        start = time.perf_counter()
        compile_chunk(run, state)
        compiled = state.seconds.compile + time.perf_counter() - start
        state = replace(state, seconds=replace(state.seconds, compile=compiled))
    jax.block_until_ready(run.setting.train)  # type: ignore[no-untyped-call]  # the copy ran during compilation
    return run, state


def _assemble(run: SweepRun, state: SweepState) -> SweepResult:
    """The result of a finished sweep. If a configuration is in several parts, the last one counts."""
    config, C = run.config, run.grid.shape[1]
    columns = {
        each.name: _empty_column(C, getattr(state.parts[0], each.name))
        for each in fields(ChunkResult)
        if each.name not in ("configs", "steps", "losses", "weights", "carry")
    }
    history_shape = (C, config.num_seeds, len(run.history_steps), 2)
    history = np.full(history_shape, np.nan, state.parts[0].losses.dtype)
    steps = np.zeros(C, dtype=int)
    all_kept = config.keep_weights == "all"
    kept = state.parts[0].weights
    weights = np.empty((C, *kept.shape[1:]), kept.dtype) if all_kept else None
    for part, chunk in zip(state.parts, run.chunks, strict=True):
        for name, column in columns.items():
            column[part.configs] = getattr(part, name)
        at = np.searchsorted(run.history_steps, run.kept_steps(chunk.start, chunk.end))
        history[np.ix_(part.configs, np.arange(config.num_seeds), at)] = part.losses
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
        loss_history=history[..., 0],
        data_loss_history=history[..., 1],
        history_steps=run.history_steps,
        best_weights=_best_weights(parts_of_rung(run, state.parts, config.halvings), all_kept),
        weights=weights,
        preprocessing=run.fitted,
        grid_shape=(len(config.learning_rates), len(config.regs)) if config.search == "grid" else None,
        schema=run.schema,
        seconds=replace(state.seconds, load=run.load_seconds),
    )


def _empty_column(length: int, like: np.ndarray) -> np.ndarray:
    return np.full((length, *like.shape[1:]), np.nan if like.dtype.kind == "f" else 0, like.dtype)


def _best_weights(parts: list[ChunkResult], all_kept: bool) -> np.ndarray:
    """The weights of the best run, among the chunks that were trained to the end."""
    best = int(rank(np.concatenate([part.val_accuracy for part in parts]))[0])
    chunk = parts[0].configs.size
    part, row = parts[best // chunk], best % chunk
    weights: np.ndarray = part.weights[row if all_kept else 0][np.argmax(part.val_accuracy[row])]
    return weights
