"""How a command may end, whatever it is given; commands that are run within this process, and how many are tried."""

import io
import os
import shlex
import shutil
import signal
import sys
import tempfile
import threading
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import hypothesis
from hypothesis import HealthCheck

from softjax import cli

CODES = (0, 1, 2, 130, 143)
HANG = 120  # seconds; a hundred times what the slowest try needs
# which Python does not show users
UNSEEN = (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning)


def tries(number: int, **options) -> hypothesis.settings:
    """Settings for a share of `number` tries: a twentieth, or what SOFTJAX_FUZZ says. The same ones are tried each time."""
    share = float(os.environ.get("SOFTJAX_FUZZ") or 0.05)
    return hypothesis.settings(
        max_examples=max(1, round(share * number)), suppress_health_check=list(HealthCheck), **options
    )


@dataclass(frozen=True)
class End:
    """How a command ended.

    - `code`: its exit code; None where it ended with an exception, which is in `err`.
    - `new`: the files below its working directory that were not there before, changed ones too.
    """

    words: tuple[str, ...]
    folder: Path
    code: int | None
    out: str
    err: str
    new: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    hung: bool = False


def judge(end: End) -> None:
    """Fails unless a command ended as it may: see the messages."""
    what = f"{shlex.join(end.words)!r}, run in {end.folder}, ended with {end.code}:\n{end.out[-2000:]}\n{end.err[-4000:]}"
    assert not end.hung, f"did not end within {HANG} s: {what}"
    assert end.code in CODES, f"no exit code of a command: {what}"
    assert "Traceback" not in end.out + end.err, f"a traceback: {what}"
    assert "Warning" not in end.err, f"a warning: {what}"
    assert not end.warnings, f"warnings {end.warnings}: {what}"
    last = end.err.rstrip("\n").split("\n")[-1]
    if end.code == 2:
        usage = "For full helptext" in end.err or "--help" in end.err
        assert last.startswith("softjax: error: ") or usage, f"no error in one line: {what}"
    if end.code >= 128:
        assert last.startswith("softjax: interrupted"), f"does not say that it was interrupted: {what}"
    kept = [name for name in end.new if name.split("/")[0].endswith(".partial") or ".partial/" in name]
    reports = {str(Path(name).parent) for name in end.new if Path(name).name == "run.json"}
    others = [
        name
        for name in end.new
        if name not in kept and not any(Path(name).is_relative_to(r) for r in reports)
    ]
    assert not others, f"leaves {others}: {what}"
    unheard = "standard output cannot be written" in end.err  # all was done; only the table is lost
    assert end.code == 0 or unheard or not reports, f"leaves a report: {what}"
    assert not kept or "--resume" in end.err, f"leaves {kept}, and does not say how to go on: {what}"


@contextmanager
def new_folder(parent: Path) -> Iterator[Path]:
    """A new working directory for the block. It is deleted afterwards, unless the block fails."""
    folder, earlier = Path(tempfile.mkdtemp(dir=parent)), Path.cwd()
    os.chdir(folder)
    try:
        yield folder
    finally:
        os.chdir(earlier)
    shutil.rmtree(folder)


def run_here(words: Sequence[str]) -> End:
    """Runs a command line within this process, in the working directory, and says how it ended."""
    folder, path = Path.cwd(), list(sys.path)
    before = list_files(folder)
    out, err = io.StringIO(), io.StringIO()
    code: int | None = None
    with (
        redirect_stdout(out),
        redirect_stderr(err),
        warnings.catch_warnings(record=True) as caught,
        time_limit() as reached,
    ):
        warnings.simplefilter("always")
        try:
            code = cli.main(list(words))
        except SystemExit as ending:
            code = ending.code if isinstance(ending.code, int) else 0
        except OSError as error:  # a process says this in one line, if it names the file
            code = 2 if error.filename else None
            err.write(f"softjax: error: {error}\n" if error.filename else traceback.format_exc())
        except Exception:
            err.write(traceback.format_exc())
    sys.path[:] = path
    return End(
        tuple(words),
        folder,
        code,
        out.getvalue(),
        err.getvalue(),
        list_new(folder, before),
        tuple(str(each.message) for each in caught if not issubclass(each.category, UNSEEN)),
        reached.is_set(),
    )


@contextmanager
def time_limit() -> Iterator[threading.Event]:
    """Interrupts the block where it hangs. Yields an event that says so."""
    reached = threading.Event()

    def interrupt() -> None:
        reached.set()
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(HANG, interrupt)
    timer.daemon = True
    timer.start()
    try:
        yield reached
    finally:
        timer.cancel()


def list_files(folder: Path) -> dict[str, tuple[int, int]]:
    """The files below a folder, each with its time of change and its size."""
    found = {}
    for path in folder.rglob("*"):
        if not path.is_dir() and "__pycache__" not in path.parts:
            status = path.lstat()
            found[str(path.relative_to(folder))] = (status.st_mtime_ns, status.st_size)
    return found


def list_new(folder: Path, before: dict[str, tuple[int, int]]) -> tuple[str, ...]:
    """The files below a folder that are new or changed since `before`."""
    return tuple(sorted(name for name, status in list_files(folder).items() if before.get(name) != status))
