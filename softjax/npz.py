"""Reads .npz and .npy files that may be damaged, or may claim more than they hold. Nothing that is pickled is ever run."""

import io
import math
import os
import stat
import zipfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.lib import format as npy

from softjax.errors import InputError

SUFFIX = ".npy"
LONGEST_HEADER = 2**16  # bytes; NumPy's own limit is below that
# how many bytes a compressed byte can become at most; of other methods more than of any known one
EXPANSION = {zipfile.ZIP_STORED: 1, zipfile.ZIP_DEFLATED: 1032}
OTHER_EXPANSION = 2**21
READERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
KINDS = {
    npy.MAGIC_PREFIX: "is a single array, no .npz file: save all arrays together with numpy.savez",
    b"\x80": "is a pickle, which could run any code when it is read: save arrays with numpy.savez",
}


def list_arrays(path: Path) -> list[str]:
    """The names of the arrays in a .npz file, in order. Only the directory of the file is read.

    Raises `InputError` if the file is missing or damaged.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     np.savez(f"{folder}/a.npz", X=np.zeros((2, 3)), y=np.arange(2))
        ...     list_arrays(Path(folder, "a.npz"))
        ['X', 'y']
    """
    with _open(path) as archive:
        return list(_members(archive))


def read_arrays(path: Path, names: Collection[str] | None = None) -> dict[str, np.ndarray]:
    """The arrays called `names` in a .npz file, by default all. Other arrays are not looked at.

    Memory is bounded by what the file can hold, whatever it claims.

    Raises `InputError`, with the name of the file and of the array, if the file is missing or damaged, or an array is
    missing, damaged or pickled.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     np.savez(f"{folder}/a.npz", X=np.zeros((2, 3)), y=np.arange(2))
        ...     read_arrays(Path(folder, "a.npz"), ["y"])
        {'y': array([0, 1])}
    """
    with _open(path) as archive:
        members = _members(archive)
        names = list(members) if names is None else names
        for name in names:
            if name not in members:
                raise InputError(f"{path} holds no array {name}, but {shorten(members)}")
        return {name: _read(path, archive, members[name]) for name in names}


def read_array(path: Path) -> np.ndarray:
    """The array in a .npy file. Nothing that is pickled is run.

    Raises `InputError` if the file is missing, damaged or pickled.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     np.save(f"{folder}/y.npy", np.arange(2))
        ...     read_array(Path(folder, "y.npy"))
        array([0, 1])
    """
    with _open_file(path, SUFFIX) as stream:
        try:
            return _read_array(str(path), stream, path.stat().st_size)
        except InputError:
            raise
        except MemoryError as error:
            raise InputError(f"{path} is larger than the memory that is free") from error
        except Exception as error:  # of a damaged file NumPy may raise anything
            raise InputError(f"{path} cannot be read: {_reason(error)}") from error


def shorten(names: Collection[str], most: int = 10) -> str:
    """The first names in one line of bounded length.

    Examples:
        >>> shorten(["X", "y"]), shorten([]), shorten("abc", most=2)
        ('X, y', 'no arrays', 'a, b, … (3 in all)')
    """
    shown = ", ".join(_shorten(name) for name in list(names)[:most]) or "no arrays"
    return shown + f", … ({len(names)} in all)" * (len(names) > most)


def _open_file(path: Path, suffix: str) -> io.BufferedReader:
    try:
        mode = os.stat(path).st_mode
        if not stat.S_ISREG(mode):  # a pipe would wait for a writer
            raise InputError(
                f"{path} is {'a folder' if stat.S_ISDIR(mode) else 'no regular file'}, no {suffix} file"
            )
        return path.open("rb")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(f"no such file: {path}") from error
    except OSError as error:
        raise InputError(f"{_shorten(str(path))} cannot be read: {error.strerror or error}") from error
    except ValueError as error:  # a null character
        raise InputError(f"{str(path)!r} cannot be read: {error}") from error


@contextmanager
def _open(path: Path) -> Iterator[zipfile.ZipFile]:
    with _open_file(path, ".npz") as stream:
        try:
            archive = zipfile.ZipFile(stream)
        except Exception as error:  # of a damaged file the library may raise anything
            stream.seek(0)
            start = stream.read(len(npy.MAGIC_PREFIX))
            if not start:
                raise InputError(f"{path} is empty, no .npz file") from error
            for magic, kind in KINDS.items():
                if start.startswith(magic):
                    raise InputError(f"{path} {kind}") from error
            raise InputError(f"{path} is damaged, or no .npz file: {_reason(error)}") from error
        with archive:
            yield archive


def _members(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The members by the name of their array. Only those that end in .npy are arrays; a folder is none."""
    return {member.filename.removesuffix(SUFFIX): member for member in archive.infolist()}


def _read(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    where = f"{path}: {_shorten(member.filename)}"
    try:
        with archive.open(member) as stream:
            return _read_array(where, cast(io.BufferedIOBase, stream), _room(path, member))
    except InputError:
        raise
    except MemoryError as error:
        raise InputError(f"{where} is larger than the memory that is free") from error
    except Exception as error:  # of a damaged member zipfile, its decompressors and NumPy may raise anything
        raise InputError(f"{where} cannot be read: {_reason(error)}") from error


def _room(path: Path, member: zipfile.ZipInfo) -> int:
    """The most bytes that a member can hold, from the size of the file and its compression."""
    compressed = min(member.compress_size, path.stat().st_size)
    return compressed * EXPANSION.get(member.compress_type, OTHER_EXPANSION)


def _read_array(where: str, stream: io.BufferedIOBase, room: int) -> np.ndarray:
    start = io.BytesIO(stream.read(LONGEST_HEADER))
    shape, fortran_order, dtype = _read_header(where, start)
    size = math.prod(shape) * dtype.itemsize
    if size > room or math.prod(shape) > room:
        raise InputError(
            f"{where} claims to hold {dtype} of shape {_shorten(str(shape))}, more than the file can hold"
        )
    content = np.empty(size, np.uint8)
    rest, filled = memoryview(content.data), 0
    while filled < size:
        count = start.readinto(rest[filled:]) or _read_into(stream, rest[filled:])
        if not count:
            raise InputError(f"{where} is cut off: {filled:,} bytes of {size:,}")
        filled += count
    if start.read(1) or stream.read(1):  # at the end zipfile compares the checksum
        raise InputError(f"{where} holds more bytes than its header says")
    return np.ndarray(shape, dtype, content, order="F" if fortran_order else "C")


def _read_into(stream: io.BufferedIOBase, buffer: memoryview) -> int:
    block = stream.read(min(len(buffer), 2**20))
    buffer[: len(block)] = block
    return len(block)


def _read_header(where: str, start: io.BytesIO) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    if start.read(len(npy.MAGIC_PREFIX)) != npy.MAGIC_PREFIX:
        raise InputError(f"{where} is no array of NumPy (.npy)")
    version = tuple(start.read(2))
    if version not in READERS:
        raise InputError(f"{where} is of version {'.'.join(map(str, version))} of .npy, expected 1.0 or 2.0")
    try:
        shape, fortran_order, dtype = READERS[version](start)
    except Exception as error:  # the header is parsed as Python's literals
        raise InputError(f"{where} has a header that cannot be read: {_reason(error)}") from error
    if any(length < 0 for length in shape):
        raise InputError(f"{where} has the shape {shape}, with a negative length")
    if dtype.hasobject:
        raise InputError(
            f"{where} is pickled ({dtype}), which could run any code when it is read: save it as numbers or strings, "
            "not as objects"
        )
    return shape, fortran_order, dtype


def _reason(error: Exception) -> str:
    lines = str(error).split("\n")
    return _shorten(lines[0], 150) or type(error).__name__


def _shorten(text: str, most: int = 60) -> str:
    text = text if text.isprintable() else repr(text)[1:-1]
    return text if len(text) <= most else f"{text[: most - 1]}…"
