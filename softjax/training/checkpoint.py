"""The state of a sweep in a checkpoint: one file for each finished chunk of configurations, one for the current chunk."""

from dataclasses import astuple, fields
from typing import Any

import numpy as np

from softjax.datasets.dataset import Dataset
from softjax.runs.checkpoint import Checkpoint
from softjax.training.config import SweepConfig, weight_dtype
from softjax.training.memory import MEMORIES, MOST_LOSSES
from softjax.training.plan import chunk_size
from softjax.training.state import ChunkResult, Seconds, SweepState

REPORT_BYTES = 5_000_000


def save_sweep(checkpoint: Checkpoint, state: SweepState) -> None:
    """Writes `state`, and the finished chunks that are not written yet. Raises `CheckpointNotWrittenError` if that fails."""
    for index, part in enumerate(state.parts):
        if not checkpoint.has(_name(index)):
            checkpoint.save(_name(index), _arrays(part))
    arrays = _arrays(state) | {"parts": len(state.parts), "seconds": astuple(state.seconds)}
    checkpoint.save("state", arrays)


def load_sweep(checkpoint: Checkpoint) -> SweepState | None:
    """The state that was saved last, or None. Raises `DamagedCheckpointError` if it cannot be read."""
    if not checkpoint.has("state"):
        return None
    with checkpoint.readable():
        state = _fields(checkpoint.load("state"))
        return SweepState(
            int(state["chunk_size"]),
            tuple(_load_part(checkpoint, index) for index in range(int(state["parts"]))),
            int(state["step"]),
            state["carry"],
            state["losses"],
            Seconds(*state["seconds"].tolist()),
        )


def estimate_bytes(config: SweepConfig, dataset: Dataset, num_devices: int = 1) -> int:
    """The disk space of a sweep's checkpoints and report, in bytes."""
    chunk, num_configs = chunk_size(config, dataset, num_devices), config.num_configurations
    weights = config.num_seeds * dataset.num_classes * (dataset.num_features + 1)
    copies = 1 + MEMORIES[config.optimizer]
    losses = min(2 * num_configs * config.num_seeds * config.num_iters, MOST_LOSSES)
    # weights in the parts; with keep_weights="all" the report has a second copy of them
    kept = 2 * num_configs if config.keep_weights == "all" else num_configs / chunk
    if config.halvings:  # the parts keep what the next rung may start from
        kept += 2 * num_configs * copies
    # twice, as the new state exists beside the old one until it replaces it
    floats = 2 * (chunk * config.runs_per_seed * copies * weights + losses) + kept * weights
    return int(floats * np.dtype(weight_dtype(config.dtype)).itemsize) + REPORT_BYTES


def _name(index: int) -> str:
    return f"part-{index:05}"


def _load_part(checkpoint: Checkpoint, index: int) -> ChunkResult:
    arrays = _fields(checkpoint.load(_name(index)))
    return ChunkResult(**(arrays | {"steps": int(arrays["steps"])}))


def _arrays(record: ChunkResult | SweepState) -> dict[str, Any]:
    """The fields of a record, without its origin. Its carry is a tuple or None; its arrays are numbered."""
    arrays = {field.name: getattr(record, field.name) for field in fields(record) if field.name != "origin"}
    carry = arrays.pop("carry")
    return (
        arrays
        | {"num_carried": -1 if carry is None else len(carry)}
        | {f"carry_{i}": leaf for i, leaf in enumerate(carry or ())}
    )


def _fields(arrays: dict[str, Any]) -> dict[str, Any]:
    """The inverse of `_arrays`."""
    number = int(arrays.pop("num_carried"))
    arrays["carry"] = None if number < 0 else tuple(arrays.pop(f"carry_{i}") for i in range(number))
    return arrays
