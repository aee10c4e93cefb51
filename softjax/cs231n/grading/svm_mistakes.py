"""Typical mistakes in the loss of the SVM and its gradient, as formulas for their results."""

from collections.abc import Callable
from typing import Any, cast

import numpy as np

from softjax.cs231n.grading.exercises import Exercise, HingeExercise, compute_margins
from softjax.cs231n.grading.mistakes import (
    FACTORS,
    SHARED,
    Formula,
    Mistake,
    factor,
    of_loss,
    of_residual,
)

HingeFormula = Callable[[HingeExercise], Any]


def _hinge(formula: HingeFormula) -> Formula:
    """A formula that reads margins, for the table, whose formulas take any exercise."""
    return lambda e: formula(cast(HingeExercise, e))


def _of_loss(what: str, reason: str, losses: HingeFormula) -> Mistake:
    return of_loss(what, reason, _hinge(lambda e: losses(e).sum() / e.N))


def _of_residual(what: str, reason: str, Q: HingeFormula) -> Mistake:
    return of_residual(what, reason, _hinge(Q))


def _of_both(what: str, reason: str, losses: HingeFormula, Q: HingeFormula) -> Mistake:
    return Mistake(
        what,
        reason,
        _hinge(lambda e: losses(e).sum() / e.N),
        _hinge(lambda e: e.pull_back(Q(e))),
    )


def _of_delta(delta: float) -> Mistake:
    def violated(e: Exercise) -> Any:
        return ~e.label & (compute_margins(e.s, e.label, delta) > 0)

    what = f"the margin δ is {delta:g}, not 1" if delta else "the margin δ is missing"
    return _of_both(
        what,
        "the margin of class k is scores[k] - scores[y[i]] + 1",
        lambda e: compute_margins(e.s, e.label, delta) * violated(e),
        lambda e: e.balance(1.0 * violated(e)),
    )


def _positive(e: HingeExercise) -> Any:
    """Which margins are above 0, the label's own too."""
    return e.margins > 0


def _any(e: HingeExercise) -> Any:
    """Whether an example has a violated margin, (N, 1)."""
    return e.violated.any(axis=1, keepdims=True)


def _backwards(e: HingeExercise) -> Any:
    """The margins with the wrong sign of the scores, s[y] − s[k] + 1, where they are above 0; 0 at the label."""
    return np.where(e.label, 0.0, np.maximum(2 - e.margins, 0.0))


_LABEL = "the label's column gets -X[i] for each class whose margin is above 0"
_COUNT = (
    "−1 in the label's column, whatever the number of margins above 0",
    f"{_LABEL}: Q[np.arange(N), y] = -np.sum(margins > 0, axis=1), the label left out",
)
_OWN = "leave the label out: if j == y[i]: continue, or margins[np.arange(N), y] = 0"
_WORST = (
    "only the largest margin of an example counts, not the sum of all",
    "sum the margins above 0 over the classes: np.sum(margins, axis=1)",
)

SVM_MISTAKES = (
    *SHARED,
    *map(_of_delta, (0.0, 0.1, 0.5, 2.0, 5.0, 10.0, 100.0)),
    _of_loss(
        "the label's own margin, which is 1, is counted too",
        _OWN,
        lambda e: np.maximum(e.margins, 0.0),
    ),
    _of_both(
        "the margins below 0 are counted too: max(0, …) is missing",
        "add a margin only if it is above 0: np.maximum(0, margins)",
        lambda e: np.where(e.label, 0.0, e.margins),
        lambda e: e.balance(np.ones_like(e.margins)),
    ),
    _of_both(
        "the scores are exchanged: s[y] − s[k] + 1 is used for s[k] − s[y] + 1",
        "the margin of class k is scores[k] - scores[y[i]] + 1",
        _backwards,
        lambda e: -e.balance(1.0 * (_backwards(e) > 0)),
    ),
    _of_residual(
        "the scores are exchanged: s[y] − s[k] + 1 is used for s[k] − s[y] + 1",
        "the margin of class k is scores[k] - scores[y[i]] + 1",
        lambda e: e.balance(1.0 * (_backwards(e) > 0)),
    ),
    _of_both(
        "the margins are squared",
        "the loss is the sum of the margins above 0 themselves, and 1 is their derivative",
        lambda e: np.square(e.margins) * e.violated,
        lambda e: e.balance(2 * e.margins * e.violated),
    ),
    _of_both(
        *_WORST,
        lambda e: (e.margins * e.violated).max(axis=1),
        lambda e: e.balance(1.0 * (e.violated & (e.margins == (e.margins * e.violated).max(1)[:, None]))),
    ),
    _of_loss(
        "it counts the margins above 0, and does not add them up",
        "add the margins themselves: loss += margin",
        lambda e: e.violated,
    ),
    Mistake(
        "this is the softmax loss, not that of the SVM",
        "the loss of an example is the sum of max(0, scores[k] - scores[y[i]] + 1) over the other classes",
        lambda e: Exercise(e.W, e.X, e.y).loss,
        lambda e: Exercise(e.W, e.X, e.y).gradient,
    ),
    _of_residual(
        "the label's column is not filled",
        f"{_LABEL}: dW[:, y[i]] -= X[i]",
        lambda e: 1.0 * e.violated,
    ),
    _of_residual(
        "only the label's column is filled; the other classes have X[i] where their margin is above 0",
        "dW[:, j] += X[i] if the margin of class j is above 0",
        lambda e: np.where(e.label, e.Q, 0.0),
    ),
    _of_residual(*_COUNT, lambda e: np.where(e.label, -1.0, e.violated)),
    _of_residual(*_COUNT, lambda e: np.where(e.label, -1.0 * _any(e), e.violated)),
    _of_residual(
        "the label itself is counted among the margins above 0",
        _OWN,
        lambda e: np.where(e.label, -1.0 * _positive(e).sum(axis=1, keepdims=True), e.violated),
    ),
    _of_residual(
        "1 in the label's column where it must be minus the number of margins above 0",
        f"{_LABEL}: Q[np.arange(N), y] = -np.sum(margins > 0, axis=1)",
        lambda e: 1.0 * _positive(e),
    ),
    _of_residual(
        "the number of margins above 0 is added in the label's column, not subtracted",
        f"{_LABEL}: a minus sign",
        lambda e: np.where(e.label, -e.Q, e.Q),
    ),
    _of_residual(
        "the margins themselves are used, where 1 is due",
        "the derivative of a margin above 0 by its score is 1: Q = (margins > 0).astype(float)",
        lambda e: e.balance(e.margins * e.violated),
    ),
    _of_residual(
        "every class counts, whatever its margin",
        "only classes whose margin is above 0: if margin > 0",
        lambda e: e.balance(np.ones_like(e.margins)),
    ),
    _of_residual(
        "X[i] is subtracted in the columns of the other classes too",
        "dW[:, j] += X[i] and dW[:, y[i]] -= X[i]",
        lambda e: np.where(e.label, e.Q, -e.Q),
    ),
    Mistake(
        "1 is added to the columns of dW, not X[i]",
        "dW[:, j] += X[i] and dW[:, y[i]] -= X[i]",
        gradient=_hinge(lambda e: np.ones_like(e.W) * e.Q.mean(axis=0)),
    ),
)

SVM_FACTORS = (
    *FACTORS,
    factor(
        "the sign is flipped",
        "the margins above 0 are added, dW[:, j] += X[i], and dW[:, y[i]] -= X[i]",
        lambda e: -1,
    ),
    factor(
        "1/(K − 1) of the right one: a mean over the other classes",
        "sum over the classes: np.sum(margins, axis=1), not np.mean",
        lambda e: 1 / (e.K - 1),
    ),
)
