"""Audits the derivative rules of real packages while their own tests run, and reports what is right, wrong, meant or undecided.

    python experiments/audit_packages.py --sources DIR --out reports/audit

experiments/audited/packages.toml lists the packages, with versions and where their tests come from. Each must be installed, and
its tests must be in DIR/NAME; the error for a missing one says what to download. The tests run twice, without and with the audit.
Finished packages are saved beside the report, in OUT.partial; after Ctrl-C or a kill, --resume continues from there.

Examples:
  python experiments/audit_packages.py --sources ~/tests --packages optax entmax --out reports/trial
"""

import json
import re
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from harness import Experiment, Options, run_experiment
from matplotlib.figure import Figure

from softjax import InputError
from softjax.audit.report import VERDICTS
from softjax.drawing import BLUE, GREEN, SMALL, VERMILION, start_picture, tidy_axes
from softjax.reports.environment import environment_rows
from softjax.reports.markdown import render, table

HERE = Path(__file__).parent
LISTED = HERE / "audited"
SECONDS_FOR_TESTS = 3600
COLORS = {"right": GREEN, "undecided": "0.75", "differs": BLUE, "wrong": VERMILION}
MEANINGS = {"differs": "differs on purpose"}


@dataclass(frozen=True)
class Package:
    """A package whose tests are at hand."""

    name: str
    """as it is imported"""
    distribution: str
    version: str
    tests: str
    """where its tests come from"""
    arguments: tuple[str, ...]
    """of pytest: files, or the tests that reach a rule"""
    note: str = ""


@dataclass(frozen=True)
class AuditOptions(Options):
    """The options: where the tests are, and how much is run."""

    out: Path = Path("reports/audit")
    """Folder of the report."""
    sources: Path = Path("packages")
    """Folder with a folder of tests for each package, by its name."""
    packages: tuple[str, ...] = ()
    """Packages that are audited. By default all that are listed."""
    limit: float = 40.0
    """Seconds for the checks of a rule."""


def read_packages() -> list[Package]:
    """The packages of packages.toml. A file `NAME.txt` beside it lists the tests of a package that reach a rule."""
    listed = tomllib.loads((LISTED / "packages.toml").read_text(encoding="utf-8"))["package"]
    found = []
    for each in listed:
        file = LISTED / f"{each['name']}.txt"
        chosen = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        found.append(Package(**each | {"arguments": (*each.get("arguments", ()), *chosen)}))
    return found


def choose(options: AuditOptions) -> list[Package]:
    """The packages that are to be audited. Raises `InputError` if one is not listed, not installed, or has no tests here."""
    listed = {package.name: package for package in read_packages()}
    unknown = [name for name in options.packages if name not in listed]
    if unknown:
        raise InputError(f"packages must be among {', '.join(listed)}, got {', '.join(unknown)}")
    chosen = [listed[name] for name in options.packages] if options.packages else list(listed.values())
    for package in chosen:
        pinned = f"{package.distribution}=={package.version}"
        try:
            installed = version(package.distribution)
        except PackageNotFoundError:
            installed = "none"
        if installed != package.version:
            raise InputError(
                f"{package.name} {package.version} is expected, {installed} is installed: pip install {pinned}"
            )
        if not find_tests(package, options).is_dir():
            raise InputError(
                f"{options.sources / package.name} is missing: put the tests there, of {package.tests}"
            )
    return chosen


def find_tests(package: Package, options: AuditOptions) -> Path:
    """The folder of a package's tests: beside packages.toml if they are our own."""
    own = LISTED / package.name
    return own if own.is_dir() else options.sources / package.name


def audit(package: Package, options: AuditOptions) -> dict[str, Any]:
    """Runs the tests of a package without and with the audit: outcomes, seconds, findings, scripts of wrong rules."""
    folder = find_tests(package, options).absolute()
    plain = _run_pytest(package, folder, [])
    with tempfile.TemporaryDirectory(prefix="softjax-audit-") as scratch:
        out = Path(scratch) / "report"
        asked = [
            f"--softjax-audit={out}",
            f"--softjax-audit-package={package.name}",
            f"--softjax-audit-limit={options.limit}",
        ]
        audited = _run_pytest(package, folder, asked)
        if not (out / "findings.json").exists():
            raise InputError(
                f"{package.name}: pytest ended with {audited['code']} and wrote no report: {audited['last']}"
            )
        findings = json.loads((out / "findings.json").read_text(encoding="utf-8"))
        scripts = {}
        for rule in findings["rules"]:
            script = (
                out
                / "scripts"
                / f"{rule['rule']['name'].replace('<locals>', 'locals').replace('<lambda>', 'lambda')}.py"
            )
            if rule["verdict"] == "wrong" and script.exists():
                run = subprocess.run(
                    [sys.executable, str(script)],
                    cwd=folder,
                    capture_output=True,
                    text=True,
                    timeout=600,
                    check=False,
                )
                scripts[rule["rule"]["name"]] = {
                    "text": script.read_text(encoding="utf-8"),
                    "output": run.stdout if run.returncode == 0 else run.stderr.strip().splitlines()[-1],
                }
    timed = audited | {"seconds": findings["seconds"]["tests"]}
    return {"plain": plain, "audited": timed, "scripts": scripts, **findings}


def _run_pytest(package: Package, folder: Path, more: list[str]) -> dict[str, Any]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *package.arguments, *more]
    finished = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=SECONDS_FOR_TESTS, check=False
    )
    last = re.sub(r"\x1b\[[0-9;]*m", "", (finished.stdout.strip().splitlines() or [""])[-1])
    counted, _, seconds = last.strip("= ").rpartition(" in ")
    # warnings may be more, since a test that fails while it is recorded runs twice
    results = ", ".join(part for part in counted.split(", ") if "warning" not in part)
    if "passed" not in results:
        raise InputError(f"{package.name}: no test passed: {last or finished.stderr[-300:]}")
    number = re.match(r"([\d.]+)s", seconds)
    return {
        "code": finished.returncode,
        "results": results,
        "seconds": float(number[1]) if number else 0.0,
        "last": last,
    }


def run_audit(options: AuditOptions, experiment: Experiment) -> None:
    """Audits every package, and writes the report."""
    packages = choose(options)
    results = {}
    for package in packages:
        print(f"{package.name} {package.version}", flush=True)
        stage = package.name.lower().replace("_", "-")
        results[package.name] = experiment.keep(stage, partial(audit, package, options))
    reviews = tomllib.loads((LISTED / "reviews.toml").read_text(encoding="utf-8"))
    results = {name: apply_reviews(result, reviews) for name, result in results.items()}
    experiment.write(
        partial(write_readme, packages, results, reviews),
        versions={package.distribution: package.version for package in packages},
        tables={"rules": list_rules(packages, results), "packages": list_packages(packages, results)},
        figures={"verdicts": draw_verdicts(list_packages(packages, results))},
        curves=["verdicts"],
        files={"findings.md": write_findings(packages, results)}
        | {
            f"{name.replace('<locals>', 'locals')}.py.txt": script["text"]
            for result in results.values()
            for name, script in result["scripts"].items()
            if any(found["rule"]["name"] == name and found["verdict"] == "wrong" for found in result["rules"])
        },
    )


def apply_reviews(result: dict[str, Any], reviews: dict[str, Any]) -> dict[str, Any]:
    """The result of a package, where a rule that is called wrong "differs" if a review by hand says that it is meant to."""
    rules = []
    for found in result["rules"]:
        meant = reviews.get(found["rule"]["name"], {}).get("meant", "")
        if found["verdict"] == "wrong" and meant:
            found = found | {"verdict": "differs", "text": f"{found['text']}. By hand: {meant}"}
        rules.append(found)
    return result | {"rules": rules}


def list_packages(packages: Sequence[Package], results: dict[str, Any]) -> list[list[str]]:
    """A row for each package: its tests, their times, and how many rules have which verdict."""
    rows = [
        ["package", "version", "tests", "seconds", "with the audit", "ratio", "checks", "rules", *VERDICTS]
    ]
    totals: Counter[str] = Counter()
    for package in packages:
        result = results[package.name]
        counts = Counter(rule["verdict"] for rule in result["rules"])
        totals += counts
        plain, audited = result["plain"]["seconds"], result["audited"]["seconds"]
        rows.append(
            [
                package.distribution,
                package.version,
                result["plain"]["results"],
                f"{plain:.1f}",
                f"{audited:.1f}",
            ]
            + [f"{audited / plain:.2f}", f"{result['seconds']['checks']:.0f}", str(len(result["rules"]))]
            + [str(counts[word]) for word in VERDICTS]
        )
    plain = sum(results[package.name]["plain"]["seconds"] for package in packages)
    audited = sum(results[package.name]["audited"]["seconds"] for package in packages)
    checks = sum(results[package.name]["seconds"]["checks"] for package in packages)
    rows.append(
        [
            "all",
            "",
            "",
            f"{plain:.1f}",
            f"{audited:.1f}",
            f"{audited / plain:.2f}",
            f"{checks:.0f}",
            str(sum(totals.values())),
        ]
        + [str(totals[word]) for word in VERDICTS]
    )
    return rows


def list_rules(packages: Sequence[Package], results: dict[str, Any]) -> list[list[str]]:
    """A row for each rule."""
    rows = [["package", "rule", "kind", "file", "line", "calls", "points", "verdict", "finding", "seconds"]]
    for package in packages:
        for found in results[package.name]["rules"]:
            rule = found["rule"]
            about = [rule["name"], rule["kind"], rule["file"], str(rule["line"])]
            counts = [str(found["calls"]), str(found["num_points"])]
            said = [found["verdict"], found["text"], f"{found['seconds']:.1f}"]
            rows.append([package.distribution, *about, *counts, *said])
    return rows


def write_readme(
    packages: Sequence[Package], results: dict[str, Any], reviews: dict[str, Any], about: dict[str, Any]
) -> str:
    """The text of the report."""
    rows, found = list_packages(packages, results), _name_cells(list_rules(packages, results))
    counts = Counter(each["verdict"] for each in found)
    return render(
        HERE / "audit_packages.md",
        num_packages=len(packages),
        num_rules=len(found),
        counts=counts,
        called=len(found) - counts["never called"],
        packages=table(rows, "names"),
        wrong=list_wrong(found, results, reviews),
        unchanged=say_unchanged(packages, results),
        ratio=rows[-1][5],
        largest=max(float(row[5]) for row in rows[1:-1]),
        command=about["command"],
        environment=table([("", ""), *environment_rows(about)], "left"),
    )


def write_findings(packages: Sequence[Package], results: dict[str, Any]) -> str:
    """The text of findings.md: the rules that differ on purpose or are undecided, and the sources of the tests."""
    found = _name_cells(list_rules(packages, results))
    sources = [
        (f"{p.distribution} {p.version}", p.tests + (f"; {p.note}" if p.note else "")) for p in packages
    ]
    return render(
        HERE / "audit_packages_findings.md",
        differs=_list(found, "differs"),
        undecided=_list(found, "undecided"),
        sources=table([("package", "tests"), *sources], "left"),
    )


def draw_verdicts(rows: Sequence[Sequence[str]]) -> Figure:
    """A bar for each package: the rules that its tests called, by verdict. The rows are those of `list_packages`."""
    packages = _name_cells(rows)[:-1]
    called = {each["package"]: sum(int(each[word]) for word in COLORS) for each in packages}
    packages.sort(key=lambda each: called[each["package"]])
    figure = start_picture(
        "Derivative rules that the packages' own tests call, by verdict", 0.2 * len(packages) + 1.3
    )
    axes = figure.subplots()
    names = [each["package"] for each in packages]
    left = np.zeros(len(packages), int)
    for word, color in COLORS.items():
        counts = np.array([int(each[word]) for each in packages])
        axes.barh(
            names,
            counts,
            left=left,
            color=color,
            edgecolor="white",
            linewidth=0.5,
            label=MEANINGS.get(word, word),
        )
        left += counts
    for row, each in enumerate(packages):
        more = int(each["never called"])
        text = f"{left[row]}" + (f", and {more} never called" if more else "")
        axes.annotate(
            text, (left[row], row), (4, 0), textcoords="offset points", va="center_baseline", fontsize=SMALL
        )
    axes.set(xlabel="rules called", xlim=(0, 1.35 * max(1, left.max())), ylim=(-0.7, len(packages) - 0.3))
    tidy_axes(axes, grid="x").tick_params(axis="y", length=0)
    axes.legend(loc="lower right", fontsize=SMALL, frameon=False)
    return figure


def say_unchanged(packages: Sequence[Package], results: dict[str, Any]) -> str:
    """Whether the results of the tests are the same with the audit."""
    other = [
        p.distribution
        for p in packages
        if results[p.name]["plain"]["results"] != results[p.name]["audited"]["results"]
    ]
    return "the same in all packages" if not other else f"the same in all packages but {', '.join(other)}"


def list_wrong(found: Sequence[dict[str, str]], results: dict[str, Any], reviews: dict[str, Any]) -> str:
    """The wrong rules, each with what its script prints and what people found who looked at it."""
    parts = []
    for each in found:
        if each["verdict"] != "wrong":
            continue
        script = next(
            (r["scripts"][each["rule"]] for r in results.values() if each["rule"] in r["scripts"]), None
        )
        parts += [f"### `{each['rule']}`", "", f"{each['file']}, line {each['line']}: {each['finding']}.", ""]
        if script is not None:
            parts += ["Its script prints", "", "```text", script["output"].strip(), "```", ""]
        parts += [reviews.get(each["rule"], {}).get("review", "Not yet looked at by hand."), ""]
    return "\n".join(parts).strip() or "None."


def _name_cells(rows: Sequence[Sequence[str]]) -> list[dict[str, str]]:
    return [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]


def _list(found: Sequence[dict[str, str]], verdict: str) -> str:
    rows = [
        [each["package"], f"`{each['rule']}`", each["finding"]]
        for each in found
        if each["verdict"] == verdict
    ]
    return table([["package", "rule", "finding"], *rows], "left") if rows else "None."


if __name__ == "__main__":
    run_experiment(AuditOptions, run_audit, description=__doc__)
