"""Divides examples into a training, validation and test split."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int, Shaped

from softjax.datasets.arraylike import show
from softjax.datasets.dataset import Label, Split
from softjax.errors import InputError

COLUMN_BLOCKS = 8  # rows are put into another order in this many blocks of columns: memory for one is needed


def split_stratified(
    title: str, X: np.ndarray, y: np.ndarray, *, val: int, test: int, seed: int
) -> tuple[Split, Split, Split]:
    """A training, validation and test split, drawn with `seed`, with the same share of every class in each.

    The rows of X are put into another order in place, and the splits are views of them.

    `val` and `test` are shares of all examples in percent. Where they are no whole numbers of examples, they are rounded
    up. Raises `InputError` if a class has too few examples.
    """
    rows = draw_rows(title, y, val=val, test=test, seed=seed)
    reorder(X, np.concatenate(rows))
    ends = np.cumsum([len(each) for each in rows])
    train, val_, test_ = (
        Split(X[end - len(each) : end], y[each]) for each, end in zip(rows, ends, strict=True)
    )
    return train, val_, test_


def draw_rows(
    title: str,
    y: Int[np.ndarray, " N"],
    *,
    val: int,
    test: int,
    seed: int,
    classes: Sequence[Label] | None = None,
    group: Int[np.ndarray, " N"] | None = None,
) -> tuple[Int[np.ndarray, " a"], Int[np.ndarray, " b"], Int[np.ndarray, " c"]]:
    """The rows of the training, validation and test split: see `split_stratified`. A share of 0 makes a split empty.

    `classes` are the labels that errors show, by default 0..K−1. Examples of the same `group` stay together; shares are then
    only about right.
    """
    from sklearn.model_selection import train_test_split

    if group is not None:
        return _draw_groups(title, y, group, val=val, test=test, seed=seed)
    # in whole numbers: as a floating number, a tenth of all can be more than a tenth
    num_test = -(-len(y) * test // 100)
    num_val = -(-(len(y) - num_test) * val // (100 - test))
    train_rows, test_rows = np.arange(len(y)), np.arange(0)
    val_rows = test_rows
    try:
        if test:
            train_rows, test_rows = train_test_split(
                train_rows, test_size=num_test, stratify=y, random_state=seed
            )
        if val:
            train_rows, val_rows = train_test_split(
                train_rows, test_size=num_val, stratify=y[train_rows], random_state=seed
            )
    except ValueError as error:
        found, counts = np.unique(y, return_counts=True)
        rarest = ""
        if len(y):
            label = found[counts.argmin()]
            rarest = (
                f", the rarest ({show(label if classes is None else classes[label])}) with {counts.min()}"
            )
        shares = " : ".join(str(each) for each in (100 - val - test, val, test) if each)
        wanted = " and ".join(
            f"X_{part} and y_{part}" for part, share in (("val", val), ("test", test)) if share
        )
        raise InputError(
            f"{title} cannot be split {shares} with every class in every part: it holds {len(y)} examples of "
            f"{len(found)} classes{rarest}; add examples of it or leave it out, or give {wanted} of your own"
        ) from error
    return train_rows, val_rows, test_rows


def _draw_groups(
    title: str, y: Int[np.ndarray, " N"], group: Int[np.ndarray, " N"], *, val: int, test: int, seed: int
) -> tuple[Int[np.ndarray, " a"], Int[np.ndarray, " b"], Int[np.ndarray, " c"]]:
    """As `draw_rows`, with whole groups: each held-out part is one of as many folds as fit its share."""
    from sklearn.model_selection import StratifiedGroupKFold

    rest, parts, left = np.arange(len(y)), {"val": np.arange(0), "test": np.arange(0)}, 100
    for part, share in (("test", test), ("val", val)):
        if not share:
            continue
        folds = StratifiedGroupKFold(round(left / share), shuffle=True, random_state=seed)
        try:
            kept, held_out = next(folds.split(np.zeros(len(rest)), y[rest], group[rest]))
        except ValueError as error:
            raise InputError(
                f"{title}: {share} % of the examples cannot be split off with {len(np.unique(group))} groups that stay together, "
                f"in {round(left / share)} parts of which every class has examples: give X_{part} and y_{part} of your own"
            ) from error
        parts[part], rest, left = rest[held_out], rest[kept], left - share
    return rest, parts["val"], parts["test"]


def reorder(X: Shaped[np.ndarray, "N F"], rows: Int[np.ndarray, " M"]) -> None:
    """Makes `X[rows]` the first rows of X, in place, and without a copy of all of it.

    Examples:
        >>> X = np.array([[1, 2], [3, 4], [5, 6]])
        >>> reorder(X, np.array([2, 0]))
        >>> X[:2]
        array([[5, 6],
               [1, 2]])
    """
    width = max(-(-X.shape[1] // COLUMN_BLOCKS), 1)
    for start in range(0, X.shape[1], width):
        columns = slice(start, start + width)
        X[: len(rows), columns] = X[rows, columns]


def take(X: Shaped[np.ndarray, "N F"], rows: Int[np.ndarray, " M"]) -> Shaped[np.ndarray, "M F"]:
    """`X[rows]`, in the order of rows in memory, with nothing else in memory meanwhile."""
    taken = np.empty((len(rows), X.shape[1]), X.dtype)
    if X.flags.c_contiguous:
        return np.take(
            X, rows, axis=0, out=taken, mode="clip"
        )  # of rows that exist; the others need a buffer
    width = max(-(-X.shape[1] // COLUMN_BLOCKS), 1)
    for start in range(0, X.shape[1], width):
        columns = slice(start, start + width)
        taken[:, columns] = X[rows, columns]
    return taken
