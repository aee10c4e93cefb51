"""Divides examples into a training, validation and test split."""

import numpy as np

from softjax.datasets.dataset import Split
from softjax.errors import InputError


def split_stratified(
    title: str, X: np.ndarray, y: np.ndarray, *, val: float, test: float, seed: int
) -> tuple[Split, Split, Split]:
    """A training, validation and test split, drawn with `seed`, with the same share of every class in each.

    `val` and `test` are shares of all examples. Raises `InputError` if a class has too few examples.
    """
    from sklearn.model_selection import train_test_split

    try:
        rest, test_rows = train_test_split(np.arange(len(y)), test_size=test, stratify=y, random_state=seed)
        train_rows, val_rows = train_test_split(
            rest, test_size=val / (1 - test), stratify=y[rest], random_state=seed
        )
    except ValueError as error:
        raise InputError(
            f"{title}: cannot be split with every class in every part ({error}); "
            "give X_train, y_train, X_val, y_val, X_test and y_test instead of X and y"
        ) from error
    train, val_, test_ = (Split(X[rows], y[rows]) for rows in (train_rows, val_rows, test_rows))
    return train, val_, test_
