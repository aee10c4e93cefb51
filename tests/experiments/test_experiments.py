"""The longer experiments, cut short: they run, and their reports say how they were made."""

import csv
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from runpy import run_path

import benchmark_sweep
import convergence
import cross_validation
import gradient_checkers
import harness
import numpy as np
import pytest
import scaling
from checkers.report import list_results, read_results
from reproduction import published
from support.processes import run, wait_for

from softjax.drawing import start_picture
from softjax.runs.files import write_table

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class SumOptions(harness.Options):
    """Of an experiment that adds numbers."""

    terms: tuple[int, ...] = (1, 2)


def test_an_interrupted_experiment_computes_no_stage_twice_and_a_complete_one_says_so(
    tmp_path, monkeypatch, capsys
):
    out, computed, interrupts = tmp_path / "sums", [], [KeyboardInterrupt]

    def compute(term):
        if term == 2 and interrupts:
            raise interrupts.pop()
        computed.append(term)
        return {"term": term}

    def add(options, experiment):
        kept = [experiment.keep(f"term-{term}", lambda term=term: compute(term)) for term in options.terms]
        total = sum(each["term"] for each in kept)
        experiment.write(lambda about: f"{about['command']}: {about['total']}", run={"total": total})

    def start(*words):
        monkeypatch.setattr("sys.argv", ["sums.py", "--terms", "1", "2", "--out", str(out), *words])
        monkeypatch.setattr("sys.orig_argv", ["python", "-P", *sys.argv])
        harness.run_experiment(SumOptions, add)

    with pytest.raises(SystemExit) as ending:
        start()
    command = f"python experiments/sums.py --terms 1 2 --out {out}"
    assert ending.value.code == 130
    assert capsys.readouterr().err == f"to continue: python -P sums.py --terms 1 2 --out {out} --resume\n"
    with pytest.raises(SystemExit, match="holds an unfinished run; --resume continues it"):
        start()
    start("--resume")
    assert computed == [1, 2]
    assert (out / "README.md").read_text() == f"{command}: 3"
    assert capsys.readouterr().out == f"report: {out / 'README.md'}\n"
    start("--resume")
    assert computed == [1, 2]
    assert capsys.readouterr().out == f"complete: {out / 'README.md'}\n"
    assert [path.name for path in tmp_path.iterdir()] == ["sums"]


def test_a_finished_report_is_redrawn_from_its_figures(tmp_path, monkeypatch, capsys):
    out, measured = tmp_path / "sums", []

    def add(options, experiment):
        def measure(name):
            measured.append(name)
            return {"term": int(name)}

        found = experiment.keep_each(map(str, options.terms), measure, unit="term", desc="adding")
        total = sum(each["term"] for each in found.values())
        experiment.write(
            lambda about: f"{words} {total}, {about['command']}, {about['date']}",
            run={"measured": found},
            tables={"terms": [[len(measured)]]},
            figures={f"picture-{len(measured)}": start_picture("a sum", 2.0)},
        )

    def start(*arguments, recall=harness.recall_measured):
        monkeypatch.setattr("sys.argv", ["sums.py", "--out", str(out), *arguments])
        monkeypatch.setattr("sys.orig_argv", ["python", *sys.argv])
        harness.run_experiment(SumOptions, add, recall=recall)

    words = "earlier words"
    with pytest.raises(SystemExit, match="holds no finished report"):
        start("--redraw")
    start("--terms", "3", "4")
    before = {file.name: file.read_bytes() for file in out.iterdir()}
    monkeypatch.setattr(harness, "describe_environment", lambda: pytest.fail("a redrawn report is not dated"))
    measured.append("which changes the picture's name, and would change the table")
    words = "later words"
    start("--redraw")  # the terms are those of the finished report
    assert capsys.readouterr().out.splitlines()[-1] == f"redrawn: {out / 'README.md'}"
    after = {file.name: file.read_bytes() for file in out.iterdir()}
    assert after.keys() == {"README.md", "run.json", "terms.csv", "picture-3.png"}
    assert after["README.md"] == before["README.md"].replace(b"earlier", b"later")
    assert b"later words 7, python experiments/sums.py --out" in after["README.md"]
    for name in ("run.json", "terms.csv"):
        assert after[name] == before[name]
    assert measured[:2] == ["3", "4"]
    assert len(measured) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["sums"]
    with pytest.raises(SystemExit, match="does not hold the stage 3"):
        start("--redraw", recall=lambda folder, finished: {})
    with pytest.raises(SystemExit, match="does not hold all that its pictures show"):
        start("--redraw", recall=None)
    assert {file.name: file.read_bytes() for file in out.iterdir()} == after


def test_the_verdicts_of_checkers_are_read_back_as_they_were_written(tmp_path):
    verdicts = {"softjax": "accepted", "ten entries": "rejected"}
    known = {"library": "SciPy", "function": "f", "dtype": "float64", "claim": "right, l2", "bounds": 0.5}
    row = known | {
        "large": False,
        "relative": 1e-3,
        "verdicts": verdicts,
        "why": {"softjax": "it agrees, wholly"},
    }
    problem = known | {"library": "softmax problems", "large": True, "verdicts": {"softjax": "rejected"}}
    write_table(tmp_path / "results.csv", list_results([row, problem], list(verdicts)))
    (first, second), checkers = read_results(tmp_path / "results.csv")
    assert checkers == list(verdicts)
    assert first == row
    assert {name: second[name] for name in problem} == problem


@pytest.mark.parametrize(
    ("name", "experiment"),
    [
        ("benchmark_sweep", benchmark_sweep),
        ("convergence", convergence),
        ("cross_validation", cross_validation),
        ("gradient_checkers", gradient_checkers),
        ("scaling", scaling),
    ],
)
def test_a_committed_report_holds_the_stages_that_it_is_redrawn_from(name, experiment):
    folder = ROOT / "reports" / name
    finished = json.loads((folder / "run.json").read_text())
    stages = getattr(experiment, "recall", harness.recall_measured)(folder, finished)
    expected = {
        "benchmark_sweep": lambda config: [
            "turns",
            "processes",
            *(f"size-{size}" for size in config["sizes"]),
        ],
        "convergence": lambda config: config["problems"],
        "cross_validation": lambda config: config["problems"],
        "scaling": lambda config: ["rates", *(f"devices-{count}" for count in config["devices"])],
        "gradient_checkers": lambda config: [
            *("checkers", "libraries", "softmax-float32"),
            *map(gradient_checkers.name_stage, config["libraries"]),
        ],
    }[name](finished["config"])
    assert set(expected) <= set(stages)


@pytest.mark.slow
@pytest.mark.experiment
def test_the_benchmark_of_the_sweep_writes_its_report(tmp_path, monkeypatch):
    out = tmp_path / "benchmark"
    command = [str(ROOT / "experiments" / "benchmark_sweep.py"), "--dataset", "digits"]
    few = [
        "--num-rounds",
        "1",
        "--turn-seconds",
        "0.01",
        "--sizes",
        "1",
        "3",
        "--num-processes",
        "1",
        "--out",
        str(out),
    ]
    done = run(*command, *few)
    assert done.returncode == 0, done.stderr
    assert {file.name for file in out.iterdir()} == {
        "README.md",
        "results.json",
        "run.json",
        "peers.png",
        "sizes.png",
        "sizes.svg",
    }
    text = (out / "README.md").read_text()
    assert "digits (scikit-learn): 1,257 training examples, D = 65, K = 10" in text
    assert "benchmark_sweep.py --dataset digits --num-rounds 1" in text
    monkeypatch.setattr(sys, "argv", [*command, *few])
    with pytest.raises(SystemExit, match=r"exists; give --overwrite to replace it, or another --out$"):
        run_path(command[0], run_name="__main__")


@pytest.mark.slow
@pytest.mark.experiment
@pytest.mark.parametrize(
    ("script", "options", "words"),
    [
        (
            "wide_sweep.py",
            ["--dataset", "digits", "--num-seeds", "2", "--num-iters", "20"],
            ["the course's grid", "wide grid, pixels", "minimum, standardized pixels"],
        ),
        (
            "convergence.py",
            ["--problems", "wine", "--rounds", "1", "--solvers", "newton-cholesky"],
            ["scikit-learn newton-cholesky, each strength from 0", "softjax, second call", "| 0 of 20 |"],
        ),
        (
            "cross_validation.py",
            ["--problems", "wine", "--rounds", "1"],
            [
                "**softjax** SoftmaxClassifierCV",
                "LogisticRegressionCV, newton-cholesky",
                "| wine, 178 × 13, 3 classes | 20 |",
            ],
        ),
        (
            "benchmark_gpu.py",
            ["--dataset", "digits"],
            [
                "**Not measured: this machine has no GPU** (JAX sees: cpu)",
                "## Single calls",
                "Not measured.",
                "| training, aligned | ",
            ],
        ),
        (
            "benchmark_gpu.py",
            [
                "--dataset",
                "digits",
                "--any-device",
                "--num-iters",
                "20",
                "--sizes",
                "1",
                "--product",
                "64",
                "--probe",
                "60",
                "5",
                "3",
                "--large-probe",
                "300",
                "6",
                "3",
                "--large-held-out",
                "50",
                "--peer-seconds",
                "5",
                "--minutes",
                "60",
            ],
            [
                "Measured on cpu",
                "| TF32, Adam | ",
                "| linear probe, 60 × 5 × 3, 8 strengths | ",
                "300 × 6 × 3, features made on the device",
                "| 8 of 8 converged, ",
                "| 8 of 8 reached, ",
                "| compiled before | ",
                "| 5 × 4 × 3 | ",
            ],
        ),
        (
            "scaling.py",
            ["--dataset", "digits", "--devices", "1", "2", "--rounds", "1"],
            ["| 2 | nothing |", "| all-reduce |", "**Predicted, not measured**"],
        ),
    ],
)
def test_an_experiment_writes_its_report(tmp_path, script, options, words):
    command = [str(ROOT / "experiments" / script), *options]
    done = run(*command, "--out", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    text = "".join(page.read_text() for page in (tmp_path / "out").glob("*.md"))
    for word in [*words, f"python experiments/{script} {options[0]} {options[1]}"]:
        assert word in text, word
    assert (tmp_path / "out" / "run.json").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.slow
@pytest.mark.experiment
def test_the_seeds_figures_are_reproduced_and_a_kill_costs_no_stage_twice(
    tmp_path, start_process, monkeypatch, capsys
):
    out, partial = tmp_path / "seeds", tmp_path / "seeds.partial"
    command = [str(ROOT / "experiments" / "reproduce_accounts.py"), "--out", str(out)]
    command += [
        "--dataset",
        "synthetic",
        "--num-examples",
        "300",
        "--num-features",
        "8",
        "--num-classes",
        "3",
    ]
    command += ["--num-seeds", "2", "--num-iters", "5", "--num-repeats", "2"]
    process = start_process(*command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(partial / "stage-grid-shared" / "state.npz", process)
    process.kill()
    process.wait()
    with np.load(partial / "stage-grid-independent" / "state.npz") as state:
        trained = state["seconds"][2]
    monkeypatch.setattr(sys, "argv", command)  # what trains nothing needs no process of its own
    with pytest.raises(SystemExit, match="holds an unfinished run; --resume continues it"):
        run_path(command[0], run_name="__main__")
    resumed = run(*command, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    about = json.loads((out / "run.json").read_text())
    assert about["seconds"]["grid-independent"]["train"] == trained
    assert not partial.exists()
    names = {"README.md", "figures.csv", "cells.csv", "runs.csv", "measurements.json", "run.json"}
    pictures = {"cells.png", "heat_maps.png", "distributions.png", "loss_curves.png", "loss_curves.svg"}
    assert {file.name for file in out.iterdir()} == names | pictures  # synthetic data have no templates
    text = (out / "README.md").read_text()
    with (out / "figures.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    figures = [(figure.account, figure.figure) for figure in published.read_figures().values()]
    cells = [
        ("003", f"lr {cell.lr:.6e}, reg {cell.reg:.6e}: train, validation accuracy")
        for cell in published.read_grid()
    ]
    assert [(row["account"], row["figure"]) for row in rows] == figures + cells
    assert all(row["ours"] for row in rows)
    for k, row in enumerate(rows):  # the cells are in the file alone
        assert (" | ".join(row.values()) in text) == (k < len(figures))
    assert "reproduce_accounts.py --out" in text
    assert "--resume" not in text
    assert "$" not in text
    with pytest.raises(SystemExit, match=r"exists; give --overwrite to replace it, or another --out$"):
        run_path(command[0], run_name="__main__")
    monkeypatch.setattr(sys, "argv", [*command, "--resume"])
    run_path(command[0], run_name="__main__")
    assert capsys.readouterr().out == f"complete: {out / 'README.md'}\n"
