"""The compiled programs of a sweep: initial weights, a segment of training, evaluation.

`vmap` over the configurations of a chunk makes their weights (c, K, D) the rows of one matrix. A step is then two large
matrix products with the minibatch that they share. Seeds are the outer axis: weights are (S, c, K, D).
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jax.stages import Compiled, Lowered
from jaxtyping import Array, Bool, Float, Int, Key

from softjax.compilation import compile_once, shape_of, start_compiling
from softjax.evaluation.examples import SCORES_AT_A_TIME, Evaluation, Examples, evaluate
from softjax.objective.penalty import penalty_value
from softjax.training.config import Minibatches
from softjax.training.devices import CONFIG
from softjax.training.step import Carry, Method, Run, Setting, Steps, initialize_run, train_segment


class ProgramSpec(NamedTuple):
    """Everything that the programs depend on, apart from the shapes and types of their arguments."""

    method: Method
    num_classes: int
    segment_lengths: tuple[int, ...]
    minibatches: Minibatches
    backend: str
    mesh: Mesh

    @property
    def shared(self) -> bool:
        """Whether the configurations of a seed share their minibatches."""
        return self.minibatches == "shared"


class Keys(NamedTuple):
    """PRNG keys of initial weights and of minibatches: (S,) if the configurations share them, else (S, c)."""

    initial: Key[Array, "..."]
    batch: Key[Array, "..."]


class Runs(NamedTuple):
    """The runs of a chunk: learning rates and penalty strengths (c,), their keys, and the folds that are held out (c,), or None."""

    lr: Float[Array, " c"]
    reg: Float[Array, " c"]
    keys: Keys
    fold: Int[Array, " c"] | None


class Validation(NamedTuple):
    """All runs of a chunk on the validation examples."""

    finite: Bool[Array, "S c"]
    """whether all weights are finite"""
    correct: Bool[Array, "S c V"]
    """which validation examples are classified correctly"""


class Evaluations(NamedTuple):
    """All runs of a chunk on the other examples."""

    penalty: Float[Array, "S c"]
    train_hits: Int[Array, "S c"]
    """number of training examples that are classified correctly"""
    test_correct: Bool[Array, "S c N"]
    train_loss: Float[Array, "S c"]
    """the sum of the weighted training losses, without the penalty"""


class Programs(NamedTuple):
    """The compiled programs that run on the devices.

    - `initialize(runs, setting)`: a `Carry` of weights (S, c, K, D).
    - `segments[T](carry, runs, steps, setting)`: the carry after the T `steps`, and the losses (S, c, T, 2), with the
      penalty and without it. `carry` is donated.
    - `validate(W, setting)`: `Validation`; called between segments, where that is cheap.
    - `evaluate(W, runs, setting)`: `Evaluations`.
    """

    initialize: Compiled
    segments: dict[int, Compiled]
    validate: Compiled
    evaluate: Compiled


def make_keys(
    seeds: Int[np.ndarray, " S"], configurations: Int[np.ndarray, " c"], minibatches: Minibatches
) -> Keys:
    """The keys of the runs of these seeds and configurations. Configurations are numbered from 0."""
    keys = jax.vmap(jax.random.key)(seeds)

    def stream(number: int) -> Key[Array, "..."]:
        own = jax.vmap(lambda key: jax.random.fold_in(key, number))(keys)
        if minibatches == "shared":
            return own
        fold = jax.vmap(jax.vmap(jax.random.fold_in, in_axes=(None, 0)), in_axes=(0, None))
        return fold(own, configurations)

    return Keys(stream(0), stream(1))


def compile_programs(spec: ProgramSpec, runs: Runs, setting: Setting) -> Programs:
    """The programs for these arguments, and for all others of the same shapes and types on the same devices."""
    return compile_once(_build, spec, (runs, setting))


def _build(spec: ProgramSpec, shapes: tuple[Runs, Setting]) -> Programs:
    runs, setting = shapes
    each_device, per_config, per_run = (PartitionSpec(*axes) for axes in ((), (CONFIG,), (None, CONFIG)))  # type: ignore[no-untyped-call]
    specs: Any = (per_config, per_config, each_device if spec.shared else per_run, per_config)
    of_runs = Runs(*specs)

    def divide(function: Callable[..., Any], arguments: Any, results: Any) -> Callable[..., Any]:
        """Applies `function` on each device to its own configurations. Devices communicate only where `function` does."""
        function = partial(function, spec)
        if spec.mesh.size == 1:
            return function
        return jax.shard_map(function, mesh=spec.mesh, in_specs=arguments, out_specs=results, check_vma=False)

    initialize = divide(_initialize, (of_runs, each_device), per_run)
    train = divide(_train, (per_run, of_runs, each_device, each_device), (per_run, per_run))
    validate = divide(_validate, (per_run, each_device), per_run)
    evaluate = divide(_evaluate, (per_run, of_runs, each_device), per_run)

    def place(shapes: Any, axes: PartitionSpec) -> Any:
        sharding = NamedSharding(spec.mesh, axes)
        return jax.tree.map(lambda leaf: shape_of(leaf.shape, leaf.dtype, sharding), shapes)

    carry = place(jax.eval_shape(initialize, runs, setting), per_run)
    out = NamedSharding(spec.mesh, per_run)
    jitted = jax.jit(train, donate_argnums=0, out_shardings=out)

    def lower_segment(length: int) -> Lowered:
        numbers: Any = (shape_of((), jnp.int32), shape_of((length,), jnp.float32))
        return jitted.lower(carry, runs, place(Steps(*numbers), each_device), setting)

    start = partial(start_compiling, dtype=str(runs.lr.dtype), backend=spec.backend)
    first = start(jax.jit(initialize, out_shardings=out).lower(runs, setting), often=False)
    between = start(jax.jit(validate).lower(carry.W, setting), often=False)
    last = start(jax.jit(evaluate).lower(carry.W, runs, setting), often=False)
    segments = {length: start(lower_segment(length), often=True) for length in spec.segment_lengths}
    return Programs(
        first.result(),
        {length: each.result() for length, each in segments.items()},
        between.result(),
        last.result(),
    )


def _initialize(spec: ProgramSpec, runs: Runs, setting: Setting) -> Carry:
    dtype = str(runs.lr.dtype)

    def one(key: Any) -> Carry:
        return initialize_run(key, spec.num_classes, dtype, setting, spec.method)

    if not spec.shared:
        own: Carry = jax.vmap(jax.vmap(one))(runs.keys.initial)
        return own
    copies: Carry = jax.tree.map(
        lambda leaf: jnp.broadcast_to(leaf[:, None], (len(leaf), len(runs.lr), *leaf.shape[1:])),
        jax.vmap(one)(runs.keys.initial),
    )
    return copies


def _train(spec: ProgramSpec, carry: Carry, runs: Runs, steps: Steps, setting: Setting) -> Any:
    # With independent minibatches the products are small, one per configuration; on CPUs a loop is faster then.
    over_configs = _loop if spec.backend == "cpu" and not spec.shared else jax.vmap

    def one(carry: Carry, lr: Any, reg: Any, fold: Any, key: Any) -> Any:
        return train_segment(carry, Run(lr, reg, key, fold), steps, setting, method=spec.method)

    def one_seed(carry: Carry, key: Any) -> Any:
        if (
            spec.shared
        ):  # the key is not mapped over the configurations, so one minibatch is drawn for all of them
            return over_configs(partial(one, key=key))(carry, runs.lr, runs.reg, runs.fold)
        return over_configs(one)(carry, runs.lr, runs.reg, runs.fold, key)

    return _over_seeds(spec)(one_seed)(carry, runs.keys.batch)


def _validate(spec: ProgramSpec, W: Any, setting: Setting) -> Validation:
    def one_seed(W: Any) -> Validation:
        found = _classify(_widen(spec, W), setting.val, setting)
        return Validation(jnp.isfinite(W).all(axis=(1, 2)), found.correct)

    validation: Validation = _over_seeds(spec)(one_seed)(W)
    return validation


def _evaluate(spec: ProgramSpec, W: Any, runs: Runs, setting: Setting) -> Evaluations:
    def one_seed(W: Any) -> Evaluations:
        def penalize(W: Any, reg: Any) -> Any:
            return penalty_value(setting.objective, reg, W, W.dtype, bias_axis=1)

        wide = _widen(spec, W)  # once, not for each split
        train, test = (_classify(wide, split, setting) for split in (setting.train, setting.test))
        hits = train.correct.sum(axis=1, dtype=jnp.int32)
        return Evaluations(jax.vmap(penalize)(W, runs.reg), hits, test.correct, train.loss)

    evaluations: Evaluations = _over_seeds(spec)(one_seed)(W)
    return evaluations


def _widen(spec: ProgramSpec, W: Float[Array, "c K D"]) -> Float[Array, "c K E"]:
    """The weights with columns of zeros before them, up to an aligned width."""
    padding = -W.shape[-1] % spec.method.align
    return jnp.pad(W, ((0, 0), (0, 0), (padding, 0))) if padding else W


def _classify(W: Float[Array, "c K E"], split: Examples, setting: Setting) -> Evaluation:
    """All runs of one seed on the examples of a split, a block at a time."""
    block = max(SCORES_AT_A_TIME // max(W.shape[0] * W.shape[1], W.shape[2]), 1)
    one = partial(
        evaluate,
        examples=split,
        preprocessing=setting.preprocessing,
        kind=setting.objective.kind,
        block=block,
    )
    found: Evaluation = jax.vmap(one)(W)
    return found


def _over_seeds(spec: ProgramSpec) -> Callable[..., Any]:
    """A loop on CPUs, else `vmap`. The configurations of one seed use all of a CPU; `vmap` adds copies, about 15 %."""
    return _loop if spec.backend == "cpu" else jax.vmap


def _loop(function: Callable[..., Any]) -> Callable[..., Any]:
    """As `jax.vmap(function)`, but one after another."""
    return lambda *arguments: lax.map(lambda each: function(*each), arguments)
