"""The checks of a student's function on ordinary problems. Each returns its findings."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from softjax.cs231n.grading.exercises import SHAPES, Exercise
from softjax.cs231n.grading.findings import Fault, Finding
from softjax.cs231n.grading.mistakes import NOT_WRITTEN, WITHOUT_REG, Part, explain
from softjax.cs231n.grading.penalties import Convention, Increment, judge_penalty
from softjax.cs231n.grading.student import Answer, Raised, Student
from softjax.cs231n.grading.subjects import Subject

REGS = (0.3, 2.0)
EXACT = 1e-9  # relative: right solutions in float64 are off by about 1e-15
ROUGH = (
    1e-5  # relative: more than the error of float32, and less than the error of almost every wrong formula
)
# Numbers of examples, features and classes that are often written into the code.
HARD_WIRED = (
    *((12, 7, 10), (500, 7, 5), (200, 7, 5), (1000, 7, 5), (12, 3073, 5)),
    *((500, 7, 10), (12, 3073, 10), (500, 3073, 10)),
)
MOST_SECONDS = 3.0  # of one of these calls, as far as can be told from smaller ones
SIZES = {"examples": "X.shape[0]", "features": "W.shape[0]", "classes": "W.shape[1]"}


@dataclass(frozen=True)
class Correctness:
    """How correct a student's losses, or gradients, are without penalty.

    - `error`: the largest relative error; infinite if a number is NaN or infinite; None if no number could be read.
    - `faults`: what is wrong.
    - `named`: whether the faults are known mistakes.
    """

    error: float | None
    faults: tuple[Fault, ...] = ()
    named: bool = True

    @property
    def known(self) -> bool:
        """Whether numbers could be read."""
        return self.error is not None

    @property
    def finite(self) -> bool:
        """Whether no number is NaN or infinite."""
        return self.error is None or self.error < np.inf

    @property
    def exact(self) -> bool:
        """Whether it is as accurate as float64 must be."""
        return self.error is not None and self.error <= EXACT

    @property
    def rough(self) -> bool:
        """Whether it is only as accurate as float32 is."""
        return self.error is not None and EXACT < self.error <= ROUGH

    @property
    def lacks_reg(self) -> bool:
        """Whether it is known that reg changes nothing: it is not written yet, or its penalty lacks reg."""
        return any(fault.what in (NOT_WRITTEN.what, WITHOUT_REG) for fault in self.faults)


def check_form(answers: Sequence[Answer]) -> list[Finding]:
    """Checks that every answer is a number and an array shaped like W."""
    faults = next((answer.faults for answer in answers if answer.faults), ())
    if faults:
        return [Finding("wrong", *fault) for fault in faults]
    return [Finding("right", "form: it returns a number and an array shaped like W")]


def check_arguments(student: Student, e: Exercise) -> Finding:
    """Checks that the function does not change W, X or y."""
    W, X, y = e.W.copy(), e.X.copy(), e.y.copy()
    student.call(W, X, y, REGS[0])
    changed = [
        name
        for name, kept, array in (("W", e.W, W), ("X", e.X, X), ("y", e.y, y))
        if not np.array_equal(kept, array)
    ]
    if not changed:
        return Finding("right", "arguments: W, X and y are not changed")
    return Finding(
        "wrong",
        f"arguments: it changes {' and '.join(changed)} in place, and the caller goes on with the changed array",
        "+=, -=, *= or [...] = on the array itself, or on another name of it: dW = W does not copy W, "
        "dW = np.zeros(W.shape) makes a new array",
    )


def check_repetition(first: Answer, again: Answer) -> Finding | None:
    """Checks that two calls with the same arguments give the same answer. Returns None if they do."""
    pairs = ((first.loss, again.loss), (first.gradient, again.gradient))
    if all(a is None or b is None or np.allclose(a, b, EXACT, equal_nan=True) for a, b in pairs):
        return None
    return Finding(
        "wrong",
        "arguments: called twice with the same arguments, it returns different results",
        "a variable keeps its value from call to call, or is random: put loss = 0.0 and dW = np.zeros(W.shape) "
        "inside the function",
    )


def compare(
    part: Part, answers: Sequence[Answer], subject: Subject, suspected: Sequence[Fault] = ()
) -> Correctness:
    """Compares the losses, or the gradients, of the answers to the exercises at reg = 0 with the right ones.

    **Arguments:** `suspected`: of several explanations this one counts, if it is among them.
    """
    exercises = subject.exercises
    seen = [getattr(answer, part) for answer in answers]
    if any(value is None for value in seen):
        return Correctness(None)
    if not all(np.isfinite(value).all() for value in seen):
        return Correctness(np.inf, (_explain_not_finite(part, seen),))
    error = max(measure_error(value, getattr(e, part)) for value, e in zip(seen, exercises, strict=True))
    if error <= ROUGH:
        return Correctness(error)
    found = [
        tuple(Fault(mistake.what, mistake.reason) for mistake in mistakes)
        for mistakes in explain(seen, exercises, part, subject.mistakes, subject.factors)
    ]
    if found:
        return Correctness(error, tuple(suspected) if tuple(suspected) in found else found[0])
    if part == "gradient" and _are_whole_sums(seen, exercises):
        text = "whole numbers before they are divided by N: they are stored in an array of integers"
        reason = "use dW = np.zeros(W.shape), an array of floats; an array of integers drops the decimals"
        return Correctness(error, (Fault(text, reason),))
    text = f"wrong, off by up to {100 * error:.3g} %, in no known pattern"
    advice = {
        "loss": f"compute the loss of one example by hand, and at W = 0, where it is {subject.at_zero}",
        "gradient": "compare it with eval_numerical_gradient for one example and one class",
    }[part]
    return Correctness(error, (Fault(text, advice),), named=False)


def _are_whole_sums(gradients: Sequence[Any], exercises: Sequence[Exercise]) -> bool:
    """Whether N times the gradient, the sum over the examples, consists of whole numbers."""
    sums = [gradient * e.N for gradient, e in zip(gradients, exercises, strict=True)]
    return all(np.allclose(total, np.round(total)) for total in sums)


def _explain_not_finite(part: str, seen: Sequence[Any]) -> Fault:
    worst = next(
        np.ravel(value)[~np.isfinite(np.ravel(value))][0] for value in seen if not np.isfinite(value).all()
    )
    reason = (
        "a logarithm of a negative number or of 0: is 1 subtracted from p in place before the loss is taken from p?"
        if part == "loss"
        else "0 / 0, or a logarithm of a negative number"
    )
    return Fault(f"{worst}, even for scores around 1", reason)


def report_correctness(
    loss: Correctness, gradient: Correctness, answers: Sequence[Answer], subject: Subject
) -> list[Finding]:
    """Reports how correct loss and gradient are without penalty. A fault that both have is reported once."""
    shared = [fault for fault in loss.faults if fault in gradient.faults]
    findings = [Finding("wrong", f"loss and gradient: {what}", reason) for what, reason in shared]
    rough = []
    for name, correctness, right in (
        ("loss", loss, subject.loss),
        ("gradient", gradient, subject.gradient),
    ):
        own = [fault for fault in correctness.faults if fault not in shared]
        findings += [Finding("wrong", f"{name}: {what}", reason) for what, reason in own]
        if correctness.exact:
            findings.append(Finding("right", f"{name}: {right}, on problems of three shapes"))
        if correctness.rough:
            rough.append(name)
    if rough:
        findings.append(
            _explain_roughness(" and ".join(rough), answers if loss.rough else (), subject.exercises)
        )
    return findings


def _explain_roughness(where: str, answers: Sequence[Answer], exercises: Sequence[Exercise]) -> Finding:
    """Explains why only the first digits are right: a small number is added inside the logarithm, or float32 is used."""
    losses = [answer.loss for answer in answers]
    for epsilon in 10.0 ** -np.arange(5, 11):
        for text, added in (
            (f"log(p + {epsilon:g})", [np.log1p(epsilon / e.p[e.label]) for e in exercises]),
            (
                f"p = exp(s) / (Σ exp(s) + {epsilon:g})",
                [-np.log1p(epsilon * e.p.max(axis=1)) for e in exercises],
            ),
        ):
            expected = [(e.losses - more).mean() for e, more in zip(exercises, added, strict=True)]
            if losses and max(map(measure_error, losses, expected)) <= 1e-3 * EXACT:
                reason = "if the largest score is subtracted, log Σ exp(s) − s[y] needs no small number"
                return Finding("note", f"{where}: right except for {text}, which makes a small error", reason)
    return Finding(
        "wrong",
        f"{where}: right to 7 digits, but float64 gives 15: something is computed in float32",
        "np.float32, or a library that uses float32 by default; np.zeros(W.shape) is float64",
    )


def check_penalty(
    student: Student, answers: Sequence[Answer], subject: Subject, lacking: Sequence[str]
) -> tuple[Convention | None, list[Finding]]:
    """Checks what `reg` adds to `answers`, the answers to the exercises at reg = 0.

    **Arguments:** `lacking`: the parts, "loss" and "gradient", of which it is known that reg changes nothing.

    **Returns:** the convention of the penalty, None if no convention fits; and what is right or wrong with the penalty.
    """
    increments = []
    for e, without in zip(subject.exercises, answers, strict=True):
        for reg in REGS:
            answer = student.solve(e.W, e.X, e.y, reg)
            if answer.loss is None or without.loss is None or (answer.faults and not without.faults):
                text = f"penalty: with reg = {reg:g} the answer has another form than with reg = 0"
                return None, [Finding("wrong", f"{text}: {what}", reason) for what, reason in answer.faults]
            slope, size = None, 0.0
            if answer.gradient is not None and without.gradient is not None:
                slope, size = answer.gradient - without.gradient, float(np.abs(without.gradient).max())
            value = answer.loss - without.loss
            increments.append(Increment(e, reg, value, slope, abs(without.loss), size))
    convention, faults = judge_penalty(increments, lacking)
    if faults or convention is None:
        return convention, [
            Finding("wrong", f"penalty, in the {where}: {what}", reason) for where, what, reason in faults
        ]
    if lacking:
        return convention, []
    derivative = {1.0: "2 · reg · W", 0.5: "reg · W"}[convention.coefficient]
    return convention, [Finding("right", f"penalty: {convention} in the loss, {derivative} in the gradient")]


def explain_raised(student: Student, raised: Raised, subject: Subject) -> Fault:
    """Says what the function raised in its first call, and tries where it does not raise.

    That is in another year's layout, or with as many examples, features or classes as are written into its code.
    """
    if fault := _try_other_layout(student, subject):
        return fault
    largest, seconds = 1, 0.0
    for shape in HARD_WIRED:
        size = int(np.prod(shape))
        if seconds * size / largest > MOST_SECONDS:  # loops in Python
            continue
        e = subject.exercise.draw(*shape)
        start = time.perf_counter()
        try:
            answer = student.solve(e.W, e.X, e.y)
        except Raised:
            if size >= largest:
                largest, seconds = size, time.perf_counter() - start
            continue
        if answer.faults:
            continue
        changed = [
            (name, *pair)
            for name, pair in zip(SIZES, zip(SHAPES[0], shape, strict=True), strict=True)
            if pair[0] != pair[1]
        ]
        seen = " and ".join(f"{number} {name}" for name, number, _ in changed)
        tried = " and ".join(str(number) for _, _, number in changed)
        names = " and ".join(name for name, _, _ in changed)
        return Fault(
            f"{raised.fault.what} (with {seen}, but not with {tried})",
            f"a number of {names} is written into the code: it is {' and '.join(SIZES[name] for name, _, _ in changed)}",
        )
    return raised.fault


def _try_other_layout(student: Student, subject: Subject) -> Fault | None:
    """Whether the function takes W (K, D) and X (D, N), and returns a gradient (K, D)."""
    right = True
    for e in subject.exercises:
        try:
            output = student.call(e.W.T.copy(), e.X.T.copy(), e.y.copy(), 0.0)
            loss, gradient = float(output[0]), np.asarray(output[1], float)
        except Exception:  # of the function, or because its answer has another form
            return None
        if gradient.shape != e.W.T.shape:
            return None
        right &= measure_error(loss, e.loss) <= ROUGH
        right &= measure_error(gradient.T, e.gradient) <= ROUGH
    text = "layout: it takes W (K, D) and X (D, N), one column for each example, as the course had it once"
    return Fault(
        text + ("; it is right there" if right else "; it is wrong there too"),
        "W is (D, K) and X (N, D), one row for each example: scores = X @ W, or X[i] @ W; dW = X.T @ Q, (D, K)",
    )


def measure_error(seen: Any, right: Any) -> float:
    """The largest error, relative to the largest right number; infinite if a number is NaN or infinite."""
    size = float(np.abs(right).max())
    error = float(np.abs(seen - right).max()) / (size if size > 0 else 1.0)
    return error if np.isfinite(error) else np.inf
