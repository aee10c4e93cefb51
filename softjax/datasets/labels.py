"""Labels of any kind: text, whole numbers, booleans; and their classes, in sorted order, as scikit-learn has them."""

from collections.abc import Sequence
from contextlib import suppress
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int32, Shaped

from softjax.datasets.arraylike import (
    MISSING,
    get_column,
    is_frame,
    package_of,
    show,
    to_array,
)
from softjax.datasets.dataset import Label
from softjax.errors import InputError
from softjax.npz import shorten

PLAIN = (str, bytes, Real, np.bool_, type(None))
EXPECTED = "labels must be text, whole numbers or booleans"


class Labels(NamedTuple):
    """The classes, sorted, as the user wrote them; and y (N,), 0..K−1, the class of each example."""

    classes: tuple[Label, ...]
    y: Int32[np.ndarray, " N"]


def read_labels(y: Any, name: str = "y") -> Labels:
    """The classes and the numbers of labels (N,) or (N, 1), from an array, a series, a tensor, or a list.

    Raises `InputError`, with `name`, if a label is missing or neither text, a whole number, nor a boolean; if they are of
    different kinds; and if they are of another shape.

    Examples:
        >>> read_labels(["dog", "cat", "dog"])
        Labels(classes=('cat', 'dog'), y=array([1, 0, 1], dtype=int32))
        >>> read_labels([1.0, 3.0]).classes
        (1.0, 3.0)
    """
    values = _to_values(y, name)
    if values.dtype != object:
        classes, numbers = np.unique(values, return_inverse=True)
        return Labels(tuple(classes.tolist()), numbers.reshape(-1).astype(np.int32))
    texts = values.tolist()
    found = sorted(set(texts))
    number = {label: k for k, label in enumerate(found)}
    return Labels(tuple(found), np.fromiter((number[text] for text in texts), np.int32, len(texts)))


def number_as(
    labels: Labels, classes: Sequence[Label], name: str, whose: str = "the training examples"
) -> Int32[np.ndarray, " N"]:
    """The numbers of labels among other classes, those of the training examples.

    Raises `InputError` if a label is not among them.

    Examples:
        >>> number_as(read_labels([3, 5]), (1, 3, 5), "y_val")
        array([1, 2], dtype=int32)
    """
    number = {label: k for k, label in enumerate(classes)}
    unknown = [label for label in labels.classes if label not in number]
    if unknown:
        raise InputError(
            f"{name} holds {show_labels(unknown)}, which {whose} lack; they have {show_labels(classes)}: leave these "
            "examples out, or train on some"
        )
    numbers = np.array([number[label] for label in labels.classes], np.int32)
    return np.asarray(numbers[labels.y])


def show_labels(labels: Sequence[Label]) -> str:
    """Labels in one line of bounded length.

    Examples:
        >>> show_labels(["cat", "dog"]), show_labels([3])
        ("the labels 'cat', 'dog'", 'the label 3')
    """
    return f"the label{'s' * (len(labels) > 1)} {shorten([show(label, 40) for label in labels], most=6)}"


def name_classes(classes: Sequence[Label], class_names: Any, where: str = "") -> list[str]:
    """The names of the classes in reports: `class_names`, or the labels themselves.

    Raises `InputError` unless there is a name for each class.
    """
    if class_names is None:
        return [str(label) for label in classes]
    if isinstance(class_names, str):
        raise InputError(
            f"{where}class_names must be a list of {len(classes)} names, got {show(class_names)}"
        )
    names = to_array(class_names, f"{where}class_names")
    if names.ndim != 1 or names.dtype.kind not in "USiuO":
        raise InputError(f"{where}class_names must be K strings, got {names.dtype} {names.shape}")
    if len(names) != len(classes):
        raise InputError(
            f"{where}class_names holds {len(names)} names, but there are {len(classes)} classes, of "
            f"{show_labels(classes) if len(classes) else 'no labels'}: give one for each, in this order"
        )
    try:
        return [each.decode() if isinstance(each, bytes) else str(each) for each in names.tolist()]
    except UnicodeDecodeError as error:
        raise InputError(f"{where}class_names holds bytes that are no UTF-8: save strings") from error


def _to_values(y: Any, name: str) -> Shaped[np.ndarray, " N"]:
    """The labels as numbers, whole ones, or booleans; or as objects, which are texts."""
    values = _read(y, name)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        advice = ": if its rows are one-hot, give its argmax(axis=1)" if values.ndim == 2 else ""
        raise InputError(f"{name} must hold one label for each example, its shape is {values.shape}{advice}")
    match values.dtype.kind:
        case "O":
            values = _from_objects(values.tolist(), name)
        case "U":
            values = _as_objects(values.tolist())
        case "S":
            values = _decode(values.tolist(), name)
        case "b" | "i" | "u" | "f":
            pass
        case _:
            raise InputError(f"{name} holds {values.dtype}, but {EXPECTED}: convert it to one of these")
    if values.dtype.kind == "f":
        _check_whole(values, name)
    return values


def _read(y: Any, name: str) -> np.ndarray:
    """The labels as an array of any type and shape. Text in a list stays what it is, beside numbers too."""
    if is_frame(y):
        if y.shape[1] != 1:
            raise InputError(
                f"{name} is a frame of {y.shape[1]} columns, expected one: select it; if they are one-hot, give its "
                "to_numpy().argmax(axis=1)"
            )
        y = get_column(y, 0)
    package = package_of(y)
    if package == "pandas" and hasattr(y, "isna"):
        missing = np.asarray(y.isna())
        if missing.any():
            raise _missing(name, int(missing.argmax()))
        return np.asarray(y)
    if package == "polars" and hasattr(y, "null_count"):
        import polars

        if y.null_count():
            raise _missing(name, int(np.asarray(y.is_null()).argmax()))
        if y.dtype in (polars.Categorical, polars.Enum):
            y = y.cast(polars.String)
        return np.asarray(y.to_numpy())
    if isinstance(y, list | tuple):
        with suppress(ValueError):  # rows of different lengths, which are refused below
            objects = np.array(y, dtype=object)
            if all(issubclass(kind, PLAIN) for kind in set(map(type, objects.flat))):
                return objects
    return to_array(y, name)


def _missing(name: str, row: int) -> InputError:
    return InputError(f"{name} has no label in row {row}: leave that example out, or give it a label")


def _from_objects(values: list[Any], name: str) -> np.ndarray:
    kinds = set(map(type, values))
    if any(kind.__name__ in MISSING for kind in kinds):
        raise _missing(name, next(i for i, each in enumerate(values) if type(each).__name__ in MISSING))
    families = {_family(kind) for kind in kinds}
    if float in families:
        row = next((i for i, each in enumerate(values) if isinstance(each, float) and each != each), None)
        if row is not None:
            raise _missing(name, row)
    if families <= {int, float}:
        array = np.array(values, np.float64 if float in families else None)
        if array.dtype == object:
            raise InputError(f"{name} holds whole numbers of more than 64 bits: make them text")
        return array
    if families == {bool}:
        return np.array(values, bool)
    if families == {str}:
        return _as_objects(list(map(str, values)))
    if families == {bytes}:
        return _decode(values, name)
    names = sorted(kind.__name__ for kind in kinds)
    if len(families) > 1:
        raise InputError(
            f"{name} mixes {shorten(names)}, which have no common order: make all labels of one kind, for example text"
        )
    raise InputError(f"{name} holds {names[0]}, such as {show(values[0])}, but {EXPECTED}")


def _family(kind: type) -> type:
    """What a type of label is: str, bytes, bool, int or float; or itself."""
    for family, members in (
        (bool, (bool, np.bool_)),
        (str, str),
        (bytes, bytes),
        (int, Integral),
        (float, Real),
    ):
        if issubclass(kind, members):
            return family
    return kind


def _as_objects(texts: list[str]) -> np.ndarray:
    values = np.empty(len(texts), object)
    values[:] = texts
    return values


def _decode(values: list[bytes], name: str) -> np.ndarray:
    try:
        return _as_objects([each.decode() for each in values])
    except UnicodeDecodeError as error:
        raise InputError(f"{name} holds bytes that are no UTF-8: make the labels text") from error


def _check_whole(values: np.ndarray, name: str) -> None:
    if np.isnan(values).any():
        raise _missing(name, int(np.isnan(values).argmax()))
    broken = ~np.isfinite(values) | (values != np.floor(values))
    if broken.any():
        row = int(broken.argmax())
        raise InputError(
            f"{name} holds {show(values[row])} in row {row}, but {EXPECTED}: a number that is measured can be cut into "
            "classes, for example with numpy.digitize"
        )
