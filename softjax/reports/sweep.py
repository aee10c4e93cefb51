"""The report of a sweep."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from softjax import plots
from softjax.analysis import analyze_sweep
from softjax.datasets.dataset import Dataset
from softjax.datasets.folds import name_validation
from softjax.ranges import format_range
from softjax.reports.hints import list_hints, make_hints
from softjax.reports.markdown import render, table
from softjax.reports.page.data import describe_sweep_page
from softjax.reports.report import (
    SPLITS,
    ReportContents,
    accuracy_rows,
    interval,
    loss_name,
    penalty_name,
    time_intervals,
    write_report,
)
from softjax.runs.run_folder import RunFolder
from softjax.training.config import SweepConfig
from softjax.training.result import SweepResult

RUN_COLUMNS = (
    "lr",
    "reg",
    "seed",
    "train_accuracy",
    "val_accuracy",
    "test_accuracy",
    "final_loss",
    "diverged",
)
ROWS_SHOWN = 10
TEMPLATE = Path(__file__).with_suffix(".md")


def write_sweep(result: SweepResult, dataset: Dataset, folder: RunFolder, *, command: str) -> None:
    """Writes the report of a sweep; the folder appears only when it is complete.

    It contains README.md, report.html (an interactive page), results.csv (one row per run), cells.csv (one row per configuration), run.json,
    classifier.npz, the pictures, and weights.npy if all weights were kept.

    **Arguments:**

    - `result`: the sweep.
    - `dataset`: the data set of the sweep, not preprocessed.
    - `folder`: the folder of the report.
    - `command`: the command line that makes the same report again.

    Raises `InputError` if the folder exists or cannot be written, or if every configuration diverged.
    """
    seconds = time_intervals(result)
    config, best = result.config, _describe_best(result)
    validation = name_validation(config.folds)
    over_seeds = f", mean over {config.num_seeds} seeds" if config.num_seeds > 1 else ""
    contents = ReportContents(
        title=f"Sweep on {dataset.title}",
        summary=f"A linear classifier by {_optimizer(config)} on the {loss_name(config)} loss: {describe_grid(config)}.",
        best=best,
        best_rows=[
            ("learning rate lr", f"{best['lr']:.6g}"),
            ("penalty strength reg", f"{best['reg']:.6g}"),
            *accuracy_rows(best, dataset, "mean_" if over_seeds else "", over_seeds, config.folds),
        ],
        tables={"results": [RUN_COLUMNS, *_runs(result)], "cells": list(_cells(result))},
        sections=_write_sections(result) + list_hints(make_hints(analyze_sweep(result), command)),
        how=_describe_training(result),
        seconds=seconds,
        figures={
            "heat_map": (
                plots.heat_map(result, f"{dataset.title}: {validation} accuracy"),
                f"{validation.capitalize()} accuracy of every configuration. Thick frame: the best."
                + (
                    " Thin line: around those that are statistically tied with it."
                    if best["tied"] > 1
                    else ""
                ),
            ),
            "loss_curves": (
                plots.loss_curves(result, f"{dataset.title}: loss during training"),
                "The loss of the minibatches, without the penalty; and the penalty's share of the objective, if there is one.",
            ),
        },
        weights=result.best_weights,
        all_weights=result.weights,
        config=asdict(config),
        page=describe_sweep_page(result, dataset, command),
    )
    write_report(contents, result, dataset, folder, command)


def _describe_best(result: SweepResult) -> dict[str, Any]:
    best, seed = result.best, result.best_seed
    accuracies = {split: getattr(result, f"{split}_accuracy")[best] for split in SPLITS}
    return {
        "lr": float(result.learning_rate[best]),
        "reg": float(result.reg[best]),
        "seed": int(result.seed[seed]),
        **{f"{split}_accuracy": float(accuracy[seed]) for split, accuracy in accuracies.items()},
        **{f"mean_{split}_accuracy": float(accuracy.mean()) for split, accuracy in accuracies.items()},
        "val_interval": result.val_interval[best].tolist(),
        "test_interval": result.test_interval[best].tolist(),
        "tied": int(result.tied.sum()),
    }


def _write_sections(result: SweepResult) -> str:
    config = result.config
    spread = (
        "The intervals include the variation over the examples of a split and over the seeds"
        if config.num_seeds > 1
        else "The intervals include only the variation over the examples of a split. One seed does not show the variation over seeds"
    )
    steps_done, steps_all = int(result.steps.sum()), len(result.reg) * config.num_iters
    halved = (
        f"\n\nSuccessive halving stopped configurations early. It trained {steps_done:,} of {steps_all:,} steps per seed, and saved "
        f"{1 - steps_done / steps_all:.0%}. The values of a stopped configuration are those of its last step."
    )
    return render(
        TEMPLATE,
        shown=min(ROWS_SHOWN, len(result.reg)),
        cells=table(best_cells(result)),
        validation=name_validation(config.folds),
        tied=int(result.tied.sum()),
        num_configs=len(result.reg),
        spread=spread,
        halved=halved if config.halvings else "",
        num_runs=result.diverged.size,
        num_diverged=int(result.diverged.sum()) or "none",
    ).rstrip()


def _describe_training(result: SweepResult) -> list[tuple[str, str]]:
    config = result.config
    return [
        ("learning rates", _axis(config, config.learning_rates)),
        ("penalty strengths", f"{_axis(config, config.regs)}, {penalty_name(config)}"),
        (
            "training",
            f"{config.num_iters:,} steps of {config.batch_size} examples, {config.minibatches} minibatches, initial "
            f"weights {config.init_scale:g} · normal, {config.dtype}, matmul precision {config.precision}",
        ),
        ("seeds", format_range(tuple(map(float, result.seed)))),
    ]


def describe_grid(config: SweepConfig) -> str:
    """The size of a sweep as text: "10 learning rates × 10 penalty strengths × 1 seed"."""
    axes = (
        {"learning rate": len(config.learning_rates), "penalty strength": len(config.regs)}
        if config.search == "grid"
        else {"drawn configuration": config.num_configurations}
    ) | {"seed": config.num_seeds}
    return " × ".join(f"{size} {name}{'s' if size > 1 else ''}" for name, size in axes.items())


def best_cells(result: SweepResult, most: int = ROWS_SHOWN) -> list[tuple[str, ...]]:
    """A table of the best configurations, the best first: a header row, and one row of text each.

    The columns are lr, reg, the accuracies (with several seeds mean ± standard deviation), the 95 % interval of the
    validation accuracy, and • if the configuration is tied with the best.
    """

    def text(values: np.ndarray) -> str:
        spread = f" ± {values.std(ddof=1):.4f}" if len(values) > 1 else ""
        return f"{values.mean():.4f}{spread}"

    means = np.where(result.steps == result.steps.max(), result.val_accuracy.mean(axis=1), np.nan)
    order = np.argsort(-np.where(np.isnan(means), -np.inf, means), kind="stable")
    validation = f"{name_validation(result.config.folds)} accuracy"
    header = ("lr", "reg", "train accuracy", validation, "95 % interval", "tied", "test accuracy")
    rows: list[tuple[str, ...]] = [
        (
            f"{result.learning_rate[c]:.6g}",
            f"{result.reg[c]:.6g}",
            text(result.train_accuracy[c]),
            text(result.val_accuracy[c]),
            interval(result.val_interval[c]),
            "•" if result.tied[c] else "",
            text(result.test_accuracy[c]),
        )
        for c in order[:most]
        if not np.isnan(means[c])
    ]
    return [header, *rows]


def _runs(result: SweepResult) -> Iterator[tuple[Any, ...]]:
    for c, s in np.ndindex(*result.diverged.shape):
        yield (
            repr(float(result.learning_rate[c])),
            repr(float(result.reg[c])),
            int(result.seed[s]),
            *(f"{getattr(result, f'{split}_accuracy')[c, s]:.6f}" for split in SPLITS),
            str(result.final_loss[c, s]),
            bool(result.diverged[c, s]),
        )


def _cells(result: SweepResult) -> Iterator[tuple[Any, ...]]:
    statistics = [f"{split}_accuracy_{name}" for split in SPLITS for name in ("mean", "sd")]
    yield ("lr", "reg", "steps", *statistics, "val_low", "val_high", "tied")
    several = len(result.seed) > 1
    for c in range(len(result.reg)):
        accuracies = [getattr(result, f"{split}_accuracy")[c] for split in SPLITS]
        yield (
            repr(float(result.learning_rate[c])),
            repr(float(result.reg[c])),
            int(result.steps[c]),
            *(
                f"{value:.6f}"
                for each in accuracies
                for value in (each.mean(), each.std(ddof=1) if several else np.nan)
            ),
            *(f"{end:.6f}" for end in result.val_interval[c]),
            bool(result.tied[c]),
        )


def _optimizer(config: SweepConfig) -> str:
    mu, adam = f"{config.momentum:g}", f"β₁ {config.momentum:g}, β₂ {config.beta2:g}, ε {config.eps:g}"
    name = {
        "sgd": "minibatch SGD",
        "momentum": f"minibatch SGD with momentum {mu}",
        "nesterov": f"minibatch SGD with Nesterov momentum {mu}",
        "adam": f"Adam ({adam})",
        "adamw": f"AdamW ({adam})",
    }[config.optimizer]
    every = f"{config.decay_every:,} steps" if config.decay_every else "third of the steps"
    return (
        name
        + {
            "constant": "",
            "cosine": " on a cosine schedule",
            "step": f", lr times {config.decay_rate:g} after every {every},",
        }[config.schedule]
    )


def _axis(config: SweepConfig, values: tuple[float, ...]) -> str:
    if config.search == "grid":
        return format_range(values)
    spacing = "log-uniform" if config.search == "log_uniform" else "uniform"
    return f"drawn, {spacing} from {min(values):g} to {max(values):g}"
