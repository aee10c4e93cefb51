"""The edge cases as data: the packaged file is today's table, and a test suite without softjax can run it."""

import importlib.util
import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
from support.processes import run

from softjax import cli
from softjax.comparison.edge_cases import EDGE_CASES
from softjax.comparison.export import CASES, describe_cases

# What PyTorch 2.13 and 2.15 get wrong, by the mathematics. Some of it is documented: softjax/comparison/conventions.py
WRONG_IN_TORCH = {
    *("X-integer", "X-half", "label-int32"),  # raises
    *("label-minus-100", "label-minus-100-batch", "batches", "batches-square"),
    *("smoothing-class-weight", "ignored-smoothing-class-weight", "soft-one-hot-class-weight"),
    *("soft-0-minus-inf", "ignored-overflow", "sample-weight-0-overflow"),  # NaN
}


def test_the_packaged_file_is_the_table():
    assert CASES.read_text(encoding="utf-8") == describe_cases(), (
        "write it anew: python -m softjax.comparison.export"
    )
    cases = json.loads(CASES.read_text(encoding="utf-8"))["cases"]
    assert [case["name"] for case in cases] == list(EDGE_CASES)
    for case in cases:
        assert ("values" in case) == (case["expected"] == "value")
        W = EDGE_CASES[case["name"]].problem.W
        assert np.array_equal(np.array(case["W"]["values"], W.dtype).reshape(W.shape), W, equal_nan=True)


def test_the_command_line_writes_it(tmp_path, capsys):
    assert cli.main(["compare", "--export-cases", str(tmp_path / "cases.json")]) == 0
    assert str(tmp_path / "cases.json") in capsys.readouterr().out
    assert (tmp_path / "cases.json").read_text(encoding="utf-8") == describe_cases()
    assert cli.main(["compare", "--export-cases", str(tmp_path / "none" / "cases.json")]) == 2
    assert "cannot be written" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="PyTorch is not installed: pip install torch"
)
def test_a_test_suite_of_pytorch_runs_the_cases_without_softjax(tmp_path):
    suite = Path(__file__).with_name("torch_cases.py")
    assert set(re.findall(r"^(?:import|from) (\w+)", suite.read_text(encoding="utf-8"), re.MULTILINE)) == {
        "json", "os", "pathlib", "numpy", "pytest", "torch",
    }  # fmt: skip
    (tmp_path / "torch_cases.py").write_text(suite.read_text(encoding="utf-8"), encoding="utf-8")
    done = run(
        "-m",
        "pytest",
        "-q",
        "-rf",
        "-p",
        "no:cacheprovider",
        "torch_cases.py",
        cwd=tmp_path,
        env=os.environ | {"CASES": str(CASES)},
    )
    failed = set(re.findall(r"^FAILED torch_cases\.py::\w+\[([\w-]+)\]", done.stdout, re.MULTILINE))
    assert failed == WRONG_IN_TORCH, done.stdout
