"""The audit of a whole project: its tests run as they do without, and every rule gets the verdict that it deserves."""

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

PROJECT = Path(__file__).with_name("project")
VERDICTS = {
    "right.log1pexp": "right",
    "right.norm": "right",
    "right.logsumexp": "right",
    "right.solve": "right",
    "right.make_power.<locals>.power": "right",
    "right.rosenbrock_slope": "right",
    "wrong.twice": "wrong",
    "wrong.sign": "wrong",
    "wrong.transposed": "wrong",
    "wrong.unweighted": "wrong",
    "wrong.half_line": "wrong",
    "wrong.mean": "wrong",
    "wrong.second": "wrong",
    "wrong.circle_slope": "wrong",
    "meant.straight_through": "differs",
    "meant.reverse": "differs",
    "meant.smoothed": "differs",
    "meant.damped": "differs",
    "meant.forgotten": "never called",
    "meant._plain": "never called",
}

RUN_ALL = "import runpy, sys; [runpy.run_path(script, run_name='__main__') for script in sys.argv[1:]]"


def run(project, *arguments, command=("pytest", "-q", "-p", "no:cacheprovider")):
    # the project is not softjax: pytest's own options of this process are not for it
    environment = {name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"}
    return subprocess.run(
        [sys.executable, "-m", *command, *arguments],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )


def count_outcomes(finished):
    return finished.stdout.splitlines()[-1].partition(" in ")[0]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("audit") / "geometry"
    shutil.copytree(PROJECT, folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A project with a rule that is right, one that is wrong, and a test of each."""
    folder = tmp_path_factory.mktemp("small")
    (folder / "pyproject.toml").write_text('[tool.pytest.ini_options]\npythonpath = ["."]\n')
    (folder / "rules.py").write_text(
        "import jax, jax.numpy as jnp\n"
        "def _make(slope):\n"
        "    @jax.custom_jvp\n"
        "    def rule(x):\n"
        "        return x**2\n"
        "    rule.defjvps(lambda t, value, x: slope * x * t)\n"
        "    return rule\n"
        "@jax.custom_jvp\n"
        "def square(x):\n"
        "    return x**2\n"
        "square.defjvps(lambda t, value, x: 2 * x * t)\n"
        "@jax.custom_jvp\n"
        "def cube(x):\n"
        "    return x**3\n"
        "cube.defjvps(lambda t, value, x: 2 * x**2 * t)\n"
    )
    (folder / "test_rules.py").write_text(
        "import jax, rules\n"
        "def test_square():\n    assert jax.jit(rules.square)(3.0) == 9.0\n"
        "def test_cube():\n    assert rules.cube(2.0) == 8.0\n"
    )
    return folder


@pytest.mark.experiment
def test_a_project_with_twenty_rules_is_audited_exactly(project):
    plain, audited = run(project), run(project, "--softjax-audit")

    assert count_outcomes(audited) == count_outcomes(plain) == "8 passed"
    assert audited.returncode == plain.returncode == 0  # a wrong rule fails no test unless that is asked for
    out = project / "softjax-audit"
    with (out / "rules.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["rule"].removeprefix("geometry."): row["verdict"] for row in rows} == VERDICTS
    for name, verdict in VERDICTS.items():  # in the summary, name and verdict stand on one line
        if verdict != "right":
            assert any(name in line and verdict.upper() in line for line in audited.stdout.splitlines())
    suite = ElementTree.parse(out / "junit.xml").getroot()
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("20", "8", "2")
    scripts = sorted((out / "scripts").glob("geometry.wrong.*.py"))
    assert not any("softjax" in script.read_text() for script in scripts)
    found = subprocess.run(  # in one process, which imports JAX once
        [sys.executable, "-c", RUN_ALL, *map(str, scripts)],
        env=os.environ | {"PYTHONPATH": str(project)},
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    sides = [line.partition(":")[2].strip() for line in found.stdout.split("by ")[1:]]
    assert len(sides) == 2 * len(scripts) == 16
    assert all(rule != values for rule, values in zip(sides[::2], sides[1::2], strict=True))
    assert len(list((out / "scripts").glob("*.py"))) == 12


@pytest.mark.slow
def test_the_processes_of_xdist_are_put_together_and_fail_is_pytest_s_exit_code(small):
    audited = run(small, "-n", "2", "--softjax-audit=report", "--softjax-audit-fail")
    assert audited.returncode == 1
    found = json.loads((small / "report" / "findings.json").read_text())["rules"]
    assert {each["rule"]["name"]: each["verdict"] for each in found} == {
        "rules.square": "right",
        "rules.cube": "wrong",
        "rules._make.<locals>.rule": "never called",
    }
    assert "FAILED test_rules.py::test_cube" in audited.stdout
    assert "FAILED test_rules.py::test_square" not in audited.stdout


@pytest.mark.slow
def test_the_command_runs_pytest_and_exits_with_1_for_a_wrong_rule(small):
    command = ("softjax", "audit", "--out", "by-command", "--package", "rules", "--", "pytest", "-q", "-k")
    assert run(small, "cube", command=command).returncode == 1
    assert (small / "by-command" / "README.md").exists()
    assert run(small, "square", command=command).returncode == 0  # the same folder again


def test_a_folder_with_other_files_is_not_replaced(small):
    (small / "mine").mkdir()
    (small / "mine" / "notes.txt").write_text("keep")
    refused = run(small, "--softjax-audit=mine")
    assert refused.returncode == 4
    assert "--softjax-audit=DIR" in refused.stderr
    assert (small / "mine" / "notes.txt").read_text() == "keep"


def test_a_list_of_intended_rules_that_is_none_is_refused_before_the_tests(tmp_path):
    (tmp_path / "pyproject.toml").write_text('[tool.softjax.audit]\nintended = "mine"\n')
    refused = run(tmp_path, "--softjax-audit")
    assert refused.returncode == 4
    assert "list of names" in refused.stderr
    assert "INTERNALERROR" not in refused.stdout + refused.stderr


def test_a_limit_that_is_no_time_is_refused(tmp_path):
    refused = run(tmp_path, "--softjax-audit", "--softjax-audit-limit=-1")
    assert refused.returncode == 4
    assert "seconds, got -1" in refused.stderr
