"""The estimators are scikit-learn's, to the minimum: its checks pass, and its LogisticRegression has the same coefficients."""

import pickle

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, GroupKFold, StratifiedKFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

import softjax
from softjax import SoftmaxClassifier, SoftmaxClassifierCV

BUNDLED = {"iris": load_iris, "wine": load_wine, "breast cancer": load_breast_cancer, "digits": load_digits}


def standardized(name):
    X, y = BUNDLED[name](return_X_y=True)
    return StandardScaler().fit_transform(X), y


@pytest.mark.slow
@pytest.mark.parametrize(
    "estimator", [SoftmaxClassifier(), SoftmaxClassifierCV()], ids=lambda e: type(e).__name__
)
def test_scikit_learn_s_checks_pass(own_messages, estimator):
    check_estimator(estimator, on_skip=None)


@pytest.mark.parametrize("C", [0.1, 10.0])
@pytest.mark.parametrize("name", BUNDLED)
def test_coefficients_and_probabilities_are_those_of_logistic_regression(name, C):
    X, y = standardized(name)
    theirs = LogisticRegression(C=C, tol=1e-10, max_iter=100_000, solver="newton-cg").fit(X, y)
    ours = SoftmaxClassifier(C=C).fit(X, y)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-3)
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, atol=1e-3)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-4)
    np.testing.assert_allclose(ours.decision_function(X), theirs.decision_function(X), rtol=1e-3, atol=1e-2)
    assert (ours.predict(X) == theirs.predict(X)).all()
    assert ours.coef_.shape == theirs.coef_.shape


@pytest.mark.parametrize("name", ["wine", "breast cancer"])
def test_weights_are_those_of_logistic_regression(name):
    X, y = standardized(name)
    weight = np.random.default_rng(0).exponential(size=len(y))
    options = {"C": 2.0, "class_weight": "balanced"}
    theirs = LogisticRegression(**options, tol=1e-10, max_iter=10_000).fit(X, y, sample_weight=weight)
    ours = SoftmaxClassifier(**options).fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-3)


@pytest.mark.parametrize(("name", "per_class"), [("wine", 2), ("breast cancer", 1)])
def test_reg_is_that_of_the_loss(name, per_class):
    """C = 1 / (2 reg N), or for two classes 1 / (reg N)."""
    X, y = standardized(name)
    by_reg = SoftmaxClassifier(reg=0.01).fit(X, y)
    by_C = SoftmaxClassifier(C=1 / (per_class * 0.01 * len(y))).fit(X, y)
    np.testing.assert_allclose(by_reg.coef_, by_C.coef_, rtol=1e-6)
    if name == "wine":
        W = np.vstack([by_reg.coef_.T, by_reg.intercept_])
        value = softjax.loss(W, np.hstack([X, np.ones((len(X), 1))]), y, 0.01, penalize_bias=False)
        nearby = softjax.loss(1.01 * W, np.hstack([X, np.ones((len(X), 1))]), y, 0.01, penalize_bias=False)
        assert float(value) < float(nearby)


@pytest.mark.parametrize("name", ["wine", "breast cancer"])
def test_cross_validation_has_the_scores_of_logistic_regression_cv(name):
    X, y = standardized(name)
    Cs, cv = np.logspace(-3, 2, 6), StratifiedKFold(5)
    theirs = LogisticRegressionCV(
        Cs=Cs,
        cv=cv,
        scoring="neg_log_loss",
        tol=1e-9,
        max_iter=10_000,
        l1_ratios=(0,),
        use_legacy_attributes=False,
    ).fit(X, y)
    ours = SoftmaxClassifierCV(Cs=Cs, cv=cv).fit(X, y)
    np.testing.assert_allclose(ours.scores_, np.reshape(theirs.scores_, (5, 6)), atol=1e-4)
    assert pytest.approx(float(np.ravel(theirs.C_)[0])) == ours.C_
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-3)


def test_any_scorer_and_splitter_is_taken():
    X, y = standardized("wine")
    groups = np.arange(len(y)) // 4
    model = SoftmaxClassifierCV(regs=(1e-3, 0.1), cv=GroupKFold(4), scoring="accuracy")
    model.fit(X, y, groups=groups)
    assert model.scores_.shape == (4, 2)
    for fold, (train, held_out) in enumerate(GroupKFold(4).split(X, y, groups)):
        for r, reg in enumerate(model.regs_):
            alone = SoftmaxClassifier(reg=reg).fit(X[train], y[train])
            assert model.scores_[fold, r] == alone.score(X[held_out], y[held_out])
    assert model.reg_ in model.regs_


def test_without_refit_the_weights_are_the_means_over_the_folds():
    X, y = standardized("iris")
    model = SoftmaxClassifierCV(Cs=[1.0], cv=3, refit=False).fit(X, y)
    alone = [
        SoftmaxClassifier(C=1.0).fit(X[train], y[train]).coef_ for train, _ in StratifiedKFold(3).split(X, y)
    ]
    np.testing.assert_allclose(model.coef_, np.mean(alone, axis=0), atol=1e-5)


def test_a_fold_that_lacks_a_class_is_named():
    X, y = standardized("iris")
    folds = [(np.arange(100), np.arange(100, 150))]
    with pytest.raises(ValueError, match=r"fold 0 has no example of the class .*2"):
        SoftmaxClassifierCV(cv=folds).fit(X, y)


def test_they_work_inside_scikit_learn_s_tools():
    X, y = load_wine(return_X_y=True, as_frame=True)
    names = np.array(["Barolo", "Grignolino", "Barbera"])[y]
    pipeline = make_pipeline(StandardScaler(), SoftmaxClassifier()).set_output(transform="pandas")
    search = GridSearchCV(pipeline, {"softmaxclassifier__C": [0.01, 1.0]}, cv=3, n_jobs=1).fit(X, names)
    assert search.best_score_ > 0.95
    assert set(search.predict(X)) == set(names)
    assert search.best_estimator_[-1].feature_names_in_.tolist() == X.columns.tolist()
    scores = cross_validate(pipeline, X, names, cv=3, scoring=["accuracy", "neg_log_loss"])
    assert scores["test_accuracy"].mean() > 0.95
    calibrated = CalibratedClassifierCV(pipeline, cv=3).fit(X, names)
    assert calibrated.score(X, names) > 0.95
    again = pickle.loads(pickle.dumps(search.best_estimator_))
    np.testing.assert_array_equal(again.predict_proba(X), search.best_estimator_.predict_proba(X))


def test_without_a_penalty_data_that_overlap_have_a_minimum():
    rng = np.random.default_rng(0)
    y = np.arange(300) % 3
    X = rng.normal(size=(300, 2)) + np.eye(3, 2)[y]
    theirs = LogisticRegression(C=np.inf, tol=1e-10, max_iter=10_000).fit(X, y)
    ours = SoftmaxClassifier(C=np.inf).fit(X, y)
    difference = ours.predict_proba(X) - theirs.predict_proba(X)
    assert np.abs(difference).max() < 1e-4


def test_too_few_passes_are_said():
    X, y = load_wine(return_X_y=True)
    with pytest.warns(ConvergenceWarning, match="max_iter"):
        SoftmaxClassifier(C=100, max_iter=2).fit(X, y)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"C": -1}, "C must be"),
        ({"C": "a"}, "C must be"),
        ({"reg": -0.1}, "reg must be"),
        ({"tol": 0}, "tol must be"),
        ({"class_weight": {7: 1}}, "the label 7"),
    ],
)
def test_options_that_cannot_be_are_refused_by_name(own_messages, options, words):
    X, y = standardized("iris")
    with pytest.raises(ValueError, match=words):
        SoftmaxClassifier(**options).fit(X, y)


def test_the_default_score_is_the_log_likelihood():
    X, y = standardized("iris")
    model = SoftmaxClassifierCV(Cs=[1.0], cv=3).fit(X, y)
    expected = [
        -log_loss(y[held_out], SoftmaxClassifier().fit(X[train], y[train]).predict_proba(X[held_out]))
        for train, held_out in StratifiedKFold(3).split(X, y)
    ]
    np.testing.assert_allclose(model.scores_[:, 0], expected, atol=1e-6)
