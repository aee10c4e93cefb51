"""A classifier takes examples as the user has them, and answers with the labels that the user gave."""

import json
import pickle
from dataclasses import FrozenInstanceError, replace

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import log_softmax, softmax
from support.classifiers import CLASSES, draw_examples, make_classifier, true_scores

import softjax
from softjax import Classifier, InputError, SweepConfig, regularization_path, sweep
from softjax.datasets.dataset import Schema
from softjax.datasets.preprocess import Preprocessing


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize(("dtype", "rtol"), [("float32", 1e-5), ("float64", 1e-13)])
def test_scores_and_probabilities_are_those_of_the_formula(dtype, rtol, scaled):
    classifier = make_classifier(dtype=dtype, scaled=scaled)
    X = draw_examples(classifier, 2_345)  # more than one block
    scores, right = classifier.decision_function(X), true_scores(classifier, X)
    assert scores.shape == (2_345, 4)
    assert scores.dtype == dtype
    np.testing.assert_allclose(scores, right, rtol=rtol, atol=10 * rtol)
    np.testing.assert_allclose(classifier.predict_proba(X), softmax(right, axis=1), rtol=20 * rtol)
    np.testing.assert_allclose(
        classifier.predict_log_proba(X), log_softmax(right, axis=1), rtol=20 * rtol, atol=rtol
    )
    assert classifier.predict(X).tolist() == [CLASSES[k] for k in right.argmax(axis=1)]


def test_the_logarithm_of_a_probability_near_1_keeps_its_digits():
    classifier = replace(
        make_classifier(("a", "b"), 1, scaled=False),
        W=np.array([[1, -1], [0, 0]], np.float32),
        preprocessing=Preprocessing(np.zeros(1), None),
    )
    [[likely, unlikely]] = classifier.predict_log_proba(np.array([[20.0]]))
    assert likely == pytest.approx(-np.log1p(np.exp(-40.0)), rel=1e-5, abs=0)
    assert unlikely == pytest.approx(-40.0)


@pytest.mark.parametrize(
    "classes",
    [("no", "yes"), (1, 2, 5), (False, True), (1.0, 3.0), (-1, 2**63), ("", "ü", "a b"), ("a", "a\0")],
    ids=str,
)
def test_labels_come_back_as_they_were_given(classes, tmp_path):
    classifier = make_classifier(classes)
    X = draw_examples(classifier)
    predicted = classifier.predict(X).tolist()
    right = [classes[k] for k in true_scores(classifier, X).argmax(axis=1)]
    assert predicted == right
    assert set(map(type, predicted)) <= set(map(type, classes))
    classifier.save(tmp_path / "c.npz")
    again = softjax.load_classifier(tmp_path / "c.npz")
    assert again.classes.tolist() == list(classes)
    assert list(map(type, again.classes.tolist())) == list(map(type, classes))


def test_a_tie_is_the_first_class():
    classifier = replace(make_classifier(), W=np.zeros((6, 4), np.float32))
    assert classifier.predict(draw_examples(classifier, 3)).tolist() == ["ant"] * 3


def test_two_classes_have_two_columns():
    classifier = make_classifier(("no", "yes"))
    assert classifier.decision_function(draw_examples(classifier)).shape == (50, 2)


def test_the_score_is_the_share_of_right_labels():
    classifier = make_classifier()
    X = draw_examples(classifier)
    y = classifier.predict(X)
    assert classifier.score(X, y) == 1
    assert classifier.score(X, y[:, None]) == 1
    wrong = y.copy()
    wrong[:10] = np.where(y[:10] == "ant", "bee", "ant")
    assert classifier.score(X, list(wrong)) == 0.8
    with pytest.raises(InputError, match="fox"):
        classifier.score(X, ["fox", *y[1:]])
    with pytest.raises(InputError, match="50"):
        classifier.score(X, y[:-1])


def test_anything_that_holds_numbers_is_taken():
    torch = pytest.importorskip("torch")
    pandas = pytest.importorskip("pandas")
    classifier = make_classifier()
    X = draw_examples(classifier).astype(np.float32)
    right = classifier.decision_function(X)
    for given in (X.tolist(), jnp.asarray(X), torch.from_numpy(X), pandas.DataFrame(X), np.asfortranarray(X)):
        np.testing.assert_allclose(classifier.decision_function(given), right, rtol=1e-5, atol=1e-5)


def test_integers_and_pixels_are_taken():
    classifier = make_classifier(dtype="float64")
    X = np.random.default_rng(0).integers(0, 256, (30, 5))
    right = true_scores(classifier, X)
    for dtype in (np.uint8, np.int64, np.float16):
        np.testing.assert_allclose(classifier.decision_function(X.astype(dtype)), right, rtol=1e-12)


def frame_of(library, X, names):
    columns = {name: X[:, i] for i, name in enumerate(names)}
    return pytest.importorskip(library).DataFrame(columns)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_columns_of_a_frame_are_matched_by_name(library):
    classifier = make_classifier(named=True)
    X = draw_examples(classifier)
    right = classifier.decision_function(X)
    shuffled = [3, 1, 4, 0, 2]
    frame = frame_of(library, X[:, shuffled], [f"f{i}" for i in shuffled])
    np.testing.assert_array_equal(classifier.decision_function(frame), right)
    with pytest.raises(InputError, match="f4"):
        classifier.predict(frame_of(library, X[:, :4], ["f0", "f1", "f2", "f3"]))
    with pytest.raises(InputError, match="extra"):
        classifier.predict(frame_of(library, np.hstack([X, X[:, :1]]), [*classifier.feature_names, "extra"]))
    X[7, 2] = np.nan
    with pytest.raises(InputError, match="'f2'"):
        classifier.predict(frame_of(library, X, classifier.feature_names))


def test_a_column_of_text_is_named():
    classifier = make_classifier(named=True)
    frame = frame_of("pandas", draw_examples(classifier), classifier.feature_names)
    with pytest.raises(InputError, match="'f3'"):
        classifier.predict(frame.astype({"f3": str}))


def test_without_names_the_order_counts():
    pytest.importorskip("pandas")
    classifier = make_classifier()
    X = draw_examples(classifier)
    frame = frame_of("pandas", X, "vwxyz")
    np.testing.assert_array_equal(classifier.decision_function(frame), classifier.decision_function(X))


@pytest.mark.parametrize(
    ("X", "what"),
    [
        (np.zeros((3, 4)), "4 features.* 5"),
        (np.zeros(5), r"\(N, features\)"),
        (np.zeros((0, 5)), "no examples"),
        (np.full((2, 5), np.nan), "nan in row 0, column 0"),
        (np.array([[0, 0, np.inf, 0, 0]]), "inf in row 0, column 2"),
        (
            np.array([[0, 0, 0, 0, 0], [0, 0, 1e300, 0, 0]]),
            "column 2 of X is 1e\\+300 in row 1, too large for float32",
        ),
        (np.array([["a"] * 5]), "text"),
        ("rows.csv", "rows.csv"),
    ],
)
def test_what_cannot_be_classified_is_named(X, what):
    with pytest.raises(InputError, match=what):
        make_classifier().predict(X)


def test_images_of_another_shape_are_refused():
    classifier = make_classifier(num_features=16)
    schema = replace(classifier.schema, image_shape=(4, 4))
    classifier = replace(classifier, schema=schema)
    X = draw_examples(classifier, 3)
    right = classifier.decision_function(X)
    np.testing.assert_array_equal(classifier.decision_function(X.reshape(3, 4, 4)), right)
    with pytest.raises(InputError, match=r"\(2, 8\)"):
        classifier.predict(X.reshape(3, 2, 8))


def test_the_hinge_has_no_probabilities():
    classifier = make_classifier(kind="hinge")
    X = draw_examples(classifier)
    assert classifier.predict(X).shape == (50,)
    for name in ("predict_proba", "predict_log_proba"):
        with pytest.raises(InputError, match=f"{name}.*hinge.*decision_function"):
            getattr(classifier, name)(X)


GOOD = make_classifier(named=True)
F, K = 5, 4


@pytest.mark.usefixtures("own_messages")
@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"W": np.zeros((6, 4), int)}, "W must be"),
        ({"W": np.zeros(6)}, "W must be"),
        ({"W": np.full((6, 4), np.nan)}, "W holds a number that is not finite"),
        ({"W": np.zeros((6, 3))}, "3 classes"),
        ({"W": np.zeros((5, 4))}, "4 features"),
        ({"preprocessing": Preprocessing(np.zeros(4), None)}, "mean"),
        ({"preprocessing": Preprocessing(np.zeros(5), np.full(5, np.inf))}, "scale"),
        ({"schema": Schema(("a",) * 3, ("a",) * 4)}, "classes"),
        ({"config": {"a": object()}}, "config"),
        ({"config": [1]}, "config"),
    ],
)
def test_parts_that_do_not_fit_are_refused(changes, what):
    with pytest.raises(InputError, match=what):
        replace(GOOD, **changes)


def test_it_is_frozen_short_to_print_and_pickled():
    with pytest.raises(FrozenInstanceError):
        GOOD.W = np.zeros((6, 4))
    assert repr(GOOD) == "Classifier(softmax, 5 features, standardized, classes ant, bee, cat, dog)"
    X = draw_examples(GOOD)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(GOOD)).predict(X), GOOD.predict(X))


def test_a_sweep_gives_each_of_its_classifiers(digits, small_result):
    best = small_result.classifier()
    X, y = digits.test.X, digits.test.y
    np.testing.assert_array_equal(best.decision_function(X), small_result.scores(digits.test))
    for config, seed in ((None, None), (0, 1), (3, 0)):
        classifier = small_result.classifier(config, seed)
        c, s = (small_result.best, small_result.best_seed) if config is None else (config, seed)
        assert classifier.score(X, y) == pytest.approx(small_result.test_accuracy[c, s], abs=1e-6)
        assert classifier.config["learning_rate"] == small_result.learning_rate[c]
        assert classifier.config["seed"] == small_result.seed[s]
        assert classifier.config["steps"] == 30
        assert json.loads(json.dumps(classifier.config)) == classifier.config
    assert best.classes.tolist() == list(range(10))
    for config, seed in ((6, 0), (-1, 0), (0, 2)):
        with pytest.raises(InputError, match="must be an index"):
            small_result.classifier(config, seed)


def test_a_run_whose_weights_were_not_kept_is_no_classifier(small_result):
    few = replace(small_result, weights=None)
    assert isinstance(few.classifier(), Classifier)
    with pytest.raises(InputError, match="keep_weights"):
        few.classifier(0 if small_result.best else 1)


def test_a_run_that_diverged_is_no_classifier(digits):
    config = SweepConfig(learning_rates=(0.01, 1e30), regs=(0.1,), num_iters=5, keep_weights="all")
    result = sweep(digits, config)
    assert isinstance(result.classifier(0), Classifier)
    with pytest.raises(InputError, match="diverged"):
        result.classifier(1)


def test_a_path_gives_each_of_its_classifiers(digits):
    path = regularization_path(digits, regs=(0.1, 1.0), standardize=True)
    for reg, index in ((None, path.best), (0, 0), (1, 1)):
        classifier = path.classifier(reg)
        assert classifier.score(digits.test.X, digits.test.y) == pytest.approx(path.test_accuracy[index])
        assert classifier.config["reg"] == path.reg[index]
    with pytest.raises(InputError, match="from 0 to 1"):
        path.classifier(2)
