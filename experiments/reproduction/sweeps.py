"""The sweeps that reproduce what the accounts trained."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from typing import NamedTuple

from harness import Experiment

from reproduction.published import LEARNING_RATES, REGS
from softjax import Dataset, SweepConfig, SweepResult
from softjax.cli.console import say
from softjax.objective.config import Kind, PenaltyName
from softjax.ranges import parse_range

INDEPENDENT, SHARED = "grid-independent", "grid-shared"
KINDS: dict[Kind, str] = {"softmax": "softmax", "hinge": "SVM"}
PENALTIES: dict[PenaltyName, str] = {"l2": "reg ΣW²", "half_l2": "½ reg ΣW²"}


class Stage(NamedTuple):
    """One sweep."""

    name: str
    title: str
    config: SweepConfig


def name_assignment(kind: Kind, penalty: PenaltyName) -> str:
    """The name of 000's sweep with this loss and penalty."""
    return f"assignment-{kind}-{penalty.replace('_', '-')}"


def plan_sweeps(num_seeds: int, num_iters: int | None) -> list[Stage]:
    """All sweeps. `num_iters` replaces each account's own number of steps.

    003's runs have the seeds 0, 1, ...; 000's sweeps have other seeds, different for each, so that they are independent.
    """
    course = SweepConfig(LEARNING_RATES, REGS, batch_size=200, init_scale=1e-3)
    shared = replace(course, num_iters=num_iters or 1500, num_seeds=num_seeds)
    grid = replace(shared, minibatches="independent")
    four = replace(grid, learning_rates=(1e-7, 5e-7), regs=(2.5e4, 5e4), num_iters=num_iters or 1600)
    stages = [
        Stage(INDEPENDENT, "003's grid, each run with its own weights and minibatches", grid),
        Stage(SHARED, "003's grid, weights and minibatches shared within a seed", shared),
    ]
    for number, (kind, penalty) in enumerate(product(KINDS, PENALTIES), start=1):
        config = replace(four, kind=kind, penalty=penalty, seed=1000 * number)
        title = f"000's grid, {KINDS[kind]}, {PENALTIES[penalty]}"
        stages.append(Stage(name_assignment(kind, penalty), title, config))
    half = replace(shared, penalty="half_l2")
    rates, regs = parse_range("log:1e-7:3.2e-6:6"), parse_range("log:1e2:1e5:7")
    wide = replace(half, num_seeds=max(2, num_seeds // 4), learning_rates=rates, regs=regs)
    curve = replace(half, num_seeds=1, learning_rates=LEARNING_RATES[:1], regs=REGS[:1])
    for name, title, config in (("wide", "a wider grid for 001", wide), ("curve", "001's loss curve", curve)):
        for kind in KINDS:
            full = f"{title}, {KINDS[kind]}, {PENALTIES['half_l2']}"
            stages.append(Stage(f"{name}-{kind}", full, replace(config, kind=kind)))
    return stages


def train(experiment: Experiment, dataset: Dataset, stages: Sequence[Stage]) -> dict[str, SweepResult]:
    """The results of all sweeps by name. Finished sweeps are loaded; each sweep is announced."""
    results = {}
    for number, stage in enumerate(stages, start=1):
        runs = stage.config.num_configurations * stage.config.num_seeds
        say(f"{number} of {len(stages)}: {stage.title}; {runs:,} runs")
        results[stage.name] = experiment.sweep(stage.name, dataset, stage.config)
    return results
