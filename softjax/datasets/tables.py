"""Tables from .csv and .parquet files, read by polars, or by pandas where polars is not installed.

Parquet is read some columns at a time, CSV some rows, so that memory holds hardly more than the matrix of features.
"""

import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from softjax.datasets.arraylike import get_column, read_column, show
from softjax.datasets.features import Matrix, join_columns, write_block
from softjax.datasets.suggest import suggest
from softjax.errors import InputError
from softjax.npz import shorten

SUFFIXES = (".csv", ".parquet")
LABELS = ("label", "target", "class", "y")  # the names of columns that hold labels
VALUES = 2**22  # of a .csv file at a time
SAMPLE = 10_000  # rows of a .csv file that say of what type its columns are
INDEX = re.compile(r"__index_level_\d+__")  # pandas writes the names of rows so


class MissingLibraryError(InputError):
    """A library that reads tables is not installed."""


class LabelColumnError(InputError):
    """It is not clear which column of a table holds the labels."""


class UnforeseenTypeError(InputError):
    """A column of a .csv file is of another type than its first rows are."""


class Columns(NamedTuple):
    """The columns of a table by what they are for."""

    features: tuple[str, ...]
    label: str
    weight: str | None = None
    groups: str | None = None


@dataclass(frozen=True)
class Table:
    """Files of one format with the same columns, which are one table from the first row of the first to the last's.

    `names` are the columns, in the order of the first file.
    """

    title: str
    paths: tuple[Path, ...]
    names: tuple[str, ...]

    def load(self, columns: Columns) -> tuple[Any, Any, Any, Matrix]:
        """The labels, the weights and the groups as series (None where there are none), and the matrix of features."""
        first = [each for each in (columns.label, columns.weight, columns.groups) if each is not None]
        library = _library(self.paths[0])
        if self.paths[0].suffix.lower() == ".csv":
            try:
                frame, X = self._load_rows(library, first, columns.features, sampled=True)
            except UnforeseenTypeError:  # a column begins with whole numbers, and goes on with others or text
                frame, X = self._load_rows(library, first, columns.features, sampled=False)
        else:
            frame, X = self._load_columns(library, first, columns.features)
        series = {name: get_column(frame, position) for position, name in enumerate(first)}
        weight, groups = (None if each is None else series[each] for each in (columns.weight, columns.groups))
        return series[columns.label], weight, groups, X

    def _load_columns(
        self, library: Any, first: Sequence[str], features: Sequence[str]
    ) -> tuple[Any, Matrix]:
        """A frame of the columns `first`, and the matrix of features, some columns at a time."""

        def read_frame(names: Sequence[str]) -> Any:
            return library.join([_guard(path, library.read_parquet, list(names)) for path in self.paths])

        def read(start: int, stop: int) -> list[np.ndarray]:
            names = features[start:stop]
            return self._read_columns(read_frame(names), 0, names, 0)

        frame = read_frame(first)
        return frame, join_columns(read, features, len(frame), self.title)

    def _load_rows(
        self, library: Any, first: Sequence[str], features: Sequence[str], sampled: bool
    ) -> tuple[Any, Matrix]:
        """A frame of the columns `first`, and the matrix of features, some rows at a time."""
        shape = sum(_guard(path, library.count_rows) for path in self.paths), len(features)
        X: Matrix | None = None
        row, frames = 0, []
        for path in self.paths:
            names = [*first, *features]
            batches = _guard(path, library.read_csv, names, max(VALUES // len(names), 1), sampled)
            while (frame := _guard(path, lambda _, batches=batches: next(batches, None))) is not None:
                parts = self._read_columns(frame, len(first), features, row)
                X = write_block(X, shape, (row, 0), parts, features, self.title)
                row += len(frame)
                frames.append(library.select(frame, list(first)))
        if X is None or row == 0:
            raise InputError(f"{self.title} holds no examples, but the names of columns alone")
        return _guard(self.paths[0], lambda _: library.join(frames)), X[:row]

    def _read_columns(self, frame: Any, position: int, names: Sequence[str], row: int) -> list[np.ndarray]:
        return [
            read_column(get_column(frame, position + k), f"column {show(name)} of {self.title}", row)
            for k, name in enumerate(names)
        ]


def open_table(title: str, paths: Sequence[Path]) -> Table:
    """A table of files. Only the names of their columns are read.

    Raises `InputError` if a file is missing or damaged, the files differ in their columns, and if neither polars nor pandas
    is installed.
    """
    names = [_read_names(path) for path in paths]
    for path, others in zip(paths[1:], names[1:], strict=True):
        if set(others) != set(names[0]):
            different = sorted(set(others) ^ set(names[0]))
            raise InputError(
                f"{title}: the files differ in their columns: {paths[0].name} and {path.name} in {shorten(different)}; "
                "give files of one table, or name them train, val and test"
            )
    return Table(title, tuple(paths), tuple(names[0]))


def choose_columns(
    table: Table, label: str | None, patterns: Sequence[str], weight: str | None, groups: str | None
) -> Columns:
    """Which columns of a table are the labels, the weights, the groups and the features.

    `label` is by default the one of `LABELS` that the table has. `patterns` choose features by name, such as emb_*; all
    others by default.

    Raises `InputError` if a column is not there, or which one is meant is not clear.
    """
    for option, name in (("label", label), ("sample_weight", weight), ("groups", groups)):
        if name is not None and name not in table.names:
            raise InputError(
                f"{table.title} has no column {show(name)} for {option}, but {shorten(table.names)}"
                + suggest(name, table.names)
            )
    if label is None:
        found = [name for name in LABELS if name in table.names]
        if len(found) != 1:
            which = f"of {' and '.join(found)}" if found else f"of {shorten(table.names)}"
            raise LabelColumnError(f"{table.title}: which column {which} holds the labels? name it as label")
        label = found[0]
    own = {"label": label, "sample_weight": weight, "groups": groups}
    for option, name in own.items():
        if name is not None and list(own.values()).count(name) > 1:
            other = next(each for each in own if each != option and own[each] == name)
            raise InputError(f"{table.title}: the column {show(name)} cannot be both {option} and {other}")
    others = [name for name in table.names if name not in own.values()]
    if patterns:
        for pattern in patterns:
            if not any(fnmatchcase(name, pattern) for name in others):
                raise InputError(
                    f"{table.title}: no column is like {show(pattern)} of features; there are {shorten(others)}"
                    + suggest(pattern, others)
                )
        others = [name for name in others if any(fnmatchcase(name, pattern) for pattern in patterns)]
    else:
        others = [name for name in others if not INDEX.fullmatch(name)]
    if not others:
        raise InputError(f"{table.title} has no columns but {shorten(table.names)}: where are the features?")
    if any(name == "" or name.startswith("Unnamed: ") for name in others):
        raise InputError(
            f"{table.title}: a column has no name, perhaps the index that pandas wrote: choose the others with features, or "
            "write the file with index=False"
        )
    return Columns(tuple(others), label, weight, groups)


def _read_names(path: Path) -> list[str]:
    if not path.is_file():  # a pipe would wait for a writer
        raise InputError(f"{path} is no regular file" if path.exists() else f"no such file: {path}")
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty")
    names = [str(name) for name in _guard(path, _library(path).names)]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"{path} has two columns of the name {show(twice)}: rename one")
    return names


def _guard(path: Path, read: Any, *arguments: Any) -> Any:
    """Calls `read(path, …)`. What a library says of a damaged file becomes one line."""
    try:
        return read(path, *arguments)
    except InputError:
        raise
    except MemoryError as error:
        raise InputError(f"{path} is larger than the memory that is free") from error
    except Exception as error:  # the libraries have errors of their own, of many kinds
        reason = (str(error).strip() or type(error).__name__).split("\n")[0][:200]
        raise InputError(f"{path} cannot be read: {reason}") from error


def _library(path: Path) -> Any:
    """What reads the file: polars, or pandas, which needs pyarrow for Parquet."""
    if find_spec("polars"):
        return _Polars
    if find_spec("pandas") and (path.suffix.lower() == ".csv" or find_spec("pyarrow")):
        return _Pandas
    lacks = (
        "pandas lacks pyarrow, which reads it"
        if find_spec("pandas")
        else "neither polars nor pandas is installed"
    )
    raise MissingLibraryError(f"{path} cannot be read, as {lacks}: pip install 'softjax-suite[tables]'")


class _Polars:
    @staticmethod
    def names(path: Path) -> list[str]:
        import polars

        if path.suffix.lower() == ".parquet":
            return list(polars.read_parquet_schema(path))
        # the first line, as it is: read as names, two equal ones would be renamed
        first = polars.read_csv(path, has_header=False, n_rows=1, infer_schema=False)
        return ["" if name is None else str(name) for name in first.row(0)]

    @staticmethod
    def read_parquet(path: Path, columns: list[str]) -> Any:
        import polars

        return polars.read_parquet(path, columns=columns, hive_partitioning=False, glob=False)

    @staticmethod
    def count_rows(path: Path) -> int:
        import polars

        lazy = polars.scan_csv(path, infer_schema=False, glob=False)
        return int(lazy.select(polars.len()).collect().item())

    @staticmethod
    def read_csv(path: Path, columns: list[str], rows: int, sampled: bool) -> Iterator[Any]:
        """Frames of so many rows. What the types of columns are is said by the first rows, or by all."""
        import polars

        length = SAMPLE if sampled else None
        lazy = polars.scan_csv(path, infer_schema_length=length, glob=False).select(columns)
        if hasattr(lazy, "collect_batches"):
            batches = lazy.collect_batches(chunk_size=rows, maintain_order=True)
        else:
            batches = (lazy.collect() for _ in range(1))
        try:
            for frame in batches:
                yield frame.with_columns(
                    _as_booleans(series) for series in frame if series.dtype == polars.String
                )
        except polars.exceptions.ComputeError as error:
            if sampled:
                raise UnforeseenTypeError(str(error)) from error
            raise

    @staticmethod
    def select(frame: Any, columns: list[str]) -> Any:
        return frame.select(columns)

    @staticmethod
    def join(frames: list[Any]) -> Any:
        import polars

        return frames[0] if len(frames) == 1 else polars.concat(frames, how="vertical_relaxed")


def _as_booleans(series: Any) -> Any:
    """A column of text as booleans, if it holds True and False alone, as pandas and Python write them."""
    small = series.str.to_lowercase()
    known = small.drop_nulls().is_in(["true", "false"])
    return small == "true" if len(known) and known.all() else series


class _Pandas:
    @staticmethod
    def names(path: Path) -> list[str]:
        import pandas

        if path.suffix.lower() == ".parquet":
            import pyarrow.parquet

            return list(pyarrow.parquet.read_schema(path).names)
        first = pandas.read_csv(path, header=None, nrows=1, dtype=str, keep_default_na=False)
        return [str(name) for name in first.iloc[0]]

    @staticmethod
    def read_parquet(path: Path, columns: list[str]) -> Any:
        import pyarrow.parquet

        table = pyarrow.parquet.read_table(path, columns=columns, partitioning=None)
        return table.to_pandas(ignore_metadata=True)[columns]

    @staticmethod
    def count_rows(path: Path) -> int:
        """At most so many rows: lines."""
        with path.open("rb") as file:
            return sum(block.count(b"\n") for block in iter(lambda: file.read(2**20), b"")) + 1

    @staticmethod
    def read_csv(path: Path, columns: list[str], rows: int, sampled: bool) -> Iterator[Any]:
        """Frames of so many rows. The label, the first column, is of one type in all of them, as it is in polars."""
        import pandas

        version = tuple(map(int, pandas.__version__.split(".")[:2]))
        # Numbers are rounded right, which is the default of later versions. Only an empty field is a missing value.
        options: dict[str, Any] = {} if version >= (3, 1) else {"float_precision": "round_trip"}
        options |= {"index_col": False, "keep_default_na": False, "na_values": [""], "chunksize": rows}
        if not sampled:
            options["dtype"] = {columns[0]: str}
        found: set[bool] = set()
        with warnings.catch_warnings():
            warnings.simplefilter(
                "error", pandas.errors.ParserWarning
            )  # of lines that are longer than the first
            # All columns are read: of some, pandas does not see that a line is too long.
            with pandas.read_csv(path, **options) as reader:
                for frame in reader:
                    found.add(pandas.api.types.is_numeric_dtype(frame[columns[0]].dtype))
                    if len(found) > 1:
                        raise UnforeseenTypeError(f"{columns[0]} holds numbers and text")
                    yield frame[columns]

    @staticmethod
    def select(frame: Any, columns: list[str]) -> Any:
        return frame[columns].copy()

    @staticmethod
    def join(frames: list[Any]) -> Any:
        import pandas

        return frames[0] if len(frames) == 1 else pandas.concat(frames, ignore_index=True)
