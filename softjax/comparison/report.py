"""The report of a comparison: its text, its pictures, and its figures as JSON and CSV."""

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from softjax.comparison.config import CompareConfig
from softjax.comparison.frameworks import FRAMEWORKS
from softjax.comparison.pictures import LEVEL_OF
from softjax.comparison.records import Comparison, Record, Speed
from softjax.comparison.sections import accuracy, edge_cases, modes, speed
from softjax.comparison.sections.cells import list_frameworks
from softjax.reports.environment import describe_environment
from softjax.reports.markdown import render, table
from softjax.runs.files import write_table, write_text
from softjax.runs.run_folder import RunFolder

SUMMARY_HEADER = (
    "framework",
    "version",
    "edge cases right",
    "visibly wrong",
    "silently wrong",
    "crashed or hung",
    "worst entry, roundings",
    "development, × fastest",
)


def write_comparison(
    comparison: Comparison, config: CompareConfig, folder: RunFolder, *, command: str
) -> None:
    """Writes README.md, results.json, results.csv, run.json and the pictures. If one fails, none is written.

    **Arguments:**

    - `comparison`, `config`: the records, and the options of the comparison.
    - `folder`: the folder of the report.
    - `command`: the command line that regenerates the report.

    Raises `InputError` if the folder exists or cannot be written.
    """
    duration = {"seconds": round(comparison.seconds, 1), "resumed": comparison.resumed}
    run = {"command": command, "config": asdict(config)} | duration | describe_environment()
    versions = run["versions"] | {
        FRAMEWORKS[name].distribution: version for name, version in comparison.versions.items()
    }
    with folder.write() as out:
        _write_results(comparison, versions, out)
        write_text(out / "run.json", json.dumps(run | {"versions": versions}, indent=2) + "\n")
        if comparison.of("edge_cases"):
            edge_cases.draw(comparison.of("edge_cases"), out)
        accuracy.draw(comparison.of("accuracy"), out)
        speed.draw(comparison.speeds, out)
        write_text(out / "README.md", _write_readme(comparison, run))


def summary(comparison: Comparison) -> list[tuple[str, ...]]:
    """A header and one row per framework: its edge cases by outcome, and the worst entry of its gradients in roundings."""
    fastest = speed.find_fastest(comparison.speeds, "development")
    names = list_frameworks((*comparison.records, *comparison.speeds))
    return [SUMMARY_HEADER, *(_summarize(name, comparison, fastest) for name in names)]


def _summarize(name: str, comparison: Comparison, fastest: float) -> tuple[str, ...]:
    version = comparison.versions[name]
    if version is None:
        return (name, "not installed", *[""] * 5, FRAMEWORKS[name].install)
    records = [record for record in comparison.records if record.framework == name]
    levels = Counter(
        LEVEL_OF.get(record.status, "absent") for record in records if record.group == "edge_cases"
    )
    total = sum(levels.values()) - levels["absent"]
    roundings = [r.roundings for r in records if r.status == "measured" and r.roundings is not None]
    seconds = next(
        (s.seconds for s in comparison.speeds if (s.framework, s.case) == (name, "development")), None
    )
    return (
        name,
        version,
        f"{levels['right']} of {total}" if total else "",
        str(levels["loud"] or ""),
        str(levels["wrong"] or ""),
        str(levels["dead"] or ""),
        f"{max(roundings):.3g}" if roundings else "",
        f"{seconds / fastest:.2f}" if seconds is not None else "",
    )


def _write_results(comparison: Comparison, versions: dict[str, str], folder: Path) -> None:
    """Writes results.json and results.csv, and speed.csv if speeds were measured."""
    groups = {
        group: [_make_json(record) for record in comparison.of(group)]
        for group in ("accuracy", "edge_cases", "modes")
    }
    groups["speed"] = [
        {key: value for key, value in asdict(one).items() if value is not None} for one in comparison.speeds
    ]
    write_text(folder / "results.json", json.dumps(groups | {"versions": versions}, indent=1) + "\n")
    _write_csv(folder / "results.csv", Record, comparison.records)
    if comparison.speeds:
        _write_csv(folder / "speed.csv", Speed, comparison.speeds)


def _write_csv(path: Path, kind: type[Record | Speed], rows: Sequence[Record | Speed]) -> None:
    names = [field.name for field in fields(kind)]
    write_table(path, [names, *([getattr(row, name) for name in names] for row in rows)])


def _make_json(record: Record) -> dict[str, Any]:
    """The fields of a record that have a value. NaN and ∞ are texts, because JSON lacks them."""

    def plain(value: Any) -> Any:
        if isinstance(value, float) and not math.isfinite(value):
            return str(value)
        return [plain(part) for part in value] if isinstance(value, list) else value

    return {
        key: plain(value) for key, value in asdict(record).items() if value is not None and key != "group"
    }


def _write_readme(comparison: Comparison, run: dict[str, Any]) -> str:
    header = render(
        Path(__file__).with_suffix(".md"),
        command=run["command"],
        date=run["date"],
        duration=_describe_duration(comparison),
        python=run["versions"]["python"],
        frameworks=_tabulate_frameworks(comparison),
        **{name: run["device"][name] for name in ("machine", "cpu_cores", "platform")},
    )
    parts = [header]
    if comparison.of("edge_cases"):
        parts.append(edge_cases.write(comparison.of("edge_cases")))
    if comparison.of("accuracy"):
        parts.append(accuracy.write(comparison.of("accuracy")))
    if comparison.speeds:
        parts.append(speed.write(comparison.speeds))
    if comparison.of("modes"):
        parts.append(modes.write(comparison.of("modes")))
    return "\n".join(parts)


def _tabulate_frameworks(comparison: Comparison) -> str:
    rows = [("name", "framework", "package", "version")]
    for name in list_frameworks((*comparison.records, *comparison.speeds)):
        framework = FRAMEWORKS[name]
        version = comparison.versions[name] or f"not installed: `{framework.install}`"
        rows.append((f"`{name}`", framework.title, framework.distribution, version))
    return table(rows, align="left")


def _describe_duration(comparison: Comparison) -> str:
    minutes = f"{comparison.seconds / 60:.1f} minutes"
    return f"the last {minutes} of a run that was resumed" if comparison.resumed else f"a run of {minutes}"
