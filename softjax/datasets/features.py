"""Features: the matrix X, the names of its columns, and the shape of an image, from whatever holds them."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Shaped, UInt8

from softjax.datasets.arraylike import (
    get_column,
    is_frame,
    is_series,
    list_columns,
    read_column,
    show,
    to_array,
)
from softjax.errors import InputError
from softjax.npz import shorten

Matrix = UInt8[np.ndarray, "N F"] | Float[np.ndarray, "N F"]
KEPT = (np.dtype(np.uint8), np.dtype(np.float32), np.dtype(np.float64))  # from the narrowest
ROWS = 2**13  # of a table at a time: its columns are written into a matrix of rows
COLUMN_BLOCKS = 8  # the columns of a table are read in so many blocks


class Features(NamedTuple):
    """X (N, F) as uint8, float32 or float64; the names of its columns, or None; the shape of a row as an image, or None."""

    X: Matrix
    names: tuple[str, ...] | None
    image_shape: tuple[int, ...] | None


def read_features(X: object, *, name: str = "X", feature_names: Sequence[str] | None = None) -> Features:
    """Features from an array, a tensor, a frame of pandas or polars, or lists; images are made rows.

    uint8, float32 and float64 are kept, and share their memory. bool becomes uint8. All others become float32, or float64
    where float32 cannot hold the values.

    **Arguments:**

    - `X`: (N, F), or images (N, height, width), (N, height, width, 1) or (N, height, width, 3).
    - `name`: what errors call it.
    - `feature_names`: the names of the F columns. The columns of a frame that has names are put into this order.

    Raises `InputError`, with the name of the column, if a feature is not a finite number; and if `X` lacks one of
    `feature_names`, or has another.

    Examples:
        >>> read_features([[1, 2], [3, 4]]).X.dtype
        dtype('float32')
        >>> import pandas
        >>> read_features(pandas.DataFrame({"b": [1.0], "a": [2.0]}), feature_names=["a", "b"]).X
        array([[2., 1.]])
    """
    return take_features(X, name, feature_names)[0]


def take_features(X: Any, name: str, feature_names: Sequence[str] | None) -> tuple[Features, bool]:
    """As `read_features`, and whether the matrix is new, so that nobody else holds it."""
    names = None if feature_names is None else tuple(map(str, feature_names))
    if is_frame(X):
        matrix, names = _read_frame(X, name, names)
        image_shape, fresh = None, True
    elif is_series(X):
        raise InputError(f"{name} is a single column: give a frame, for example its to_frame()")
    else:
        array = _to_numbers(to_array(X, name), X, name)
        is_image = array.ndim == 3 or (array.ndim == 4 and array.shape[3] in (1, 3))
        image_shape = array.shape[1:3] + ((3,) if array.shape[3:] == (3,) else ()) if is_image else None
        flat = array.reshape(len(array), -1)
        matrix = as_kept(name, flat)
        fresh = not np.may_share_memory(matrix, array) or _is_converted(X)
        if names is not None and len(names) != matrix.shape[1]:
            raise InputError(
                f"feature_names holds {len(names)} names, but {name} has {matrix.shape[1]} features"
            )
    if names is not None and len(set(names)) < len(names):
        twice = next(each for each in names if names.count(each) > 1)
        raise InputError(f"two columns of {name} have the name {show(twice)}: rename one")
    check_finite(matrix, name, names)
    return Features(matrix, names, image_shape), fresh


def _is_converted(given: Any) -> bool:
    """Whether `to_array` makes an array of its own: of lists, and of types that NumPy lacks."""
    kind = str(getattr(given, "dtype", "")).removeprefix("torch.")
    return isinstance(given, list | tuple) or kind.startswith(("bfloat16", "float8"))


def check_finite(X: Matrix, name: str, names: Sequence[str] | None) -> None:
    """Raises `InputError`, with the column and the row, if a feature is not finite."""
    if X.dtype.kind != "f" or X.size == 0 or np.isfinite([X.min(), X.max()]).all():
        return
    for start in range(0, len(X), ROWS):
        wrong = np.argwhere(~np.isfinite(X[start : start + ROWS]))
        if len(wrong):
            row, column = int(wrong[0][0]) + start, int(wrong[0][1])
            called = column if names is None else show(names[column])
            raise InputError(
                f"{name} must be finite, but has {X[row, column]} in row {row}, column {called}: fill in what is missing, "
                "or leave the rows or the column out"
            )


def _to_numbers(array: np.ndarray, given: Any, name: str) -> np.ndarray:
    """`array` if it holds numbers, also as objects. Raises `InputError` if it does not, or has no rows or columns."""
    if array.dtype.kind in "OUS" and array.ndim == 2:
        if not isinstance(given, np.ndarray):  # NumPy makes text of all numbers in a list with a text
            array = np.array(given, dtype=object)
        array = _from_objects(array, name)
    if array.ndim > 1 and len(array) == 0:
        raise InputError(f"{name} holds no examples, its shape is {array.shape}")
    if array.ndim < 2 or array.dtype.kind not in "fiub" or array[0:1].size == 0:
        one = (
            f": for a single feature give {array.size} rows of one" if array.ndim == 1 and array.size else ""
        )
        raise InputError(
            f"{name} must be numbers (N, features), or images, got {array.dtype} {array.shape}{one}"
        )
    return array


def _from_objects(array: Shaped[np.ndarray, "N F"], name: str) -> np.ndarray:
    """Numbers that are held as objects, in float64."""
    for column in range(array.shape[1]):
        for row, value in enumerate(array[:, column].tolist()):
            if value is None or type(value).__name__ in ("NAType", "NaTType"):
                raise InputError(
                    f"{name} has a missing value in row {row}, column {column}: fill it in, or leave the row or the "
                    "column out"
                )
            if not isinstance(value, int | float | np.number | np.bool_):
                what = "text" if isinstance(value, str | bytes) else type(value).__name__
                raise InputError(
                    f"column {column} of {name} holds {what} ({show(value)}): encode it as numbers, or leave it out"
                )
    try:
        return array.astype(np.float64)
    except (OverflowError, TypeError, ValueError) as error:
        raise InputError(f"{name} holds numbers that are no floats: {error}") from error


def _read_frame(
    frame: Any, name: str, wanted: tuple[str, ...] | None
) -> tuple[Matrix, tuple[str, ...] | None]:
    found = list_columns(frame)
    if len(frame) == 0 or len(frame.columns) == 0:
        raise InputError(f"{name} holds no examples, its shape is {tuple(frame.shape)}")
    positions = list(range(len(frame.columns)))
    if found is not None and wanted is not None:
        positions = match_columns(found, wanted, name)
    elif wanted is not None and len(wanted) != len(positions):
        raise InputError(f"{name} has {len(positions)} columns without names, expected {len(wanted)}")
    names = wanted if wanted is not None else None if found is None else tuple(found)
    labels = names or tuple(map(str, positions))

    def read(start: int, stop: int) -> list[np.ndarray]:
        return [
            read_column(get_column(frame, position), f"column {show(label)} of {name}")
            for position, label in zip(positions[start:stop], labels[start:stop], strict=True)
        ]

    return join_columns(read, labels, name), names


def match_columns(found: Sequence[str], wanted: Sequence[str], name: str) -> list[int]:
    """Where each of the `wanted` columns is among those that were found.

    Raises `InputError` if one is missing, there is another, or a name is there twice.

    Examples:
        >>> match_columns(["b", "a"], ["a", "b"], "X_val")
        [1, 0]
    """
    place = {column: position for position, column in enumerate(found)}
    missing = [column for column in wanted if column not in place]
    known = set(wanted)
    extra = [column for column in found if column not in known]
    if missing or extra:
        wrong = [f"lacks {shorten(missing)}"] * bool(missing) + [f"has {shorten(extra)} too"] * bool(extra)
        raise InputError(
            f"{name} must have the {len(wanted)} columns of the training features, but {' and '.join(wrong)}: rename or "
            "select its columns"
        )
    if len(place) < len(found):
        twice = next(column for column in found if found.count(column) > 1)
        raise InputError(f"two columns of {name} have the name {show(twice)}: rename one")
    return [place[column] for column in wanted]


def join_columns(
    read: Callable[[int, int], Sequence[np.ndarray]], labels: Sequence[str], name: str
) -> Matrix:
    """The matrix of columns of numbers, in the narrowest of uint8, float32 and float64 that holds them.

    `read(start, stop)` returns some of the columns. Only these are in memory, beside the matrix.
    """
    width = -(-len(labels) // COLUMN_BLOCKS)
    X: np.ndarray | None = None
    for start in range(0, len(labels), width):
        stop = min(start + width, len(labels))
        columns = read(start, stop)
        kinds = [
            kept_type(f"column {show(label)} of {name}", column)
            for column, label in zip(columns, labels[start:stop], strict=True)
        ]
        kept = max(kinds, key=KEPT.index)
        if X is None:
            X = np.empty((len(columns[0]), len(labels)), kept)
        elif KEPT.index(kept) > KEPT.index(X.dtype):
            X = X.astype(kept)
        _fill(X[:, start:stop], columns)
        del columns  # before the next ones are read
    assert X is not None
    return X


def _fill(X: Matrix, columns: Sequence[np.ndarray]) -> None:
    """Writes the columns into X (N, F), some rows at a time: written one by one, each would go through all of X."""
    with np.errstate(over="ignore"):  # of a longer float; it is then not finite
        for start in range(0, len(X), ROWS):
            rows = slice(start, start + ROWS)
            block = X[rows]
            for position, column in enumerate(columns):
                block[:, position] = column[rows]


def as_kept(name: str, X: np.ndarray) -> Matrix:
    """Bool and uint8 as uint8, all else as float32 where that holds every value, or as float64."""
    kept = kept_type(name, X)
    if X.dtype == bool:
        return X.view(np.uint8)
    with np.errstate(over="ignore"):  # of a longer float; it is then not finite
        return X.astype(kept, copy=False)


def kept_type(name: str, X: np.ndarray) -> np.dtype[Any]:
    """The type in which numbers are kept. Raises `InputError` for integers that a float64 cannot hold."""
    if X.dtype == bool or X.dtype == np.uint8:
        return KEPT[0]
    if X.dtype.kind == "f" or X.size == 0:
        return KEPT[1 if X.dtype.itemsize <= 4 else 2]
    largest = max(-int(X.min()), int(X.max()))
    if largest > 2**53:
        raise InputError(
            f"{name} holds integers up to {largest:.3g}, but a float64 holds all integers only up to 2**53: "
            "subtract an offset, or save them as float64"
        )
    return KEPT[1 if largest <= 2**24 else 2]
