"""CIFAR-10 as the course's notebook loads it."""

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
    """Xtr (50000, 32, 32, 3), ytr, Xte (10000, 32, 32, 3), yte: pixels 0..255 as float64, 1.5 GB in all; labels 0..9.

    **Arguments:**

    - `root`: the folder cifar-10-batches-py, or cifar-10-batches-bin. Code that a pickle file may contain is not run.

    Raises `InputError` if the files are missing, incomplete or damaged.
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
