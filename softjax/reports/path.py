"""The report of a regularization path."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from softjax import plots
from softjax.datasets import Dataset
from softjax.path.result import PathResult
from softjax.ranges import format_range
from softjax.reports.classifier import (
    SPLITS,
    Contents,
    accuracy_rows,
    interval,
    loss_name,
    penalty_name,
    write,
)
from softjax.reports.markdown import table


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
    rows = [("penalty strength reg", f"{found['reg']:.6g}"), *accuracy_rows(found, dataset, "", "")]
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
    report = Contents(
        f"Regularization path on {dataset.title}",
        f"The minimum of the {loss_name(config)} of a linear classifier, by L-BFGS on all training examples, for "
        f"{len(result.reg)} penalty strengths.",
        found,
        rows,
        {"path": list(_path_csv(result))},
        sections,
        [
            ("penalty strengths", f"{format_range(config.regs)}, {penalty_name(config)}"),
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
    write(report, result, dataset, out, command, overwrite)


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
            interval(result.val_interval[r]),
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
