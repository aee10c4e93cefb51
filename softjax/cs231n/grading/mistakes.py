"""Typical mistakes in the softmax loss and its gradient, as formulas for their results.

Nothing here reads a student's code. A mistake is reported if its formula gives the student's numbers on several
problems of different shapes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

import numpy as np

from softjax.cs231n.grading.exercises import Exercise, cross_entropy, softmax

MATCH = 1e-6  # relative; large enough for a mistake that is computed in float32

Formula = Callable[[Exercise], Any]


@dataclass(frozen=True)
class Mistake:
    """What is wrong, and the likely reason.

    - `loss`, `gradient`: their values with this mistake; None if the mistake cannot occur there.
    """

    what: str
    reason: str
    loss: Formula | None = None
    gradient: Formula | None = None


RIGHT = Mistake("right", "", lambda e: e.loss, lambda e: e.gradient)


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


def _of_labels(what: str, reason: str, by: int) -> Mistake:
    def label(e: Exercise) -> Any:
        return np.roll(e.label, by, axis=1)

    return Mistake(
        what, reason, lambda e: cross_entropy(e.s, label(e)).mean(), lambda e: e.pull_back(e.p - label(e))
    )


def _of_examples(what: str, reason: str, kept: slice) -> Mistake:
    return Mistake(
        what,
        reason,
        lambda e: e.losses[kept].sum() / e.N,
        lambda e: e.X[kept].T @ (e.p - e.label)[kept] / e.N,
    )


def _of_loss(what: str, reason: str, loss: Formula) -> Mistake:
    return Mistake(what, reason, loss=loss)


def _of_residual(what: str, reason: str, Q: Formula) -> Mistake:
    return Mistake(what, reason, gradient=lambda e: e.pull_back(Q(e)))


def _of_logarithm(epsilon: float) -> Mistake:
    return _of_loss(
        f"log(p + {epsilon:g}), which is not log p",
        "if the largest score is subtracted, log Σ exp(s) − s[y] needs no small number",
        lambda e: -np.log(e.p[e.label] + epsilon).mean(),
    )


def _of_penalty(coefficient: float) -> Mistake:
    return Mistake(
        "it contains the penalty even if reg = 0",
        "multiply the penalty, and its gradient, by reg",
        lambda e: e.loss + coefficient * (e.W**2).sum(),
        lambda e: e.gradient + 2 * coefficient * e.W,
    )


def _log_total(e: Exercise) -> Any:
    return e.losses + e.s[e.label]


def _hinge_residual(e: Exercise) -> Any:
    violated = ~e.label & (e.s - e.s[e.label][:, None] + 1 > 0)
    return np.where(e.label, -violated.sum(axis=1, keepdims=True), violated)


_PICK = "the label's entries are p[np.arange(N), y]"
_NORMALIZE = "divide by Σ exp(scores) over the classes"

MISTAKES = (
    Mistake(
        "it is 0: nothing is computed yet",
        "the lines that compute it are missing, or their result is not returned",
        lambda e: 0.0,
        lambda e: np.zeros_like(e.W),
    ),
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
    _of_labels("the labels are taken one too high", "classes count from 0: y is an index as it is", 1),
    _of_labels("the labels are taken one too low", "classes count from 0: y is an index as it is", -1),
    _of_examples("the first example is left out", "the loop is range(N), not range(1, N)", slice(1, None)),
    _of_examples("the last example is left out", "the loop is range(N), not range(N - 1)", slice(None, -1)),
    _of_examples(
        "only the last example counts", "add up with +=; = overwrites the earlier sum", slice(-1, None)
    ),
    Mistake(
        "this is the hinge loss of the SVM",
        "the softmax loss is −log p[y] with p = exp(scores) / Σ exp(scores)",
        lambda e: np.where(e.label, 0, np.maximum(e.s - e.s[e.label][:, None] + 1, 0)).sum() / e.N,
        lambda e: e.pull_back(_hinge_residual(e)),
    ),
    _of_loss(
        "the logarithm is missing", "the loss of an example is −log p[y]", lambda e: -e.p[e.label].mean()
    ),
    _of_loss(
        "1 − p[y], not −log p[y]", "the loss of an example is −log p[y]", lambda e: 1 - e.p[e.label].mean()
    ),
    _of_loss(
        "−s[y] alone; the term log Σ exp(scores) is missing",
        "−log p[y] = −s[y] + log Σ exp(s)",
        lambda e: -e.s[e.label].mean(),
    ),
    _of_loss(
        "log Σ exp(scores) alone; the label's score is not subtracted",
        "−log p[y] = −s[y] + log Σ exp(s)",
        lambda e: _log_total(e).mean(),
    ),
    _of_loss(
        "log Σ exp(scores − max) alone; the label's score is not subtracted",
        "−log p[y] = −s[y] + log Σ exp(s), both with the maximum subtracted",
        lambda e: (_log_total(e) - e.s.max(axis=1)).mean(),
    ),
    _of_loss(
        "−log p is summed over all classes, not taken at the label", _PICK, lambda e: -np.log(e.p).sum() / e.N
    ),
    _of_loss(
        "−log p[:, y], which is N × N numbers",
        f"{_PICK}; p[:, y] takes all labels' columns for every example",
        lambda e: -np.log(e.p[:, e.y]).sum() / e.N,
    ),
    _of_loss(
        "−log p at the label plus −log(1 − p) at the other classes: that is the loss of K binary classifiers",
        "the loss of an example is −log p[y], the label's term alone",
        lambda e: -np.where(e.label, np.log(e.p), np.log1p(-e.p)).sum() / e.N,
    ),
    _of_loss(
        "the maximum is subtracted within log Σ exp(scores), but not from the label's score",
        "−log p[y] = −(s[y] − max) + log Σ exp(s − max): the shift cancels if it is in both terms",
        lambda e: (e.losses - e.s.max(axis=1)).mean(),
    ),
    _of_loss(
        "the maximum is subtracted from the label's score, but not within log Σ exp(scores)",
        "−log p[y] = −(s[y] − max) + log Σ exp(s − max): the shift cancels if it is in both terms",
        lambda e: (e.losses + e.s.max(axis=1)).mean(),
    ),
    *map(_of_logarithm, (1e-2, 1e-3, 1e-4, 1e-5, 1e-6)),
    *map(_of_penalty, (1.0, 0.5)),
    _of_residual(
        "the indicator is left out: p at the label too, where it must be p − 1",
        "∂L/∂scores is p − 1[y = k]: subtract 1 at the label, p[np.arange(N), y] -= 1",
        lambda e: e.p,
    ),
    _of_residual(
        "−X[i] in the label's column alone; the term p X[i] is missing",
        "∂L/∂scores is p − 1[y = k]",
        lambda e: -1.0 * e.label,
    ),
    _of_residual("1 is subtracted at every class", f"only at the label: {_PICK}", lambda e: e.p - 1),
    _of_residual(
        "only the label's column is filled; the other classes have p X[i]",
        "every class has its column: (p − 1[y = k]) X[i]",
        lambda e: (e.p - 1) * e.label,
    ),
    _of_residual(
        "the label's column is not filled; it has (p − 1) X[i]",
        "every class has its column: (p − 1[y = k]) X[i]",
        lambda e: e.p * ~e.label,
    ),
    _of_residual(
        "1 is added at the label, not subtracted", "∂L/∂scores is p − 1[y = k]", lambda e: e.p + e.label
    ),
    _of_residual(
        "1 − p at the label, where it must be p − 1",
        "∂L/∂scores is p − 1[y = k]; the sign differs at the label alone",
        lambda e: np.where(e.label, 1 - e.p, e.p),
    ),
    _of_residual(
        "it is also multiplied by p (1 − p)",
        "p − 1[y = k] already is ∂L/∂scores: it contains the derivatives of softmax and logarithm",
        lambda e: (e.p - e.label) * e.p * (1 - e.p),
    ),
    _of_residual(
        "it uses the scores where it must use their softmax", "Q = p − 1[y = k]", lambda e: e.s - e.label
    ),
    _of_residual(
        "it uses exp(scores) where it must use p", _NORMALIZE, lambda e: _exponentials(e, 0) - e.label
    ),
    _of_residual(
        "it uses exp(scores − max) where it must use p",
        _NORMALIZE,
        lambda e: _exponentials(e, 1) - e.label,
    ),
    Mistake(
        "a (K, D) array reshaped to (D, K), not transposed",
        "reshape keeps the order of the numbers: use .T, or X.T @ Q",
        gradient=lambda e: e.gradient.T.reshape(e.W.shape),
    ),
)


@dataclass(frozen=True)
class Factor:
    """A mistake that multiplies the loss or the gradient by a constant, its `size`."""

    mistake: Mistake
    size: Callable[[Exercise], float]


def _factor(what: str, reason: str, size: Callable[[Exercise], float]) -> Factor:
    return Factor(Mistake(what, reason), size)


NOT_DIVIDED = _factor(
    "N times too large: the sum over the examples, not their mean",
    "the factor 1/N is missing: divide by N = X.shape[0] once, after the sum",
    lambda e: e.N,
)
FACTORS = (
    NOT_DIVIDED,
    _factor("the sign is flipped", "the loss is −log p[y], and its gradient p − 1[y = k]", lambda e: -1),
    _factor(
        "1/N of the right one",
        "it is divided by N twice: by np.mean or in the loop, and again at the end",
        lambda e: 1 / e.N,
    ),
    _factor(
        "1/K of the right one: a mean over the classes too",
        "np.mean of an (N, K) array divides by N K: sum over the classes, mean over the examples",
        lambda e: 1 / e.K,
    ),
    _factor(
        "1/(N K) of the right one: a mean over the classes too, and divided by N twice",
        "np.mean of an (N, K) array divides by N K; and it is divided by N again",
        lambda e: 1 / (e.N * e.K),
    ),
    _factor("divided by N − 1, not by N", "it is a mean over N examples", lambda e: e.N / (e.N - 1)),
    _factor(
        "a logarithm to base 10", "np.log is the natural one; np.log10 is not meant", lambda e: 1 / np.log(10)
    ),
    _factor(
        "a logarithm to base 2", "np.log is the natural one; np.log2 is not meant", lambda e: 1 / np.log(2)
    ),
    _factor("K times too large", "something is added once for each class", lambda e: e.K),
    _factor("twice as large", "a factor 2 too much", lambda e: 2),
    _factor("half as large", "a factor ½ too much", lambda e: 0.5),
)
_FACTORS_TOGETHER = [
    (),
    *((factor,) for factor in FACTORS),
    *((factor, NOT_DIVIDED) for factor in FACTORS if factor is not NOT_DIVIDED),
]


def explain(
    seen: Sequence[Any], exercises: Sequence[Exercise], part: Literal["loss", "gradient"]
) -> tuple[Mistake, ...] | None:
    """Finds the fewest mistakes that explain the losses, or the gradients, in `seen`; None if no mistakes do.

    **Arguments:**

    - `seen`: the student's answers to `exercises`, without penalty.
    - `part`: whether they are losses or gradients.
    """
    found = []
    for mistake, factors in product((RIGHT, *MISTAKES), _FACTORS_TOGETHER):
        formula = getattr(mistake, part)
        if formula is not None and all(
            _match(s, formula(e) * np.prod([factor.size(e) for factor in factors]))
            for s, e in zip(seen, exercises, strict=True)
        ):
            found.append((*((mistake,) if mistake is not RIGHT else ()), *(f.mistake for f in factors)))
    return min(found, key=len, default=None)


def _match(seen: Any, expected: Any) -> bool:
    return bool((np.abs(seen - expected) <= MATCH * np.abs(expected).max()).all())
