"""Runs the cases in the frameworks, each framework in its own process, several at a time."""

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

from softjax.comparison.config import CompareConfig
from softjax.comparison.frameworks import FRAMEWORKS
from softjax.comparison.judge import Judge
from softjax.comparison.process import Process
from softjax.comparison.records import Job, Record


def ask_all(
    jobs: list[Job], config: CompareConfig, scratch: Path, add: Callable[[Job, Record], None]
) -> None:
    """Does all jobs, with as many frameworks at a time as there are cores, and adds each record when it is known.

    If it is interrupted, it ends the processes before it raises.
    """
    questions = _Questions(config, scratch, add)
    # Frameworks that compile most come first; otherwise the others would be done long before them.
    names = sorted({job.framework for job in jobs}, key=lambda name: not FRAMEWORKS[name].compiles)
    with ThreadPoolExecutor(max_workers=max(1, min(len(names), os.cpu_count() or 1))) as pool:
        futures = [
            pool.submit(questions.ask, name, [job for job in jobs if job.framework == name]) for name in names
        ]
        try:
            for future in futures:
                future.result()
        except BaseException:
            questions.stop()
            pool.shutdown(wait=True, cancel_futures=True)
            raise


class _Questions:
    """The state that the threads share: the judge, the processes, and whether to stop. Each framework has a thread."""

    def __init__(self, config: CompareConfig, scratch: Path, add: Callable[[Job, Record], None]) -> None:
        self.config = config
        self.scratch = scratch
        self.add = add
        self.judge = Judge(scratch)
        self.processes: dict[str, Process] = {}
        self.stopped = threading.Event()

    def ask(self, name: str, jobs: list[Job]) -> None:
        """Does the jobs of one framework. After a crash or a hang, a new process does the next job."""
        framework = FRAMEWORKS[name]
        if framework.version is None:
            for job in jobs:
                self.add(job, Record(**asdict(job), status="not installed", message=framework.install))
            return
        process = None
        file = self.scratch / f"{name}.npz"
        try:
            for job in jobs:
                if self.stopped.is_set():
                    return
                if process is None:
                    process = self.processes[name] = Process(
                        name, device=self.config.device, full_precision=self.config.full_precision
                    )
                answer = process.ask(asdict(job) | {"file": str(file)}, self.config.time_limit)
                if answer["status"] in ("crash", "hang"):
                    process.end()
                    process = None
                if self.stopped.is_set():  # `stop` ended the process: this is not a crash of the framework
                    return
                self.add(job, self.judge(job, answer, file))
                file.unlink(missing_ok=True)
        finally:
            if process is not None:
                process.end()

    def stop(self) -> None:
        """Ends all processes at once."""
        self.stopped.set()
        for process in list(self.processes.values()):
            process.end()
