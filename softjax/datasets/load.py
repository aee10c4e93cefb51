"""Loads a data set by its name."""

from pathlib import Path
from typing import Literal

from softjax.datasets.config import DATASETS, ClassWeighting, DataConfig
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
    label: str | None = None,
    features: str | list[str] | tuple[str, ...] = (),
    sample_weight: str | None = None,
    class_weight: ClassWeighting = "none",
    groups: str | None = None,
) -> Dataset:
    """Loads a data set by its name, split into training, validation and test examples.

    **Arguments:**

    - `name`: `"digits"` (part of scikit-learn), `"cifar10"`, `"synthetic"`, or the path of your own: a `.npz`, `.csv` or
      `.parquet` file, or a folder of `.npy`, `.csv` or `.parquet` files. Arrays are X and y, or X_train and y_train; X_val
      and y_val, X_test and y_test, sample_weight, class_names and feature_names may be beside them. The tables of a folder
      are one, in the order of their names, or the parts if they are called train, val and test.
    - `data_dir`: CIFAR-10: the folder of the data; no other folder is searched. Without it, `$SOFTJAX_DATA_DIR` is
      searched, then the user's cache; if neither has the data, the published archive is downloaded.
    - `val_images`: CIFAR-10: the last so many of the 50,000 training images are for validation (1,000 by default, as in
      the course).
    - `test_images`: CIFAR-10: the first so many of the 10,000 test images are used (1,000 by default, as in the
      course), or `"all"`.
    - `split_seed`: seed of the stratified split (digits, your own) or of the synthetic examples.
    - `num_examples`, `num_features`, `num_classes`: size of the synthetic data set (51,000, 3072 and 10 by default).
    - `label`: tables: the column of the labels; by default the one called label, target, class or y.
    - `features`: tables: names of columns, or patterns such as `"emb_*"`; by default all but those of labels and weights.
    - `sample_weight`: tables: the column of the weights of examples in training.
    - `groups`: tables: a column; examples with the same value in it stay together in the split and in the folds of a
      cross-validation. Other files hold an array `groups`.
    - `class_weight`: `"balanced"`, so that all classes have the same weight in training together, or `"none"`.

    **Returns:** a `Dataset`. Its features are not preprocessed: uint8 pixels or floats, without a bias column.

    Raises `InputError` if the data set is unknown, missing, incomplete or damaged, if its features are no finite numbers or
    its labels neither text, whole numbers nor booleans, if an argument belongs to another data set, if it cannot fit into
    memory, and if no library is installed that reads tables.

    Examples:
        >>> from softjax import load_dataset
        >>> digits = load_dataset("digits")
        >>> digits.train.X.shape, digits.num_classes
        ((1257, 64), 10)
    """
    data_dir = Path(data_dir) if isinstance(data_dir, str) else data_dir
    if isinstance(features, str | list):
        features = (features,) if isinstance(features, str) else tuple(features)
    config = DataConfig(
        name,
        data_dir,
        val_images,
        test_images,
        split_seed,
        num_examples,
        num_features,
        num_classes,
        label,
        features,
        sample_weight,
        class_weight,
        groups,
    )
    weight = None if config.class_weight == "none" else config.class_weight
    if config.dataset in DATASETS:
        from softjax.datasets import arrays

        return arrays.as_dataset(_load_known(config), class_weight=weight)
    from softjax.datasets import files

    try:
        path = Path(config.dataset).expanduser()
    except RuntimeError as error:
        raise InputError(f"{config.dataset} cannot be read: there is no such user") from error
    options = files.Options(
        config.split_seed, config.label, config.features, config.sample_weight, weight, config.groups
    )
    return files.load(path, options)


def _load_known(config: DataConfig) -> Dataset:
    """A data set that comes with the package, or is downloaded."""
    match config.dataset:
        case "digits":
            from softjax.datasets import digits

            return digits.load(config.split_seed)
        case "cifar10":
            from softjax.datasets import cifar10

            return cifar10.load(
                config.data_dir, config.val_images or cifar10.VAL, config.test_images or cifar10.TEST
            )
        case _:
            from softjax.datasets import synthetic

            N, F, K = config.num_examples or 51_000, config.num_features or 3072, config.num_classes or 10
            needed = {"features (examples × features)": N * F, "labels": 4 * N, "class means": K * F}
            check_memory("the data set", needed)
            return synthetic.load(N, F, K, config.split_seed)
