"""What a page shows, as one JSON value: the rows of the run, curves, accuracies of classes, templates, confusion matrices."""

import io
import math
from base64 import b64encode
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.image import imsave

from softjax.datasets.dataset import Dataset
from softjax.datasets.folds import name_validation
from softjax.evaluation.metrics import confusion_matrix
from softjax.path.result import PathResult
from softjax.plots.classes import scale_templates
from softjax.plots.curves import LEAST_SHARE, find_share, name_loss
from softjax.reports.hints import change_command
from softjax.reports.markdown import count_of
from softjax.training.result import SweepResult

VERSION = 1
SINGLE = dict.fromkeys(("--search", "--num-configs", "--halvings", "--chunk-size"))  # options of a search
CALLS = {
    "search": "softjax.sweep(dataset, dataclasses.replace(result.config, search='grid', num_configs=None, halvings=0, "
    "learning_rates=(LR,), regs=(REG,)))",
    "sweep": "softjax.sweep(dataset, dataclasses.replace(result.config, learning_rates=(LR,), regs=(REG,)))",
    "path": "softjax.regularization_path(dataset, dataclasses.replace(result.config, regs=(REG,)), result.solver)",
}
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
CURVE_POINTS = 60  # of each loss curve
MOST_NUMBERS = 200_000  # of all curves together, and of the weights along a path
FEATURES = 6  # of each class, whose weights are drawn along a path
MOST_IMAGE_BYTES = 2_000_000  # of all templates; beyond that only the best has them
DIGITS = 7  # significant ones, more than the six of the tables


def describe_sweep_page(result: SweepResult, dataset: Dataset, command: str | None) -> dict[str, Any]:
    """The data of a sweep's page. `command` is the command line that makes the report again, None where it was a call."""
    count = len(result.reg)
    rows = _list_rows(result) | {
        "lr": result.learning_rate,
        "steps": result.steps,
        "loss": result.final_loss.mean(axis=1),
        "diverged": result.diverged.sum(axis=1),
    }
    best = result.best
    lr, reg = result.learning_rate[best], result.reg[best]
    verdict = [
        f"Best of {count_of(count, 'configuration')}: lr {lr:.6g}, reg {reg:.6g}. {_describe_accuracy(result)}",
        *_describe_ties(result, "configurations"),
        f"{int(result.diverged.sum()) or 'None'} of {count_of(result.diverged.size, 'run')} diverged.",
    ]
    several = len(result.seed) > 1
    return {
        **_describe_page(result, dataset, verdict),
        "kind": "sweep",
        "title": f"Sweep on {dataset.title}",
        "grid": result.grid_shape is not None,
        "several_seeds": several,
        "independent": result.config.minibatches == "independent",
        "rows": _plain(rows),
        "curves": _describe_curves(result),
        "alone": CALLS["sweep" if result.config.search == "grid" and not result.config.halvings else "search"]
        if command is None
        else change_command(command, SINGLE | {"--learning-rates": "LR", "--regs": "REG"}),
        **_describe_weights(result, dataset, _list_weights(result)),
    }


def describe_path_page(result: PathResult, dataset: Dataset, command: str | None) -> dict[str, Any]:
    """The data of a path's page. Arguments as `describe_sweep_page`."""
    left = int((~result.converged).sum())
    rows = _list_rows(result) | {
        "loss": result.objective,
        "gap": result.gap,
        "converged": result.converged,
        "norm": np.linalg.norm(result.weights[:, :-1].astype(np.float64), axis=(1, 2)),
    }
    verdict = [
        f"Best of {count_of(len(result.reg), 'penalty strength')}: reg {result.reg[result.best]:.6g}. {_describe_accuracy(result)}",
        *_describe_ties(result, "penalty strengths"),
        "All converged." if not left else f"{left} of {len(result.reg)} did not converge.",
    ]
    return {
        **_describe_page(result, dataset, verdict),
        "kind": "path",
        "title": f"Regularization path on {dataset.title}",
        "rows": _plain(rows),
        "alone": CALLS["path"] if command is None else change_command(command, {"--regs": "REG"}),
        "weights": _describe_features(result, dataset),
        **_describe_weights(result, dataset, enumerate(result.weights)),
    }


def _describe_page(result: SweepResult | PathResult, dataset: Dataset, verdict: list[str]) -> dict[str, Any]:
    correct = result.test_hits / (len(result.seed) if isinstance(result, SweepResult) else 1)
    of_class = [dataset.test.y == k for k in range(dataset.num_classes)]
    per_class = [
        correct[:, rows].mean(axis=1) if rows.any() else np.full(len(correct), np.nan) for rows in of_class
    ]
    return {
        "version": VERSION,
        "verdict": verdict,
        "validation": name_validation(result.config.folds),
        "best": int(result.best),
        "classes": list(dataset.class_names),
        "class_sizes": [int(rows.sum()) for rows in of_class],
        "per_class": _plain(np.stack(per_class, axis=1)),
        "num_test": len(dataset.test),
    }


def _list_rows(result: SweepResult | PathResult) -> dict[str, np.ndarray]:
    """What both kinds of runs have, an array for each column; accuracies are means over the seeds."""
    accuracies = {
        split: np.asarray(getattr(result, f"{split}_accuracy")).reshape(len(result.reg), -1).mean(axis=1)
        for split in ("train", "val", "test")
    }
    return {
        "config": np.arange(len(result.reg)),
        "reg": np.asarray(result.reg, float),
        **accuracies,
        "low": result.val_interval[:, 0],
        "high": result.val_interval[:, 1],
        "test_low": result.test_interval[:, 0],
        "test_high": result.test_interval[:, 1],
        "tied": result.tied,
    }


def _describe_accuracy(result: SweepResult | PathResult) -> str:
    parts = []
    for split, name in (("val", name_validation(result.config.folds)), ("test", "test")):
        accuracy = float(np.mean(getattr(result, f"{split}_accuracy")[result.best]))
        low, high = getattr(result, f"{split}_interval")[result.best]
        parts.append(f"{name} accuracy {accuracy:.4f} (95 %: {low:.4f} to {high:.4f})")
    text = ", ".join(parts)
    return f"{text[0].upper()}{text[1:]}."


def _describe_ties(result: SweepResult | PathResult, what: str) -> list[str]:
    tied = int(result.tied.sum())
    if len(result.reg) == 1:
        return []
    if tied == 1:
        return [f"No other of the {what} is statistically tied with it."]
    return [f"{tied} of the {len(result.reg):,} {what} are statistically tied, the best included."]


def _describe_curves(result: SweepResult) -> dict[str, Any]:
    """Curves of the loss without the penalty, averaged over the seeds and over equal stretches of steps, and the quantiles of all
    of them at each point; the same of the penalty's share of the objective, if there is a penalty.

    What diverged counts as infinite in the quantiles of losses, what was stopped early not at all from then on.
    """
    losses, objectives = (
        history.mean(axis=1, dtype=np.float64) for history in (result.data_loss_history, result.loss_history)
    )  # (C, H)
    points = max(min(CURVE_POINTS, losses.shape[1], MOST_NUMBERS // len(losses)), 2)
    edges = np.unique(np.linspace(0, losses.shape[1], points + 1).astype(int))

    def average(history: Float[np.ndarray, "C H"]) -> Float[np.ndarray, "C P"]:
        return np.stack([history[:, a:b].mean(axis=1) for a, b in pairwise(edges)], axis=1)

    smooth, share = average(losses), find_share(average(objectives), average(losses))
    steps = [float(result.history_steps[a:b].mean()) for a, b in pairwise(edges)]
    diverged = np.asarray(result.diverged.any(axis=1))
    low, top = _plain(np.array(_limit(smooth[~diverged], smooth[result.best])), 4)
    going = np.array(steps) < result.steps[:, None]
    counted = np.where(going, np.where(np.isfinite(smooth), smooth, np.inf), np.nan)
    # what lies far above is drawn beyond the edge
    ranked = np.minimum(np.nanquantile(counted, QUANTILES, axis=0, method="lower"), 10 * top)
    curves = {
        "steps": steps,
        "over": int(np.diff(edges).max()),
        "limits": [low, top],
        "name": name_loss(result),
        "loss": _plain(smooth, 4),
        "quantiles": _plain(ranked, 4),
    }
    if (np.nan_to_num(share) > LEAST_SHARE).any():
        known = np.where(going & np.isfinite(share), share, np.nan)
        known[:, np.isnan(known).all(axis=0)] = 0.0
        quantiles = np.nanquantile(known, QUANTILES, axis=0, method="lower")
        curves |= {"share": _plain(share, 4), "share_quantiles": _plain(quantiles, 4)}
    return curves


def _limit(stable: Float[np.ndarray, "c P"], best: Float[np.ndarray, " P"]) -> tuple[float, float]:
    """The ends of the axis of losses: from the least one to twice the largest start, or where nine tenths end.

    The curve of the best is inside. `stable` are the curves that did not diverge.
    """
    values = np.where(np.isfinite(stable) & (stable > 0), stable, np.nan)
    if np.isnan(values).all():
        return 0.5, 2.0
    ends = values[~np.isnan(values).all(axis=1), -1]
    top = np.nanmax([np.nanmax(values[:, 0], initial=0.0), *np.nan_to_num(np.quantile(ends, (0.9,)))])
    highest = np.nanmax(best[np.isfinite(best)], initial=0.0)
    return 0.8 * float(np.nanmin(values)), max(
        2 * float(top), 1.2 * float(highest), 2 * float(np.nanmin(values))
    )


def _describe_features(result: PathResult, dataset: Dataset) -> dict[str, Any]:
    """For each class: the features whose weights are largest in size at the best strength, by name; their weights at all strengths
    (features, R); and the quantiles of the weights of all features (quantiles, R). Of many classes, the first ones.
    """
    W = result.weights[:, :-1].astype(np.float64)  # (R, features, K), without the bias
    most = max(MOST_NUMBERS // (len(W) * (FEATURES + len(QUANTILES))), 1)
    classes = range(min(dataset.num_classes, most))
    largest = [np.argsort(-np.abs(W[result.best, :, k]), kind="stable")[:FEATURES] for k in classes]
    return {
        "classes": [dataset.class_names[k] for k in classes],
        "unit": "standard deviation of the feature" if result.config.standardize else "unit of the feature",
        "features": [[_name_feature(dataset, int(n)) for n in chosen] for chosen in largest],
        "values": [_plain(W[:, chosen, k].T, 4) for k, chosen in zip(classes, largest, strict=True)],
        "quantiles": [_plain(np.quantile(W[:, :, k], QUANTILES, axis=1), 4) for k in classes],
    }


def _name_feature(dataset: Dataset, number: int) -> str:
    """Its name; of an image, its row, column and channel; else its column of X. All are counted from 0."""
    if dataset.feature_names is not None:
        return dataset.feature_names[number]
    if dataset.image_shape is None:
        return f"column {number}"
    row, column, *channel = np.unravel_index(number, dataset.image_shape)
    return " ".join([f"pixel {row}, {column}", *(("red", "green", "blue")[each] for each in channel)])


def _list_weights(result: SweepResult) -> Iterator[tuple[int, Float[np.ndarray, "D K"]]]:
    """The configurations whose weights were kept, and the weights of one seed: that of the best run."""
    if result.weights is None:
        yield result.best, result.best_weights
    else:
        yield from enumerate(result.weights[:, result.best_seed])


def _describe_weights(result: SweepResult | PathResult, dataset: Dataset, weights: Any) -> dict[str, Any]:
    """Templates and confusion matrices of the configurations whose weights are known."""
    templates: dict[str, list[str]] = {}
    confusion: dict[str, Any] = {}
    for config, W in weights:
        if not np.isfinite(W).all():
            continue
        scores = result.scores(dataset.test, config)
        predicted = scores.argmax(axis=1).astype(np.int32)
        confusion[str(config)] = confusion_matrix(predicted, dataset.test.y, dataset.num_classes).tolist()
        if dataset.image_shape is not None:
            templates[str(config)] = encode_templates(W, dataset.image_shape)
    if sum(len(image) for images in templates.values() for image in images) > MOST_IMAGE_BYTES:
        templates = {name: templates[name] for name in [str(result.best)] if name in templates}
    return {"templates": templates, "confusion": confusion}


def encode_templates(W: Float[np.ndarray, "D K"], image_shape: Sequence[int]) -> list[str]:
    """The weights of each class as a PNG data URL, coloured as by `softjax.plots.templates`."""
    images, colors = scale_templates(W, image_shape)
    urls = []
    for image in images:
        stream = io.BytesIO()
        imsave(stream, np.squeeze(image), format="png", cmap=colors, vmin=0, vmax=1)
        urls.append("data:image/png;base64," + b64encode(stream.getvalue()).decode())
    return urls


def _plain(value: Any, digits: int = DIGITS) -> Any:
    """Arrays as lists of numbers with so many digits, and null where there is no finite one. Options keep all digits."""
    if isinstance(value, dict):
        return {
            name: column.tolist()
            if column.dtype.kind in "iub" or name in ("lr", "reg")
            else _plain(column, digits)
            for name, column in value.items()
        }
    if isinstance(value, np.ndarray):
        return [_plain(each, digits) for each in value]
    return float(f"{value:.{digits}g}") if math.isfinite(value) else None
