"""Times the regularization path to convergence against the solvers of scikit-learn, PyTorch and glmnet, on the same objective.

    python experiments/convergence.py --data-dir DIR --overwrite

Six problems, from 178 × 13 to 100,000 × 768 with 1,000 classes. Each solver runs in a process of its own, in turns with the
others, and is ended at --limit seconds. It takes one to two hours on two CPU cores; the slowest solvers take nearly all of this
time. The machine must be idle. glmnet takes part if R and its package glmnet are installed.

Examples:
  python experiments/convergence.py --problems digits wine --out reports/trial
  python experiments/convergence.py --data-dir DIR --limit 200 --overwrite
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np
from harness import Experiment, Options, recall_measured, run_experiment
from jaxtyping import Float, Int
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from path_solvers import SOLVERS, has_glmnet
from scipy.special import log_softmax
from sklearn.datasets import load_breast_cancer, load_wine

from softjax import PathConfig, load_dataset
from softjax.drawing import BLACK, BLUE, GREEN, GREY, PURPLE, SMALL, VERMILION, start_picture, tidy_axes
from softjax.ranges import parse_range
from softjax.reports import markdown
from softjax.reports.environment import environment_rows

PATH_SOLVERS = Path(__file__).with_name("path_solvers.py")
SMALL_PROBLEM = (
    2000  # weights K · D, up to which newton-cholesky, cold starts and tight tolerances are timed too
)
LARGE = 100_000  # weights, from which on no start is cold
QUICK = 5.0  # seconds; solvers that take less run three times
SLOW = 60.0  # seconds; if softjax takes more, it runs twice
REACHED = 1e-5  # the gap from which on a solver is at the minimum
ROWS = 2000  # examples at a time, in float64
ProblemName = Literal["digits", "breast_cancer", "wine", "features", "cifar10", "probe"]
PROBLEMS: tuple[ProblemName, ...] = ("digits", "breast_cancer", "wine", "features", "cifar10", "probe")
SolverName = Literal["lbfgs", "newton-cg", "newton-cholesky", "saga", "torch", "glmnet"]
SOLVER_NAMES: tuple[SolverName, ...] = ("lbfgs", "newton-cg", "newton-cholesky", "saga", "torch", "glmnet")
NAMES = {"torch": "PyTorch LBFGS", "glmnet": "glmnet (bias not penalized)"}
MODULES = {"scikit-learn": "sklearn"}
LOOKS: dict[str, dict[str, Any]] = {
    "lbfgs": {"color": BLUE, "marker": "o"},
    "newton-cg": {"color": GREEN, "marker": "s"},
    "newton-cholesky": {"color": BLACK, "marker": "^"},
    "saga": {"color": GREY, "marker": "P", "linestyle": ":"},
    "torch": {"color": PURPLE, "marker": "v", "linestyle": "--"},
}
"""of the solvers that the picture shows; glmnet has another objective"""


@dataclass(frozen=True)
class ConvergenceOptions(Options):
    """The options: what is measured, and the folder of the report."""

    out: Path = Path("reports/convergence")
    """Folder of the report."""
    problems: tuple[ProblemName, ...] = PROBLEMS
    """The problems."""
    data_dir: Path | None = None
    """Folder of cifar10; as for softjax sweep."""
    solvers: tuple[SolverName, ...] = SOLVER_NAMES
    """The other solvers. Those that are not installed are left out."""
    rounds: int = 3
    """Runs of a solver that takes less than five seconds."""
    limit: float = 600.0
    """Seconds that another solver may take for a problem."""


@dataclass(frozen=True)
class Problem:
    """Features with a last column of ones, preprocessed alike for all solvers, and penalty strengths from the largest on."""

    name: str
    title: str
    X: Float[np.ndarray, "N D"]
    y: Int[np.ndarray, " N"]
    regs: Float[np.ndarray, " R"]

    @property
    def num_classes(self) -> int:
        """K."""
        return int(self.y.max()) + 1

    @property
    def num_weights(self) -> int:
        """K · D."""
        return int(self.X.shape[1] * self.num_classes)

    @property
    def small(self) -> bool:
        """Whether all solvers can be timed in all ways."""
        return self.num_weights <= SMALL_PROBLEM

    def certify(
        self, W: Float[np.ndarray, "R D K"], penalize_bias: bool
    ) -> tuple[Float[np.ndarray, " R"], Float[np.ndarray, " R"]]:
        """The objectives 1/N Σ ℓ + ½ reg ΣW² in float64, and their gaps ‖∇L‖² / (2 reg L)."""
        W = W.astype(np.float64)
        penalized = W.copy()
        if not penalize_bias:
            penalized[:, -1] = 0
        regs = self.regs[:, None, None]
        value, grad = (regs[:, 0, 0] / 2) * (penalized**2).sum(axis=(1, 2)), regs * penalized
        for start in range(0, len(self.y), ROWS):
            x, y = self.X[start : start + ROWS].astype(np.float64), self.y[start : start + ROWS]
            for r in range(len(W)):
                Q = log_softmax(x @ W[r], axis=1)
                value[r] -= Q[np.arange(len(y)), y].sum() / len(self.y)
                np.exp(Q, out=Q)
                Q[np.arange(len(y)), y] -= 1
                grad[r] += x.T @ Q / len(self.y)
        return value, (grad**2).sum(axis=(1, 2)) / (2 * self.regs * value)


@dataclass(frozen=True)
class Timing:
    """One solver on one problem: seconds of each run, of each strength in the first, and the accuracy reached."""

    solver: str
    """as in path_solvers.SOLVERS"""
    tight: bool
    """with the tolerances that reach our gap, instead of its own"""
    seconds: list[float]
    """of whole runs; empty if it was ended at the limit"""
    each: list[float]
    """of the strengths that were solved"""
    gap: float
    above: float
    """its objective minus softjax's, relative: the largest of all strengths"""

    @property
    def median(self) -> float:
        """Of whole runs; infinite if it was ended."""
        return float(np.median(self.seconds)) if self.seconds else float("inf")


def compare_solvers(options: ConvergenceOptions, experiment: Experiment) -> None:
    """Times all solvers on all problems, and writes the report."""
    measured = experiment.keep_each(
        options.problems, partial(measure, options=options), unit="problem", desc="comparing"
    )
    tables = {name: read_timings(found) for name, found in measured.items()}
    experiment.write(
        lambda about: write_readme(options, measured, tables, about),
        run={"measured": measured},
        versions=describe_versions(),
        figures={"time": draw(measured, tables)},
        curves=["time"],
        files={"problems.md": write_problems(measured, tables, options)},
    )


def load_problem(name: str, options: ConvergenceOptions) -> Problem:
    """The problem of that name."""
    wide = parse_range("log:1e-6:1:20")
    match name:
        case "digits":
            train = load_dataset("digits").train
            return make_problem(name, "digits", train.X, train.y, wide)
        case "breast_cancer":
            X, y = load_breast_cancer(return_X_y=True)
            return make_problem(name, "breast cancer", X, y, wide, standardize=True)
        case "wine":
            X, y = load_wine(return_X_y=True)
            return make_problem(name, "wine", X, y, wide, standardize=True)
        case "features":
            X, y = make_features(5700, 384, 3)
            return make_problem(name, "random features", X, y, wide, standardize=True)
        case "cifar10":
            dataset = load_dataset("cifar10", options.data_dir)
            X = dataset.train.X.astype(np.float32)
            X -= X.mean(axis=0, dtype=np.float64).astype(np.float32)
            X /= X.std(dtype=np.float64)
            return make_problem(name, dataset.title, X, dataset.train.y, parse_range("log:0.015:5:20"))
        case _:
            X, y = make_features(100_000, 768, 1000)
            return make_problem(name, "random features", X.astype(np.float32), y, (1e-4, 1e-3, 1e-2))


def make_problem(
    name: str, title: str, X: Any, y: Any, regs: tuple[float, ...], standardize: bool = False
) -> Problem:
    """Centres the features, and divides them by their standard deviations if asked to. float32 stays float32."""
    X = X - X.mean(axis=0)
    if standardize:
        X = X / X.std(axis=0)
    ready = np.hstack([X, np.ones((len(X), 1), X.dtype)])
    title = f"{title}, {X.shape[0]:,} × {X.shape[1]:,}, {int(y.max()) + 1:,} classes"
    return Problem(name, title, ready, y.astype(np.int32), np.sort(regs)[::-1])


def make_features(N: int, F: int, K: int) -> tuple[Float[np.ndarray, "N F"], Int[np.ndarray, " N"]]:
    """Features that resemble a network's: classes overlap, and a few directions are much wider than the others."""
    rng = np.random.default_rng(0)
    spectrum = np.arange(1, F + 1) ** -0.5
    y = rng.permutation(np.arange(N) % K)
    X = rng.standard_normal((K, F))[y] * spectrum
    X += 2.5 * rng.standard_normal((N, F)) * spectrum
    return X @ np.linalg.qr(rng.standard_normal((F, F)))[0], y


def measure(name: str, options: ConvergenceOptions) -> dict[str, Any]:
    """All solvers in turns: several rounds, of which those that take long run only in the first."""
    problem = load_problem(name, options)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for part in ("X", "y", "regs"):
            np.save(folder / f"{part}.npy", getattr(problem, part))
        np.save(folder / "tolerances.npy", np.zeros(len(problem.regs)))
        ours = [run_softjax(folder, "cold"), run_softjax(folder, "cold")]
        value, gap = problem.certify(np.load(folder / "weights.npy"), penalize_bias=True)
        tolerances = choose_tolerances(problem, value)
        timings: dict[tuple[str, bool], Timing] = {}
        for number in range(options.rounds):
            for solver, tight in list_solvers(problem, options.solvers):
                before = timings.get((solver, tight))
                if before is None or (before.seconds and before.median < QUICK):
                    np.save(folder / "tolerances.npy", tolerances * tight)
                    run = partial(time_solver, problem, folder, solver, tight, options.limit)
                    timings[solver, tight] = run(value, before)
            if ours[0][1]["call"] < SLOW:
                ours.append(run_softjax(folder, f"round {number}"))
    warm, cold = ours[1][0], ours[0][0]
    seconds = [calls[1]["call"] for calls in ours]
    return {
        "title": problem.title,
        "num_weights": problem.num_weights,
        "dtype": str(problem.X.dtype),
        "regs": problem.regs.tolist(),
        "softjax": {
            "cold": cold["call"],
            "warm": warm["call"],
            "compile": [cold["phases"]["compile"], warm["phases"]["compile"]],
            "seconds": seconds,
            "solve": [calls[1]["phases"]["solve"] for calls in ours],
            "each": ours[-1][1]["each"],
            "gap": float(gap.max()),
            **{name: ours[-1][1][name] for name in ("passes", "newton_steps", "solved_in", "reasons")},
        },
        "others": [vars(timing) for timing in timings.values()],
    }


def list_solvers(problem: Problem, names: tuple[str, ...]) -> Iterator[tuple[str, bool]]:
    """The solvers of a problem, and whether their tolerances are tight."""
    missing = [name for name, there in (("torch", find_spec("torch")), ("glmnet", has_glmnet())) if not there]
    for solver in SOLVERS:
        name, _, start = solver.partition(" ")
        if name not in names or name in missing:
            continue
        if not problem.small and (name == "newton-cholesky" or (start == "cold" and name != "lbfgs")):
            continue
        if start == "cold" and (name == "saga" or problem.num_weights >= LARGE):
            continue
        if not problem.small and name in ("saga", "glmnet"):
            continue
        yield solver, False
        if problem.small and name != "saga":
            yield solver, True


def choose_tolerances(problem: Problem, value: Float[np.ndarray, " R"]) -> Float[np.ndarray, " R"]:
    """The largest entries of the gradient at about which the gap is that of softjax's tolerance."""
    norm = np.sqrt(2 * problem.regs * PathConfig().tolerance * value)
    # of normally distributed entries the largest is some three times the root of their mean square
    tolerances: np.ndarray = 3 * norm / np.sqrt(problem.num_weights)
    return tolerances


def time_solver(
    problem: Problem,
    folder: Path,
    solver: str,
    tight: bool,
    limit: float,
    ours: Float[np.ndarray, " R"],
    before: Timing | None,
) -> Timing:
    """One run, added to those before."""
    lines = run_limited(solver, folder, limit)
    each = [float(line.split()[1]) for line in lines]
    complete = len(each) == len(problem.regs)
    if before is not None:
        return Timing(solver, tight, [*before.seconds, sum(each)], before.each, before.gap, before.above)
    gap = above = float("nan")
    if complete:
        W = np.stack([np.load(folder / f"weights-{r}.npy") for r in range(len(problem.regs))])
        value, gaps = problem.certify(W, penalize_bias=solver != "glmnet")
        gap = float(gaps.max())
        if solver != "glmnet":  # its objective has no penalty on the bias
            above = float((value / ours - 1).max())
    return Timing(solver, tight, [sum(each)] if complete else [], each, gap, above)


def run_softjax(folder: Path, cache: str) -> list[dict[str, Any]]:
    """Two calls in a new process, with a compile cache of that name: the first one finds it empty, a later one full."""
    environment = {"JAX_COMPILATION_CACHE_DIR": str(folder / cache)}
    calls: list[dict[str, Any]] = json.loads(run_limited("softjax", folder, 3600, environment)[-1])
    return calls


def run_limited(
    solver: str,
    folder: Path,
    limit: float,
    environment: dict[str, str] | None = None,
    script: Path = PATH_SOLVERS,
) -> list[str]:
    """The lines that a solver prints in `limit` seconds; then it is ended. `script` is called with its name and the folder."""
    command = [sys.executable, str(script), solver, str(folder)]
    environment = os.environ | {"TMPDIR": str(folder)} | (environment or {})
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, start_new_session=True, env=environment
    )
    late = threading.Event()

    def stop() -> None:
        late.set()
        end()

    def end() -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)

    timer = threading.Timer(limit, stop)
    timer.start()
    try:
        assert process.stdout is not None
        lines = process.stdout.read().splitlines()
        process.wait()
    finally:
        timer.cancel()
        end()
    if process.returncode != 0 and not late.is_set():
        raise RuntimeError(f"{solver} ended with code {process.returncode}")
    return lines


def describe_versions() -> dict[str, str]:
    """The versions of the other solvers that are installed."""
    versions = {
        name: version(name) for name in ("scikit-learn", "torch") if find_spec(MODULES.get(name, name))
    }
    if has_glmnet():
        command = ["Rscript", "--vanilla", "-e", "cat(as.character(packageVersion('glmnet')))"]
        versions["glmnet"] = subprocess.run(
            command, capture_output=True, text=True, check=True
        ).stdout.strip()
    return versions


def read_timings(found: dict[str, Any]) -> list[Timing]:
    """The timings of the other solvers, as read from a stage."""
    return [Timing(**timing) for timing in found["others"]]


def describe_solver(timing: Timing) -> str:
    """Its name in tables."""
    name, _, start = timing.solver.partition(" ")
    words = [NAMES.get(name, f"scikit-learn {name}")]
    if start:
        words.append("each strength from 0" if start == "cold" else "from the strength before")
    if timing.tight:
        words.append("tight tolerance")
    return ", ".join(words)


def find_best(timings: list[Timing], tight: bool) -> Timing | None:
    """The fastest of the solvers that reached a gap of `REACHED`, or of those with their own tolerance."""
    fit = [
        timing
        for timing in timings
        if timing.seconds and (timing.gap <= REACHED if tight else not timing.tight)
    ]
    return min(fit, key=lambda timing: timing.median, default=None)


def tabulate(found: dict[str, Any], timings: list[Timing], limit: float) -> list[tuple[str, ...]]:
    """A row for softjax's calls, and for each solver."""
    ours = found["softjax"]
    second = float(np.median(ours["seconds"]))

    def row(name: str, seconds: float, rest: tuple[str, ...]) -> tuple[str, ...]:
        return name, f"{seconds:.3g}", f"{seconds / second:.2f}", *rest

    accuracy = (f"{ours['gap']:.0e}", "0")
    rows = [
        ("solver", "seconds", "times softjax", "largest gap", "objective above softjax's"),
        row("**softjax, second call**", second, accuracy),
        row("softjax, of which solving", float(np.median(ours["solve"])), ("", "")),
        row("softjax, first call", ours["cold"], ("", "")),
        row("softjax, first call, programs in the compile cache", ours["warm"], ("", "")),
    ]
    for timing in sorted(timings, key=lambda timing: (timing.median, -len(timing.each))):
        name = describe_solver(timing)
        if timing.seconds:
            above = "–" if np.isnan(timing.above) else f"{timing.above:.0e}"
            rows.append(row(name, timing.median, (f"{timing.gap:.0e}", above)))
        else:
            solved = f"{len(timing.each)} of {len(found['regs'])} strengths"
            rows.append((name, f"> {limit:g} ({solved})", f"> {limit / second:.3g}", "–", "–"))
    return rows


def summarize(
    measured: dict[str, Any], tables: dict[str, list[Timing]], limit: float
) -> list[tuple[str, ...]]:
    """A row for each problem."""
    rows: list[tuple[str, ...]] = [
        (
            "problem", "softjax, s", "passes", "not converged",
            "fastest other solver with its own tolerance", "s", "its gap", "fastest that reached a gap of 1e-5", "s", "times softjax",
        )
    ]  # fmt: skip
    for name, found in measured.items():
        ours = found["softjax"]
        second = float(np.median(ours["seconds"]))
        any_, tight = find_best(tables[name], False), find_best(tables[name], True)
        tried = any(timing.tight for timing in tables[name])
        left = sum(reason != "" for reason in ours["reasons"])
        rows.append(
            (
                found["title"],
                f"{second:.3g}",
                f"{sum(ours['passes'])}",
                f"{left} of {len(ours['reasons'])}",
                describe_solver(any_) if any_ else f"none in {limit:g} s",
                f"{any_.median:.3g}" if any_ else f"> {limit:g}",
                f"{any_.gap:.0e}" if any_ else "–",
                describe_solver(tight)
                if tight
                else f"none in {limit:g} s"
                if tried
                else "none; tight tolerances are not tried",
                f"{tight.median:.3g}" if tight else f"> {limit:g}" if tried else "–",
                f"{tight.median / second:.1f}" if tight else f"> {limit / second:.0f}" if tried else "–",
            )
        )
    return rows


def describe_verdict(measured: dict[str, Any], tables: dict[str, list[Timing]]) -> str:
    """The report in three lines: whether softjax arrives, how fast against those that do, and who is faster and does not."""
    ours = {name: found["softjax"] for name, found in measured.items()}
    seconds = {name: float(np.median(each["seconds"])) for name, each in ours.items()}
    reasons = [reason for each in ours.values() for reason in each["reasons"]]
    gap = max(each["gap"] for each in ours.values())
    lines = [
        f"softjax converged for **{reasons.count('')} of {len(reasons)}** penalty strengths of {len(measured)} problems; the largest "
        f"gap is {gap:.0e}."
    ]
    equals = {name: best for name in measured if (best := find_best(tables[name], tight=True))}
    if equals:
        ratios = [best.median / seconds[name] for name, best in equals.items()]
        lines.append(
            f"The fastest other solver that reached a gap of 1e-5 takes **{min(ratios):.1f} to {max(ratios):.1f} times** as long, on "
            f"{len(equals)} of {len(measured)} problems{'' if len(equals) == len(measured) else '; on the others none of the tries reached it'}."
        )
    faster = [
        f"{measured[name]['title'].split(',')[0]} ({describe_solver(best)}, {best.median:.3g} s against {seconds[name]:.3g} s, gap {best.gap:.0e})"
        for name in measured
        if (best := find_best(tables[name], tight=False)) and best.median < seconds[name]
    ]
    if faster:
        lines.append(f"With its own tolerance another solver stops earlier on {' and on '.join(faster)}.")
    return "\n".join(f"- {line}" for line in lines)


def draw(measured: dict[str, Any], tables: dict[str, list[Timing]]) -> Figure:
    """Seconds for each penalty strength: one panel a problem. Panels beside one another have the same seconds."""
    columns = min(len(measured), 3)
    rows = -(-len(measured) // columns)
    title = "Softmax regression: seconds for each strength of the penalty, one after the other"
    figure = start_picture(title, 2.55 * rows + 0.8)
    panels = figure.subplots(rows, columns, sharey="row", squeeze=False)
    for axes in panels.ravel()[len(measured) :]:
        axes.set_axis_off()
    for axes, (name, found) in zip(panels.ravel(), measured.items(), strict=False):
        regs = np.array(found["regs"])
        for timing in tables[name]:
            if is_drawn(timing, found):
                solver = timing.solver.partition(" ")[0]
                each, face = timing.each, None if timing.gap <= REACHED else "white"
                axes.plot(
                    regs[: len(each)],
                    each,
                    markersize=4,
                    linewidth=1.2,
                    **LOOKS[solver],
                    markerfacecolor=face,
                )
        axes.plot(
            regs, found["softjax"]["each"], color=VERMILION, linewidth=2.4, marker="D", markersize=4, zorder=4
        )
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_title(found["title"].replace(", ", "\n", 1), parse_math=False)
        tidy_axes(axes, grid="both")
    for axes in panels[:, 0]:
        axes.set_ylabel("seconds (logarithmic scale)")
    for axes in panels[-1]:
        axes.set_xlabel("penalty strength reg (logarithmic scale)")
    seen = {
        timing.solver.partition(" ")[0]
        for name, found in measured.items()
        for timing in tables[name]
        if is_drawn(timing, found)
    }
    handles = [Line2D([], [], color=VERMILION, linewidth=2.4, marker="D", markersize=4, label="softjax")]
    handles += [
        Line2D([], [], markersize=4, linewidth=1.2, label=NAMES.get(solver, f"scikit-learn {solver}"), **look)
        for solver, look in LOOKS.items()
        if solver in seen
    ]
    handles.append(
        Line2D([], [], linestyle="", color="0.3", marker="o", markersize=4, markerfacecolor="white",
               label=f"hollow: stopped early, with a gap above {REACHED:g}")
    )  # fmt: skip
    figure.legend(handles=handles, loc="outside lower left", ncols=3, fontsize=SMALL, frameon=False)
    return figure


def is_drawn(timing: Timing, found: dict[str, Any]) -> bool:
    """Whether the picture shows it: started from the strength before, and on small problems with tight tolerances."""
    solver, _, start = timing.solver.partition(" ")
    tight = found["num_weights"] <= SMALL_PROBLEM and solver != "saga"
    return solver in LOOKS and start != "cold" and timing.tight == tight


def write_problems(
    measured: dict[str, Any], tables: dict[str, list[Timing]], options: ConvergenceOptions
) -> str:
    """The text of problems.md: every solver on every problem."""
    sections = ["# Every solver on every problem", "What the columns mean is said in [README.md](README.md)."]
    for name, found in measured.items():
        ours = found["softjax"]
        in_float64 = ours["solved_in"].count("float64")
        sections += [
            f"## {found['title'][0].upper()}{found['title'][1:]}",
            f"{len(found['regs'])} penalty strengths from {found['regs'][-1]:.3g} to {found['regs'][0]:.3g}; features in "
            f"{found['dtype']}. softjax made {sum(ours['passes'])} passes over the examples and {sum(ours['newton_steps'])} Newton "
            f"steps, {in_float64} strengths in float64.",
            markdown.table(tabulate(found, tables[name], options.limit), align="names"),
        ]
    return "\n\n".join(sections) + "\n"


def write_readme(
    options: ConvergenceOptions,
    measured: dict[str, Any],
    tables: dict[str, list[Timing]],
    about: dict[str, Any],
) -> str:
    """The text of README.md."""
    how = [
        ("", ""),
        ("rounds", f"softjax {options.rounds + 2} times, each in a new process, or twice if a call takes over {SLOW:g} s; another "
                   f"solver {options.rounds} times if it takes "
                   f"less than {QUICK:g} s, otherwise once, and for at most {options.limit:g} s; medians"),
        *environment_rows(about),
    ]  # fmt: skip
    return markdown.render(
        Path(__file__).with_suffix(".md"),
        verdict=describe_verdict(measured, tables),
        summary=markdown.table(summarize(measured, tables, options.limit), align="names"),
        command=about["command"],
        how=markdown.table(how, align="left"),
    )


if __name__ == "__main__":
    run_experiment(ConvergenceOptions, compare_solvers, recall=recall_measured, description=__doc__)
