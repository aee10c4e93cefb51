"""A data set by name."""

from pathlib import Path
from typing import Literal

from softjax.datasets.config import DataConfig
from softjax.datasets.dataset import Dataset


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
    """A data set by name.

    **Arguments:**

    - `name`: `"digits"` (scikit-learn's, always there), `"cifar10"`, `"synthetic"`, or the path of a `.npz`
      file with arrays X and y, or X_train, y_train, X_val, y_val, X_test and y_test.
    - `data_dir`: CIFAR-10's folder, and final: nothing else is looked at. Without it `$SOFTJAX_DATA_DIR` is,
      then the user's cache, and the published archive is downloaded where neither has it.
    - `val_images`: of CIFAR-10's 50,000 training images, how many are for validation, from the last on (1,000, as in
      the course, by default).
    - `test_images`: of CIFAR-10's 10,000 test images, how many are used from the first on (1,000, as in the
      course, by default), or `"all"`.
    - `split_seed`: seed of the stratified split (digits, .npz) or of the synthetic examples.
    - `num_examples`, `num_features`, `num_classes`: size of the synthetic data set.

    Raises `InputError` where the data set is unknown, missing, incomplete or damaged, where its features are
    not finite or its labels not 0..K−1, or where an argument is not for this data set.
    """
    data_dir = Path(data_dir) if data_dir is not None else None
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

            return synthetic.load(
                config.num_examples or 51_000,
                config.num_features or 3072,
                config.num_classes or 10,
                config.split_seed,
            )
        case path:
            from softjax.datasets import arrays

            return arrays.load(Path(path).expanduser(), config.split_seed)
