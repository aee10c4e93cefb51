"""Random examples for benchmarks, of any N, D and K; by default of the size of CIFAR-10."""

import numpy as np

from softjax.datasets.dataset import Dataset, Split, build_dataset


def load(num_examples: int, num_features: int, num_classes: int, seed: int) -> Dataset:
    """Random uint8 pixels: one random template per class, plus noise. The classes have equal sizes.

    **Arguments:**

    - `num_examples`: N of the three splits together. Validation and test split have 1/51 of them each, rounded up.
    - `num_features`: number of features, without the bias.
    - `num_classes`: K.
    - `seed`: the same seed gives the same pixels on every machine.
    """
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(num_examples, dtype=np.int32) % num_classes)
    templates = rng.integers(96, 160, (num_classes, num_features), dtype=np.uint8)
    X = np.empty((num_examples, num_features), dtype=np.uint8)
    for start in range(0, num_examples, 1000):  # in blocks, to keep the noise small in memory
        rows = slice(start, start + 1000)
        noise = rng.integers(-96, 96, X[rows].shape, dtype=np.int16)
        X[rows] = templates[y[rows]] + noise
    held_out = -(-num_examples // 51)
    splits = np.split(np.arange(num_examples), [num_examples - 2 * held_out, num_examples - held_out])
    title = f"synthetic (N = {num_examples}, D = {num_features + 1}, K = {num_classes})"
    train, val, test = (slice(rows[0], rows[-1] + 1) for rows in splits)
    return build_dataset(
        "synthetic",
        title,
        (Split(X[train], y[train]), Split(X[val], y[val]), Split(X[test], y[test])),
        class_names=[str(k) for k in range(num_classes)],
    )
