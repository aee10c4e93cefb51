"""Features of the user from a .npz file, for example for a linear probe."""

import os
from pathlib import Path

import numpy as np

from softjax.datasets.dataset import Dataset, Split, build_dataset
from softjax.datasets.split import split_stratified
from softjax.errors import InputError
from softjax.npz import list_arrays, read_arrays, shorten

PARTS = ("X_train", "y_train", "X_val", "y_val", "X_test", "y_test")
NAMES = "class_names"


def load(path: Path, split_seed: int) -> Dataset:
    """A data set from the arrays of a .npz file: X (N, features) or images (N, height, width[, 3]), y (N,) integer labels.

    The file contains either X and y, or X_train, y_train, X_val, y_val, X_test and y_test. X and y are split
    80 : 10 : 10, with the same share of every class in each part. The array `class_names` is optional. uint8 and
    float64 features keep their type; all others become float32, or float64 where float32 cannot hold the values.

    Raises `InputError` if the file is missing or damaged, an array is missing, or shapes, types, features or labels
    cannot be used.
    """
    title = os.fsencode(path.name).decode(errors="replace")  # as a font can show it, in any locale
    found = list_arrays(path)
    optional = [NAMES] if NAMES in found else []
    if {"X", "y"} <= set(found):
        arrays = read_arrays(path, ["X", "y", *optional])
        X, y, image_shape = _examples(title, arrays, "X", "y")
        splits = split_stratified(title, X, y, val=10, test=10, seed=split_seed)
    elif set(PARTS) <= set(found):
        arrays = read_arrays(path, [*PARTS, *optional])
        shapes = {name: arrays[name].shape[1:] for name in PARTS if name.startswith("X")}
        if len(set(shapes.values())) > 1:
            raise InputError(f"{title}: the parts differ in the shape of an example: {shapes}")
        (X, y, image_shape), *held_out = (
            _examples(title, arrays, *names) for names in zip(PARTS[::2], PARTS[1::2], strict=True)
        )
        train, val, test = Split(X, y), *(Split(X, y) for X, y, _ in held_out)
        splits = (train, val, test)
    else:
        raise InputError(f"{path} holds {shorten(found)}; expected X and y, or {', '.join(PARTS)}")
    class_names = _class_names(title, arrays[NAMES]) if optional else None
    return build_dataset(str(path), title, splits, class_names, image_shape)


def _class_names(title: str, names: np.ndarray) -> list[str]:
    if names.ndim != 1 or names.dtype.kind not in "USiu":
        raise InputError(f"{title}: class_names must be K strings, got {names.dtype} {names.shape}")
    try:
        return [name.decode() if isinstance(name, bytes) else str(name) for name in names]
    except UnicodeDecodeError as error:
        raise InputError(f"{title}: class_names holds bytes that are no UTF-8: save strings") from error


def _examples(
    title: str, arrays: dict[str, np.ndarray], X_name: str, y_name: str
) -> tuple[np.ndarray, np.ndarray, tuple[int, ...] | None]:
    X, y = arrays[X_name], arrays[y_name]
    if len(X.shape) > 1 and len(X) == 0:
        raise InputError(f"{title}: {X_name} holds no examples, its shape is {X.shape}")
    if X.ndim < 2 or X.dtype.kind not in "fiub" or X[0:1].size == 0:
        raise InputError(f"{title}: {X_name} must be numbers (N, features), got {X.dtype} {X.shape}")
    if y.shape != X.shape[:1] or y.dtype.kind not in "iu":
        raise InputError(
            f"{title}: {y_name} must be integers ({len(X)},), as {X_name} is {X.shape}, "
            f"got {y.dtype} {y.shape}{_label_advice(y_name, y)}"
        )
    if y.size and (y.min() < 0 or y.max() > np.iinfo(np.int32).max):
        raise InputError(f"{title}: {y_name} must hold labels 0..K-1, got {y.min()} to {y.max()}")
    is_image = X.ndim == 3 or (X.ndim == 4 and X.shape[3] in (1, 3))
    image_shape = X.shape[1:3] + ((3,) if X.shape[3:] == (3,) else ()) if is_image else None
    return _as_floats(title, X_name, X.reshape(len(X), -1)), y.astype(np.int32), image_shape


def _label_advice(name: str, y: np.ndarray) -> str:
    """What to do with labels of that type and shape, where it is plain."""
    if y.dtype.kind in "US":
        return f": map the names to 0..K-1, for example with numpy.unique({name}, return_inverse=True)"
    if y.dtype.kind in "fb":
        return f": if they are labels 0..K-1, save {name}.astype(int)"
    if y.ndim == 2 and y.shape[1] == 1:
        return f": save {name}[:, 0]"
    if y.ndim == 2:
        return f": if the rows are one-hot, save {name}.argmax(axis=1)"
    return ""


def _as_floats(title: str, name: str, X: np.ndarray) -> np.ndarray:
    """uint8 as it is, all else as float32 where that holds every value, or as float64."""
    if X.dtype in (np.uint8, np.float32, np.float64):  # of the machine's byte order
        return X
    if X.dtype.kind == "f" or X.size == 0:
        return X.astype(np.float32 if X.dtype.itemsize <= 4 else np.float64)
    largest = max(-int(X.min()), int(X.max()))
    if largest > 2**53:
        raise InputError(
            f"{title}: {name} holds integers up to {largest:.3g}, but a float64 holds all integers only up to 2**53: "
            "subtract an offset, or save them as float64"
        )
    return X.astype(np.float32 if largest <= 2**24 else np.float64)
