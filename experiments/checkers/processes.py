"""Work in several processes, of which any may crash or hang: only the question that it was at is lost."""

import multiprocessing
import time
from collections.abc import Callable, Generator, Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any

Answers = dict[Any, Any]
Interview = Generator[tuple[Hashable, Callable[[], Any]], Any, None]
"""It yields questions, each with the function that answers it, and gets the answers."""
LOOK_EVERY = 1.0  # seconds between looks at the clock


def run_all(
    interview: Callable[[Any], Interview],
    tasks: Iterable[Any],
    jobs: int,
    limit: float,
    lose: Callable[[str], Any],
) -> Iterator[tuple[Any, Answers]]:
    """The answers of every task, as they are finished.

    **Arguments:**

    - `interview`: a function of a module, called in a process; its questions about a task are the same each time.
    - `jobs`: how many processes.
    - `limit`: seconds that an answer may take; then its process is ended.
    - `lose`: the answer to a question whose process crashed or was ended, given the reason.

    A task whose process ends before its first question, or between two, is over with the answers that it has.
    """
    waiting = list(tasks)[::-1]
    workers = [_Worker(interview) for _ in range(min(jobs, len(waiting)))]
    try:
        busy = []
        for worker in workers:
            worker.start(waiting.pop())
            busy.append(worker)
        while busy:
            ready = wait([worker.connection for worker in busy], timeout=LOOK_EVERY)
            for worker in list(busy):
                reason = worker.read() if worker.connection in ready else ""
                if worker.question is not None and time.monotonic() > worker.since + limit:
                    reason = f"it took more than {limit:g} s"
                if reason:
                    worker.restart(lose(reason))
                if worker.task is None:
                    yield worker.finished, worker.answers
                    if waiting:
                        worker.start(waiting.pop())
                    else:
                        busy.remove(worker)
    finally:
        for worker in workers:
            worker.end()


@dataclass
class _Worker:
    """A process, the task that it is at, the answers that it has given, and the question that it is at."""

    interview: Callable[[Any], Interview]
    task: Any = None
    finished: Any = None
    answers: Answers = field(default_factory=dict)
    question: Hashable = None
    since: float = 0.0

    def __post_init__(self) -> None:
        self._open()

    def _open(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process: SpawnProcess = context.Process(
            target=_serve, args=(theirs, self.interview), daemon=True
        )
        self.process.start()
        theirs.close()

    def start(self, task: Any) -> None:
        self.task, self.answers, self.question = task, {}, None
        self.connection.send((task, {}))

    def read(self) -> str:
        """Takes a message. Returns why the process ended, if it did."""
        try:
            what, question, answer = self.connection.recv()
        except (EOFError, ConnectionResetError):
            self.process.join()
            return f"the process ended with exit code {self.process.exitcode}"
        if what == "begin":
            self.question, self.since = question, time.monotonic()
        elif what == "answer":
            self.answers[question], self.question = answer, None
        else:
            self.finished, self.task = self.task, None
        return ""

    def restart(self, lost: Any) -> None:
        """A new process goes on after the lost question; if there was none, the task is over."""
        self.end()
        self._open()
        if self.question is None:
            self.finished, self.task = self.task, None
        else:
            self.answers[self.question], self.question = lost, None
            self.connection.send((self.task, self.answers))

    def end(self) -> None:
        self.process.kill()
        self.process.join()
        self.connection.close()


def _serve(connection: Connection, interview: Callable[[Any], Interview]) -> None:
    """Answers the questions of one task after the other; those whose answers are known already are not asked again."""
    while True:
        try:
            task, known = connection.recv()
        except EOFError:
            return
        questions, answer = interview(task), None
        while True:
            try:
                question, compute = questions.send(answer)
            except StopIteration:
                break
            if question in known:
                answer = known[question]
                continue
            connection.send(("begin", question, None))
            answer = compute()
            connection.send(("answer", question, answer))
        connection.send(("end", None, None))
