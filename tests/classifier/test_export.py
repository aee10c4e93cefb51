"""scikit-learn and PyTorch give the same answers with a classifier that was trained here."""

import pickle
import sys

import numpy as np
import pytest
from sklearn.base import is_classifier
from sklearn.utils.validation import check_is_fitted
from support.classifiers import draw_examples, make_classifier, true_scores

from softjax import InputError, SweepConfig, sweep

KINDS = [("no", "yes"), (1, 2, 5), (False, True), ("ant", "bee", "cat", "dog")]


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("classes", KINDS, ids=str)
def test_scikit_learn_predicts_the_same(classes, scaled):
    classifier = make_classifier(classes, dtype="float64", scaled=scaled, steps=12)
    pipeline, X = classifier.to_sklearn(), draw_examples(classifier)
    check_is_fitted(pipeline)
    assert is_classifier(pipeline)
    np.testing.assert_allclose(pipeline.predict_proba(X), classifier.predict_proba(X), rtol=1e-12)
    np.testing.assert_array_equal(pipeline.predict(X), classifier.predict(X))
    assert pipeline.classes_.tolist() == list(classes)
    assert pipeline.n_features_in_ == 5
    assert pipeline[-1].n_iter_.tolist() == [12]
    rows = 1 if len(classes) == 2 else len(classes)
    assert pipeline[-1].coef_.shape == (rows, 5)
    assert pipeline.score(X, classifier.predict(X)) == 1


def test_it_does_what_a_trained_one_does(digits):
    config = SweepConfig(learning_rates=(0.01,), regs=(0.01,), num_iters=50, standardize=True)
    classifier = sweep(digits, config).classifier()
    pipeline = classifier.to_sklearn()
    X = digits.test.X.astype(float)
    np.testing.assert_allclose(pipeline.predict_proba(X), classifier.predict_proba(X), rtol=1e-4, atol=1e-7)
    assert pipeline[-1].n_iter_.tolist() == [50]


def test_names_of_features_are_kept_and_a_copy_is_the_same():
    pandas = pytest.importorskip("pandas")
    classifier = make_classifier(named=True)
    pipeline = pickle.loads(pickle.dumps(classifier.to_sklearn()))
    assert pipeline.feature_names_in_.tolist() == list(classifier.feature_names)
    frame = pandas.DataFrame(draw_examples(classifier), columns=classifier.feature_names)
    np.testing.assert_allclose(pipeline.predict_proba(frame), classifier.predict_proba(frame), rtol=1e-4)


def test_the_hinge_becomes_a_support_vector_machine():
    for classes in KINDS:
        classifier = make_classifier(classes, kind="hinge", dtype="float64")
        pipeline, X = classifier.to_sklearn(), draw_examples(classifier)
        np.testing.assert_array_equal(pipeline.predict(X), classifier.predict(X))
        assert not hasattr(pipeline, "predict_proba")


@pytest.mark.parametrize("classes", [KINDS[0], KINDS[3]], ids=str)
def test_onnx_takes_it_from_there(classes):
    skl2onnx = pytest.importorskip("skl2onnx")
    runtime = pytest.importorskip("onnxruntime")
    classifier = make_classifier(classes)
    X = draw_examples(classifier).astype(np.float32)
    model = skl2onnx.to_onnx(classifier.to_sklearn(), X[:1], options={"zipmap": False})
    session = runtime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    labels, probabilities = session.run(None, {session.get_inputs()[0].name: X})
    assert list(labels) == classifier.predict(X).tolist()
    np.testing.assert_allclose(probabilities, classifier.predict_proba(X), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize(("dtype", "rtol"), [("float32", 1e-4), ("float64", 1e-12)])
def test_torch_has_the_preprocessing_inside(dtype, rtol, scaled):
    torch = pytest.importorskip("torch")
    classifier = make_classifier(dtype=dtype, scaled=scaled)
    X = draw_examples(classifier).astype(dtype)
    linear = classifier.to_torch()
    assert (linear.in_features, linear.out_features) == (5, 4)
    scores = linear(torch.from_numpy(X)).detach().numpy()
    assert scores.dtype == dtype
    np.testing.assert_allclose(scores, classifier.decision_function(X), rtol=rtol, atol=rtol)


def test_large_means_cost_digits_in_float32_and_not_in_float64():
    torch = pytest.importorskip("torch")
    classifier = make_classifier(scaled=False)
    offset = 1e6
    classifier.preprocessing.mean[:] += offset
    X = draw_examples(classifier) + offset
    right = true_scores(classifier, X)
    narrow = classifier.to_torch()(torch.from_numpy(X.astype(np.float32))).detach().numpy()
    wide = classifier.to_torch("float64")(torch.from_numpy(X)).detach().numpy()
    assert np.abs(narrow - right).max() > 1e-2
    np.testing.assert_allclose(wide, right, atol=1e-8)
    np.testing.assert_allclose(classifier.decision_function(X), right, atol=1e-5)


@pytest.mark.usefixtures("own_messages")
def test_torch_is_asked_for_by_name(monkeypatch):
    pytest.importorskip("torch")
    with pytest.raises(InputError, match="dtype must be one of float32, float64"):
        make_classifier().to_torch("bfloat16")
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(InputError, match="pip install torch"):
        make_classifier().to_torch()
