"""The sweeps that reproduce what the seeds trained: stages, each kept on disk, so that none is run twice."""

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from seeds import published
from softjax import Dataset, Split, SweepConfig, SweepResult, sweep
from softjax.cli.training import trained
from softjax.objective.config import Kind, PenaltyName
from softjax.ranges import parse_range
from softjax.training import checkpoint

FAITHFUL, SHARED = "grid-independent", "grid-shared"
COURSE_CELL = {"learning_rates": (1e-7,), "regs": (2.5e4,)}  # the first of everybody's grid
WIDE_RATES, WIDE_REGS = parse_range("log:1e-7:3.2e-6:6"), parse_range("log:1e2:1e5:7")


@dataclass(frozen=True)
class Stage:
    """One sweep."""

    name: str
    title: str
    config: SweepConfig

    @property
    def runs(self) -> int:
        return self.config.num_configurations * self.config.num_seeds


def assignment(kind: Kind, penalty: PenaltyName) -> str:
    """The name of 000's stage of that loss and penalty."""
    return f"assignment-{kind}-{penalty.replace('_', '-')}"


def wide(kind: Kind) -> str:
    """The name of the stage that looks for 001's accuracy."""
    return f"wide-{kind}"


def curve(kind: Kind) -> str:
    """The name of the stage of 001's loss curve."""
    return f"curve-{kind}"


def stages(num_seeds: int, num_iters: int | None) -> tuple[Stage, ...]:
    """All of them; `num_iters` in place of each seed's own number of steps.

    003's runs are those of the seeds 0, 1, ...; 000's have other ones for each loss, so that they are independent.
    """
    steps = num_iters or 1500
    grid = SweepConfig(
        learning_rates=published.LEARNING_RATES,
        regs=published.REGS,
        num_iters=steps,
        batch_size=200,
        init_scale=1e-3,
        num_seeds=num_seeds,
        minibatches="independent",
    )
    four = replace(
        grid,
        learning_rates=published.ASSIGNMENT_LEARNING_RATES,
        regs=published.ASSIGNMENT_REGS,
        num_iters=num_iters or published.ASSIGNMENT_STEPS,
    )
    few = max(2, num_seeds // 4)
    half = replace(grid, penalty="half_l2", minibatches="shared")
    names = {"softmax": "softmax", "hinge": "SVM"}
    penalties: dict[PenaltyName, str] = {"l2": "reg ΣW²", "half_l2": "½ reg ΣW²"}
    kinds: tuple[Kind, ...] = ("softmax", "hinge")
    return (
        Stage(FAITHFUL, "003's grid, each run with weights and minibatches of its own", grid),
        Stage(
            SHARED,
            "003's grid, weights and minibatches shared within a seed",
            replace(grid, minibatches="shared"),
        ),
        *(
            Stage(
                assignment(kind, penalty),
                f"000's grid, {names[kind]}, {penalties[penalty]}",
                replace(four, kind=kind, penalty=penalty, seed=1000 * (1 + 2 * k + p)),
            )
            for k, kind in enumerate(kinds)
            for p, penalty in enumerate(penalties)
        ),
        *(
            Stage(
                wide(kind),
                f"a wider grid for 001, {names[kind]}, ½ reg ΣW²",
                replace(half, kind=kind, num_seeds=few, learning_rates=WIDE_RATES, regs=WIDE_REGS),
            )
            for kind in kinds
        ),
        *(
            Stage(
                curve(kind),
                f"001's loss curve, {names[kind]}, ½ reg ΣW²",
                replace(half, kind=kind, num_seeds=1, **COURSE_CELL),  # type: ignore[arg-type]
            )
            for kind in kinds
        ),
    )


def stage_folder(partial: Path, stage: Stage) -> Path:
    """Where a stage is kept while the report grows."""
    return checkpoint.stage(partial, stage.name)


def run(dataset: Dataset, stage: Stage, partial: Path) -> SweepResult:
    """A stage's result: from where its checkpoint stands, which is its end where it is done.

    Raises `InputError` where the checkpoint is another sweep's, and `KeyboardInterrupt` where it is stopped.
    """
    folder, identity = stage_folder(partial, stage), checkpoint.identity(stage.config, dataset)
    if checkpoint.exists(folder):
        state = checkpoint.load(folder, identity)
    else:
        checkpoint.check_space(folder, stage.config, dataset)
        checkpoint.start(folder, identity)
        state = None
    return trained(dataset, stage.config, state, folder, keep_last=True, desc=stage.name)


def run_all(dataset: Dataset, every: Sequence[Stage], partial: Path) -> dict[str, SweepResult]:
    """The results of all stages by name, those done before loaded; says what comes and how long it is to take."""
    fresh = [stage for stage in every if not checkpoint.exists(stage_folder(partial, stage))]
    estimate = estimated_seconds(dataset, fresh)
    if fresh:
        _say(f"{len(fresh)} of {len(every)} sweeps to start, about {sum(estimate.values()) / 60:.0f} minutes")
    results = {}
    for number, stage in enumerate(every, start=1):
        took = estimate.get(stage.name)
        about = "goes on, or is done" if took is None else f"about {took / 60:.1f} minutes"
        _say(f"{number} of {len(every)}: {stage.title}; {stage.runs:,} runs, {about}")
        start = time.perf_counter()
        results[stage.name] = run(dataset, stage, partial)
        _say(f"    {time.perf_counter() - start:.1f} s")
    return results


def estimated_seconds(dataset: Dataset, every: Sequence[Stage]) -> Mapping[str, float]:
    """About how long each stage takes, from a few steps of each way of drawing minibatches."""
    if not every:
        return {}
    short = replace(dataset, train=Split(dataset.train.X[:2000], dataset.train.y[:2000]))
    step, evaluation = {}, 0.0
    for way in {stage.config.minibatches for stage in every}:
        config = replace(
            stages(1, 20)[0].config, num_iters=20, minibatches=way, regs=published.REGS, num_seeds=1
        )
        seconds = sweep(short, config).seconds
        step[way] = seconds.train / (config.num_configurations * config.num_iters)
        evaluation = seconds.evaluate / config.num_configurations / (len(short.train) + len(short.val))
    images = len(dataset.train) + len(dataset.val) + len(dataset.test)
    return {
        stage.name: stage.runs
        * (stage.config.num_iters * step[stage.config.minibatches] + evaluation * images)
        for stage in every
    }


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
