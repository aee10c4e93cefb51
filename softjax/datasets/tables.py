"""Tables from .csv and .parquet files, read by polars, or by pandas where polars is not installed.

Parquet is read some columns at a time, so that memory holds hardly more than the matrix of features.
"""

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from softjax.datasets.arraylike import get_column, package_of, read_column, show
from softjax.datasets.features import Matrix, join_columns
from softjax.datasets.suggest import suggest
from softjax.errors import InputError
from softjax.npz import shorten

SUFFIXES = (".csv", ".parquet")
LABELS = ("label", "target", "class", "y")  # the names of columns that hold labels
INDEX = re.compile(r"__index_level_\d+__")  # pandas writes the names of rows so


class MissingLibraryError(InputError):
    """A library that reads tables is not installed."""


class Columns(NamedTuple):
    """The columns of a table by what they are for."""

    features: tuple[str, ...]
    label: str
    weight: str | None


@dataclass(frozen=True)
class Table:
    """Files of one format with the same columns, which are one table from the first row of the first to the last's.

    `names` are the columns, in the order of the first file.
    """

    title: str
    paths: tuple[Path, ...]
    names: tuple[str, ...]

    def load(self, columns: Columns) -> tuple[Any, Any, Matrix]:
        """The labels and the weights (None where there are none) as series, and the matrix of features."""
        first = [columns.label] + ([] if columns.weight is None else [columns.weight])
        is_csv = self.paths[0].suffix.lower() == ".csv"  # which can only be read as a whole
        frame = self._read([*first, *columns.features] if is_csv else first)

        def read(start: int, stop: int) -> list[np.ndarray]:
            names = columns.features[start:stop]
            block, skip = (frame, len(first) + start) if is_csv else (self._read(names), 0)
            return [
                read_column(get_column(block, skip + position), f"column {show(name)} of {self.title}")
                for position, name in enumerate(names)
            ]

        X = join_columns(read, columns.features, self.title)
        series = [get_column(frame, position) for position in range(len(first))]
        y, *weights = (each.copy() if package_of(each) == "pandas" else each for each in series)
        return y, weights[0] if weights else None, X

    def _read(self, columns: Sequence[str]) -> Any:
        """A frame of these columns of all files."""
        library = _library(self.paths[0])
        frames = [_guard(path, library.read, list(columns)) for path in self.paths]
        return frames[0] if len(frames) == 1 else _guard(self.paths[-1], lambda _: library.join(frames))


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


def choose_columns(table: Table, label: str | None, patterns: Sequence[str], weight: str | None) -> Columns:
    """Which columns of a table are the labels, the weights and the features.

    `label` is by default the one of `LABELS` that the table has. `patterns` choose features by name, such as emb_*; all
    others by default.

    Raises `InputError` if a column is not there, or which one is meant is not clear.
    """
    for option, name in (("label", label), ("sample_weight", weight)):
        if name is not None and name not in table.names:
            raise InputError(
                f"{table.title} has no column {show(name)} for {option}, but {shorten(table.names)}"
                + suggest(name, table.names)
            )
    if label is None:
        found = [name for name in LABELS if name in table.names]
        if len(found) != 1:
            which = f"of {' and '.join(found)}" if found else f"of {shorten(table.names)}"
            raise InputError(f"{table.title}: which column {which} holds the labels? name it as label")
        label = found[0]
    if label == weight:
        raise InputError(f"{table.title}: the column {show(label)} cannot be both label and sample_weight")
    others = [name for name in table.names if name not in (label, weight)]
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
    return Columns(tuple(others), label, weight)


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
    def read(path: Path, columns: list[str]) -> Any:
        import polars

        if path.suffix.lower() == ".parquet":
            return polars.read_parquet(path, columns=columns, hive_partitioning=False, glob=False)
        # all of a column says what its type is
        frame = polars.read_csv(path, columns=columns, infer_schema_length=None, glob=False).select(columns)
        texts = (
            series for series in frame if series.dtype == polars.String and series.null_count() < len(series)
        )
        small = (series.str.to_lowercase() for series in texts)
        # as pandas and Python write booleans
        return frame.with_columns(
            each == "true" for each in small if each.drop_nulls().is_in(["true", "false"]).all()
        )

    @staticmethod
    def join(frames: list[Any]) -> Any:
        import polars

        return polars.concat(frames, how="vertical_relaxed")


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
    def read(path: Path, columns: list[str]) -> Any:
        import pandas

        if path.suffix.lower() == ".parquet":
            import pyarrow.parquet

            table = pyarrow.parquet.read_table(path, columns=columns, partitioning=None)
            return table.to_pandas(ignore_metadata=True)[columns]
        # All columns are read: of some, pandas does not see that a line is too long.
        # as polars: numbers are rounded right, only an empty field is a missing value, and all of a column says its type
        version = tuple(map(int, pandas.__version__.split(".")[:2]))
        exact: Any = (
            {} if version >= (3, 1) else {"float_precision": "round_trip"}
        )  # which is then the default
        with warnings.catch_warnings():
            warnings.simplefilter(
                "error", pandas.errors.ParserWarning
            )  # of lines that are longer than the first
            frame = pandas.read_csv(
                path,
                index_col=False,
                keep_default_na=False,
                na_values=[""],
                **exact,
                low_memory=False,
            )
        return frame[columns]

    @staticmethod
    def join(frames: list[Any]) -> Any:
        import pandas

        return pandas.concat(frames, ignore_index=True)
