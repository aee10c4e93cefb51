"""Typical mistakes in a loss and its gradient, as formulas for their results. Here are those that every loss can have.

Nothing here reads a student's code. A mistake is reported if its formula gives the student's numbers on several
problems of different shapes.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from softjax.cs231n.grading.exercises import Exercise

MATCH = 1e-6  # relative; large enough for a mistake that is computed in float32

Formula = Callable[[Exercise], Any]
Part = Literal["loss", "gradient"]


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


def of_labels(what: str, reason: str, by: int) -> Mistake:
    """The labels are taken too high or too low."""

    def moved(e: Exercise) -> Exercise:
        return e.with_labels((e.y + by) % e.K)

    return Mistake(what, reason, lambda e: moved(e).loss, lambda e: moved(e).gradient)


def of_examples(what: str, reason: str, kept: slice) -> Mistake:
    """Only some examples count."""
    return Mistake(
        what,
        reason,
        lambda e: e.losses[kept].sum() / e.N,
        lambda e: e.X[kept].T @ e.Q[kept] / e.N,
    )


def of_loss(what: str, reason: str, loss: Formula) -> Mistake:
    """The loss alone is wrong."""
    return Mistake(what, reason, loss=loss)


def of_residual(what: str, reason: str, Q: Formula) -> Mistake:
    """The gradient alone is wrong: it is 1/N Xᵀ Q with this Q."""
    return Mistake(what, reason, gradient=lambda e: e.pull_back(Q(e)))


def _of_penalty(coefficient: float) -> Mistake:
    return Mistake(
        WITHOUT_REG,
        "multiply the penalty by reg, reg * np.sum(W * W), and its gradient too, 2 * reg * W",
        lambda e: e.loss + coefficient * (e.W**2).sum(),
        lambda e: e.gradient + 2 * coefficient * e.W,
    )


WITHOUT_REG = "it contains the penalty even if reg = 0: reg is not in it"
NOT_WRITTEN = Mistake(
    "it is 0: nothing is computed yet",
    "the lines that compute it are missing, or their result is not returned",
    lambda e: 0.0,
    lambda e: np.zeros_like(e.W),
)
SHARED = (
    NOT_WRITTEN,
    of_labels("the labels are taken one too high", "classes count from 0: y is an index as it is", 1),
    of_labels("the labels are taken one too low", "classes count from 0: y is an index as it is", -1),
    of_examples(
        "the first example is left out",
        "the loop is range(X.shape[0]), not range(1, X.shape[0])",
        slice(1, None),
    ),
    of_examples(
        "the last example is left out",
        "the loop is range(X.shape[0]), not range(X.shape[0] - 1)",
        slice(None, -1),
    ),
    of_examples(
        "only the last example counts", "add up with +=; = overwrites the earlier sum", slice(-1, None)
    ),
    *map(_of_penalty, (1.0, 0.5)),
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


def factor(what: str, reason: str, size: Callable[[Exercise], float]) -> Factor:
    """A factor with its name and the likely reason."""
    return Factor(Mistake(what, reason), size)


NOT_DIVIDED = factor(
    "N times too large: the sum over the examples, not their mean",
    "the factor 1/N is missing: divide by N = X.shape[0] once, after the sum",
    lambda e: e.N,
)
FACTORS = (
    NOT_DIVIDED,
    factor(
        "1/N of the right one",
        "it is divided by N twice: by np.mean or in the loop, and again at the end",
        lambda e: 1 / e.N,
    ),
    factor(
        "1/K of the right one: a mean over the classes too",
        "np.mean of an (N, K) array divides by N K: np.sum(..., axis=1) over the classes, then .mean()",
        lambda e: 1 / e.K,
    ),
    factor(
        "1/(N K) of the right one: a mean over the classes too, and divided by N twice",
        "np.mean of an (N, K) array divides by N K; and it is divided by N again",
        lambda e: 1 / (e.N * e.K),
    ),
    factor(
        "divided by N − 1, not by N",
        "it is a mean over N = X.shape[0] examples",
        lambda e: e.N / (e.N - 1),
    ),
    factor("K times too large", "something is added once for each class", lambda e: e.K),
    factor("twice as large", "a factor 2 too much", lambda e: 2),
    factor("half as large", "a factor ½ too much", lambda e: 0.5),
)


def explain(
    seen: Sequence[Any],
    exercises: Sequence[Exercise],
    part: Part,
    mistakes: Sequence[Mistake],
    factors: Sequence[Factor],
) -> list[tuple[Mistake, ...]]:
    """Finds the fewest mistakes that explain the losses, or the gradients, in `seen`: all explanations of this length.

    **Arguments:**

    - `seen`: the student's answers to `exercises`, without penalty.
    - `part`: whether they are losses or gradients.
    - `mistakes`, `factors`: those that are known.

    **Returns:** the explanations in the order of `mistakes`; none if no mistakes explain it.
    """
    together = [(), *((f,) for f in factors), *((f, NOT_DIVIDED) for f in factors if f is not NOT_DIVIDED)]
    found: list[tuple[Mistake, ...]] = []
    for mistake in (RIGHT, *mistakes):
        formula = getattr(mistake, part)
        if formula is None:
            continue
        named = () if mistake is RIGHT else (mistake,)
        expected = [formula(e) for e in exercises]
        for several in together:
            sizes = [float(np.prod([f.size(e) for f in several])) for e in exercises]
            if _match_all(seen, expected, sizes):
                found.append((*named, *(f.mistake for f in several)))
        found += [(*named, constant) for constant in _find_constants(seen, exercises, expected, not named)]
    shortest = min(map(len, found), default=0)
    return [mistakes for mistakes in found if len(mistakes) == shortest]


def _find_constants(
    seen: Sequence[Any], exercises: Sequence[Exercise], expected: Sequence[Any], any_factor: bool
) -> Iterator[Mistake]:
    """A number that is written in the place of N; with `any_factor`, any factor that is the same for all shapes."""
    ratios = [_find_ratio(s, x) for s, x in zip(seen, expected, strict=True)]
    if not all(np.isfinite(ratio) and ratio != 0 for ratio in ratios) or not _match_all(
        seen, expected, ratios
    ):
        return
    divisors = np.array([e.N / ratio for e, ratio in zip(exercises, ratios, strict=True)])
    number = float(np.round(divisors[0]))
    if number >= 2 and np.allclose(divisors, number, MATCH):
        yield Mistake(
            f"divided by {number:.0f}, not by the number of examples",
            "a number, or the size of another array, stands in the place of N: divide by X.shape[0]",
        )
    if any_factor and np.allclose(ratios, ratios[0], MATCH):
        yield Mistake(
            f"{ratios[0]:.4g} times the right one, on problems of every shape",
            "a factor that does not belong there",
        )


def _find_ratio(seen: Any, expected: Any) -> float:
    """The factor between them, if there is one."""
    square = float(np.sum(np.square(expected)))
    return float(np.sum(seen * expected)) / square if square > 0 else np.nan


def _match_all(seen: Sequence[Any], expected: Sequence[Any], sizes: Sequence[float]) -> bool:
    return all(_match(s, x * size) for s, x, size in zip(seen, expected, sizes, strict=True))


def _match(seen: Any, expected: Any) -> bool:
    return bool((np.abs(seen - expected) <= MATCH * np.abs(expected).max()).all())
