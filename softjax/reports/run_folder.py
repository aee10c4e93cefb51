"""A folder with the results of a run, which appears whole or not at all."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from softjax.errors import InputError
from softjax.training import checkpoint


def partial_folder(out: Path) -> Path:
    """Where the report at `out` grows, with what an unfinished run needs to go on."""
    out = Path(os.path.abspath(out))  # "." has no name
    return out.with_name(f"{out.name}.partial")


def restore_earlier(out: Path) -> None:
    """Puts the report back that was at `out` when a run was killed while its own took the place.

    Raises `InputError` where that cannot be done.
    """
    earlier = partial_folder(out) / "earlier"
    try:
        if earlier.exists():
            shutil.rmtree(earlier) if out.exists() else earlier.rename(out)
    except OSError as error:
        raise InputError(f"{out} cannot be written: {error}") from error


def check_free(out: Path, overwrite: bool) -> None:
    """Raises `InputError` unless a report can be written at `out`; with `overwrite`, over an earlier one."""
    parent = next(folder for folder in out.absolute().parents if folder.exists())
    try:
        tempfile.TemporaryDirectory(dir=parent, suffix=".partial").cleanup()
    except OSError as error:
        raise InputError(f"{out} cannot be written: {error}") from error
    if not out.exists():
        return
    if not out.is_dir():
        raise InputError(f"{out} is a file; a report is a folder")
    if not any(out.iterdir()):
        return
    if not overwrite:
        raise InputError(f"{out} exists; give --overwrite to replace it, or another --out")
    if not (out / "run.json").is_file():
        raise InputError(f"{out} holds no report of softjax (no run.json), so it is not overwritten")


def check_finished(out: Path, unfinished: bool, overwrite: bool) -> None:
    """Raises `InputError` where a new run would discard an unfinished one that nobody said to discard."""
    if unfinished and not overwrite:
        raise InputError(
            f"{partial_folder(out)} holds an unfinished run: --resume goes on with it, --overwrite discards it"
        )


@contextmanager
def report_folder(out: Path, overwrite: bool) -> Iterator[Path]:
    """A folder that becomes `out` when the block ends well, and vanishes when it does not.

    The checkpoint of a sweep beside it is removed once the report is complete, and stays where it is not.
    """
    restore_earlier(out)
    check_free(out, overwrite)
    out = out.absolute()
    partial = partial_folder(out)
    new, earlier = partial / "report", partial / "earlier"
    try:
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(parents=True)
        yield new
        if out.exists():
            out.rename(earlier)
        new.rename(out)
        checkpoint.discard(partial)
    except OSError as error:
        raise InputError(f"{out} cannot be written: {error}") from error
    finally:
        if earlier.exists() and not out.exists():
            earlier.rename(out)
        shutil.rmtree(new, ignore_errors=True)
        with suppress(OSError):  # not empty: an unfinished run
            partial.rmdir()
