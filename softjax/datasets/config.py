"""The options of `load_dataset`, which are also those of the command line."""

from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

from softjax.errors import InputError, check_count, check_kinds

DATASETS = ("digits", "cifar10", "synthetic")


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
        dataset: digits (part of scikit-learn), cifar10, synthetic, or the path of a .npz file. The file holds the arrays
            X and y, or X_train, y_train, X_val, y_val, X_test and y_test.
        data_dir: cifar10: the folder that contains cifar-10-batches-bin or cifar-10-batches-py. By default the
            folder $SOFTJAX_DATA_DIR, then the user's cache; if neither has it, the published archive is downloaded.
        val_images: cifar10: the last so many of the 50,000 training images are for validation. 1000 by default, as in the
            course. More images tell apart configurations that are tied with 1000.
        test_images: cifar10: the first so many of the 10,000 test images are used, or all. 1000 by default.
        split_seed: digits and .npz: seed of the stratified split; synthetic: seed of the examples.
        num_examples: synthetic: number of examples, all three splits together. 51000 by default.
        num_features: synthetic: number of features, without the bias. 3072 by default.
        num_classes: synthetic: number of classes K. 10 by default.
    """

    dataset: str = "digits"
    data_dir: Path | None = None
    val_images: int | None = None
    test_images: int | Literal["all"] | None = None
    split_seed: int = 0
    num_examples: int | None = None
    num_features: int | None = None
    num_classes: int | None = None

    def __post_init__(self) -> None:
        check_kinds(self)
        if self.dataset not in DATASETS and not self.dataset.endswith(".npz"):
            raise InputError(
                f"unknown dataset {self.dataset!r}: expected {', '.join(DATASETS)} or a path ending in .npz"
                + _suggest(self.dataset)
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
            raise InputError("split_seed is for digits, synthetic and .npz; the splits of cifar10 are fixed")
        for name, least in (("num_examples", 10), ("num_features", 1), ("num_classes", 2)):
            value = getattr(self, name)
            if value is not None:
                if self.dataset != "synthetic":
                    raise InputError(f"{name} is for the dataset synthetic, not for {self.dataset!r}")
                check_count(name, value, least=least)


def _suggest(name: str) -> str:
    """What an unknown name may mean; empty if nothing is like it."""
    with suppress(OSError, ValueError):  # no possible name of a file
        if Path(f"{name}.npz").is_file():
            return f"; did you mean {name}.npz?"
        if Path(name).is_file():
            return f"; {name} is no .npz file: save its arrays X and y with numpy.savez"
    near = get_close_matches(name.lower(), DATASETS, n=1)
    return f"; did you mean {near[0]}?" if near else ""
