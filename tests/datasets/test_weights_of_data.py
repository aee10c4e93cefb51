"""Weights of training examples: what is given, times the weight of the class; what cannot be a weight is refused by name."""

import numpy as np
import pandas as pd
import pytest
from sklearn.utils.class_weight import compute_sample_weight

from softjax import Dataset, InputError, load_dataset
from softjax.datasets.arrays import as_dataset

rng = np.random.default_rng(0)
X = rng.normal(size=(120, 3))
y = np.array(["cat", "dog", "owl"])[np.repeat([0, 1, 2], [60, 40, 20])]
HELD_OUT = {"X_val": X, "y_val": y, "X_test": X, "y_test": y}
w = rng.uniform(0.1, 3, 120)


def weights_of(**options):
    return Dataset.from_arrays(X, y, **HELD_OUT, **options).train.weight


def test_without_weights_there_are_none():
    dataset = Dataset.from_arrays(X, y)
    assert [part.weight for part in (dataset.train, dataset.val, dataset.test)] == [None, None, None]


@pytest.mark.parametrize("class_weight", ["balanced", {"cat": 2.0, "owl": 0.5}, {"dog": 3}, {}])
def test_class_weights_are_scikit_learn_s(class_weight):
    np.testing.assert_allclose(
        weights_of(class_weight=class_weight), compute_sample_weight(class_weight, y), rtol=1e-14
    )


def test_weights_of_examples_multiply_those_of_classes_and_balance_counts_them():
    np.testing.assert_array_equal(weights_of(sample_weight=w), w)
    np.testing.assert_array_equal(
        weights_of(sample_weight=w, class_weight={"owl": 2.0}), w * np.where(y == "owl", 2.0, 1.0)
    )
    balanced = weights_of(sample_weight=w, class_weight="balanced")
    total = [balanced[y == label].sum() for label in ("cat", "dog", "owl")]
    np.testing.assert_allclose(total, w.sum() / 3)  # Σw / (K Σ w_k), times Σ w_k


@pytest.mark.parametrize(
    "holder", [np.asarray, list, pd.Series, lambda w: w[:, None], lambda w: pd.DataFrame({"w": w})]
)
def test_weights_may_be_held_by_anything(holder):
    np.testing.assert_array_equal(weights_of(sample_weight=holder(w)), w)


def test_weights_follow_their_examples_through_the_split_and_balance_counts_training_alone():
    place = {row.tobytes(): weight for row, weight in zip(X, w, strict=True)}
    train = Dataset.from_arrays(X, y, sample_weight=w).train
    np.testing.assert_array_equal(train.weight, [place[row.tobytes()] for row in train.X])
    train = Dataset.from_arrays(X, y, class_weight="balanced").train
    np.testing.assert_allclose(train.weight, compute_sample_weight("balanced", train.y))


def test_weight_0_equals_none():
    part = np.where(rng.random(120) < 0.3, 0, w)
    kept = part > 0
    for class_weight in (None, "balanced", {"cat": 2.0}):
        dataset = Dataset.from_arrays(X, y, **HELD_OUT, sample_weight=part, class_weight=class_weight)
        without = Dataset.from_arrays(
            X[kept], y[kept], **HELD_OUT, sample_weight=part[kept], class_weight=class_weight
        )
        assert dataset.fingerprint == without.fingerprint
        assert len(dataset.train) == kept.sum()
    split = Dataset.from_arrays(X, y, sample_weight=part)
    assert (split.train.weight > 0).all()
    assert (len(split.val), len(split.test)) == (12, 12)


def test_a_class_without_weight_is_no_class_and_must_not_be_held_out():
    known = y != "owl"
    held_out = {"X_val": X[known], "y_val": y[known], "X_test": X[known], "y_test": y[known]}
    dataset = Dataset.from_arrays(X, y, **held_out, class_weight={"owl": 0})
    assert dataset.classes == ("cat", "dog")
    assert (
        dataset.fingerprint
        == Dataset.from_arrays(X[known], y[known], **held_out, sample_weight=np.ones(known.sum())).fingerprint
    )
    with pytest.raises(
        InputError, match="y_val holds the label 'owl', which the training examples that count lack"
    ):
        weights_of(class_weight={"owl": 0})
    with pytest.raises(InputError, match="no training example of the class 'owl' counts"):
        Dataset.from_arrays(X, y, class_weight={"owl": 0})


def changed(row, value):
    weights = w.copy()
    weights[row] = value
    return weights


@pytest.mark.usefixtures("own_messages")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"sample_weight": changed(3, -1)},
            r"sample_weight must be finite and not negative, but holds -1\.0 in row 3",
        ),
        ({"sample_weight": changed(3, np.nan)}, "sample_weight must be finite.*nan in row 3"),
        ({"sample_weight": changed(3, np.inf)}, "sample_weight must be finite.*inf in row 3"),
        ({"sample_weight": 0 * w}, "sample_weight is zero for all 120 examples"),
        ({"sample_weight": w[1:]}, r"sample_weight must be 120 numbers.*\(119,\)"),
        ({"sample_weight": w.astype(str)}, "sample_weight must be 120 numbers"),
        ({"sample_weight": 2.0}, "sample_weight must be an array"),
        ({"sample_weight": pd.Series(w).astype("Float64").mask(w > 2)}, "sample_weight has missing values"),
        ({"sample_weight": np.full(120, 1e308)}, "the weights add up to inf"),
        ({"class_weight": {"cow": 1.0}}, "class_weight names the label 'cow', .* 'cat', 'dog', 'owl'"),
        (
            {"class_weight": {"cat": -1.0}},
            r"class_weight must be finite and not negative, but that of 'cat' is -1\.0",
        ),
        ({"class_weight": {"cat": float("nan")}}, "that of 'cat' is nan"),
        ({"class_weight": {"cat": 0, "dog": 0, "owl": 0}}, "the weights of all examples are zero"),
        ({"class_weight": "equal"}, "class_weight must be 'balanced' or a mapping"),
        ({"class_weight": [1, 2, 3]}, "class_weight must be 'balanced' or a mapping"),
        ({"class_weight": 2.0}, "class_weight must be 'balanced' or a mapping"),
    ],
    ids=str,
)
def test_what_cannot_be_weights_is_refused_by_name(options, message):
    with pytest.raises(InputError, match=message) as caught:
        weights_of(**options)
    assert "\n" not in str(caught.value)


def test_a_data_set_takes_weights_and_its_fingerprint_says_so(digits):
    weights = np.arange(len(digits.train)) % 3
    weighted = as_dataset(digits, sample_weight=weights)
    assert len(weighted.train) == np.count_nonzero(weights)
    np.testing.assert_array_equal(weighted.train.X, digits.train.X[weights > 0])
    np.testing.assert_array_equal(weighted.train.weight, weights[weights > 0])
    twice = as_dataset(weighted, class_weight={3: 2.0})
    np.testing.assert_array_equal(
        twice.train.weight, weighted.train.weight * np.where(weighted.train.y == 3, 2.0, 1.0)
    )
    prints = {
        each.fingerprint for each in (digits, weighted, twice, as_dataset(digits, sample_weight=weights + 1))
    }
    assert len(prints) == 4
    with pytest.raises(InputError, match="no training example of the class 3 counts"):
        as_dataset(digits, class_weight={3: 0})


def test_known_data_sets_can_be_balanced():
    dataset = load_dataset("digits", class_weight="balanced")
    np.testing.assert_allclose(dataset.train.weight, compute_sample_weight("balanced", dataset.train.y))
