"""Compares gradient checkers on real functions of many libraries: which right gradients they accept, which planted faults they catch.

    python experiments/gradient_checkers.py --out reports/gradient_checkers

The checkers and libraries that are not installed are left out, and the report names them. It takes about half an hour on two CPU
cores. Finished stages are saved beside the report, in OUT.partial; after Ctrl-C or a kill, --resume continues from there.

Examples:
  python experiments/gradient_checkers.py --libraries SciPy PyTorch --faults-per-function 2 --num-problems 0 --out reports/trial
"""

import os
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import benchmark_plots
from checkers import softmax
from checkers.judge import judge_library
from checkers.peers import CHECKERS
from checkers.registry import ALL_TYPES, LIBRARIES, is_installed, list_functions
from checkers.report import (
    SUMMARY,
    Rows,
    describe,
    list_faults,
    list_results,
    measure_rates,
    measure_shares,
    read_results,
    write_details,
    write_readme,
)
from harness import Experiment, Options, run_experiment

from softjax import InputError
from softjax.errors import check_count

DISTRIBUTIONS = {"sklearn": "scikit-learn"}  # of modules, where the name differs


@dataclass(frozen=True)
class CheckersOptions(Options):
    """The options: how much is run, and the folder of the report."""

    out: Path = Path("reports/gradient_checkers")
    """Folder of the report."""
    libraries: tuple[str, ...] = tuple(LIBRARIES)
    """Libraries whose functions are taken."""
    num_functions: int | None = None
    """Take only so many functions of each library, spread over its list. By default all."""
    faults_per_function: int = 4
    """Faults that are planted in the gradient of each function, drawn at random from twenty kinds."""
    num_problems: int = 25
    """Random problems of the softmax objective for each type; 0 for none."""
    jobs: int = os.cpu_count() or 1
    """Number of processes."""
    limit_seconds: float = 120.0
    """Seconds that a checker may take for an answer. Then it counts as crashed."""

    def __post_init__(self) -> None:
        unknown = [name for name in self.libraries if name not in LIBRARIES]
        if unknown:
            raise InputError(f"libraries must be among {', '.join(LIBRARIES)}, got {', '.join(unknown)}")
        if self.num_functions is not None:
            check_count("num_functions", self.num_functions)
        check_count("faults_per_function", self.faults_per_function, least=0)
        check_count("num_problems", self.num_problems, least=0)
        check_count("jobs", self.jobs)


def run_checkers(options: CheckersOptions, experiment: Experiment) -> None:
    """Asks every checker about every claim, and writes the report."""
    checkers = experiment.keep("checkers", list_checkers)
    libraries = experiment.keep("libraries", lambda: list(filter(is_installed, options.libraries)))
    rows: Rows = []
    for library in libraries:
        rows += experiment.keep(name_stage(library), partial(judge, library, checkers, options))
    asked = tuple(name for name in softmax.ASKED if name in checkers)
    problems: Rows = []
    for dtype in ALL_TYPES if options.num_problems else ():
        ask = partial(softmax.judge_problems, dtype, options.num_problems, asked)
        problems += experiment.keep(
            name_stage(f"softmax {dtype}"), partial(ask, options.jobs, options.limit_seconds)
        )
    missing = [name for name in CHECKERS if name not in checkers]
    missing += [f"the functions of {name}" for name in options.libraries if name not in libraries]
    tables = {"results": list_results([*rows, *problems], checkers)}
    title = "Gradient checkers: right gradients accepted, planted faults caught"
    figures = {"checkers": benchmark_plots.acceptance(measure_rates(rows, checkers), title)}
    if problems:
        tables["softmax"] = list_faults(problems, asked)
        figures["detection"] = benchmark_plots.detection(
            {dtype: measure_shares(problems, dtype, asked) for dtype in ALL_TYPES},
            [*SUMMARY, *softmax.FAULTS],
            asked,
            len(SUMMARY),
            "large faults caught, by kind:",
            "Gradient checks of the softmax objective: right ones accepted, faults caught, in per cent",
        )
    values = describe(options, rows, problems, checkers, asked, missing)
    experiment.write(
        partial(write_readme, values),
        versions=find_versions(),
        tables=tables,
        figures=figures,
        files={"details.md": write_details(values)},
    )


def list_checkers() -> list[str]:
    """The checkers that are installed."""
    return [name for name, checker in CHECKERS.items() if find_spec(checker.needs) is not None]


def judge(library: str, checkers: list[str], options: CheckersOptions) -> Rows:
    """What the checkers say about the functions of a library."""
    functions = list_functions(library)
    if options.num_functions is not None:
        functions = functions[:: -(-len(functions) // options.num_functions)]
    return judge_library(
        functions, checkers, options.faults_per_function, options.jobs, options.limit_seconds
    )


def recall(folder: Path, finished: dict[str, Any]) -> dict[str, Any]:
    """The stages of a finished report."""
    rows, checkers = read_results(folder / "results.csv")
    stages: dict[str, Any] = {"checkers": checkers, "libraries": []}
    for row in rows:
        softmaxes = row["library"] == softmax.LIBRARY
        name = name_stage(f"softmax {row['dtype']}" if softmaxes else row["library"])
        if not softmaxes and name not in stages:
            stages["libraries"].append(row["library"])
        stages.setdefault(name, []).append(row)
    return stages


def name_stage(text: str) -> str:
    """The name of a stage, which has small letters, digits and hyphens."""
    return text.lower().replace(" ", "-").replace(".", "-")


def find_versions() -> dict[str, str]:
    """The versions of the libraries and checkers."""
    needed = {each.needs for each in CHECKERS.values()} | {each.needs for each in LIBRARIES.values()}
    return {
        name: version(name) if find_spec(module) is not None else "not installed"
        for module in sorted(needed - {"softjax", "jax", "numpy"})
        for name in [DISTRIBUTIONS.get(module, module)]
    }


if __name__ == "__main__":
    run_experiment(CheckersOptions, run_checkers, recall=recall, description=__doc__)
