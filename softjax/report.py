"""A folder with the results of a run, and how it was made."""

import csv
import json
import os
import platform
import resource
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import numpy as np

from softjax import checkpoint, plots
from softjax.config import InputError, SweepConfig, format_range
from softjax.datasets import Dataset
from softjax.metrics import confusion_matrix, negative_log_likelihood
from softjax.result import SweepResult

COLUMNS = ("lr", "reg", "seed", "train_accuracy", "val_accuracy", "test_accuracy", "final_loss", "diverged")
ROWS_SHOWN = 10


def partial_folder(out: Path) -> Path:
    """Where the report at `out` grows, with what an unfinished run needs to go on."""
    out = Path(os.path.abspath(out))  # "." has no name
    return out.with_name(f"{out.name}.partial")


def restore_earlier(out: Path) -> None:
    """Puts the report back that was at `out` when a run was killed while its own took the place.

    Raises `InputError` where that cannot be done.
    """
    earlier = partial_folder(out) / "earlier"
    try:
        if earlier.exists():
            shutil.rmtree(earlier) if out.exists() else earlier.rename(out)
    except OSError as error:
        raise InputError(f"{out} cannot be written: {error}") from error


def check_free(out: Path, overwrite: bool) -> None:
    """Raises `InputError` unless a report can be written at `out`; with `overwrite`, over an earlier one."""
    parent = next(folder for folder in out.absolute().parents if folder.exists())
    try:
        tempfile.TemporaryDirectory(dir=parent, suffix=".partial").cleanup()
    except OSError as error:
        raise InputError(f"{out} cannot be written: {error}") from error
    if not out.exists():
        return
    if not out.is_dir():
        raise InputError(f"{out} is a file; a report is a folder")
    if not any(out.iterdir()):
        return
    if not overwrite:
        raise InputError(f"{out} exists; give --overwrite to replace it, or another --out")
    if not (out / "run.json").is_file():
        raise InputError(f"{out} holds no report of softjax (no run.json), so it is not overwritten")


def check_finished(out: Path, unfinished: bool, overwrite: bool) -> None:
    """Raises `InputError` where a new run would discard an unfinished one that nobody said to discard."""
    if unfinished and not overwrite:
        raise InputError(
            f"{partial_folder(out)} holds an unfinished run: --resume goes on with it, --overwrite discards it"
        )


@contextmanager
def report_folder(out: Path, overwrite: bool) -> Iterator[Path]:
    """A folder that becomes `out` when the block ends well, and vanishes when it does not.

    The checkpoint of a sweep beside it is removed once the report is complete, and stays where it is not.
    """
    restore_earlier(out)
    check_free(out, overwrite)
    out = out.absolute()
    partial = partial_folder(out)
    new, earlier = partial / "report", partial / "earlier"
    try:
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(parents=True)
        yield new
        if out.exists():
            out.rename(earlier)
        new.rename(out)
        checkpoint.discard(partial)
    except OSError as error:
        raise InputError(f"{out} cannot be written: {error}") from error
    finally:
        if earlier.exists() and not out.exists():
            earlier.rename(out)
        shutil.rmtree(new, ignore_errors=True)
        with suppress(OSError):  # not empty: an unfinished run
            partial.rmdir()


def environment() -> dict[str, Any]:
    """Versions, device and peak memory of this process, and the time."""
    device = jax.devices()[0]
    packages = ("softjax-suite", "jax", "jaxlib", "numpy", "scikit-learn", "matplotlib")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {"python": platform.python_version()} | {name: version(name) for name in packages},
        "device": {
            "platform": device.platform,
            "kind": device.device_kind,
            "count": jax.device_count(),
            "machine": platform.machine(),
            "cpu_cores": os.cpu_count(),
        },
        "peak_memory_mb": round(peak / 1e6, 1),
    }


def write_sweep(
    result: SweepResult, dataset: Dataset, out: Path, *, command: str, overwrite: bool = False
) -> None:
    """Writes a sweep's report: README.md, results.csv, run.json, classifier.npz and the pictures (and
    weights.npy, where all weights were kept). All of it, or nothing.

    **Arguments:**

    - `result`, `dataset`: the sweep and the raw data set it was given.
    - `out`: the folder, made with its parents.
    - `command`: the command line that regenerates it.
    - `overwrite`: replace an earlier report at `out`.

    Raises `InputError` where `out` is taken or cannot be written, or where every configuration diverged.
    """
    best, seed = result.best, result.best_seed
    test_scores = result.scores(dataset.test)
    predicted = test_scores.argmax(axis=1).astype(np.int32)
    counts = confusion_matrix(predicted, dataset.test.y, dataset.num_classes)
    figures = {
        "heat_map": plots.heat_map(result, f"{dataset.title}: validation accuracy"),
        "loss_curves": plots.loss_curves(result, f"{dataset.title}: training objective"),
        "confusion_matrix": plots.confusion(
            counts,
            dataset.class_names,
            f"{dataset.title}: best classifier, {len(dataset.test):,} test examples",
        ),
    }
    if dataset.image_shape is not None:
        figures["templates"] = plots.templates(
            result.best_weights,
            dataset.class_names,
            dataset.image_shape,
            f"{dataset.title}: class templates of the best classifier",
        )
    run = {
        "command": command,
        "config": asdict(result.config),
        "dataset": {
            "name": dataset.name,
            "title": dataset.title,
            "fingerprint": dataset.fingerprint,
            "train": len(dataset.train),
            "val": len(dataset.val),
            "test": len(dataset.test),
            "features": dataset.num_features,
            "classes": list(dataset.class_names),
        },
        "best": {
            "lr": float(result.learning_rate[best]),
            "reg": float(result.reg[best]),
            "seed": int(result.seed[seed]),
            "train_accuracy": float(result.train_accuracy[best, seed]),
            "val_accuracy": float(result.val_accuracy[best, seed]),
            "test_accuracy": float(result.test_accuracy[best, seed]),
            "test_negative_log_likelihood": float(negative_log_likelihood(test_scores, dataset.test.y)),
        },
        "seconds": asdict(result.seconds),
        **environment(),
    }
    with report_folder(out, overwrite) as folder:
        with (folder / "results.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            writer.writerows(_rows(result))
        (folder / "run.json").write_text(json.dumps(run, indent=2, ensure_ascii=False) + "\n")
        classifier: dict[str, Any] = {
            "W": result.best_weights,
            "class_names": np.array(dataset.class_names),
            **result.preprocessing._asdict(),
        }
        np.savez(folder / "classifier.npz", **{k: v for k, v in classifier.items() if v is not None})
        if result.weights is not None:
            np.save(folder / "weights.npy", result.weights)
        for name, figure in figures.items():
            figure.savefig(folder / f"{name}.png", dpi=150)
        (folder / "README.md").write_text(_sweep_readme(result, dataset, run, list(figures)))


def grid_size(config: SweepConfig) -> str:
    """The size of a sweep in words: "10 learning rates × 10 penalty strengths × 1 seed"."""
    axes = {
        "learning rate": len(config.learning_rates),
        "penalty strength": len(config.regs),
        "seed": config.num_seeds,
    }
    return " × ".join(f"{size} {name}{'s' if size > 1 else ''}" for name, size in axes.items())


def best_cells(result: SweepResult, most: int = ROWS_SHOWN) -> list[tuple[str, ...]]:
    """The best configurations, best first: lr, reg and the three accuracies, as text, under a header row.

    With several seeds the accuracies are mean ± standard deviation over them.
    """

    def text(values: np.ndarray) -> str:
        spread = f" ± {values.std(ddof=1):.4f}" if len(values) > 1 else ""
        return f"{values.mean():.4f}{spread}"

    means = result.val_accuracy.mean(axis=1)
    order = np.argsort(-np.where(np.isnan(means), -np.inf, means), kind="stable")
    names = ("train_accuracy", "val_accuracy", "test_accuracy")
    return [("lr", "reg", "train accuracy", "validation accuracy", "test accuracy")] + [
        (
            f"{result.learning_rate[c]:.6g}",
            f"{result.reg[c]:.6g}",
            *(text(getattr(result, name)[c]) for name in names),
        )
        for c in order[:most]
        if not np.isnan(means[c])
    ]


def _rows(result: SweepResult) -> Iterator[tuple[Any, ...]]:
    for c, s in np.ndindex(*result.diverged.shape):
        yield (
            repr(float(result.learning_rate[c])),
            repr(float(result.reg[c])),
            int(result.seed[s]),
            *(
                f"{getattr(result, name)[c, s]:.6f}"
                for name in ("train_accuracy", "val_accuracy", "test_accuracy")
            ),
            str(result.final_loss[c, s]),
            bool(result.diverged[c, s]),
        )


def table(rows: Sequence[tuple[str, ...]]) -> str:
    """Rows of text as a table in Markdown, the first of them its header."""
    header, *body = rows
    lines = [header, tuple("---:" for _ in header), *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


_CAPTIONS = {
    "heat_map": "Validation accuracy of every configuration.",
    "loss_curves": "The minibatch objective of every configuration.",
    "templates": "The best classifier's weights, class by class, on one scale.",
    "confusion_matrix": "The best classifier on the test examples: counts, coloured by their share of the row.",
}


def _sweep_readme(result: SweepResult, dataset: Dataset, run: dict[str, Any], figures: list[str]) -> str:
    config, best, device, data = result.config, run["best"], run["device"], run["dataset"]
    penalty = {
        "l2": "reg ΣW²",
        "half_l2": "½ reg ΣW²",
        "l1": "reg Σ|W|",
        "elastic_net": f"reg ({config.l1_ratio:g} Σ|W| + ½ · {1 - config.l1_ratio:g} ΣW²)",
        "none": "none",
    }[config.penalty]
    num_diverged, num_runs = int(result.diverged.sum()), result.diverged.size
    seconds = ", ".join(f"{name} {value:.1f} s" for name, value in run["seconds"].items())
    versions = ", ".join(f"{name} {number}" for name, number in run["versions"].items())
    loss_name = {"softmax": "softmax cross-entropy", "hinge": "multiclass hinge"}[config.kind]
    pictures = "\n\n".join(
        f"![{_CAPTIONS[name]}]({name}.png)\n\n{_CAPTIONS[name]}" for name in _CAPTIONS if name in figures
    )
    bias = "" if config.penalize_bias else ", the bias not penalized"
    standardized = ", divided by the standard deviation" if config.standardize else ""
    return f"""# Sweep on {dataset.title}

A linear classifier by minibatch SGD on the {loss_name}: {grid_size(config)}.

## The best cell

Chosen by validation accuracy{
        " averaged over the seeds" if config.num_seeds > 1 else ""
    }; the classifier is seed {best["seed"]}'s.

| | |
| --- | ---: |
| learning rate lr | {best["lr"]:.6g} |
| penalty strength reg | {best["reg"]:.6g} |
| training accuracy ({data["train"]:,} examples) | {best["train_accuracy"]:.4f} |
| validation accuracy ({data["val"]:,} examples) | {best["val_accuracy"]:.4f} |
| test accuracy ({data["test"]:,} examples) | {best["test_accuracy"]:.4f} |
| test negative log-likelihood (nats) | {best["test_negative_log_likelihood"]:.4f} |

{pictures}

## The best {min(ROWS_SHOWN, len(result.reg))} cells

{table(best_cells(result))}

All {num_runs} runs are in [results.csv](results.csv); {
        num_diverged or "none"
    } of them diverged. The best classifier
is in [classifier.npz](classifier.npz): scores are ((x − mean){
        " · scale" if config.standardize else ""
    }, 1) @ W.{
        ""
        if result.weights is None
        else " All of them are in [weights.npy](weights.npy), configurations × seeds × D × K."
    }

## How it was made

    {run["command"]}

| | |
| --- | --- |
| data | {dataset.title}, {data["train"]:,} / {data["val"]:,} / {data["test"]:,} examples, fingerprint {
        dataset.fingerprint
    } |
| features | {dataset.num_features} and the bias; the training mean subtracted{standardized} |
| learning rates | {format_range(config.learning_rates)} |
| penalty strengths | {format_range(config.regs)}, penalty {penalty}{bias} |
| training | {config.num_iters:,} steps of {config.batch_size} examples, initial weights {
        config.init_scale:g} · normal, {config.dtype}, matmul precision {config.precision} |
| seeds | {", ".join(map(str, result.seed))} |
| time | {seconds} |
| peak memory | {run["peak_memory_mb"]:,.0f} MB |
| device | {device["count"]} × {device["kind"]}, {device["cpu_cores"]} CPU cores, {device["machine"]} |
| versions | {versions} |
| date | {run["date"]} |
"""
