"""The seeds' check passes what is right, and fails what is not."""

import numpy as np
import pytest

from softjax import gradcheck
from softjax.config import CheckConfig
from softjax.datasets import load_dataset, preprocess


@pytest.fixture
def development(digits):
    dev = digits.development()
    features = dev.X - preprocess.fit(digits.train.X, standardize=False).mean
    return np.hstack([features, np.ones((len(dev), 1))]), dev.y, 10


@pytest.mark.parametrize("kind", ["softmax", "hinge"])
@pytest.mark.parametrize("reg", [0.0, 50.0])
def test_the_right_gradient_passes(development, kind, reg):
    check = gradcheck.check_entries(*development, reg, CheckConfig(kind=kind, num_checks=20))
    assert check.ok
    assert len(check.entries) == 20
    assert max(entry.relative_error for entry in check.entries) < 1e-5


@pytest.mark.parametrize(
    "fault",
    [lambda g: g * (1 + 1e-5), lambda g: -g, lambda g: np.roll(g, 1, axis=1), lambda g: g * 500],
    ids=["1e-5 off", "sign", "label off by one", "no 1/N"],
)
def test_a_wrong_gradient_fails(development, monkeypatch, fault):
    right = gradcheck.loss_and_grad

    def wrong(*arguments, **options):
        value, grad = right(*arguments, **options)
        return value, fault(np.asarray(grad))

    monkeypatch.setattr(gradcheck, "loss_and_grad", wrong)
    assert not gradcheck.check_entries(*development, 0.0, CheckConfig()).ok


def test_the_check_on_cifar10(cifar10_dir):
    dataset = load_dataset("cifar10", cifar10_dir)
    dev = dataset.development()
    features = dev.X - preprocess.fit(dataset.train.X, standardize=False).mean
    X = np.hstack([features, np.ones((len(dev), 1))])
    for reg in (0.0, 50.0):
        check = gradcheck.check_entries(X, dev.y, 10, reg, CheckConfig())
        assert check.ok
        assert check.loss == pytest.approx(-np.log(0.1), abs=0.2)
