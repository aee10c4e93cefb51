"""Each written submission is told what is wrong with it, and no more; right ones pass, whatever their style."""

import re

import numpy as np
import pytest
from support.submissions import read_submissions

import softjax
from softjax.cs231n import grade, svm_loss_naive, svm_loss_vectorized
from softjax.cs231n.grading.exercises import EXERCISES, HINGE_EXERCISES
from softjax.cs231n.grading.grade import judge
from softjax.cs231n.grading.own_gradient import check_by_differences

pytestmark = pytest.mark.usefixtures("own_messages")  # the functions under test are students'
WRITTEN = read_submissions("loops", "vectorized", "svm")


def load(source, name=None):
    """The functions of a source, or the one of that name."""
    namespace = {}
    exec(compile(source, "student.py", "exec"), namespace)
    found = [namespace[each] for each in re.findall(r"^def (s\w+_loss_\w+)", source, re.MULTILINE)]
    return namespace[name] if name else found


def assert_found(found, expected):
    """All faults are expected, and all that is expected is found."""
    texts = [str(fault) for fault in found.faults]
    for phrase in expected:
        assert any(phrase in text for text in texts), str(found)
    for text in texts:
        assert any(phrase in text for phrase in expected), text


@pytest.mark.parametrize("written", WRITTEN, ids=lambda written: written.name)
def test_a_submission_is_told_what_is_wrong_and_no_more(written):
    for function in load(written.source):
        found = judge(function, None, check_by_differences)
        if written.expected == ("passed",):
            assert found, str(found)
            assert not [f for f in found.findings if f.verdict == "note" and "rounds to 0" not in f.text]
        else:
            assert not found
            assert_found(found, written.expected)


INSTEAD = {
    "label_number": "p[np.arange(N), y] -= 1",
    "one_for_x": "dW[:, y[i]] -= X[i]",
    "label_p_everywhere": "dW[:, k] += (p[k] - (k == y[i])) * X[i]",
    "continue_from_svm": "np.sum(np.exp(scores))",
    "exp_of_the_score": "np.log(np.sum(np.exp(scores))) - scores[y[i]]",
    "p_of_y_of_k": "dW[:, k] += (p[k] - (k == y[i])) * X[i]",
    "divided_by_500": "X.shape[0]",
    "range_500": "X.shape[0]",
    "ten_classes": "W.shape[1]",
    "the_notebook_s_sizes": "X.shape[0] and W.shape[0] and W.shape[1]",
    "len_set_y": "W.shape[1]",
    "global_array": "X.shape[0]",
    "layout_of_2015": "scores = X @ W",
    "gradient_without_reg": "2 * reg * W",
    "maximum_from_zero": "np.max(scores)",
    "penalty_in_the_divisor": "loss / N + reg * np.sum(W * W)",
    "slope_in_the_divisor": "dW / N + 2 * reg * W",
    "math_log_raises": "log Σ exp(s) − s[y]",
    "svm_no_margin": "scores[k] - scores[y[i]] + 1",
    "svm_own_margin": "if j == y[i]: continue",
    "svm_count_once": "-np.sum(margins > 0, axis=1)",
    "svm_no_label_column": "dW[:, y[i]] -= X[i]",
}


@pytest.mark.parametrize("name", INSTEAD)
def test_the_report_says_what_to_write_instead(name):
    [written] = [written for written in WRITTEN if written.name == name]
    [function] = load(written.source)
    found = judge(function, None, check_by_differences)
    assert INSTEAD[name] in " ".join(fault.reason for fault in found.faults), str(found)


def test_the_problems_of_the_svm_have_the_answers_of_its_losses():
    for e in HINGE_EXERCISES:
        for loss in (svm_loss_naive, svm_loss_vectorized):
            value, dW = loss(e.W, e.X, e.y, 0.0)
            assert e.loss == pytest.approx(value, rel=1e-13)
            np.testing.assert_allclose(e.gradient, dW, atol=1e-13)
        assert np.abs(e.margins).min() > 1e-3  # no kink is near


def test_ours_pass_as_losses_of_the_svm():
    for function in (svm_loss_naive, svm_loss_vectorized):
        found = grade(function, verbose=False)
        assert {finding.verdict for finding in found.findings} == {"right"}, str(found)
        assert found.check.ok
    assert "this is the hinge loss of the SVM" in str(grade(svm_loss_naive, svm=False, verbose=False))
    assert "this is the softmax loss" in str(grade(softjax.loss_and_grad, svm=True, verbose=False))


def test_a_global_array_of_another_size_is_named_where_it_raises():
    [written] = [written for written in WRITTEN if written.name == "global_array"]
    [function] = load(written.source)
    function.__globals__["X_train"] = np.ones((9, 99))
    [fault] = judge(function, None, check_by_differences).faults
    assert "it reads X_train" in fault.reason
    e = EXERCISES[0]
    function.__globals__["X_train"] = np.vstack([e.X, e.X])
    assert not judge(function, None, check_by_differences)


def test_both_checks_of_the_own_gradient_agree():
    """Differences in NumPy, which need no JAX, and `check_gradient`."""
    for written in WRITTEN[::7]:
        for function in load(written.source):
            by_jax, by_differences = (
                grade(function, verbose=False),
                judge(function, None, check_by_differences),
            )
            assert by_jax == by_differences


def test_an_unnamed_mistake_is_told_where_the_gradient_differs_from_the_loss():
    [written] = [written for written in WRITTEN if written.name == "right_vectorized"]
    source = written.source.replace("return loss, X.T", "return loss, W[0, 1] + X.T")
    found = judge(load(source)[0], None, check_by_differences)
    assert "dW is not the derivative of the loss" in str(found)


CLASSIFIER = """
import numpy as np
class LinearClassifier(object):
    def __init__(self):
        self.W = None
    def train(self, X, y, learning_rate=1e-3, reg=1e-5, num_iters=100, batch_size=200, verbose=False):
        num_train, dim = X.shape
        num_classes = np.max(y) + 1
        if self.W is None:
            self.W = 0.001 * np.random.randn(dim, num_classes)
        loss_history = []
        for it in range(num_iters):
            rows = np.random.choice(num_train, batch_size, replace=True)
            X_batch, y_batch = X[rows], y[rows]
            loss, grad = self.loss(X_batch, y_batch, reg)
            loss_history.append(loss)
            self.W -= learning_rate * grad
            if verbose and it % 100 == 0:
                print('iteration %d / %d: loss %f' % (it, num_iters, loss))
        return loss_history
    def predict(self, X):
        y_pred = np.zeros(X.shape[0])
        y_pred = np.argmax(X.dot(self.W), axis=1)
        return y_pred
    def loss(self, X_batch, y_batch, reg):
        pass
"""
STEP, ROWS = "self.W -= learning_rate * grad", "np.random.choice(num_train, batch_size, replace=True)"
CLASSIFIER_MISTAKES = {
    "uphill": ((STEP, "self.W += learning_rate * grad"), "train: a step goes up the gradient"),
    "no step": ((STEP, "W = self.W - learning_rate * grad"), "train: W is not changed"),
    "no rate": ((STEP, "self.W -= grad"), "train: learning_rate is left out"),
    "fixed rate": ((STEP, "self.W -= 1e-3 * grad"), "train: the step is −0.001 · gradient"),
    "mean again": ((STEP, f"{STEP} / batch_size"), "train: the step is divided by batch_size"),
    "penalty again": ((STEP, "self.W -= learning_rate * (grad + 2 * reg * self.W)"), "the penalty's gradient is subtracted again"),
    "overwritten": ((STEP, "self.W = -learning_rate * grad"), "train: W is overwritten"),
    "another step": ((STEP, f"{STEP} ** 3"), "train: a step is not −learning_rate · gradient"),
    "same batch": (("        for it in", "        np.random.seed(0)\n        for it in"), "train: the minibatches are not random"),
    "one batch": ((f"            rows = {ROWS}\n", ""), "train: raises NameError"),
    "seed in the loop": (("            rows =", "            np.random.seed(0)\n            rows ="), "train: every step has the same minibatch"),
    "first examples": (("choice(num_train", "choice(dim"), "train: only 5 of 40 examples are ever drawn"),
    "in order": ((ROWS, "(it * batch_size + np.arange(batch_size)) % num_train"), "train: the minibatches are not random"),
    "labels of others": (("y[rows]", "y[np.random.choice(num_train, batch_size)]"), "the labels of a minibatch belong to other examples"),
    "columns": (("X[rows], y", "X[:, rows], y"), "train: raises IndexError"),
    "no batch": (("X_batch, y_batch = X[rows], y[rows]", "X_batch = y_batch = None"), "train: no minibatch is drawn"),
    "all examples": (("X[rows], y[rows]", "X, y"), "train: a minibatch has the shapes (40, 5)"),
    "no history": (("return loss_history", "return"), "train: it returns None"),
    "last loss": (("return loss_history", "return loss"), "train: it does not return the losses"),
    "no reg": (("y_batch, reg)\n            loss_history", "y_batch, 0.0)\n            loss_history"), "train: loss is called with reg = 0.0"),
    "one step more": (("range(num_iters)", "range(num_iters + 1)"), "train: loss is called 101 times"),
    "anew": (("if self.W is None", "if True"), "train: training does not go on from W"),
    "transposed": (("randn(dim, num_classes)", "randn(num_classes, dim)"), "train: W has the shape (3, 5)"),
    "axis 0": (("axis=1", "axis=0"), "predict: it takes the largest score over the examples"),
    "scores": (("np.argmax(X", "np.max(X"), "predict: it returns the highest scores"),
    "lowest": (("argmax", "argmin"), "predict: it returns the class with the lowest score"),
    "not written": (("        y_pred = np.argmax(X.dot(self.W), axis=1)\n", ""), "predict: it returns zeros"),
    "all scores": (("np.argmax(X.dot(self.W), axis=1)", "X.dot(self.W)"), "predict: it returns an array (7, 3)"),
    "no predict": (("def predict", "def guess"), "predict: the class has no predict"),
}  # fmt: skip


def classifier(*change):
    source = CLASSIFIER
    if change:
        assert change[0] in source
        source = source.replace(*change)
    return load(source, "LinearClassifier")


@pytest.mark.parametrize("name", CLASSIFIER_MISTAKES)
def test_a_mistake_in_a_classifier_is_named(name):
    change, expected = CLASSIFIER_MISTAKES[name]
    found = grade(classifier(*change), verbose=False)
    assert not found
    [fault] = found.faults
    assert expected in fault.text


@pytest.mark.parametrize(
    "change",
    [
        (),
        ("replace=True", "replace=False"),
        (
            "loss, grad = self.loss(X_batch, y_batch, reg)",
            "loss, grad = self.loss(X_batch, y_batch, reg)[0], self.loss(X_batch, y_batch, reg)[1]",
        ),
        (ROWS, "np.random.permutation(num_train)[:batch_size]"),
        (ROWS, "np.random.randint(num_train, size=batch_size)"),
        (STEP, "self.W = self.W - learning_rate * grad"),
        ("return loss_history", "return np.array(loss_history)"),
        ("return y_pred", "return y_pred.astype(float)"),
    ],
)
def test_a_right_classifier_passes_and_the_generator_goes_on_as_if_nothing_was(change):
    np.random.seed(3)  # noqa: NPY002
    expected = np.random.rand()  # noqa: NPY002
    np.random.seed(3)  # noqa: NPY002
    found = grade(classifier(*change), verbose=False)
    assert found, str(found)
    assert np.random.rand() == expected  # noqa: NPY002


def test_our_classifiers_pass():
    for ours in (softjax.cs231n.LinearClassifier, softjax.cs231n.Softmax):
        assert grade(ours, verbose=False)
