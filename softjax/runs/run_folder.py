"""The folder of a run's report, OUT, and the folder beside it, OUT.partial, for the unfinished run.

Only one process at a time may use them. The report is written in OUT.partial and moved to OUT when it is complete; it
replaces an earlier one there.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from softjax.errors import InputError
from softjax.runs.checkpoint import OURS, Checkpoint, identify_report
from softjax.runs.files import raise_as_input_error

RUNS = Path("runs")  # where reports go that nobody named a folder for


class ReportExistsError(InputError):
    """There is already a report at OUT, and `overwrite` is not set."""


class UnfinishedRunError(InputError):
    """A new run would delete an unfinished one, and `overwrite` is not set."""


class RunInProgressError(InputError):
    """Another process uses the folder."""


class ForeignFileError(InputError):
    """The folder contains a file that softjax did not write."""


@dataclass(frozen=True)
class RunFolder:
    """Where a run writes its report.

    - `out`: the folder. It is created, with its parents.
    - `overwrite`: replace an earlier report, and delete an unfinished run.
    - `resume`: continue an unfinished run.
    """

    out: Path
    overwrite: bool = False
    resume: bool = False

    def __post_init__(self) -> None:
        try:
            name = Path(os.path.abspath(self.out)).name
        except FileNotFoundError as error:
            raise InputError(f"{self.out} cannot be written: the working directory does not exist") from error
        if not name:
            raise InputError(f"{self.out} cannot be the folder of a report: expected one in it")

    @property
    def partial(self) -> Path:
        """OUT.partial."""
        out = Path(os.path.abspath(self.out))  # Path(".").name is empty
        return out.with_name(f"{out.name}.partial")

    @property
    def exists(self) -> bool:
        """Whether there is a report, or an unfinished run."""
        return self.out.exists() or self.partial.exists()

    @property
    def checkpoint(self) -> Checkpoint:
        """The checkpoint of an unfinished run."""
        return Checkpoint(self.partial)

    def check(self) -> None:
        """Checks the folder before the run starts.

        Raises `InputError` if the report cannot be written there, `UnfinishedRunError` if a run would be lost.
        """
        self._restore_earlier()
        if self.resume:
            return
        self._check_free()
        if self.checkpoint.exists and not self.overwrite:
            raise UnfinishedRunError(f"{self.partial} holds an unfinished run")

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Creates OUT.partial and locks it for the block. Deletes it afterwards if it is empty.

        Raises `RunInProgressError` if another process uses it, `ForeignFileError` if it contains another file.
        """
        with raise_as_input_error(f"{self.partial} cannot be written"):
            self.partial.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.partial, os.O_RDONLY)
        try:
            try:
                fcntl.flock(
                    descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB
                )  # the system releases the lock when the process ends
            except BlockingIOError:
                raise RunInProgressError(f"another process is at work in {self.partial}") from None
            if foreign := [file.name for file in self.partial.iterdir() if not OURS.fullmatch(file.name)]:
                raise ForeignFileError(
                    f"{self.partial} is where an unfinished run is kept, but holds {foreign[0]}"
                )
            try:
                yield
            finally:
                with suppress(OSError):  # not empty, or gone
                    self.partial.rmdir()
        finally:
            os.close(descriptor)

    def begin(self, identity: dict[str, Any], needed_bytes: int = 0) -> bool:
        """Prepares the run with this identity: it continues from its checkpoint if there is one, else it starts anew.

        **Returns:** whether the report is already complete, so that nothing is left to do.

        Raises `OtherRunError` or `DamagedCheckpointError` if the checkpoint cannot be used, and `InputError` if the disk
        has less than `needed_bytes` free for a new one.
        """
        if self.resume:
            complete = identify_report(self.out) == identity
            if self.checkpoint.exists and (self.overwrite or not complete):
                self.checkpoint.check(identity)
                self._check_free()
                return False
            if complete:
                self.checkpoint.discard()
                return True
            self._check_free()
        self.checkpoint.start(identity, needed_bytes)
        return False

    @contextmanager
    def write(self) -> Iterator[Path]:
        """A new folder. It becomes OUT if the block ends without an exception; otherwise it is deleted.

        The checkpoint is deleted only after the report is complete.
        """
        self._restore_earlier()
        self._check_free()
        out = self.out.absolute()
        new, earlier = self.partial / "report", self.partial / "earlier"
        try:
            shutil.rmtree(new, ignore_errors=True)
            new.mkdir(parents=True)
            yield new
            if out.exists():
                out.rename(earlier)
            new.rename(out)
            self.checkpoint.discard()
        except OSError as error:
            raise InputError(f"{out} cannot be written: {error}") from error
        finally:
            if earlier.exists() and not out.exists():
                earlier.rename(out)
            shutil.rmtree(new, ignore_errors=True)
            with suppress(OSError):  # not empty: an unfinished run
                self.partial.rmdir()

    def _restore_earlier(self) -> None:
        """Restores an earlier report, if a run was killed while it replaced that report."""
        earlier = self.partial / "earlier"
        with raise_as_input_error(f"{self.out} cannot be written"):
            if earlier.exists():
                shutil.rmtree(earlier) if self.out.exists() else earlier.rename(self.out)

    def _check_free(self) -> None:
        """Raises `InputError` unless a report can be written. With `overwrite` it may replace an earlier one."""
        with raise_as_input_error(f"{self.out} cannot be written"):
            parent = next(folder for folder in self.out.absolute().parents if folder.exists())
            tempfile.TemporaryDirectory(dir=parent, suffix=".partial").cleanup()
            if not self.out.exists():
                return
            if not self.out.is_dir():
                raise InputError(f"{self.out} is a file; a report is a folder")
            if not any(self.out.iterdir()):
                return
        if not self.overwrite:
            raise ReportExistsError(f"{self.out} exists")
        if not (self.out / "run.json").is_file():
            raise InputError(f"{self.out} holds no report of softjax (no run.json), so it is not overwritten")


def choose_folder(name: str, identity: dict[str, Any], *, overwrite: bool, resume: bool) -> RunFolder:
    """The folder of a run for which nobody named one: the first of runs/NAME-001, runs/NAME-002, … that is free.

    With `resume` it is that of the last run of this identity, finished or not, where there is one.
    """
    number, last = 1, None
    while (folder := RunFolder(RUNS / f"{name}-{number:03}", overwrite, resume)).exists:
        if resume and identity in (folder.checkpoint.identity, identify_report(folder.out)):
            last = folder
        number += 1
    return last or folder
