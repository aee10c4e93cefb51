"""The report of an audit: a page, the table as CSV, the findings as JSON, JUnit XML, and a script for each rule that is not right."""

import csv
import json
import os
import platform
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from softjax.audit.processes import Outcome
from softjax.reports.markdown import count_of, render, table

VERDICTS = ("wrong", "undecided", "differs", "right", "never called")
MARK = ".softjax-audit"
"""the file by which a folder is known as one that may be replaced"""
COLUMNS = ("rule", "kind", "defined", "calls", "points", "verdict", "error", "seconds", "finding")


@dataclass(frozen=True)
class Audited:
    """All that an audit found."""

    what: str
    """what was audited"""
    command: str
    """what ran the tests"""
    outcomes: tuple[Outcome, ...]
    scripts: dict[str, Path]
    """the scripts by the names of the rules"""
    remarks: tuple[str, ...]
    seconds: dict[str, float]
    """of the tests, and of the checks"""


def summarize(outcomes: Sequence[Outcome]) -> str:
    """How many rules there are, and how many of each verdict."""
    if not outcomes:
        return "no rule was found"
    counts = Counter(outcome.verdict for outcome in outcomes)
    return f"{count_of(len(outcomes), 'rule')}: " + ", ".join(f"{counts[word]} {word}" for word in VERDICTS)


def list_lines(outcomes: Sequence[Outcome], scripts: dict[str, Path], root: Path) -> list[str]:
    """A line for each rule that is not right: verdict, name, what was found, the script."""
    lines = []
    for outcome in sort(outcomes):
        if outcome.verdict == "right":
            continue
        script = scripts.get(outcome.rule.name)
        parts = [
            f"{outcome.verdict.upper():<12} {outcome.rule.name}",
            _shorten(outcome.text, 160),
            f"accepted: {outcome.accepted}" if outcome.accepted else "",
            f"python {_relative(script, root)}" if script else "",
        ]
        lines.append("  ".join(filter(None, parts)))
    return lines


def sort(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """The outcomes, by verdict and then by place."""
    return sorted(outcomes, key=lambda o: (VERDICTS.index(o.verdict), o.rule.file, o.rule.line))


def write_report(audited: Audited, out: Path, root: Path) -> None:
    """Writes the files of a report to the folder `out`. Files are named as seen from `root`."""
    rows = [_row(outcome, root) for outcome in sort(audited.outcomes)]
    with (out / "rules.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([COLUMNS, *rows])
    rules = [_name_file(asdict(outcome), root) for outcome in audited.outcomes]
    findings = {
        "command": audited.command,
        "versions": list_versions(),
        "seconds": audited.seconds,
        "remarks": audited.remarks,
        "rules": rules,
    }
    (out / "findings.json").write_text(json.dumps(findings, indent=1), encoding="utf-8")
    listed = [f"- [`{name}`]({_relative(path, out)})" for name, path in audited.scripts.items()]
    text = render(
        Path(__file__).with_name("report.md"),
        what=audited.what,
        summary=summarize(audited.outcomes) + ".",
        command=audited.command,
        table=table([COLUMNS, *([f"`{row[0]}`", *row[1:]] for row in rows)], "left"),
        remarks="\n".join(f"{remark}." for remark in audited.remarks),
        scripts="\n".join(["The scripts:", "", *listed]) if listed else "",
        seconds=audited.seconds,
        versions=", ".join(f"{name} {number}" for name, number in list_versions().items()),
    )
    (out / "README.md").write_text(re.sub(r"\n{3,}", "\n\n", text), encoding="utf-8")
    write_junit(audited.outcomes, out / "junit.xml")


def _name_file(outcome: dict[str, Any], root: Path) -> dict[str, Any]:
    rule = outcome["rule"]
    return outcome | {"rule": rule | {"file": _relative(Path(rule["file"]), root)}}


def list_versions() -> dict[str, str]:
    """The versions of Python and of the packages that matter."""
    found = {"Python": platform.python_version()}
    for name in ("softjax-suite", "jax", "torch", "scipy", "numpy"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def write_junit(outcomes: Sequence[Outcome], file: Path) -> None:
    """Writes JUnit XML: a rule is a test case, wrong is a failure, undecided and never called are skipped."""
    counts = Counter(outcome.verdict for outcome in outcomes)
    skipped = counts["undecided"] + counts["never called"]
    suite = ElementTree.Element(
        "testsuite",
        name="softjax audit",
        tests=str(len(outcomes)),
        failures=str(counts["wrong"]),
        skipped=str(skipped),
        errors="0",
    )
    for outcome in outcomes:
        module, _, name = outcome.rule.name.rpartition(".")
        case = ElementTree.SubElement(
            suite, "testcase", classname=module, name=name, time=f"{outcome.seconds:.3f}"
        )
        if outcome.verdict == "wrong":
            ElementTree.SubElement(
                case, "failure", message=outcome.text
            ).text = f"{outcome.rule.file}:{outcome.rule.line}"
        elif outcome.verdict in ("undecided", "never called"):
            ElementTree.SubElement(case, "skipped", message=outcome.text or outcome.verdict)
        else:
            ElementTree.SubElement(case, "system-out").text = outcome.text
    ElementTree.ElementTree(suite).write(file, encoding="utf-8", xml_declaration=True)


def _row(outcome: Outcome, root: Path) -> list[str]:
    worst = outcome.worst
    text = outcome.text + (f" (accepted: {outcome.accepted})" if outcome.accepted else "")
    place = f"{_relative(Path(outcome.rule.file), root)}:{outcome.rule.line}"
    error = f"{worst.error:.2g}" if worst is not None and worst.error == worst.error else ""
    seconds = f"{outcome.seconds:.1f}" if outcome.num_points else ""
    name, kind = outcome.rule.name, outcome.rule.kind
    return [
        name,
        kind,
        place,
        str(outcome.calls),
        str(outcome.num_points),
        outcome.verdict,
        error,
        seconds,
        text,
    ]


def _relative(path: Path, root: Path) -> str:
    """A path as seen from a folder; an installed file from its site-packages."""
    if "site-packages" in path.parts:
        return Path(*path.parts[path.parts.index("site-packages") + 1 :]).as_posix()
    return Path(os.path.relpath(path, root)).as_posix()


def _shorten(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"
