"""A running sweep: its chunks, one after another, are trained, validated and evaluated."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np
from jaxtyping import Bool, Float, Int

from softjax.training.config import weight_dtype
from softjax.training.devices import CONFIG, DATA, fetch, place
from softjax.training.plan import Chunk, rungs
from softjax.training.prepare import SweepRun
from softjax.training.programs import Programs, ProgramSpec, Runs, compile_programs, make_keys
from softjax.training.result import rank
from softjax.training.state import ChunkResult, Progress, Seconds, SweepState
from softjax.training.step import Carry, Steps, choose_method

VALIDATION_SHARE = 1 / 40  # of the time of training that validation between segments may take

OnProgress = Callable[[Progress], None] | None


def begin_chunk(
    run: SweepRun, chunk_size: int, parts: tuple[ChunkResult, ...], seconds: Seconds
) -> SweepState:
    """The state before the first step of the chunk after `parts`, or the final state if all chunks are done."""
    config, left = run.config, run.chunks[len(parts) :]
    step, num_configs = (left[0].start, left[0].num_configs) if left else (config.num_iters, 0)
    losses = np.empty((num_configs, config.num_seeds, 0, 2), weight_dtype(config.dtype))
    return SweepState(chunk_size, parts, step, None, losses, seconds, run.origin)


def compile_chunk(run: SweepRun, state: SweepState) -> Programs:
    """The compiled programs for the rest of the current chunk of `state`."""
    chunk = run.chunks[len(state.parts)]
    return _compile(run, chunk, state.step, _place_runs(run, chunk, _pick_configs(run, state.parts, chunk)))


def train_chunk(run: SweepRun, state: SweepState, on_progress: OnProgress) -> SweepState:
    """Trains the rest of the current chunk, evaluates it, and returns the state after it."""
    chunk = run.chunks[len(state.parts)]
    configs = _pick_configs(run, state.parts, chunk)
    start = time.perf_counter()
    runs = _place_runs(run, chunk, configs)
    programs = _compile(run, chunk, state.step, runs)
    seconds = replace(state.seconds, compile=state.seconds.compile + time.perf_counter() - start)

    start = time.perf_counter()
    carry = _place_carry(run, state, chunk, configs, programs.initialize(runs, run.setting))
    step, losses, since, accuracy = state.step, [state.losses], 0, None
    for length in chunk.remaining(step):
        numbers: Any = place((np.int32(step), run.factors[step : step + length]), run.mesh)
        carry, new = programs.segments[length](carry, runs, Steps(*numbers), run.setting)
        new = fetch(new).swapaxes(0, 1)[_whole(run, chunk.num_configs)]
        losses.append(new[:, :, run.kept_steps(step, step + length) - step])
        step += length
        seconds = replace(seconds, train=seconds.train + time.perf_counter() - start)
        start, since = time.perf_counter(), since + length
        if on_progress is not None:
            if _is_cheap(run, since):
                since, accuracy = 0, _validate(run, chunk.num_configs, programs, carry).accuracy
            seconds = replace(seconds, evaluate=seconds.evaluate + time.perf_counter() - start)
            now = replace(state, step=step, carry=None, seconds=seconds)
            on_progress(describe(run, now, carry, losses, new[:, :, -1, 0], accuracy))
            start = time.perf_counter()
    part = _evaluate_chunk(run, chunk, configs, programs, carry, runs, np.concatenate(losses, axis=2))
    seconds = replace(seconds, evaluate=seconds.evaluate + time.perf_counter() - start)
    return begin_chunk(run, state.chunk_size, (*state.parts, part), seconds)


def describe(
    run: SweepRun,
    state: SweepState,
    carry: Carry | None = None,
    losses: list[np.ndarray] | None = None,
    last: Float[np.ndarray, "c S"] | None = None,
    accuracy: Float[np.ndarray, "c S"] | None = None,
) -> Progress:
    """The progress to report for `state`.

    **Arguments:**

    - `carry`: on the devices; replaces that of `state`.
    - `losses`: of each segment; replace those of `state`.
    - `last`: the objective at the last step.
    - `accuracy`: the validation accuracy of the current chunk, where it is known already.
    """
    losses_now = np.empty(0) if last is None else last[np.isfinite(last)]
    lost = 0 if last is None else int(last.size - losses_now.size)
    finished = sum(int(part.diverged.sum()) for part in state.parts)
    done, now = run.chunks[: len(state.parts)], run.chunks[len(state.parts) : len(state.parts) + 1]

    def copy() -> SweepState:
        if carry is None or losses is None:
            return state
        own = slice(run.chunks[len(state.parts)].num_configs * run.config.runs_per_seed)
        arrays = tuple(np.array(fetch(leaf)[:, own]) for leaf in jax.tree.leaves(carry))
        return replace(state, carry=arrays, losses=np.concatenate(losses, axis=2))

    return Progress(
        sum(chunk.end - chunk.start for chunk in done) + sum(state.step - chunk.start for chunk in now),
        sum(chunk.end - chunk.start for chunk in run.chunks),
        sum(len(chunk.lengths) for chunk in done)
        + sum(len(chunk.lengths) - len(chunk.remaining(state.step)) for chunk in now),
        sum(len(chunk.lengths) for chunk in run.chunks),
        float(np.median(losses_now)) if losses_now.size else math.nan,
        finished + lost,
        _find_best(run, state.parts, accuracy),
        copy,
    )


def _find_best(
    run: SweepRun, parts: tuple[ChunkResult, ...], accuracy: Float[np.ndarray, "c S"] | None
) -> tuple[float, float, float] | None:
    """The highest accuracy of the last rung so far, with its learning rate and penalty strength."""
    begun = run.chunks[: len(parts) + (accuracy is not None)]
    rung = max((chunk.rung for chunk in begun), default=0)
    known = [(part.configs, part.val_accuracy) for part in parts_of_rung(run, parts, rung)]
    if accuracy is not None:
        known.append((_pick_configs(run, parts, begun[-1]), accuracy))
    means = [
        (float(mean), -int(config))
        for configs, values in known
        for config, mean in zip(configs, values.mean(axis=1), strict=True)
        if math.isfinite(mean)
    ]
    if not means:
        return None
    mean, config = max(means)
    return mean, float(run.grid[0, -config]), float(run.grid[1, -config])


def parts_of_rung(run: SweepRun, parts: tuple[ChunkResult, ...], rung: int) -> list[ChunkResult]:
    """The finished `parts` of a rung of successive halving."""
    return [part for part, chunk in zip(parts, run.chunks, strict=False) if chunk.rung == rung]


def _pick_configs(run: SweepRun, parts: tuple[ChunkResult, ...], chunk: Chunk) -> Int[np.ndarray, " c"]:
    """The configurations of a chunk, in order. After the first rung they are from the better half of the rung before."""
    if chunk.rung == 0:
        return np.arange(run.grid.shape[1])[chunk.rows]
    before = parts_of_rung(run, parts, chunk.rung - 1)
    configs = np.concatenate([part.configs for part in before])
    best = rank(np.concatenate([part.val_accuracy for part in before]))
    survivors = np.sort(configs[best[: rungs(run.config)[chunk.rung][1]]])
    return survivors[chunk.rows]


def _place_runs(run: SweepRun, chunk: Chunk, configs: Int[np.ndarray, " c"]) -> Runs:
    """The runs of a chunk. With cross-validation those of a configuration stand side by side, that with all examples last."""
    folds = run.config.runs_per_seed
    filled = np.repeat(_fill(configs, chunk.size), folds)
    rates = run.grid[:, filled].astype(weight_dtype(run.config.dtype))
    lr, reg = (place(each, run.mesh, CONFIG) for each in rates)
    keys = make_keys(run.seeds, filled, run.config.minibatches)
    fold: Any = None
    if run.config.folds:
        fold = place(np.tile(np.arange(folds, dtype=np.int32), chunk.size), run.mesh, CONFIG)
    return Runs(lr, reg, place(keys, run.mesh, *(() if keys.batch.ndim == 1 else (None, CONFIG))), fold)


def _whole(run: SweepRun, num_configs: int) -> slice:
    """Of the runs of `num_configs` configurations, those that are trained with all examples."""
    folds = run.config.runs_per_seed
    return slice(folds - 1, num_configs * folds, folds)


def _compile(run: SweepRun, chunk: Chunk, step: int, runs: Runs) -> Programs:
    backend = jax.default_backend()
    spec = ProgramSpec(
        choose_method(run.config, run.mesh.shape[DATA], backend, run.setting.train.X.shape[1] + 1),
        len(run.schema.classes),
        tuple(sorted({*chunk.lengths, *chunk.remaining(step)})),
        run.config.minibatches,
        backend,
        run.mesh,
    )
    return compile_programs(spec, runs, run.setting)


def _place_carry(
    run: SweepRun, state: SweepState, chunk: Chunk, configs: Int[np.ndarray, " c"], first: Carry
) -> Carry:
    """The carry that a chunk starts from: that of `state`, or of the rung before, or else `first`."""
    if state.carry is not None:
        leaves = list(state.carry)
    elif chunk.rung > 0:
        before = parts_of_rung(run, state.parts, chunk.rung - 1)
        at = np.searchsorted(np.concatenate([part.configs for part in before]), configs)
        carries = zip(*(part.carry for part in before), strict=True)
        leaves = [np.concatenate(each)[at].swapaxes(0, 1) for each in carries]
    else:
        return first
    folds = run.config.runs_per_seed
    rows = folds * np.repeat(_fill(np.arange(chunk.num_configs), chunk.size), folds)
    full = [leaf[:, rows + np.tile(np.arange(folds), chunk.size)] for leaf in leaves]
    carry: Carry = jax.tree.unflatten(jax.tree.structure(first), place(full, run.mesh, None, CONFIG))
    return carry


@dataclass(frozen=True)
class _Validated:
    """A chunk on the validation examples: what diverged, and which examples are classified correctly."""

    diverged: Bool[np.ndarray, "c S"]
    correct: Bool[np.ndarray, "c S V"]

    @property
    def accuracy(self) -> Float[np.ndarray, "c S"]:
        """NaN where a run diverged."""
        return np.where(self.diverged, np.nan, self.correct.mean(axis=2))

    def of_folds(self, folds: Int[np.ndarray, " V"], count: int) -> Float[np.ndarray, "c S F"]:
        """The accuracy on each fold; NaN where a run diverged."""
        known = [self.correct[..., folds == fold].mean(axis=-1) for fold in range(count)]
        return np.where(self.diverged[..., None], np.nan, np.stack(known, axis=-1))


def _is_cheap(run: SweepRun, steps: int) -> bool:
    """Whether validation examples take little time beside these steps, each with two products of its minibatch.

    Devices divide a minibatch, but each validates with all examples. Of several processes only some may report progress, and
    they would have to validate together: there it never is.
    """
    of_device = run.config.batch_size / int(run.mesh.shape[DATA])
    return len(run.setting.val.y) <= VALIDATION_SHARE * 2 * steps * of_device and jax.process_count() == 1


def _validate(run: SweepRun, num_configs: int, programs: Programs, carry: Carry) -> _Validated:
    """Each example by the run that did not train on it, which with cross-validation is that of its fold."""
    all_runs = slice(num_configs * run.config.runs_per_seed)
    found = programs.validate(carry.W, run.setting)
    # a loss that is not finite makes the weights NaN
    diverged, correct = (fetch(each).swapaxes(0, 1)[all_runs] for each in (~found.finite, found.correct))
    if run.config.folds:
        diverged = np.any(diverged.reshape(num_configs, -1, *diverged.shape[1:]), axis=1)
        folds = np.asarray(fetch(run.setting.folds))
        by_fold = correct.reshape(num_configs, -1, *correct.shape[1:])  # (c, F + 1, S, V)
        correct = by_fold[:, folds, :, np.arange(len(folds))].transpose(1, 2, 0)
    return _Validated(diverged, correct)


def _evaluate_chunk(
    run: SweepRun,
    chunk: Chunk,
    configs: Int[np.ndarray, " c"],
    programs: Programs,
    carry: Carry,
    runs: Runs,
    losses: Float[np.ndarray, "c S H 2"],
) -> ChunkResult:
    all_runs, whole = slice(len(configs) * run.config.runs_per_seed), _whole(run, len(configs))
    held_out = _validate(run, len(configs), programs, carry)
    found = jax.tree.map(
        lambda each: fetch(each).swapaxes(0, 1)[whole], programs.evaluate(carry.W, runs, run.setting)
    )
    num_train = len(run.setting.train.y)
    fold_accuracy = np.empty((*held_out.diverged.shape, 0))
    if run.config.folds:
        fold_accuracy = held_out.of_folds(np.asarray(fetch(run.setting.folds)), run.config.folds)

    def unless_diverged(values: np.ndarray) -> np.ndarray:
        return np.where(held_out.diverged, np.nan, values)

    best = int(rank(held_out.accuracy)[0])
    row = whole.start + best * whole.step
    kept = whole if run.config.keep_weights == "all" else slice(row, row + 1)
    last = chunk.rung == run.config.halvings
    # the last rung needs only the weights that are kept; another one all that the next rung may start from
    wanted: list[Any] = [carry.W[:, kept]] if last else jax.tree.leaves(carry)
    carried = [fetch(leaf).swapaxes(0, 1) for leaf in wanted]
    return ChunkResult(
        configs=configs,
        steps=chunk.end,
        train_accuracy=unless_diverged(found.train_hits / num_train),
        val_accuracy=held_out.accuracy,
        test_accuracy=unless_diverged(found.test_correct.mean(axis=2)),
        val_hits=held_out.correct.sum(axis=1, dtype=np.uint16),
        test_hits=found.test_correct.sum(axis=1, dtype=np.uint16),
        final_loss=unless_diverged(found.train_loss / num_train + found.penalty),
        diverged=held_out.diverged,
        fold_accuracy=fold_accuracy,
        losses=losses,
        weights=(carried[0] if last else carried[0][kept]).swapaxes(2, 3),
        carry=() if last else tuple(leaf[all_runs] for leaf in carried),
    )


def _fill(values: np.ndarray, size: int) -> np.ndarray:
    """`values`, with the last one repeated up to `size`."""
    return np.append(values, np.repeat(values[-1:], size - len(values)))
