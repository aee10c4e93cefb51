"""Cross-validation: folds of the training and validation examples together. A fold is what is held out of a run's training."""

from dataclasses import replace

import numpy as np
from jaxtyping import Int

from softjax.datasets.dataset import Dataset, Split
from softjax.errors import InputError


def name_validation(num_folds: int) -> str:
    """The name of what the configuration is chosen by: validation, or with folds cross-validation."""
    return "cross-validation" if num_folds else "validation"


def merge_parts(dataset: Dataset) -> Dataset:
    """The data set with its training and validation examples together, as both its training and its validation split."""
    parts = (dataset.train, dataset.val)
    weight = None
    if dataset.train.weight is not None:
        weight = np.concatenate([_weights(part) for part in parts])
    group = dataset.train.group
    if group is not None:  # a validation example that was given without one is a group of its own
        alone = len(dataset.train) + len(dataset.val) + np.arange(len(dataset.val))
        group = np.concatenate([group, alone if dataset.val.group is None else dataset.val.group])
    merged = Split(
        np.concatenate([part.X for part in parts]), np.concatenate([part.y for part in parts]), weight, group
    )
    return replace(dataset, train=merged, val=merged)


def assign_folds(dataset: Dataset, num_folds: int, seed: int) -> Int[np.ndarray, " N"]:
    """The fold of each training example, 0..`num_folds` − 1, drawn with `seed`.

    Each fold has about the same share of every class. Examples of the same group, if the data set has groups, are in the same
    fold.

    Raises `InputError` if a class has fewer examples than there are folds, there are fewer groups than folds, or a class is held
    out as a whole, so that it is not there in training.
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    y, group = dataset.train.y, dataset.train.group
    counts = np.bincount(y, minlength=dataset.num_classes)
    if counts.min() < num_folds:
        raise InputError(
            f"{dataset.title}: {num_folds} folds need as many examples of each class, and the class "
            f"{dataset.class_names[counts.argmin()]} has {counts.min()}: use fewer folds"
        )
    if group is not None and len(np.unique(group)) < num_folds:
        raise InputError(
            f"{dataset.title}: {num_folds} folds need as many groups, and there are {len(np.unique(group))}: use fewer folds"
        )
    kind = StratifiedKFold if group is None else StratifiedGroupKFold
    folds = np.empty(len(y), np.int32)
    for number, (_, held_out) in enumerate(
        kind(num_folds, shuffle=True, random_state=seed).split(np.zeros(len(y)), y, group)
    ):
        folds[held_out] = number
    for number in range(num_folds):
        trained = np.bincount(y[folds != number], minlength=dataset.num_classes)
        if trained.min() == 0:
            raise InputError(
                f"{dataset.title}: all examples of the class {dataset.class_names[trained.argmin()]} are in fold {number}, as "
                "groups stay together: use fewer folds, or other groups"
            )
    return folds


def _weights(part: Split) -> np.ndarray:
    return np.ones(len(part)) if part.weight is None else part.weight
