"""A process that is asked to grade functions, one after the other, and forks for each of them.

It has imported what a grade needs, so that a fork is ready at once. It reads jobs from standard input, one a line, writes
what came of them to standard output, and ends with its input. It is started by `run`.
"""

import contextlib
import json
import os
import select
import signal
import sys
import time
from typing import Any

from softjax.cs231n.classroom.limits import (
    Limits,
    adopt_orphans,
    end_descendants,
    end_with_parent,
    limit_this_process,
    list_descendants,
    separate,
)
from softjax.cs231n.classroom.worker import Job, grade_file

COUNT_EVERY = 0.1  # seconds
LONGEST_ANSWER = 2**20  # bytes
NO_ANSWER = 70  # the exit code of a fork that could not answer


def main() -> None:
    """Answers jobs until standard input ends."""
    adopt_orphans()
    content = b""
    while chunk := os.read(0, 2**16):
        content += chunk
        while b"\n" in content:
            line, _, content = content.partition(b"\n")
            asked = json.loads(line)
            answer = run_job(Job(**asked["job"]), Limits(**asked["limits"]))
            os.write(1, json.dumps(answer).encode() + b"\n")


def run_job(job: Job, limits: Limits) -> dict[str, Any]:
    """Grades a function in a fork.

    **Returns:** a dict with `grade`, a dict or None; `ending`, how it was ended if there is no grade; the limits that
    were `held`; and `seconds`.
    """
    start = time.monotonic()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reading)
            _keep_watch(job, limits, writing)
        finally:
            os._exit(NO_ANSWER)
    os.close(writing)
    try:
        content, ending = _watch(reading, limits, start + limits.seconds)
    finally:
        end_descendants(child)
        os.close(reading)
    said: dict[str, Any] = {}
    for line in content.split(b"\n")[:-1]:  # a last one without an end was cut off
        with contextlib.suppress(ValueError, TypeError):  # of the student's code, which found the pipe
            said |= json.loads(line)
    grade = said.get("grade")
    if grade is None and not ending:
        ending = _describe_status(said.get("status"))
    return {
        "grade": grade,
        "ending": ending,
        "held": said.get("held", {}),
        "seconds": time.monotonic() - start,
    }


def _keep_watch(job: Job, limits: Limits, writing: int) -> None:
    """Starts the process that grades, where possible as the first of its own, and says how it ended."""
    os.setsid()
    end_with_parent()
    separated = limits.namespaces and separate()
    inner = os.fork()
    if inner == 0:
        try:
            end_with_parent()
            _grade(job, limits, separated, writing)
        finally:
            os._exit(NO_ANSWER)
    _, status = os.waitpid(inner, 0)
    _write(writing, {"status": status})
    os._exit(0)


def _grade(job: Job, limits: Limits, separated: bool, writing: int) -> None:
    """Grades, with no streams, in the submission's folder, within the limits."""
    own = os.getpid()
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    os.chdir(job.root)
    os.environ |= {"HOME": job.root, "TMPDIR": job.root, "PWD": job.root}
    sys.dont_write_bytecode = True
    held = limit_this_process(limits) | {"network": separated}
    _write(writing, {"held": held})
    answer = grade_file(job).as_dict()
    if os.getpid() == own:  # not a process that the student's code forked
        _write(writing, {"grade": answer})
        os._exit(0)


def _write(descriptor: int, record: dict[str, Any]) -> None:
    content = json.dumps(record).encode() + b"\n"
    while content:
        content = content[os.write(descriptor, content) :]


def _watch(reading: int, limits: Limits, deadline: float) -> tuple[bytes, str]:
    """What the fork says until it ends, and why it has to be ended before that; empty if it has not."""
    content = b""
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            return content, f"it does not come to an end: stopped after {limits.seconds:g} s"
        ready, _, _ = select.select([reading, 0], [], [], min(left, COUNT_EVERY))
        if 0 in ready:  # nobody waits for the answer any more
            raise SystemExit(0)
        if reading in ready:
            chunk = os.read(reading, 2**16)
            content += chunk
            if not chunk or (b'{"status"' in content and content.endswith(b"\n")):
                return content, ""
            if len(content) > LONGEST_ANSWER:
                return b"", "its answer is too long"
        elif (count := len(list_descendants()) - 2) > limits.processes:
            return content, f"it starts {count} processes, and {limits.processes} are allowed"


def _describe_status(status: int | None) -> str:
    """How a process ended that gave no answer."""
    if status is None:
        return "its process was ended by its own code"
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
        return f"its process was ended by {name}"
    if os.WEXITSTATUS(status) == NO_ANSWER:
        return "its process could not hand over its grade"
    return f"its process ended itself with exit code {os.WEXITSTATUS(status)}"


if __name__ == "__main__":
    main()
