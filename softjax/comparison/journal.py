"""The journal of a comparison: a file that gets each answer at once, so that an interrupted comparison can resume."""

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any, TextIO

from softjax.comparison.config import CompareConfig
from softjax.comparison.records import Job, Record, Speed
from softjax.runs.files import raise_as_input_error, read_text, write_text

Answers = dict[Job, Record | Speed]


class Journal:
    """The answers so far, and the file that they are written to, if there is one."""

    def __init__(self, answers: Answers, file: TextIO | None, on_record: Callable[[str, str], None] | None):
        self.answers = answers
        self.file = file
        self.on_record = on_record
        self.lock = threading.Lock()

    def add(self, job: Job, record: Record | Speed) -> None:
        """Stores an answer, and reports it to `on_record`. Any thread may call this."""
        with self.lock:
            self.answers[job] = record
            if self.file is not None:
                with raise_as_input_error(f"{self.file.name} cannot be written"):
                    self.file.write(json.dumps({"job": asdict(job), "record": asdict(record)}) + "\n")
            if self.on_record is not None:
                self.on_record(job.framework, job.case)


@contextlib.contextmanager
def open_journal(
    path: Path | None,
    config: CompareConfig,
    versions: dict[str, str | None],
    on_record: Callable[[str, str], None] | None,
) -> Iterator[Journal]:
    """Opens the journal at `path`. It keeps the answers of an interrupted comparison with this configuration and versions.

    Any other file at `path` is replaced. Without a path, answers are only kept in memory.
    """
    if path is None:
        yield Journal({}, None, on_record)
        return
    header = {"config": asdict(config), "versions": versions, "softjax": version("softjax-suite")}
    path.parent.mkdir(parents=True, exist_ok=True)
    answers = _read_answers(path, header)
    with path.open("a", buffering=1, encoding="utf-8") as file:
        yield Journal(answers, file, on_record)


def _read_answers(path: Path, header: dict[str, Any]) -> Answers:
    with contextlib.suppress(OSError, ValueError):
        first, *lines = read_text(path).splitlines()
        if first == json.dumps(header):
            answers: Answers = {}
            for line in lines:
                with contextlib.suppress(ValueError):  # the last line may be half written
                    entry = json.loads(line)
                    job = Job(**entry["job"])
                    answers[job] = (Speed if job.group == "speed" else Record)(**entry["record"])
            complete = [line for line in lines if line.endswith("}")]
            write_text(path, "\n".join([first, *complete]) + "\n")
            return answers
    write_text(path, json.dumps(header) + "\n")
    return {}
