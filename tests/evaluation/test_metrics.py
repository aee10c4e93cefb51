import numpy as np
import pytest
from sklearn.metrics import accuracy_score, log_loss
from sklearn.metrics import confusion_matrix as sklearn_confusion_matrix

import softjax


@pytest.fixture
def scores_and_labels():
    rng = np.random.default_rng(0)
    return rng.normal(size=(40, 5)).astype(np.float32), rng.integers(0, 5, 40)


def test_metrics_agree_with_scikit_learn(scores_and_labels):
    s, y = scores_and_labels
    p = np.exp(s - s.max(axis=1, keepdims=True)).astype(np.float64)
    p /= p.sum(axis=1, keepdims=True)
    assert float(softjax.accuracy(s, y)) == pytest.approx(accuracy_score(y, s.argmax(axis=1)))
    assert float(softjax.negative_log_likelihood(s, y)) == pytest.approx(log_loss(y, p), rel=1e-6)
    np.testing.assert_array_equal(
        softjax.confusion_matrix(s.argmax(axis=1), y, 5), sklearn_confusion_matrix(y, s.argmax(axis=1))
    )


def test_uniform_scores_cost_log_k_and_the_first_of_equals_is_predicted(scores_and_labels):
    _, y = scores_and_labels
    zeros = np.zeros((40, 5), np.float32)
    assert float(softjax.negative_log_likelihood(zeros, y)) == pytest.approx(np.log(5))
    assert float(softjax.accuracy(zeros, y)) == pytest.approx((y == 0).mean())


def test_accuracy_takes_several_classifiers_at_once(scores_and_labels):
    s, y = scores_and_labels
    stack = np.stack([s, -s])
    np.testing.assert_allclose(softjax.accuracy(stack, y), [softjax.accuracy(s, y), softjax.accuracy(-s, y)])
