"""Whether a student's gradient is the derivative of the student's own loss, by `softjax.check_gradient`."""

from typing import Any

import numpy as np

from softjax.cs231n.grading.checks import EXACT, REGS
from softjax.cs231n.grading.findings import Fault
from softjax.cs231n.grading.student import Raised, Student
from softjax.cs231n.grading.subjects import Subject
from softjax.gradcheck.check import check_gradient
from softjax.gradcheck.result import GradientCheck


def check_by_softjax(student: Student, subject: Subject) -> GradientCheck | None:
    """Checks the gradient against the student's own loss. Returns None if their form is wrong."""
    e, reg = subject.exercises[1], REGS[0]
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
