"""Runs the frameworks side by side, each in a process of its own, and judges what comes out."""

import contextlib
import json
import math
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatch
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Float

from softjax.comparison.cases import ACCURACY, DTYPES, EDGE_CASES, MODES, EdgeCase, numpy_dtype
from softjax.comparison.process import Process
from softjax.comparison.speed import SIZES, Speed, measure
from softjax.config import CompareConfig, InputError
from softjax.frameworks import FRAMEWORKS
from softjax.gradcheck.rounding import Rounding
from softjax.oracle import Truth

Group = Literal["accuracy", "edge_cases", "modes", "speed"]
ROUNDINGS_ALLOWED = 100.0
QUICK_ACCURACY = ("tiny", "minibatch")
QUICK_DTYPES = ("float64", "float32")
QUICK_SPEED = ("development",)


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


@dataclass(frozen=True)
class Comparison:
    """All records, the version of each framework, None where it is not installed, and speeds."""

    records: tuple[Record, ...]
    versions: dict[str, str | None]
    speeds: tuple[Speed, ...] = ()

    def of(self, group: Group) -> tuple[Record, ...]:
        """The records of one kind of case."""
        return tuple(record for record in self.records if record.group == group)


def compare(
    config: CompareConfig | None = None,
    *,
    journal: Path | None = None,
    on_start: Callable[[int], None] | None = None,
    on_record: Callable[[str, str], None] | None = None,
) -> Comparison:
    """Asks every framework every case, then times them.

    Each framework runs in a process of its own, as many at once as the machine has cores; the timed ones take turns. A
    job that takes longer than `config.time_limit` seconds, or ends the process, costs that one case: a fresh process
    goes on.

    **Arguments:**

    - `config`: which frameworks and cases; `CompareConfig()` is all of them.
    - `journal`: a file to which each answer is written as it comes. Where it holds those of an interrupted comparison of
      this very configuration and these versions, they are taken over; any other is replaced.
    - `on_start`: called with the number of answers to come.
    - `on_record`: called with framework and case at each answer.

    **Returns:** a `Comparison`. Frameworks that are not installed are recorded as such.

    Raises `InputError` where a framework or case is unknown.
    """
    config = CompareConfig() if config is None else config
    jobs = plan(config)
    versions = {name: framework.version for name, framework in FRAMEWORKS.items()}
    records: dict[Job, Record | Speed] = {}
    stop = threading.Event()
    with tempfile.TemporaryDirectory(prefix="softjax-compare-") as scratch, contextlib.ExitStack() as stack:
        if journal is not None:
            header = {"config": asdict(config), "versions": versions, "softjax": version("softjax-suite")}
            journal.parent.mkdir(parents=True, exist_ok=True)
            records |= _read_journal(journal, header)
            lines = stack.enter_context(journal.open("a", buffering=1))
        known = frozenset(records)
        if on_start is not None:
            on_start(len(set(jobs) - known))
        lock = threading.Lock()

        def keep(job: Job, record: Record | Speed) -> None:
            with lock:
                records[job] = record
                if journal is not None:
                    lines.write(json.dumps({"job": asdict(job), "record": asdict(record)}) + "\n")
                if on_record is not None:
                    on_record(job.framework, job.case)

        questions = [job for job in jobs if job.group != "speed" and job not in known]
        _ask_all(questions, config, Path(scratch), keep, stop)
        for case in SIZES:
            timed = tuple(job for job in jobs if job.group == "speed" and job.case == case)
            if not set(timed) <= known:  # together or not at all: they are compared within one run
                found = {
                    speed.framework: speed for speed in measure(case, [j.framework for j in timed], config)
                }
                for job in timed:
                    keep(job, found[job.framework])
    asked = [records[job] for job in jobs]
    return Comparison(
        tuple(record for record in asked if isinstance(record, Record)),
        versions,
        tuple(record for record in asked if isinstance(record, Speed)),
    )


def _ask_all(
    jobs: list[Job],
    config: CompareConfig,
    scratch: Path,
    keep: Callable[[Job, Record], None],
    stop: threading.Event,
) -> None:
    judge = _Judge(scratch)
    live: dict[str, Process] = {}

    def run(name: str) -> None:
        mine = [job for job in jobs if job.framework == name]
        for job, record in _run_framework(name, mine, config, scratch, judge, stop, live):
            keep(job, record)

    # Frameworks with most to compile come first, lest they end alone.
    names = sorted({job.framework for job in jobs}, key=lambda name: not FRAMEWORKS[name].compiles)
    with ThreadPoolExecutor(max_workers=max(1, min(len(names), os.cpu_count() or 1))) as pool:
        futures = [pool.submit(run, name) for name in names]
        try:
            for future in futures:
                future.result()
        except BaseException:
            stop.set()
            for process in list(live.values()):
                process.end()
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _read_journal(path: Path, header: dict[str, Any]) -> dict[Job, Record | Speed]:
    """What an interrupted comparison left, or a new journal."""
    with contextlib.suppress(OSError, ValueError):
        first, *lines = path.read_text().splitlines()
        if first == json.dumps(header):
            found: dict[Job, Record | Speed] = {}
            for line in lines:
                with contextlib.suppress(ValueError):  # the last line may be half written
                    entry = json.loads(line)
                    job = Job(**entry["job"])
                    found[job] = (Speed if job.group == "speed" else Record)(**entry["record"])
            kept = [line for line in lines if line.endswith("}")]
            path.write_text("\n".join([first, *kept]) + "\n")
            return found
    path.write_text(json.dumps(header) + "\n")
    return {}


def plan(config: CompareConfig) -> tuple[Job, ...]:
    """The jobs of a comparison, in the order of the registry and of the cases.

    Raises `InputError` where a name, or a pattern, matches nothing.
    """
    frameworks = _chosen("framework", config.frameworks, tuple(FRAMEWORKS))
    if config.quick and not config.frameworks:
        frameworks = tuple(name for name in frameworks if not FRAMEWORKS[name].compiles)
    cases = _chosen("case", config.cases, (*ACCURACY, *EDGE_CASES, *MODES, *get_args(Group)))

    def of(group: Group, names: Any) -> Iterator[str]:
        return (name for name in names if group in cases or name in cases)

    jobs = []
    for framework in frameworks:
        jobs += [Job("edge_cases", framework, case, "float32") for case in of("edge_cases", EDGE_CASES)]
        jobs += [Job("modes", framework, case, "") for case in of("modes", MODES)]
        for case in of("accuracy", QUICK_ACCURACY if config.quick and "accuracy" in cases else ACCURACY):
            for dtype in QUICK_DTYPES if config.quick else DTYPES:
                jobs.append(Job("accuracy", framework, case, dtype))
        if "speed" in cases:
            sizes = QUICK_SPEED if config.quick else SIZES
            jobs += [Job("speed", framework, case, "float32") for case in sizes]
    return tuple(jobs)


def _chosen(what: str, patterns: tuple[str, ...], names: tuple[str, ...]) -> tuple[str, ...]:
    for pattern in patterns:
        if not any(fnmatch(name, pattern) for name in names):
            raise InputError(
                f"unknown {what} {pattern!r}: expected {', '.join(names)}, or a pattern like 'jax-*'"
            )
    return tuple(name for name in names if not patterns or any(fnmatch(name, p) for p in patterns))


def _run_framework(
    name: str,
    jobs: list[Job],
    config: CompareConfig,
    scratch: Path,
    judge: "_Judge",
    stop: threading.Event,
    live: dict[str, Process],
) -> Iterator[tuple[Job, Record]]:
    framework = FRAMEWORKS[name]
    if framework.version is None:
        for job in jobs:
            yield job, Record(**asdict(job), status="not installed", message=framework.install)
        return
    process, works = None, True
    try:
        for job in jobs:
            if stop.is_set():
                return
            if process is None:
                process = live[name] = Process(name)
            file = scratch / f"{name}.npz"
            answer = process.ask(asdict(job) | {"file": str(file)}, config.time_limit)
            if answer["status"] in ("crash", "hang"):
                process.end()
                process = None
            record = judge(job, answer, file)
            if job.case == "ordinary":
                works = record.status != "error"
            if record.error is not None and record.status == "right" and not works:
                record = replace(record, status="error")  # what fails always refuses nothing
            yield job, record
            file.unlink(missing_ok=True)
    finally:
        if process is not None:
            process.end()


class _Judge:
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
                figures = _judge_edge_case(
                    EDGE_CASES[job.case], FRAMEWORKS[job.framework].approximate, *arrays
                )
            case "modes":
                figures = _judge_mode(job, arrays)
            case _:
                figures = self._judge_accuracy(job, *arrays)
        return Record(**(asdict(job) | figures))

    def _judge_accuracy(self, job: Job, loss: np.ndarray, grad: np.ndarray) -> dict[str, Any]:
        problem_size = ACCURACY[job.case]
        figures = _errors(loss, grad, self._truth(job.case, job.dtype), job.dtype, problem_size.N)
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


def _errors(loss: np.ndarray, grad: np.ndarray, truth: Truth, dtype: str, N: int) -> dict[str, Any]:
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


def _judge_edge_case(case: EdgeCase, approximate: bool, loss: np.ndarray, grad: np.ndarray) -> dict[str, Any]:
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
    truth, rounding = case.truth, Rounding.of(np.float32)
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


def _judge_mode(job: Job, arrays: tuple[np.ndarray, ...]) -> dict[str, Any]:
    case = MODES[job.case]
    dtype = "float64" if arrays[0].dtype == np.float64 else arrays[0].dtype.name
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
