"""The rows of a data file, a block at a time, so that memory does not grow with the file.

An array (.npy) is mapped into memory. Tables are read by polars, or by pandas where polars is not installed, as data sets
are. A .npz file is compressed as a whole, and is read as a whole.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from softjax.datasets.dataset import Label
from softjax.datasets.features import match_columns
from softjax.datasets.suggest import suggest
from softjax.datasets.tables import INDEX, open_table
from softjax.errors import InputError
from softjax.npz import read_arrays, shorten

BLOCK = 2**22  # numbers at a time
STEP = 1000  # rows in a block are a multiple of it, as scores are computed so many at a time
INFERRED = 10_000  # rows from which polars infers the type of a column of CSV
TRUTH = {"true": True, "false": False}


class ExtraColumnError(InputError):
    """The data have a column that is no feature of the classifier."""


class Rows(NamedTuple):
    """Successive rows: features as a frame or an array, the labels and the ids if they were asked for, and the share of the
    file that was read.
    """

    X: Any
    label: Any
    id: list[str] | None
    done: float


@dataclass(frozen=True)
class Selection:
    """What is read of a file.

    Attributes:
        features: The names of the features; None for all columns but the others.
        classes: The labels that the classifier knows. Text in a CSV file is read as they are written.
        label: The column of the labels, or None.
        id: The column that names the rows, or None.
        ignore_extra: Whether there may be other columns.
    """

    features: tuple[str, ...] | None
    classes: tuple[Label, ...] = ()
    label: str | None = None
    id: str | None = None
    ignore_extra: bool = False

    @property
    def others(self) -> list[str]:
        """The columns that are no features."""
        return [name for name in (self.label, self.id) if name is not None]

    def choose(self, found: Sequence[str]) -> list[str]:
        """The columns `found` that are features, in the classifier's order. Raises `InputError` where they do not match."""
        for name in self.others:
            if name not in found:
                raise InputError(
                    f"the data have no column {name!r}, but {shorten(found)}{suggest(name, found)}"
                )
        others, known = set(self.others), set(self.features or ())
        left = [name for name in found if name in known or not (name in others or INDEX.fullmatch(name))]
        if self.features is None:
            return left
        if self.ignore_extra:
            left = [name for name in left if name in known]
        extra = [name for name in left if name not in known]
        if extra and known <= set(left):
            raise ExtraColumnError(
                f"the data have {shorten([repr(name) for name in extra])}, without which the classifier was trained"
            )
        return [left[i] for i in match_columns(left, self.features, "the data")]


def read_rows(path: Path, selection: Selection) -> Iterator[Rows]:
    """The rows of a .npy, .npz, .csv or .parquet file, in order, in blocks of at least one row.

    Of a .npz file X holds the features, and label and id are other arrays. A .npy file holds features alone.

    Raises `InputError` if the file cannot be read, its columns are not the ones expected, or what reads it is not installed.
    """
    suffix = path.suffix.lower()
    if suffix not in READERS:
        raise InputError(f"{path} is no file of data: expected one that ends in {', '.join(READERS)}")
    if not path.is_file():
        raise InputError(f"no such file: {path}")
    return READERS[suffix](path, selection)


def _read_npy(path: Path, selection: Selection) -> Iterator[Rows]:
    if selection.others:
        raise InputError(f"{path} has no columns with names, so no column {selection.others[0]!r}")
    with _reading(path):
        X = np.load(path, mmap_mode="r", allow_pickle=False)
        if not isinstance(X, np.ndarray) or X.ndim < 2:
            raise InputError(f"{path} must hold an array (N, features), got {getattr(X, 'shape', 'several')}")
        for rows in _blocks(len(X), X[0:1].size):
            yield Rows(X[rows], None, None, rows.stop / len(X))


def _read_npz(path: Path, selection: Selection) -> Iterator[Rows]:
    arrays = read_arrays(path, ["X", *selection.others])
    X = arrays["X"]
    for name, array in arrays.items():
        if array.ndim == 0 or len(array) != len(X):
            raise InputError(f"{path}: {name} must have as many rows as X, {X.shape}, got {array.shape}")
    label, id = selection.label, selection.id
    for rows in _blocks(len(X), X[0:1].size):
        yield Rows(
            X[rows],
            None if label is None else arrays[label][rows],
            None if id is None else _as_text(arrays[id][rows].tolist()),
            rows.stop / len(X),
        )


def _read_table(path: Path, selection: Selection) -> Iterator[Rows]:
    features = selection.choose(open_table(str(path), [path]).names)
    is_csv, label, id = path.suffix.lower() == ".csv", selection.label, selection.id
    read = _read_by_polars if find_spec("polars") else _read_csv_by_pandas if is_csv else _read_by_arrow
    with _reading(path):
        for frame, done in read(path, features, list(dict.fromkeys(selection.others))):
            labels = None if label is None else frame[label]
            yield Rows(
                frame[features],
                _parse(labels.to_list(), selection.classes) if labels is not None and is_csv else labels,
                None if id is None else _as_text(frame[id].to_list()),
                done,
            )


READERS: dict[str, Callable[[Path, Selection], Iterator[Rows]]] = {
    ".npy": _read_npy,
    ".npz": _read_npz,
    ".csv": _read_table,
    ".parquet": _read_table,
}


def _read_by_polars(path: Path, features: list[str], others: list[str]) -> Iterator[tuple[Any, float]]:
    """Frames of some rows, and the share of the file that was read."""
    import polars

    if path.suffix.lower() == ".csv":
        found = polars.scan_csv(path, infer_schema_length=INFERRED, glob=False).collect_schema()
        kinds = {name: polars.Float64 if found[name].is_numeric() else found[name] for name in features}
        texts = [name for name in features if kinds[name] == polars.String]
        types = dict.fromkeys(others, polars.String) | kinds
        lazy = polars.scan_csv(path, schema_overrides=types, glob=False)
        lazy = lazy.with_columns(polars.col(name).fill_null("") for name in others if name not in kinds)
        total = max(_count_lines(path) - 1, 1)  # polars would map all of the file into memory
    else:
        lazy, texts = polars.scan_parquet(path, hive_partitioning=False, glob=False), []
        total = lazy.select(polars.len()).collect().item()
    size, read = _rows_of(len(features)), 0
    lazy = lazy.select([*features, *(name for name in others if name not in features)])
    if hasattr(lazy, "collect_batches"):
        frames = lazy.collect_batches(chunk_size=size)
    else:  # before polars 1.34
        frames = (lazy.slice(rows.start, size).collect() for rows in _blocks(total, len(features)))
    for frame in frames:
        small = [frame[name].str.to_lowercase() for name in texts]  # booleans as pandas and Python write them
        frame = frame.with_columns(each == "true" for each in small if each.is_in(list(TRUTH)).all())
        read += len(frame)
        if len(frame):
            yield frame, min(read / total, 1.0)


def _read_csv_by_pandas(path: Path, features: list[str], others: list[str]) -> Iterator[tuple[Any, float]]:
    import pandas

    version = tuple(map(int, pandas.__version__.split(".")[:2]))
    # All columns are read: of some, pandas does not see that a line is too long.
    exact: Any = {} if version >= (3, 1) else {"float_precision": "round_trip"}  # which is then the default
    size = path.stat().st_size
    with path.open("rb") as file:
        reader = pandas.read_csv(
            file,
            dtype=dict.fromkeys(set(others) - set(features), str),
            na_values={name: [""] for name in features},  # ids and labels are text as it stands
            keep_default_na=False,
            index_col=False,
            **exact,
            chunksize=_rows_of(len(features)),
            low_memory=False,  # one type for a column of a block
        )
        while True:
            with warnings.catch_warnings():
                warnings.simplefilter(
                    "error", pandas.errors.ParserWarning
                )  # of lines that are longer than the first
                frame = next(reader, None)
            if frame is None:
                return
            if len(frame):
                yield frame, file.tell() / size


def _read_by_arrow(path: Path, features: list[str], others: list[str]) -> Iterator[tuple[Any, float]]:
    import pyarrow.parquet

    read, columns = 0, [*features, *(name for name in others if name not in features)]
    with pyarrow.parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(_rows_of(len(features)), columns=columns):
            read += batch.num_rows
            frame = batch.to_pandas(ignore_metadata=True)
            for name in set(others) - set(features):  # whole numbers stay such beside missing ones
                frame[name] = np.array(batch[name].to_pylist(), object)
            if len(frame):
                yield frame, read / file.metadata.num_rows


def _count_lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(2**20), b""))


def _parse(texts: list[str], classes: tuple[Label, ...]) -> list[Label]:
    """Labels that are written in a CSV file, as the classes are: text, booleans or numbers."""
    if any(isinstance(label, str) for label in classes):
        return list(texts)
    known = {text: label for label in classes for text in (str(label), str(label).lower())}
    return [known[text] if text in known else _parse_number(text, classes) for text in texts]


def _parse_number(text: str, classes: tuple[Label, ...]) -> Label:
    try:
        return float(text)
    except ValueError:
        raise InputError(
            f"there is a label {text!r}, and the classes are {shorten(list(map(str, classes)))}"
        ) from None


def _as_text(values: list[Any]) -> list[str]:
    return ["" if value is None else str(value) for value in values]


def _rows_of(num_features: int) -> int:
    """How many rows are a block."""
    return max(BLOCK // max(num_features, 1) // STEP, 1) * STEP


def _blocks(num_rows: int, num_features: int) -> Iterator[slice]:
    size = _rows_of(num_features)
    return (slice(start, min(start + size, num_rows)) for start in range(0, num_rows, size))


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turns what a library raises of a damaged file, which may be anything, into an `InputError`."""
    try:
        yield
    except InputError:
        raise
    except MemoryError as error:
        raise InputError(f"a block of {path} is larger than the memory that is free") from error
    except Exception as error:
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        raise InputError(f"{path} cannot be read: {reason}") from error
