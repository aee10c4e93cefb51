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
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jax.stages import Compiled
from jaxtyping import Array, Int, Key

from softjax.config import Minibatches, SweepConfig
from softjax.datasets import Dataset
from softjax.devices import CONFIG
from softjax.train import Carry, Hyperparameters, Method, evaluate, initial, penalty, train_segment

CACHED_BYTES = 2**21  # of scores: what a step's residuals pass over several times
# copies of the weights in an optimizer's memory
MEMORIES = {"sgd": 0, "momentum": 1, "nesterov": 1, "adam": 2, "adamw": 2}


class Problem(NamedTuple):
    """All that a compiled program depends on besides the shapes and types of its arguments."""

    method: Method
    num_classes: int
    segment_lengths: tuple[int, ...]
    minibatches: Minibatches
    backend: str
    mesh: Mesh


class Keys(NamedTuple):
    """PRNG keys of initial weights and of minibatches: (S,) where the configurations share them, else (S, c)."""

    initial: Key[Array, "..."]
    batch: Key[Array, "..."]


class Program(NamedTuple):
    """What runs on the device, compiled.

    - `initialize(keys, lr, hyper)`: a `Carry` of weights (S, c, K, D).
    - `segments[T](carry, lr, reg, keys, start, factors, hyper, train, preprocessing)`: the carry after T steps from
      `start` on, and the T losses (S, c, T). `carry` is donated.
    - `evaluate(W, reg, hyper, splits, preprocessing)`: whether all weights are finite, the penalties, the number of
      training examples classified rightly, which of the validation and test examples are, and the sum of the training
      losses; (S, c) each.
    """

    initialize: Compiled
    segments: dict[int, Compiled]
    evaluate: Compiled


def keys_of(
    seeds: Int[np.ndarray, " S"], configurations: Int[np.ndarray, " c"], minibatches: Minibatches
) -> Keys:
    """The keys of these seeds' runs of these configurations, which are numbered from 0."""
    keys = jax.vmap(jax.random.key)(seeds)

    def stream(number: int) -> Key[Array, "..."]:
        own = jax.vmap(lambda key: jax.random.fold_in(key, number))(keys)
        if minibatches == "shared":
            return own
        fold = jax.vmap(jax.vmap(jax.random.fold_in, in_axes=(None, 0)), in_axes=(0, None))
        return fold(own, configurations)

    return Keys(stream(0), stream(1))


def weight_dtype(dtype: str) -> str:
    """The type in which weights are kept and updated: sums of small steps need float32 at least."""
    return "float64" if dtype == "float64" else "float32"


def compiled(problem: Problem, arguments: Any) -> Program:
    """The programs for `arguments` (lr, reg, keys, hyper, splits, preprocessing), or for others of these shapes and
    types, on these devices.
    """
    leaves, structure = jax.tree.flatten(arguments)
    shapes = tuple(shape_of(leaf.shape, leaf.dtype, leaf.sharding) for leaf in leaves)
    return _compiled(problem, shapes, structure)


def shape_of(shape: tuple[int, ...], dtype: Any, sharding: Any = None) -> jax.ShapeDtypeStruct:
    """What a program is compiled for."""
    return jax.ShapeDtypeStruct(shape, dtype, sharding=sharding)  # type: ignore[no-untyped-call]


@lru_cache(maxsize=32)
def _compiled(problem: Problem, leaves: tuple[jax.ShapeDtypeStruct, ...], structure: Any) -> Program:
    lr, reg, keys, hyper, splits, preprocessing = jax.tree.unflatten(structure, leaves)
    dtype, num_weights = str(lr.dtype), splits[0].X.shape[1] + 1
    shared = problem.minibatches == "shared"
    on_cpu = problem.backend == "cpu"
    over_seeds: Callable[..., Any] = _one_after_another if on_cpu else jax.vmap
    # Without a minibatch in common the products of the configurations are as many thin ones.
    over_configurations: Callable[..., Any] = _one_after_another if on_cpu and not shared else jax.vmap

    def initialize(keys: Keys, lr: Any, hyper: Hyperparameters) -> Carry:
        def one(key: Any) -> Carry:
            return initial(key, problem.num_classes, num_weights, dtype, problem.method, hyper)

        if not shared:
            own: Carry = jax.vmap(jax.vmap(one))(keys.initial)
            return own
        copies: Carry = jax.tree.map(
            lambda leaf: jnp.broadcast_to(leaf[:, None], (len(leaf), len(lr), *leaf.shape[1:])),
            jax.vmap(one)(keys.initial),
        )
        return copies

    def segment(
        carry: Any,
        lr: Any,
        reg: Any,
        keys: Keys,
        start: Any,
        factors: Any,
        hyper: Any,
        train: Any,
        preprocessing: Any,
    ) -> Any:
        def run(carry: Any, lr: Any, reg: Any, key: Any) -> Any:
            return train_segment(
                carry, lr, reg, key, start, factors, hyper, train, preprocessing, method=problem.method
            )

        def one_seed(carry: Any, key: Any) -> Any:
            if shared:  # the key is not mapped over the configurations: one minibatch serves them all
                return over_configurations(partial(run, key=key))(carry, lr, reg)
            return over_configurations(run)(carry, lr, reg, key)

        return over_seeds(one_seed)(carry, keys.batch)

    def evaluate_all(W: Any, reg: Any, hyper: Any, splits: Any, preprocessing: Any) -> Any:
        def one_seed(W: Any) -> Any:
            finite = jnp.isfinite(W).all(axis=(1, 2))
            penalties = jax.vmap(partial(penalty, hyper=hyper, method=problem.method))(W, reg)
            block = max(2**23 // max(W.shape[0] * W.shape[1], W.shape[2]), 1)  # some 32 MB of scores
            train, val, test = (
                jax.vmap(
                    partial(
                        evaluate,
                        examples=split,
                        preprocessing=preprocessing,
                        kind=problem.method.kind,
                        block=min(block, len(split.y)),
                    )
                )(W)
                for split in splits
            )
            hits = train.correct.sum(axis=1, dtype=jnp.int32)
            return finite, penalties, hits, val.correct, test.correct, train.loss

        return over_seeds(one_seed)(W)

    mesh = problem.mesh
    every, along, runs = (PartitionSpec(*axes) for axes in ((), (CONFIG,), (None, CONFIG)))  # type: ignore[no-untyped-call]
    keyed = every if shared else runs

    def local(function: Callable[..., Any], arguments: Any, results: Any) -> Callable[..., Any]:
        """`function` of each device's own configurations: nothing is exchanged but what it says itself."""
        if mesh.size == 1:
            return function
        return jax.shard_map(function, mesh=mesh, in_specs=arguments, out_specs=results, check_vma=False)

    initialize = local(initialize, (keyed, along, every), runs)
    segment = local(segment, (runs, along, along, keyed, every, every, every, every, every), (runs, runs))
    evaluate_all = local(evaluate_all, (runs, along, every, every, every), runs)

    def spread(shapes: Any, spec: PartitionSpec) -> Any:
        sharding = NamedSharding(mesh, spec)
        return jax.tree.map(lambda leaf: shape_of(leaf.shape, leaf.dtype, sharding), shapes)

    carry = spread(jax.eval_shape(initialize, keys, lr, hyper), runs)
    start = spread(shape_of((), jnp.int32), every)
    return Program(
        jax.jit(initialize, out_shardings=NamedSharding(mesh, runs)).lower(keys, lr, hyper).compile(),
        {
            length: jax.jit(segment, donate_argnums=0, out_shardings=NamedSharding(mesh, runs))
            .lower(
                carry,
                lr,
                reg,
                keys,
                start,
                spread(shape_of((length,), jnp.float32), every),
                hyper,
                splits[0],
                preprocessing,
            )
            .compile()
            for length in problem.segment_lengths
        },
        jax.jit(evaluate_all).lower(carry.W, reg, hyper, splits, preprocessing).compile(),
    )


def _one_after_another(function: Callable[..., Any]) -> Callable[..., Any]:
    """`jax.vmap(function)` as a loop.

    One seed's configurations fill a CPU; there, all seeds in one product cost some 15 % more, in copies.
    """
    return lambda *arguments: lax.map(lambda each: function(*each), arguments)


def chunk_size(config: SweepConfig, dataset: Dataset, num_devices: int = 1) -> int:
    """Configurations to train at a time: `config.chunk_size` or fewer, so that all chunks are equal but for rounding.

    By default what fits a quarter of each device's memory; on CPUs, what keeps a step's scores in the cache.
    """
    num_configs = config.num_configurations
    most = config.chunk_size or _fitting(config, dataset) * num_devices
    return math.ceil(num_configs / math.ceil(num_configs / most))


def _fitting(config: SweepConfig, dataset: Dataset) -> int:
    itemsize = np.dtype(weight_dtype(config.dtype)).itemsize
    scores = dataset.num_classes * config.batch_size * itemsize
    # weights, gradient, and what the update needs of both; losses; scores and what the residuals need
    copies = 4 + MEMORIES[config.optimizer]
    weights = copies * dataset.num_classes * (dataset.num_features + 1) * itemsize
    on_cpu = jax.default_backend() == "cpu"
    side_by_side = 1 if on_cpu else config.num_seeds
    each = config.num_seeds * (weights + config.num_iters * itemsize) + 6 * scores * side_by_side
    if config.minibatches == "independent" and not on_cpu:
        each += config.num_seeds * config.batch_size * (dataset.num_features + 1) * itemsize
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


def segment_lengths(config: SweepConfig, dataset: Dataset, chunk: int, num_steps: int) -> list[int]:
    """Steps in each segment of `num_steps`: about a second's worth, equal where they have a divisor near that.

    From a nominal speed, not a measured one: the same problem is cut, and compiled, the same way every time.
    """
    weights = chunk * config.num_seeds * dataset.num_classes * (dataset.num_features + 1)
    flops_per_second = 1e11 if jax.default_backend() == "cpu" else 2e13
    seconds_per_step = 5e-5 + 4 * weights * config.batch_size / flops_per_second
    aim = min(max(round(1 / seconds_per_step), 1), num_steps)
    divisors = [n for n in range(aim // 2 + 1, 2 * aim) if num_steps % n == 0]
    length = min(divisors, key=lambda n: abs(math.log(n / aim)), default=aim)
    whole, rest = divmod(num_steps, length)
    return [length] * whole + [rest] * (rest > 0)
