"""Typical mistakes in the softmax loss and its gradient, as formulas for their results."""

from typing import Any

import numpy as np

from softjax.cs231n.grading.exercises import Exercise, HingeExercise, softmax
from softjax.cs231n.grading.mistakes import (
    FACTORS,
    SHARED,
    Formula,
    Mistake,
    factor,
    of_loss,
    of_residual,
)


def _of_probabilities(what: str, reason: str, p: Formula) -> Mistake:
    return Mistake(
        what, reason, lambda e: -np.log(p(e)[e.label]).mean(), lambda e: e.pull_back(p(e) - e.label)
    )


def _over_examples(shifted: int) -> Mistake:
    return _of_probabilities(
        "the softmax is taken over the examples (axis 0), not over the classes",
        "sum and maximum go over the classes: axis=1, keepdims=True",
        lambda e: _exponentials(e, shifted) / _exponentials(e, shifted).sum(axis=0),
    )


def _over_everything(shifted: int) -> Mistake:
    return _of_probabilities(
        "the softmax is taken over all N × K scores at once",
        "np.sum without axis sums over everything: axis=1, keepdims=True",
        lambda e: _exponentials(e, shifted) / _exponentials(e, shifted).sum(),
    )


def _exponentials(e: Exercise, shifted: int) -> Any:
    """The exponentials of the scores; with `shifted` = 1, of the scores minus each example's maximum."""
    return np.exp(e.s - shifted * e.s.max(axis=1, keepdims=True))


def _of_logarithm(epsilon: float) -> Mistake:
    return of_loss(
        f"log(p + {epsilon:g}), which is not log p",
        "if the largest score is subtracted, log Σ exp(s) − s[y] needs no small number",
        lambda e: -np.log(e.p[e.label] + epsilon).mean(),
    )


def _of_exponential(shifted: int) -> Mistake:
    return of_loss(
        "exp of the label's score is subtracted, where the score itself is due",
        "−log p[y] = log Σ exp(s) − s[y]: np.log(np.sum(np.exp(scores))) - scores[y[i]]",
        lambda e: (np.log(_exponentials(e, shifted).sum(axis=1)) - _exponentials(e, shifted)[e.label]).mean(),
    )


def _log_total(e: Exercise) -> Any:
    return e.losses + e.s[e.label]


def _without_label(e: Exercise) -> Any:
    """exp(scores) / Σ exp(scores), with a sum that leaves the label out."""
    exponentials = _exponentials(e, 1)
    return exponentials / (exponentials * ~e.label).sum(axis=1, keepdims=True)


def _as_hinge(e: Exercise) -> HingeExercise:
    return HingeExercise(e.W, e.X, e.y)


_PICK = "the label's entries are p[np.arange(N), y]"
_NORMALIZE = "divide by Σ exp(scores) over the classes: p = e / e.sum(axis=1, keepdims=True)"
_COLUMN = "column k of dW has p[k]: dW[:, k] += (p[k] - (k == y[i])) * X[i]"
_LEFT_OUT = (
    "the label is left out of the sum Σ exp(scores)",
    "the sum goes over all classes, the label too, np.sum(np.exp(scores)); the continue at the label belongs to the SVM",
)
_LOOKED_UP = (
    "y is looked up by the class, y[k], not by the example, y[i]",
    f"y[i] is the label of example i, and a class k is an index itself: {_COLUMN}",
)

SOFTMAX_MISTAKES = (
    *SHARED,
    *map(_over_examples, (0, 1)),
    *map(_over_everything, (0, 1)),
    _of_probabilities(
        "the maximum of each class over the examples (axis 0) is subtracted, which changes the softmax",
        "subtract from each example the maximum of its own scores: scores.max(axis=1, keepdims=True)",
        lambda e: softmax(e.s - e.s.max(axis=0)),
    ),
    _of_probabilities(
        "the softmax is taken twice",
        "the softmax takes the scores X @ W, not probabilities",
        lambda e: softmax(e.p),
    ),
    _of_probabilities(*_LEFT_OUT, _without_label),
    of_residual(*_LEFT_OUT, lambda e: np.where(e.label, -1.0, _without_label(e))),
    of_residual(*_LEFT_OUT, lambda e: np.where(e.label, 0.0, _without_label(e))),
    Mistake(
        "this is the hinge loss of the SVM",
        "the softmax loss is −log p[y] with p = exp(scores) / Σ exp(scores)",
        lambda e: _as_hinge(e).loss,
        lambda e: _as_hinge(e).gradient,
    ),
    of_loss(
        "the logarithm is missing", "the loss of an example is −log p[y]", lambda e: -e.p[e.label].mean()
    ),
    of_loss(
        "1 − p[y], not −log p[y]", "the loss of an example is −log p[y]", lambda e: 1 - e.p[e.label].mean()
    ),
    of_loss(
        "−s[y] alone; the term log Σ exp(scores) is missing",
        "−log p[y] = −s[y] + log Σ exp(s)",
        lambda e: -e.s[e.label].mean(),
    ),
    of_loss(
        "log Σ exp(scores) alone; the label's score is not subtracted",
        "−log p[y] = −s[y] + log Σ exp(s)",
        lambda e: _log_total(e).mean(),
    ),
    of_loss(
        "log Σ exp(scores − max) alone; the label's score is not subtracted",
        "−log p[y] = −s[y] + log Σ exp(s), both with the maximum subtracted",
        lambda e: (_log_total(e) - e.s.max(axis=1)).mean(),
    ),
    *map(_of_exponential, (0, 1)),
    of_loss(*_LOOKED_UP, lambda e: -np.log(e.p[:, e.y[e.K - 1]]).mean()),
    of_loss(
        "−log p is summed over all classes, not taken at the label", _PICK, lambda e: -np.log(e.p).sum() / e.N
    ),
    of_loss(
        "−log p[:, y], which is N × N numbers",
        f"{_PICK}; p[:, y] takes all labels' columns for every example",
        lambda e: -np.log(e.p[:, e.y]).sum() / e.N,
    ),
    of_loss(
        "−log p at the label plus −log(1 − p) at the other classes: that is the loss of K binary classifiers",
        "the loss of an example is −log p[y], the label's term alone",
        lambda e: -np.where(e.label, np.log(e.p), np.log1p(-e.p)).sum() / e.N,
    ),
    of_loss(
        "the maximum is subtracted within log Σ exp(scores), but not from the label's score",
        "−log p[y] = −(s[y] − max) + log Σ exp(s − max): the shift cancels if it is in both terms",
        lambda e: (e.losses - e.s.max(axis=1)).mean(),
    ),
    of_loss(
        "the maximum is subtracted from the label's score, but not within log Σ exp(scores)",
        "−log p[y] = −(s[y] − max) + log Σ exp(s − max): the shift cancels if it is in both terms",
        lambda e: (e.losses + e.s.max(axis=1)).mean(),
    ),
    *map(_of_logarithm, (1e-2, 1e-3, 1e-4, 1e-5, 1e-6)),
    of_residual(
        "the indicator is left out: p at the label too, where it must be p − 1",
        "∂L/∂scores is p − 1[y = k]: subtract 1 at the label, p[np.arange(N), y] -= 1",
        lambda e: e.p,
    ),
    of_residual(
        "the number of the label is subtracted everywhere, p − y[:, None], not 1 at the label",
        "subtract 1 at the label, p[np.arange(N), y] -= 1, or the one-hot labels, p - np.eye(W.shape[1])[y]",
        lambda e: e.p - e.y[:, None],
    ),
    Mistake(
        "1 is subtracted from the label's column of dW, not X[i]",
        "dW[:, y[i]] -= X[i]",
        gradient=lambda e: e.pull_back(e.p) - e.label.mean(axis=0),
    ),
    of_residual(
        "the label's p[y[i]] stands in every column, where class k has its own p[k]",
        _COLUMN,
        lambda e: e.p[e.label][:, None] - e.label,
    ),
    of_residual(*_LOOKED_UP, lambda e: e.p[:, e.y[: e.K]] - e.label),
    of_residual(*_LOOKED_UP, lambda e: e.p - (e.y[: e.K] == np.arange(e.K))),
    of_residual(
        "−X[i] in the label's column alone; the term p X[i] is missing",
        f"∂L/∂scores is p − 1[y = k]; {_COLUMN}",
        lambda e: -1.0 * e.label,
    ),
    of_residual("1 is subtracted at every class", f"only at the label: {_PICK}", lambda e: e.p - 1),
    of_residual(
        "only the label's column is filled; the other classes have p X[i]",
        "every class has its column: (p − 1[y = k]) X[i]",
        lambda e: (e.p - 1) * e.label,
    ),
    of_residual(
        "the label's column is not filled; it has (p − 1) X[i]",
        "every class has its column: (p − 1[y = k]) X[i]",
        lambda e: e.p * ~e.label,
    ),
    of_residual(
        "1 is added at the label, not subtracted", "∂L/∂scores is p − 1[y = k]", lambda e: e.p + e.label
    ),
    of_residual(
        "1 − p at the label, where it must be p − 1",
        "∂L/∂scores is p − 1[y = k]; the sign differs at the label alone",
        lambda e: np.where(e.label, 1 - e.p, e.p),
    ),
    of_residual(
        "it is also multiplied by p (1 − p)",
        "p − 1[y = k] already is ∂L/∂scores: it contains the derivatives of softmax and logarithm",
        lambda e: (e.p - e.label) * e.p * (1 - e.p),
    ),
    of_residual(
        "it uses the scores where it must use their softmax", "Q = p − 1[y = k]", lambda e: e.s - e.label
    ),
    of_residual(
        "it uses exp(scores) where it must use p", _NORMALIZE, lambda e: _exponentials(e, 0) - e.label
    ),
    of_residual(
        "it uses exp(scores − max) where it must use p",
        _NORMALIZE,
        lambda e: _exponentials(e, 1) - e.label,
    ),
)

SOFTMAX_FACTORS = (
    *FACTORS,
    factor("the sign is flipped", "the loss is −log p[y], and its gradient p − 1[y = k]", lambda e: -1),
    factor(
        "a logarithm to base 10", "np.log is the natural one; np.log10 is not meant", lambda e: 1 / np.log(10)
    ),
    factor(
        "a logarithm to base 2", "np.log is the natural one; np.log2 is not meant", lambda e: 1 / np.log(2)
    ),
)
