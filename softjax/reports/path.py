"""The report of a regularization path."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from softjax import plots
from softjax.analysis import analyze_path
from softjax.datasets.dataset import Dataset
from softjax.datasets.folds import name_validation
from softjax.path.result import PathResult, Reason
from softjax.ranges import format_range
from softjax.reports.hints import list_hints, make_hints
from softjax.reports.markdown import render, table
from softjax.reports.page.data import describe_path_page
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

TEMPLATE = Path(__file__).with_suffix(".md")
CONVERGED: dict[Reason, str] = {
    "": "yes",
    "passes": "no: limit of passes",
    "rounding": "no: rounding",
    "separable": "no: there is no minimum",
}


def write_path(result: PathResult, dataset: Dataset, folder: RunFolder, *, command: str) -> None:
    """Writes the report of a regularization path. Arguments and errors are those of `write_sweep`."""
    seconds = time_intervals(result)
    best, config, solver = result.best, result.config, result.solver
    of_best = {
        "reg": float(result.reg[best]),
        **{f"{split}_accuracy": float(getattr(result, f"{split}_accuracy")[best]) for split in SPLITS},
        "val_interval": result.val_interval[best].tolist(),
        "test_interval": result.test_interval[best].tolist(),
        "tied": int(result.tied.sum()),
    }
    contents = ReportContents(
        title=f"Regularization path on {dataset.title}",
        summary=f"The minimum of the {loss_name(config)} loss of a linear classifier for {len(result.reg)} penalty strengths, by "
        "Newton's method on all training examples.",
        best=of_best,
        best_rows=[
            ("penalty strength reg", f"{of_best['reg']:.6g}"),
            *accuracy_rows(of_best, dataset, "", "", config.folds),
        ],
        tables={"path": list(_path_csv(result))},
        sections=_write_sections(result) + list_hints(make_hints(analyze_path(result), command)),
        how=[
            ("penalty strengths", f"{format_range(config.regs)}, {penalty_name(config)}"),
            (
                "solver",
                f"truncated Newton with a trust region; tolerance {solver.tolerance:g}; weights in {config.dtype}",
            ),
        ],
        seconds=seconds,
        figures={
            "path": (
                plots.path(result, f"{dataset.title}: accuracy along the regularization path"),
                "Accuracy against penalty strength, with the 95 % interval of the "
                f"{name_validation(config.folds)} accuracy."
                + ("" if result.converged.all() else " Open markers: not converged."),
            )
        },
        weights=result.best_weights,
        all_weights=result.weights if config.keep_weights == "all" else None,
        config=asdict(config) | asdict(solver),
        page=describe_path_page(result, dataset, command),
    )
    write_report(contents, result, dataset, folder, command)


def _write_sections(result: PathResult) -> str:
    in_float64 = result.solved_in.count("float64")
    return render(
        TEMPLATE,
        rows=table(path_rows(result)),
        validation=name_validation(result.config.folds),
        tied=int(result.tied.sum()),
        num_regs=len(result.reg),
        converged=describe_convergence(result),
        arithmetic=f"{in_float64} of {len(result.reg)} penalty strengths were solved in float64 arithmetic.",
        tolerance=f"{result.solver.tolerance:g}",
    ).rstrip()


def describe_convergence(result: PathResult) -> str:
    """Whether all penalty strengths converged; if not, how many did not, and why."""
    left = [reason for reason in result.reasons if reason]
    if not left:
        return "All penalty strengths converged"
    numbers = {
        "passes": f"after {result.solver.max_passes:,} passes",
        "rounding": "within rounding",
        "separable": "because there is no minimum",
    }
    parts = [f"{left.count(reason)} {text}" for reason, text in numbers.items() if reason in left]
    return f"{len(left)} did not converge, {' and '.join(parts)}"


def path_rows(result: PathResult) -> list[tuple[str, ...]]:
    """A table of all penalty strengths of a path: a header row, and one row of text each."""
    header = (
        "reg", "objective", "train accuracy", f"{name_validation(result.config.folds)} accuracy", "95 % interval", "tied", "test accuracy",
        "converged", "gradient norm", "gap", "Newton steps", "passes", "arithmetic",
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
            CONVERGED[result.reasons[r]],
            f"{result.gradient_norm[r]:.1e}",
            f"{result.gap[r]:.1e}",
            str(result.newton_steps[r]),
            str(result.passes[r]),
            result.solved_in[r],
        )
        for r in range(len(result.reg))
    ]
    return [header, *rows]


def _path_csv(result: PathResult) -> Iterator[tuple[Any, ...]]:
    names = (
        "reg", "objective", "train_accuracy", "val_accuracy", "test_accuracy", "gradient_norm", "gap",
        "newton_steps", "passes", "converged",
    )  # fmt: skip
    yield (*names, "reason", "arithmetic", "val_low", "val_high", "tied")
    for r in range(len(result.reg)):
        yield (
            *(str(getattr(result, name)[r]) for name in names),
            result.reasons[r],
            result.solved_in[r],
            *result.val_interval[r],
            bool(result.tied[r]),
        )
