"""Every figure of the four published accounts this project grew from, reproduced with its uncertainty.

Trains 003's 10 × 10 grid, 000's grid and a wider grid for 001, with many seeds, and repeats 003's gradient checks and
timings. The report shows each published figure, ours, and whether they agree. It takes about an hour on two CPU cores.
Finished stages are saved beside the report, in OUT.partial. After Ctrl-C or a kill, --resume continues from there.

Examples:
  python experiments/reproduce_accounts.py --data-dir DIR
  python experiments/reproduce_accounts.py --data-dir DIR --resume
  python experiments/reproduce_accounts.py --num-seeds 3 --num-iters 50 --num-repeats 5 --out reports/trial
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from harness import Experiment, Options, run_experiment
from reproduction.facts import Facts, gather
from reproduction.measurements import measure
from reproduction.pictures import draw
from reproduction.report import Row, list_rows, write_readme
from reproduction.sweeps import plan_sweeps, train

from softjax import SweepResult
from softjax.cli.console import load
from softjax.datasets.config import DataConfig
from softjax.errors import check_count


@dataclass(frozen=True)
class Config(Options):
    """The options: what is run, and the folder of the report."""

    data: DataConfig = field(default_factory=lambda: DataConfig("cifar10"))
    num_seeds: int = 20
    """Runs of each cell. A cell of the wider grid has a quarter as many."""
    num_iters: int | None = None
    """Steps of every run. By default each account's own number, 1500 or 1600."""
    num_repeats: int = 200
    """Repeats of gradient checks, timings and initial losses."""
    out: Path = Path("reports/seeds")
    """Folder of the report."""

    def __post_init__(self) -> None:
        check_count("num_seeds", self.num_seeds, least=2)
        check_count("num_repeats", self.num_repeats, least=2)
        if self.num_iters is not None:
            check_count("num_iters", self.num_iters)


def reproduce(config: Config, experiment: Experiment) -> None:
    """Trains, measures, writes the report."""
    dataset = experiment.dataset
    assert dataset is not None
    stages = plan_sweeps(config.num_seeds, config.num_iters)
    results = train(experiment, dataset, stages)
    measured = experiment.keep("measurements", lambda: measure(dataset, results, config.num_repeats))
    facts = gather(dataset, results, measured)
    rows = list_rows(facts)
    tables = {"figures": [Row._fields, *rows], "cells": tabulate_cells(facts), "runs": tabulate_runs(results)}
    experiment.write(
        lambda run: write_readme(facts, rows, stages, run),
        run={"seconds": {name: asdict(result.seconds) for name, result in results.items()}},
        tables=tables,
        figures=draw(facts),
        curves=["loss_curves"],
        files={"measurements.json": json.dumps(measured).replace("NaN", "null") + "\n"},
    )
    print(f"{sum(row.agrees == 'yes' for row in rows)} of {len(rows)} rows agree")


def tabulate_cells(facts: Facts) -> Iterator[tuple[Any, ...]]:
    """003's grid with every statistic: a row for each cell and each way to draw minibatches."""
    names = ("published", "mean", "sd", "low", "high", "inside")
    yield ("minibatches", "lr", "reg", *(f"{split}_{name}" for split in ("train", "val") for name in names))
    for way, tables in facts["tables"].items():
        result = facts["results"][way]
        for c, (lr, reg) in enumerate(zip(result.learning_rate, result.reg, strict=True)):
            statistics: list[Any] = []
            for each in tables.values():
                numbers = (each.published[c], each.mean[c], each.sd[c], *each.interval[c])
                statistics += [*(f"{number:.6f}" for number in numbers), each.inside[c]]
            yield (result.config.minibatches, f"{lr:.7g}", f"{reg:.7g}", *statistics)


def tabulate_runs(results: dict[str, SweepResult]) -> Iterator[tuple[Any, ...]]:
    """All runs of all sweeps, a row each."""
    accuracies = ("train_accuracy", "val_accuracy", "test_accuracy")
    yield ("sweep", "lr", "reg", "seed", *accuracies, "final_loss")
    for name, result in results.items():
        for c, s in np.ndindex(*result.diverged.shape):
            cell = f"{result.learning_rate[c]:.7g}", f"{result.reg[c]:.7g}", result.seed[s]
            numbers = (f"{getattr(result, accuracy)[c, s]:.6f}" for accuracy in accuracies)
            yield (name, *cell, *numbers, f"{result.final_loss[c, s]:.6g}")


if __name__ == "__main__":
    run_experiment(Config, reproduce, load=lambda config: load(config.data), description=__doc__)
