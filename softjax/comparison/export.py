"""The edge cases as data, for the test suites of frameworks: cases.json, which this package holds and `softjax compare --export-cases` copies."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from softjax.comparison.edge_cases import EDGE_CASES, EdgeCase
from softjax.comparison.judge import ROUNDINGS_ALLOWED
from softjax.comparison.modes import MODES
from softjax.gradcheck.rounding import Rounding
from softjax.runs.files import raise_as_input_error, write_text

VERSION = 1  # changes when a field or the outcome of a case changes
CASES = Path(__file__).with_name("cases.json")
FIELDS = ("reg", "label_smoothing", "ignore_index")
ARRAYS = ("X", "y", "W", "sample_weight", "class_weight")


def export_cases(path: Path) -> None:
    """Copies the packaged cases.json to `path`.

    Raises `InputError` if the file cannot be written.
    """
    with raise_as_input_error(f"{path} cannot be written"):
        write_text(path, CASES.read_text(encoding="utf-8"))


def describe_cases() -> str:
    """All edge cases as JSON, as documented in docs/guide/edge_cases.md. NaN and ±∞ are the texts "nan", "inf", "-inf"."""
    cases = ",\n".join(_write_fields(_describe(case)) for case in EDGE_CASES.values())
    return f'{{"version": {VERSION}, "cases": [\n{cases}\n]}}\n'


def _write_fields(case: dict[str, Any]) -> str:
    """A case as JSON, a field a line."""
    fields = (
        f"{json.dumps(name)}: {json.dumps(value, ensure_ascii=False, allow_nan=False)}"
        for name, value in case.items()
    )
    return "{" + ",\n ".join(fields) + "}"


def _describe(case: EdgeCase) -> dict[str, Any]:
    problem = case.problem
    described: dict[str, Any] = {
        "name": case.name,
        "what": case.what,
        "expected": case.expected,
        "reason": case.reason,
        "derivative": case.derivative,
        **{name: _plain(getattr(problem, name)) for name in FIELDS},
        **{name: _write_array(getattr(problem, name)) for name in ARRAYS},
    }
    if case.expected == "undefined":
        described["judge_gradient"] = case.judge_gradient
    if case.expected == "value":
        described["values"] = _write_values(case)
    if case.derivative in ("hvp", "vmap"):
        described["argument"] = _write_array(MODES[case.derivative].arguments(problem)[-1])
    return described


def _write_values(case: EdgeCase) -> list[dict[str, Any]]:
    """Each true value, with the absolute error that is allowed for each entry."""
    rounding = Rounding.of(case.problem.W.dtype)
    if case.derivative in ("gradient", "forward"):
        assert case.truth is not None
        names: tuple[str, ...] = ("loss", "gradient")
        values = [np.asarray(case.truth.loss), case.truth.grad]
        units = [np.asarray(case.truth.loss_unit), case.truth.grad_unit]
    else:
        names = {"vmap": ("loss", "gradient"), "hvp": ("hvp",), "inputs": ("inputs",)}[case.derivative]
        values = [np.asarray(true) for true in MODES[case.derivative].truth(case.problem)]
        units = [np.full(np.shape(true), np.abs(true).max(initial=0)) for true in values]
    allowed = [
        np.where(
            np.isfinite(value),
            ROUNDINGS_ALLOWED * rounding.unit * unit
            + rounding.unit**2 * np.abs(np.where(np.isfinite(value), value, 0)).max(initial=0)
            + rounding.smallest,
            0,
        )
        for value, unit in zip(values, units, strict=True)
    ]
    return [
        {"of": name, "value": _plain(value.tolist()), "tolerance": _plain(tolerance.tolist())}
        for name, value, tolerance in zip(names, values, allowed, strict=True)
    ]


def _write_array(a: np.ndarray | None) -> dict[str, Any] | None:
    if a is None:
        return None
    described = {"dtype": a.dtype.name, "shape": list(a.shape), "values": _plain(a.ravel().tolist())}
    if not a.flags.c_contiguous:
        described["strides"] = [stride // a.itemsize for stride in a.strides]
    return described


def _plain(value: Any) -> Any:
    """Lists and numbers that JSON has; others are texts."""
    if isinstance(value, list):
        return [_plain(part) for part in value]
    return str(value) if isinstance(value, float) and not np.isfinite(value) else value


if __name__ == "__main__":
    CASES.write_text(describe_cases(), encoding="utf-8")
