"""Processes that tests start. They wait for events and are ended, whatever the test does."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

LIMIT = 600  # seconds; ten times what a slow machine needs, so that only a hang reaches it


def run(*arguments, **options):
    """A Python process from start to end, its output as text."""
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=False, **options)


@contextmanager
def processes() -> Iterator[Callable[..., subprocess.Popen]]:
    """A function that starts Python processes in the background; at the end they are killed and their pipes closed."""
    with ExitStack() as stack:

        def start(*arguments, **options):
            pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
            command = [sys.executable, *map(str, arguments)]
            process = stack.enter_context(subprocess.Popen(command, **(pipes | options)))
            stack.callback(process.kill)
            return process

        yield start


def wait_for(event: Callable[[], bool] | Path, *running: subprocess.Popen) -> None:
    """Waits until `event` is true, or the file exists; fails where one of the processes ends first."""
    end = time.monotonic() + LIMIT
    while not (event.exists() if isinstance(event, Path) else event()):
        assert time.monotonic() < end, f"{event} did not come"
        for process in running:
            assert process.poll() is None, process.communicate()[1]
        time.sleep(0.01)
