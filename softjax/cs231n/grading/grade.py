"""Grades a student's softmax loss: what is right, what is wrong, and the likely reason, in plain words."""

from dataclasses import dataclass, field

import jax

from softjax.cs231n.grading import checks, trials
from softjax.cs231n.grading.exercises import EXAMPLES
from softjax.cs231n.grading.findings import Finding
from softjax.cs231n.grading.student import LossFunction, Raised, Student
from softjax.gradcheck.result import GradientCheck


@dataclass(frozen=True)
class Grade:
    """What `grade` found. `str()` of it is the report.

    - `function`: the name of the student's function.
    - `findings`: one a thing that was looked at, in that order.
    - `penalty`: the convention, such as "reg · ΣW²" or "½ · reg · ΣW²"; "none" where there is no telling.
    - `check`: what `softjax.check_gradient` found, holding the gradient against the student's own loss; None where it
      was not run.
    """

    function: str
    findings: tuple[Finding, ...]
    penalty: str = "none"
    check: GradientCheck | None = field(default=None, repr=False)

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong; notes do not count."""
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
    """Grades a student's softmax loss, and says in plain words what is wrong with it and why, likely.

    It is called on small problems of several shapes, and its loss and gradient are held against the mean of
    −log softmax(X[i] @ W)[y[i]] and 1/N Xᵀ (p − onehot(y)); what it adds for `reg` against reg · ΣW² and
    ½ · reg · ΣW², with or without the bias; its gradient against its own loss, by `softjax.check_gradient`. Then come
    scores too large for exp, and other inputs: one example, two classes, a class without examples, float32, labels of
    other types, arrays that are not contiguous. Where numbers are wrong, the mistake is named that gives just these.

    **Arguments:**

    - `softmax_loss`: `f(W, X, y, reg)` with NumPy arrays W (D, K), X (N, D), y (N,), returning (loss, dW). What it
      prints is not shown, and what it raises is a finding.
    - `verbose`: whether to print the report.

    **Returns:** a `Grade`.
    """
    with jax.enable_x64(True):  # for solutions in JAX
        found = _grade(Student(softmax_loss))
    if verbose:
        print(found)
    return found


def _grade(student: Student) -> Grade:
    """All there is to say; where the function raises on an ordinary problem, what was found before."""
    try:
        first, again = [student.answer(e.W, e.X, e.y) for e in (EXAMPLES[0], EXAMPLES[0])]
    except Raised as raised:
        return Grade(student.name, (Finding("wrong", *checks.with_ten_classes(student, raised)),))
    if first.loss is None and first.gradient is None:
        return Grade(student.name, tuple(checks.form([first])))
    if changing := checks.repeated(first, again):
        return Grade(student.name, (*checks.form([first]), changing))
    findings: list[Finding] = []
    convention = check = None
    try:
        answers = [first, *(student.answer(e.W, e.X, e.y) for e in EXAMPLES[1:])]
        findings += checks.form(answers)
        loss, gradient = checks.part("loss", answers), checks.part("gradient", answers)
        judged = checks.formula(loss, gradient, answers)
        findings += judged
        finite, known = loss.finite and gradient.finite, loss.known and gradient.known
        sound = known and all(finding.verdict != "wrong" for finding in judged)
        if finite and loss.known:
            convention, found = checks.penalty(student, answers)
            findings += found
            judged += found
        if finite and known and not (loss.rough or gradient.rough):
            check = checks.own_gradient(student)
            findings += checks.about(check, judged, named=loss.named and gradient.named)
        findings.append(checks.arguments(student, EXAMPLES[0]))
        if finite:
            findings += trials.large_scores(student, sound)
        if sound:
            findings += trials.other_inputs(student)
    except Raised as raised:
        findings.append(Finding("wrong", *raised.fault))
    return Grade(student.name, tuple(findings), str(convention) if convention else "none", check)
