"""Grades a student's softmax or SVM loss, or linear classifier: what is right, what is wrong, and the likely reason."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from softjax.cs231n.grading import checks, trials
from softjax.cs231n.grading.classifier import grade_classifier
from softjax.cs231n.grading.findings import Finding
from softjax.cs231n.grading.own_gradient import OwnCheck, OwnChecker, report_own_gradient
from softjax.cs231n.grading.penalties import Convention
from softjax.cs231n.grading.student import Answer, LossFunction, Raised, Student
from softjax.cs231n.grading.subjects import SOFTMAX, SVM, Subject


@dataclass(frozen=True)
class Grade:
    """The result of `grade`. `str()` of it is the report, `bool()` of it is whether it passed.

    - `function`: the name of the student's function or class.
    - `findings`: one `Finding` for each result of a check, in the order in which the checks ran.
    - `penalty`: the convention of the penalty, such as "reg · ΣW²" or "½ · reg · ΣW²"; "none" if no convention fits.
    - `check`: the `GradientCheck` that compares the gradient with the student's own loss; None if it was not run. It
      does not count where grades are compared.

    A grade can be hashed and pickled. `as_dict` of it can be written as JSON.

    Examples:
        >>> from softjax.cs231n import grade, softmax_loss_naive
        >>> result = grade(softmax_loss_naive, verbose=False)
        >>> result.passed, result.penalty, result.faults
        (True, 'reg · ΣW²', ())
        >>> Grade.from_dict(result.as_dict()) == result
        True
    """

    function: str
    findings: tuple[Finding, ...]
    penalty: str = "none"
    check: Any = field(default=None, repr=False, compare=False)

    @property
    def passed(self) -> bool:
        """Whether no finding is wrong. Notes do not count."""
        return not self.faults

    @property
    def faults(self) -> tuple[Finding, ...]:
        """The findings that are wrong."""
        return tuple(finding for finding in self.findings if finding.verdict == "wrong")

    def as_dict(self) -> dict[str, Any]:
        """The grade without its `check`, in dicts, lists, texts and booleans, as JSON has them."""
        return {
            "function": self.function,
            "passed": self.passed,
            "penalty": self.penalty,
            "findings": [asdict(finding) for finding in self.findings],
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> "Grade":
        """The grade of which `record` is the dict."""
        findings = tuple(Finding(**finding) for finding in record["findings"])
        return cls(record["function"], findings, record["penalty"])

    def __bool__(self) -> bool:
        return self.passed

    def __str__(self) -> str:
        count = len(self.faults)
        result = (
            "passed" if not count else f"not yet, {count} {'thing is' if count == 1 else 'things are'} wrong"
        )
        return "\n".join([f"{self.function}: {result}", *map(str, self.findings)])


def grade(solution: LossFunction | type, *, svm: bool | None = None, verbose: bool = True) -> Grade:
    """Grades a student's loss or linear classifier: says in plain words what is wrong with it, and the likely reason.

    A function is called on small problems of several shapes. The grade compares

    - its loss with the mean of −log softmax(X[i] @ W)[y[i]], and its gradient with 1/N Xᵀ (p − onehot(y)), or with the
      SVM's loss, whose margin is 1, and its gradient,
    - its penalty with reg · ΣW² and ½ · reg · ΣW², with or without the bias,
    - its gradient with the derivative of its own loss, by `softjax.check_gradient`.

    Then it tries scores that are too large for exp, and other inputs: one example, two classes, a class without examples,
    float32, labels of other types, arrays that are not contiguous. If the numbers are wrong and a known mistake gives
    exactly these numbers, the report names the mistake.

    Of a class, `train` and `predict` are checked: the minibatches, the steps and their sign, the losses that it returns,
    and the classes that it predicts. Its own `loss` is not used.

    **Arguments:**

    - `solution`: a function `f(W, X, y, reg)` of NumPy arrays W (D, K), X (N, D), y (N,) and a number. It returns
      (loss, dW) with dW (D, K). Or a class such as `LinearClassifier`. What it prints is not shown. If it raises an
      exception, exits or returns anything else, that is a finding: only Ctrl-C ends the grading.
    - `svm`: whether the function is the SVM's loss. By default it is if its name begins with "svm".
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
    import jax

    from softjax.cs231n.grading.own_gradient_jax import check_by_softjax

    with jax.enable_x64(True):  # for solutions in JAX
        result = judge(solution, svm, check_by_softjax)
    if verbose:
        print(result)
    return result


def judge(solution: LossFunction | type, svm: bool | None, check_own: OwnChecker) -> Grade:
    """Grades as `grade`, with `check_own` for the comparison of the gradient with the student's own loss."""
    with np.errstate(all="ignore"):
        if isinstance(solution, type):
            return Grade(solution.__name__, tuple(grade_classifier(solution)))
        student = Student(solution)
        if svm is None:
            svm = student.name.startswith("svm")
        return _grade(student, SVM if svm else SOFTMAX, check_own)


def _grade(student: Student, subject: Subject, check_own: OwnChecker) -> Grade:
    """Calls the function twice on one problem. If both calls give the same answer, all other checks follow."""
    e = subject.exercises[0]
    try:
        first, again = student.solve(e.W, e.X, e.y), student.solve(e.W, e.X, e.y)
    except Raised as raised:
        return Grade(student.name, (Finding("wrong", *checks.explain_raised(student, raised, subject)),))
    if first.loss is None and first.gradient is None:
        return Grade(student.name, tuple(checks.check_form([first])))
    if difference := checks.check_repetition(first, again):
        return Grade(student.name, (*checks.check_form([first]), difference))
    return _check_all(student, subject, first, check_own)


def _check_all(student: Student, subject: Subject, first: Answer, check_own: OwnChecker) -> Grade:
    """Runs the checks that make sense for this function. They end if it raises on an ordinary problem."""
    findings: list[Finding] = []
    convention: Convention | None = None
    check: OwnCheck | None = None
    try:
        answers = [first, *(student.solve(e.W, e.X, e.y) for e in subject.exercises[1:])]
        findings += checks.check_form(answers)
        loss = checks.compare("loss", answers, subject)
        gradient = checks.compare("gradient", answers, subject, loss.faults)
        judged = checks.report_correctness(loss, gradient, answers, subject)
        findings += judged
        finite, known = loss.finite and gradient.finite, loss.known and gradient.known
        sound = known and all(finding.verdict != "wrong" for finding in judged)
        if finite and loss.known:
            lacking = [name for name, part in (("loss", loss), ("gradient", gradient)) if part.lacks_reg]
            convention, found = checks.check_penalty(student, answers, subject, lacking)
            findings += found
            judged += found
        if finite and known and not (loss.rough or gradient.rough):
            check = check_own(student, subject)
            findings += report_own_gradient(check, judged, named=loss.named and gradient.named)
        findings.append(checks.check_arguments(student, subject.exercises[0]))
        if finite and subject.exponentials:
            findings += trials.check_large_scores(student, subject, sound)
        if sound:
            findings += trials.check_other_inputs(student, subject)
    except Raised as raised:
        findings.append(Finding("wrong", *raised.fault))
    return Grade(student.name, tuple(findings), str(convention) if convention else "none", check)
