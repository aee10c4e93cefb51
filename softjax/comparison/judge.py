"""What a framework answered, held against what is right."""

import json
import math
import threading
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from softjax.comparison.cases import ACCURACY, EDGE_CASES, MODES, EdgeCase, numpy_dtype
from softjax.comparison.frameworks import FRAMEWORKS
from softjax.comparison.oracle import Truth
from softjax.gradcheck.rounding import Rounding

Group = Literal["accuracy", "edge_cases", "modes", "speed"]
ROUNDINGS_ALLOWED = 100.0


@dataclass(frozen=True)
class Job:
    """A question to a framework."""

    group: Group
    framework: str
    case: str
    dtype: str


@dataclass(frozen=True)
class Record:
    """The answer of a framework to one case.

    **Fields:**

    - `status`: in edge cases and modes `"right"` (to 100 roundings, or refused where that is right), `"wrong"` (a
      finite value that is wrong, or that should not be), `"nan"` (NaN or ∞ where neither should be: loud, and
      useless), `"error"` (raised where a value exists); in accuracy `"measured"`, or `"nan"` where the loss or an
      entry of the gradient is not finite. In all: `"crash"` and `"hang"` of the process, `"not offered"` (the
      type or mode does not exist there), `"not run"` (too long, or too much memory: `message` estimates it) and
      `"not installed"`.
    - `error`, `message`: the exception's name and first line, or the signal's name, or an estimate.
    - `loss`: what came out, `grad` the gradient of a small problem.
    - `relative_error`: of the gradient (or of the mode's derivative), ‖g − true‖ / ‖true‖.
    - `roundings`, `loss_roundings`: the worst entry's error, and the loss's, in units of one rounding of the
      type (`softjax.oracle.Truth`); of modes, the relative error in units of the type's unit roundoff.
    """

    group: Group
    framework: str
    case: str
    dtype: str
    status: str
    error: str | None = None
    message: str | None = None
    loss: float | None = None
    grad: list[list[float]] | None = None
    relative_error: float | None = None
    roundings: float | None = None
    loss_roundings: float | None = None


class Judge:
    """Holds answers against what is right; truths of large problems are computed once."""

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        self.lock = threading.Lock()

    def __call__(self, job: Job, answer: dict[str, Any], file: Path) -> Record:
        status = answer["status"]
        if status != "done":
            if status == "error" and job.group == "edge_cases" and EDGE_CASES[job.case].expected != "value":
                status = "right"
            return Record(
                **asdict(job), status=status, error=answer.get("error"), message=answer.get("message")
            )
        with np.load(file) as saved:
            arrays = tuple(saved.values())
        match job.group:
            case "edge_cases":
                figures = judge_edge_case(
                    EDGE_CASES[job.case], FRAMEWORKS[job.framework].approximate, *arrays
                )
            case "modes":
                figures = judge_mode(job, arrays)
            case _:
                figures = self._judge_accuracy(job, *arrays)
        return Record(**(asdict(job) | figures))

    def _judge_accuracy(self, job: Job, loss: np.ndarray, grad: np.ndarray) -> dict[str, Any]:
        figures = errors(loss, grad, self._truth(job.case, job.dtype), job.dtype)
        finite = math.isfinite(float(loss)) and bool(np.isfinite(grad).all())
        return {"status": "measured" if finite else "nan", "loss": float(loss)} | figures

    def _truth(self, case: str, dtype: str) -> Truth:
        stem = self.scratch / f"truth-{case}-{dtype}"
        arrays = ("grad", "grad_rest", "grad_unit")
        with self.lock:
            if not stem.with_suffix(".json").exists():
                truth = ACCURACY[case].truth(dtype)
                for name in arrays:
                    np.save(f"{stem}-{name}.npy", getattr(truth, name))
                scalars = {name: getattr(truth, name) for name in ("loss", "loss_rest", "loss_unit")}
                stem.with_suffix(".json").write_text(json.dumps(scalars))
        scalars = json.loads(stem.with_suffix(".json").read_text())
        return Truth(**scalars, **{name: np.load(f"{stem}-{name}.npy", mmap_mode="r") for name in arrays})


def errors(loss: np.ndarray, grad: np.ndarray, truth: Truth, dtype: str) -> dict[str, Any]:
    """The errors of a loss and gradient, the latter in blocks of rows, as large ones do not fit in memory twice."""
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


def judge_edge_case(case: EdgeCase, approximate: bool, loss: np.ndarray, grad: np.ndarray) -> dict[str, Any]:
    shown = {"loss": float(loss) if loss.size == 1 else None, "grad": np.asarray(grad, np.float64).tolist()}
    if loss.size != 1 or grad.shape != case.problem.W.shape:
        return {"status": "wrong", "message": f"shapes {loss.shape}, {grad.shape}"} | shown
    loss_finite, grad_finite = bool(np.isfinite(loss)), bool(np.isfinite(grad).all())
    if case.expected == "refused":
        return {"status": "wrong" if loss_finite else "nan"} | shown
    if case.expected == "undefined":
        hidden = loss_finite or (case.judge_gradient and grad_finite)
        return {"status": "wrong" if hidden else "right"} | shown
    assert case.truth is not None
    truth, rounding = case.truth, Rounding.of(case.problem.W.dtype)
    unit_roundoff = _unit_roundoff(rounding, approximate)
    right, useless = True, False
    for value, true, unit in (
        (np.asarray(loss), np.asarray(truth.loss), np.asarray(truth.loss_unit)),
        (grad, truth.grad, truth.grad_unit),
    ):
        with np.errstate(all="ignore"):
            allowed = ROUNDINGS_ALLOWED * unit_roundoff * unit + rounding.smallest
            agrees = (value == true) | (np.abs(value - true) <= np.where(np.isfinite(true), allowed, 0))
        right &= bool(agrees.all())
        useless |= bool((~np.isfinite(value) & ~agrees).any())
    return {"status": "right" if right else "nan" if useless else "wrong"} | shown


def _unit_roundoff(rounding: Rounding, approximate: bool) -> float:
    return rounding.unit ** (2 / 3) if approximate else rounding.unit


def judge_mode(job: Job, arrays: tuple[np.ndarray, ...]) -> dict[str, Any]:
    case = MODES[job.case]
    dtype = arrays[0].dtype.name
    truths = case.truth(case.problem(dtype))
    if [a.shape for a in arrays] != [t.shape for t in map(np.asarray, truths)]:
        return {"status": "wrong", "message": f"shapes {', '.join(str(a.shape) for a in arrays)}"}
    relative = max(_relative(a, t) for a, t in zip(arrays, truths, strict=True))
    rounding = Rounding.of(numpy_dtype(dtype))
    roundings = relative / rounding.unit
    allowed = ROUNDINGS_ALLOWED * _unit_roundoff(rounding, FRAMEWORKS[job.framework].approximate)
    status = "nan" if not math.isfinite(relative) else "right" if relative <= allowed else "wrong"
    return {"status": status, "dtype": dtype, "relative_error": relative, "roundings": roundings}


def _relative(value: Float[np.ndarray, "..."], true: Float[np.ndarray, "..."]) -> float:
    return float(np.linalg.norm((value - true).ravel()) / np.linalg.norm(np.ravel(true)))


def without_empty_refusals(record: Record, ordinary: Record | None) -> Record:
    """A refusal by a framework that fails in the ordinary case too refuses nothing: it is an error."""
    if ordinary is None or ordinary.status != "error" or record.status != "right" or record.error is None:
        return record
    return replace(record, status="error")
