"""What a result shows of itself: a few lines, a page in a notebook, a table of pandas."""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from softjax import plots
from softjax.datasets.dataset import Dataset
from softjax.datasets.folds import name_validation
from softjax.errors import InputError, check_instance, read_kind
from softjax.path.result import PathResult
from softjax.reports.page.data import describe_path_page, describe_sweep_page
from softjax.reports.page.write import write_page
from softjax.reports.path import describe_convergence, path_rows
from softjax.reports.report import interval
from softjax.reports.sweep import best_cells, describe_grid
from softjax.runs.files import raise_as_input_error, write_file
from softjax.training.result import SweepResult

ROWS_SHOWN = 5
FRAME = "width: 100%; height: 60em; border: none; background: white"
PATH_COLUMNS = 8  # of `path_rows`, the first ones
# Lines and texts have the notebook's own colours, which a dark theme changes; pictures are on white.
PAGE = "max-width: 60em; overflow-x: auto"
TEXT = "margin: 0 0 0.5em; background: none; color: inherit; white-space: pre-wrap"
PICTURE = "max-width: 100%; background: white; border-radius: 4px"
TABLE = "margin-top: 0.5em; border-collapse: collapse; color: inherit"
CELL = "padding: 0.2em 0.8em; text-align: right; color: inherit; border-bottom: 1px solid rgba(128, 128, 128, 0.4)"


def describe_sweep(result: SweepResult) -> str:
    """A sweep in a few lines: what was run, the best configuration, ties, runs that diverged, seconds."""
    config, total = result.config, len(result.reg)
    lines = [
        f"{describe_grid(config)}, {config.num_iters:,} steps of {config.optimizer}{_describe_folds(result)}"
    ]
    if reason := _explain_no_best(result):
        lines.append(reason)
    else:
        best = result.best
        lines += [
            f"best: lr {result.learning_rate[best]:.6g}, reg {result.reg[best]:.6g}",
            *_describe_accuracies(result, ", mean over the seeds" if len(result.seed) > 1 else ""),
            f"tied with the best: {result.tied.sum()} of {total} configurations, itself included",
        ]
    lines += [f"diverged: {result.diverged.sum()} of {result.diverged.size} runs", _describe_seconds(result)]
    return "\n  ".join(["SweepResult", *lines])


def describe_path(result: PathResult) -> str:
    """A path in a few lines, as `describe_sweep`; in place of runs that diverged, strengths that did not converge."""
    total, converged = len(result.reg), describe_convergence(result)
    lines = [
        f"{total} penalty strength{'s' if total > 1 else ''}, penalty {result.config.penalty}, by Newton's method{_describe_folds(result)}",
        f"best: reg {result.reg[result.best]:.6g}",
        *_describe_accuracies(result, ""),
        f"tied with the best: {result.tied.sum()} of {total} penalty strengths, itself included",
        converged[0].lower() + converged[1:],
        _describe_seconds(result),
    ]
    return "\n  ".join(["PathResult", *lines])


def show_sweep(result: SweepResult) -> str:
    """A sweep as HTML: its lines, the heat map, and its best configurations."""
    if _explain_no_best(result):
        return _write_page(describe_sweep(result))
    picture = plots.heat_map(result, "Validation accuracy")
    return _write_page(describe_sweep(result), picture, best_cells(result, ROWS_SHOWN))


def show_path(result: PathResult) -> str:
    """A path as HTML: its lines, the accuracies over the penalty strength, and the best strengths."""
    header, *rows = (row[:PATH_COLUMNS] for row in path_rows(result))
    shown = np.argsort(_rank(result.val_accuracy), kind="stable")[:ROWS_SHOWN]
    picture = plots.path(result, "Accuracy along the regularization path")
    return _write_page(describe_path(result), picture, [header, *(rows[r] for r in shown)])


@dataclass(frozen=True, repr=False)
class Page:
    """An interactive page as HTML. A notebook shows it in a frame of its own.

    Attributes:
        html: The page, one file that needs no network.
    """

    html: str

    def save(self, path: str | Path) -> Path:
        """Writes the page to a file, which is replaced, and returns its path. Raises `InputError` if it cannot be written."""
        chosen: Path = read_kind("path", path, Path)
        with raise_as_input_error(f"{chosen} cannot be written"):
            write_file(chosen, lambda file: file.write(self.html.encode()))
        return chosen

    def __repr__(self) -> str:
        return f"Page of {len(self.html) / 1e6:.1f} MB: a notebook shows it, save(path) writes it"

    def _repr_html_(self) -> str:
        return f'<iframe srcdoc="{escape(self.html)}" style="{FRAME}" title="softjax"></iframe>'


def show_sweep_page(result: SweepResult, dataset: Dataset) -> Page:
    """The page of `SweepResult.show`."""
    check_instance("dataset", dataset, Dataset)
    return Page(write_page(describe_sweep_page(result, dataset, None)))


def show_path_page(result: PathResult, dataset: Dataset) -> Page:
    """The page of `PathResult.show`."""
    check_instance("dataset", dataset, Dataset)
    return Page(write_page(describe_path_page(result, dataset, None)))


def tabulate_sweep(result: SweepResult) -> Any:
    """The table of `SweepResult.to_dataframe`."""
    pandas = _import_pandas()
    several, folds = len(result.seed) > 1, result.fold_accuracy.mean(axis=1)
    means = {split: getattr(result, f"{split}_accuracy").mean(axis=1) for split in ("train", "val", "test")}
    spreads = {
        split: getattr(result, f"{split}_accuracy").std(axis=1, ddof=1)
        if several
        else np.full_like(mean, np.nan)
        for split, mean in means.items()
    }
    configurations = zip(result.learning_rate.tolist(), result.reg.tolist(), strict=True)
    compared = np.where(result.steps == result.steps.max(), means["val"], np.nan)
    tied = np.zeros(len(result.reg), bool) if _explain_no_best(result) else result.tied
    return pandas.DataFrame(
        {
            "params": [{"lr": lr, "reg": reg} for lr, reg in configurations],
            "param_lr": result.learning_rate,
            "param_reg": result.reg,
            "steps": result.steps,
            **_fold_columns(folds),
            **{
                f"seed{seed}_test_score": accuracy
                for seed, accuracy in zip(result.seed, result.val_accuracy.T, strict=True)
            },
            "mean_test_score": means["val"],
            "std_test_score": folds.std(axis=1, ddof=1) if folds.shape[1] else spreads["val"],
            "rank_test_score": _rank(compared),
            **_interval_columns("val", result.val_interval),
            "tied": tied,
            "mean_train_score": means["train"],
            "std_train_score": spreads["train"],
            "test_accuracy_mean": means["test"],
            "test_accuracy_sd": spreads["test"],
            **_interval_columns("test", result.test_interval),
            "num_diverged": result.diverged.sum(axis=1),
        }
    )


def tabulate_path(result: PathResult) -> Any:
    """The table of `PathResult.to_dataframe`."""
    folds = result.fold_accuracy
    pandas = _import_pandas()
    names = ("objective", "gradient_norm", "gap", "newton_steps", "passes", "converged")
    return pandas.DataFrame(
        {
            "params": [{"reg": reg} for reg in result.reg.tolist()],
            "param_reg": result.reg,
            **_fold_columns(folds),
            "mean_test_score": result.val_accuracy,
            **({"std_test_score": folds.std(axis=1, ddof=1)} if folds.shape[1] else {}),
            "rank_test_score": _rank(result.val_accuracy),
            **_interval_columns("val", result.val_interval),
            "tied": result.tied,
            "mean_train_score": result.train_accuracy,
            "test_accuracy": result.test_accuracy,
            **_interval_columns("test", result.test_interval),
            **{name: getattr(result, name) for name in names},
            "reason": result.reasons,
            "arithmetic": result.solved_in,
        }
    )


def _explain_no_best(result: SweepResult) -> str:
    """Why there is no best configuration; empty if there is one."""
    try:
        _ = result.best
    except InputError as error:
        return str(error)
    return ""


def _describe_folds(result: SweepResult | PathResult) -> str:
    return f", {result.config.folds} folds" if result.config.folds else ""


def _describe_accuracies(result: SweepResult | PathResult, over_seeds: str) -> list[str]:
    """The accuracies of the best on the two splits that are not trained on, with their intervals."""
    lines = []
    validation = name_validation(result.config.folds)
    for split, name in (("val", validation), ("test", "test")):
        accuracy = np.mean(getattr(result, f"{split}_accuracy")[result.best])
        ends = interval(getattr(result, f"{split}_interval")[result.best])
        lines.append(f"{name} accuracy {accuracy:.4f} (95 % interval {ends}){over_seeds}")
    return lines


def _describe_seconds(result: SweepResult | PathResult) -> str:
    phases = asdict(result.seconds)
    listed = ", ".join(f"{name} {seconds:.1f}" for name, seconds in phases.items())
    return f"{sum(phases.values()):.1f} s: {listed}"


def _rank(scores: Float[np.ndarray, " C"]) -> Int[np.ndarray, " C"]:
    """1 for the highest score, the same for equal ones, as in scikit-learn; NaN comes last."""
    falling = np.where(np.isnan(scores), np.inf, -scores)
    ranks: np.ndarray = 1 + np.searchsorted(np.sort(falling), falling)
    return ranks


def _fold_columns(folds: Float[np.ndarray, "C F"]) -> dict[str, Float[np.ndarray, " C"]]:
    return {f"split{number}_test_score": accuracy for number, accuracy in enumerate(folds.T)}


def _interval_columns(split: str, ends: Float[np.ndarray, "C 2"]) -> dict[str, Float[np.ndarray, " C"]]:
    return {f"{split}_low": ends[:, 0], f"{split}_high": ends[:, 1]}


def _import_pandas() -> Any:
    try:
        import pandas
    except ModuleNotFoundError as error:
        raise InputError("to_dataframe needs pandas: python -m pip install pandas") from error
    return pandas


def _write_page(text: str, picture: Any = None, rows: Sequence[tuple[str, ...]] = ()) -> str:
    """HTML of a text, a figure and a table. The first of `rows` is the header."""
    parts = [f'<pre style="{TEXT}">{escape(text)}</pre>']
    if picture is not None:
        source = f"data:image/png;base64,{b64encode(picture._repr_png_()).decode()}"
        parts.append(f'<img style="{PICTURE}" alt="{escape(picture.axes[0].get_title())}" src="{source}">')
    if rows:
        lines = [_write_row("th", rows[0]), *(_write_row("td", row) for row in rows[1:])]
        parts.append(f'<table style="{TABLE}">{"".join(lines)}</table>')
    return f'<div style="{PAGE}">{"".join(parts)}</div>'


def _write_row(tag: str, cells: tuple[str, ...]) -> str:
    return "<tr>" + "".join(f'<{tag} style="{CELL}">{escape(cell)}</{tag}>' for cell in cells) + "</tr>"
