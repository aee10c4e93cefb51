"""Scores, probabilities and labels of examples, from the weights of a classifier."""

from typing import Any, NoReturn

import numpy as np
from jaxtyping import Float, Int, Num, Shaped

from softjax.datasets.arraylike import is_frame
from softjax.datasets.dataset import Label, Schema, Split
from softjax.datasets.features import read_features
from softjax.datasets.labels import number_as, read_labels
from softjax.datasets.preprocess import Preprocessing
from softjax.errors import InputError
from softjax.evaluation.examples import score_split


def compute_scores(
    W: Float[np.ndarray, "D K"], preprocessing: Preprocessing, schema: Schema, X: Any
) -> Float[np.ndarray, "N K"]:
    """The scores (N, K) of examples as a user gives them: an array, a tensor or a frame, not preprocessed.

    Raises `InputError` if they do not have the classifier's features, or one of them is not finite or too large.
    """
    features = _read_examples(schema, len(W) - 1, X)
    split = Split(features, np.zeros(len(features), np.int32))
    with np.errstate(over="ignore", invalid="ignore"):  # refused below
        scores = score_split(W, preprocessing, split)
    finite = np.isfinite(scores).all(axis=1)
    if not finite.all():
        _refuse(int(np.argmin(finite)), features, preprocessing, schema, W.dtype.name)
    return scores


def softmax(scores: Float[np.ndarray, "N K"]) -> Float[np.ndarray, "N K"]:
    """The probabilities (N, K) of the classes."""
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    probabilities: np.ndarray = e / e.sum(axis=1, keepdims=True)
    return probabilities


def log_softmax(scores: Float[np.ndarray, "N K"]) -> Float[np.ndarray, "N K"]:
    """The logarithms of the probabilities. They keep their digits where one probability is close to 1."""
    top = scores.argmax(axis=1)[:, None]
    below = scores - np.take_along_axis(scores, top, axis=1)
    others = np.exp(below)
    np.put_along_axis(others, top, 0, axis=1)
    logarithms: np.ndarray = below - np.log1p(others.sum(axis=1, keepdims=True))
    return logarithms


def list_classes(classes: tuple[Label, ...]) -> Shaped[np.ndarray, " K"]:
    """The labels as an array of their own type, or of objects where no type of NumPy holds them all."""
    array = np.array(classes)
    back = array.tolist()  # where NumPy has changed a label, such as 2**63 beside -1, or 1 beside "a"
    kept = back == list(classes) and list(map(type, back)) == list(map(type, classes))
    return array if kept else np.array(classes, object)


def encode_labels(y: Any, classes: tuple[Label, ...], num_examples: int) -> Int[np.ndarray, " N"]:
    """The numbers 0..K−1 of labels as a user writes them.

    Raises `InputError` if there are not as many as examples, or one of them is no class.
    """
    codes = number_as(read_labels(y), classes, "y")
    if len(codes) != num_examples:
        raise InputError(f"y must hold a label of each of the {num_examples:,} examples, got {len(codes):,}")
    return codes


def _read_examples(schema: Schema, num_features: int, X: Any) -> Num[np.ndarray, "N F"]:
    """The features in the classifier's order. Those of a frame are matched by name where the classifier has names."""
    names = schema.feature_names if is_frame(X) else None
    features, _, image_shape = read_features(X, feature_names=names)
    if features.shape[1] != num_features:
        raise InputError(
            f"X has {features.shape[1]:,} features, and the classifier was trained with {num_features:,}"
        )
    if None not in (image_shape, schema.image_shape) and image_shape != schema.image_shape:
        raise InputError(
            f"X holds images of {image_shape}, and the classifier was trained with {schema.image_shape}"
        )
    return features


def _refuse(
    row: int, features: Num[np.ndarray, "N F"], preprocessing: Preprocessing, schema: Schema, dtype: str
) -> NoReturn:
    """Raises an `InputError` that names the largest feature of an example whose scores are not finite."""
    values = np.asarray(features[row], np.float64)
    with np.errstate(over="ignore"):
        distance = np.abs(values - preprocessing.mean)
        if preprocessing.scale is not None:
            distance = distance * np.asarray(preprocessing.scale)
    column = int(np.argmax(distance))
    name = repr(schema.feature_names[column]) if schema.feature_names is not None else str(column)
    raise InputError(f"column {name} of X is {values[column]:g} in row {row}, too large for {dtype}")
