"""Reads the results of an earlier comparison, and finds what changed since."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from softjax.comparison.frameworks import FRAMEWORKS
from softjax.comparison.records import CPU, Comparison, Speed
from softjax.errors import InputError
from softjax.runs.files import raise_as_input_error, read_text

GROUPS = ("edge_cases", "modes", "accuracy")
NOT_COMPARED = ("not installed", "not run")  # these are not the library's doing

# Names of rows in reports whose records do not name a library: then each library had one way, and it was the compiled one.
RENAMED = {
    "jax-by-hand": "softjax",
    "jax-custom-jvp": "softjax-jvp-jit",
    "jax-grad": "jax-grad-jit",
    "jax-forward": "jax-forward-jit",
    "optax-integer": "optax-integer-jit",
    "optax-safe": "optax-safe-jit",
    "tensorflow": "tensorflow-function",
    "mlx": "mlx-compile",
    "tinygrad": "tinygrad-jit",
}


@dataclass(frozen=True)
class Key:
    """Which outcome it is. `dtype` is empty but for accuracy cases and speeds."""

    group: str
    row: str
    case: str
    dtype: str = ""


@dataclass(frozen=True)
class Earlier:
    """The results of an earlier comparison.

    **Fields:**

    - `source`: the file; `versions`: by package; `statuses`: the outcomes.
    - `seconds`: of rows, sizes and types that were timed, the lower quartile, the median and the upper quartile.
    - `device`: on which all was computed, as `Comparison.device`.
    """

    source: Path
    versions: Mapping[str, str]
    statuses: Mapping[Key, str]
    seconds: Mapping[tuple[str, str, str], tuple[float, float, float]]
    device: str


@dataclass(frozen=True)
class Change:
    """What changed: an outcome, or a time with the ratio of the later to the earlier."""

    key: Key
    before: str
    after: str
    ratio: float | None = None


@dataclass(frozen=True)
class Changes:
    """All that changed since an earlier comparison.

    **Fields:**

    - `versions`: packages with the version before and after; `outcomes`; `speeds`: from the largest ratio to the smallest.
    - `new`: the rows that the earlier comparison lacks; `gone`: those that only it has.
    - `same_device`: whether both are of one device. Times are compared only then.
    """

    versions: tuple[tuple[str, str, str], ...]
    outcomes: tuple[Change, ...]
    speeds: tuple[Change, ...]
    new: tuple[str, ...]
    gone: tuple[str, ...]
    same_device: bool


def read_results(path: Path) -> Earlier:
    """The results in `path`, a results.json or the folder that holds it.

    Raises `InputError` if it cannot be read, or holds something else.
    """
    due = "expected the results.json of a report of softjax compare, or its folder"
    file = path / "results.json" if path.is_dir() else path
    with raise_as_input_error(f"{file} cannot be read ({due})"):
        text = read_text(file)
    try:
        return _understand(file, json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise InputError(f"{file} holds no results of a comparison: {due}") from None


def _understand(file: Path, results: Any) -> Earlier:
    """Raises an error of Python's own where `results` are not those of a comparison."""
    entries = [(group, entry) for group in GROUPS for entry in results[group]]
    timed = [entry for entry in results["speed"] if entry["status"] == "measured"]
    old = not any("library" in entry for entry in [*(entry for _, entry in entries), *results["speed"]])

    def rename(row: str) -> str:
        return str(RENAMED.get(row, row) if old else row)

    return Earlier(
        file,
        {str(package): str(version) for package, version in results["versions"].items()},
        {
            Key(
                group,
                rename(entry["framework"]),
                str(entry["case"]),
                str(entry["dtype"]) if group == "accuracy" else "",
            ): str(entry["status"])
            for group, entry in entries
        },
        {
            (rename(entry["framework"]), str(entry["case"]), str(entry.get("dtype", "float32"))): (
                float(entry["low_seconds"]),
                float(entry["seconds"]),
                float(entry["high_seconds"]),
            )
            for entry in timed
        },
        str(results.get("device", CPU)),
    )


def find_changes(earlier: Earlier, comparison: Comparison, versions: Mapping[str, str]) -> Changes:
    """What changed from an earlier comparison to this one. Only rows and cases that both have are compared.

    **Arguments:**

    - `versions`: by package, those of `comparison`.
    """
    rows = {record.framework for record in comparison.records} | {
        speed.framework for speed in comparison.speeds
    }
    before = {*(key.row for key in earlier.statuses), *(row for row, *_ in earlier.seconds)}
    same_device = earlier.device == comparison.device
    speeds = (*comparison.speeds, *comparison.other_speeds) if same_device else ()
    return Changes(
        tuple(_compare_versions(earlier.versions, versions)),
        tuple(_compare_outcomes(earlier, comparison)),
        tuple(sorted(_compare_speeds(earlier, speeds), key=lambda change: -_distance(change))),
        tuple(name for name in FRAMEWORKS if name in rows - before),
        tuple(sorted(before - rows)),
        same_device,
    )


def _compare_versions(before: Mapping[str, str], after: Mapping[str, str]) -> Iterable[tuple[str, str, str]]:
    for package in sorted(before.keys() & after.keys()):
        if before[package] != after[package]:
            yield package, before[package], after[package]


def _compare_outcomes(earlier: Earlier, comparison: Comparison) -> Iterable[Change]:
    for record in comparison.records:
        dtype = record.dtype if record.group == "accuracy" else ""
        key = Key(record.group, record.framework, record.case, dtype)
        before = earlier.statuses.get(key, record.status)
        if before != record.status and before not in NOT_COMPARED and record.status not in NOT_COMPARED:
            yield Change(key, before, record.status)


def _compare_speeds(earlier: Earlier, speeds: Iterable[Speed]) -> Iterable[Change]:
    """The times whose quartiles do not overlap the earlier ones."""
    for speed in speeds:
        before = earlier.seconds.get((speed.framework, speed.case, speed.dtype))
        if before is None or speed.seconds is None or speed.low_seconds is None or speed.high_seconds is None:
            continue
        low, middle, high = before
        if speed.low_seconds > high or speed.high_seconds < low:
            key = Key("speed", speed.framework, speed.case, speed.dtype)
            yield Change(key, f"{middle!r}", f"{speed.seconds!r}", speed.seconds / middle)


def _distance(change: Change) -> float:
    return abs(math.log(change.ratio)) if change.ratio else 0.0
