"""What can be graded as a loss: the softmax loss, and that of the SVM."""

from collections.abc import Sequence
from dataclasses import dataclass

from softjax.cs231n.grading.exercises import EXERCISES, HINGE_EXERCISES, Exercise, HingeExercise
from softjax.cs231n.grading.mistakes import Factor, Mistake
from softjax.cs231n.grading.softmax_mistakes import SOFTMAX_FACTORS, SOFTMAX_MISTAKES
from softjax.cs231n.grading.svm_mistakes import SVM_FACTORS, SVM_MISTAKES


@dataclass(frozen=True)
class Subject:
    """A loss that can be graded.

    - `exercise`: its problems, which know the right answers; `exercises`: the ordinary ones.
    - `loss`, `gradient`: what is right, in words.
    - `at_zero`: the loss at W = 0.
    - `mistakes`, `factors`: what students do wrong in it.
    - `exponentials`: whether it has exponentials, which overflow for large scores.
    """

    exercise: type[Exercise]
    exercises: Sequence[Exercise]
    loss: str
    gradient: str
    at_zero: str
    mistakes: Sequence[Mistake]
    factors: Sequence[Factor]
    exponentials: bool


SOFTMAX = Subject(
    Exercise,
    EXERCISES,
    "the mean of −log p[y]",
    "1/N Xᵀ (p − 1[y = k])",
    "log K",
    SOFTMAX_MISTAKES,
    SOFTMAX_FACTORS,
    exponentials=True,
)
SVM = Subject(
    HingeExercise,
    HINGE_EXERCISES,
    "the mean of Σ max(0, s[k] − s[y] + 1) over the classes k ≠ y",
    "1/N Xᵀ Q, with 1 in Q where a margin is above 0, and minus their number at the label",
    "K − 1",
    SVM_MISTAKES,
    SVM_FACTORS,
    exponentials=False,
)
