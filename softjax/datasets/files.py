"""A data set from files of the user: .npz, a folder of .npy, .csv, .parquet, or a folder of these."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from softjax.datasets import tables
from softjax.datasets.arrays import Description, Given, Weights, assemble
from softjax.datasets.config import SUFFIXES
from softjax.datasets.dataset import Dataset
from softjax.datasets.features import match_columns
from softjax.datasets.suggest import suggest_file
from softjax.errors import InputError
from softjax.npz import list_arrays, read_array, read_arrays, shorten
from softjax.weights import ClassWeight

PARTS = ("X_train", "y_train", "X_val", "y_val", "X_test", "y_test")
ARRAYS = ("X", "y", *PARTS, "sample_weight", "groups", "class_names", "feature_names")
EXPECTED = "X and y, or X_train and y_train; beside them X_val and y_val, X_test and y_test"
FILES = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}


@dataclass(frozen=True)
class Options:
    """The options of `load_dataset` for files: see there."""

    split_seed: int = 0
    label: str | None = None
    features: tuple[str, ...] = ()
    sample_weight: str | None = None
    class_weight: ClassWeight = None
    groups: str | None = None


def load(path: Path, options: Options) -> Dataset:
    """A data set from a file, or from the files of a folder.

    Raises `InputError` if a file is missing or damaged, arrays or columns are missing, or they cannot be used.
    """
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(f"no such file: {path}{suggest_file(path, SUFFIXES)}") from error
    except (OSError, ValueError) as error:  # a name that is too long, or holds a null character
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{shorten([str(path)])} cannot be read: {reason}") from error
    title = os.fsencode(path.name or str(path)).decode(
        errors="replace"
    )  # as a font can show it, in any locale
    if path.suffix.lower() == ".npz":
        _refuse_columns(title, options)
        names = _choose_arrays(str(path), list_arrays(path))
        return _from_arrays(path, title, read_arrays(path, names), options)
    if path.is_dir():
        return _from_folder(path, title, options)
    return _from_tables(path, title, {"train": [path]}, options)


def _from_folder(folder: Path, title: str, options: Options) -> Dataset:
    try:
        files = sorted(each for each in folder.iterdir() if each.is_file() and not each.name.startswith("."))
    except OSError as error:
        raise InputError(f"the dataset {folder} cannot be read: {error.strerror or error}") from error
    by_suffix: dict[str, list[Path]] = {}
    for file in files:
        by_suffix.setdefault(file.suffix.lower(), []).append(file)
    kinds = [kind for kind in (".npy", *tables.SUFFIXES) if kind in by_suffix]
    if len(kinds) != 1:
        held = f"both {' and '.join(kinds)} files" if kinds else shorten([each.name for each in files])
        raise InputError(
            f"the dataset {folder} holds {held if files else 'no files'}; expected X.npy and y.npy, or .csv or .parquet "
            "files of one table"
        )
    found = by_suffix[kinds[0]]
    if kinds == [".npy"]:
        _refuse_columns(title, options)
        names = _choose_arrays(str(folder), [each.stem for each in found], ".npy")
        return _from_arrays(
            folder, title, {name: read_array(folder / f"{name}.npy") for name in names}, options
        )
    stems = [each.stem.lower() for each in found]
    if "train" not in stems:
        return _from_tables(folder, title, {"train": found}, options)
    parts: dict[str, list[Path]] = {}
    for stem, file in zip(stems, found, strict=True):
        if stem not in FILES or FILES[stem] in parts:
            raise InputError(
                f"the dataset {folder} holds train, so {file.name} must be one of val and test: move it, or rename it"
            )
        parts[FILES[stem]] = [file]
    return _from_tables(folder, title, parts, options)


def _refuse_columns(title: str, options: Options) -> None:
    for name in ("label", "features", "sample_weight", "groups"):
        if getattr(options, name):
            raise InputError(
                f"{name} names columns of a table (.csv, .parquet), but {title} holds arrays: leave it out"
                + (f", and save an array {name}" if name in ("sample_weight", "groups") else "")
            )


def _choose_arrays(where: str, found: Sequence[str], suffix: str = "") -> list[str]:
    """The arrays to read, of those that are there. Raises `InputError` if they are no data set."""
    there = set(found)
    wanted = EXPECTED if not suffix else f"{EXPECTED}; each as a file such as X{suffix}"
    first, second = {"X", "y"} <= there, {"X_train", "y_train"} <= there
    if first and second:
        raise InputError(f"{where} holds X and y, and X_train and y_train too: leave out one pair")
    if not (first or second):
        raise InputError(f"{where} holds {shorten(found)}; expected {wanted}")
    for part in ("val", "test"):
        pair = {f"X_{part}", f"y_{part}"}
        if len(pair & there) == 1:
            raise InputError(f"{where} holds {shorten(found)}; {(pair - there).pop()} is missing")
    others = {"X_train", "y_train"} if first else {"X", "y"}
    return [name for name in ARRAYS if name in there and name not in others]


def _from_arrays(path: Path, title: str, arrays: Mapping[str, np.ndarray], options: Options) -> Dataset:
    def given(part: str) -> Given | None:
        if f"X{part}" not in arrays:
            return None
        X, y = f"X{part}", f"y{part}"
        return Given(arrays[X], arrays[y], f"{title}: {X}", f"{title}: {y}")

    train = given("") or given("_train")
    assert train is not None
    weights = Weights(arrays.get("sample_weight"), options.class_weight, f"{title}: sample_weight")
    names = arrays.get("feature_names")
    about = Description(
        str(path),
        title,
        f"{title}: ",
        arrays.get("class_names"),
        None if names is None else _texts(names, title),
    )
    seed, groups = options.split_seed, arrays.get("groups")
    held_out = given("_val"), given("_test")
    return assemble(train, *held_out, weights, about, groups=groups, split_seed=seed, fresh=True)


def _texts(names: np.ndarray, title: str) -> list[str]:
    if names.ndim != 1 or names.dtype.kind != "U":
        raise InputError(f"{title}: feature_names must be F strings, got {names.dtype} {names.shape}")
    return [str(name) for name in names]


def _from_tables(path: Path, title: str, parts: Mapping[str, Sequence[Path]], options: Options) -> Dataset:
    patterns = [each for text in options.features for each in text.split(",") if each]
    given: dict[str, Given] = {}
    weights: Any = None
    groups: Any = None
    feature_names: tuple[str, ...] = ()
    for part in sorted(parts, key=["train", "val", "test"].index):
        called = title if len(parts) == 1 else f"{title}/{parts[part][0].name}"
        table = tables.open_table(called, parts[part])
        # only training uses weights and groups
        weight, group = (
            name if part == "train" or name in table.names else None
            for name in (options.sample_weight, options.groups)
        )
        columns = tables.choose_columns(table, options.label, patterns, weight, group)
        if part == "train":
            feature_names = columns.features
        match_columns(columns.features, feature_names, called)
        y, w, g, X = table.load(columns._replace(features=feature_names))
        weights, groups = (w, g) if part == "train" else (weights, groups)
        given[part] = Given(X, y, called, f"column {columns.label!r} of {called}")
    return assemble(
        given["train"],
        given.get("val"),
        given.get("test"),
        Weights(weights, options.class_weight, f"column {options.sample_weight!r} of {title}"),
        Description(str(path), title, f"{title}: ", None, feature_names),
        groups=groups,
        split_seed=options.split_seed,
        fresh=True,
    )
