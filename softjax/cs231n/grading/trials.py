"""Checks of a student's function with large scores, and with inputs of other shapes, types and memory layouts."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from softjax.cs231n.grading.checks import measure_error
from softjax.cs231n.grading.exercises import Exercise
from softjax.cs231n.grading.findings import Finding
from softjax.cs231n.grading.student import Raised, Student
from softjax.cs231n.grading.subjects import Subject

LARGE = 20_000.0  # exp overflows here in every floating type
STEEP = 1000.0  # a factor of the weights, so that p[y] rounds to 0 for some examples
TOLERANCE = 1e-4  # relative: errors of float32 are smaller, and mistakes here make far larger errors


def check_large_scores(student: Student, subject: Subject, sound: bool) -> list[Finding]:
    """Checks large scores: positive, negative, or positive for some examples and negative for others.

    The problem is an ordinary one, with a constant added to all scores of an example. This does not change the right
    loss or p.

    If the function is right on ordinary problems (`sound`), it must be right here too, and it is also checked on labels
    whose p[y] rounds to 0. If it is not, its loss and gradient only have to be finite.
    """
    N = 12

    def fail(shift: np.ndarray) -> str:
        return _find_failure(student, subject.exercise.draw(N, 7, 5, shift), sound)

    if failure := fail(np.full(N, LARGE)):
        text = f"large scores: if all scores are around {LARGE:,.0f}, {failure}"
        reason = (
            "no maximum is subtracted, so exp overflows (above 709): first subtract each example's largest score, "
            "scores.max(axis=1, keepdims=True)"
        )
        return [Finding("wrong", text, reason)]
    if failure := fail(np.full(N, -LARGE)):
        text = f"large scores: if all scores are around {-LARGE:,.0f}, {failure}"
        reason = (
            "every exp underflows to 0: the maximum is not below 0 where all scores are, because it starts at 0, or "
            "because it is that of |scores|: np.max(scores), or start at scores[0]"
        )
        return [Finding("wrong", text, reason)]
    if failure := fail(np.where(np.arange(N) % 2, LARGE, -LARGE)):
        text = f"large scores: if some examples have scores around {LARGE:,.0f}, others around {-LARGE:,.0f}, {failure}"
        reason = (
            "one maximum is subtracted from all examples, so exp underflows to 0 in the others: subtract "
            "each example's own maximum, scores.max(axis=1, keepdims=True)"
        )
        return [Finding("wrong", text, reason)]
    text = (
        "large scores: no overflow, for scores that are large, very negative, or large in some examples only"
    )
    return [Finding("right", text), *(_check_tiny_probabilities(student, subject) if sound else ())]


def _check_tiny_probabilities(student: Student, subject: Subject) -> list[Finding]:
    """Checks examples whose label has so low a score that p[y] rounds to 0.

    An exception or a wrong gradient is a fault. A wrong or infinite loss is only a note, because the course does not ask
    for more.
    """
    ordinary = subject.exercise.draw(12, 7, 5)
    e = subject.exercise(STEEP * ordinary.W, ordinary.X, ordinary.y)
    limit = "the log of 0, or of 0 plus a small number; log Σ exp(s) − s[y] does not have this problem"
    try:
        answer = student.solve(e.W, e.X, e.y)
    except Raised as raised:
        text = f"large scores: if p[y] rounds to 0, it {raised.fault.what}"
        return [Finding("wrong", text, f"{limit}, and np.log does not raise as math.log does")]
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


def check_other_inputs(student: Student, subject: Subject) -> list[Finding]:
    """Checks the trials of `list_trials`, for a function that is right on ordinary problems."""
    trials = list_trials(subject)
    failures = {
        trial.name: f"{failure}"
        for trial in trials
        if (failure := _find_failure(student, trial.exercise, sound=True))
    }
    if failures.keys() & set(LACKING):
        failures.pop("one example", None)  # which lacks classes too
    findings = [
        Finding("wrong", f"other inputs: with {trial.name}, {failures[trial.name]}", trial.reason)
        for trial in trials
        if trial.name in failures
    ]
    names = ", ".join(trial.name for trial in trials)
    return findings or [Finding("right", f"other inputs: {names}")]


LACKING = ("no example of the last class", "no example of the first class")


def list_trials(subject: Subject) -> Sequence[Trial]:
    """The unusual inputs."""
    draw = subject.exercise.draw
    e, one, gap = draw(12, 7, 5), draw(1, 5, 4), draw(8, 5, 4)
    counted = "the number of classes is W.shape[1], not max(y) + 1 or len(set(y))"
    return (
        Trial(
            "one example",
            one.with_labels(one.y + 3),
            "with one example an array loses an axis: sum over axis=1 with keepdims=True",
        ),
        Trial(
            "two classes", draw(10, 4, 2), "a number of classes is written into the code: it is W.shape[1]"
        ),
        Trial(LACKING[0], gap.with_labels(gap.y % 3), counted),
        Trial(LACKING[1], gap.with_labels(gap.y % 3 + 1), counted),
        Trial(
            "300 examples, 40 features",
            draw(300, 40, 10),
            "a number of examples is written into the code: it is X.shape[0]",
        ),
        Trial(
            "W and X in Fortran's order",
            subject.exercise(np.asfortranarray(e.W), np.asfortranarray(e.X), e.y),
            "their memory is read as if it were in C's order",
        ),
        Trial(
            "labels of type uint8",
            e.with_labels(e.y.astype(np.uint8)),
            "arithmetic with labels: uint8 wraps at 256",
        ),
        Trial(
            "W and X in float32",
            subject.exercise(e.W.astype(np.float32), e.X.astype(np.float32), e.y),
            "sums of many terms in float16, or a type that is assumed",
        ),
    )


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
