"""The report of a comparison: its pages, its pictures, and its figures as JSON and CSV."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from softjax.comparison.changes import Earlier, find_changes
from softjax.comparison.config import CompareConfig
from softjax.comparison.devices import has_events
from softjax.comparison.frameworks import FRAMEWORKS
from softjax.comparison.outcomes import Tally, count, list_rows
from softjax.comparison.records import Comparison, Record, Speed
from softjax.comparison.sections import (
    accuracy,
    changes,
    edge_cases,
    libraries,
    modes,
    page,
    speed,
    upstream,
    verdict,
)
from softjax.comparison.sections.cells import join_names, join_parts
from softjax.reports.environment import describe_environment
from softjax.reports.markdown import render
from softjax.reports.page.write import PAGE
from softjax.runs.files import write_table, write_text
from softjax.runs.run_folder import RunFolder

SUMMARY_HEADER = (
    "row",
    "version",
    "edge cases right",
    "else as documented",
    "visibly wrong",
    "silently wrong",
    "crashed or hung",
    "worst entry, roundings",
    "development, × fastest",
)
ONLY_IN_JSON = ("script",)
LINK = (
    "The same to look around in, with the script of every outcome: [report.html](report.html), one file that needs no "
    "network."
)


def write_comparison(
    comparison: Comparison,
    config: CompareConfig,
    folder: RunFolder,
    *,
    command: str,
    earlier: Earlier | None = None,
) -> None:
    """Writes README.md, report.html, the other pages, results.json, results.csv, run.json and the pictures. If one fails, none is written.

    **Arguments:**

    - `comparison`, `config`: the records, and the options of the comparison.
    - `folder`: the folder of the report.
    - `command`: the command line that regenerates the report.
    - `earlier`: an earlier comparison: the report says what changed since.

    Raises `InputError` if the folder exists or cannot be written.
    """
    duration = {"seconds": round(comparison.seconds, 1), "resumed": comparison.resumed}
    run = {"command": command, "config": asdict(config)} | duration | describe_environment()
    versions = run["versions"] | {
        FRAMEWORKS[name].package: version for name, version in comparison.versions.items() if version
    }
    with folder.write() as out:
        _write_results(comparison, versions, out)
        write_text(out / "run.json", json.dumps(run | {"versions": versions}, indent=2) + "\n")
        changed = ""
        if earlier is not None:
            found = find_changes(earlier, comparison, versions)
            write_table(out / "changes.csv", changes.list_lines(found))
            changed = changes.write(found, earlier)
        _draw(comparison, out)
        described = page.describe_page(comparison, verdict.write(comparison), earlier)
        write_text(out / PAGE, page.write_page(described))
        for name, text in _write_pages(comparison, run, changed).items():
            (out / name).parent.mkdir(exist_ok=True)
            write_text(out / name, text)


def summary(comparison: Comparison) -> list[tuple[str, ...]]:
    """A header and a line for each row: its edge cases by outcome, and the worst entry of its gradients in roundings."""
    fastest = speed.find_fastest(comparison.speeds, "development")
    tallies = count(comparison.of("edge_cases"))
    rows = list_rows((*comparison.records, *comparison.speeds))
    return [SUMMARY_HEADER, *(_summarize(row, comparison, tallies.get(row), fastest) for row in rows)]


def _summarize(row: str, comparison: Comparison, tally: Tally | None, fastest: float) -> tuple[str, ...]:
    version = comparison.versions[row]
    if version is None:
        return (row, "not installed", *[""] * 6, FRAMEWORKS[row].install)
    roundings = [
        record.roundings
        for record in comparison.of("accuracy")
        if record.framework == row and record.status == "measured" and record.roundings is not None
    ]
    seconds = next(
        (s.seconds for s in comparison.speeds if (s.framework, s.case) == (row, "development")), None
    )
    cells: tuple[str, ...] = ("",) * 5
    if tally is not None:
        counts = [str(tally.counts[level] or "") for level in ("documented", "loud", "wrong", "dead")]
        cells = (f"{tally.right} of {tally.offered}", *counts)
    return (
        row,
        version,
        *cells,
        f"{max(roundings):.3g}" if roundings else "",
        f"{seconds / fastest:.2f}" if seconds is not None else "",
    )


def _write_results(comparison: Comparison, versions: dict[str, str], folder: Path) -> None:
    """Writes results.json and results.csv, and speed.csv if speeds were measured."""
    groups = {
        group: [_make_json(record) for record in comparison.of(group)]
        for group in ("accuracy", "edge_cases", "modes")
    }
    speeds = (*comparison.speeds, *comparison.other_speeds)
    groups["speed"] = [_make_json(one) for one in speeds]
    about = {"versions": versions, "device": comparison.device}
    write_text(folder / "results.json", _write_lines(groups | about))
    _write_csv(folder / "results.csv", Record, comparison.records)
    if speeds:
        _write_csv(folder / "speed.csv", Speed, speeds)


def _write_lines(groups: Mapping[str, Any]) -> str:
    """JSON with a record a line."""
    parts = []
    for name, value in groups.items():
        if isinstance(value, list):
            text = "[\n" + ",\n".join(json.dumps(record) for record in value) + "\n]"
        else:
            text = json.dumps(value)
        parts.append(f"{json.dumps(name)}: {text}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _write_csv(path: Path, kind: type[Record | Speed], rows: Sequence[Record | Speed]) -> None:
    names = [field.name for field in fields(kind) if field.name not in ONLY_IN_JSON]
    head = [*names, "library", "way"]
    write_table(
        path, [head, *([*(getattr(row, name) for name in names), *_place(row).values()] for row in rows)]
    )


def _place(record: Record | Speed) -> dict[str, str]:
    """Whose row it is, and which way of calling it."""
    framework = FRAMEWORKS[record.framework]
    return {"library": framework.library, "way": framework.way}


def _make_json(record: Record | Speed) -> dict[str, Any]:
    """The fields that have a value, with library and way. NaN and ∞ are texts, because JSON lacks them."""

    def plain(value: Any) -> Any:
        if isinstance(value, float) and not math.isfinite(value):
            return str(value)
        return [plain(part) for part in value] if isinstance(value, list) else value

    values = {
        key: plain(value) for key, value in asdict(record).items() if value is not None and key != "group"
    }
    if isinstance(record, Record) and record.group == "edge_cases":
        values["documented"] = record.documented
    return values | _place(record)


def _draw(comparison: Comparison, folder: Path) -> None:
    edge_cases.draw(comparison.of("edge_cases"), folder)
    accuracy.draw(comparison.of("accuracy"), folder)
    speed.draw(comparison.speeds, folder)


def _write_pages(comparison: Comparison, run: dict[str, Any], changed: str) -> dict[str, str]:
    """The text of each page, by the name of its file."""
    pages = {"README.md": _write_readme(comparison, run, changed)} | libraries.write_pages(comparison)
    if comparison.of("edge_cases"):
        pages[edge_cases.PAGE] = edge_cases.write_page(comparison.of("edge_cases"))
        pages |= upstream.write_pages(comparison)
    return pages


def _write_readme(comparison: Comparison, run: dict[str, Any], changed: str) -> str:
    picture = "![How many edge cases each row has right, and what the others are](conformance.png)"
    parts = (
        verdict.write(comparison),
        picture if count(comparison.of("edge_cases")) else "",
        LINK,
        changed,
        edge_cases.write(comparison.of("edge_cases")),
        accuracy.write(comparison.of("accuracy")),
        speed.write(comparison.speeds, comparison.other_speeds, on_gpu=comparison.gpu is not None),
        modes.write(comparison.of("modes")),
    )
    files = {"speed.csv": bool(comparison.speeds), "changes.csv": bool(changed), "run.json": True}
    return render(
        Path(__file__).with_suffix(".md"),
        parts=join_parts(*parts),
        libraries=libraries.tabulate(comparison),
        command=run["command"],
        date=run["date"],
        duration=_describe_duration(comparison),
        timing=_describe_timing(comparison),
        device=_describe_device(comparison.gpu, run["config"]["full_precision"]),
        python=run["versions"]["python"],
        files="".join(f", [{name}]({name})" for name, written in files.items() if written),
        **{name: run["device"][name] for name in ("machine", "cpu_cores", "platform")},
    )


def _describe_device(gpu: str | None, full_precision: bool) -> str:
    if gpu is None:
        return (
            "The least time possible is an estimate: that of 4 N D K operations at the rate of a large matrix product, or of "
            "reading X and W and writing the gradient at the rate of a copy, whichever is longer. X may stay in a cache, and "
            "then a row may be faster. GPUs were not measured."
        )
    products = (
        "with all digits"
        if full_precision
        else "as each library does by default, which may round the factors to TF32"
    )
    return f"All was computed on a GPU, {gpu}. Products of float32 matrices are computed {products}. The memory is the GPU's."


def _describe_timing(comparison: Comparison) -> str:
    """How calls were timed, as the end of a sentence and what follows it."""
    if comparison.gpu is None:
        return ", and the loss is read. A time is the median over the rounds of each round's median."
    libraries = sorted({FRAMEWORKS[speed.framework].library for speed in comparison.speeds})
    by_events = [library for library in libraries if has_events(library)]
    by_clock = [library for library in libraries if not has_events(library)]
    ways = [f"{join_names(by_events)} by the events of the GPU"] * bool(by_events) + [
        f"{join_names(by_clock)}, without events that a user can call, by the clock from the first call until the last "
        "one is finished"
    ] * bool(by_clock)
    timed = f" It is timed in a row: {'; '.join(ways)}." if ways else ""
    return (
        ". Calls are begun one after another, without waiting for the result, so that a call is prepared while the GPU "
        f"computes the one before.{timed} A time is the median over the rounds of each round's mean."
    )


def _describe_duration(comparison: Comparison) -> str:
    minutes = f"{comparison.seconds / 60:.1f} minutes"
    return f"the last {minutes} of a run that was resumed" if comparison.resumed else f"a run of {minutes}"
