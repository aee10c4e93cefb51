"""Many training runs at once: every learning rate with every penalty strength, for every seed.

A chunk of configurations at a time trains in one compiled program, a segment of steps after the other. Between two
segments the caller may look at the sweep, or take its state and go on from there another time.
"""

import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, fields, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int

from softjax.config import InputError, SweepConfig
from softjax.datasets import Dataset
from softjax.datasets.preprocess import Preprocessing, fit
from softjax.devices import CONFIG, DATA, fetched, mesh_of, placed
from softjax.legs import Leg, chunk_size, legs, rungs, weight_dtype
from softjax.program import Problem, Program, compiled, keys_of
from softjax.result import Part, Seconds, SweepResult, ranked
from softjax.train import Carry, Examples, Hyperparameters, examples, method, schedule

MOST_LOSSES = 2**26  # in the histories of all runs; of larger sweeps not every step is kept


@dataclass(frozen=True)
class SweepState:
    """Where a sweep stands between two segments: all that it needs to go on, on one machine to the same bits.

    - `chunk_size`: the most configurations trained at a time.
    - `parts`: the chunks that are done, rung by rung of successive halving.
    - `step`: the step at which the chunk in training, the next after `parts`, stands.
    - `carry`: the arrays of its weights and of its optimizer's memory (S, c, ...), None before its first segment.
    - `losses` (c, S, H): its histories so far.
    - `seconds`: compilation, training and evaluation so far.
    """

    chunk_size: int
    parts: tuple[Part, ...] = field(repr=False)
    step: int
    carry: tuple[np.ndarray, ...] | None = field(repr=False)
    losses: Float[np.ndarray, "c S H"] = field(repr=False)
    seconds: Seconds


@dataclass(frozen=True)
class Progress:
    """What a sweep tells its caller before the first segment, after each, and when all is evaluated."""

    step: int
    """steps done, over all chunks of configurations"""
    num_steps: int
    """steps of the whole sweep: `num_iters` for each chunk, less what successive halving saves"""
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
    mesh: Mesh | None = None,
) -> SweepResult:
    """Trains a linear classifier for every (lr, reg, seed) of `config`, and evaluates all of them.

    Each run is minibatch SGD, W ← W − lr ∇L(W), or another of `config`'s optimizers, on the objective of `softjax.loss`,
    from normal weights. The features are preprocessed as in the course: the training mean is subtracted, and a bias
    column of ones appended. All configurations of a seed share initial weights and minibatches (common random
    numbers), unless `config` says otherwise, so that they differ in lr and reg alone. On one machine the same seed
    gives the same result, bit for bit.

    **Arguments:**

    - `dataset`: raw, as `load_dataset` gives it.
    - `config`: the grid and how to train; `SweepConfig()`'s defaults suit the digits.
    - `on_progress`: called with a `Progress` before the first step, after each segment, about every second, and when all
      is evaluated, with the state of the finished sweep. What it raises ends the sweep.
    - `state`: a `Progress.state()` of an earlier sweep of this data set and configuration, from which this one
      goes on to the same result; on other devices, to rounding.
    - `mesh`: the devices, as `softjax.mesh_of` lays them out: by default all there are, each with its share of the
      configurations. Where they belong to several processes, all of these call this function alike, and all get the
      result; `Progress.state()` is then for all of them to call, or for none.

    **Returns:** a `SweepResult`. A run that diverges is marked there, and harms no other.
    """
    config = SweepConfig() if config is None else config
    with _types_of(config):
        run, state = _started(dataset, config, state, mesh or mesh_of())
        if on_progress is not None:
            on_progress(run.progress(state))
        while len(state.parts) < len(run.legs):
            state = run.trained(state, on_progress)
        if on_progress is not None:
            on_progress(run.progress(state))
        return run.result(state)


def _types_of(config: SweepConfig) -> AbstractContextManager[None]:
    """64-bit types are on exactly for a float64 sweep, whatever the caller's setting."""
    context: AbstractContextManager[None] = jax.enable_x64(config.dtype == "float64")
    return context


@dataclass(frozen=True)
class _Run:
    """A sweep under way: what is on the device, and how its work is cut."""

    config: SweepConfig
    grid: Float[np.ndarray, "2 C"]
    fitted: Preprocessing
    """in float64"""
    factors: Float[np.ndarray, " T"]
    hyper: Hyperparameters
    splits: tuple[Examples, Examples, Examples]
    preprocessing: Preprocessing
    num_classes: int
    mesh: Mesh
    legs: list[Leg]
    history_steps: np.ndarray
    load_seconds: float

    @property
    def seeds(self) -> Int[np.ndarray, " S"]:
        return self.config.seed + np.arange(self.config.num_seeds)

    def next_chunk(self, chunk_size: int, parts: tuple[Part, ...], seconds: Seconds) -> SweepState:
        """The state in which the chunk after `parts` has done none of its steps."""
        if len(parts) == len(self.legs):
            return SweepState(chunk_size, parts, self.config.num_iters, None, np.empty((0, 0, 0)), seconds)
        leg = self.legs[len(parts)]
        shape = (leg.num_configs, self.config.num_seeds, int(self._kept(leg.start, leg.end).sum()))
        losses = np.full(shape, np.nan, weight_dtype(self.config.dtype))
        return SweepState(chunk_size, parts, leg.start, None, losses, seconds)

    def _kept(self, start: int, end: int) -> np.ndarray:
        return (self.history_steps >= start) & (self.history_steps < end)

    def _rung(self, state: SweepState, rung: int) -> list[Part]:
        return [part for part, leg in zip(state.parts, self.legs, strict=False) if leg.rung == rung]

    def configs(self, state: SweepState, leg: Leg) -> Int[np.ndarray, " c"]:
        """The configurations of a leg: of those of the rung before it the better half, in order."""
        if leg.rung == 0:
            return np.arange(self.grid.shape[1])[leg.rows]
        before = self._rung(state, leg.rung - 1)
        every = np.concatenate([part.configs for part in before])
        best = ranked(np.concatenate([part.val_accuracy for part in before]))
        survivors = np.sort(every[best[: rungs(self.config)[leg.rung][1]]])
        return survivors[leg.rows]

    def _arguments(self, leg: Leg, configs: Int[np.ndarray, " c"]) -> Any:
        filled = _filled(configs, leg.size)
        rates = self.grid[:, filled].astype(weight_dtype(self.config.dtype))
        lr, reg = (placed(each, self.mesh, CONFIG) for each in rates)
        keys = keys_of(self.seeds, filled, self.config.minibatches)
        return lr, reg, placed(keys, self.mesh, *(() if keys.batch.ndim == 1 else (None, CONFIG)))

    def program(self, leg: Leg, step: int, arguments: Any) -> Program:
        """The compiled programs for a leg from `step` on."""
        lengths = tuple(sorted({*leg.lengths, *leg.remaining(step)}))
        problem = Problem(
            method(self.config, self.mesh.shape[DATA]),
            self.num_classes,
            lengths,
            self.config.minibatches,
            jax.default_backend(),
            self.mesh,
        )
        return compiled(problem, (*arguments, self.hyper, self.splits, self.preprocessing))

    def trained(self, state: SweepState, on_progress: Callable[[Progress], None] | None) -> SweepState:
        """The state after the rest of a chunk's steps, and its evaluation."""
        leg = self.legs[len(state.parts)]
        configs = self.configs(state, leg)
        lr, reg, keys = arguments = self._arguments(leg, configs)
        state, program = self._compiled(state, leg, arguments)
        start = time.perf_counter()
        carry = self._carry(state, leg, configs, program.initialize(keys, lr, self.hyper))
        state = replace(state, carry=None, losses=state.losses.copy())
        own_steps = self.history_steps[self._kept(leg.start, leg.end)]
        for length in leg.remaining(state.step):
            factors = self.factors[state.step : state.step + length]
            carry, new = program.segments[length](
                carry,
                lr,
                reg,
                keys,
                *placed((np.int32(state.step), factors), self.mesh),
                self.hyper,
                self.splits[0],
                self.preprocessing,
            )
            new = fetched(new).swapaxes(0, 1)[: leg.num_configs]
            now = (own_steps >= state.step) & (own_steps < state.step + length)
            state.losses[..., now] = new[..., own_steps[now] - state.step]
            state = replace(
                state,
                step=state.step + length,
                seconds=replace(state.seconds, train=state.seconds.train + time.perf_counter() - start),
            )
            if on_progress is not None:
                on_progress(self.progress(state, carry, new[..., -1]))
            start = time.perf_counter()
        part = self._evaluated(state, leg, configs, program, carry, reg)
        evaluate = state.seconds.evaluate + time.perf_counter() - start
        return self.next_chunk(
            state.chunk_size, (*state.parts, part), replace(state.seconds, evaluate=evaluate)
        )

    def _compiled(self, state: SweepState, leg: Leg, arguments: Any) -> tuple[SweepState, Program]:
        start = time.perf_counter()
        program = self.program(leg, state.step, arguments)
        compile = state.seconds.compile + time.perf_counter() - start
        return replace(state, seconds=replace(state.seconds, compile=compile)), program

    def _carry(self, state: SweepState, leg: Leg, configs: Int[np.ndarray, " c"], first: Carry) -> Carry:
        """Where a leg goes on from: `first` at step 0, else the arrays of `state`, or of the rung before."""
        if state.carry is not None:
            leaves = list(state.carry)
        elif leg.rung > 0:
            before = self._rung(state, leg.rung - 1)
            every = np.concatenate([part.configs for part in before])
            at = np.searchsorted(every, configs)
            leaves = [
                np.concatenate(each)[at].swapaxes(0, 1)
                for each in zip(*(part.carry for part in before), strict=True)
            ]
        else:
            return first
        full = [leaf[:, _filled(np.arange(leg.num_configs), leg.size)] for leaf in leaves]
        carry: Carry = jax.tree.unflatten(jax.tree.structure(first), placed(full, self.mesh, None, CONFIG))
        return carry

    def progress(
        self, state: SweepState, carry: Carry | None = None, last: Float[np.ndarray, "c S"] | None = None
    ) -> Progress:
        """`state`, `carry` being on the device where given, and `last` the latest losses."""
        known = np.empty(0) if last is None else last
        known = known[np.isfinite(known)]
        done, now = self.legs[: len(state.parts)], self.legs[len(state.parts) : len(state.parts) + 1]

        def copied() -> SweepState:
            arrays = state.carry
            if carry is not None:
                own = slice(self.legs[len(state.parts)].num_configs)
                arrays = tuple(np.array(fetched(leaf)[:, own]) for leaf in jax.tree.leaves(carry))
            return replace(state, carry=arrays, losses=state.losses.copy())

        return Progress(
            sum(leg.end - leg.start for leg in done) + sum(state.step - leg.start for leg in now),
            sum(leg.end - leg.start for leg in self.legs),
            sum(len(leg.lengths) for leg in done)
            + sum(len(leg.lengths) - len(leg.remaining(state.step)) for leg in now),
            sum(len(leg.lengths) for leg in self.legs),
            float(known.mean()) if known.size else math.nan,
            copied,
        )

    def _evaluated(
        self,
        state: SweepState,
        leg: Leg,
        configs: Int[np.ndarray, " own"],
        program: Program,
        carry: Carry,
        reg: Float[Array, " c"],
    ) -> Part:
        own = slice(len(configs))
        finite, penalties, hits, val, test, loss = (
            fetched(each).swapaxes(0, 1)[own]
            for each in program.evaluate(carry.W, reg, self.hyper, self.splits, self.preprocessing)
        )
        diverged = ~finite  # a loss that is not makes the weights NaN
        num_train = len(self.splits[0].y)
        train_accuracy, val_accuracy, test_accuracy, final_loss = (
            np.where(diverged, np.nan, values)
            for values in (
                hits / num_train,
                val.mean(axis=2),
                test.mean(axis=2),
                loss / num_train + penalties,
            )
        )
        best = int(ranked(val_accuracy)[0])
        kept = own if self.config.keep_weights == "all" else slice(best, best + 1)
        last = leg.rung == self.config.halvings
        # all that may go on, or the weights that are kept alone
        wanted = [carry.W[:, kept]] if last else jax.tree.leaves(carry)
        carried = [fetched(leaf).swapaxes(0, 1) for leaf in wanted]
        return Part(
            configs,
            leg.end,
            train_accuracy,
            val_accuracy,
            test_accuracy,
            val.sum(axis=1, dtype=np.uint16),
            test.sum(axis=1, dtype=np.uint16),
            final_loss,
            diverged,
            state.losses[own],
            (carried[0] if last else carried[0][kept]).swapaxes(2, 3),
            () if last else tuple(leaf[own] for leaf in carried),
        )

    def result(self, state: SweepState) -> SweepResult:
        config, C = self.config, self.grid.shape[1]
        names = [
            each.name for each in fields(Part) if each.name not in ("configs", "steps", "weights", "carry")
        ]
        columns: dict[str, np.ndarray] = {}
        steps = np.zeros(C, dtype=int)
        first = state.parts[0]
        for name in names:
            like = getattr(first, name)
            shape = (
                (C, *like.shape[1:-1], len(self.history_steps))
                if name == "loss_history"
                else (C, *like.shape[1:])
            )
            columns[name] = np.full(shape, np.nan if like.dtype.kind == "f" else 0, like.dtype)
        all_kept = config.keep_weights == "all"
        weights = np.empty((C, *first.weights.shape[1:]), first.weights.dtype) if all_kept else None
        for part, leg in zip(
            state.parts, self.legs, strict=True
        ):  # of a configuration's parts the last one counts
            for name in names:
                if name == "loss_history":
                    columns[name][
                        np.ix_(part.configs, np.arange(config.num_seeds), self._kept(leg.start, leg.end))
                    ] = part.loss_history
                else:
                    columns[name][part.configs] = getattr(part, name)
            steps[part.configs] = part.steps
            if weights is not None:
                weights[part.configs] = part.weights
        last = self._rung(state, config.halvings)
        best = int(ranked(np.concatenate([part.val_accuracy for part in last]))[0])
        chunk = last[0].configs.size
        part, row = last[best // chunk], best % chunk
        best_weights = part.weights[row if all_kept else 0][np.argmax(part.val_accuracy[row])]
        return SweepResult(
            config=config,
            learning_rate=self.grid[0],
            reg=self.grid[1],
            seed=self.seeds,
            steps=steps,
            **columns,
            history_steps=self.history_steps,
            best_weights=best_weights,
            weights=weights,
            preprocessing=self.fitted,
            grid_shape=(len(config.learning_rates), len(config.regs)) if config.search == "grid" else None,
            seconds=replace(state.seconds, load=self.load_seconds),
        )


def _started(
    dataset: Dataset, config: SweepConfig, state: SweepState | None, mesh: Mesh
) -> tuple[_Run, SweepState]:
    """A run with its data on the device and its first programs compiled, and where it goes on."""
    start = time.perf_counter()
    grid = np.array(config.configurations())
    fitted = fit(dataset.train.X, config.standardize)
    dtype = weight_dtype(config.dtype)
    numbers = (config.l1_ratio, config.init_scale, config.momentum, config.beta2, config.eps)
    train, val, test = (
        placed(examples(split, dtype), mesh) for split in (dataset.train, dataset.val, dataset.test)
    )
    if config.batch_size % mesh.shape[DATA]:
        raise InputError(
            f"batch_size must be a multiple of data_parallel, got {config.batch_size} and {mesh.shape[DATA]}"
        )
    num_devices = mesh.shape[CONFIG]
    most = chunk_size(config, dataset, num_devices) if state is None else state.chunk_size
    stride = math.ceil(grid.shape[1] * config.num_seeds * config.num_iters / MOST_LOSSES)
    run = _Run(
        config,
        grid,
        fitted,
        schedule(config),
        placed(Hyperparameters(*(jnp.asarray(number, dtype) for number in numbers)), mesh),
        (train, val, test),
        placed(jax.tree.map(lambda each: each.astype(dtype), fitted), mesh),
        dataset.num_classes,
        mesh,
        legs(config, dataset, most, num_devices),
        np.arange(0, config.num_iters, stride),
        time.perf_counter() - start,
    )
    state = state or run.next_chunk(most, (), Seconds())
    if len(state.parts) < len(run.legs):
        leg = run.legs[len(state.parts)]
        state, _ = run._compiled(state, leg, run._arguments(leg, run.configs(state, leg)))
    jax.block_until_ready(run.splits)  # type: ignore[no-untyped-call]  # copied meanwhile
    return run, state


def _filled(values: np.ndarray, size: int) -> np.ndarray:
    """`values`, the last of them repeated up to `size`."""
    return np.append(values, np.repeat(values[-1:], size - len(values)))
