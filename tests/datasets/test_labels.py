"""Labels of any kind are numbered as scikit-learn numbers them, or are refused in one line that says what to do."""

import datetime
import decimal

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import LabelEncoder

from softjax import Dataset, InputError
from softjax.datasets.labels import read_labels

WORDS = ["dog", "cat", "ü", "dog", "Cat"]


@pytest.mark.parametrize(
    "labels",
    [
        WORDS,
        np.array(WORDS),
        np.array(WORDS, object),
        pd.Series(WORDS),
        pd.Series(WORDS, dtype=object),
        pd.Series(WORDS, dtype="category"),
        pd.Categorical(WORDS, categories=["ü", "dog", "cat", "Cat", "none"], ordered=True),
        pd.DataFrame({"animal": WORDS}),
        pd.Index(WORDS),
        np.array([word.encode() for word in WORDS]),
        [[word] for word in WORDS],
    ],
    ids=lambda each: f"{type(each).__name__} {getattr(each, 'dtype', '')}",
)
def test_text_is_sorted_and_numbered(labels):
    encoder = LabelEncoder().fit(WORDS)
    found = read_labels(labels)
    assert found.classes == tuple(encoder.classes_.tolist())
    np.testing.assert_array_equal(found.y, encoder.transform(WORDS))
    assert found.y.dtype == np.int32


@pytest.mark.parametrize(
    "labels",
    [
        [3, 1, 3, 7],
        (3, 1, 3, 7),
        [-1, 1, -1, 1],
        [3.0, 1.0, 3.0, 7.0],
        [True, False, True, True],
        np.array([3, 1, 3, 7], np.uint8),
        np.array([3, 1, 3, 7], ">i4"),
        np.array([2**63, 1], np.uint64),
        np.array([[3], [1], [7]]),
        np.array([3.0, 1.0], np.float16),
        np.array([3, 1, 7], object),
        pd.Series([3, 1, 7]),
        pd.Series([3, 1, 7], dtype="Int64"),
        pd.Series([3, 1, 7], dtype="category"),
        pd.Series([True, False], dtype="boolean"),
        jnp.array([3, 1, 7]),
        range(5),
    ],
    ids=str,
)
def test_numbers_and_booleans_are_sorted_and_stay_what_they_are(labels):
    plain = np.asarray(labels).reshape(-1)
    plain = np.array(plain.tolist()) if plain.dtype == object else plain
    encoder = LabelEncoder().fit(plain)
    found = read_labels(labels)
    assert found.classes == tuple(encoder.classes_.tolist())
    assert list(map(type, found.classes)) == list(map(type, encoder.classes_.tolist()))
    np.testing.assert_array_equal(found.y, encoder.transform(plain))


def test_labels_of_polars_and_pytorch():
    polars, torch = pytest.importorskip("polars"), pytest.importorskip("torch")
    for labels, classes in (
        (polars.Series(["b", "a", "b"]), ("a", "b")),
        (polars.Series(["b", "a", "b"], dtype=polars.Categorical), ("a", "b")),
        (polars.Series(["b", "a", "b"], dtype=polars.Enum(["b", "a"])), ("a", "b")),
        (polars.DataFrame({"y": [5, 2]}), (2, 5)),
        (polars.Series([True, False]), (False, True)),
        (torch.tensor([5, 2]), (2, 5)),
        ([torch.tensor(5), torch.tensor(2)], (2, 5)),
    ):
        assert read_labels(labels).classes == classes
    with pytest.raises(InputError, match="no label in row 1"):
        read_labels(polars.Series(["a", None]))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0.0, 0.5], r"y holds 0\.5 in row 1, but labels must be text, whole numbers or booleans.*digitize"),
        (np.array([0.0, np.inf]), "y holds inf in row 1"),
        (np.array([0.0, np.nan]), "y has no label in row 1"),
        (["a", None], "y has no label in row 1"),
        ([1, None], "y has no label in row 1"),
        ([1, float("nan")], "y has no label in row 1"),
        (["a", float("nan")], "y has no label in row 1"),
        (pd.Series(["a", None]), "y has no label in row 1"),
        (pd.Series(["a", None], dtype="category"), "y has no label in row 1"),
        (pd.Series([1, pd.NA], dtype="Int64"), "y has no label in row 1"),
        (["a", 1], "y mixes int, str.*one kind"),
        ([True, 2], "y mixes bool, int"),
        (np.array(["a", 1, 2.0], object), "y mixes float, int, str"),
        (np.eye(3), r"its shape is \(3, 3\): if its rows are one-hot, give its argmax\(axis=1\)"),
        (pd.get_dummies(pd.Series(["a", "b"])), r"frame of 2 columns.*argmax\(axis=1\)"),
        (np.zeros((2, 2, 2)), r"its shape is \(2, 2, 2\)"),
        (np.array(3), r"its shape is \(\)"),
        (3, "y must be an array"),
        ("cat", "y must be an array"),
        (None, "y must be an array"),
        (pd.Series([pd.Timestamp(0)] * 2), "y holds datetime64.*but labels must be"),
        ([datetime.date(2020, 1, 1)] * 2, "y holds date.*but labels must be"),
        ([decimal.Decimal(1)] * 2, "y holds Decimal"),
        ([(1, 2), (3,)], "y .list. cannot be read as an array"),
        (np.array([1j, 2]), "y holds complex128"),
        (np.array([b"\xff", b"a"]), "no UTF-8"),
        ([2**70, 1], "more than 64 bits"),
    ],
    ids=str,
)
def test_what_is_no_label_is_refused_by_its_row_or_kind(labels, message):
    with pytest.raises(InputError, match=message) as caught:
        read_labels(labels)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("own_messages")
def test_classes_reach_the_data_set_with_their_names():
    X, y = np.zeros((40, 1)), np.arange(40) % 2 == 0
    dataset = Dataset.from_arrays(X, y)
    assert (dataset.classes, dataset.class_names) == ((False, True), ("False", "True"))
    assert all(isinstance(label, bool) for label in dataset.schema.classes)
    dataset = Dataset.from_arrays(X, y, class_names=["no", "yes"])
    assert (dataset.classes, dataset.class_names) == ((False, True), ("no", "yes"))
    for names, message in (
        (["no"], "class_names holds 1 names, but there are 2 classes, of the labels False, True"),
        ("ab", "class_names must be a list of 2 names"),
        ([0.5, 1.5], "class_names must be K strings"),
    ):
        with pytest.raises(InputError, match=message):
            Dataset.from_arrays(X, y, class_names=names)
    with pytest.raises(InputError, match="at least two classes, but there is cat alone"):
        Dataset.from_arrays(X, ["cat"] * 40)


def test_held_out_labels_are_those_of_training_whatever_their_type():
    X = np.zeros((4, 1))
    dataset = Dataset.from_arrays(
        X, [1.0, 3.0, 3.0, 1.0], X_val=X, y_val=np.array([3, 3, 1, 1], np.uint8), X_test=X[:2], y_test=[3, 3]
    )
    np.testing.assert_array_equal(dataset.val.y, [1, 1, 0, 0])
    np.testing.assert_array_equal(dataset.test.y, [1, 1])
