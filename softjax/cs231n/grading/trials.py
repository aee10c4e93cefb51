"""Checks of a student's function with large scores, and with inputs of other shapes, types and memory layouts."""

from typing import NamedTuple

import numpy as np

from softjax.cs231n.grading.checks import measure_error
from softjax.cs231n.grading.exercises import Exercise
from softjax.cs231n.grading.findings import Finding
from softjax.cs231n.grading.student import Raised, Student

LARGE = 20_000.0  # exp overflows here in every floating type
STEEP = 1000.0  # a factor of the weights, so that p[y] rounds to 0 for some examples
TOLERANCE = 1e-4  # relative: errors of float32 are smaller, and mistakes here make far larger errors


def check_large_scores(student: Student, sound: bool) -> list[Finding]:
    """Checks large scores: positive, negative, or positive for some examples and negative for others.

    The problem is an ordinary one, with a constant added to all scores of an example. This does not change the right
    loss or p.

    If the function is right on ordinary problems (`sound`), it must be right here too, and it is also checked on labels
    whose p[y] rounds to 0. If it is not, its loss and gradient only have to be finite.
    """
    N = 12
    for shift in (np.full(N, LARGE), np.full(N, -LARGE)):
        if failure := _find_failure(student, Exercise.draw(N, 7, 5, shift), sound):
            text = f"large scores: if all scores are around {shift[0]:,.0f}, {failure}"
            reason = (
                "no maximum is subtracted, so exp overflows (above 709) or every exp underflows to 0: first subtract "
                "each example's largest score, scores.max(axis=1, keepdims=True)"
            )
            return [Finding("wrong", text, reason)]
    alternating = np.where(np.arange(N) % 2, LARGE, -LARGE)
    if failure := _find_failure(student, Exercise.draw(N, 7, 5, alternating), sound):
        text = f"large scores: if some examples have scores around {LARGE:,.0f}, others around {-LARGE:,.0f}, {failure}"
        reason = (
            "one maximum is subtracted from all examples, so exp underflows to 0 in the others: subtract "
            "each example's own maximum, scores.max(axis=1, keepdims=True)"
        )
        return [Finding("wrong", text, reason)]
    text = (
        "large scores: no overflow, for scores that are large, very negative, or large in some examples only"
    )
    return [Finding("right", text), *(_check_tiny_probabilities(student) if sound else ())]


def _check_tiny_probabilities(student: Student) -> list[Finding]:
    """Checks examples whose label has so low a score that p[y] rounds to 0.

    A wrong gradient is a fault. A wrong or infinite loss is only a note, because the course does not ask for more.
    """
    ordinary = Exercise.draw(12, 7, 5)
    e = Exercise(STEEP * ordinary.W, ordinary.X, ordinary.y)
    limit = "the log of 0, or of 0 plus a small number; log Σ exp(s) − s[y] does not have this problem"
    try:
        answer = student.solve(e.W, e.X, e.y)
    except Raised as raised:
        return [Finding("note", f"large scores: if p[y] rounds to 0, it {raised.fault.what}", limit)]
    if answer.gradient is None or answer.loss is None:
        return [
            Finding(
                "wrong",
                f"large scores: if p[y] rounds to 0, {answer.faults[0].what}",
                answer.faults[0].reason,
            )
        ]
    if measure_error(answer.gradient, e.gradient) > TOLERANCE:
        text = "large scores: if the scores of one example differ by a thousand, the gradient is not p − 1[y = k]"
        reason = "exp overflows: subtract each example's largest score, not its smallest or their mean"
        return [Finding("wrong", text, reason)]
    if measure_error(answer.loss, e.loss) <= TOLERANCE:
        return []
    text = f"large scores: if p[y] rounds to 0, the loss is {answer.loss:.6g}; {e.loss:.6g} is right"
    return [Finding("note", text, limit)]


class Trial(NamedTuple):
    """An unusual input, and the likely reason if a function fails on it that is right on ordinary inputs."""

    name: str
    exercise: Exercise
    reason: str


def check_other_inputs(student: Student) -> list[Finding]:
    """Checks `TRIALS`, for a function that is right on ordinary problems."""
    findings = [
        Finding("wrong", f"other inputs: with {trial.name}, {failure}", trial.reason)
        for trial in TRIALS
        if (failure := _find_failure(student, trial.exercise, sound=True))
    ]
    names = ", ".join(trial.name for trial in TRIALS)
    return findings or [Finding("right", f"other inputs: {names}")]


def _list_trials() -> tuple[Trial, ...]:
    e, one, gap = Exercise.draw(12, 7, 5), Exercise.draw(1, 5, 4), Exercise.draw(8, 5, 4)
    return (
        Trial(
            "one example",
            Exercise(one.W, one.X, one.y + 3),
            "with one example an array loses an axis: sum over axis=1 with keepdims=True",
        ),
        Trial(
            "two classes",
            Exercise.draw(10, 4, 2),
            "a number of classes is written into the code: it is W.shape[1]",
        ),
        Trial(
            "no example of the last class",
            Exercise(gap.W, gap.X, gap.y % 3),
            "the number of classes is W.shape[1], not max(y) + 1",
        ),
        Trial(
            "300 examples, 40 features",
            Exercise.draw(300, 40, 10),
            "a number of examples is written into the code",
        ),
        Trial(
            "W and X in Fortran's order",
            Exercise(np.asfortranarray(e.W), np.asfortranarray(e.X), e.y),
            "their memory is read as if it were in C's order",
        ),
        Trial(
            "labels of type uint8",
            Exercise(e.W, e.X, e.y.astype(np.uint8)),
            "arithmetic with labels: uint8 wraps at 256",
        ),
        Trial(
            "W and X in float32",
            Exercise(e.W.astype(np.float32), e.X.astype(np.float32), e.y),
            "sums of many terms in float16, or a type that is assumed",
        ),
    )


TRIALS = _list_trials()


def _find_failure(student: Student, e: Exercise, sound: bool) -> str:
    """Says what goes wrong on `e`; empty if nothing does.

    An exception is a failure, and so is a number that is NaN or infinite. A wrong or missing number is a failure only
    if the function is right on ordinary problems (`sound`).
    """
    try:
        answer = student.solve(e.W, e.X, e.y)
    except Raised as raised:
        return f"it {raised.fault.what}"
    for name, seen, right in (("loss", answer.loss, e.loss), ("gradient", answer.gradient, e.gradient)):
        if seen is None:
            if sound:
                return f"it returns no {name}: {answer.faults[0].what}"
        elif not np.isfinite(seen).all():
            return f"the {name} is not finite"
        elif sound and measure_error(seen, right) > TOLERANCE:
            return f"the {name} is wrong, off by {100 * measure_error(seen, right):.3g} %"
    return ""
