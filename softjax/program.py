"""The compiled programs of a sweep: initial weights, a segment of training, evaluation.

`vmap` over the configurations of a chunk turns their weights (c, K, D) into the rows of one matrix, so that a
step is two large matrix products on the minibatch they share. Seeds are the outer axis: weights are (S, c, K, D).
"""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jax.stages import Compiled
from jaxtyping import Array, Int, Key

from softjax.config import Minibatches
from softjax.devices import CONFIG
from softjax.train import Carry, Hyperparameters, Method, evaluate, initial, penalty, train_segment


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
