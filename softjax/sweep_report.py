"""What a sweep, or a regularization path, found: tables, pictures, the best classifier, and how it was made."""

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from softjax import plots
from softjax.config import SweepConfig, format_range
from softjax.datasets import Dataset
from softjax.metrics import confusion_matrix, negative_log_likelihood
from softjax.path import PathResult
from softjax.report import environment, report_folder, table
from softjax.result import SweepResult

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
SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class _Report:
    """All that goes into a folder."""

    title: str
    summary: str
    best: dict[str, Any]
    """of the best classifier, as in run.json"""
    best_rows: list[tuple[str, str]]
    tables: dict[str, list[tuple[Any, ...]]]
    """CSV files, the first row their header"""
    sections: str
    how: list[tuple[str, str]]
    seconds: Any
    figures: dict[str, tuple[Figure, str]]
    """by file name, with their captions"""
    weights: Float[np.ndarray, "D K"]
    all_weights: np.ndarray | None
    config: dict[str, Any]


def write_sweep(
    result: SweepResult, dataset: Dataset, out: Path, *, command: str, overwrite: bool = False
) -> None:
    """Writes a sweep's report: README.md, results.csv (a row a run), cells.csv (a row a configuration), run.json,
    classifier.npz and the pictures (and weights.npy, where all weights were kept). All of it, or nothing.

    **Arguments:**

    - `result`, `dataset`: the sweep and the raw data set it was given.
    - `out`: the folder, made with its parents.
    - `command`: the command line that regenerates it.
    - `overwrite`: replace an earlier report at `out`.

    Raises `InputError` where `out` is taken or cannot be written, or where every configuration diverged.
    """
    best, seed, config = result.best, result.best_seed, result.config
    found = {
        "lr": float(result.learning_rate[best]),
        "reg": float(result.reg[best]),
        "seed": int(result.seed[seed]),
        **{f"{split}_accuracy": float(getattr(result, f"{split}_accuracy")[best, seed]) for split in SPLITS},
        **{
            f"mean_{split}_accuracy": float(getattr(result, f"{split}_accuracy")[best].mean())
            for split in SPLITS
        },
        "val_interval": result.val_interval[best].tolist(),
        "test_interval": result.test_interval[best].tolist(),
        "tied": int(result.tied.sum()),
    }
    over_seeds = f", mean over {config.num_seeds} seeds" if config.num_seeds > 1 else ""
    rows = [
        ("learning rate lr", f"{found['lr']:.6g}"),
        ("penalty strength reg", f"{found['reg']:.6g}"),
        *_accuracy_rows(found, dataset, "mean_" if over_seeds else "", over_seeds),
    ]
    num_diverged, num_runs = int(result.diverged.sum()), result.diverged.size
    spread = (
        "The intervals count the finite split and the seeds"
        if config.num_seeds > 1
        else "The intervals count the finite split alone: one seed does not show how much another would differ"
    )
    steps_done, steps_all = int(result.steps.sum()), len(result.reg) * config.num_iters
    halved = (
        f"\n\nSuccessive halving trained {steps_done:,} of {steps_all:,} steps a seed, and saved "
        f"{1 - steps_done / steps_all:.0%}. Of the configurations it stopped, the figures are of the step at which it did."
        if config.halvings
        else ""
    )
    sections = f"""## The best {min(ROWS_SHOWN, len(result.reg))} configurations

{table(best_cells(result))}

{found["tied"]} of {len(result.reg)} configurations are statistically tied with the best (•): the 95 % interval of the paired
difference in validation accuracy contains 0. {spread}. The best of many is chosen by its validation accuracy, which
flatters it; the test accuracy was not looked at.{halved}

All {num_runs} runs are in [results.csv](results.csv), {num_diverged or "none"} of them diverged; the configurations with
means, standard deviations over the seeds and intervals in [cells.csv](cells.csv)."""
    figures = {
        "heat_map": (
            plots.heat_map(result, f"{dataset.title}: validation accuracy"),
            "Validation accuracy of every configuration.",
        ),
        "loss_curves": (
            plots.loss_curves(result, f"{dataset.title}: training objective"),
            "The minibatch objective of every configuration.",
        ),
    }
    report = _Report(
        f"Sweep on {dataset.title}",
        f"A linear classifier by {_optimizer(config)} on the {_loss(config)}: {grid_size(config)}.",
        found,
        rows,
        {"results": [RUN_COLUMNS, *_runs(result)], "cells": list(_cells(result))},
        sections,
        [
            ("learning rates", _axis(config, config.learning_rates)),
            ("penalty strengths", f"{_axis(config, config.regs)}, {_penalty(config)}"),
            (
                "training",
                f"{config.num_iters:,} steps of {config.batch_size} examples, {config.minibatches} minibatches, initial "
                f"weights {config.init_scale:g} · normal, {config.dtype}, matmul precision {config.precision}",
            ),
            ("seeds", format_range(tuple(map(float, result.seed)))),
        ],
        result.seconds,
        figures,
        result.best_weights,
        result.weights,
        asdict(config),
    )
    _write(report, result, dataset, out, command, overwrite)


def write_path(
    result: PathResult, dataset: Dataset, out: Path, *, command: str, overwrite: bool = False
) -> None:
    """Writes the report of a regularization path; all else as `write_sweep`."""
    best, config = result.best, result.config
    found = {
        "reg": float(result.reg[best]),
        **{f"{split}_accuracy": float(getattr(result, f"{split}_accuracy")[best]) for split in SPLITS},
        "val_interval": result.val_interval[best].tolist(),
        "test_interval": result.test_interval[best].tolist(),
        "tied": int(result.tied.sum()),
    }
    rows = [("penalty strength reg", f"{found['reg']:.6g}"), *_accuracy_rows(found, dataset, "", "")]
    left = int((~result.converged).sum())
    sections = f"""## The path

{table(path_rows(result))}

{found["tied"]} of {
        len(result.reg)
    } penalty strengths are statistically tied with the best (•): the 95 % interval of the
paired difference in validation accuracy contains 0. The intervals count the finite validation split. {
        "All converged"
        if not left
        else f"{left} did not converge within {result.solver.max_lbfgs_iters:,} iterations, or to the rounding of {config.dtype}"
    } to {
        result.solver.tolerance:g}: the gap is the share of itself by which the objective may be off its minimum at most, by
its gradient's norm. An evaluation is one pass over the training examples for objective and gradient. The same figures in full are in [path.csv](path.csv)."""
    figure = plots.path(result, f"{dataset.title}: accuracy along the regularization path")
    report = _Report(
        f"Regularization path on {dataset.title}",
        f"The minimum of the {_loss(config)} of a linear classifier, by L-BFGS on all training examples, for "
        f"{len(result.reg)} penalty strengths.",
        found,
        rows,
        {"path": list(_path_csv(result))},
        sections,
        [
            ("penalty strengths", f"{format_range(config.regs)}, {_penalty(config)}"),
            (
                "solver",
                f"L-BFGS in the features' principal axes, {result.order}; tolerance {result.solver.tolerance:g}, "
                f"{config.dtype}",
            ),
        ],
        result.seconds,
        {
            "path": (
                figure,
                "Accuracy against penalty strength, with the 95 % interval of the validation accuracy.",
            )
        },
        result.best_weights,
        result.weights if config.keep_weights == "all" else None,
        asdict(config) | asdict(result.solver),
    )
    _write(report, result, dataset, out, command, overwrite)


def grid_size(config: SweepConfig) -> str:
    """The size of a sweep in words: "10 learning rates × 10 penalty strengths × 1 seed"."""
    axes = (
        {"learning rate": len(config.learning_rates), "penalty strength": len(config.regs)}
        if config.search == "grid"
        else {"drawn configuration": config.num_configurations}
    ) | {"seed": config.num_seeds}
    return " × ".join(f"{size} {name}{'s' if size > 1 else ''}" for name, size in axes.items())


def best_cells(result: SweepResult, most: int = ROWS_SHOWN) -> list[tuple[str, ...]]:
    """The best configurations, best first, as text under a header row.

    Their lr, reg and accuracies, with several seeds mean ± standard deviation over them; the 95 % interval of the
    validation accuracy, and • where a configuration is tied with the best.
    """

    def text(values: np.ndarray) -> str:
        spread = f" ± {values.std(ddof=1):.4f}" if len(values) > 1 else ""
        return f"{values.mean():.4f}{spread}"

    means = np.where(result.steps == result.steps.max(), result.val_accuracy.mean(axis=1), np.nan)
    order = np.argsort(-np.where(np.isnan(means), -np.inf, means), kind="stable")
    header = ("lr", "reg", "train accuracy", "validation accuracy", "95 % interval", "tied", "test accuracy")
    rows: list[tuple[str, ...]] = [
        (
            f"{result.learning_rate[c]:.6g}",
            f"{result.reg[c]:.6g}",
            text(result.train_accuracy[c]),
            text(result.val_accuracy[c]),
            _interval(result.val_interval[c]),
            "•" if result.tied[c] else "",
            text(result.test_accuracy[c]),
        )
        for c in order[:most]
        if not np.isnan(means[c])
    ]
    return [header, *rows]


def path_rows(result: PathResult) -> list[tuple[str, ...]]:
    """Every penalty strength of a path, as text under a header row."""
    header = (
        "reg", "objective", "train accuracy", "validation accuracy", "95 % interval", "tied", "test accuracy",
        "gradient norm", "gap", "iterations", "evaluations",
    )  # fmt: skip
    rows: list[tuple[str, ...]] = [
        (
            f"{result.reg[r]:.6g}",
            f"{result.objective[r]:.6f}",
            f"{result.train_accuracy[r]:.4f}",
            f"{result.val_accuracy[r]:.4f}",
            _interval(result.val_interval[r]),
            "•" if result.tied[r] else "",
            f"{result.test_accuracy[r]:.4f}",
            f"{result.gradient_norm[r]:.1e}",
            f"{result.gap[r]:.1e}" + ("" if result.converged[r] else " (not converged)"),
            str(result.iterations[r]),
            str(result.evaluations[r]),
        )
        for r in range(len(result.reg))
    ]
    return [header, *rows]


def _interval(ends: np.ndarray) -> str:
    return f"{ends[0]:.4f} to {ends[1]:.4f}"


def _accuracy_rows(
    found: Mapping[str, Any], dataset: Dataset, prefix: str, over_seeds: str
) -> list[tuple[str, str]]:
    names = {"train": "training", "val": "validation", "test": "test"}
    rows = []
    for split, name in names.items():
        value = f"{found[f'{prefix}{split}_accuracy']:.4f}"
        if f"{split}_interval" in found:
            value += f" ({_interval(np.array(found[f'{split}_interval']))})"
        rows.append((f"{name} accuracy ({len(getattr(dataset, split)):,} examples{over_seeds})", value))
    return rows


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


def _path_csv(result: PathResult) -> Iterator[tuple[Any, ...]]:
    names = (
        "reg", "objective", "train_accuracy", "val_accuracy", "test_accuracy", "gradient_norm", "gap",
        "iterations", "evaluations", "converged",
    )  # fmt: skip
    yield (*names, "val_low", "val_high", "tied")
    for r in range(len(result.reg)):
        yield (
            *(str(getattr(result, name)[r]) for name in names),
            *result.val_interval[r],
            bool(result.tied[r]),
        )


def _loss(config: SweepConfig) -> str:
    return {"softmax": "softmax cross-entropy", "hinge": "multiclass hinge"}[config.kind]


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


def _penalty(config: SweepConfig) -> str:
    bias = "" if config.penalize_bias else ", the bias not penalized"
    if config.optimizer == "adamw":
        return f"decoupled weight decay reg W{bias}"
    return (
        "penalty "
        + {
            "l2": "reg ΣW²",
            "half_l2": "½ reg ΣW²",
            "l1": "reg Σ|W|",
            "elastic_net": f"reg ({config.l1_ratio:g} Σ|W| + ½ · {1 - config.l1_ratio:g} ΣW²)",
            "none": "none",
        }[config.penalty]
        + bias
    )


def _write(
    report: _Report,
    result: SweepResult | PathResult,
    dataset: Dataset,
    out: Path,
    command: str,
    overwrite: bool,
) -> None:
    scores = result.scores(dataset.test)
    nll = float(negative_log_likelihood(scores, dataset.test.y))
    predicted = scores.argmax(axis=1).astype(np.int32)
    counts = confusion_matrix(predicted, dataset.test.y, dataset.num_classes)
    figures = dict(report.figures)
    if dataset.image_shape is not None:
        figures["templates"] = (
            plots.templates(
                report.weights,
                dataset.class_names,
                dataset.image_shape,
                f"{dataset.title}: class templates of the best classifier",
            ),
            "The best classifier's weights, class by class, on one scale.",
        )
    figures["confusion_matrix"] = (
        plots.confusion(
            counts,
            dataset.class_names,
            f"{dataset.title}: best classifier, {len(dataset.test):,} test examples",
        ),
        "The best classifier on the test examples: counts, coloured by their share of the row.",
    )
    run = {
        "command": command,
        "config": report.config,
        "dataset": {
            "name": dataset.name,
            "title": dataset.title,
            "fingerprint": dataset.fingerprint,
            **{split: len(getattr(dataset, split)) for split in SPLITS},
            "features": dataset.num_features,
            "classes": list(dataset.class_names),
        },
        "best": report.best | {"test_negative_log_likelihood": nll},
        "seconds": asdict(report.seconds),
        **environment(),
    }
    with report_folder(out, overwrite) as folder:
        for name, rows in report.tables.items():
            with (folder / f"{name}.csv").open("w", newline="") as file:
                csv.writer(file).writerows(rows)
        (folder / "run.json").write_text(json.dumps(run, indent=2, ensure_ascii=False) + "\n")
        classifier: dict[str, Any] = {
            "W": report.weights,
            "class_names": np.array(dataset.class_names),
            **result.preprocessing._asdict(),
        }
        np.savez(folder / "classifier.npz", **{k: v for k, v in classifier.items() if v is not None})
        if report.all_weights is not None:
            np.save(folder / "weights.npy", report.all_weights)
        for name, (figure, _) in figures.items():
            figure.savefig(folder / f"{name}.png", dpi=150)
        captions = {name: caption for name, (_, caption) in figures.items()}
        (folder / "README.md").write_text(_readme(report, dataset, run, captions, nll))


def _readme(
    report: _Report, dataset: Dataset, run: dict[str, Any], captions: dict[str, str], nll: float
) -> str:
    device, data, config = run["device"], run["dataset"], run["config"]
    best_rows = [*report.best_rows, ("test negative log-likelihood (nats)", f"{nll:.4f}")]
    pictures = "\n\n".join(f"![{caption}]({name}.png)\n\n{caption}" for name, caption in captions.items())
    standardized = ", divided by the standard deviation" if config["standardize"] else ""
    several = config["num_seeds"] > 1 and "seed" in report.best
    chosen = " averaged over the seeds" if several else ""
    whose = f"; the classifier is seed {report.best['seed']}'s" if "seed" in report.best else ""
    axes = "configurations × seeds × D × K" if "seed" in report.best else "penalty strengths × D × K"
    kept = "" if report.all_weights is None else f" All of them are in [weights.npy](weights.npy), {axes}."
    how = [
        (
            "data",
            f"{dataset.title}, {data['train']:,} / {data['val']:,} / {data['test']:,} examples, fingerprint "
            f"{dataset.fingerprint}",
        ),
        ("features", f"{dataset.num_features} and the bias; the training mean subtracted{standardized}"),
        *report.how,
        ("time", ", ".join(f"{name} {value:.1f} s" for name, value in run["seconds"].items())),
        ("peak memory", f"{run['peak_memory_mb']:,.0f} MB"),
        (
            "device",
            f"{device['count']} × {device['kind']}, {device['cpu_cores']} CPU cores, {device['machine']}",
        ),
        ("versions", ", ".join(f"{name} {number}" for name, number in run["versions"].items())),
        ("date", run["date"]),
    ]
    return f"""# {report.title}

{report.summary}

## The best classifier

Chosen by validation accuracy{chosen}{whose}. Intervals are of 95 %.

{table([("", ""), *best_rows])}

{pictures}

{report.sections}

The best classifier is in [classifier.npz](classifier.npz): scores are ((x − mean){
        " · scale" if config["standardize"] else ""
    }, 1) @ W.{kept}

## How it was made

    {run["command"]}

{table([("", ""), *how])}
"""
