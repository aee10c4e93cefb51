"""The compiled programs of a sweep: initial weights, a segment of training, evaluation.

`vmap` over the configurations of a chunk turns their weights (c, K, D) into the rows of one matrix, so that a
step is two large matrix products on the minibatch they share. Seeds are the outer axis: weights are (S, c, K, D).
"""

import math
import os
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.stages import Compiled

from softjax.config import Precision, SweepConfig
from softjax.datasets import Dataset
from softjax.train import Objective, evaluate, initial_weights, penalty, train_segment

CACHED_BYTES = 2**21  # of scores: what a step's residuals pass over several times


class Problem(NamedTuple):
    """All that a compiled program depends on besides the shapes and types of its arguments."""

    objective: Objective
    num_classes: int
    init_scale: float
    batch_size: int
    segment_lengths: tuple[int, ...]
    dtype: str
    precision: Precision
    backend: str


class Program(NamedTuple):
    """What runs on the device, compiled.

    - `initialize(keys, lr)`: weights (S, c, K, D).
    - `segments[T](W, lr, reg, keys, start, train, preprocessing)`: weights after T steps from `start` on, and the
      T losses (S, c, T). `W` is donated.
    - `evaluate(W, reg, splits, preprocessing)`: whether all weights are finite, the penalties, and a `Totals` for
      each split, (S, c) each.
    """

    initialize: Compiled
    segments: dict[int, Compiled]
    evaluate: Compiled


def weight_dtype(dtype: str) -> str:
    """The type in which weights are kept and updated: sums of small steps need float32 at least."""
    return "float64" if dtype == "float64" else "float32"


def compiled(problem: Problem, arguments: Any) -> Program:
    """The programs for `arguments` (lr, reg, keys, splits, preprocessing), or for others of these shapes and types."""
    leaves, structure = jax.tree.flatten(arguments)
    return _compiled(problem, tuple(_shape(leaf.shape, leaf.dtype) for leaf in leaves), structure)


def _shape(shape: tuple[int, ...], dtype: Any) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, dtype)  # type: ignore[no-untyped-call]


@lru_cache(maxsize=8)
def _compiled(problem: Problem, leaves: tuple[jax.ShapeDtypeStruct, ...], structure: Any) -> Program:
    lr, reg, keys, splits, preprocessing = jax.tree.unflatten(structure, leaves)
    over_seeds: Callable[..., Any] = jax.vmap if problem.backend != "cpu" else _one_after_another
    num_weights = splits[0].X.shape[1] + 1

    def initialize(keys: Any, lr: Any) -> Any:
        def one(key: Any) -> Any:
            W = initial_weights(
                key,
                problem.num_classes,
                num_weights,
                problem.init_scale,
                weight_dtype(problem.dtype),
            )
            return jnp.broadcast_to(W[None], (len(lr), *W.shape))

        return jax.vmap(one)(keys)

    def segment(
        W: Any, lr: Any, reg: Any, keys: Any, start: Any, train: Any, preprocessing: Any, *, num_steps: int
    ) -> Any:
        run = partial(
            train_segment,
            objective=problem.objective,
            batch_size=problem.batch_size,
            num_steps=num_steps,
            dtype=problem.dtype,
            precision=problem.precision,
        )
        # The key is not mapped over the configurations: one minibatch serves them all.
        grid = jax.vmap(run, in_axes=(0, 0, 0, None, None, None, None))
        return over_seeds(lambda W, key: grid(W, lr, reg, key, start, train, preprocessing))(W, keys)

    def evaluate_all(W: Any, reg: Any, splits: Any, preprocessing: Any) -> Any:
        def one_seed(W: Any) -> Any:
            finite = jnp.isfinite(W).all(axis=(1, 2))
            penalties = jax.vmap(partial(penalty, objective=problem.objective))(W, reg)
            block = max(2**23 // max(W.shape[0] * W.shape[1], W.shape[2]), 1)  # some 32 MB of scores
            totals = [
                jax.vmap(
                    partial(
                        evaluate,
                        examples=split,
                        preprocessing=preprocessing,
                        kind=problem.objective.kind,
                        block=min(block, len(split.y)),
                    )
                )(W)
                for split in splits
            ]
            return finite, penalties, totals

        return over_seeds(one_seed)(W)

    W = jax.eval_shape(initialize, keys, lr)
    start = _shape((), jnp.int32)
    return Program(
        jax.jit(initialize).lower(keys, lr).compile(),
        {
            length: jax.jit(partial(segment, num_steps=length), donate_argnums=0)
            .lower(W, lr, reg, keys, start, splits[0], preprocessing)
            .compile()
            for length in problem.segment_lengths
        },
        jax.jit(evaluate_all).lower(W, reg, splits, preprocessing).compile(),
    )


def _one_after_another(function: Callable[..., Any]) -> Callable[..., Any]:
    """`jax.vmap(function)` as a loop.

    One seed's configurations fill a CPU; there, all seeds in one product cost some 15 % more, in copies.
    """
    return lambda *arguments: lax.map(lambda each: function(*each), arguments)


def chunk_size(config: SweepConfig, dataset: Dataset) -> int:
    """Configurations to train at a time: `config.chunk_size` or fewer, so that all chunks are equal but for rounding.

    By default what fits a quarter of the device's memory; on CPUs, what keeps a step's scores in the cache.
    """
    num_configs = len(config.learning_rates) * len(config.regs)
    most = config.chunk_size or _fitting(config, dataset)
    return math.ceil(num_configs / math.ceil(num_configs / most))


def _fitting(config: SweepConfig, dataset: Dataset) -> int:
    itemsize = np.dtype(weight_dtype(config.dtype)).itemsize
    scores = dataset.num_classes * config.batch_size * itemsize
    # weights, gradient, and what the update needs of both; losses; scores and what the residuals need
    weights = 4 * dataset.num_classes * (dataset.num_features + 1) * itemsize
    on_cpu = jax.default_backend() == "cpu"
    side_by_side = 1 if on_cpu else config.num_seeds
    each = config.num_seeds * (weights + config.num_iters * itemsize) + 6 * scores * side_by_side
    most = int(0.25 * _memory()) // each
    if on_cpu:
        most = min(most, CACHED_BYTES // scores)
    return max(most, 1)


def _memory() -> int:
    """Bytes of the device; of the machine, or what its container may use of it, for a CPU."""
    stats = jax.local_devices()[0].memory_stats()
    if stats and "bytes_limit" in stats:
        return int(stats["bytes_limit"])
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    with suppress(OSError, ValueError):  # no container, or none with a limit
        limits.append(int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return min(limits)


def segment_lengths(config: SweepConfig, dataset: Dataset, chunk: int) -> list[int]:
    """Steps in each segment: about a second's worth, equal where `num_iters` has a divisor near that.

    From a nominal speed, not a measured one: the same problem is cut, and compiled, the same way every time.
    """
    weights = chunk * config.num_seeds * dataset.num_classes * (dataset.num_features + 1)
    flops_per_second = 1e11 if jax.default_backend() == "cpu" else 2e13
    seconds_per_step = 5e-5 + 4 * weights * config.batch_size / flops_per_second
    aim = min(max(round(1 / seconds_per_step), 1), config.num_iters)
    divisors = [n for n in range(aim // 2 + 1, 2 * aim) if config.num_iters % n == 0]
    length = min(divisors, key=lambda n: abs(math.log(n / aim)), default=aim)
    whole, rest = divmod(config.num_iters, length)
    return [length] * whole + [rest] * (rest > 0)
