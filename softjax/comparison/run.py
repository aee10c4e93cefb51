"""Runs a comparison: plans the jobs, runs the cases, then measures the times."""

import itertools
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, get_args

from softjax.comparison.cases import ACCURACY, DTYPES, SIZES, TIMED_TYPES
from softjax.comparison.config import CompareConfig
from softjax.comparison.edge_cases import EDGE_CASES
from softjax.comparison.frameworks import FRAMEWORKS
from softjax.comparison.journal import Answers, open_journal
from softjax.comparison.judge import correct_refusal
from softjax.comparison.modes import MODES
from softjax.comparison.process import Process
from softjax.comparison.questions import ask_all
from softjax.comparison.records import Comparison, Group, Job, Record, Speed
from softjax.comparison.speed import measure_speeds
from softjax.errors import InputError

QUICK_ACCURACY = ("tiny", "minibatch")
QUICK_DTYPES = ("float64", "float32")
QUICK_SPEED = ("development",)


def compare(
    config: CompareConfig | None = None,
    *,
    journal: Path | None = None,
    on_start: Callable[[int], None] | None = None,
    on_record: Callable[[str, str], None] | None = None,
) -> Comparison:
    """Runs every case in every framework, then measures the times.

    Each framework runs in its own process, as many at a time as there are cores. When times are measured, the
    frameworks take turns. If a job takes longer than `config.time_limit` seconds or ends its process, only this case is
    lost: a new process does the next.

    **Arguments:**

    - `config`: which frameworks and cases; `CompareConfig()` is all of them.
    - `journal`: a file that gets each answer at once. If it has answers of an interrupted comparison with the same
      configuration and versions, these are used; any other file is replaced.
    - `on_start`: called with the number of answers to come.
    - `on_record`: called with framework and case at each answer.

    **Returns:** a `Comparison`. Frameworks that are not installed are recorded as such.

    Raises `InputError` if a framework or case is unknown, or a GPU is asked for and none is seen.
    """
    config = CompareConfig() if config is None else config
    jobs = plan(config)
    gpu = find_gpu(config, jobs) if config.device == "gpu" else None
    start = time.perf_counter()
    versions = {name: framework.version for name, framework in FRAMEWORKS.items()}
    with (
        tempfile.TemporaryDirectory(prefix="softjax-compare-") as scratch,
        open_journal(journal, config, versions, on_record) as kept,
    ):
        known = frozenset(kept.answers)
        if on_start is not None:
            on_start(len(set(jobs) - known))
        questions = [job for job in jobs if job.group != "speed" and job not in known]
        ask_all(questions, config, Path(scratch), kept.add)
        for case, dtype in itertools.product(SIZES, TIMED_TYPES):
            timed = tuple(job for job in jobs if (job.group, job.case, job.dtype) == ("speed", case, dtype))
            if not set(timed) <= known:  # all or none: times are only compared within one run
                speeds = measure_speeds(case, dtype, [job.framework for job in timed], config)
                for job in timed:
                    kept.add(job, speeds[job.framework])
    seconds = time.perf_counter() - start
    return replace(_collect(jobs, kept.answers, versions, seconds, resumed=bool(known)), gpu=gpu)


def find_gpu(config: CompareConfig, jobs: tuple[Job, ...]) -> str:
    """The name of the GPU that the first library of these jobs sees. Raises `InputError` if none sees one."""
    names = {FRAMEWORKS[job.framework].library: job.framework for job in jobs}
    seen = []
    for name in names.values():
        if FRAMEWORKS[name].version is None:
            continue
        process = Process(name, device="gpu", full_precision=config.full_precision)
        answer = process.ask({"group": "device"}, config.time_limit)
        process.end()
        if answer["status"] == "done":
            return str(answer["gpu"])
        seen.append(answer.get("message", answer["status"]))
    raise InputError(
        f"device gpu: no library computes on one ({'; '.join(seen) or 'none is installed'}). "
        'For JAX: pip install "jax[cuda13]"'
    )


def _collect(
    jobs: tuple[Job, ...], answers: Answers, versions: dict[str, str | None], seconds: float, resumed: bool
) -> Comparison:
    """The answers in the order of the jobs."""
    ordered = [answers[job] for job in jobs]
    records = [answer for answer in ordered if isinstance(answer, Record)]
    speeds = [answer for answer in ordered if isinstance(answer, Speed)]
    ordinary = {record.framework: record for record in records if record.case == "ordinary"}
    return Comparison(
        tuple(correct_refusal(record, ordinary.get(record.framework)) for record in records),
        versions,
        tuple(speed for speed in speeds if speed.dtype == TIMED_TYPES[0]),
        seconds,
        resumed,
        other_speeds=tuple(speed for speed in speeds if speed.dtype != TIMED_TYPES[0]),
    )


def plan(config: CompareConfig) -> tuple[Job, ...]:
    """The jobs of a comparison, in the order of the registry and of the cases.

    Raises `InputError` if a name or pattern matches nothing.
    """
    offered = tuple(name for name, framework in FRAMEWORKS.items() if config.device in framework.devices)
    frameworks = _choose("framework", config.frameworks, offered)
    if config.quick and not config.frameworks:
        frameworks = tuple(name for name in frameworks if not FRAMEWORKS[name].compiles)
    cases = _choose("case", config.cases, (*ACCURACY, *EDGE_CASES, *MODES, *get_args(Group)))

    def select(group: Group, names: Any) -> Iterator[str]:
        return (name for name in names if group in cases or name in cases)

    jobs = []
    for framework in frameworks:
        jobs += [Job("edge_cases", framework, case, "float32") for case in select("edge_cases", EDGE_CASES)]
        jobs += [Job("modes", framework, case, "") for case in select("modes", MODES)]
        accuracy = QUICK_ACCURACY if config.quick and "accuracy" in cases else ACCURACY
        for case in select("accuracy", accuracy):
            for dtype in QUICK_DTYPES if config.quick else DTYPES:
                jobs.append(Job("accuracy", framework, case, dtype))
        if "speed" in cases:
            sizes, types = (QUICK_SPEED, TIMED_TYPES[:1]) if config.quick else (SIZES, TIMED_TYPES)
            jobs += [Job("speed", framework, case, dtype) for case in sizes for dtype in types]
    return tuple(jobs)


def _choose(what: str, patterns: tuple[str, ...], names: tuple[str, ...]) -> tuple[str, ...]:
    for pattern in patterns:
        if not any(fnmatch(name, pattern) for name in names):
            raise InputError(
                f"unknown {what} {pattern!r}: expected {', '.join(names)}, or a pattern like 'jax-*'"
            )
    return tuple(name for name in names if not patterns or any(fnmatch(name, p) for p in patterns))
