"""CIFAR-10 in the form in which the course's notebook loads it."""

from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from softjax.datasets import cifar10


def load_CIFAR10(
    root: str | Path,
) -> tuple[
    Float[np.ndarray, "N 32 32 3"],
    Int[np.ndarray, " N"],
    Float[np.ndarray, "M 32 32 3"],
    Int[np.ndarray, " M"],
]:
    """Loads the images and labels of CIFAR-10, 1.5 GB in memory.

    **Arguments:**

    - `root`: the folder cifar-10-batches-py or cifar-10-batches-bin. Code inside a pickle file is not run.

    **Returns:** training images (50000, 32, 32, 3), training labels (50000,), test images (10000, 32, 32, 3) and test
    labels (10000,). Pixels are float64 numbers from 0 to 255, labels are int64 numbers from 0 to 9.

    Raises `InputError` if the files are missing, incomplete or damaged.

    Examples:
        >>> X_train, y_train, X_test, y_test = load_CIFAR10("cifar-10-batches-py")  # doctest: +SKIP
        >>> X_train.shape, y_train.shape, X_test.shape, y_test.shape  # doctest: +SKIP
        ((50000, 32, 32, 3), (50000,), (10000, 32, 32, 3), (10000,))

    Source: https://www.cs.toronto.edu/~kriz/cifar.html
    """
    dataset = cifar10.load(Path(root), cifar10.VAL, "all")
    pixels = np.concatenate([dataset.train.X, dataset.val.X], dtype=np.float64)
    labels = np.concatenate([dataset.train.y, dataset.val.y], dtype=np.int64)
    return (
        pixels.reshape(-1, 32, 32, 3),
        labels,
        dataset.test.X.astype(np.float64).reshape(-1, 32, 32, 3),
        dataset.test.y.astype(np.int64),
    )
