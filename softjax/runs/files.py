"""Reading and writing of files. Text is UTF-8 whatever the locale; `write_file` writes a file as a whole or not at all."""

import csv
import os
from collections.abc import Callable, Iterable, Iterator
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


def read_text(path: Path) -> str:
    """The text of a UTF-8 file. Bytes that are no UTF-8 are kept, as Python keeps them in the names of files."""
    return path.read_text(encoding="utf-8", errors="surrogateescape")


def write_text(path: Path, text: str) -> None:
    """Writes a text as UTF-8. A file name in it that is no UTF-8 is written with its own bytes."""
    path.write_text(text, encoding="utf-8", errors="surrogateescape")


def write_table(path: Path, rows: Iterable[Iterable[Any]]) -> None:
    """Writes rows as a CSV file, in UTF-8."""
    with path.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        csv.writer(file).writerows(rows)


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
