"""Every figure of the four published accounts this project grew from, reproduced with its uncertainty.

Trains 003's 10 × 10 grid, 000's and a wider one for 001 over many seeds, repeats 003's gradient checks and timings, and
writes a report with the published figure, ours, and whether they agree. On two CPU cores about an hour; what is done is
kept beside the report, in OUT.partial, and --resume goes on from there after Ctrl-C or a kill.

Examples:
  python experiments/reproduce_seeds.py --data-dir DIR
  python experiments/reproduce_seeds.py --data-dir DIR --resume
  python experiments/reproduce_seeds.py --num-seeds 3 --num-iters 50 --num-repeats 5 --out reports/trial
"""

import csv
import json
import shlex
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from seeds import examples, measurements, pictures, published, text, training
from seeds.figures import Findings, Row, rows

from softjax import Dataset, InputError, SweepResult, plots
from softjax.cli.console import load
from softjax.datasets.config import DataConfig
from softjax.objective.config import Kind
from softjax.reports import markdown, run_folder
from softjax.reports.environment import describe_environment
from softjax.training import checkpoint


@dataclass(frozen=True)
class Config:
    """What to run, and where the report goes."""

    data: DataConfig = field(default_factory=lambda: DataConfig("cifar10"))
    num_seeds: int = 20
    """Runs of each cell; the wider grid has a quarter of them."""
    num_iters: int | None = None
    """Steps of every run; by default as many as each account says, 1500 and 1600."""
    num_repeats: int = 200
    """Repeats of gradient checks, timings and initial losses."""
    out: Path = Path("reports/seeds")
    """Folder of the report."""
    overwrite: bool = False
    """Replace an earlier report there, and discard an unfinished run."""
    resume: bool = False
    """Go on where a run of these options stopped; nothing is left to do where its report is complete."""

    def __post_init__(self) -> None:
        for name, least in (("num_seeds", 2), ("num_repeats", 2), ("num_iters", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise InputError(f"{name} must be at least {least}, got {value}")

    def settings(self) -> dict[str, Any]:
        """What the result depends on, as JSON gives it back."""
        kept = {k: v for k, v in asdict(self).items() if k not in ("out", "overwrite", "resume")}
        return json.loads(json.dumps(kept, default=str))  # type: ignore[no-any-return]


def main(config: Config) -> None:
    """Trains, measures, writes the report."""
    folder = run_folder.partial_folder(config.out)
    run_folder.restore_earlier(config.out)
    if not config.resume:
        run_folder.check_free(config.out, config.overwrite)
        run_folder.check_finished(config.out, checkpoint.exists(folder), config.overwrite)
    command = shlex.join(["python", *(each for each in sys.argv if each != "--resume")])
    with checkpoint.at_work(folder):
        if not config.resume:
            checkpoint.discard(folder)
        elif complete(config) and (not checkpoint.exists(folder) or not config.overwrite):
            checkpoint.discard(folder)
            print(f"complete: {config.out / 'README.md'}")
            return
        run_folder.check_free(config.out, config.overwrite)
        dataset = load(config.data)
        every = training.stages(config.num_seeds, config.num_iters)
        try:
            results = training.run_all(dataset, every, folder)
        except KeyboardInterrupt:
            print(f"to go on: {command} --resume", file=sys.stderr)
            raise
        findings = found(dataset, results, config.num_repeats)
        write(config, findings, every, command)


def complete(config: Config) -> bool:
    """Whether the report of these settings is there."""
    try:
        run = json.loads((config.out / "run.json").read_text())
    except (OSError, json.JSONDecodeError):
        return False
    return bool(run.get("config") == config.settings())


def found(dataset: Dataset, results: dict[str, SweepResult], num_repeats: int) -> Findings:
    """The results, with what is measured without training."""
    features = measurements.Features.of(dataset)
    jpeg = dataset.title == "CIFAR-10 (JPEG)"
    return Findings(
        dataset,
        results,
        measurements.measured(features, num_repeats),
        examples.derivation(features),
        examples.slips(features),
        examples.added_point(features, results[training.assignment("hinge", "l2")]),
        examples.pixel_noise(dataset, results[training.FAITHFUL]) if jpeg else None,
    )


def write(config: Config, findings: Findings, every: tuple[training.Stage, ...], command: str) -> None:
    """The report: README.md, figures.csv, cells.csv, runs.csv, measurements.json, run.json, pictures."""
    lines = rows(findings)
    environment = describe_environment()
    seconds = {stage.name: asdict(findings.results[stage.name].seconds) for stage in every}
    run = {
        "command": command,
        "config": config.settings(),
        "dataset": {"title": findings.dataset.title, "fingerprint": findings.dataset.fingerprint},
        "seconds": seconds,
        **environment,
    }
    with run_folder.report_folder(config.out, config.overwrite) as folder:
        for name, body in (
            ("figures", [Row._fields, *lines]),
            ("cells", list(cells(findings))),
            ("runs", list(runs(findings))),
        ):
            with (folder / f"{name}.csv").open("w", newline="") as file:
                csv.writer(file).writerows(body)
        measured = {
            "measurements": asdict(findings.measurements),
            "derivation": asdict(findings.derivation),
            "corrections": {k: v if np.isfinite(v) else None for k, v in asdict(findings.slips).items()},
            "added_point": asdict(findings.point),
            "pixel_noise": findings.noise and asdict(findings.noise),
        }
        (folder / "measurements.json").write_text(json.dumps(measured, default=np.ndarray.tolist) + "\n")
        (folder / "run.json").write_text(json.dumps(run, indent=2, ensure_ascii=False) + "\n")
        for name, figure in drawn(findings).items():
            figure.savefig(folder / f"{name}.png", dpi=150)
        how = made(command, every, findings, seconds, environment)
        (folder / "README.md").write_text(text.readme(findings, lines, how))
    agreed = sum(line.agrees == "yes" for line in lines)
    print(f"{agreed} of {len(lines)} rows agree\nreport: {config.out / 'README.md'}")


def made(
    command: str,
    every: tuple[training.Stage, ...],
    findings: Findings,
    seconds: dict[str, dict[str, float]],
    environment: dict[str, Any],
) -> str:
    """The report's last section."""
    device = environment["device"]
    stages = [
        ("sweep", "cells × seeds × steps", "trained, s", "evaluated, s"),
        *(
            (
                stage.title,
                f"{stage.config.num_configurations} × {stage.config.num_seeds} × {stage.config.num_iters:,}",
                f"{seconds[stage.name]['train']:.1f}",
                f"{seconds[stage.name]['evaluate']:.1f}",
            )
            for stage in every
        ),
    ]
    versions = ", ".join(f"{name} {number}" for name, number in environment["versions"].items())
    return f"""## How it was made

    {command}

{markdown.table(stages)}

{environment["date"]}, {device["count"]} × {device["kind"]}, {device["cpu_cores"]} CPU cores, {device["machine"]}; {versions}; data fingerprint
{findings.dataset.fingerprint}. Sweeps in float32, all else in float64 unless said.
"""


def drawn(findings: Findings) -> dict[str, Any]:
    """The pictures by name."""
    tables = {split: findings.agreement(training.FAITHFUL, split) for split in ("train", "val")}
    grid = published.grid()
    choice = findings.choice(training.FAITHFUL)
    kinds: tuple[Kind, ...] = ("softmax", "hinge")
    wide = {kind: findings.results[training.wide(kind)] for kind in kinds}
    first = findings.results[training.curve("softmax")]
    best = ", ".join(
        f"{pictures.KINDS[kind]} lr {result.learning_rate[result.best]:.2g}, reg {result.reg[result.best]:.2g}"
        for kind, result in wide.items()
    )
    title = findings.dataset.title
    figures = {
        "cells": pictures.published_against_ours(tables, grid.lr, f"{title}: 003's grid, published and ours"),
        "heat_maps": pictures.heat_maps(
            tables, grid.lr, grid.reg, f"{title}: 003's grid, published and ours"
        ),
        "distributions": pictures.distributions(
            [
                ("loss at random W", findings.measurements.initial.losses, published.INITIAL_LOSS),
                ("best validation accuracy of the grid", choice.val, published.BEST_VALIDATION),
                ("test accuracy of the chosen", choice.test, published.BEST_TEST),
            ],
            f"{title}: what chance does to a figure",
        ),
        "loss_curves": pictures.loss_curves(
            [
                (f"lr {first.learning_rate[0]:.2g}, reg {first.reg[0]:.2g}", findings.curves),
                (best, {kind: each.loss_history[each.best, each.best_seed] for kind, each in wide.items()}),
            ],
            f"{title}: objective with ½ reg ΣW²",
        ),
    }
    if findings.dataset.image_shape is not None:
        for kind, result in wide.items():
            name = {"softmax": "softmax", "hinge": "svm"}[kind]
            figures[f"templates_{name}"] = plots.templates(
                result.best_weights,
                findings.dataset.class_names,
                findings.dataset.image_shape,
                f"{title}: {pictures.KINDS[kind]}, class templates of the best classifier",
            )
    return figures


def cells(findings: Findings) -> Iterator[tuple[Any, ...]]:
    """003's grid with every statistic, a row a cell and a way of drawing minibatches."""
    names = ("published", "mean", "sd", "low", "high", "inside")
    splits = ("train", "val")
    yield ("minibatches", "lr", "reg", *(f"{split}_{name}" for split in splits for name in names))
    for stage in (training.FAITHFUL, training.SHARED):
        result = findings.results[stage]
        tables = [findings.agreement(stage, split) for split in splits]
        for c in range(len(result.reg)):
            statistics: list[Any] = []
            for each in tables:
                numbers = (each.published[c], each.mean[c], each.sd[c], *each.interval[c])
                statistics += [*(f"{number:.6f}" for number in numbers), bool(each.inside[c])]
            yield (
                result.config.minibatches,
                f"{result.learning_rate[c]:.7g}",
                f"{result.reg[c]:.7g}",
                *statistics,
            )


def runs(findings: Findings) -> Iterator[tuple[Any, ...]]:
    """All runs of all sweeps."""
    yield ("sweep", "lr", "reg", "seed", "train_accuracy", "val_accuracy", "test_accuracy", "final_loss")
    for name, result in findings.results.items():
        for c, s in np.ndindex(*result.diverged.shape):
            accuracies = (result.train_accuracy[c, s], result.val_accuracy[c, s], result.test_accuracy[c, s])
            yield (
                name,
                f"{result.learning_rate[c]:.7g}",
                f"{result.reg[c]:.7g}",
                int(result.seed[s]),
                *(f"{each:.6f}" for each in accuracies),
                f"{result.final_loss[c, s]:.6g}",
            )


if __name__ == "__main__":
    try:
        flags = (tyro.conf.OmitArgPrefixes, tyro.conf.FlagCreatePairsOff, tyro.conf.DisallowNone)
        main(tyro.cli(Config, description=__doc__, config=flags))
    except InputError as error:
        sys.exit(f"reproduce_seeds: error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
