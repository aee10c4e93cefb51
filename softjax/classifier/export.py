"""A classifier as scikit-learn and PyTorch have it."""

from typing import Any

import numpy as np
from jaxtyping import Float

from softjax.classifier.scoring import list_classes
from softjax.datasets.dataset import Schema
from softjax.datasets.preprocess import Preprocessing
from softjax.errors import InputError


def make_pipeline(
    W: Float[np.ndarray, "D K"],
    preprocessing: Preprocessing,
    schema: Schema,
    *,
    probabilities: bool,
    steps: int,
) -> Any:
    """A fitted pipeline of scikit-learn, a `StandardScaler` and a linear model, in float64.

    The model is a `LogisticRegression`, or without `probabilities` a `LinearSVC`. Of two classes it has one row of
    coefficients, the difference of ours.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import LinearSVC

    scale = None if preprocessing.scale is None else 1 / np.asarray(preprocessing.scale)
    scaler = StandardScaler(with_std=scale is not None)
    scaler.mean_ = np.array(preprocessing.mean)
    scaler.scale_, scaler.var_ = (None, None) if scale is None else (scale, scale**2)
    model = LogisticRegression() if probabilities else LinearSVC(multi_class="crammer_singer")
    rows = W.T.astype(np.float64)
    if len(rows) == 2:
        rows = rows[1:] - rows[:1]
    model.coef_, model.intercept_ = rows[:, :-1].copy(), rows[:, -1].copy()
    model.classes_ = list_classes(schema.classes)
    model.n_iter_ = np.array([steps], np.int32)
    scaler.n_features_in_ = model.n_features_in_ = len(W) - 1
    if schema.feature_names is not None:
        scaler.feature_names_in_ = np.array(schema.feature_names, object)
    return Pipeline([("scaler", scaler), ("classifier", model)])


def make_linear(W: Float[np.ndarray, "D K"], preprocessing: Preprocessing, dtype: str) -> Any:
    """An `nn.Linear` of raw features, with the preprocessing folded into weights and bias in float64, then cast.

    Raises `InputError` if PyTorch is not installed.
    """
    try:
        import torch
    except ImportError as error:
        raise InputError("to_torch needs PyTorch: python -m pip install torch") from error
    weight = W[:-1].T.astype(np.float64)
    if preprocessing.scale is not None:
        weight = weight * np.asarray(preprocessing.scale)
    bias = W[-1].astype(np.float64) - weight @ np.asarray(preprocessing.mean)
    linear = torch.nn.Linear(weight.shape[1], len(weight), dtype=getattr(torch, dtype))
    with torch.no_grad():
        linear.weight.copy_(torch.from_numpy(weight))
        linear.bias.copy_(torch.from_numpy(bias))
    return linear
