"""Many training runs at once: every learning rate with every penalty strength, for every seed.

One compiled program trains them all. `vmap` over the configurations turns their weights (C, K, D) into the
rows of one matrix, so that a step is two large matrix products on the minibatch they share.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.stages import Compiled
from jaxtyping import Bool, Float, Int, Shaped

from softjax.config import InputError, SweepConfig
from softjax.datasets import Dataset, Split
from softjax.datasets.preprocess import Preprocessing, apply, fit
from softjax.objective import scores
from softjax.train import Examples, Objective, evaluate, initial_weights, penalty, train_segment


@dataclass(frozen=True)
class Seconds:
    """Where the time went, in seconds."""

    load: float = 0.0
    compile: float = 0.0
    train: float = 0.0
    evaluate: float = 0.0


@dataclass(frozen=True)
class Progress:
    """What a sweep tells its caller after each segment."""

    step: int
    """steps done, of `num_iters`"""
    num_iters: int
    mean_loss: float
    """mean over the runs that have not diverged of the segment's last minibatch objective"""


@dataclass(frozen=True)
class SweepResult:
    """A sweep's C configurations × S seeds, as NumPy arrays.

    The configurations are the grid's in the order of two nested loops, learning rates outside; `grid` gives
    any of these arrays as (L, R, ...). Accuracies are shares, losses are in nats.

    - `learning_rate`, `reg` (C,); `seed` (S,).
    - `train_accuracy`, `val_accuracy`, `test_accuracy` (C, S): NaN where a run diverged.
    - `final_loss` (C, S): the objective, penalty included, on the whole training set at the end.
    - `diverged` (C, S): whether loss or weights stopped being finite.
    - `loss_history` (C, S, T): each step's minibatch objective, penalty included, before its update.
    - `weights` (C, S, D, K): for features preprocessed as `preprocessing` says, the bias in the last row.
    - `grid_shape`: (L, R).
    - `seconds`: load, compile, train, evaluate.
    """

    config: SweepConfig
    learning_rate: Float[np.ndarray, " C"]
    reg: Float[np.ndarray, " C"]
    seed: Int[np.ndarray, " S"]
    train_accuracy: Float[np.ndarray, "C S"]
    val_accuracy: Float[np.ndarray, "C S"]
    test_accuracy: Float[np.ndarray, "C S"]
    final_loss: Float[np.ndarray, "C S"]
    diverged: Bool[np.ndarray, "C S"]
    loss_history: Float[np.ndarray, "C S T"] = field(repr=False)
    weights: Float[np.ndarray, "C S D K"] = field(repr=False)
    preprocessing: Preprocessing = field(repr=False)
    grid_shape: tuple[int, int]
    seconds: Seconds

    @property
    def best(self) -> int:
        """The configuration with the highest validation accuracy, averaged over its seeds.

        Of equals, the first. Raises `InputError` if a seed of every configuration diverged.
        """
        mean = self.val_accuracy.mean(axis=1)
        if np.isnan(mean).all():
            raise InputError(
                "every configuration diverged: the learning rates "
                f"({min(self.learning_rate):g} to {max(self.learning_rate):g}) are too large for these "
                "features and penalty strengths; try smaller ones"
            )
        return int(np.nanargmax(mean))

    @property
    def best_seed(self) -> int:
        """The index of the best configuration's seed with the highest validation accuracy."""
        return int(np.argmax(self.val_accuracy[self.best]))

    def grid(self, name: str) -> Shaped[np.ndarray, "L R ..."]:
        """The array called `name` with the axis of configurations unfolded into learning rates × regs."""
        array: np.ndarray = getattr(self, name)
        return array.reshape(self.grid_shape + array.shape[1:])

    def scores(
        self, split: Split, config: int | None = None, seed: int | None = None
    ) -> Float[np.ndarray, "N K"]:
        """The scores (N, K) of one trained classifier on a split of the raw data set.

        **Arguments:**

        - `split`: examples as the data set holds them, not preprocessed.
        - `config`, `seed`: indices of the run; the best one's by default.
        """
        config = self.best if config is None else config
        seed = self.best_seed if seed is None else seed
        W = self.weights[config, seed]
        with _types_of(self.config):
            blocks = (jnp.asarray(split.X[i : i + 1000]) for i in range(0, len(split), 1000))
            parts = [scores(W, apply(self.preprocessing, X, W.dtype)) for X in blocks]
            return np.concatenate([np.asarray(part) for part in parts])


def sweep(
    dataset: Dataset,
    config: SweepConfig | None = None,
    *,
    on_segment: Callable[[Progress], None] | None = None,
) -> SweepResult:
    """Trains a linear classifier for every (lr, reg, seed) of `config`, and evaluates all of them.

    Each run is minibatch SGD, W ← W − lr ∇L(W), on the objective of `softjax.loss`, from normal weights. The
    features are preprocessed as in the course: the training mean is subtracted, and a bias column of ones
    appended. All configurations of a seed share initial weights and minibatches (common random numbers), so
    that they differ in lr and reg alone. On one machine the same seed gives the same result, bit for bit.

    **Arguments:**

    - `dataset`: raw, as `load_dataset` gives it.
    - `config`: the grid and how to train; `SweepConfig()`'s defaults suit the digits.
    - `on_segment`: called with a `Progress` about every second of training.

    **Returns:** a `SweepResult`. A run that diverges is marked there, and harms no other.
    """
    config = SweepConfig() if config is None else config
    seconds = Seconds()
    with _types_of(config):
        start = time.perf_counter()
        grid = np.array([(lr, reg) for lr in config.learning_rates for reg in config.regs])
        seeds = config.seed + np.arange(config.num_seeds)
        lr, reg = jnp.asarray(grid.T, config.dtype)
        keys = jax.vmap(jax.random.key)(seeds)
        preprocessing = fit(dataset.train.X, config.standardize)
        on_device = jax.tree.map(partial(jnp.asarray, dtype=config.dtype), preprocessing)
        splits = [_to_device(split, config.dtype) for split in (dataset.train, dataset.val, dataset.test)]
        jax.block_until_ready(splits)  # type: ignore[no-untyped-call]
        seconds = replace(seconds, load=time.perf_counter() - start)

        start = time.perf_counter()
        lengths = _segment_lengths(config, dataset)
        problem = _Problem(
            Objective(config.kind, config.penalty, config.l1_ratio, config.penalize_bias),
            dataset.num_classes,
            config.init_scale,
            config.batch_size,
            tuple(sorted(set(lengths))),
            config.dtype,
            jax.default_backend(),
        )
        program = _compiled(problem, *_signature((lr, reg, keys, splits, on_device)))
        seconds = replace(seconds, compile=time.perf_counter() - start)

        start = time.perf_counter()
        W = program.initialize(keys, lr)
        history = np.empty((len(lr), len(keys), config.num_iters), config.dtype)
        step = 0
        for length in lengths:
            W, losses = program.segments[length](W, lr, reg, keys, np.int32(step), splits[0], on_device)
            history[:, :, step : step + length] = np.asarray(losses).swapaxes(0, 1)
            step += length
            if on_segment is not None:
                last = history[:, :, step - 1]
                last = last[np.isfinite(last)]
                on_segment(Progress(step, config.num_iters, float(last.mean()) if last.size else math.nan))
        W.block_until_ready()
        seconds = replace(seconds, train=time.perf_counter() - start)

        start = time.perf_counter()
        finite, penalties, totals = jax.tree.map(
            lambda part: np.asarray(part).T, program.evaluate(W, reg, splits, on_device)
        )
        diverged = ~(finite & np.isfinite(history).all(axis=-1))
        accuracies = [
            np.where(diverged, np.nan, total.correct / len(split.y))
            for total, split in zip(totals, splits, strict=True)
        ]
        final_loss = totals[0].loss / len(splits[0].y) + penalties
        seconds = replace(seconds, evaluate=time.perf_counter() - start)
    return SweepResult(
        config=config,
        learning_rate=grid[:, 0],
        reg=grid[:, 1],
        seed=seeds,
        train_accuracy=accuracies[0],
        val_accuracy=accuracies[1],
        test_accuracy=accuracies[2],
        final_loss=np.where(diverged, np.nan, final_loss),
        diverged=diverged,
        loss_history=history,
        weights=np.asarray(W).transpose(1, 0, 3, 2),
        preprocessing=preprocessing,
        grid_shape=(len(config.learning_rates), len(config.regs)),
        seconds=seconds,
    )


@contextmanager
def _types_of(config: SweepConfig) -> Iterator[None]:
    """64-bit types are on exactly for a float64 sweep, whatever the caller's setting."""
    with jax.enable_x64(config.dtype == "float64"):
        yield


def _to_device(split: Split, dtype: str) -> Examples:
    """Pixels stay uint8; other features take the type of the weights."""
    return Examples(jnp.asarray(split.X, None if split.X.dtype == np.uint8 else dtype), jnp.asarray(split.y))


def _segment_lengths(config: SweepConfig, dataset: Dataset) -> list[int]:
    """Steps in each segment: about a second's worth, equal where `num_iters` has a divisor near that.

    From a nominal speed, not a measured one: the same problem is cut, and compiled, the same way every time.
    """
    runs = len(config.learning_rates) * len(config.regs) * config.num_seeds
    weights = runs * dataset.num_classes * (dataset.num_features + 1)
    flops_per_second = 1e11 if jax.default_backend() == "cpu" else 2e13
    seconds_per_step = 5e-5 + 4 * weights * config.batch_size / flops_per_second
    aim = min(max(round(1 / seconds_per_step), 1), config.num_iters)
    divisors = [n for n in range(aim // 2 + 1, 2 * aim) if config.num_iters % n == 0]
    length = min(divisors, key=lambda n: abs(math.log(n / aim)), default=aim)
    whole, rest = divmod(config.num_iters, length)
    return [length] * whole + [rest] * (rest > 0)


class _Problem(NamedTuple):
    """All that a compiled program depends on besides the shapes and types of its arguments."""

    objective: Objective
    num_classes: int
    init_scale: float
    batch_size: int
    segment_lengths: tuple[int, ...]
    dtype: str
    backend: str


class _Program(NamedTuple):
    initialize: Compiled
    segments: dict[int, Compiled]
    evaluate: Compiled


def _signature(arguments: Any) -> tuple[tuple[jax.ShapeDtypeStruct, ...], Any]:
    leaves, structure = jax.tree.flatten(arguments)
    return tuple(_shape(leaf.shape, leaf.dtype) for leaf in leaves), structure


def _shape(shape: tuple[int, ...], dtype: Any) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, dtype)  # type: ignore[no-untyped-call]


@lru_cache(maxsize=8)
def _compiled(problem: _Problem, leaves: tuple[jax.ShapeDtypeStruct, ...], structure: Any) -> _Program:
    """The three programs of a sweep, compiled ahead for arguments of these shapes.

    Inside, the seeds are the outer axis, and weights are (S, C, K, D).
    """
    lr, reg, keys, splits, preprocessing = jax.tree.unflatten(structure, leaves)
    over_seeds: Callable[..., Any] = jax.vmap if problem.backend != "cpu" else _one_after_another
    kind, num_weights = problem.objective.kind, splits[0].X.shape[1] + 1

    def initialize(keys: Any, lr: Any) -> Any:
        def one(key: Any) -> Any:
            W = initial_weights(key, problem.num_classes, num_weights, problem.init_scale, problem.dtype)
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
        )
        # The key is not mapped over the configurations: one minibatch serves them all.
        grid = jax.vmap(run, in_axes=(0, 0, 0, None, None, None, None))
        return over_seeds(lambda W, key: grid(W, lr, reg, key, start, train, preprocessing))(W, keys)

    def evaluate_all(W: Any, reg: Any, splits: Any, preprocessing: Any) -> Any:
        def one_seed(W: Any) -> Any:
            finite = jnp.isfinite(W).all(axis=(1, 2))
            penalties = jax.vmap(partial(penalty, objective=problem.objective))(W, reg)
            chunk = max(2**23 // max(W.shape[0] * W.shape[1], W.shape[2]), 1)  # some 32 MB of scores
            totals = [
                jax.vmap(
                    partial(
                        evaluate,
                        examples=split,
                        preprocessing=preprocessing,
                        kind=kind,
                        chunk=min(chunk, len(split.y)),
                    )
                )(W)
                for split in splits
            ]
            return finite, penalties, totals

        return over_seeds(one_seed)(W)

    W = jax.eval_shape(initialize, keys, lr)
    start = _shape((), jnp.int32)
    return _Program(
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
