"""The parts of a sweep: rungs of successive halving, chunks of configurations, segments of steps."""

import math
from dataclasses import dataclass

import jax
import numpy as np

from softjax.datasets.dataset import Dataset
from softjax.memory import machine_memory
from softjax.training.config import SweepConfig, weight_dtype
from softjax.training.memory import MEMORIES

CACHED_BYTES = 2**21  # of scores: a step reads them several times, so they should stay in the cache


@dataclass(frozen=True)
class Chunk:
    """Configurations that train together, from one rung of successive halving to the next.

    - `rung`: number of the rung.
    - `rows`: its configurations, as a slice of those of the rung.
    - `size`: configurations in the program, each with all its folds. The last one is repeated up to `size`, so that one program fits all chunks
      and all devices have the same number.
    - `start`, `end`: first step, and the step after the last.
    - `lengths`: steps of each segment.
    """

    rung: int
    rows: slice
    size: int
    start: int
    end: int
    lengths: list[int]

    @property
    def num_configs(self) -> int:
        """Number of configurations, without the repeated ones."""
        return int(self.rows.stop - self.rows.start)

    def remaining(self, step: int) -> list[int]:
        """The lengths of the segments after `step`. If `step` is inside a segment, the rest of it comes first."""
        ends = self.start + np.cumsum(self.lengths)
        remaining: list[int] = np.diff(ends[ends > step], prepend=step).tolist()
        return remaining


def rungs(config: SweepConfig) -> list[tuple[int, int]]:
    """For each rung of successive halving: the step at which it ends, and its number of configurations.

    Source: Jamieson and Talwalkar, *Non-stochastic Best Arm Identification and Hyperparameter Optimization*, 2016.
    """
    shares = [2**h for h in range(config.halvings + 1)]
    return [
        (math.ceil(config.num_iters / left), math.ceil(config.num_configurations / done))
        for left, done in zip(reversed(shares), shares, strict=True)
    ]


def plan_chunks(config: SweepConfig, dataset: Dataset, most: int, num_devices: int) -> list[Chunk]:
    """All chunks of a sweep, in order. A chunk has at most `most` configurations, divided among `num_devices` devices."""
    chunks, start = [], 0
    for rung, (end, num_configs) in enumerate(rungs(config)):
        num_chunks = math.ceil(num_configs / most)
        size = math.ceil(num_configs / num_chunks)
        per_device = math.ceil(size / num_devices)
        lengths = segment_lengths(config, dataset, per_device, end - start)
        for first in range(0, num_configs, size):
            rows = slice(first, min(first + size, num_configs))
            chunks.append(Chunk(rung, rows, per_device * num_devices, start, end, lengths))
        start = end
    return chunks


def chunk_size(config: SweepConfig, dataset: Dataset, num_devices: int = 1) -> int:
    """Number of configurations to train at the same time: at most `config.chunk_size`, so that chunks are about equal.

    By default as many as fit a quarter of each device's memory, and on CPUs the cache with their scores of one step.
    """
    num_configs = config.num_configurations
    most = config.chunk_size or _configs_that_fit(config, dataset) * num_devices
    return math.ceil(num_configs / math.ceil(num_configs / most))


def _configs_that_fit(config: SweepConfig, dataset: Dataset) -> int:
    itemsize = np.dtype(weight_dtype(config.dtype)).itemsize
    scores = dataset.num_classes * config.batch_size * itemsize
    # bytes of weights, gradients and updates; of losses; of scores and residuals
    copies = 4 + MEMORIES[config.optimizer]
    weights = copies * dataset.num_classes * (dataset.num_features + 1) * itemsize
    on_cpu = jax.default_backend() == "cpu"
    side_by_side = 1 if on_cpu else config.num_seeds
    scores *= config.runs_per_seed
    weights *= config.runs_per_seed
    per_config = config.num_seeds * (weights + config.num_iters * itemsize) + 6 * scores * side_by_side
    if config.minibatches == "independent" and not on_cpu:
        rows = config.num_seeds * config.batch_size * config.runs_per_seed
        per_config += rows * (
            (dataset.num_features + 1) * itemsize + 4 * config.num_iters
        )  # and their numbers
    most = int(0.25 * _memory()) // per_config
    if on_cpu:
        most = min(most, CACHED_BYTES // scores)
    return max(most, 1)


def _memory() -> int:
    """The device's memory in bytes; for a CPU, that of the machine or the container."""
    stats = jax.local_devices()[0].memory_stats()
    if stats and "bytes_limit" in stats:
        return int(stats["bytes_limit"])
    return machine_memory()


def segment_lengths(config: SweepConfig, dataset: Dataset, chunk: int, num_steps: int) -> list[int]:
    """The steps in each segment of `num_steps` steps. A segment takes about a second; all are equal if a divisor allows.

    The speed is nominal, not measured, so that the same problem always has the same segments and the same programs.
    """
    runs = chunk * config.runs_per_seed * config.num_seeds
    weights = runs * dataset.num_classes * (dataset.num_features + 1)
    flops_per_second = 1e11 if jax.default_backend() == "cpu" else 2e13
    seconds_per_step = 5e-5 + 4 * weights * config.batch_size / flops_per_second
    aim = min(max(round(1 / seconds_per_step), 1), num_steps)
    divisors = [n for n in range(aim // 2 + 1, 2 * aim) if num_steps % n == 0]
    length = min(divisors, key=lambda n: abs(math.log(n / aim)), default=aim)
    whole, rest = divmod(num_steps, length)
    return [length] * whole + [rest] * (rest > 0)
