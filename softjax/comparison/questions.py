"""Asks the frameworks the cases, each framework in a process of its own, several at once."""

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
    """Does all jobs, as many frameworks at once as the machine has cores, and adds each record as it comes.

    Where it is interrupted, it ends the processes before it raises.
    """
    questions = _Questions(config, scratch, add)
    # Frameworks with most to compile come first, lest they end alone.
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
    """What the threads share, one a framework: the judge, the processes, and whether to stop."""

    def __init__(self, config: CompareConfig, scratch: Path, add: Callable[[Job, Record], None]) -> None:
        self.config = config
        self.scratch = scratch
        self.add = add
        self.judge = Judge(scratch)
        self.processes: dict[str, Process] = {}
        self.stopped = threading.Event()

    def ask(self, name: str, jobs: list[Job]) -> None:
        """Does the jobs of one framework. A crash or a hang costs one of them: a new process does the next."""
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
                    process = self.processes[name] = Process(name)
                answer = process.ask(asdict(job) | {"file": str(file)}, self.config.time_limit)
                if answer["status"] in ("crash", "hang"):
                    process.end()
                    process = None
                if self.stopped.is_set():  # it may have been ended, which is no crash of its own
                    return
                self.add(job, self.judge(job, answer, file))
                file.unlink(missing_ok=True)
        finally:
            if process is not None:
                process.end()

    def stop(self) -> None:
        """Ends the processes, whatever they are doing."""
        self.stopped.set()
        for process in list(self.processes.values()):
            process.end()
