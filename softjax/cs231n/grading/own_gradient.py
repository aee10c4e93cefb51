"""Whether a student's gradient is the derivative of the student's own loss, by differences in NumPy."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np

from softjax.cs231n.grading.checks import REGS
from softjax.cs231n.grading.findings import Finding, Verdict
from softjax.cs231n.grading.student import Student
from softjax.cs231n.grading.subjects import Subject

STEP = 1e-3
AGREES, DISAGREES = 1e-7, 1e-4  # relative; extrapolated differences of this step are off by about 1e-11


@runtime_checkable
class OwnCheck(Protocol):
    """What a check of the gradient against the student's own loss says."""

    @property
    def verdict(self) -> Literal["right", "wrong", "undecided"]:
        """Whether it is its derivative."""

    @property
    def diagnosis(self) -> str:
        """What is wrong or right, in one or two sentences."""


OwnChecker = Callable[[Student, Subject], OwnCheck | None]


@dataclass(frozen=True)
class Differences:
    """What `check_by_differences` says."""

    verdict: Literal["right", "wrong", "undecided"]
    diagnosis: str


def check_by_differences(student: Student, subject: Subject) -> OwnCheck | None:
    """Compares the gradient with differences of the student's own loss. Returns None if their form is wrong."""
    e, reg = subject.exercises[1], REGS[0]
    answer = student.solve(e.W, e.X, e.y, reg)
    if answer.faults or answer.gradient is None:
        return None

    def loss(index: tuple[int, ...], step: float) -> float:
        W = e.W.copy()
        W[index] += step
        near = student.solve(W, e.X, e.y, reg).loss
        return np.nan if near is None else near

    def difference(index: tuple[int, ...], step: float) -> float:
        return (loss(index, step) - loss(index, -step)) / (2 * step)

    slopes = np.zeros_like(e.W)
    for index in np.ndindex(e.W.shape):
        slopes[index] = (4 * difference(index, STEP / 2) - difference(index, STEP)) / 3
    errors = np.abs(answer.gradient - slopes)
    worst = np.unravel_index(np.nanargmax(errors) if np.isfinite(errors).any() else 0, errors.shape)
    error = errors.max() / max(np.abs(slopes).max(), np.finfo(float).tiny)
    if error <= AGREES:
        return Differences("right", "")
    text = (
        f"dW is not the derivative of the loss that the function returns: dW[{worst[0]}, {worst[1]}] is "
        f"{answer.gradient[worst]:.6g}, differences of the loss give {slopes[worst]:.6g}"
    )
    return Differences("wrong" if error > DISAGREES else "undecided", text)


def report_own_gradient(check: OwnCheck | None, findings: Sequence[Finding], named: bool) -> list[Finding]:
    """Reports what a check of the gradient against the student's own loss found.

    If known mistakes explain what is wrong (`named`), only a gradient that is right for its own loss is reported.
    """
    if check is None:
        return []
    faults = any(finding.verdict == "wrong" for finding in findings)
    if check.verdict == "right":
        text = "gradient check: dW is the derivative of the loss that the function returns"
        return [Finding("note" if faults else "right", text)]
    if faults and named:
        return []
    verdict: Verdict = "wrong" if check.verdict == "wrong" else "note"
    return [Finding(verdict, f"gradient check: {check.diagnosis}")]
