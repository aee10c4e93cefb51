"""Divides examples into a training, validation and test split."""

import numpy as np

from softjax.datasets.dataset import Split
from softjax.errors import InputError


def split_stratified(
    title: str, X: np.ndarray, y: np.ndarray, *, val: int, test: int, seed: int
) -> tuple[Split, Split, Split]:
    """A training, validation and test split, drawn with `seed`, with the same share of every class in each.

    `val` and `test` are shares of all examples in percent. Where they are no whole numbers of examples, they are rounded
    up. Raises `InputError` if a class has too few examples.
    """
    from sklearn.model_selection import train_test_split

    # in whole numbers: as a floating number, a tenth of all can be more than a tenth
    num_test = -(-len(y) * test // 100)
    num_val = -(-(len(y) - num_test) * val // (100 - test))
    try:
        rest, test_rows = train_test_split(
            np.arange(len(y)), test_size=num_test, stratify=y, random_state=seed
        )
        train_rows, val_rows = train_test_split(rest, test_size=num_val, stratify=y[rest], random_state=seed)
    except ValueError as error:
        labels, counts = np.unique(y, return_counts=True)
        rarest = f", the rarest ({labels[counts.argmin()]}) with {counts.min()}" if len(y) else ""
        raise InputError(
            f"{title} cannot be split {100 - val - test} : {val} : {test} with every class in every part: it holds "
            f"{len(y)} examples of {len(labels)} classes{rarest}; give X_train, y_train, X_val, y_val, X_test and "
            "y_test instead of X and y"
        ) from error
    train, val_, test_ = (Split(X[rows], y[rows]) for rows in (train_rows, val_rows, test_rows))
    return train, val_, test_
