"""`softjax predict` classifies the rows of a file, whatever its size, and says in one line why it cannot."""

import csv
import io
import math
import re
import signal

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, log_loss
from support.classifiers import CLASSES, draw_examples, make_classifier
from support.processes import LIMIT, run, wait_for

from softjax import cli
from softjax.classifier import rows as reading
from softjax.classifier.rows import Selection, read_rows

NUMBER = 2_345


@pytest.fixture(scope="module")
def pandas():
    return pytest.importorskip("pandas")


@pytest.fixture(scope="module")
def classifier():
    return make_classifier(named=True, dtype="float64", kind="softmax")


@pytest.fixture
def here(tmp_path, monkeypatch, classifier):
    """A working directory with the classifier, in which a block is 1,000 rows."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(reading, "BLOCK", 1)
    classifier.save("c.npz")
    return tmp_path


@pytest.fixture
def frame(pandas, classifier):
    """Rows in another order of columns, with ids such as 007 and labels, a fifth of them wrong."""
    X = draw_examples(classifier, NUMBER)
    frame = pandas.DataFrame(X, columns=classifier.feature_names)
    labels = classifier.predict(X)
    labels[::5] = "bee"
    frame.insert(0, "species", labels)
    frame.insert(2, "key", [f"{i:05}" for i in range(NUMBER)])
    return frame[list(frame.columns[::-1])]


def predict(*words):
    return cli.main(["predict", *words])


def read(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write(frame, name):
    if name.endswith(".csv"):
        frame.to_csv(name, index=False, float_format="%.17g")
    else:
        pytest.importorskip("pyarrow")
        frame.to_parquet(name, index=False, row_group_size=700)


@pytest.mark.parametrize("name", ["rows.csv", "rows.parquet"])
def test_rows_of_a_table_are_classified(here, capsys, classifier, frame, name):
    write(frame, name)
    assert predict("c.npz", name, "--label", "species", "--id", "key", "--proba") == 0
    found = read("predictions.csv")
    X = frame[list(classifier.feature_names)].to_numpy()
    assert list(found[0]) == ["key", "prediction", "p_ant", "p_bee", "p_cat", "p_dog"]
    assert [row["key"] for row in found] == frame["key"].tolist()
    assert [row["prediction"] for row in found] == classifier.predict(X).tolist()
    probabilities = np.array([[float(row[f"p_{each}"]) for each in classifier.classes] for row in found])
    np.testing.assert_allclose(probabilities, classifier.predict_proba(X), rtol=1e-12)
    out = capsys.readouterr().out
    accuracy = accuracy_score(frame["species"], classifier.predict(X))
    nats = log_loss(frame["species"], classifier.predict_proba(X), labels=classifier.classes)
    half = 1.96 * math.sqrt(accuracy * (1 - accuracy) / NUMBER)
    words = out.split("\n")[0].replace(")", "").split()
    assert float(words[1]) == pytest.approx(accuracy, abs=1e-4)
    assert float(words[5]) == pytest.approx(accuracy - half, abs=3e-3)
    assert float(words[7].strip(",")) == pytest.approx(accuracy + half, abs=3e-3)
    assert f"negative log-likelihood {nats:.4f} nats" in out
    assert out.endswith("predictions: predictions.csv (2,345 rows)\n")


@pytest.mark.parametrize("name", ["rows.csv", "rows.parquet"])
def test_pandas_and_polars_read_the_same(here, monkeypatch, frame, name):
    pytest.importorskip("polars")
    write(frame, name)
    selection = Selection(make_classifier(named=True).feature_names, CLASSES, "species", "key")
    theirs = list(read_rows(here / name, selection))
    monkeypatch.setattr(reading, "find_spec", lambda module: None)
    ours = list(read_rows(here / name, selection))
    assert [type(blocks[0].X).__module__.partition(".")[0] for blocks in (ours, theirs)] == [
        "pandas",
        "polars",
    ]
    np.testing.assert_array_equal(
        *(np.concatenate([np.asarray(block.X.to_numpy()) for block in blocks]) for blocks in (ours, theirs))
    )
    for field in ("id", "label"):
        mine, other = (
            [str(each) for block in blocks for each in getattr(block, field)] for blocks in (ours, theirs)
        )
        assert mine == other


def test_the_file_is_read_a_block_at_a_time(here, frame):
    write(frame, "rows.csv")
    np.save("rows.npy", frame[["f0", "f1", "f2", "f3", "f4"]].to_numpy())
    selection = Selection(("f0", "f1", "f2", "f3", "f4"), ignore_extra=True)
    for name in ("rows.csv", "rows.npy"):
        blocks = list(read_rows(here / name, selection))
        assert [len(block.X) for block in blocks] == [1000, 1000, 345]
        assert blocks[-1].done == 1
        assert isinstance(blocks[0].X, np.memmap) == (name == "rows.npy")


def test_arrays_are_classified(here, capsys, classifier):
    X = draw_examples(classifier, 30)
    y = classifier.predict(X)
    np.save("X.npy", X)
    np.savez("X.npz", X=X, y=y, number=np.arange(30))
    assert predict("c.npz", "X.npy", "--out", "a.csv") == 0
    assert predict("c.npz", "X.npz", "--label", "y", "--id", "number", "--out", "b.csv") == 0
    assert "accuracy 1.0000" in capsys.readouterr().out
    assert [row["prediction"] for row in read("a.csv")] == y.tolist()
    assert read("b.csv")[29] == {"number": "29", "prediction": y[29]}


def test_the_folder_of_a_sweep_is_a_classifier(here, digits, small_result, without_pictures):
    from softjax.reports.sweep import write_sweep
    from softjax.runs.run_folder import RunFolder

    write_sweep(small_result, digits, RunFolder(here / "run"), command="")
    np.save("X.npy", digits.test.X.reshape(-1, 8, 8))
    assert predict("run", "X.npy") == 0
    right = small_result.scores(digits.test).argmax(axis=1)
    assert [int(row["prediction"]) for row in read("predictions.csv")] == right.tolist()


def test_standard_output_holds_the_predictions_alone(here, capsys, frame):
    write(frame, "rows.csv")
    assert predict("c.npz", "rows.csv", "--label", "species", "--id", "key", "--out", "-") == 0
    printed = capsys.readouterr()
    assert len(list(csv.DictReader(io.StringIO(printed.out)))) == NUMBER
    assert "accuracy 0." in printed.err
    assert not (here / "predictions.csv").exists()


def test_a_number_of_float32_is_read_back_as_it_was(here):
    narrow = make_classifier(dtype="float32")
    narrow.save("n.npz")
    X = draw_examples(narrow, 20)
    np.save("X.npy", X)
    assert predict("n.npz", "X.npy", "--proba") == 0
    found = [[np.float32(row[f"p_{each}"]) for each in narrow.classes] for row in read("predictions.csv")]
    np.testing.assert_array_equal(np.array(found), narrow.predict_proba(X))


REFUSED = {
    "missing column": ("f2", {"drop": "f2"}, []),
    "extra column": ("'more'.*--ignore-extra", {"more": 1.0}, []),
    "text": ("'f1'.*text", {"f1": "abc"}, []),
    "nan": ("after 2,000 rows.*'f4'|'f4'.*row 2300", {"hole": ("f4", 2300)}, []),
    "no such label": ("no column 'class'", {}, ["--label", "class"]),
    "unknown label": ("'fox'", {"species": "fox"}, []),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_wrong_with_a_table_is_said_in_one_line(here, capsys, frame, case):
    what, changes, words = REFUSED[case]
    for name, value in changes.items():
        if name == "drop":
            del frame[value]
        elif name == "hole":
            frame.loc[value[1], value[0]] = math.nan
        else:
            frame[name] = value
    write(frame, "rows.csv")
    words = words or ["--label", "species"]
    assert predict("c.npz", "rows.csv", "--id", "key", *words) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert re.search(what, printed.err), printed.err
    assert sorted(path.name for path in here.iterdir()) == ["c.npz", "rows.csv"]


def test_extra_columns_can_be_left_out(here, frame, classifier):
    write(frame, "rows.csv")
    assert predict("c.npz", "rows.csv", "--ignore-extra") == 0
    X = frame[list(classifier.feature_names)].to_numpy()
    assert [row["prediction"] for row in read("predictions.csv")] == classifier.predict(X).tolist()


def test_a_feature_may_be_the_id(here, frame, classifier):
    write(frame.drop(columns=["species", "key"]), "rows.csv")
    assert predict("c.npz", "rows.csv", "--id", "f0") == 0
    found = np.array([float(row["f0"]) for row in read("predictions.csv")])
    np.testing.assert_array_equal(found, frame["f0"])


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["c.npz", "none.csv"], "no such file: none.csv"),
        (["none.npz", "rows.npy"], "no such file: none.npz"),
        (["rows.npz", "rows.npy"], "no classifier of softjax"),
        (["c.npz", "c.txt"], "c.txt is no file of data"),
        (["c.npz", "rows.npy", "--label", "y"], "no column 'y'"),
        (["c.npz", "empty.npy"], "no rows"),
        (["c.npz", "text.npy"], "text.npy cannot be read"),
        (["c.npz", "objects.npy"], "objects.npy cannot be read"),
        (["c.npz", "flat.npy"], r"flat.npy must hold an array"),
        (["c.npz", "narrow.npy"], "4 features"),
        (["c.npz", "empty.csv"], "empty.csv is empty"),
        (["c.npz", "header.csv"], "no rows"),
        (["c.npz", "ragged.csv"], "ragged.csv cannot be read"),
        (["c.npz", "rows.npz", "--label", "z"], "no array z"),
        (["c.npz", "rows.npz", "--label", "short"], "short"),
        (["c.npz", "rows.npy", "--out", "c.npz", "--overwrite"], "would replace c.npz"),
        (["c.npz", "rows.npy", "--out", "there.csv"], "there.csv exists.*--overwrite"),
        (["c.npz", "rows.npy", "--out", "folder"], "folder"),
        (["hinge.npz", "rows.npy", "--proba"], "hinge.*--proba"),
        (["hinge.npz", "rows.npy", "--ignore-extra"], "--ignore-extra"),
    ],
    ids=str,
)
def test_what_cannot_be_used_is_said_in_one_line(here, capsys, words, what):
    pytest.importorskip("pandas")
    X = draw_examples(make_classifier())
    np.save("rows.npy", X)
    np.savez("rows.npz", X=X, short=np.arange(3))
    np.save("empty.npy", X[:0])
    np.save("objects.npy", np.array([[None]]))
    np.save("flat.npy", X[0])
    np.save("narrow.npy", X[:, :4])
    (here / "text.npy").write_text("a,b\n1,2\n")
    (here / "empty.csv").write_text("")
    (here / "header.csv").write_text("f0,f1,f2,f3,f4\n")
    (here / "ragged.csv").write_text("f0,f1,f2,f3,f4\n1,2,3,4,5\n1,2,3,4,5,6\n")
    (here / "there.csv").write_text("mine")
    (here / "c.txt").write_text("")
    (here / "folder").mkdir()
    make_classifier(kind="hinge").save("hinge.npz")
    before = sorted(here.iterdir())
    assert predict(*words) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("softjax: error: ")
    assert printed.err.count("\n") == 1
    assert re.search(what, printed.err), printed.err
    assert sorted(here.iterdir()) == before
    assert (here / "there.csv").read_text() == "mine"


def test_an_earlier_file_is_replaced_where_that_is_asked_for(here, classifier):
    np.save("X.npy", draw_examples(classifier))
    (here / "new").mkdir()
    for words in ([], ["--overwrite"], ["--out", "new/folder/p.csv"]):
        assert predict("c.npz", "X.npy", *words) == 0
    assert len(read("predictions.csv")) == len(read("new/folder/p.csv")) == 50


def test_a_hinge_has_an_accuracy_and_no_likelihood(here, capsys):
    hinge = make_classifier(kind="hinge")
    hinge.save("h.npz")
    X = draw_examples(hinge)
    np.savez("X.npz", X=X, y=hinge.predict(X))
    assert predict("h.npz", "X.npz", "--label", "y") == 0
    out = capsys.readouterr().out
    assert "accuracy 1.0000" in out
    assert "likelihood" not in out


@pytest.mark.parametrize("classes", [(1, 2, 5), (False, True), (1.0, 3.0), ("01", "1", "NA")], ids=str)
def test_labels_of_a_table_are_those_of_training(here, capsys, pandas, classes):
    classifier = make_classifier(classes, named=True)
    classifier.save("k.npz")
    X = draw_examples(classifier, 40)
    frame = pandas.DataFrame(X, columns=classifier.feature_names)
    frame["y"] = classifier.predict(X)
    frame.to_csv("rows.csv", index=False)
    assert predict("k.npz", "rows.csv", "--label", "y") == 0
    assert "accuracy 1.0000" in capsys.readouterr().out
    assert [row["prediction"] for row in read("predictions.csv")] == [
        str(each) for each in classifier.predict(X)
    ]


def test_the_help_has_examples(capsys):
    with pytest.raises(SystemExit):
        predict("--help")
    out = capsys.readouterr().out
    assert "softjax predict classifier.npz test.parquet --label species" in out
    for option in (
        "CLASSIFIER",
        "DATA",
        "--out",
        "--proba",
        "--label",
        "--id",
        "--ignore-extra",
        "--overwrite",
    ):
        assert option in out


def test_a_missing_argument_is_a_usage_error(capsys):
    with pytest.raises(SystemExit) as ending:
        predict("c.npz")
    assert ending.value.code == 2
    assert "DATA" in capsys.readouterr().err


@pytest.mark.slow
def test_an_interruption_leaves_nothing_behind(here, start_process, classifier):
    X = np.lib.format.open_memmap("X.npy", "w+", np.float32, (20_000_000, 5))
    X.flush()
    process = start_process("-m", "softjax", "predict", "c.npz", "X.npy", "--proba")
    wait_for(here / "predictions.csv.new", process)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=LIMIT)
    assert process.returncode == 130
    assert "Traceback" not in error
    assert sorted(path.name for path in here.iterdir()) == ["X.npy", "c.npz"]


@pytest.mark.slow
def test_it_runs_as_a_program(here, classifier):
    np.save("X.npy", draw_examples(classifier))
    done = run("-m", "softjax", "predict", "c.npz", "X.npy", "--out", "-")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("prediction\n")
    assert "\r" not in done.stderr
