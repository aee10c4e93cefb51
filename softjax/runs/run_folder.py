"""The folder of a run's report, OUT, and the one beside it in which it grows, OUT.partial.

One process at a time works there. An unfinished run is kept in OUT.partial; the report appears at OUT whole, in place of
an earlier one, or not at all.
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
    """A report is where a new one is to go, and nobody said to replace it."""


class UnfinishedRunError(InputError):
    """A new run would discard an unfinished one, and nobody said to."""


class RunInProgressError(InputError):
    """Another process works in the folder."""


class ForeignFileError(InputError):
    """The folder holds what is not of softjax."""


@dataclass(frozen=True)
class RunFolder:
    """Where a run writes its report.

    - `out`: the folder, made with its parents.
    - `overwrite`: replace an earlier report there, and discard an unfinished run.
    - `resume`: go on with an unfinished run.
    """

    out: Path
    overwrite: bool = False
    resume: bool = False

    @property
    def partial(self) -> Path:
        """OUT.partial."""
        out = Path(os.path.abspath(self.out))  # "." has no name
        return out.with_name(f"{out.name}.partial")

    @property
    def exists(self) -> bool:
        """Whether there is a report, or an unfinished run."""
        return self.out.exists() or self.partial.exists()

    @property
    def checkpoint(self) -> Checkpoint:
        """Where an unfinished run is kept."""
        return Checkpoint(self.partial)

    def check(self) -> None:
        """What can be said before anything takes time.

        Raises `InputError` where the report could not be written, `UnfinishedRunError` where a run would be lost.
        """
        self._restore_earlier()
        if self.resume:
            return
        self._check_free()
        if self.checkpoint.exists and not self.overwrite:
            raise UnfinishedRunError(f"{self.partial} holds an unfinished run")

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Makes OUT.partial, and keeps other processes out while the block runs; removes it if it is empty then.

        Raises `RunInProgressError` where another process is at work, `ForeignFileError` where a file there is not ours.
        """
        with raise_as_input_error(f"{self.partial} cannot be written"):
            self.partial.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.partial, os.O_RDONLY)
        try:
            try:
                fcntl.flock(
                    descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB
                )  # gone with the process, however it ends
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
        """Makes ready for the run of that identity: to go on with its checkpoint where there is one, else afresh.

        **Returns:** whether its report is complete, and nothing is left to do.

        Raises `OtherRunError` or `DamagedCheckpointError` where the checkpoint is of no use for it, and `InputError` where
        the disk has no room for `needed_bytes` of a fresh one.
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
        """A folder that becomes OUT when the block ends well, and vanishes when it does not.

        The checkpoint is removed once the report is complete, and stays where it is not.
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
        """Puts the report back that was at OUT when a run was killed while its own took the place."""
        earlier = self.partial / "earlier"
        try:
            if earlier.exists():
                shutil.rmtree(earlier) if self.out.exists() else earlier.rename(self.out)
        except OSError as error:
            raise InputError(f"{self.out} cannot be written: {error}") from error

    def _check_free(self) -> None:
        """Raises `InputError` unless a report can be written; with `overwrite`, over an earlier one."""
        parent = next(folder for folder in self.out.absolute().parents if folder.exists())
        try:
            tempfile.TemporaryDirectory(dir=parent, suffix=".partial").cleanup()
        except OSError as error:
            raise InputError(f"{self.out} cannot be written: {error}") from error
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
