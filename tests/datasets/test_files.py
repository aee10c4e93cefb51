"""Files of arrays and tables are data sets: the same one, whatever the format and the library that reads it."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest
from sklearn.utils.class_weight import compute_sample_weight

from softjax import Dataset, InputError, load_dataset
from softjax.datasets import tables

LIBRARIES = ("polars", "pandas")
rng = np.random.default_rng(0)
N = 60
FRAME = pd.DataFrame(
    {
        "emb_0": rng.normal(size=N),
        "age": rng.integers(0, 99, N),
        "animal": np.array(["cat", "dog", "owl"])[np.arange(N) % 3],
        "emb_1": rng.normal(size=N),
        "w": rng.uniform(0.5, 2, N).round(3),
        "fur": np.arange(N) % 2 == 0,
    }
)
FEATURES = ["emb_0", "age", "emb_1", "fur"]
EXPECTED = Dataset.from_arrays(FRAME[FEATURES], FRAME["animal"])


@pytest.fixture(params=LIBRARIES)
def library(request, monkeypatch):
    """The library that reads tables; the other one is as good as not installed."""
    pytest.importorskip(request.param)
    installed = tables.find_spec
    monkeypatch.setattr(
        tables, "find_spec", lambda name: installed(name) if name in (request.param, "pyarrow") else None
    )
    return request.param


def save(frame, path):
    if path.suffix == ".parquet":
        pytest.importorskip("pyarrow")
        frame.to_parquet(path, index=False)
    else:
        frame.to_csv(path, index=False)
    return str(path)


def refusal(*arguments, **options):
    with pytest.raises(InputError) as caught:
        load_dataset(*arguments, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 600
    return message


# Tables


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_table_is_the_data_set_of_its_frame(tmp_path, library, suffix):
    path = save(FRAME, tmp_path / f"animals{suffix}")
    dataset = load_dataset(path, label="animal", features=[*FEATURES])
    assert dataset.classes == ("cat", "dog", "owl")
    assert dataset.feature_names == tuple(FEATURES)
    assert dataset.title == f"animals{suffix}"
    assert dataset.fingerprint == EXPECTED.fingerprint
    assert load_dataset(path, label="animal", features="emb_*").feature_names == ("emb_0", "emb_1")
    assert load_dataset(path, label="animal", features="age,emb_?").feature_names == ("emb_0", "age", "emb_1")
    others = load_dataset(path, label="animal", split_seed=1)
    assert others.feature_names == ("emb_0", "age", "emb_1", "w", "fur")


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_weights_are_a_column_and_classes_can_be_balanced(tmp_path, library, suffix):
    path = save(FRAME, tmp_path / f"animals{suffix}")
    dataset = load_dataset(path, label="animal", sample_weight="w", class_weight="balanced")
    assert dataset.feature_names == tuple(FEATURES)
    expected = Dataset.from_arrays(
        FRAME[FEATURES], FRAME["animal"], sample_weight=FRAME["w"], class_weight="balanced"
    )
    assert dataset.fingerprint == expected.fingerprint


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_the_files_of_a_folder_are_one_table_in_the_order_of_their_names(tmp_path, library, suffix):
    folder = tmp_path / "animals"
    folder.mkdir()
    save(FRAME[20:][FRAME.columns[::-1]], folder / f"part-2{suffix}")  # in another order of columns
    save(FRAME[:20], folder / f"part-1{suffix}")
    (folder / "README.md").write_text("not a table")
    (folder / ".hidden.csv").write_text("not a table")
    dataset = load_dataset(str(folder), label="animal", features=FEATURES)
    assert dataset.fingerprint == EXPECTED.fingerprint
    save(FRAME.rename(columns={"age": "Age"}), folder / f"part-3{suffix}")
    assert "differ in their columns" in refusal(str(folder), label="animal")


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize("others", [("val", "test"), ("validation", "test"), ("test",)])
def test_the_files_train_val_and_test_are_the_parts(tmp_path, library, suffix, others):
    save(FRAME[:40], tmp_path / f"train{suffix}")
    for name in others:
        save(FRAME[40:][FRAME.columns[::-1]], tmp_path / f"{name}{suffix}")
    dataset = load_dataset(str(tmp_path), label="animal", sample_weight="w")
    assert len(dataset.test) == 20
    np.testing.assert_array_equal(dataset.test.X, FRAME[40:][FEATURES].to_numpy(float))
    assert [len(dataset.train), len(dataset.val)] == ([40, 20] if len(others) == 2 else [36, 4])
    assert dataset.test.weight is None
    save(FRAME[40:].drop(columns="age"), tmp_path / f"test{suffix}")
    assert f"test{suffix} must have the 4 columns of the training features, but lacks age" in refusal(
        str(tmp_path), label="animal", sample_weight="w"
    )
    save(FRAME, tmp_path / f"more{suffix}")
    assert f"more{suffix} must be one of val and test" in refusal(str(tmp_path), label="animal")


@pytest.mark.parametrize("name", ["label", "target", "class", "y"])
def test_the_column_of_the_labels_is_found_by_its_name(tmp_path, library, name):
    path = save(FRAME.rename(columns={"animal": name}), tmp_path / "a.csv")
    assert load_dataset(path).classes == ("cat", "dog", "owl")
    both = FRAME.rename(columns={"animal": name}).assign(**{"y" if name != "y" else "label": 1})
    assert "which column of" in refusal(save(both, tmp_path / "a.csv"))
    assert load_dataset(str(tmp_path / "a.csv"), label=name).classes == ("cat", "dog", "owl")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "which column of emb_0, age, animal, emb_1, w, fur holds the labels? name it as label"),
        ({"label": "anmal"}, "has no column 'anmal' for label, but emb_0, age, animal, emb_1, w, fur; did you mean 'animal'?"),
        ({"label": "animal", "sample_weight": "v"}, "has no column 'v' for sample_weight"),
        ({"label": "animal", "sample_weight": "animal"}, "cannot be both label and sample_weight"),
        ({"label": "animal", "features": "embed_*"}, "no column is like 'embed_*' of features; there are emb_0, age"),
        ({"label": "emb_0"}, "column 'animal' of a.csv holds text ('cat')"),
        ({"label": "emb_0", "features": "age"}, "column 'emb_0' of a.csv holds 0.1257302210933933 in row 0"),
        ({"label": "animal", "sample_weight": "animal"}, "animal"),
    ],
)  # fmt: skip
def test_columns_that_are_not_there_or_cannot_be_used_are_named(tmp_path, library, options, message):
    assert message in refusal(save(FRAME, tmp_path / "a.csv"), **options)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_missing_values_are_refused_by_their_column_and_row(tmp_path, library, suffix):
    holes = FRAME.astype({"age": "Int64"})
    holes.loc[7, "age"] = pd.NA
    message = refusal(save(holes, tmp_path / f"a{suffix}"), label="animal")
    assert "row 7" in message
    assert "column 'age'" in message
    assert "fill" in message
    holes = FRAME.copy()
    holes.loc[7, "animal"] = None
    message = refusal(save(holes, tmp_path / f"a{suffix}"), label="animal")
    assert f"column 'animal' of a{suffix} has no label in row 7" in message


def test_a_class_may_be_called_na_and_a_text_among_numbers_is_shown(tmp_path, library):
    named = FRAME.replace({"animal": {"cat": "NA"}})
    assert load_dataset(save(named, tmp_path / "a.csv"), label="animal").classes == ("NA", "dog", "owl")
    odd = FRAME.astype({"age": object})
    odd.loc[3, "age"] = "?"
    assert "column 'age' of a.csv holds text" in refusal(save(odd, tmp_path / "a.csv"), label="animal")


def test_columns_of_parquet_that_are_no_numbers_are_named(tmp_path, library):
    for value, message in (
        (pd.Timestamp(0), "holds dates or times"),
        ([1.0, 2.0], "holds nested values"),
        ("Paris", "holds text"),
    ):
        path = save(FRAME.assign(odd=[value] * N), tmp_path / "a.parquet")
        assert f"column 'odd' of a.parquet {message}" in refusal(path, label="animal")


def test_the_index_of_pandas_is_no_feature(tmp_path, library):
    FRAME.to_csv(tmp_path / "a.csv")
    assert "a column has no name, perhaps the index" in refusal(str(tmp_path / "a.csv"), label="animal")
    assert load_dataset(str(tmp_path / "a.csv"), label="animal", features=FEATURES)
    pytest.importorskip("pyarrow")
    FRAME.sample(frac=1, random_state=0).to_parquet(tmp_path / "a.parquet")
    dataset = load_dataset(str(tmp_path / "a.parquet"), label="animal", sample_weight="w")
    assert dataset.feature_names == tuple(FEATURES)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"a,y\n1,2\n1,2,3\n", "cannot be read"),
        (b"a,a,y\n1,2,3\n", "two columns of the name 'a'"),
        (b"a,y\n", "a.csv"),
        (b"\xff\xfe\x00", "a.csv"),
        (b"PK\x03\x04", "a.csv"),
    ],
)
def test_a_damaged_table_is_refused_in_one_line(tmp_path, library, content, message):
    (tmp_path / "a.csv").write_bytes(content)
    assert message in refusal(str(tmp_path / "a.csv"))
    (tmp_path / "a.parquet").write_bytes(content)
    assert "a.parquet" in refusal(str(tmp_path / "a.parquet"))


def test_without_a_library_one_line_says_what_to_install(tmp_path, monkeypatch):
    path = save(FRAME, tmp_path / "a.csv")
    monkeypatch.setattr(tables, "find_spec", lambda name: None)
    assert "pip install 'softjax-suite[tables]'" in refusal(path, label="animal")
    monkeypatch.setattr(tables, "find_spec", lambda name: name == "pandas" or None)
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    assert "pandas lacks pyarrow" in refusal(str(tmp_path / "a.parquet"))


# Arrays


def test_a_folder_of_arrays_is_the_data_set_of_its_npz(tmp_path):
    X, y = FRAME[FEATURES].to_numpy(float), FRAME["animal"].to_numpy(str)
    arrays = {
        "X_train": X[:40],
        "y_train": y[:40],
        "X_test": X[40:],
        "y_test": y[40:],
        "sample_weight": np.arange(40),
    }
    (tmp_path / "folder").mkdir()
    for name, array in arrays.items():
        np.save(tmp_path / "folder" / f"{name}.npy", array)
    np.savez(tmp_path / "file.npz", **arrays)
    one, other = (
        load_dataset(str(tmp_path / name), class_weight="balanced") for name in ("folder", "file.npz")
    )
    assert one.fingerprint == other.fingerprint
    assert (one.title, other.title) == ("folder", "file.npz")
    expected = compute_sample_weight("balanced", one.train.y)
    assert not np.allclose(one.train.weight, expected)  # the weights of the examples count
    (tmp_path / "folder" / "y_test.npy").unlink()
    assert "y_test is missing" in refusal(str(tmp_path / "folder"))
    (tmp_path / "folder" / "y_train.npy").write_bytes(b"\x80 a pickle")
    (tmp_path / "folder" / "X_test.npy").unlink()
    assert "y_train.npy is no array of NumPy" in refusal(str(tmp_path / "folder"))


def test_a_pickled_array_is_not_run(tmp_path):
    np.save(tmp_path / "X.npy", np.zeros((9, 2)))
    np.save(tmp_path / "y.npy", np.array(["a", "b", "c"] * 3, object))
    assert "y.npy is pickled" in refusal(str(tmp_path))


def test_a_folder_that_is_no_data_set_says_what_it_holds(tmp_path, monkeypatch):
    assert "holds no files; expected X.npy and y.npy, or .csv or .parquet" in refusal(str(tmp_path))
    (tmp_path / "notes.txt").touch()
    assert "holds notes.txt; expected" in refusal(str(tmp_path))
    (tmp_path / "a.csv").touch()
    np.save(tmp_path / "Z.npy", np.zeros(3))
    assert "holds both .npy and .csv files" in refusal(str(tmp_path))
    (tmp_path / "a.csv").unlink()
    assert "holds Z; expected X and y, or X_train and y_train" in refusal(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert "holds Z; expected" in refusal(".")


def test_columns_are_for_tables_alone(tmp_path):
    np.savez(tmp_path / "a.npz", X=np.zeros((9, 2)), y=np.arange(9) % 3)
    for option in ({"label": "y"}, {"features": "a*"}, {"sample_weight": "w"}):
        assert f"{next(iter(option))} names columns of a table" in refusal(str(tmp_path / "a.npz"), **option)
        assert "the dataset is digits" in refusal("digits", **option)


# Memory


def measure(function):
    """The result, and the most memory that NumPy and Python held meanwhile, in bytes."""
    tracemalloc.start()
    try:
        return function(), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_file_needs_hardly_more_memory_than_its_features(tmp_path, order):
    X, y = np.zeros((40_000, 64), np.float32, order), np.arange(40_000) % 3
    for name in ("file.npz", "folder"):
        if name == "folder":
            (tmp_path / name).mkdir()
            np.save(tmp_path / name / "X.npy", X)
            np.save(tmp_path / name / "y.npy", y)
        else:
            np.savez(tmp_path / name, X=X, y=y)
        dataset, peak = measure(lambda name=name: load_dataset(str(tmp_path / name)))
        assert peak < 1.4 * X.nbytes  # labels are a tenth of it here
        assert dataset.train.X.base is not None


def test_arrays_of_the_caller_are_copied_once_or_not_at_all():
    X, y = np.zeros((40_000, 64), np.float32), np.arange(40_000) % 3
    _, peak = measure(lambda: Dataset.from_arrays(X, y))
    assert peak < 1.3 * X.nbytes
    _, peak = measure(lambda: Dataset.from_arrays(X.astype(np.int16), y))  # of half the size
    assert peak < 1.9 * X.nbytes
    _, peak = measure(lambda: Dataset.from_arrays(X, y, X_val=X, y_val=y, X_test=X, y_test=y))
    assert peak < 0.3 * X.nbytes
