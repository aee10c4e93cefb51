"""What a student's function must also take: large scores, and inputs of other shapes, types and layouts."""

import numpy as np

from softjax.cs231n.grading.checks import error
from softjax.cs231n.grading.exercises import Example
from softjax.cs231n.grading.findings import Finding
from softjax.cs231n.grading.student import Raised, Student

LARGE = 20_000.0  # no floating type has the exponential of such scores
STEEP = 1000.0  # makes weights so large that some labels are hopeless
TOLERANCE = 1e-4  # relative: for float32 too; what goes wrong here goes wrong by far


def large_scores(student: Student, sound: bool) -> list[Finding]:
    """All scores large, all very negative, some examples' so and some so; and labels without hope.

    The first three are one problem with ordinary scores, to each of which the same is added: nothing changes. Of a
    function that is not `sound` at ordinary ones, they only ask that it be finite.
    """
    N = 12
    both = np.where(np.arange(N) % 2, LARGE, -LARGE)
    for shift in (np.full(N, LARGE), np.full(N, -LARGE)):
        if failed := _failure(student, Example.draw(N, 7, 5, shift), sound):
            text = f"large scores: where all are around {shift[0]:,.0f}, {failed}"
            reason = (
                "no maximum is subtracted, so that exp overflows (above 709) or all of it underflows: subtract "
                "each example's largest score first, scores.max(axis=1, keepdims=True)"
            )
            return [Finding("wrong", text, reason)]
    if failed := _failure(student, Example.draw(N, 7, 5, both), sound):
        text = f"large scores: where some examples have them around {LARGE:,.0f}, others around {-LARGE:,.0f}, {failed}"
        reason = (
            "one maximum is subtracted from all examples, so that exp of the others underflows to 0: subtract "
            "from each its own, scores.max(axis=1, keepdims=True)"
        )
        return [Finding("wrong", text, reason)]
    return [
        Finding(
            "right",
            "large scores: no overflow, whether they are large, very negative, or some so and some so",
        ),
        *(_hopeless_labels(student) if sound else ()),
    ]


def _hopeless_labels(student: Student) -> list[Finding]:
    """Labels far below the largest score, where p[y] rounds to 0: the course does not ask for them."""
    steep = Example.draw(12, 7, 5)
    e = Example(STEEP * steep.W, steep.X, steep.y)
    limit = "log of 0, or of a p that is kept from being 0; log Σ exp(s) − s[y] has no such limit"
    try:
        answer = student.answer(e.W, e.X, e.y)
    except Raised as raised:
        return [Finding("note", f"large scores: where p[y] rounds to 0, it {raised.fault[0]}", limit)]
    if error(answer.gradient, e.gradient) > TOLERANCE:
        text = (
            "large scores: where those of an example lie a thousand apart, the gradient is not p − 1[y = k]"
        )
        reason = "exp overflows: it is each example's largest score that is subtracted, not its smallest or their mean"
        return [Finding("wrong", text, reason)]
    if error(answer.loss, e.loss) <= TOLERANCE:
        return []
    text = f"large scores: where p[y] rounds to 0, the loss is {answer.loss:.6g}; {e.loss:.6g} is right"
    return [Finding("note", text, limit)]


def other_inputs(student: Student) -> list[Finding]:
    """Other shapes, types and layouts, for a function that is right on ordinary problems."""
    e, one, gap = Example.draw(12, 7, 5), Example.draw(1, 5, 4), Example.draw(8, 5, 4)
    trials = (
        (
            "one example",
            Example(one.W, one.X, one.y + 3),
            "a shape of its own for one example: sum over axis=1 with keepdims=True",
        ),
        (
            "two classes",
            Example.draw(10, 4, 2),
            "a number of classes is written into the code: it is W.shape[1]",
        ),
        (
            "no example of the last class",
            Example(gap.W, gap.X, gap.y % 3),
            "the number of classes is W.shape[1], not max(y) + 1",
        ),
        (
            "300 examples, 40 features",
            Example.draw(300, 40, 10),
            "a number of examples is written into the code",
        ),
        (
            "W and X in Fortran's order",
            Example(np.asfortranarray(e.W), np.asfortranarray(e.X), e.y),
            "their memory is read as if it were in C's order",
        ),
        (
            "labels of type uint8",
            Example(e.W, e.X, e.y.astype(np.uint8)),
            "arithmetic with labels: uint8 wraps at 256",
        ),
        (
            "W and X in float32",
            Example(e.W.astype(np.float32), e.X.astype(np.float32), e.y),
            "sums of many terms in float16, or a type that is assumed",
        ),
    )
    findings = [
        Finding("wrong", f"other inputs: with {name}, {failed}", reason)
        for name, example, reason in trials
        if (failed := _failure(student, example, sound=True))
    ]
    names = ", ".join(name for name, *_ in trials)
    return findings or [Finding("right", f"other inputs: {names}")]


def _failure(student: Student, e: Example, sound: bool) -> str:
    """What is wrong at `e`, empty if nothing: it raises, or is not finite, or, where it is else `sound`, is not right."""
    try:
        answer = student.answer(e.W, e.X, e.y)
    except Raised as raised:
        return f"it {raised.fault[0]}"
    for name, seen, right in (("loss", answer.loss, e.loss), ("gradient", answer.gradient, e.gradient)):
        if seen is None:
            if sound:
                return f"no {name} comes back: {answer.faults[0][0]}"
        elif not np.isfinite(seen).all():
            return f"the {name} is not finite"
        elif sound and error(seen, right) > TOLERANCE:
            return f"the {name} is wrong, off by {100 * error(seen, right):.3g} %"
    return ""
