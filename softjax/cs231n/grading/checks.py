"""What a student's function is held against on ordinary problems: one function a group of findings."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from softjax.cs231n.grading.exercises import EXAMPLES, Example
from softjax.cs231n.grading.findings import Finding, Verdict
from softjax.cs231n.grading.mistakes import explain
from softjax.cs231n.grading.penalties import Added, Convention, judge
from softjax.cs231n.grading.student import Answer, Fault, Raised, Student
from softjax.gradcheck.check import check_gradient
from softjax.gradcheck.result import GradientCheck

REGS = (0.3, 2.0)
EXACT = 1e-9  # relative: right solutions in float64 are off by some 1e-15
ROUGH = 1e-5  # what float32 may be off by, and hardly a wrong formula is


@dataclass(frozen=True)
class Part:
    """A student's losses, or gradients, without the penalty, held against the right ones.

    - `error`: the largest relative one; infinite where something is not, None where there was nothing to read.
    - `faults`: what is wrong. `named`: whether that is a typical mistake.
    """

    error: float | None
    faults: tuple[Fault, ...] = ()
    named: bool = True

    @property
    def known(self) -> bool:
        """Whether there was something to read."""
        return self.error is not None

    @property
    def finite(self) -> bool:
        """Whether no number is NaN or infinite."""
        return self.error is None or self.error < np.inf

    @property
    def exact(self) -> bool:
        """Whether it is right to what float64 must give."""
        return self.error is not None and self.error <= EXACT

    @property
    def rough(self) -> bool:
        """Whether it is right to what float32 would give, no better."""
        return self.error is not None and EXACT < self.error <= ROUGH


def form(answers: Sequence[Answer]) -> list[Finding]:
    """Whether a number and an array shaped like W come back, every time."""
    faults = next((answer.faults for answer in answers if answer.faults), ())
    if faults:
        return [Finding("wrong", *fault) for fault in faults]
    return [Finding("right", "form: it returns a number and an array shaped like W")]


def arguments(student: Student, e: Example) -> Finding:
    """Whether W, X and y are left as they are."""
    W, X, y = e.W.copy(), e.X.copy(), e.y.copy()
    student.call(W, X, y, REGS[0])
    changed = [
        name
        for name, kept, array in (("W", e.W, W), ("X", e.X, X), ("y", e.y, y))
        if not np.array_equal(kept, array)
    ]
    if not changed:
        return Finding("right", "arguments: W, X and y are left as they are")
    return Finding(
        "wrong",
        f"arguments: it changes {' and '.join(changed)} in place, and the caller goes on with what is left",
        "+=, -=, *= or [...] = on the array itself, or on another name of it: dW = W copies nothing, "
        "dW = np.zeros(W.shape) is an array of its own",
    )


def repeated(first: Answer, again: Answer) -> Finding | None:
    """What is to be said where the same call gives another answer."""
    pairs = ((first.loss, again.loss), (first.gradient, again.gradient))
    if all(a is None or b is None or np.allclose(a, b, EXACT, equal_nan=True) for a, b in pairs):
        return None
    return Finding(
        "wrong",
        "arguments: called again with the same, it returns something else",
        "something is kept from call to call, or is random: loss = 0.0 and dW = np.zeros(W.shape) belong inside",
    )


def part(name: Literal["loss", "gradient"], answers: Sequence[Answer]) -> Part:
    """Judges what `answers` to `EXAMPLES` at reg = 0 are."""
    seen = [getattr(answer, name) for answer in answers]
    if any(value is None for value in seen):
        return Part(None)
    if not all(np.isfinite(value).all() for value in seen):
        return Part(np.inf, (_not_finite(name, seen),))
    right = [getattr(e, name) for e in EXAMPLES]
    largest = max(map(error, seen, right))
    if largest <= ROUGH:
        return Part(largest)
    mistakes = explain(seen, EXAMPLES, name)
    if mistakes is not None:
        return Part(largest, tuple((mistake.what, mistake.reason) for mistake in mistakes))
    if name == "gradient" and all(
        np.allclose(g * e.N, np.round(g * e.N)) for g, e in zip(seen, EXAMPLES, strict=True)
    ):
        return Part(
            largest,
            ((_WHOLE, "dW = np.zeros(W.shape) is of floats; one of integers drops what follows the point"),),
        )
    off = f"wrong, off by up to {100 * largest:.3g} %, in no pattern that has a name"
    return Part(largest, ((off, _UNNAMED[name]),), named=False)


_WHOLE = "whole numbers before they are divided by N: they are kept in an array of integers"
_UNNAMED = {
    "loss": "compute the loss of one example by hand, at W = 0 too, where it is log K",
    "gradient": "compare it with eval_numerical_gradient for one example, one class",
}


def _not_finite(name: str, seen: Sequence[Any]) -> Fault:
    worst = next(
        np.ravel(value)[~np.isfinite(np.ravel(value))][0] for value in seen if not np.isfinite(value).all()
    )
    reason = (
        "a logarithm of a negative number or of 0: is 1 subtracted from p in place before the loss is taken from p?"
        if name == "loss"
        else "0 / 0, or a logarithm of a negative number"
    )
    return f"{worst} already at scores around 1", reason


def formula(loss: Part, gradient: Part, answers: Sequence[Answer]) -> list[Finding]:
    """What is to be said of both."""
    shared = [fault for fault in loss.faults if fault in gradient.faults]
    findings = [Finding("wrong", f"loss and gradient: {what}", reason) for what, reason in shared]
    rough = []
    for name, part, right in (
        ("loss", loss, "the mean of −log p[y]"),
        ("gradient", gradient, "1/N Xᵀ (p − 1[y = k])"),
    ):
        own = [fault for fault in part.faults if fault not in shared]
        findings += [Finding("wrong", f"{name}: {what}", reason) for what, reason in own]
        if part.exact:
            findings.append(Finding("right", f"{name}: {right}, on problems of three shapes"))
        if part.rough:
            rough.append(name)
    if rough:
        findings.append(_roughness(" and ".join(rough), answers if loss.rough else ()))
    return findings


def _roughness(where: str, answers: Sequence[Answer]) -> Finding:
    """Where only some digits are lost: in the loss by a small number within the logarithm, or float32 was at work."""
    losses = [answer.loss for answer in answers]
    for epsilon in 10.0 ** -np.arange(5, 11):
        for text, added in (
            (f"log(p + {epsilon:g})", [np.log1p(epsilon / e.p[e.label]) for e in EXAMPLES]),
            (
                f"p = exp(s) / (Σ exp(s) + {epsilon:g})",
                [-np.log1p(epsilon * e.p.max(axis=1)) for e in EXAMPLES],
            ),
        ):
            right = [(e.losses - more).mean() for e, more in zip(EXAMPLES, added, strict=True)]
            if losses and max(map(error, losses, right)) <= 1e-3 * EXACT:
                reason = "with the largest score subtracted, log Σ exp(s) − s[y] needs nothing added"
                return Finding("note", f"{where}: right but for {text}, which is off by a little", reason)
    return Finding(
        "wrong",
        f"{where}: right to 7 digits, where float64 gives 15: something is computed in float32",
        "np.float32, or a library whose default it is; np.zeros(W.shape) is float64, and so is what it adds up",
    )


def penalty(student: Student, answers: Sequence[Answer]) -> tuple[Convention | None, list[Finding]]:
    """What `reg` adds: the convention it follows, None where there is no telling, and what is right and wrong."""
    added = []
    for e, without in zip(EXAMPLES, answers, strict=True):
        for reg in REGS:
            answer = student.answer(e.W, e.X, e.y, reg)
            if answer.loss is None or without.loss is None or (answer.faults and not without.faults):
                text = f"penalty: with reg = {reg:g} the answer is not what it is without"
                return None, [Finding("wrong", f"{text}: {what}", reason) for what, reason in answer.faults]
            slope, size = None, 0.0
            if answer.gradient is not None and without.gradient is not None:
                slope, size = answer.gradient - without.gradient, float(np.abs(without.gradient).max())
            added.append(Added(e, reg, answer.loss - without.loss, slope, abs(without.loss), size))
    convention, faults = judge(added)
    if faults or convention is None:
        return convention, [
            Finding("wrong", f"penalty, in the {where}: {what}", reason) for where, what, reason in faults
        ]
    derivative = {1.0: "2 · reg · W", 0.5: "reg · W"}[convention.coefficient]
    return convention, [Finding("right", f"penalty: {convention} in the loss, {derivative} in the gradient")]


def own_gradient(student: Student) -> GradientCheck | None:
    """Holds the gradient against the student's own loss, by `softjax.check_gradient`; None where either has another form."""
    e, reg = EXAMPLES[1], REGS[0]
    answer = student.answer(e.W, e.X, e.y, reg)
    if answer.faults or answer.gradient is None:
        return None

    def loss(W: Any, X: Any, y: Any, reg: float) -> Any:
        value = student.call(np.array(W), X.copy(), y.copy(), reg)[0]
        return 1.0 * np.asarray(value)  # a skeleton's may be the integer 0

    def gradient(W: Any, X: Any, y: Any, reg: float) -> Any:
        return student.answer(W, X, y, reg).gradient

    return check_gradient(
        loss, gradient, e.W, e.X, e.y, reg, atol=EXACT * float(np.abs(answer.gradient).max())
    )


def about(check: GradientCheck | None, judged: Sequence[Finding], named: bool) -> list[Finding]:
    """What a gradient check adds to what has been `judged`; nothing, where the faults have a name already."""
    if check is None:
        return []
    faults = any(finding.verdict == "wrong" for finding in judged)
    if check.ok:
        text = "gradient check: dW is the derivative of the loss that comes with it (softjax.check_gradient)"
        return [Finding("note" if faults else "right", text)]
    if faults and named:
        return []
    verdict: Verdict = "wrong" if check.verdict == "wrong" else "note"
    return [Finding(verdict, f"gradient check: {check.diagnosis}")]


def with_ten_classes(student: Student, raised: Raised) -> Fault:
    """What the function raised, and whether it is only that it counts on ten classes."""
    what, _ = raised.fault
    ten = EXAMPLES[2]
    try:
        student.answer(ten.W, ten.X, ten.y)
    except Raised:
        return raised.fault
    return (
        f"{what} (with 5 classes; with 10 it does not)",
        "a number of classes is written into the code: it is W.shape[1]",
    )


def error(seen: Any, right: Any) -> float:
    """The largest error, relative to the largest of what is right; infinite where something is not finite."""
    size = float(np.abs(right).max())
    found = float(np.abs(seen - right).max()) / (size if size > 0 else 1.0)
    return found if np.isfinite(found) else np.inf
