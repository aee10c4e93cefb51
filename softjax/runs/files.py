"""Atomic writing of files: a file appears complete or not at all, also after a power failure."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from softjax.errors import InputError


@contextmanager
def raise_as_input_error(what: str, error_type: type[InputError] = InputError) -> Iterator[None]:
    """Converts an `OSError` in the block into an `InputError` that says what failed and why."""
    try:
        yield
    except OSError as error:
        raise error_type(f"{what}: {error.strerror or error}") from error


def write_file(path: Path, write: Callable[[Any], Any]) -> None:
    """Calls `write` with a new binary file, syncs it to the disk, and renames it to `path`."""
    new = path.with_name(path.name + ".new")
    try:
        with new.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write_arrays(path: Path, arrays: dict[str, Any]) -> None:
    """Writes a .npz file."""
    write_file(path, lambda file: np.savez(file, **arrays))
