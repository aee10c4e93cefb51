"""Many training runs at once: every learning rate with every penalty strength, for every seed.

A chunk of configurations at a time trains in one compiled program, a segment of steps after the other. Between two
segments the caller may look at the sweep, or take its state and go on from there another time.
"""

import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, fields, replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from softjax.config import SweepConfig
from softjax.datasets import Dataset, Split
from softjax.datasets.preprocess import Preprocessing, fit
from softjax.program import (
    Problem,
    Program,
    chunk_size,
    compiled,
    segment_lengths,
    weight_dtype,
)
from softjax.result import Part, Seconds, SweepResult, best_of
from softjax.train import Examples, Objective

MOST_LOSSES = 2**26  # in the histories of all runs; of larger sweeps not every step is kept


@dataclass(frozen=True)
class SweepState:
    """Where a sweep stands between two segments: all that it needs to go on, on one machine to the same bits.

    - `chunk_size`: c, the configurations trained at a time.
    - `parts`: the chunks that are done.
    - `step`: steps done of the chunk in training, the next after `parts`.
    - `W` (S, c, K, D): its weights, None before the first step.
    - `losses` (c, S, H): its histories so far.
    - `seconds`: training and evaluation so far.
    """

    chunk_size: int
    parts: tuple[Part, ...] = field(repr=False)
    step: int
    W: Float[np.ndarray, "S c K D"] | None = field(repr=False)
    losses: Float[np.ndarray, "c S H"] = field(repr=False)
    seconds: Seconds


@dataclass(frozen=True)
class Progress:
    """What a sweep tells its caller before the first segment and after each."""

    step: int
    """steps done, over all chunks of configurations"""
    num_steps: int
    """steps of the whole sweep: `num_iters` for each chunk"""
    segment: int
    """segments done"""
    num_segments: int
    mean_loss: float
    """mean over the chunk's runs that have not diverged of the segment's last minibatch objective; NaN where there is
    none"""
    state: Callable[[], SweepState] = field(repr=False)
    """copies the sweep's state; to be called before the next segment begins"""


def sweep(
    dataset: Dataset,
    config: SweepConfig | None = None,
    *,
    on_progress: Callable[[Progress], None] | None = None,
    state: SweepState | None = None,
) -> SweepResult:
    """Trains a linear classifier for every (lr, reg, seed) of `config`, and evaluates all of them.

    Each run is minibatch SGD, W ← W − lr ∇L(W), on the objective of `softjax.loss`, from normal weights. The
    features are preprocessed as in the course: the training mean is subtracted, and a bias column of ones
    appended. All configurations of a seed share initial weights and minibatches (common random numbers), so
    that they differ in lr and reg alone. On one machine the same seed gives the same result, bit for bit.

    **Arguments:**

    - `dataset`: raw, as `load_dataset` gives it.
    - `config`: the grid and how to train; `SweepConfig()`'s defaults suit the digits.
    - `on_progress`: called with a `Progress` before the first step, and then after each segment, about every second.
      What it raises ends the sweep.
    - `state`: a `Progress.state()` of an earlier sweep of this data set and configuration, from which this one
      goes on to the same result.

    **Returns:** a `SweepResult`. A run that diverges is marked there, and harms no other.
    """
    config = SweepConfig() if config is None else config
    with _types_of(config):
        run = _started(dataset, config, state)
        state = state or run.first_state()
        if on_progress is not None:
            on_progress(run.progress(state))
        while len(state.parts) < len(run.chunks):
            state = run.trained(state, on_progress)
        return run.result(state)


def _types_of(config: SweepConfig) -> AbstractContextManager[None]:
    """64-bit types are on exactly for a float64 sweep, whatever the caller's setting."""
    context: AbstractContextManager[None] = jax.enable_x64(config.dtype == "float64")
    return context


@dataclass(frozen=True)
class _Run:
    """A sweep under way: what is on the device, the compiled programs, and how the steps are cut."""

    config: SweepConfig
    grid: Float[np.ndarray, "C 2"]
    fitted: Preprocessing
    """in float64"""
    chunks: Float[np.ndarray, "P 2 c"]
    keys: Key[Array, " S"]
    splits: tuple[Examples, Examples, Examples]
    preprocessing: Preprocessing
    program: Program
    lengths: list[int]
    history_steps: np.ndarray
    load_seconds: float
    compile_seconds: float

    def first_state(self) -> SweepState:
        shape = (self.chunks.shape[2], len(self.keys))
        losses = np.full((*shape, len(self.history_steps)), np.nan, weight_dtype(self.config.dtype))
        return SweepState(shape[0], (), 0, None, losses, Seconds())

    def trained(self, state: SweepState, on_progress: Callable[[Progress], None] | None) -> SweepState:
        """The state after the rest of a chunk's steps, and its evaluation."""
        lr, reg = self.chunks[len(state.parts)]
        start = time.perf_counter()
        # a copy, since the segments reuse the memory of their argument
        W = self.program.initialize(self.keys, lr) if state.W is None else jnp.array(state.W)
        state = replace(state, W=None, losses=state.losses.copy())
        for length in _remaining(self.lengths, state.step):
            W, new = self.program.segments[length](
                W, lr, reg, self.keys, np.int32(state.step), self.splits[0], self.preprocessing
            )
            new = np.asarray(new).swapaxes(0, 1)
            now = (self.history_steps >= state.step) & (self.history_steps < state.step + length)
            state.losses[..., now] = new[..., self.history_steps[now] - state.step]
            state = replace(
                state,
                step=state.step + length,
                seconds=replace(state.seconds, train=state.seconds.train + time.perf_counter() - start),
            )
            if on_progress is not None:
                on_progress(self.progress(state, W, new[..., -1]))
            start = time.perf_counter()
        parts = (*state.parts, self._evaluated(state, W, reg))
        evaluate = state.seconds.evaluate + time.perf_counter() - start
        return replace(self.first_state(), parts=parts, seconds=replace(state.seconds, evaluate=evaluate))

    def progress(
        self, state: SweepState, W: Array | None = None, last: Float[np.ndarray, "c S"] | None = None
    ) -> Progress:
        """`state`, its weights being `W` on the device where given, and `last` the latest losses."""
        chunks, segments = len(self.chunks), len(self.lengths)
        known = np.empty(0) if last is None else last[self._own(state)]
        known = known[np.isfinite(known)]
        return Progress(
            len(state.parts) * self.config.num_iters + state.step,
            chunks * self.config.num_iters,
            len(state.parts) * segments + segments - len(_remaining(self.lengths, state.step)),
            chunks * segments,
            float(known.mean()) if known.size else math.nan,
            lambda: replace(state, W=state.W if W is None else np.array(W), losses=state.losses.copy()),
        )

    def _own(self, state: SweepState) -> slice:
        """The configurations of the chunk in training, without those that fill up the last one."""
        return slice(len(self.grid) - len(state.parts) * state.chunk_size)

    def _evaluated(self, state: SweepState, W: Array, reg: Float[np.ndarray, " c"]) -> Part:
        finite, penalties, totals = jax.tree.map(
            lambda part: np.asarray(part).T, self.program.evaluate(W, reg, self.splits, self.preprocessing)
        )
        diverged = ~finite  # a loss that is not makes the weights NaN
        accuracies = [
            np.where(diverged, np.nan, total.correct / len(split.y))
            for total, split in zip(totals, self.splits, strict=True)
        ]
        final_loss = np.where(diverged, np.nan, totals[0].loss / len(self.splits[0].y) + penalties)
        own = self._own(state)
        best = best_of(accuracies[1][own])
        kept = own if self.config.keep_weights == "all" else slice(best, best + 1)
        weights = np.asarray(W[:, kept]).transpose(1, 0, 3, 2)
        train, val, test = accuracies
        columns = (values[own] for values in (train, val, test, final_loss, diverged, state.losses))
        return Part(*columns, weights)  # type: ignore[call-arg]

    def result(self, state: SweepState) -> SweepResult:
        config = self.config
        joined = {
            part.name: np.concatenate([getattr(each, part.name) for each in state.parts])
            for part in fields(Part)
        }
        weights, all_kept = joined.pop("weights"), config.keep_weights == "all"
        best = best_of(joined["val_accuracy"])
        best_weights = weights[best if all_kept else best // state.chunk_size]
        return SweepResult(
            config=config,
            learning_rate=self.grid[:, 0],
            reg=self.grid[:, 1],
            seed=_seeds(config),
            **joined,
            history_steps=self.history_steps,
            best_weights=best_weights[np.argmax(joined["val_accuracy"][best])],
            weights=weights if all_kept else None,
            preprocessing=self.fitted,
            grid_shape=(len(config.learning_rates), len(config.regs)),
            seconds=replace(state.seconds, load=self.load_seconds, compile=self.compile_seconds),
        )


def _started(dataset: Dataset, config: SweepConfig, state: SweepState | None) -> _Run:
    """A run with its data on the device and its programs compiled, `state` being where it goes on."""
    start = time.perf_counter()
    grid = np.array([(lr, reg) for lr in config.learning_rates for reg in config.regs])
    fitted = fit(dataset.train.X, config.standardize)
    dtype = weight_dtype(config.dtype)
    preprocessing = jax.tree.map(partial(jnp.asarray, dtype=dtype), fitted)
    splits = (
        _to_device(dataset.train, dtype),
        _to_device(dataset.val, dtype),
        _to_device(dataset.test, dtype),
    )
    chunk = chunk_size(config, dataset) if state is None else state.chunk_size
    num_chunks = math.ceil(len(grid) / chunk)
    # The last chunk is filled up with the last configuration, so that one program serves all.
    filled = np.concatenate([grid, np.repeat(grid[-1:], num_chunks * chunk - len(grid), axis=0)])
    chunks = filled.astype(dtype).reshape(num_chunks, chunk, 2).swapaxes(1, 2)
    keys = jax.vmap(jax.random.key)(_seeds(config))
    load_seconds = time.perf_counter() - start

    start = time.perf_counter()
    lengths = segment_lengths(config, dataset, chunk)
    problem = Problem(
        Objective(config.kind, config.penalty, config.l1_ratio, config.penalize_bias),
        dataset.num_classes,
        config.init_scale,
        config.batch_size,
        tuple(sorted({*lengths, *_remaining(lengths, 0 if state is None else state.step)})),
        config.dtype,
        config.precision,
        jax.default_backend(),
    )
    program = compiled(problem, (chunks[0, 0], chunks[0, 1], keys, splits, preprocessing))
    jax.block_until_ready(splits)  # type: ignore[no-untyped-call]  # copied meanwhile
    stride = math.ceil(len(grid) * config.num_seeds * config.num_iters / MOST_LOSSES)
    return _Run(
        config,
        grid,
        fitted,
        chunks,
        keys,
        splits,
        preprocessing,
        program,
        lengths,
        np.arange(0, config.num_iters, stride),
        load_seconds,
        time.perf_counter() - start,
    )


def _seeds(config: SweepConfig) -> np.ndarray:
    return config.seed + np.arange(config.num_seeds)


def _remaining(lengths: list[int], step: int) -> list[int]:
    """The segments after `step`, the first of them what is left of one if `step` lies within it."""
    ends = np.cumsum(lengths)
    remaining: list[int] = np.diff(ends[ends > step], prepend=step).tolist()
    return remaining


def _to_device(split: Split, dtype: str) -> Examples:
    """Pixels stay uint8; other features take the type of the weights."""
    return Examples(jnp.asarray(split.X, None if split.X.dtype == np.uint8 else dtype), jnp.asarray(split.y))
