"""Loads a data set by its name."""

from pathlib import Path
from typing import Literal

from softjax.datasets.config import DataConfig
from softjax.datasets.dataset import Dataset
from softjax.errors import InputError
from softjax.memory import check_memory


def load_dataset(
    name: str = "digits",
    data_dir: str | Path | None = None,
    *,
    val_images: int | None = None,
    test_images: int | Literal["all"] | None = None,
    split_seed: int = 0,
    num_examples: int | None = None,
    num_features: int | None = None,
    num_classes: int | None = None,
) -> Dataset:
    """Loads a data set by its name, split into training, validation and test examples.

    **Arguments:**

    - `name`: `"digits"` (part of scikit-learn), `"cifar10"`, `"synthetic"`, or the path of a `.npz` file with the arrays
      X and y, or X_train, y_train, X_val, y_val, X_test and y_test.
    - `data_dir`: CIFAR-10: the folder of the data; no other folder is searched. Without it, `$SOFTJAX_DATA_DIR` is
      searched, then the user's cache; if neither has the data, the published archive is downloaded.
    - `val_images`: CIFAR-10: the last so many of the 50,000 training images are for validation (1,000 by default, as in
      the course).
    - `test_images`: CIFAR-10: the first so many of the 10,000 test images are used (1,000 by default, as in the
      course), or `"all"`.
    - `split_seed`: seed of the stratified split (digits, .npz) or of the synthetic examples.
    - `num_examples`, `num_features`, `num_classes`: size of the synthetic data set (51,000, 3072 and 10 by default).

    **Returns:** a `Dataset`. Its features are not preprocessed: uint8 pixels or floats, without a bias column.

    Raises `InputError` if the data set is unknown, missing, incomplete or damaged, if its features are not finite or its
    labels are not 0..K−1, if an argument belongs to another data set, or if it cannot fit into memory.

    Examples:
        >>> from softjax import load_dataset
        >>> digits = load_dataset("digits")
        >>> digits.train.X.shape, digits.num_classes
        ((1257, 64), 10)
    """
    data_dir = Path(data_dir) if isinstance(data_dir, str) else data_dir
    config = DataConfig(
        name, data_dir, val_images, test_images, split_seed, num_examples, num_features, num_classes
    )
    match config.dataset:
        case "digits":
            from softjax.datasets import digits

            return digits.load(config.split_seed)
        case "cifar10":
            from softjax.datasets import cifar10

            return cifar10.load(
                config.data_dir, config.val_images or cifar10.VAL, config.test_images or cifar10.TEST
            )
        case "synthetic":
            from softjax.datasets import synthetic

            N, F, K = config.num_examples or 51_000, config.num_features or 3072, config.num_classes or 10
            needed = {"features (examples × features)": N * F, "labels": 4 * N, "class means": K * F}
            check_memory("the data set", needed)
            return synthetic.load(N, F, K, config.split_seed)
        case path:
            from softjax.datasets import arrays

            try:
                file = Path(path).expanduser()
            except RuntimeError as error:
                raise InputError(f"{path} cannot be read: there is no such user") from error
            return arrays.load(file, config.split_seed)
