"""Examples of a group stay together: in the split of a data set, and in the folds of a cross-validation."""

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import GroupKFold, cross_val_predict

from softjax import Dataset, InputError, SoftmaxClassifier, load_dataset, regularization_path
from softjax.datasets.folds import assign_folds, merge_parts

rng = np.random.default_rng(0)
GROUPS = np.array([f"patient {number}" for number in rng.integers(0, 40, 600)])
y = np.arange(600) % 3
# each row says to which group it belongs
X = np.column_stack([rng.normal(size=(600, 2)) + np.eye(3, 2)[y], np.unique(GROUPS, return_inverse=True)[1]])


def groups_of(split):
    return set(split.X[:, 2].tolist())


@pytest.mark.parametrize("holder", [np.asarray, list, pd.Series])
def test_the_split_does_not_divide_groups(holder):
    dataset = Dataset.from_arrays(X, y, groups=holder(GROUPS))
    parts = dataset.train, dataset.val, dataset.test
    assert sum(map(len, parts)) == 600
    assert [len(groups_of(part)) for part in parts] == [32, 4, 4]
    assert sum(len(groups_of(part)) for part in parts) == 40
    assert all(set(part.y) == {0, 1, 2} for part in parts)


def test_nor_do_the_folds():
    dataset = merge_parts(Dataset.from_arrays(X, y, groups=GROUPS))
    folds = assign_folds(dataset, 4, 0)
    found = [groups_of_rows(dataset.train.X[folds == fold]) for fold in range(4)]
    assert sum(map(len, found)) == len(set.union(*found))


def groups_of_rows(rows):
    return set(rows[:, 2].tolist())


def test_a_held_out_example_without_a_group_is_one_of_its_own():
    dataset = Dataset.from_arrays(X, y, groups=GROUPS, X_val=X[:30], y_val=y[:30])
    both = merge_parts(dataset)
    assert len(np.unique(both.train.group)) == len(groups_of(dataset.train)) + 30


def test_a_column_of_a_table_or_an_array_holds_the_groups(tmp_path):
    frame = pd.DataFrame({"a": X[:, 0], "b": X[:, 1], "number": X[:, 2], "patient": GROUPS, "label": y})
    frame.to_csv(tmp_path / "table.csv", index=False)
    np.savez(tmp_path / "arrays.npz", X=X, y=y, groups=GROUPS)
    for dataset in (
        load_dataset(str(tmp_path / "table.csv"), groups="patient"),
        load_dataset(str(tmp_path / "arrays.npz")),
    ):
        assert dataset.num_features == 3
        parts = dataset.train, dataset.val, dataset.test
        assert sum(len(groups_of(part)) for part in parts) == 40
    with pytest.raises(InputError, match=r"no column 'patients' for groups.*did you mean 'patient'"):
        load_dataset(str(tmp_path / "table.csv"), groups="patients")
    with pytest.raises(InputError, match="groups names columns of a table"):
        load_dataset("digits", groups="patient")


def test_a_path_on_folds_of_groups_scores_as_scikit_learn_does():
    """The folds are drawn here; given to scikit-learn, it predicts the same labels."""
    dataset = Dataset.from_arrays(X[:, :2], y, groups=GROUPS)
    result = regularization_path(dataset, regs=(0.01,), penalize_bias=False, dtype="float64", folds=4)
    both = merge_parts(dataset)
    folds = assign_folds(both, 4, 0)
    predicted = cross_val_predict(
        SoftmaxClassifier(reg=0.01), both.train.X, both.train.y, groups=folds, cv=GroupKFold(4)
    )
    np.testing.assert_array_equal(result.val_hits[0], predicted == both.train.y)


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (GROUPS[1:], "groups must hold a group for each of the 600 examples, got 599"),
        (np.arange(600) % 5, "10 % of the examples cannot be split off with 5 groups"),
        (np.where(np.arange(600) == 3, np.nan, 1.0), "groups has no label in row 3"),
    ],
)
def test_groups_that_cannot_be_are_refused_by_name(own_messages, groups, message):
    with pytest.raises(InputError, match=message):
        Dataset.from_arrays(X, y, groups=groups)
