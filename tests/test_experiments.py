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
