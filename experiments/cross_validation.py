"""Times cross-validation of the penalty strength by `SoftmaxClassifierCV` against scikit-learn's `LogisticRegressionCV`.

    python experiments/cross_validation.py --data-dir DIR --overwrite

Five problems, from 178 × 13 to 49,000 × 3,072, each with the same five folds and the same strengths for all solvers. Each solver runs in
a process of its own, in turns with the others, and is ended at --limit seconds. It takes up to an hour on two CPU cores; the
slowest solvers take nearly all of this time. The machine must be idle.

Examples:
  python experiments/cross_validation.py --problems digits wine --out reports/trial
"""

import json
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from convergence import ConvergenceOptions, load_problem, run_limited
from harness import Experiment, Options, recall_measured, run_experiment
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from softjax.drawing import BLACK, BLUE, GREEN, SMALL, VERMILION, label_logarithms, start_picture, tidy_axes
from softjax.reports import markdown
from softjax.reports.environment import environment_rows

FOLDS = 5
QUICK = 10.0  # seconds; solvers that take less run three times
ProblemName = Literal["digits", "breast_cancer", "wine", "features", "cifar10"]
PROBLEMS: tuple[ProblemName, ...] = ("digits", "breast_cancer", "wine", "features", "cifar10")
SOLVERS = ("softjax", "lbfgs", "newton-cg", "newton-cholesky")
LOOKS = {
    "softjax": (VERMILION, "D"),
    "lbfgs": (BLUE, "o"),
    "newton-cg": (GREEN, "s"),
    "newton-cholesky": (BLACK, "^"),
}


@dataclass(frozen=True)
class CrossValidationOptions(Options):
    """The options: what is measured, and the folder of the report."""

    out: Path = Path("reports/cross_validation")
    """Folder of the report."""
    problems: tuple[ProblemName, ...] = PROBLEMS
    """The problems."""
    data_dir: Path | None = None
    """Folder of cifar10; as for softjax sweep."""
    limit: float = 600.0
    """Seconds that a solver may take for a problem, its two calls together."""
    rounds: int = 3
    """Processes of a solver whose second call takes less than ten seconds; others have one."""


def compare_solvers(options: CrossValidationOptions, experiment: Experiment) -> None:
    """Times all solvers on all problems, and writes the report."""
    measured = experiment.keep_each(
        options.problems, partial(measure, options=options), unit="problem", desc="comparing"
    )
    experiment.write(
        lambda about: write_readme(options, measured, about),
        run={"measured": measured},
        figures={"seconds": draw(measured, options.limit)},
        curves=["seconds"],
    )


def measure(name: str, options: CrossValidationOptions) -> dict[str, Any]:
    """All solvers in turns, and how far their scores are from softjax's."""
    problem = load_problem(name, ConvergenceOptions(data_dir=options.data_dir))
    regs = problem.regs if name != "cifar10" else problem.regs[[0, 10, 19]]
    solvers = SOLVERS if problem.small else SOLVERS[:-1]  # its Hessian has (K · D)² entries
    found: dict[str, dict[str, Any]] = {solver: {"seconds": [], "first": []} for solver in solvers}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        np.save(folder / "X.npy", problem.X[:, :-1])
        np.save(folder / "y.npy", problem.y)
        np.save(folder / "Cs.npy", 1 / (regs * len(problem.y)))
        for _ in range(options.rounds):
            for solver in solvers:
                times = found[solver]
                if times.get("ended") or (
                    times["first"] and min(times["seconds"], default=options.limit) > QUICK
                ):
                    continue
                lines = run_limited(solver, folder, options.limit, script=Path(__file__))
                calls = [json.loads(line) for line in lines]
                times["first"] += [call["seconds"] for call in calls[:1]]
                times["seconds"] += [call["seconds"] for call in calls[1:]]
                if calls:
                    times |= {key: calls[0][key] for key in ("scores", "best")}
                else:
                    times["ended"] = True
    return {
        "title": problem.title,
        "strengths": len(regs),
        "range": [float(regs[-1]), float(regs[0])],
        "solvers": found,
    }


def solve(solver: str, folder: Path) -> None:
    """Two calls of one solver; a line of JSON for each."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegressionCV
    from sklearn.model_selection import StratifiedKFold

    from softjax import SoftmaxClassifierCV

    warnings.simplefilter("ignore", ConvergenceWarning)
    X, y, Cs = (np.load(folder / f"{part}.npy") for part in ("X", "y", "Cs"))
    cv = StratifiedKFold(FOLDS)
    for _ in range(2):
        model: Any
        if solver == "softjax":
            model = SoftmaxClassifierCV(Cs=Cs, cv=cv)
        else:
            model = LogisticRegressionCV(
                Cs=Cs, cv=cv, solver=solver, scoring="neg_log_loss", max_iter=100_000, tol=1e-6,
                l1_ratios=(0,), use_legacy_attributes=False,
            )  # fmt: skip
        start = time.perf_counter()
        model.fit(X, y)
        seconds = time.perf_counter() - start
        scores = np.reshape(model.scores_, (FOLDS, len(Cs))).tolist()
        best = float(np.ravel(model.C_)[0])
        print(json.dumps({"seconds": seconds, "scores": scores, "best": best}), flush=True)


def tabulate(found: dict[str, Any], limit: float) -> list[tuple[str, ...]]:
    """A row for each solver."""
    ours = found["solvers"]["softjax"]
    rows: list[tuple[str, ...]] = [
        (
            "solver",
            "first call, s",
            "second call, s",
            "times softjax",
            "largest difference of a score",
            "best C",
        )
    ]
    call = (
        "seconds" if ours["seconds"] else "first"
    )  # what is compared: the second call, if there was time for it
    for solver, times in found["solvers"].items():
        name = "**softjax** SoftmaxClassifierCV" if solver == "softjax" else f"LogisticRegressionCV, {solver}"
        far = np.abs(np.subtract(times["scores"], ours["scores"])).max() if "scores" in times else np.nan
        ratio = _find_median(times[call]) / _find_median(ours[call])
        rows.append(
            (
                name,
                f"{_find_median(times['first']):.3g}" if times["first"] else f"> {limit:g}",
                f"{_find_median(times['seconds']):.3g}" if times["seconds"] else "–",
                f"{ratio:.2f}" if np.isfinite(ratio) else f"> {limit / _find_median(ours[call]):.2g}",
                "–" if np.isnan(far) else f"{far:.0e}" if far else "0",
                f"{times['best']:.4g}" if "best" in times else "–",
            )
        )
    return rows


def find_fastest(found: dict[str, Any]) -> tuple[str, float] | None:
    """The solver of scikit-learn whose second call is the fastest, and its median seconds; None if none has ended."""
    solvers = found["solvers"]
    medians = {name: _find_median(solvers[name]["seconds"]) for name in solvers if name != "softjax"}
    best = min(medians, key=lambda name: medians[name], default="")
    return (best, medians[best]) if best and np.isfinite(medians[best]) else None


def summarize(measured: dict[str, Any], limit: float) -> list[tuple[str, ...]]:
    """A row for each problem: softjax and the fastest solver of scikit-learn, in seconds of the second call."""
    rows: list[tuple[str, ...]] = [
        ("problem", "strengths", "softjax, s", "fastest of scikit-learn", "s", "times softjax")
    ]
    for found in measured.values():
        ours, *others = tabulate(found, limit)[1:]
        name = found["title"], str(found["strengths"])
        if ours[2] == "–":
            rows.append((*name, f"{ours[1]}, first call", "none ends", others[0][1], others[0][3]))
        elif fastest := find_fastest(found):
            second = _find_median(found["solvers"]["softjax"]["seconds"])
            rows.append((*name, ours[2], fastest[0], f"{fastest[1]:.3g}", f"{fastest[1] / second:.2f}"))
    return rows


def describe_verdict(measured: dict[str, Any], limit: float) -> str:
    """The report in three lines: the second call, problems that only softjax finishes, and the first call."""
    ratios, firsts, alone = [], [], []
    for found in measured.values():
        ours, title = found["solvers"]["softjax"], found["title"].split(",")[0]
        fastest = find_fastest(found)
        if fastest and ours["seconds"]:
            ratios.append(fastest[1] / _find_median(ours["seconds"]))
            firsts.append(
                (title, _find_median(ours["first"]), _find_median(found["solvers"][fastest[0]]["first"]))
            )
        elif ours["first"] and not fastest:
            alone.append(f"{title} ({_find_median(ours['first']):.3g} s)")
    lines = []
    if ratios:
        lines.append(
            f"The fastest solver of scikit-learn takes **{min(ratios):.1f} to {max(ratios):.1f} times** as long as softjax's second call "
            f"of `fit`, on {len(ratios)} of {len(measured)} problems."
        )
        slower = [
            f"{title} ({ours:.2g} s against {theirs:.2g} s)"
            for title, ours, theirs in firsts
            if ours > theirs
        ]
        lines.append(
            "The first call in a process compiles. "
            + (
                f"With it, softjax is behind on {', '.join(slower)}."
                if slower
                else "Even with it, softjax is the fastest."
            )
        )
    if alone:
        lines.append(f"Only softjax ends in {limit:g} s on {', '.join(alone)}.")
    return "\n".join(f"- {line}" for line in lines)


def draw(measured: dict[str, Any], limit: float) -> Figure:
    """Seconds of the second call by problem and solver, of the first as open markers; what was ended stands at the limit."""
    figure = start_picture(
        "Cross-validation of the penalty strength: seconds of a call of fit", 0.55 * len(measured) + 1.5
    )
    axes = figure.subplots()
    for row, found in enumerate(measured.values()):
        step = 0.7 / (len(found["solvers"]) - 1)
        for at, (solver, times) in enumerate(found["solvers"].items()):
            (color, marker), y = LOOKS[solver], row - 0.35 + step * at
            if not times["first"]:
                axes.plot(limit, y, marker=marker, markersize=6, color=color, markerfacecolor="white")
                axes.annotate(
                    f"→ ended at {limit:g} s", (limit, y), (7, 0), textcoords="offset points",
                    va="center_baseline", fontsize=SMALL, annotation_clip=False,
                )  # fmt: skip
                continue
            first, second = _find_median(times["first"]), _find_median(times["seconds"])
            ends = [second, first] if np.isfinite(second) else [first, first]
            axes.plot(ends, [y, y], color=color, linewidth=1.2)
            axes.plot(first, y, marker=marker, markersize=6, color=color, markerfacecolor="white")
            if np.isfinite(second):
                axes.plot(second, y, marker=marker, markersize=6, color=color)
        if row:
            axes.axhline(row - 0.5, color="0.85", linewidth=0.8)
    axes.set_xscale("log")
    label_logarithms(axes.xaxis)
    axes.set_yticks(
        range(len(measured)), [found["title"].replace(", ", "\n", 1) for found in measured.values()]
    )
    axes.set(ylim=(len(measured) - 0.5, -0.5), xlabel="seconds (logarithmic scale)")
    tidy_axes(axes, grid="x")
    axes.tick_params(axis="y", length=0)
    seen = [name for name in LOOKS if any(name in found["solvers"] for found in measured.values())]
    handles = [
        Line2D([], [], linestyle="", color=LOOKS[name][0], marker=LOOKS[name][1], markersize=6,
               label=name if name == "softjax" else f"scikit-learn {name}")
        for name in seen
    ]  # fmt: skip
    handles += [
        Line2D([], [], linestyle="", color="0.3", marker="o", markersize=6, markerfacecolor=face, label=label)
        for face, label in (("0.3", "second call"), ("white", "first call (softjax compiles)"))
    ]
    figure.legend(handles=handles, loc="outside lower left", ncols=3, fontsize=SMALL, frameon=False)
    return figure


def _find_median(seconds: list[float]) -> float:
    return float(np.median(seconds)) if seconds else float("inf")


def write_readme(options: CrossValidationOptions, measured: dict[str, Any], about: dict[str, Any]) -> str:
    """The text of README.md."""
    sections = [
        f"## {found['title'][0].upper()}{found['title'][1:]}\n\n"
        f"{found['strengths']} penalty strengths ½ reg ΣW², reg from {found['range'][0]:.3g} to {found['range'][1]:.3g}.\n\n"
        + markdown.table(tabulate(found, options.limit), align="names")
        for found in measured.values()
    ]
    how = [
        ("", ""),
        ("rounds", f"{options.rounds} processes for a solver whose second call takes less than {QUICK:g} s, otherwise one, ended after "
                   f"{options.limit:g} s, its two calls together; medians"),
        *environment_rows(about),
    ]  # fmt: skip
    return markdown.render(
        Path(__file__).with_suffix(".md"),
        verdict=describe_verdict(measured, options.limit),
        folds=FOLDS,
        summary=markdown.table(summarize(measured, options.limit), align="left"),
        sections="\n\n".join(sections),
        command=about["command"],
        how=markdown.table(how),
    )


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1] in SOLVERS:
        solve(sys.argv[1], Path(sys.argv[2]))
    else:
        run_experiment(CrossValidationOptions, compare_solvers, recall=recall_measured, description=__doc__)
