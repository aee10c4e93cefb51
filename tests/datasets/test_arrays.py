"""Arrays in memory are a data set, whichever library holds them, or are refused in one line that says what is wrong."""

import datetime
import decimal

import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.model_selection import train_test_split

from softjax import Dataset, InputError, load_dataset
from softjax.datasets.arrays import as_dataset
from softjax.datasets.features import read_features

rng = np.random.default_rng(0)
X = rng.normal(size=(100, 6))
y = np.arange(100) % 4
NAMES = list("abcdef")


def parts(dataset):
    return dataset.train, dataset.val, dataset.test


def rows_of(split, X=X):
    """The rows of X that a split consists of."""
    place = {row.tobytes(): number for number, row in enumerate(X)}
    return np.array([place[row.tobytes()] for row in split.X])


def refusal(*arguments, **options):
    with pytest.raises(InputError) as caught:
        Dataset.from_arrays(*arguments, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 400
    return message


# What holds the features


def as_polars(X):
    polars = pytest.importorskip("polars")
    return polars.DataFrame(dict(zip(NAMES, X.T, strict=True)))


def as_torch(X):
    torch = pytest.importorskip("torch")
    return torch.tensor(X, requires_grad=True)


HOLDERS = {
    "NumPy": np.asarray,
    "columns first": np.asfortranarray,
    "every other": lambda X: np.repeat(X, 2, axis=0)[::2],
    "big-endian": lambda X: X.astype(">f8"),
    "masked": np.ma.masked_array,
    "lists": np.ndarray.tolist,
    "objects": lambda X: X.astype(object),
    "pandas": lambda X: pd.DataFrame(X, columns=NAMES),
    "pandas, nullable": lambda X: pd.DataFrame(X, columns=NAMES).astype("Float64"),
    "polars": as_polars,
    "PyTorch": as_torch,
}


@pytest.mark.parametrize("holder", HOLDERS)
def test_the_same_features_are_the_same_data_set_whoever_holds_them(holder):
    dataset = Dataset.from_arrays(HOLDERS[holder](X), y)
    assert dataset.fingerprint == Dataset.from_arrays(X, y).fingerprint
    assert dataset.feature_names == (tuple(NAMES) if holder.startswith(("pandas", "polars")) else None)
    assert [len(part) for part in parts(dataset)] == [80, 10, 10]
    for part in parts(dataset):
        np.testing.assert_array_equal(part.y, y[rows_of(part)])


TYPES = {
    "float64": "float64",
    "float32": "float32",
    "float16": "float32",
    "uint8": "uint8",
    "bool": "uint8",
    "int8": "float32",
    "int64": "float32",
    "uint16": "float32",
    ">i4": "float32",
    ">f4": "float32",
    ml_dtypes.bfloat16: "float32",
    ml_dtypes.float8_e4m3fn: "float32",
    np.longdouble: "float64",
}


@pytest.mark.usefixtures("own_messages")
@pytest.mark.parametrize("kind", TYPES, ids=str)
def test_types_are_kept_or_become_one_that_holds_their_values(kind):
    small = rng.integers(0, 2, (20, 3)).astype(kind)
    found = read_features(small).X
    assert found.dtype == TYPES[kind]
    np.testing.assert_array_equal(found, small.astype(np.float64))


def test_whole_numbers_that_float32_cannot_hold_become_float64_and_larger_ones_are_refused():
    assert read_features(np.array([[2**24, 1]])).X.dtype == np.float32
    assert read_features(np.array([[2**24 + 1, 1]])).X.dtype == np.float64
    with pytest.raises(InputError, match="integers up to"):
        read_features(np.array([[2**53 + 1, 1]]))


def test_jax_and_pytorch_arrays_of_half_precision_keep_their_values():
    torch = pytest.importorskip("torch")
    half = np.arange(12.0).reshape(6, 2)
    for given in (jnp.asarray(half, jnp.bfloat16), torch.tensor(half, dtype=torch.bfloat16)):
        found = read_features(given).X
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, half)


def test_columns_of_several_types_become_the_narrowest_that_holds_all():
    frame = pd.DataFrame({"a": [True, False], "b": np.array([1, 2], np.uint8)})
    assert read_features(frame).X.dtype == np.uint8
    frame["c"] = np.array([1.5, 2.5], np.float32)
    assert read_features(frame).X.dtype == np.float32
    frame["d"] = [2**30, 1]
    assert read_features(frame).X.dtype == np.float64
    np.testing.assert_array_equal(read_features(frame).X, frame.to_numpy(np.float64))
    many = pd.DataFrame({f"x{k}": np.full(3, k, np.uint8 if k < 90 else np.float32) for k in range(100)})
    np.testing.assert_array_equal(read_features(many).X, many.to_numpy(np.float32))


def test_images_keep_their_shape_and_flat_ones_can_be_given_one():
    for shape, expected in (
        ((5, 4), (5, 4)),
        ((5, 4, 1), (5, 4)),
        ((5, 4, 3), (5, 4, 3)),
        ((2, 3, 5, 4), None),
    ):
        dataset = Dataset.from_arrays(np.zeros((40, *shape), np.uint8), np.arange(40) % 2)
        assert dataset.image_shape == expected
        assert dataset.train.X.shape == (32, np.prod(shape))
    assert Dataset.from_arrays(X, y, image_shape=(2, 3)).image_shape == (2, 3)
    assert "image_shape must be" in refusal(X, y, image_shape=(2, 2))


# What cannot be features


def column_of(value, dtype=None):
    frame = pd.DataFrame(X, columns=NAMES)
    frame["city"] = pd.Series([value] * len(X), dtype=dtype)
    return frame


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (column_of("Paris"), r"column 'city' of X holds text \('Paris'\): encode it as numbers"),
        (column_of("Paris", "category"), "column 'city' of X holds categories"),
        (column_of(pd.Timestamp(0)), "column 'city' of X holds dates or times"),
        (column_of(datetime.date(2020, 1, 1)), "column 'city' of X holds dates or times"),
        (column_of(pd.Timestamp(0, tz="UTC")), "column 'city' of X holds dates or times"),
        (column_of([1.0, 2.0]), "column 'city' of X holds nested values"),
        (column_of(1j), "column 'city' of X holds complex128"),
        (column_of(decimal.Decimal(1)), "column 'city' of X holds object values.*float64"),
        (column_of(None), "column 'city' of X holds nothing: leave it out"),
        (column_of(np.nan), "X must be finite, but has nan in row 0, column 'city'"),
        (column_of(np.inf), "X must be finite, but has inf in row 0, column 'city'"),
        (
            column_of(pd.NA, "Int64"),
            r"column 'city' of X has missing values, the first in row 0 \(100 in all\)",
        ),
        (column_of(0.0, pd.SparseDtype(float)), "column 'city' of X is sparse.*to_dense"),
        (scipy.sparse.csr_matrix(X), r"X is a sparse matrix \(csr_matrix\).*toarray\(\)"),
        (scipy.sparse.coo_array(X), r"X is a sparse matrix \(coo_array\)"),
        (pd.Series(X[:, 0]), r"X is a single column.*to_frame\(\)"),
        (X[:, 0], r"X must be numbers \(N, features\).*give 100 rows of one"),
        (X.astype(complex), "X must be numbers.*complex128"),
        (X[:0], "holds no examples"),
        (X[:, :0], "X must be numbers"),
        ([[1.0, 2.0], [3.0]], "X .* cannot be read as an array"),
        ([[1.0, "2"]] * 100, "column 1 of X holds text"),
        ([[1.0, None]] * 100, "missing value in row 0, column 1"),
        (np.ma.masked_greater(X, 1), "masked entries"),
        (np.where(X > 2, np.nan, X), "X must be finite, but has nan in row"),
        ("X.npy", "X must be an array, a frame of pandas or polars, or lists, got 'X.npy'"),
        (None, "X must be an array"),
        ({"a": [1]}, "X must be an array"),
        (iter(X), "X must be an array"),
        (3.0, "X must be an array"),
    ],
)
def test_what_cannot_be_features_is_refused_by_its_column(features, message):
    with pytest.raises(InputError, match=message):
        Dataset.from_arrays(features, y)


def test_what_cannot_be_features_in_polars_is_refused_by_its_column():
    polars = pytest.importorskip("polars")
    frame = as_polars(X)
    for column, message in (
        (polars.lit("Paris"), "holds text"),
        (polars.lit(datetime.date(2020, 1, 1)), "holds dates or times"),
        (polars.lit([1.0, 2.0]), "holds nested values"),
        (polars.lit(None), "holds nothing"),
        (polars.lit(None, polars.Float32), r"has missing values, the first in row 0 \(100 in all\)"),
    ):
        with pytest.raises(InputError, match=f"column 'city' of X {message}"):
            Dataset.from_arrays(frame.with_columns(city=column), y)
    with pytest.raises(InputError, match=r"LazyFrame of polars.*collect\(\)"):
        Dataset.from_arrays(frame.lazy(), y)


def test_sparse_tensors_are_refused():
    torch = pytest.importorskip("torch")
    with pytest.raises(InputError, match=r"X is a sparse tensor.*to_dense\(\)"):
        Dataset.from_arrays(torch.tensor(X).to_sparse(), y)


# Held-out parts


def test_both_held_out_parts_are_taken_as_given_without_a_copy():
    dataset = Dataset.from_arrays(X, y, X_val=X[:9], y_val=y[:9], X_test=X[9:20], y_test=y[9:20])
    for part, given in zip(parts(dataset), (X, X[:9], X[9:20]), strict=True):
        assert np.shares_memory(part.X, given)
        np.testing.assert_array_equal(part.X, given)


@pytest.mark.parametrize("part", ["val", "test"])
def test_one_held_out_part_is_taken_and_a_tenth_is_split_off_for_the_other(part):
    dataset = Dataset.from_arrays(X, y, **{f"X_{part}": X[:7], f"y_{part}": y[:7]}, split_seed=3)
    given, drawn = (dataset.val, dataset.test) if part == "val" else (dataset.test, dataset.val)
    assert len(given) == 7
    kept, taken = train_test_split(np.arange(100), test_size=10, stratify=y, random_state=3)
    np.testing.assert_array_equal(rows_of(drawn), taken)
    np.testing.assert_array_equal(rows_of(dataset.train), kept)


def test_the_split_leaves_the_caller_s_array_as_it_was_and_is_fixed_by_its_seed():
    mine = X.copy()
    one, other = (Dataset.from_arrays(mine, y, split_seed=seed) for seed in (0, 1))
    np.testing.assert_array_equal(mine, X)
    assert one.fingerprint != other.fingerprint
    assert one.fingerprint == Dataset.from_arrays(mine, y).fingerprint
    assert sorted(np.concatenate([rows_of(part) for part in parts(one)])) == list(range(100))


@pytest.mark.parametrize("frame", ["pandas", "polars"])
def test_columns_of_held_out_frames_are_matched_by_name(frame):
    given = HOLDERS[frame](X)
    turned = given[NAMES[::-1]]
    dataset = Dataset.from_arrays(given, y, X_val=turned, y_val=y, X_test=X, y_test=y)
    np.testing.assert_array_equal(dataset.val.X, X)
    for columns, message in (
        (NAMES[:4], r"X_val must have the 6 columns .* lacks e, f"),
        ([*NAMES, "g"], "X_val must have .* has g too"),
        ([*NAMES[:5], "F"], "lacks f and has F too"),
    ):
        other = pd.DataFrame(1.0, index=range(100), columns=columns)
        with pytest.raises(InputError, match=message):
            Dataset.from_arrays(given, y, X_val=other, y_val=y)


def test_what_is_held_out_must_fit():
    assert "X_val is given without y_val" in refusal(X, y, X_val=X)
    assert "y_test is given without X_test" in refusal(X, y, y_test=y)
    assert "X_val it has 5 features, in training 6" in refusal(X, y, X_val=X[:, :5], y_val=y)
    assert "X_val has 100 examples, but y_val 99 labels" in refusal(X, y, X_val=X, y_val=y[1:])
    assert "y_val holds the label 9, which the training examples lack" in refusal(
        X, y, X_val=X, y_val=y + 9 * (y == 0)
    )
    words = np.array(["cat", "cow", "dog", "pig"])[y]
    assert "y_val holds the labels 0, 1, 2, 3" in refusal(X, words, X_val=X, y_val=y)


@pytest.mark.parametrize(("counts", "rarest"), [((50, 1), "'b'"), ((40, 40, 1), "'c'"), ((1, 1, 1), "'a'")])
def test_a_class_that_is_too_rare_to_be_split_is_named_as_it_was_given(counts, rarest):
    labels = np.repeat(list("abc")[: len(counts)], counts)
    message = refusal(np.zeros((len(labels), 1)), labels)
    assert f"the rarest ({rarest}) with 1" in message
    assert "X_val and y_val and X_test and y_test" in message
    message = refusal(np.zeros((len(labels), 1)), labels, X_val=[[0.0]], y_val=["a"])
    assert "split 90 : 10" in message
    assert "give X_test and y_test" in message


def test_rows_of_pandas_in_another_order_are_refused_where_their_index_says_so():
    frame, labels = pd.DataFrame(X), pd.Series(y)
    assert "in another order" in refusal(frame, labels.sample(frac=1, random_state=0))
    assert "in another order" in refusal(frame, labels, sample_weight=pd.Series(1.0, index=range(99, -1, -1)))
    numbered = Dataset.from_arrays(frame.set_axis(range(5, 105)), labels)  # a different index says nothing
    assert numbered.fingerprint == Dataset.from_arrays(X, y).fingerprint


def test_names_of_features_are_kept_given_or_refused():
    assert Dataset.from_arrays(X, y, feature_names=NAMES).schema.feature_names == tuple(NAMES)
    assert Dataset.from_arrays(pd.DataFrame(X), y).feature_names is None
    assert "feature_names holds 1 names, but X has 6 features" in refusal(X, y, feature_names=["a"])
    assert "two columns of X have the name 'a'" in refusal(X, y, feature_names=["a", "a", *"cdef"])
    assert "two columns of X have the name 'a'" in refusal(pd.DataFrame(X, columns=["a", "a", *"cdef"]), y)


# What takes a data set


def test_a_pair_is_a_data_set_and_a_data_set_stays_as_it_is(digits):
    assert as_dataset(digits) is digits
    assert as_dataset((X, y)).fingerprint == Dataset.from_arrays(X, y).fingerprint
    for wrong, message in (
        (X, "got ndarray"),
        ([X, y], "got list"),
        ((X, y, y), "got a tuple of 3"),
        ("digits", "got str"),
        (pd.DataFrame(X), "got DataFrame"),
        (None, "got NoneType"),
    ):
        with pytest.raises(InputError, match=rf"must be a Dataset or a pair \(X, y\), {message}"):
            as_dataset(wrong)


def test_known_data_sets_are_as_before():
    """Their reports were written with these examples."""
    assert load_dataset("digits").fingerprint == "ba7519bbef38e1c0"
