"""Classifiers of random weights, and examples for them."""

import numpy as np

from softjax import Classifier
from softjax.datasets.dataset import Schema
from softjax.datasets.preprocess import Preprocessing

CLASSES = ("ant", "bee", "cat", "dog")


def make_classifier(
    classes=CLASSES, num_features=5, *, dtype="float32", scaled=True, named=False, seed=0, **config
):
    """A classifier of these classes, with features f0, f1, … if they are `named`."""
    rng = np.random.default_rng(seed)
    W = rng.normal(size=(num_features + 1, len(classes))).astype(dtype)
    scale = rng.uniform(0.5, 2, num_features) if scaled else None
    names = tuple(f"f{i}" for i in range(num_features)) if named else None
    schema = Schema(tuple(classes), tuple(map(str, classes)), names)
    return Classifier(W, Preprocessing(rng.normal(size=num_features), scale), schema, config)


def draw_examples(classifier, number=50, seed=1):
    """Features (N, F) in float64."""
    return np.random.default_rng(seed).normal(size=(number, len(classifier.W) - 1))


def true_scores(classifier, X):
    """The scores in float64, by the formula."""
    mean, scale = classifier.preprocessing
    centred = (np.asarray(X, np.float64) - mean) * (1 if scale is None else scale)
    return np.hstack([centred, np.ones((len(X), 1))]) @ classifier.W.astype(np.float64)
