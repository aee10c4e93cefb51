"""The checks of a student's function on ordinary problems. Each returns its findings."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from softjax.cs231n.grading.exercises import EXERCISES, Exercise
from softjax.cs231n.grading.findings import Fault, Finding, Verdict
from softjax.cs231n.grading.mistakes import explain
from softjax.cs231n.grading.penalties import Convention, Increment, judge_penalty
from softjax.cs231n.grading.student import Answer, Raised, Student
from softjax.gradcheck.check import check_gradient
from softjax.gradcheck.result import GradientCheck

REGS = (0.3, 2.0)
EXACT = 1e-9  # relative: right solutions in float64 are off by about 1e-15
ROUGH = (
    1e-5  # relative: more than the error of float32, and less than the error of almost every wrong formula
)


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


def compare(part: Literal["loss", "gradient"], answers: Sequence[Answer]) -> Correctness:
    """Compares the losses, or the gradients, of the answers to `EXERCISES` at reg = 0 with the right ones."""
    seen = [getattr(answer, part) for answer in answers]
    if any(value is None for value in seen):
        return Correctness(None)
    if not all(np.isfinite(value).all() for value in seen):
        return Correctness(np.inf, (_explain_not_finite(part, seen),))
    error = max(measure_error(value, getattr(e, part)) for value, e in zip(seen, EXERCISES, strict=True))
    if error <= ROUGH:
        return Correctness(error)
    mistakes = explain(seen, EXERCISES, part)
    if mistakes is not None:
        return Correctness(error, tuple(Fault(mistake.what, mistake.reason) for mistake in mistakes))
    if part == "gradient" and _are_whole_sums(seen):
        text = "whole numbers before they are divided by N: they are stored in an array of integers"
        reason = "use dW = np.zeros(W.shape), an array of floats; an array of integers drops the decimals"
        return Correctness(error, (Fault(text, reason),))
    text = f"wrong, off by up to {100 * error:.3g} %, in no known pattern"
    return Correctness(error, (Fault(text, _ADVICE[part]),), named=False)


_ADVICE = {
    "loss": "compute the loss of one example by hand, and at W = 0, where it is log K",
    "gradient": "compare it with eval_numerical_gradient for one example and one class",
}


def _are_whole_sums(gradients: Sequence[Any]) -> bool:
    """Whether N times the gradient, the sum over the examples, consists of whole numbers."""
    sums = [gradient * e.N for gradient, e in zip(gradients, EXERCISES, strict=True)]
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


def report_correctness(loss: Correctness, gradient: Correctness, answers: Sequence[Answer]) -> list[Finding]:
    """Reports how correct loss and gradient are without penalty. A fault that both have is reported once."""
    shared = [fault for fault in loss.faults if fault in gradient.faults]
    findings = [Finding("wrong", f"loss and gradient: {what}", reason) for what, reason in shared]
    rough = []
    for name, correctness, right in (
        ("loss", loss, "the mean of −log p[y]"),
        ("gradient", gradient, "1/N Xᵀ (p − 1[y = k])"),
    ):
        own = [fault for fault in correctness.faults if fault not in shared]
        findings += [Finding("wrong", f"{name}: {what}", reason) for what, reason in own]
        if correctness.exact:
            findings.append(Finding("right", f"{name}: {right}, on problems of three shapes"))
        if correctness.rough:
            rough.append(name)
    if rough:
        findings.append(_explain_roughness(" and ".join(rough), answers if loss.rough else ()))
    return findings


def _explain_roughness(where: str, answers: Sequence[Answer]) -> Finding:
    """Explains why only the first digits are right: a small number is added inside the logarithm, or float32 is used."""
    losses = [answer.loss for answer in answers]
    for epsilon in 10.0 ** -np.arange(5, 11):
        for text, added in (
            (f"log(p + {epsilon:g})", [np.log1p(epsilon / e.p[e.label]) for e in EXERCISES]),
            (
                f"p = exp(s) / (Σ exp(s) + {epsilon:g})",
                [-np.log1p(epsilon * e.p.max(axis=1)) for e in EXERCISES],
            ),
        ):
            expected = [(e.losses - more).mean() for e, more in zip(EXERCISES, added, strict=True)]
            if losses and max(map(measure_error, losses, expected)) <= 1e-3 * EXACT:
                reason = "if the largest score is subtracted, log Σ exp(s) − s[y] needs no small number"
                return Finding("note", f"{where}: right except for {text}, which makes a small error", reason)
    return Finding(
        "wrong",
        f"{where}: right to 7 digits, but float64 gives 15: something is computed in float32",
        "np.float32, or a library that uses float32 by default; np.zeros(W.shape) is float64",
    )


def check_penalty(student: Student, answers: Sequence[Answer]) -> tuple[Convention | None, list[Finding]]:
    """Checks what `reg` adds to `answers`, the answers to `EXERCISES` at reg = 0.

    **Returns:** the convention of the penalty, None if no convention fits; and what is right or wrong with the penalty.
    """
    increments = []
    for e, without in zip(EXERCISES, answers, strict=True):
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
    convention, faults = judge_penalty(increments)
    if faults or convention is None:
        return convention, [
            Finding("wrong", f"penalty, in the {where}: {what}", reason) for where, what, reason in faults
        ]
    derivative = {1.0: "2 · reg · W", 0.5: "reg · W"}[convention.coefficient]
    return convention, [Finding("right", f"penalty: {convention} in the loss, {derivative} in the gradient")]


def check_own_gradient(student: Student) -> GradientCheck | None:
    """Checks the gradient against the student's own loss, by `softjax.check_gradient`. Returns None if their form is wrong."""
    e, reg = EXERCISES[1], REGS[0]
    answer = student.solve(e.W, e.X, e.y, reg)
    if answer.faults or answer.gradient is None:
        return None

    def loss(W: Any, X: Any, y: Any, reg: float) -> Any:
        # not `solve`, which reads real numbers only: the complex step calls it with complex weights
        output = student.call(np.array(W), X.copy(), y.copy(), reg)
        kinds = "fiuc" if np.iscomplexobj(W) else "fiu"
        try:
            value = np.asarray(output[0])
        except Exception:
            value = np.asarray(None)
        if value.dtype.kind not in kinds or value.size != 1:
            raise Raised(
                Fault("returns no number as loss, for weights close to these", "end with: return loss, dW")
            )
        return 1.0 * value  # the course's skeleton returns the integer 0

    def gradient(W: Any, X: Any, y: Any, reg: float) -> Any:
        near = student.solve(W, X, y, reg)
        if near.gradient is None:
            raise Raised(near.faults[0])
        return near.gradient

    return check_gradient(
        loss, gradient, e.W, e.X, e.y, reg, atol=EXACT * float(np.abs(answer.gradient).max())
    )


def report_own_gradient(
    check: GradientCheck | None, findings: Sequence[Finding], named: bool
) -> list[Finding]:
    """Reports what `check_own_gradient` found.

    If known mistakes explain what is wrong (`named`), only a gradient that is right for its own loss is reported.
    """
    if check is None:
        return []
    faults = any(finding.verdict == "wrong" for finding in findings)
    if check.ok:
        text = "gradient check: dW is the derivative of the loss that the function returns (softjax.check_gradient)"
        return [Finding("note" if faults else "right", text)]
    if faults and named:
        return []
    verdict: Verdict = "wrong" if check.verdict == "wrong" else "note"
    return [Finding(verdict, f"gradient check: {check.diagnosis}")]


def explain_raised(student: Student, raised: Raised) -> Fault:
    """Says what the function raised in its first call, and tries whether it works with ten classes."""
    ten = EXERCISES[2]
    try:
        student.solve(ten.W, ten.X, ten.y)
    except Raised:
        return raised.fault
    return Fault(
        f"{raised.fault.what} (with 5 classes, but not with 10)",
        "a number of classes is written into the code: it is W.shape[1]",
    )


def measure_error(seen: Any, right: Any) -> float:
    """The largest error, relative to the largest right number; infinite if a number is NaN or infinite."""
    size = float(np.abs(right).max())
    error = float(np.abs(seen - right).max()) / (size if size > 0 else 1.0)
    return error if np.isfinite(error) else np.inf
