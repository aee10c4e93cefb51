"""What a sweep needs before its first step: its data on the devices, its grid, and its chunks."""

import math
import time
from dataclasses import asdict, dataclass, replace
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Float, Int

from softjax.datasets.dataset import Dataset, Schema
from softjax.datasets.folds import assign_folds, merge_parts
from softjax.datasets.preprocess import Preprocessing, fit
from softjax.errors import InputError
from softjax.evaluation.examples import prepare
from softjax.memory import check_memory
from softjax.runs.checkpoint import identify
from softjax.training.config import SweepConfig, weight_dtype
from softjax.training.devices import CONFIG, DATA, place
from softjax.training.memory import MOST_LOSSES, sweep_bytes
from softjax.training.plan import Chunk, plan_chunks
from softjax.training.step import (
    Hyperparameters,
    Setting,
    schedule_factors,
    weigh_draws,
)


@dataclass(frozen=True)
class SweepRun:
    """The data of a sweep on the devices, and its chunks.

    - `grid` (2, C): learning rates and penalty strengths.
    - `factors` (T,): the factor of the learning rate at each step.
    - `fitted`: the preprocessing in float64.
    - `schema`: the classes, and the names of the features.
    - `setting`: the preprocessing that is left to do, the data and all other numbers, on the devices.
    - `chunks`: the chunks, in order.
    - `history_steps` (H,): the steps whose losses are kept.
    - `load_seconds`: seconds to prepare all this.
    - `origin`: what a state of this sweep belongs to.
    """

    config: SweepConfig
    grid: Float[np.ndarray, "2 C"]
    factors: Float[np.ndarray, " T"]
    fitted: Preprocessing
    setting: Setting
    schema: Schema
    mesh: Mesh
    chunks: list[Chunk]
    history_steps: np.ndarray
    load_seconds: float
    origin: dict[str, Any]

    @property
    def seeds(self) -> Int[np.ndarray, " S"]:
        """The seeds of every configuration's runs."""
        return self.config.seed + np.arange(self.config.num_seeds)

    def kept_steps(self, start: int, end: int) -> Int[np.ndarray, " h"]:
        """The steps from `start` to `end` whose losses are kept."""
        steps = self.history_steps
        return steps[(steps >= start) & (steps < end)]


def prepare_run(dataset: Dataset, config: SweepConfig, mesh: Mesh, chunk_size: int) -> SweepRun:
    """Copies the data to the devices, and plans chunks of at most `chunk_size` configurations.

    Raises `InputError` if a minibatch cannot be divided among the devices along "data", the features are out of the range of
    the weights' type, or the sweep cannot fit into memory.
    """
    start = time.perf_counter()
    folds = None
    if config.folds:
        dataset = merge_parts(dataset)
        folds = assign_folds(dataset, config.folds, config.seed)
    held_out = len(dataset.val) + len(dataset.test)
    sizes = {"num_features": dataset.num_features, "num_classes": dataset.num_classes}
    check_memory("the sweep", sweep_bytes(config, num_held_out=held_out, **sizes))
    if config.batch_size % mesh.shape[DATA]:
        raise InputError(
            f"batch_size must be a multiple of data_parallel, got {config.batch_size} and {mesh.shape[DATA]}"
        )
    grid = np.array(config.configurations())
    fitted = fit(dataset.train.X, config.standardize, dataset.train.weight)
    dtype = weight_dtype(config.dtype)
    prepared = prepare(dataset, fitted, dtype)
    numbers = (config.init_scale, config.momentum, config.beta2, config.eps)
    objective = config.objective
    setting = Setting(
        replace(objective, l1_ratio=jnp.asarray(objective.l1_ratio, dtype)),
        Hyperparameters(*(jnp.asarray(number, dtype) for number in numbers)),
        prepared.train,
        prepared.val,
        prepared.test,
        prepared.preprocessing,
        weigh_draws(dataset.train.weight),
        folds,
    )
    stride = math.ceil(2 * grid.shape[1] * config.num_seeds * config.num_iters / MOST_LOSSES)
    return SweepRun(
        config,
        grid,
        schedule_factors(config),
        fitted,
        place(setting, mesh),
        dataset.schema,
        mesh,
        plan_chunks(config, dataset, chunk_size, mesh.shape[CONFIG]),
        np.arange(0, config.num_iters, stride),
        time.perf_counter() - start,
        identify(asdict(config), dataset),
    )
