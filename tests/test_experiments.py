"""The longer experiments, cut short: they run, and their reports say how they were made."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_the_benchmark_of_the_sweep_writes_its_report(tmp_path):
    out = tmp_path / "benchmark"
    command = [sys.executable, str(ROOT / "experiments" / "benchmark_sweep.py"), "--dataset", "digits"]
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
    done = subprocess.run([*command, *few], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert {file.name for file in out.iterdir()} == {
        "README.md",
        "results.json",
        "run.json",
        "peers.png",
        "sizes.png",
    }
    text = (out / "README.md").read_text()
    assert "digits (scikit-learn): 1,257 training examples, D = 65, K = 10" in text
    assert "benchmark_sweep.py --dataset digits --num-rounds 1" in text
    again = subprocess.run([*command, *few], capture_output=True, text=True, timeout=60, check=False)
    assert again.returncode == 1
    assert again.stderr.endswith("exists; give --overwrite to replace it, or another --out\n")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "options", "words"),
    [
        (
            "wide_sweep.py",
            ["--num-seeds", "2", "--num-iters", "20"],
            ["the course's grid", "wide grid, pixels", "minimum, standardized pixels"],
        ),
        (
            "convergence.py",
            "--regs 0.1 1 --theirs 2 --probe-examples 600 --probe-features 5 --probe-classes 3 --probe-regs 0.1".split(),
            ["scikit-learn, each from 0", "softjax, all at once", "made features (600 × 5, 3 classes)"],
        ),
        (
            "scaling.py",
            ["--devices", "1", "2", "--rounds", "1"],
            ["| 2 | nothing |", "| all-reduce |", "**Predicted, not measured**"],
        ),
    ],
)
def test_an_experiment_writes_its_report(tmp_path, script, options, words):
    command = [sys.executable, str(ROOT / "experiments" / script), "--dataset", "digits", *options]
    done = subprocess.run(
        [*command, "--out", "out"], capture_output=True, text=True, timeout=300, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "out" / "README.md").read_text()
    for word in [*words, f"python experiments/{script} --dataset digits"]:
        assert word in text, word
    assert (tmp_path / "out" / "run.json").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
