"""A saved classifier is the same when it is loaded; a file that is none, or is damaged, says so in one line."""

import json
import os
import re

import numpy as np
import pytest
from hypothesis import given, settings
from support.classifiers import draw_examples, make_classifier
from support.damage import damaged_npz, pack, to_npy, unpack

import softjax
from softjax import Classifier, InputError, load_classifier
from softjax.runs import files


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_it_is_the_same_when_it_is_loaded(tmp_path, dtype, named, scaled):
    classifier = make_classifier(dtype=dtype, named=named, scaled=scaled, kind="softmax", reg=0.1, steps=7)
    classifier.save(str(tmp_path / "mine"))  # under that very name
    again = load_classifier(tmp_path / "mine")
    assert again.schema == classifier.schema
    assert again.config == classifier.config
    X = draw_examples(classifier)
    np.testing.assert_array_equal(again.decision_function(X), classifier.decision_function(X))
    assert os.listdir(tmp_path) == ["mine"]


def test_numpy_reads_it_without_pickle(tmp_path):
    classifier = make_classifier(scaled=False)
    classifier.save(tmp_path / "c.npz")
    with np.load(tmp_path / "c.npz", allow_pickle=False) as arrays:
        assert set(arrays) == {"about", "W", "mean", "class_names"}
        np.testing.assert_array_equal(arrays["W"], classifier.W)
        assert arrays["class_names"].tolist() == ["ant", "bee", "cat", "dog"]
        assert json.loads(arrays["about"].item())["format"] == 1


def test_the_folder_of_a_report_will_do(tmp_path):
    make_classifier().save(tmp_path / "classifier.npz")
    assert isinstance(load_classifier(tmp_path), Classifier)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"no such file: .*classifier\.npz"):
        load_classifier(tmp_path / "empty")


def test_an_earlier_file_stays_where_a_new_one_cannot_be_written(tmp_path, monkeypatch):
    path = tmp_path / "c.npz"
    make_classifier(seed=0).save(path)
    before = path.read_bytes()

    def fail(file, **arrays):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.np, "savez", fail)
    with pytest.raises(InputError, match=r"c\.npz cannot be written: No space"):
        make_classifier(seed=1).save(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["c.npz"]
    with pytest.raises(InputError, match="cannot be written"):
        make_classifier().save(tmp_path / "no folder" / "c.npz")


def rewrite(path, **changes):
    """The file with other entries in what it says about itself; None removes one."""
    members = unpack(path.read_bytes())
    about = json.loads(np.load(path)["about"].item()) | changes
    text = json.dumps({name: value for name, value in about.items() if value is not None})
    path.write_bytes(pack(members | {"about.npy": to_npy(np.array(text.encode()))}))


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"format": 2}, "format 2, expected 1"),
        ({"format": None}, "damaged"),
        ({"schema": None}, "classes"),
        ({"schema": {"classes": [1, 2, 3, None], "class_names": ["a"] * 4}}, "classes"),
        ({"schema": {"classes": [1, 2, 3, 4], "class_names": "abcd"}}, "class_names"),
        ({"schema": {"classes": [1, 2, 3], "class_names": ["a"] * 3}}, "damaged.*3"),
        ({"config": [1]}, "config"),
    ],
)
def test_what_a_file_says_of_itself_is_checked(tmp_path, changes, what):
    path = tmp_path / "c.npz"
    make_classifier().save(path)
    rewrite(path, **changes)
    with pytest.raises(InputError, match=rf"c\.npz.*{what}"):
        load_classifier(path)


def test_another_file_is_none(tmp_path):
    np.savez(tmp_path / "data.npz", X=np.zeros((3, 2)), y=np.zeros(3))
    with pytest.raises(InputError, match="no classifier of softjax: it holds X, y"):
        load_classifier(tmp_path / "data.npz")
    with pytest.raises(InputError, match="no such file"):
        load_classifier(tmp_path / "none.npz")
    np.savez(tmp_path / "about.npz", about=np.arange(3))
    with pytest.raises(InputError, match="damaged"):
        load_classifier(tmp_path / "about.npz")


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("classifiers") / "c.npz"
    make_classifier(named=True).save(path)
    return path, path.read_bytes()


@pytest.mark.usefixtures("own_messages")
def test_a_damaged_file_is_refused_in_one_line_or_gives_a_classifier(saved):
    path, content = saved

    @given(damaged_npz(content))
    @settings(max_examples=150)
    def load(bad):
        path.write_bytes(bad)
        classifier, said = None, ""
        try:
            classifier = load_classifier(path)
        except InputError as error:
            said = str(error)
        if classifier is None:
            assert re.search(r"c\.npz", said)
            assert "\n" not in said
        else:
            assert np.isfinite(classifier.decision_function(np.zeros((2, len(classifier.W) - 1)))).all()

    load()


def test_the_names_are_public():
    assert {"Classifier", "load_classifier"} <= set(softjax.__all__)
