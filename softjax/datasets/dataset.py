"""The type of every data set: three splits, their names and shapes."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, UInt8

from softjax.errors import LARGEST_COUNT, InputError, check_count
from softjax.weights import ClassWeight

HASHED = 2**20  # bytes at a time

Label = str | int | float | bool
"""A label as a user writes it."""


@dataclass(frozen=True)
class Split:
    """Examples: features X (N, D − 1), without the bias column, as uint8 pixels or floats; labels y (N,), 0..K−1.

    `weight` (N,) says how often each example counts, in float64; None for once each. Only training uses it. `group` (N,) numbers
    groups that cross-validation keeps together; None if there are none.

    Examples:
        >>> import numpy as np
        >>> from softjax import Split
        >>> len(Split(X=np.zeros((4, 2)), y=np.array([0, 1, 0, 1])))
        4
    """

    X: UInt8[np.ndarray, "N F"] | Float[np.ndarray, "N F"]
    y: Int[np.ndarray, " N"]
    weight: Float[np.ndarray, " N"] | None = None
    group: Int[np.ndarray, " N"] | None = None

    def __len__(self) -> int:
        return len(self.y)


@dataclass(frozen=True)
class Schema:
    """What the columns of X and the labels 0..K−1 stand for.

    Attributes:
        classes: The K labels as the user wrote them.
        class_names: Their names in reports.
        feature_names: The names of the columns of X, or None if they have none.
        image_shape: The shape of a row of X as an image, or None.
    """

    classes: tuple[Label, ...]
    class_names: tuple[str, ...]
    feature_names: tuple[str, ...] | None = None
    image_shape: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Dataset:
    """A data set in three parts.

    Raises:
        InputError: for fewer than two classes.

    Examples:
        >>> from softjax import load_dataset
        >>> digits = load_dataset("digits")
        >>> [len(split) for split in (digits.train, digits.val, digits.test)]
        [1257, 270, 270]

    Attributes:
        name: The name, as in `load_dataset`.
        title: The name in reports.
        train: The training split, not preprocessed.
        val: The validation split.
        test: The test split.
        class_names: K names, in the order of the labels.
        image_shape: The shape of a row of X as an image, (height, width) or (height, width, 3); None if it is no image.
        fingerprint: Hexadecimal hash of all features, labels and weights.
        classes: K labels as the user wrote them; by default 0..K−1.
        feature_names: The names of the columns of X, or None if they have none.
    """

    name: str
    title: str
    train: Split
    val: Split
    test: Split
    class_names: tuple[str, ...]
    image_shape: tuple[int, ...] | None
    fingerprint: str
    classes: tuple[Label, ...] = ()
    feature_names: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if not self.classes:
            object.__setattr__(self, "classes", tuple(range(len(self.class_names))))
        if len(self.class_names) < 2:
            raise InputError(
                f"{self.title}: a classifier needs at least two classes, but there is "
                f"{', '.join(map(str, self.class_names)) or 'none'} alone"
            )

    @staticmethod
    def from_arrays(
        X: object,
        y: object,
        *,
        X_val: object = None,
        y_val: object = None,
        X_test: object = None,
        y_test: object = None,
        sample_weight: object = None,
        class_weight: ClassWeight = None,
        groups: object = None,
        class_names: Sequence[str] | None = None,
        feature_names: Sequence[str] | None = None,
        image_shape: tuple[int, ...] | None = None,
        name: str = "arrays",
        split_seed: int = 0,
    ) -> "Dataset":
        """A data set from arrays in memory: NumPy, JAX, PyTorch, pandas, polars, or lists.

        What is not given of the validation and the test examples is split off X and y, with the same share of each class:
        10 % for each of them.

        uint8, float32 and float64 features are kept; where validation and test are given too, so is their memory, which
        must then not be changed. bool becomes uint8, and all others float32, or float64 where float32 cannot hold them.

        **Arguments:**

        - `X`: features (N, F), or images (N, height, width), (N, height, width, 1) or (N, height, width, 3).
        - `y`: labels (N,) or (N, 1): text, whole numbers or booleans. Their classes are sorted.
        - `X_val`, `y_val`, `X_test`, `y_test`: held-out examples. Columns of a frame are matched by name.
        - `sample_weight`: (N,), how often each example counts in training. One of weight 0 does not.
        - `class_weight`: `"balanced"`, so that all classes weigh the same; or the weights of classes, by their labels,
          others having 1. They multiply `sample_weight`. Accuracies count every example once.
        - `groups`: (N,), text or whole numbers. Examples of the same group stay together in the split, and in the folds of a
          cross-validation.
        - `class_names`: K names in the order of the classes; by default the labels as text.
        - `feature_names`: F names; by default those of a frame.
        - `image_shape`: (height, width) or (height, width, 3) of images that are given as rows.
        - `name`: the name in reports.
        - `split_seed`: of the split, from 0 to 2**31 − 1.

        Raises `InputError` if features are not finite numbers, labels are missing or not of one kind, or held-out ones
        unknown; if weights are negative, not finite or all zero; if a class has too few examples to be split; and if
        columns, lengths or shapes do not fit. It names the column, the row, or the class.

        Examples:
            >>> import numpy as np
            >>> from softjax import Dataset
            >>> X, y = np.arange(60.0).reshape(30, 2), ["cat", "dog", "owl"] * 10
            >>> dataset = Dataset.from_arrays(X, y, class_weight="balanced")
            >>> dataset.classes, len(dataset.train), len(dataset.val), len(dataset.test)
            (('cat', 'dog', 'owl'), 24, 3, 3)
        """
        from softjax.datasets import arrays

        given = {"val": (X_val, y_val), "test": (X_test, y_test)}
        held_out: dict[str, arrays.Given | None] = {}
        for part, (features, labels) in given.items():
            if (features is None) != (labels is None):
                there, lacks = (f"X_{part}", f"y_{part}") if labels is None else (f"y_{part}", f"X_{part}")
                raise InputError(f"{there} is given without {lacks}: give both, or neither")
            held_out[part] = (
                None if features is None else arrays.Given(features, labels, f"X_{part}", f"y_{part}")
            )
        check_count("split_seed", split_seed, least=0, most=LARGEST_COUNT)
        return arrays.assemble(
            arrays.Given(X, y, "X", "y"),
            held_out["val"],
            held_out["test"],
            arrays.Weights(sample_weight, class_weight),
            arrays.Description(name, name, "", class_names, feature_names, image_shape),
            groups=groups,
            split_seed=split_seed,
        )

    @property
    def schema(self) -> Schema:
        """What the columns of X and the labels stand for."""
        return Schema(self.classes, self.class_names, self.feature_names, self.image_shape)

    @property
    def num_classes(self) -> int:
        """K, the number of classes."""
        return len(self.class_names)

    @property
    def num_features(self) -> int:
        """D − 1, the number of features without the bias."""
        return int(self.train.X.shape[1])

    def development(self, num_examples: int = 500, seed: int = 0) -> Split:
        """`num_examples` training examples drawn without replacement, or all if there are fewer."""
        rows = np.random.default_rng(seed).permutation(len(self.train))[:num_examples]
        weight = self.train.weight
        return Split(self.train.X[rows], self.train.y[rows], None if weight is None else weight[rows])


def fingerprint(*arrays: np.ndarray) -> str:
    """The first 16 digits of the SHA-256 of the arrays' shapes, types and contents."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.shape}{array.dtype.str}".encode())
        if array.ndim < 2:
            digest.update(np.ascontiguousarray(array).data)
            continue
        rows = max(HASHED // max(array[:1].nbytes, 1), 1)
        for start in range(
            0, len(array), rows
        ):  # without a copy of all of it, if it lies otherwise in memory
            digest.update(np.ascontiguousarray(array[start : start + rows]).data)
    return digest.hexdigest()[:16]


def build_dataset(
    name: str,
    title: str,
    splits: tuple[Split, Split, Split],
    class_names: Sequence[str] | None = None,
    image_shape: tuple[int, ...] | None = None,
    classes: Sequence[Label] = (),
    feature_names: Sequence[str] | None = None,
) -> Dataset:
    """A `Dataset` of a training, validation and test split; checks them and computes the fingerprint.

    Raises `InputError` if a split is empty, a feature is not finite, there are fewer than two classes, or the training
    labels are not 0..K−1 without a gap.
    """
    train, val, test = splits
    for part, split in zip(("training", "validation", "test"), splits, strict=True):
        if len(split) == 0:
            raise InputError(f"{title}: the {part} split has no examples")
        if split.X.dtype.kind == "f" and not np.isfinite([split.X.min(), split.X.max()]).all():
            row, column = np.argwhere(~np.isfinite(split.X))[0]
            raise InputError(
                f"{title}: features must be finite, but the {part} split has {split.X[row, column]} "
                f"in row {row}, column {column}"
            )
        if split.y.min() < 0:
            raise InputError(f"{title}: labels must be 0..K-1, but the {part} split has {split.y.min()}")
    num_classes = len(class_names) if class_names is not None else int(train.y.max()) + 1
    for part, split in zip(("training", "validation", "test"), splits, strict=True):
        if split.y.max() >= num_classes:
            whose = (
                "for which there is no class name"
                if class_names is not None
                else "which no training example has"
            )
            raise InputError(
                f"{title}: labels must be 0..{num_classes - 1}, but the {part} split has the label {split.y.max()}, {whose}"
            )
    present = np.unique(train.y)
    if len(present) < num_classes:
        gaps = np.flatnonzero(present != np.arange(len(present)))
        missing = gaps[0] if len(gaps) else len(present)
        raise InputError(
            f"{title}: no training example has the label {missing}; labels must be 0..K-1 without a gap"
        )
    return Dataset(
        name,
        title,
        train,
        val,
        test,
        tuple(class_names) if class_names is not None else tuple(map(str, range(num_classes))),
        image_shape,
        fingerprint(
            *(
                each
                for split in splits
                for each in (split.X, split.y, split.weight, split.group)
                if each is not None
            )
        ),
        tuple(classes),
        None if feature_names is None else tuple(feature_names),
    )
