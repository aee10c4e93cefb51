"""The file of a classifier: one .npz of arrays, with all that is no array as JSON in one of them. Nothing is pickled."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from softjax.datasets.dataset import Schema
from softjax.datasets.preprocess import Preprocessing
from softjax.errors import InputError
from softjax.npz import list_arrays, read_arrays, shorten
from softjax.runs.files import raise_as_input_error, write_arrays

FORMAT = 1
NAME = "classifier.npz"  # in the folder of a report
ABOUT = "about"  # the array that holds the JSON

Fields = tuple[np.ndarray, Preprocessing, Schema, dict[str, Any]]


def write_classifier(
    path: Path,
    W: Float[np.ndarray, "D K"],
    preprocessing: Preprocessing,
    schema: Schema,
    config: dict[str, Any],
) -> None:
    """Writes the file, as a whole or not at all: W, mean, scale (if there is one), class_names, and about."""
    about = {"format": FORMAT, "schema": asdict(schema), "config": config}
    arrays: dict[str, Any] = {
        ABOUT: np.array(json.dumps(about).encode("ascii")),
        "W": W,
        "class_names": np.array(schema.class_names),
        **{name: array for name, array in preprocessing._asdict().items() if array is not None},
    }
    with raise_as_input_error(f"{path} cannot be written"):
        write_arrays(path, arrays)


def read_classifier(path: Path) -> Fields:
    """Weights, preprocessing, schema and configuration from a file, or from that in the folder of a report.

    Raises `InputError` if it is missing, damaged, no classifier, or of a newer format.
    """
    path = path / NAME if path.is_dir() else path
    found = list_arrays(path)
    if ABOUT not in found:
        raise InputError(f"{path} is no classifier of softjax: it holds {shorten(found)}")
    arrays = read_arrays(path, [ABOUT])
    try:
        about = json.loads(arrays[ABOUT].item())
        number = about["format"]
    except (TypeError, ValueError, KeyError, RecursionError) as error:
        raise InputError(f"{path} is no classifier of softjax, or damaged: {ABOUT} cannot be read") from error
    if number != FORMAT:
        raise InputError(
            f"{path} is a classifier of format {number!r}, expected {FORMAT}: read it with the version of softjax "
            "that wrote it, or a newer one"
        )
    arrays = read_arrays(path, ["W", "mean", *({"scale"} & set(found))])
    preprocessing = Preprocessing(arrays["mean"], arrays.get("scale"))
    return arrays["W"], preprocessing, _read_schema(path, about), _read_config(path, about)


def _read_config(path: Path, about: dict[str, Any]) -> dict[str, Any]:
    config = about.get("config")
    if not isinstance(config, dict):
        raise InputError(f"{path} is damaged: its config is no record")
    return config


def _read_schema(path: Path, about: dict[str, Any]) -> Schema:
    kinds = {"classes": str | int | float, "class_names": str, "feature_names": str, "image_shape": int}
    optional = ("feature_names", "image_shape")
    schema = about.get("schema")
    values = {name: schema.get(name) for name in kinds} if isinstance(schema, dict) else dict.fromkeys(kinds)
    for name, kind in kinds.items():
        value = values[name]
        if value is None and name in optional:
            continue
        if not isinstance(value, list) or not all(isinstance(each, kind) for each in value):
            raise InputError(f"{path} is damaged: its {name} cannot be read")
    read: dict[str, Any] = {name: value if value is None else tuple(value) for name, value in values.items()}
    return Schema(**read)
