"""A data set from arrays in memory: numbers the labels, weighs the examples, splits what is not split."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float64, Int, Int32

from softjax.datasets.arraylike import (
    get_column,
    is_frame,
    is_series,
    package_of,
    read_column,
    show,
    to_array,
)
from softjax.datasets.dataset import Dataset, Label, Split, build_dataset, fingerprint
from softjax.datasets.features import Features, Matrix, take_features
from softjax.datasets.labels import name_classes, number_as, read_labels
from softjax.datasets.split import draw_rows, reorder, take
from softjax.errors import InputError
from softjax.weights import ClassWeight, check_weights, weigh_examples

HELD_OUT = 10  # percent of all examples in each part that is not given


class Given(NamedTuple):
    """Examples as they are given, and what errors call X and y."""

    X: Any
    y: Any
    X_name: str
    y_name: str


class Weights(NamedTuple):
    """The weights of the training examples and of the classes, and what errors call the first."""

    of_examples: Any = None
    of_classes: ClassWeight = None
    name: str = "sample_weight"


class Description(NamedTuple):
    """What a data set is called, and how its columns and classes are. `where` begins messages about the whole."""

    name: str = "arrays"
    title: str = "arrays"
    where: str = ""
    class_names: Any = None
    feature_names: Sequence[str] | None = None
    image_shape: tuple[int, ...] | None = None


def as_dataset(data: Any, *, sample_weight: Any = None, class_weight: ClassWeight = None) -> Dataset:
    """A data set from what functions take for one: a `Dataset`, or a pair (X, y) as `Dataset.from_arrays` takes it.

    With weights, those of a `Dataset`'s training examples are multiplied by them. `sample_weight` then has an entry for
    each training example; for a pair, one for each row of X.

    Raises `InputError` if `data` is neither, and as `Dataset.from_arrays`.

    Examples:
        >>> import numpy as np
        >>> X, y = np.arange(60.0).reshape(30, 2), ["cat", "dog", "owl"] * 10
        >>> dataset = as_dataset((X, y), class_weight={"owl": 2.0})
        >>> dataset.classes, dataset.train.weight.sum()
        (('cat', 'dog', 'owl'), 32.0)
    """
    if isinstance(data, Dataset):
        return (
            data
            if sample_weight is None and class_weight is None
            else _weigh(data, sample_weight, class_weight)
        )
    if isinstance(data, tuple) and len(data) == 2:
        X, y = data
        weights = Weights(sample_weight, class_weight)
        return assemble(Given(X, y, "X", "y"), None, None, weights, Description(), split_seed=0)
    got = f"a tuple of {len(data)}" if isinstance(data, tuple) else type(data).__name__
    raise InputError(
        f"a data set must be a Dataset or a pair (X, y), got {got}: see load_dataset and Dataset.from_arrays"
    )


def assemble(
    train: Given,
    val: Given | None,
    test: Given | None,
    weights: Weights,
    about: Description,
    *,
    groups: Any = None,
    split_seed: int,
    fresh: bool = False,
) -> Dataset:
    """The data set of these examples. What is not given of validation and test is split off the training examples, and
    examples of the same group stay together.

    `fresh` says that nobody else holds the training features: they are put into the order of the splits in place.
    Otherwise they are copied once where they are split, and not at all where they are not.
    """
    features, is_new = take_features(train.X, train.X_name, about.feature_names)
    labels = read_labels(train.y, train.y_name)
    _check_rows(train, len(features.X), len(labels.y))
    w = (
        None
        if weights.of_examples is None
        else _read_weights(weights.of_examples, len(labels.y), weights.name)
    )
    _check_order(train.X, weights.of_examples, train.X_name, weights.name)
    group = None if groups is None else _number_groups(groups, len(labels.y), about.where)
    _check_order(train.X, groups, train.X_name, "groups")
    rows = draw_rows(
        about.title,
        labels.y,
        group=group,
        val=HELD_OUT if val is None else 0,
        test=HELD_OUT if test is None else 0,
        seed=split_seed,
        classes=labels.classes,
    )
    kept, weight = _weigh_rows(labels.y, labels.classes, rows[0], w, weights.of_classes, about.where)
    taken = _take_parts(features.X, (kept, *rows[1:]), in_place=fresh or is_new)
    whose = "the training examples" if weight is None else "the training examples that count"
    present, numbers = _drop_absent(
        labels.classes, [labels.y[each] for each in (kept, *rows[1:])], about.where
    )
    classes = tuple(labels.classes[k] for k in present)
    of_parts = [None if group is None else group[each] for each in (kept, *rows[1:])]
    parts = [
        Split(X, y, w, each)
        for X, y, w, each in zip(taken, numbers, (weight, None, None), of_parts, strict=True)
    ]
    for position, given in ((1, val), (2, test)):
        if given is not None:
            parts[position] = _read_part(given, features, classes, whose)
    names = name_classes(labels.classes, about.class_names, about.where)
    return build_dataset(
        about.name,
        about.title,
        (parts[0], parts[1], parts[2]),
        [names[k] for k in present],
        _check_image_shape(about, features.image_shape, features.X.shape[1]),
        classes,
        features.names,
    )


def _read_part(given: Given, train: Features, classes: Sequence[Label], whose: str) -> Split:
    """Held-out examples: columns are matched by name where both have names, and labels by what they are."""
    features, _ = take_features(given.X, given.X_name, train.names if is_frame(given.X) else None)
    shape, expected = ((each.X.shape[1], each.image_shape) for each in (features, train))
    if shape != expected:
        raise InputError(
            f"the parts differ in the shape of an example: in {given.X_name} it has {_describe(*shape)}, in training "
            f"{_describe(*expected)}"
        )
    labels = read_labels(given.y, given.y_name)
    _check_rows(given, len(features.X), len(labels.y))
    return Split(features.X, number_as(labels, classes, given.y_name, whose))


def _describe(num_features: int, image_shape: tuple[int, ...] | None) -> str:
    return f"{num_features} features" + ("" if image_shape is None else f", as an image {image_shape}")


def _read_weights(weights: Any, num_examples: int, name: str = "sample_weight") -> Float64[np.ndarray, " N"]:
    """Weights of the examples, from an array, a series, a frame of one column, a tensor, or a list."""
    if is_frame(weights) and weights.shape[1] == 1:
        weights = get_column(weights, 0)
    values = read_column(weights, name) if is_series(weights) else to_array(weights, name)
    return check_weights(values, num_examples, name, "training example")


def _number_groups(groups: Any, num_examples: int, where: str) -> Int32[np.ndarray, " N"]:
    """The groups of the examples, numbered from 0."""
    numbers = read_labels(groups, f"{where}groups").y
    if len(numbers) != num_examples:
        raise InputError(
            f"{where}groups must hold a group for each of the {num_examples} examples, got {len(numbers)}"
        )
    return numbers


def _weigh_rows(
    y: Int[np.ndarray, " N"],
    classes: Sequence[Label],
    rows: Int[np.ndarray, " M"],
    weights: Float64[np.ndarray, " N"] | None,
    class_weight: ClassWeight,
    where: str,
) -> tuple[Int[np.ndarray, " L"], Float64[np.ndarray, " L"] | None]:
    """The training rows that count, and their weights."""
    if weights is None and class_weight is None:
        return rows, None
    if weights is not None:
        rows = rows[weights[rows] > 0]
        if len(rows) == 0:
            raise InputError(
                f"{where}sample_weight is zero for all training examples: at least one must count"
            )
        weights = weights[rows]
    weight = weigh_examples(y[rows], classes, weights, class_weight, where)
    assert weight is not None
    return rows[weight > 0], weight[weight > 0]


def _take_parts(X: Matrix, rows: Sequence[Int[np.ndarray, " _"]], *, in_place: bool) -> list[np.ndarray]:
    """The rows of X of each part. All rows of X as they are for a part without others."""
    ends = np.cumsum([len(each) for each in rows])
    if len(rows[0]) == len(X):
        return [X, X[:0], X[:0]]
    order = np.concatenate(rows)
    if in_place:
        reorder(X, order)
        taken = X
    else:
        taken = take(X, order)
    return [taken[end - len(each) : end] for each, end in zip(rows, ends, strict=True)]


def _drop_absent(
    classes: Sequence[Label], parts: Sequence[Int[np.ndarray, " _"]], where: str
) -> tuple[Int[np.ndarray, " K"], list[Int32[np.ndarray, " _"]]]:
    """The classes that the training labels, the first of `parts`, have; and the labels of all parts numbered among them.

    A class is absent where all its training examples have the weight 0. Raises `InputError` if another part has it.
    """
    present = np.unique(parts[0])
    lost = np.setdiff1d(np.concatenate(parts[1:]), present)
    if len(lost):
        raise InputError(
            f"{where}no training example of the class {show(classes[lost[0]])} counts, but validation or test have some: "
            "leave these out"
        )
    number = np.full(len(classes), -1, np.int32)
    number[present] = np.arange(len(present), dtype=np.int32)
    return present, [number[each] for each in parts]


def _check_rows(given: Given, num_examples: int, num_labels: int) -> None:
    if num_examples != num_labels:
        raise InputError(
            f"{given.X_name} has {num_examples} examples, but {given.y_name} {num_labels} labels: give one for each"
        )
    _check_order(given.X, given.y, given.X_name, given.y_name)


def _check_order(X: Any, column: Any, X_name: str, name: str) -> None:
    """Raises `InputError` if two objects of pandas have the same rows, by their index, in another order."""
    if not (
        package_of(X) == package_of(column) == "pandas" and hasattr(X, "index") and hasattr(column, "index")
    ):
        return
    mine, other = X.index, column.index
    if (
        not mine.equals(other)
        and not mine.has_duplicates
        and len(mine.symmetric_difference(other, sort=False)) == 0
    ):
        raise InputError(
            f"the rows of {name} are in another order than those of {X_name}, as their index says: give it as loc[X.index]"
        )


def _check_image_shape(
    about: Description, found: tuple[int, ...] | None, num_features: int
) -> tuple[int, ...] | None:
    if about.image_shape is None:
        return found
    try:
        shape = tuple(int(each) for each in about.image_shape)
    except (TypeError, ValueError):
        shape = ()
    if shape[2:] == (1,):
        shape = shape[:2]
    if len(shape) not in (2, 3) or shape[2:] not in ((), (3,)) or np.prod(shape) != num_features:
        raise InputError(
            f"{about.where}image_shape must be (height, width) or (height, width, 3) of {num_features} features, got "
            f"{show(about.image_shape)}"
        )
    return shape


def _weigh(dataset: Dataset, sample_weight: Any, class_weight: ClassWeight) -> Dataset:
    """The data set with the weights of its training examples multiplied by these. Examples of weight 0 are left out."""
    train, num = dataset.train, len(dataset.train)
    w = train.weight
    if sample_weight is not None:
        given = _read_weights(sample_weight, num)
        w = given if w is None else w * given
    rows, weight = _weigh_rows(train.y, dataset.classes, np.arange(num), w, class_weight, "")
    present, numbers = _drop_absent(dataset.classes, [train.y[rows], dataset.val.y, dataset.test.y], "")
    X = train.X if len(rows) == num else take(train.X, rows)
    assert weight is not None
    digest = fingerprint(np.array(dataset.fingerprint), rows, weight)
    return replace(
        dataset,
        train=Split(X, numbers[0], weight, None if train.group is None else train.group[rows]),
        val=replace(dataset.val, y=numbers[1]),
        test=replace(dataset.test, y=numbers[2]),
        class_names=tuple(dataset.class_names[k] for k in present),
        classes=tuple(dataset.classes[k] for k in present),
        fingerprint=digest,
    )
