"""Grades all submissions: each function in a process of its own, several at a time."""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import softjax
from softjax.cs231n.classroom.limits import Held, Limits
from softjax.cs231n.classroom.results import ClassResult, Graded, Result, fail
from softjax.cs231n.classroom.submissions import Submission
from softjax.cs231n.grading.grade import Grade

SOFTMAX = ("softmax_loss_naive", "softmax_loss_vectorized")
SVM = ("svm_loss_naive", "svm_loss_vectorized")
WORKER = (sys.executable, "-m", "softjax.cs231n.classroom.supervisor")
KEPT = ("PATH", "HOME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "VIRTUAL_ENV", "CONDA_PREFIX", "LD_LIBRARY_PATH")
# One thread each, since each thread of a library reserves memory; no accelerator; float64 in JAX.
SET = {
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
    **{"JAX_PLATFORMS": "cpu", "CUDA_VISIBLE_DEVICES": "", "JAX_ENABLE_X64": "1", "MPLBACKEND": "agg"},
    **{"PYTHONUTF8": "1", "PYTHONDONTWRITEBYTECODE": "1"},
}
SECONDS_TO_START, SECONDS_TO_LEAVE = 60.0, 10.0
REASONS = {
    "it does not come": "a loop without an end, or loops over far more than N · K steps",
    "its process ended itself": "os._exit, exit() or quit(): return loss, dW",
    "its process was ended": "it killed its own process, or used up a limit",
    "its process could not": "it closes files that it did not open, or ends other processes",
    "it starts": "a loss needs no other process",
}


class Grader:
    """A process that grades functions, one after the other. It is started when it is asked, and again after it has ended."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.process: subprocess.Popen[bytes] | None = None
        self.closed = False

    def ask(self, job: dict[str, Any]) -> dict[str, Any]:
        """What came of a job; see `supervisor.run_job`."""
        if self.process is None:
            self.process = _start()
        assert self.process.stdin is not None
        line = b""
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps({"job": job, "limits": asdict(self.limits)}).encode() + b"\n")
            self.process.stdin.flush()
            line = self._read(self.limits.seconds + SECONDS_TO_START)
        if line.endswith(b"\n"):
            answer: dict[str, Any] = json.loads(line)
            return answer
        self.end()
        return {
            "grade": None,
            "ending": "its process was ended, and the grader's with it",
            "held": {},
            "seconds": 0.0,
        }

    def _read(self, limit: float) -> bytes:
        assert self.process is not None
        assert self.process.stdout is not None
        content, deadline = b"", time.monotonic() + limit
        while not content.endswith(b"\n"):
            ready, _, _ = select.select([self.process.stdout], [], [], max(0.0, deadline - time.monotonic()))
            chunk = os.read(self.process.stdout.fileno(), 2**16) if ready else b""
            if not chunk:
                break
            content += chunk
        return content

    def end(self) -> None:
        """Lets the process end what it has started, and itself."""
        process, self.process = self.process, None
        if process is None:
            return
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(OSError):
            process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(SECONDS_TO_LEAVE)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()


def _start() -> subprocess.Popen[bytes]:
    home = str(Path(softjax.__file__).parents[1])
    path = os.pathsep.join(filter(None, [home, os.environ.get("PYTHONPATH", "")]))
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    return subprocess.Popen(
        WORKER,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env=kept | SET | {"PYTHONPATH": path},
        start_new_session=True,  # Ctrl-C reaches only this process, which ends the others
    )


def grade_class(
    submissions: Sequence[Submission],
    functions: Sequence[str] = SOFTMAX,
    *,
    svm: bool | None = None,
    limits: Limits | None = None,
    at_once: int | None = None,
    done: Callable[[Graded], None] = lambda _: None,
) -> ClassResult:
    """Grades the functions of all submissions.

    **Arguments:**

    - `functions`: the functions or classes to look for. Of several, those that are there are graded.
    - `svm`: whether they are the SVM's loss; by default their names say so.
    - `limits`: of the process of each function.
    - `at_once`: how many processes; by default as many as there are cores.
    - `done`: called with each graded submission, in their order.
    """
    start = time.monotonic()
    limits = limits or Limits()
    mine = threading.local()
    graders: list[Grader] = []
    held: list[dict[str, bool]] = []

    def one(submission: Submission) -> Graded:
        if not hasattr(mine, "grader"):
            mine.grader = Grader(limits)
            graders.append(mine.grader)
        return _grade_submission(submission, functions, svm, mine.grader, held)

    pool = ThreadPoolExecutor(at_once or os.cpu_count() or 1)
    graded = []
    try:
        for each in pool.map(one, submissions):
            done(each)
            graded.append(each)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for grader in graders:
            grader.end()
        pool.shutdown()
    everywhere = {name: all(each.get(name, False) for each in held) for name in held[0]} if held else {}
    return ClassResult(graded, Held(**everywhere), time.monotonic() - start)


def _grade_submission(
    submission: Submission,
    functions: Sequence[str],
    svm: bool | None,
    grader: Grader,
    held: list[dict[str, bool]],
) -> Graded:
    wanted = " nor ".join(functions)
    problem = submission.problem
    found = {} if problem else {name: file for name in functions if (file := submission.find(name))}
    if not found:
        if not problem:
            problem = f"it defines neither {wanted}" if len(functions) > 1 else f"it does not define {wanted}"
        grade = fail(functions[0], problem, "the file is missing, or the function has another name")
        return Graded(submission.name, str(submission.path), (Result(functions[0], "", grade),))
    results = []
    for name, file in found.items():
        with submission.copy() as root:
            answer = grader.ask({"root": str(root), "file": file, "name": name, "svm": svm})
        if answer["held"]:
            held.append(answer["held"])
        results.append(Result(name, file, _read_grade(name, answer), answer["seconds"]))
    return Graded(submission.name, str(submission.path), tuple(results))


def _read_grade(name: str, answer: dict[str, Any]) -> Grade:
    if answer["grade"] is not None and not answer["ending"]:
        return Grade.from_dict(answer["grade"])
    ending = answer["ending"]
    reason = next((reason for start, reason in REASONS.items() if ending.startswith(start)), "")
    return fail(name, ending, reason)
