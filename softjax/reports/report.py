"""The common parts of all reports: the best classifier, its pictures, and how it was made."""

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from matplotlib.figure import Figure

from softjax import plots
from softjax.classifier.file import NAME
from softjax.datasets.dataset import Dataset, fingerprint
from softjax.datasets.folds import name_validation
from softjax.datasets.preprocess import Preprocessing, constant_features
from softjax.drawing import save_picture
from softjax.evaluation.metrics import confusion_matrix, negative_log_likelihood
from softjax.path.result import PathResult
from softjax.plots.classes import DIVERGING, scale_templates
from softjax.reports.environment import describe_environment, environment_rows
from softjax.reports.markdown import render, table
from softjax.reports.page.write import PAGE, write_page
from softjax.runs.checkpoint import describe_data
from softjax.runs.examples import EXAMPLES, RightAnswers
from softjax.runs.files import write_table, write_text
from softjax.runs.run_folder import RunFolder
from softjax.training.config import SweepConfig
from softjax.training.result import SweepResult

SPLITS = ("train", "val", "test")
TEMPLATE = Path(__file__).with_suffix(".md")
SHOWN = 10  # constant features
CURVES = ("loss_curves", "path")  # pictures that are written as .svg, too

Figures = dict[str, tuple[Figure, str]]  # file name: picture and caption


@dataclass(frozen=True)
class ReportContents:
    """The contents of the report of a sweep or of a path."""

    title: str
    summary: str
    best: dict[str, Any]
    """the values of the best classifier, as in run.json"""
    best_rows: list[tuple[str, str]]
    tables: dict[str, list[tuple[Any, ...]]]
    """CSV files; the first row is the header"""
    sections: str
    how: list[tuple[str, str]]
    seconds: dict[str, float]
    figures: Figures
    weights: Float[np.ndarray, "D K"]
    all_weights: np.ndarray | None
    config: dict[str, Any]
    page: dict[str, Any]
    """the data of the interactive page"""


def time_intervals(result: SweepResult | PathResult) -> dict[str, float]:
    """The seconds of the run, and those of its intervals, which are computed here."""
    start = time.perf_counter()
    _ = result.val_interval, result.test_interval, result.tied  # the result keeps them
    return asdict(result.seconds) | {"intervals": time.perf_counter() - start}


def write_report(
    contents: ReportContents,
    result: SweepResult | PathResult,
    dataset: Dataset,
    folder: RunFolder,
    command: str,
) -> None:
    """Writes the report into the run's folder: README.md, report.html, tables, run.json, classifier.npz and pictures."""
    classifier = result.classifier()
    scores = result.scores(dataset.test)
    nll = float(negative_log_likelihood(scores, dataset.test.y))
    predicted = scores.argmax(axis=1).astype(np.int32)
    counts = confusion_matrix(predicted, dataset.test.y, dataset.num_classes)
    figures = contents.figures | _draw_classifier(contents.weights, counts, dataset)
    run = _describe_run(contents, dataset, command, nll)
    scaling = _describe_scaling(result.preprocessing, dataset)
    with folder.write() as out:
        for name, rows in (contents.tables | _list_folds(result)).items():
            write_table(out / f"{name}.csv", rows)
        write_text(out / "run.json", json.dumps(run, indent=2, ensure_ascii=False) + "\n")
        classifier.save(out / NAME)
        _list_answers(result, dataset).keep_some(result.best).save(out / EXAMPLES)
        if contents.all_weights is not None:
            np.save(out / "weights.npy", contents.all_weights)
        for name, (figure, _) in figures.items():
            save_picture(figure, out, name, vector=name in CURVES)
        write_text(out / PAGE, write_page(contents.page))
        captions = {name: caption for name, (_, caption) in figures.items()}
        write_text(out / "README.md", _write_readme(contents, dataset, run, captions, scaling))


def _list_answers(result: SweepResult | PathResult, dataset: Dataset) -> RightAnswers:
    count = len(result.reg)
    validated = (dataset.train, dataset.val) if result.config.folds else (dataset.val,)
    return RightAnswers(
        np.arange(count),
        result.val_hits,
        result.test_hits,
        result.val_accuracy.reshape(count, -1),
        result.test_accuracy.reshape(count, -1),
        fingerprint(*(array for part in validated for array in (part.X, part.y))),
        fingerprint(dataset.test.X, dataset.test.y),
    )


def _draw_classifier(
    weights: Float[np.ndarray, "D K"], counts: Int[np.ndarray, "K K"], dataset: Dataset
) -> Figures:
    figures: Figures = {}
    if dataset.image_shape is not None:
        title = f"{dataset.title}: class templates of the best classifier"
        figure = plots.templates(weights, dataset.class_names, dataset.image_shape, title)
        figures["templates"] = (
            figure,
            "The weights of the best classifier, one image for each class, all on the same scale."
            + (
                " Red: positive. Blue: negative."
                if scale_templates(weights, dataset.image_shape)[1] == DIVERGING
                else ""
            ),
        )
    title = f"{dataset.title}: best classifier, {len(dataset.test):,} test examples"
    figures["confusion_matrix"] = (
        plots.confusion(counts, dataset.class_names, title),
        "The best classifier on the test examples: how many of each class it takes for which. The colour is the share of the row.",
    )
    return figures


def _describe_run(contents: ReportContents, dataset: Dataset, command: str, nll: float) -> dict[str, Any]:
    """The contents of run.json."""
    return {
        "command": command,
        "config": contents.config,
        "dataset": {
            "name": dataset.name,
            **describe_data(dataset),
            **{split: len(getattr(dataset, split)) for split in SPLITS},
            "features": dataset.num_features,
        },
        "best": contents.best | {"test_negative_log_likelihood": nll},
        "seconds": contents.seconds,
        **describe_environment(),
    }


def _write_readme(
    contents: ReportContents, dataset: Dataset, run: dict[str, Any], captions: dict[str, str], scaling: str
) -> str:
    data, config, best = run["dataset"], run["config"], run["best"]
    nll = ("test negative log-likelihood (nats)", f"{best['test_negative_log_likelihood']:.4f}")
    of_sweep = "seed" in contents.best
    axes = "configurations × seeds × D × K" if of_sweep else "penalty strengths × D × K"
    first, *others = (f"![{caption}]({name}.png)\n\n{caption}" for name, caption in captions.items())
    sizes = " / ".join(f"{data[split]:,}" for split in SPLITS)
    how = [
        ("data", f"{dataset.title}, {sizes} examples, fingerprint {dataset.fingerprint}"),
        *_describe_folds(config["folds"], dataset),
        *_describe_weights(dataset.train.weight),
        ("features", f"{dataset.num_features} and the bias; the training mean is subtracted{scaling}"),
        *contents.how,
        ("time", ", ".join(f"{name} {value:.1f} s" for name, value in run["seconds"].items())),
        ("peak memory", f"{run['peak_memory_mb']:,.0f} MB"),
        *environment_rows(run),
    ]
    return render(
        TEMPLATE,
        title=contents.title,
        verdict="\n".join(f"- {line}" for line in contents.page["verdict"]),
        summary=contents.summary,
        validation=name_validation(config["folds"]),
        chosen=" averaged over the seeds" if of_sweep and config["num_seeds"] > 1 else "",
        whose=f"; the classifier is that of seed {best['seed']}" if of_sweep else "",
        best=table([("", ""), *contents.best_rows, nll]),
        first_picture=first,
        pictures="\n\n".join(others),
        sections=contents.sections,
        scale=" · scale" if config["standardize"] else "",
        kept=""
        if contents.all_weights is None
        else f" The weights of all classifiers are in [weights.npy](weights.npy), {axes}.",
        command=run["command"],
        how=table([("", ""), *how]),
    )


def _describe_folds(folds: int, dataset: Dataset) -> list[tuple[str, str]]:
    """The row on cross-validation; none without it."""
    if not folds:
        return []
    together = ", groups kept together" if dataset.train.group is not None else ""
    return [
        (
            "cross-validation",
            f"{folds} folds, stratified{together}, of the {len(dataset.train) + len(dataset.val):,} training and validation examples "
            "together. Training without a fold tests it: the validation accuracy is that of all folds, one by one in "
            "[folds.csv](folds.csv). All other values are those of training with all of these examples",
        )
    ]


def _list_folds(result: SweepResult | PathResult) -> dict[str, list[tuple[Any, ...]]]:
    """The table of the accuracy on each fold; none without cross-validation."""
    accuracy = result.fold_accuracy
    if not accuracy.shape[-1]:
        return {}
    rows: list[tuple[Any, ...]]
    if isinstance(result, SweepResult):
        rows = [("lr", "reg", "seed", "fold", "accuracy")]
        for c, s, f in np.ndindex(*accuracy.shape):
            run = float(result.learning_rate[c]), float(result.reg[c]), int(result.seed[s])
            rows.append((*run, f, f"{accuracy[c, s, f]:.6f}"))
    else:
        rows = [("reg", "fold", "accuracy")]
        for r, f in np.ndindex(*accuracy.shape):
            rows.append((float(result.reg[r]), f, f"{accuracy[r, f]:.6f}"))
    return {"folds": rows}


def _describe_weights(weight: Float[np.ndarray, " N"] | None) -> list[tuple[str, str]]:
    """The row on the weights of the training examples; none where all count alike.

    The effective number of examples is Kish's, (Σw)² / Σw² (*Survey Sampling*, 1965).
    """
    if weight is None:
        return []
    effective = weight.sum() ** 2 / (weight**2).sum()
    return [
        (
            "weights",
            f"of the training examples {weight.min():.4g} to {weight.max():.4g}, as many as {effective:,.0f} of equal weight; "
            "accuracies count every example once",
        )
    ]


def _describe_scaling(preprocessing: Preprocessing, dataset: Dataset) -> str:
    """What features are divided by, and which are not because they are constant; empty where none is divided."""
    if preprocessing.scale is None:
        return ""
    constant = constant_features(dataset.train.X, preprocessing)
    if len(constant) == 0:
        return ", divided by the standard deviation"
    listed = ", ".join(map(str, constant[:SHOWN])) + ", …" * (len(constant) > SHOWN)
    verb = "is" if len(constant) == 1 else "are"
    return f", divided by the standard deviation; {len(constant)} {verb} constant in training ({listed})"


def interval(ends: np.ndarray) -> str:
    """An interval as text: "0.9123 to 0.9456"."""
    return f"{ends[0]:.4f} to {ends[1]:.4f}"


def accuracy_rows(
    found: Mapping[str, Any], dataset: Dataset, prefix: str, over_seeds: str, folds: int = 0
) -> list[tuple[str, str]]:
    """The accuracies on the three splits, with their intervals. With folds the first two are one."""
    names = {"train": "training", "val": name_validation(folds), "test": "test"}
    sizes = {split: len(getattr(dataset, split)) for split in names}
    if folds:
        sizes |= dict.fromkeys(("train", "val"), sizes["train"] + sizes["val"])
    rows = []
    for split, name in names.items():
        value = f"{found[f'{prefix}{split}_accuracy']:.4f}"
        if f"{split}_interval" in found:
            value += f" ({interval(np.array(found[f'{split}_interval']))})"
        rows.append((f"{name} accuracy ({sizes[split]:,} examples{over_seeds})", value))
    return rows


def loss_name(config: SweepConfig) -> str:
    """The loss in words."""
    return {"softmax": "softmax cross-entropy", "hinge": "multiclass hinge"}[config.kind]


def penalty_name(config: SweepConfig) -> str:
    """The penalty as a formula."""
    bias = "" if config.penalize_bias else ", the bias not penalized"
    if config.optimizer == "adamw":
        return f"decoupled weight decay reg W{bias}"
    formulas = {
        "l2": "reg ΣW²",
        "half_l2": "½ reg ΣW²",
        "l1": "reg Σ|W|",
        "elastic_net": f"reg ({config.l1_ratio:g} Σ|W| + ½ · {1 - config.l1_ratio:g} ΣW²)",
        "none": "none",
    }
    return f"penalty {formulas[config.penalty]}{bias}"
