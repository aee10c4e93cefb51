"""Runs the frameworks side by side, each in a process of its own."""

import contextlib
import json
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from fnmatch import fnmatch
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_args

from softjax.comparison.cases import ACCURACY, DTYPES, EDGE_CASES, MODES
from softjax.comparison.config import CompareConfig
from softjax.comparison.frameworks import FRAMEWORKS
from softjax.comparison.judge import Group, Job, Judge, Record, without_empty_refusals
from softjax.comparison.process import Process
from softjax.comparison.speed import SIZES, Speed, measure
from softjax.errors import InputError

QUICK_ACCURACY = ("tiny", "minibatch")
QUICK_DTYPES = ("float64", "float32")
QUICK_SPEED = ("development",)


@dataclass(frozen=True)
class Comparison:
    """All records, the version of each framework, None where it is not installed, and speeds.

    `seconds` is how long it took, and `resumed` whether that leaves out what an interrupted one had done before.
    """

    records: tuple[Record, ...]
    versions: dict[str, str | None]
    speeds: tuple[Speed, ...] = ()
    seconds: float = 0.0
    resumed: bool = False

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
    start = time.perf_counter()
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
    answers = [record for record in asked if isinstance(record, Record)]
    ordinary = {record.framework: record for record in answers if record.case == "ordinary"}
    return Comparison(
        tuple(without_empty_refusals(record, ordinary.get(record.framework)) for record in answers),
        versions,
        tuple(record for record in asked if isinstance(record, Speed)),
        time.perf_counter() - start,
        bool(known),
    )


def _ask_all(
    jobs: list[Job],
    config: CompareConfig,
    scratch: Path,
    keep: Callable[[Job, Record], None],
    stop: threading.Event,
) -> None:
    judge = Judge(scratch)
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
    judge: Judge,
    stop: threading.Event,
    live: dict[str, Process],
) -> Iterator[tuple[Job, Record]]:
    framework = FRAMEWORKS[name]
    if framework.version is None:
        for job in jobs:
            yield job, Record(**asdict(job), status="not installed", message=framework.install)
        return
    process = None
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
            if stop.is_set():  # it may have been ended, which is no crash of its own
                return
            yield job, judge(job, answer, file)
            file.unlink(missing_ok=True)
    finally:
        if process is not None:
            process.end()
