"""Features of the user from a .npz file, for example for a linear probe."""

import os
import zipfile
import zlib
from pathlib import Path

import numpy as np

from softjax.datasets.dataset import Dataset, Split, build_dataset
from softjax.datasets.split import split_stratified
from softjax.errors import InputError

PARTS = ("train", "val", "test")
NAMES = "X and y, or X_train, y_train, X_val, y_val, X_test and y_test"


def load(path: Path, split_seed: int) -> Dataset:
    """A data set from the arrays of a .npz file: X (N, features) or images (N, height, width[, 3]), y (N,) integer labels.

    The file contains either X and y, or X_train, y_train, X_val, y_val, X_test and y_test. X and y are split
    80 : 10 : 10, with the same share of every class in each part. The array `class_names` is optional. uint8 and
    float64 features keep their type; all others become float32.

    Raises `InputError` if the file is missing or damaged, an array is missing, or shapes, types, features or labels
    cannot be used.
    """
    arrays = read(path)
    title = os.fsencode(path.name).decode(errors="replace")  # as a font can show it, in any locale
    if "X" in arrays and "y" in arrays:
        X, y, image_shape = _examples(title, arrays, "X", "y")
        splits = split_stratified(title, X, y, val=0.1, test=0.1, seed=split_seed)
    elif all(f"{letter}_{part}" in arrays for letter in "Xy" for part in PARTS):
        examples = [_examples(title, arrays, f"X_{part}", f"y_{part}") for part in PARTS]
        shapes = {part: X.shape[1:] for part, (X, _, _) in zip(PARTS, examples, strict=True)}
        if len(set(shapes.values())) > 1:
            raise InputError(f"{title}: the parts differ in their number of features: {shapes}")
        train, val, test = (Split(X, y) for X, y, _ in examples)
        splits = (train, val, test)
        image_shape = examples[0][2]
    else:
        raise InputError(f"{path} holds {', '.join(arrays) or 'no arrays'}; expected {NAMES}")
    names = None
    if "class_names" in arrays:
        if arrays["class_names"].ndim != 1:
            raise InputError(f"{title}: class_names must be K names, got shape {arrays['class_names'].shape}")
        names = [str(name) for name in arrays["class_names"]]
    return build_dataset(str(path), title, splits, names, image_shape)


def read(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a .npz file. Raises `InputError` if it is missing, damaged or contains objects."""
    if not path.is_file():
        raise InputError(f"no such file: {path}")
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (
        ValueError,
        TypeError,
        OSError,
        EOFError,
        NotImplementedError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise InputError(f"{path} is damaged, or no .npz file of plain arrays: {error}") from error


def _examples(
    title: str, arrays: dict[str, np.ndarray], X_name: str, y_name: str
) -> tuple[np.ndarray, np.ndarray, tuple[int, ...] | None]:
    X, y = arrays[X_name], arrays[y_name]
    if X.ndim < 2 or X.dtype.kind not in "fiub" or X[0:1].size == 0:
        raise InputError(f"{title}: {X_name} must be numbers (N, features), got {X.dtype} {X.shape}")
    if y.shape != X.shape[:1] or y.dtype.kind not in "iu":
        raise InputError(
            f"{title}: {y_name} must be integers ({len(X)},), as {X_name} is {X.shape}, "
            f"got {y.dtype} {y.shape}"
        )
    if y.size and (y.min() < 0 or y.max() > np.iinfo(np.int32).max):
        raise InputError(f"{title}: {y_name} must hold labels 0..K-1, got {y.min()} to {y.max()}")
    is_image = X.ndim == 3 or (X.ndim == 4 and X.shape[3] in (1, 3))
    image_shape = X.shape[1:3] + ((3,) if X.shape[3:] == (3,) else ()) if is_image else None
    X = X.reshape(len(X), -1)
    if X.dtype not in (np.uint8, np.float32, np.float64):
        X = X.astype(np.float32)
    return X, y.astype(np.int32), image_shape
