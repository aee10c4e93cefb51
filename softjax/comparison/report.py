"""The report of a comparison: tables, pictures, and the figures as JSON and CSV."""

import csv
import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np

from softjax.comparison import pictures, tables
from softjax.comparison.cases import ACCURACY, DTYPES, EDGE_CASES
from softjax.comparison.config import CompareConfig
from softjax.comparison.frameworks import FRAMEWORKS
from softjax.comparison.judge import Record
from softjax.comparison.run import Comparison
from softjax.comparison.speed import SIZES, Speed
from softjax.reports.environment import describe_environment
from softjax.runs.run_folder import RunFolder


def write_comparison(
    comparison: Comparison, config: CompareConfig, folder: RunFolder, *, command: str
) -> None:
    """Writes README.md, results.json, results.csv, run.json and the pictures. All of it, or nothing.

    **Arguments:**

    - `comparison`, `config`: the records, and what was asked.
    - `folder`: where it goes.
    - `command`: the command line that regenerates it.

    Raises `InputError` where the folder is taken or cannot be written.
    """
    duration = {"seconds": round(comparison.seconds, 1), "resumed": comparison.resumed}
    run = {"command": command, "config": asdict(config)} | duration | describe_environment()
    versions = run["versions"] | {
        FRAMEWORKS[name].distribution: version for name, version in comparison.versions.items()
    }
    with folder.write() as out:
        groups = {
            group: [_json(r) for r in comparison.of(group)] for group in ("accuracy", "edge_cases", "modes")
        }
        groups["speed"] = [
            {key: value for key, value in asdict(speed).items() if value is not None}
            for speed in comparison.speeds
        ]
        (out / "results.json").write_text(json.dumps(groups | {"versions": versions}, indent=1) + "\n")
        (out / "run.json").write_text(json.dumps(run | {"versions": versions}, indent=2) + "\n")
        with (out / "results.csv").open("w", newline="") as file:
            names = [field.name for field in fields(Record)]
            writer = csv.DictWriter(file, names)
            writer.writeheader()
            writer.writerows(asdict(record) for record in comparison.records)
        if comparison.speeds:
            with (out / "speed.csv").open("w", newline="") as file:
                speed_writer = csv.DictWriter(file, [field.name for field in fields(Speed)])
                speed_writer.writeheader()
                speed_writer.writerows(asdict(speed) for speed in comparison.speeds)
        _draw(comparison, out)
        (out / "README.md").write_text(_text(comparison, run))


def summary(comparison: Comparison) -> list[tuple[str, ...]]:
    """One row a framework: its edge cases by outcome, and the worst entry of its gradients in roundings."""
    rows: list[tuple[str, ...]] = [
        (
            "framework",
            "version",
            "edge cases right",
            "loud",
            "silently wrong",
            "died",
            "worst entry, roundings",
            "development, × fastest",
        )
    ]
    fastest = min(
        (s.seconds for s in comparison.speeds if s.case == "development" and s.seconds), default=math.nan
    )
    for name in tables.names_of((*comparison.records, *comparison.speeds)):
        records = [record for record in comparison.records if record.framework == name]
        if comparison.versions[name] is None:
            rows.append((name, "not installed", *[""] * 5, FRAMEWORKS[name].install))
            continue
        speed = next((s for s in comparison.speeds if (s.framework, s.case) == (name, "development")), None)
        levels = Counter(
            pictures.LEVEL_OF.get(record.status, "absent")
            for record in records
            if record.group == "edge_cases"
        )
        total = sum(levels.values()) - levels["absent"]
        worst = max(
            (r.roundings for r in records if r.status == "measured" and r.roundings is not None),
            default=math.nan,
        )
        rows.append(
            (
                name,
                str(comparison.versions[name]),
                f"{levels['right']} of {total}" if total else "",
                str(levels["loud"] or ""),
                str(levels["wrong"] or ""),
                str(levels["dead"] or ""),
                "" if math.isnan(worst) else f"{worst:.3g}",
                f"{speed.seconds / fastest:.2f}" if speed is not None and speed.seconds is not None else "",
            )
        )
    return rows


def _json(record: Record) -> dict[str, Any]:
    """A record without what it has not; JSON has no NaN and no ∞, so they are texts."""

    def plain(value: Any) -> Any:
        if isinstance(value, float) and not math.isfinite(value):
            return str(value)
        return [plain(part) for part in value] if isinstance(value, list) else value

    return {
        key: plain(value) for key, value in asdict(record).items() if value is not None and key != "group"
    }


def _draw(comparison: Comparison, folder: Path) -> None:
    edge = tables.by_cell(comparison.of("edge_cases"))
    if edge:
        frameworks, cases = tables.present(edge)
        figure = pictures.conformance(
            [[edge[case, name].status for name in frameworks] for case in cases],
            [[tables.short(edge[case, name]) for name in frameworks] for case in cases],
            [f"{EDGE_CASES[case].what}  ({EDGE_CASES[case].expected})" for case in cases],
            [FRAMEWORKS[name].title for name in frameworks],
            "Edge cases of the softmax cross-entropy",
        )
        figure.savefig(folder / "conformance.png", dpi=150)
    measured = [record for record in comparison.of("accuracy") if record.status in ("measured", "nan")]
    if measured:
        names = tables.names_of(measured)
        cases = [case for case in ACCURACY if any(record.case == case for record in measured)]
        dtypes = [dtype for dtype in DTYPES if any(record.dtype == dtype for record in measured)]
        errors = {dtype: np.full((len(names), len(cases)), np.nan) for dtype in dtypes}
        for record in measured:
            error = record.relative_error or 0.0
            # An error of 0 has no place on a logarithmic axis.
            error = max(error, 1e-3 * tables.roundoff(record.dtype))
            errors[record.dtype][names.index(record.framework), cases.index(record.case)] = (
                error if math.isfinite(error) else np.nan
            )
        figure = pictures.accuracy(
            errors,
            {dtype: tables.roundoff(dtype) for dtype in dtypes},
            [FRAMEWORKS[name].title for name in names],
            cases,
            "Accuracy of the gradient",
        )
        figure.savefig(folder / "accuracy.png", dpi=150)
    if any(speed.status == "measured" for speed in comparison.speeds):
        _draw_speeds(comparison.speeds, folder)


def _draw_speeds(speeds: Sequence[Speed], folder: Path) -> None:
    names = tables.names_of(speed for speed in speeds if speed.status == "measured")
    cases = [case for case in SIZES if any(speed.case == case for speed in speeds)]
    found = {(speed.case, speed.framework): speed for speed in speeds if speed.status == "measured"}

    def of(figure: str, scale: float, least: float = 0.0) -> dict[str, Any]:
        """By size, one value a framework: NaN where there is none, `least` where it is less."""

        def value(case: str, name: str) -> float:
            seen = getattr(found.get((case, name)), figure, None)
            return math.nan if seen is None else max(least, scale * seen)

        return {tables.sized(case): np.array([value(case, name) for name in names]) for case in cases}

    low, high = of("low_seconds", 1e3), of("high_seconds", 1e3)
    titles = [FRAMEWORKS[name].title for name in names]
    floors = {
        tables.sized(case): 1e3
        * next((s.floor_seconds or math.nan for (c, _), s in found.items() if c == case), math.nan)
        for case in cases
    }
    for name, figure in {
        "speed": pictures.dots(
            of("seconds", 1e3),
            {size: np.stack([low[size], high[size]]) for size in low},
            floors,
            titles,
            "ms a call",
            "Loss and gradient in steady state, float32 (red: the fastest; dashed: what must be computed and moved)",
        ),
        "first_call": pictures.dots(
            of("first_seconds", 1.0),
            None,
            None,
            titles,
            "s",
            "The first call, with tracing and compiling (red: the fastest)",
        ),
        "memory": pictures.dots(
            of("peak_bytes", 1e-6, least=0.1),
            None,
            None,
            titles,
            "MB",
            "Peak memory above that before the first call (red: the least; 0.1 is at most 0.1)",
        ),
    }.items():
        figure.savefig(folder / f"{name}.png", dpi=150)


def _duration(comparison: Comparison) -> str:
    minutes = f"{comparison.seconds / 60:.1f} minutes"
    return f"the last {minutes} of a run that was resumed" if comparison.resumed else f"a run of {minutes}"


def _text(comparison: Comparison, run: dict[str, Any]) -> str:
    device = run["device"]
    parts = [
        "# Autodiff frameworks side by side: the softmax cross-entropy of a linear classifier",
        "The loss L(W) = 1/N Σᵢ −log softmax(X[i] @ W)[y[i]] + reg ΣW² and its gradient, by each framework as its users "
        "would write it, each in a process of its own.",
        f"    {run['command']}",
        f"{run['date']}, {_duration(comparison)}, {device['machine']}, {device['cpu_cores']} cores, {device['platform']}, Python "
        f"{run['versions']['python']}. The data are random numbers (`softjax/comparison/cases.py`), the same for all.",
        "## Frameworks",
        tables.versions(comparison),
    ]
    if comparison.of("edge_cases"):
        parts += tables.edge_sections(comparison.of("edge_cases"))
    if comparison.of("accuracy"):
        parts += tables.accuracy_sections(comparison.of("accuracy"))
    if comparison.speeds:
        parts += tables.speed_sections(comparison.speeds)
    if comparison.of("modes"):
        parts += tables.mode_sections(comparison.of("modes"))
    return "\n\n".join(parts) + "\n"
