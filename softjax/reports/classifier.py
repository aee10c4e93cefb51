"""What the reports of sweeps and of regularization paths share: the best classifier, its pictures, how it was made."""

import csv
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from softjax import plots
from softjax.datasets import Dataset
from softjax.evaluation.metrics import confusion_matrix, negative_log_likelihood
from softjax.path.result import PathResult
from softjax.reports.environment import describe_environment, made_on
from softjax.reports.markdown import table
from softjax.reports.run_folder import report_folder
from softjax.training.config import SweepConfig
from softjax.training.result import SweepResult

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Contents:
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


def write(
    report: Contents,
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
        **describe_environment(),
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
    report: Contents, dataset: Dataset, run: dict[str, Any], captions: dict[str, str], nll: float
) -> str:
    data, config = run["dataset"], run["config"]
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
        *made_on(run),
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


def interval(ends: np.ndarray) -> str:
    return f"{ends[0]:.4f} to {ends[1]:.4f}"


def accuracy_rows(
    found: Mapping[str, Any], dataset: Dataset, prefix: str, over_seeds: str
) -> list[tuple[str, str]]:
    names = {"train": "training", "val": "validation", "test": "test"}
    rows = []
    for split, name in names.items():
        value = f"{found[f'{prefix}{split}_accuracy']:.4f}"
        if f"{split}_interval" in found:
            value += f" ({interval(np.array(found[f'{split}_interval']))})"
        rows.append((f"{name} accuracy ({len(getattr(dataset, split)):,} examples{over_seeds})", value))
    return rows


def loss_name(config: SweepConfig) -> str:
    return {"softmax": "softmax cross-entropy", "hinge": "multiclass hinge"}[config.kind]


def penalty_name(config: SweepConfig) -> str:
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
