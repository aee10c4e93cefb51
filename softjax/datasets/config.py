"""The options of `load_dataset`, which are also those of the command line."""

from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

from softjax.errors import InputError, check_choice, check_count, check_kinds

DATASETS = ("digits", "cifar10", "synthetic")
SUFFIXES = (".npz", ".csv", ".parquet")
ClassWeighting = Literal["none", "balanced"]


@dataclass(frozen=True)
class DataConfig:
    """Which data set, and which part of it.

    Raises:
        InputError: for an unknown data set, or an option of another data set.

    Examples:
        >>> from softjax import DataConfig
        >>> DataConfig("cifar10", val_images=5000).val_images
        5000

    Attributes:
        dataset: digits (part of scikit-learn), cifar10, synthetic, or the path of your own: a .npz, .csv or .parquet file,
            or a folder. A .npz file holds the arrays X and y, or X_train and y_train; and X_val, y_val, X_test and y_test,
            if it is split. A folder holds these as X.npy, y.npy and so on; or .csv or .parquet files, which are one table,
            or the parts if they are called train, val and test.
        data_dir: cifar10: the folder that contains cifar-10-batches-bin or cifar-10-batches-py. By default the
            folder $SOFTJAX_DATA_DIR, then the user's cache; if neither has it, the published archive is downloaded.
        val_images: cifar10: the last so many of the 50,000 training images are for validation. 1000 by default, as in the
            course. More images tell apart configurations that are tied with 1000.
        test_images: cifar10: the first so many of the 10,000 test images are used, or all. 1000 by default.
        split_seed: digits and your own: seed of the stratified split; synthetic: seed of the examples.
        num_examples: synthetic: number of examples, all three splits together. 51000 by default.
        num_features: synthetic: number of features, without the bias. 3072 by default.
        num_classes: synthetic: number of classes K. 10 by default.
        label: Tables: the column of the labels. By default the one called label, target, class or y.
        features: Tables: names of columns, or patterns such as 'emb_*', with commas or spaces between them. By default
            all but those of labels and weights.
        sample_weight: Tables: the column of the weights of examples in training. Other files hold an array sample_weight.
        class_weight: balanced gives all classes the same weight in training together.
        groups: Tables: a column; examples with the same value in it stay together in the split and in the folds of a
            cross-validation. Other files hold an array groups.
    """

    dataset: str = "digits"
    data_dir: Path | None = None
    val_images: int | None = None
    test_images: int | Literal["all"] | None = None
    split_seed: int = 0
    num_examples: int | None = None
    num_features: int | None = None
    num_classes: int | None = None
    label: str | None = None
    features: tuple[str, ...] = ()
    sample_weight: str | None = None
    class_weight: ClassWeighting = "none"
    groups: str | None = None

    def __post_init__(self) -> None:
        check_kinds(self)
        own = self.dataset not in DATASETS
        if own and not self.dataset.lower().endswith(SUFFIXES) and not _is_folder(self.dataset):
            raise InputError(
                f"unknown dataset {self.dataset!r}: expected {', '.join(DATASETS)}, a folder, or a path ending in "
                f"{', '.join(SUFFIXES)}{_suggest(self.dataset)}"
            )
        if self.data_dir is not None and self.dataset != "cifar10":
            raise InputError(f"data_dir is for the dataset cifar10, not for {self.dataset!r}")
        if self.val_images is not None:
            if self.dataset != "cifar10":
                raise InputError(f"val_images is for the dataset cifar10, not for {self.dataset!r}")
            check_count("val_images", self.val_images, most=49_999)
        if self.test_images is not None:
            if self.dataset != "cifar10":
                raise InputError(f"test_images is for the dataset cifar10, not for {self.dataset!r}")
            if not isinstance(self.test_images, str) or self.test_images != "all":
                check_count("test_images", self.test_images, most=10_000)
        check_count("split_seed", self.split_seed, least=0, most=2**31 - 1)
        if self.split_seed != 0 and self.dataset == "cifar10":
            raise InputError(
                "split_seed is for digits, synthetic and data of your own; the splits of cifar10 are fixed"
            )
        for name, least in (("num_examples", 10), ("num_features", 1), ("num_classes", 2)):
            value = getattr(self, name)
            if value is not None:
                if self.dataset != "synthetic":
                    raise InputError(f"{name} is for the dataset synthetic, not for {self.dataset!r}")
                check_count(name, value, least=least)
        for name in ("label", "features", "sample_weight", "groups"):
            if getattr(self, name) and not own:
                raise InputError(
                    f"{name} names columns of a table of your own; the dataset is {self.dataset}"
                )
        check_choice("class_weight", self.class_weight, ClassWeighting)


def _is_folder(name: str) -> bool:
    with suppress(OSError, ValueError, RuntimeError):  # no possible name of a folder
        return name != "" and Path(name).expanduser().is_dir()
    return False


def _suggest(name: str) -> str:
    """What an unknown name may mean; empty if nothing is like it."""
    with suppress(OSError, ValueError):  # no possible name of a file
        path = Path(name)
        for suffix in SUFFIXES:
            if name and Path(f"{name}{suffix}").is_file():
                return f"; did you mean {name}{suffix}?"
        if path.is_file():
            if path.suffix.lower() == ".npy":
                return f"; {name} is a single array: give the folder that holds X.npy and y.npy"
            return f"; {name} is of none of these formats: save its arrays X and y with numpy.savez, or its table as .csv"
    near = get_close_matches(name.lower(), DATASETS, n=1)
    return f"; did you mean {near[0]}?" if near else ""
