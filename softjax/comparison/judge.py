"""Compares the answers of the frameworks with the true values."""

import json
import math
import threading
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from softjax.comparison.cases import ACCURACY, numpy_dtype
from softjax.comparison.conventions import find_convention
from softjax.comparison.edge_cases import EDGE_CASES, EdgeCase
from softjax.comparison.frameworks import FRAMEWORKS, Framework
from softjax.comparison.modes import MODES
from softjax.comparison.oracle import Truth
from softjax.comparison.records import Job, Record
from softjax.gradcheck.rounding import Rounding
from softjax.npz import read_arrays

ROUNDINGS_ALLOWED = 100.0


class Judge:
    """Judges answers. The true values of accuracy cases are computed once and kept in files, because they are large."""

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        self.lock = threading.Lock()

    def __call__(self, job: Job, answer: dict[str, Any], file: Path) -> Record:
        """The record of a worker's answer, whose arrays are in `file`."""
        status = answer["status"]
        if job.group == "edge_cases":
            arrays = tuple(read_arrays(file).values()) if status == "done" else ()
            return Record(**(asdict(job) | _judge_twice(job, answer, arrays)))
        if status != "done":
            return Record(
                **asdict(job), status=status, error=answer.get("error"), message=answer.get("message")
            )
        arrays = tuple(read_arrays(file).values())
        if job.group == "modes":
            figures = judge_mode(job, arrays)
        else:
            figures = judge_accuracy(self._find_truth(job.case, job.dtype), job.dtype, *arrays)
        return Record(**(asdict(job) | figures))

    def _find_truth(self, case: str, dtype: str) -> Truth:
        stem = self.scratch / f"truth-{case}-{dtype}"
        arrays = ("grad", "grad_rest", "grad_unit")
        with self.lock:
            if not stem.with_suffix(".json").exists():
                truth = ACCURACY[case].truth(dtype)
                for name in arrays:
                    np.save(f"{stem}-{name}.npy", getattr(truth, name))
                scalars = {name: getattr(truth, name) for name in ("loss", "loss_rest", "loss_unit")}
                stem.with_suffix(".json").write_text(json.dumps(scalars), encoding="utf-8")
        scalars = json.loads(stem.with_suffix(".json").read_text(encoding="utf-8"))
        return Truth(**scalars, **{name: np.load(f"{stem}-{name}.npy", mmap_mode="r") for name in arrays})


def judge_accuracy(truth: Truth, dtype: str, loss: np.ndarray, grad: np.ndarray) -> dict[str, Any]:
    """The fields of the record of an accuracy case."""
    finite = math.isfinite(float(loss)) and bool(np.isfinite(grad).all())
    figures = {"status": "measured" if finite else "nan", "loss": float(loss)}
    return figures | measure_errors(loss, grad, truth, dtype)


def measure_errors(loss: np.ndarray, grad: np.ndarray, truth: Truth, dtype: str) -> dict[str, Any]:
    """The errors of a loss and gradient. Works on blocks of rows, because large gradients do not fit in memory twice."""
    rounding = Rounding.of(numpy_dtype(dtype))
    worst = square = norm = 0.0
    rows = max(1, 2**22 // max(1, grad.shape[1]))
    with np.errstate(all="ignore"):
        for start in range(0, len(grad), rows):
            block = slice(start, start + rows)
            error = (grad[block].astype(np.float64) - truth.grad[block]) - truth.grad_rest[block]
            unit = rounding.unit * truth.grad_unit[block] + rounding.smallest
            worst = max(worst, float(np.nan_to_num(np.abs(error) / unit, nan=np.inf).max(initial=0)))
            square += float((error**2).sum())
            norm += float((truth.grad[block] ** 2).sum())
        loss_error = abs((float(loss) - truth.loss) - truth.loss_rest)
        loss_unit = rounding.unit * truth.loss_unit + rounding.smallest
    relative = math.sqrt(square) / math.sqrt(norm) if norm > 0 else float(square > 0)
    return {
        "relative_error": relative,
        "roundings": worst,
        "loss_roundings": loss_error / loss_unit if math.isfinite(loss_error) else math.inf,
    }


def _judge_twice(job: Job, answer: dict[str, Any], arrays: tuple[np.ndarray, ...]) -> dict[str, Any]:
    """The fields of the record of an edge case: by the formula, and by what the library documents."""
    framework = FRAMEWORKS[job.framework]
    figures = _judge_answer(EDGE_CASES[job.case], framework, answer, arrays)
    if figures["status"] not in ("right", "not offered", "not installed"):
        figures["script"] = answer.get("script")
    convention = find_convention(job.framework, framework.library, job.case)
    if convention is None or figures["status"] in ("right", "crash", "hang", "not offered"):
        return figures
    if convention.outcome == "anything":
        return figures | {"documented": "right"}
    by_rule = _judge_answer(convention.as_case(), framework, answer, arrays)
    return figures | {"documented": by_rule["status"]}


def _judge_answer(
    case: EdgeCase, framework: Framework, answer: dict[str, Any], arrays: tuple[np.ndarray, ...]
) -> dict[str, Any]:
    if answer["status"] == "done":
        return judge_edge_case(case, framework.approximate, *arrays, gradient_only=framework.gradient_only)
    refused = answer["status"] == "error" and case.expected != "value"
    status = "right" if refused else answer["status"]
    return {"status": status, "error": answer.get("error"), "message": answer.get("message")}


def judge_edge_case(
    case: EdgeCase, approximate: bool, *arrays: np.ndarray, gradient_only: bool = False
) -> dict[str, Any]:
    """The fields of the record of an edge case, whose arrays are the loss and gradient, or those of its derivative."""
    if case.derivative in ("gradient", "forward"):
        return _judge_gradient(case, approximate, gradient_only, *arrays)
    mode = MODES[case.derivative]
    shown = {"grad": np.asarray(arrays[-1], np.float64).tolist()}
    truths = [np.asarray(true) for true in mode.truth(case.problem)]
    if [a.shape for a in arrays] != [t.shape for t in truths]:
        return {"status": "wrong", "message": f"shapes {', '.join(str(a.shape) for a in arrays)}"} | shown
    units = [np.abs(true).max(initial=0) for true in truths]
    return {"status": _compare(case, approximate, zip(arrays, truths, units, strict=True))} | shown


def _judge_gradient(
    case: EdgeCase, approximate: bool, gradient_only: bool, loss: np.ndarray, grad: np.ndarray
) -> dict[str, Any]:
    shown = {"loss": float(loss) if loss.size == 1 else None, "grad": np.asarray(grad, np.float64).tolist()}
    if loss.size != 1 or grad.shape != case.problem.W.shape:
        return {"status": "wrong", "message": f"shapes {loss.shape}, {grad.shape}"} | shown
    grad_finite = bool(np.isfinite(grad).all())
    loss_finite = grad_finite if gradient_only else bool(np.isfinite(loss))
    if case.expected == "refused":
        return {"status": "wrong" if loss_finite else "nan"} | shown
    if case.expected == "undefined":
        hidden = loss_finite or (case.judge_gradient and grad_finite)
        return {"status": "wrong" if hidden else "right"} | shown
    assert case.truth is not None
    truth = case.truth
    parts = ((np.ravel(loss), truth.loss, truth.loss_unit), (grad, truth.grad, truth.grad_unit))
    return {"status": _compare(case, approximate, parts[1:] if gradient_only else parts)} | shown


def _compare(case: EdgeCase, approximate: bool, parts: Iterable[tuple[np.ndarray, Any, Any]]) -> str:
    """The status of values (value, true, unit): right to within the roundings allowed, not finite, or wrong.

    What is below u² of the largest entry counts as 0 (u is the unit roundoff).
    """
    rounding = Rounding.of(case.problem.W.dtype)
    allowed_unit = ROUNDINGS_ALLOWED * _unit_of_method(rounding, approximate)
    right, useless = True, False
    for value, true, unit in parts:
        with np.errstate(all="ignore"):
            largest = np.abs(np.where(np.isfinite(true), true, 0)).max(initial=0)
            allowed = allowed_unit * unit + rounding.unit**2 * largest + rounding.smallest
            agrees = (value == true) | (np.abs(value - true) <= np.where(np.isfinite(true), allowed, 0))
        right &= bool(agrees.all())
        useless |= bool((~np.isfinite(value) & ~agrees).any())
    return "right" if right else "nan" if useless else "wrong"


def judge_mode(job: Job, arrays: tuple[np.ndarray, ...]) -> dict[str, Any]:
    """The fields of the record of a derivative mode."""
    case = MODES[job.case]
    dtype = arrays[0].dtype.name
    truths = case.truth(case.problem(dtype))
    if [a.shape for a in arrays] != [t.shape for t in map(np.asarray, truths)]:
        return {"status": "wrong", "message": f"shapes {', '.join(str(a.shape) for a in arrays)}"}
    relative = max(_relative_error(a, t) for a, t in zip(arrays, truths, strict=True))
    rounding = Rounding.of(numpy_dtype(dtype))
    allowed = ROUNDINGS_ALLOWED * _unit_of_method(rounding, FRAMEWORKS[job.framework].approximate)
    status = "nan" if not math.isfinite(relative) else "right" if relative <= allowed else "wrong"
    roundings = relative / rounding.unit
    return {"status": status, "dtype": dtype, "relative_error": relative, "roundings": roundings}


def _unit_of_method(rounding: Rounding, approximate: bool) -> float:
    return rounding.unit ** (2 / 3) if approximate else rounding.unit


def _relative_error(value: Float[np.ndarray, "..."], true: Float[np.ndarray, "..."]) -> float:
    return float(np.linalg.norm((value - true).ravel()) / np.linalg.norm(np.ravel(true)))


def correct_refusal(record: Record, ordinary: Record | None) -> Record:
    """Changes the status to `"error"` if an error counted as right, but the framework fails in the ordinary case too.

    Such a framework does not refuse this case: it fails in every case.
    """
    if ordinary is None or ordinary.status != "error" or record.status != "right" or record.error is None:
        return record
    return replace(record, status="error", documented=None)
