"""Grades a student's softmax loss: says what is right, what is wrong, and the likely reason."""

from dataclasses import dataclass, field

import jax
import numpy as np

from softjax.cs231n.grading import checks, trials
from softjax.cs231n.grading.exercises import EXERCISES
from softjax.cs231n.grading.findings import Finding
from softjax.cs231n.grading.student import Answer, LossFunction, Raised, Student
from softjax.gradcheck.result import GradientCheck


@dataclass(frozen=True)
class Grade:
    """The result of `grade`. `str()` of it is the report.

    - `function`: the name of the student's function.
    - `findings`: one `Finding` for each result of a check, in the order in which the checks ran.
    - `penalty`: the convention of the penalty, such as "reg · ΣW²" or "½ · reg · ΣW²"; "none" if no convention fits.
    - `check`: the `GradientCheck` that compares the gradient with the student's own loss; None if it was not run.

    Examples:
        >>> from softjax.cs231n import grade, softmax_loss_naive
        >>> result = grade(softmax_loss_naive, verbose=False)
        >>> result.passed, result.penalty, result.faults
        (True, 'reg · ΣW²', ())
    """

    function: str
    findings: tuple[Finding, ...]
    penalty: str = "none"
    check: GradientCheck | None = field(default=None, repr=False)

    @property
    def passed(self) -> bool:
        """Whether no finding is wrong. Notes do not count."""
        return not self.faults

    @property
    def faults(self) -> tuple[Finding, ...]:
        """The findings that are wrong."""
        return tuple(finding for finding in self.findings if finding.verdict == "wrong")

    def __str__(self) -> str:
        count = len(self.faults)
        result = (
            "passed" if not count else f"not yet, {count} {'thing is' if count == 1 else 'things are'} wrong"
        )
        return "\n".join([f"{self.function}: {result}", *map(str, self.findings)])


def grade(softmax_loss: LossFunction, *, verbose: bool = True) -> Grade:
    """Grades a student's softmax loss: says in plain words what is wrong with it, and the likely reason.

    The function is called on small problems of several shapes. The grade compares

    - its loss with the mean of −log softmax(X[i] @ W)[y[i]], and its gradient with 1/N Xᵀ (p − onehot(y)),
    - its penalty with reg · ΣW² and ½ · reg · ΣW², with or without the bias,
    - its gradient with the derivative of its own loss, by `softjax.check_gradient`.

    Then it tries scores that are too large for exp, and other inputs: one example, two classes, a class without examples,
    float32, labels of other types, arrays that are not contiguous. If the numbers are wrong and a known mistake gives
    exactly these numbers, the report names the mistake.

    **Arguments:**

    - `softmax_loss`: a function `f(W, X, y, reg)` of NumPy arrays W (D, K), X (N, D), y (N,) and a number. It returns
      (loss, dW) with dW (D, K). What it prints is not shown. If it raises an exception, exits or returns anything else,
      that is a finding: only Ctrl-C ends the grading.
    - `verbose`: whether to print the report.

    **Returns:** a `Grade`.

    Examples:
        >>> from softjax.cs231n import softmax_loss_vectorized
        >>> def sum_not_mean(W, X, y, reg):
        ...     loss, dW = softmax_loss_vectorized(W, X, y, 0.0)
        ...     return loss + reg * (W * W).sum(), len(X) * dW + 2 * reg * W
        >>> for fault in grade(sum_not_mean, verbose=False).faults:
        ...     print(fault.text)
        gradient: N times too large: the sum over the examples, not their mean
    """
    with jax.enable_x64(True), np.errstate(all="ignore"):  # 64 bits for solutions in JAX
        result = _grade(Student(softmax_loss))
    if verbose:
        print(result)
    return result


def _grade(student: Student) -> Grade:
    """Calls the function twice on one problem. If both calls give the same answer, all other checks follow."""
    e = EXERCISES[0]
    try:
        first, again = student.solve(e.W, e.X, e.y), student.solve(e.W, e.X, e.y)
    except Raised as raised:
        return Grade(student.name, (Finding("wrong", *checks.explain_raised(student, raised)),))
    if first.loss is None and first.gradient is None:
        return Grade(student.name, tuple(checks.check_form([first])))
    if difference := checks.check_repetition(first, again):
        return Grade(student.name, (*checks.check_form([first]), difference))
    return _check_all(student, first)


def _check_all(student: Student, first: Answer) -> Grade:
    """Runs the checks that make sense for this function. They end if it raises on an ordinary problem."""
    findings: list[Finding] = []
    convention = check = None
    try:
        answers = [first, *(student.solve(e.W, e.X, e.y) for e in EXERCISES[1:])]
        findings += checks.check_form(answers)
        loss, gradient = checks.compare("loss", answers), checks.compare("gradient", answers)
        judged = checks.report_correctness(loss, gradient, answers)
        findings += judged
        finite, known = loss.finite and gradient.finite, loss.known and gradient.known
        sound = known and all(finding.verdict != "wrong" for finding in judged)
        if finite and loss.known:
            convention, found = checks.check_penalty(student, answers)
            findings += found
            judged += found
        if finite and known and not (loss.rough or gradient.rough):
            check = checks.check_own_gradient(student)
            findings += checks.report_own_gradient(check, judged, named=loss.named and gradient.named)
        findings.append(checks.check_arguments(student, EXERCISES[0]))
        if finite:
            findings += trials.check_large_scores(student, sound)
        if sound:
            findings += trials.check_other_inputs(student)
    except Raised as raised:
        findings.append(Finding("wrong", *raised.fault))
    return Grade(student.name, tuple(findings), str(convention) if convention else "none", check)
