"""The edge cases: small problems at the limits of the formula, each with its right outcome.

The right outcome follows from the mathematics. It was decided before any framework ran.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np

from softjax.comparison import oracle
from softjax.comparison.frameworks.protocol import Problem

INF, NAN = float("inf"), float("nan")


Outcome = Literal["value", "undefined", "refused"]
Derivative = Literal["gradient", "forward", "hvp", "inputs", "vmap"]


@dataclass(frozen=True)
class EdgeCase:
    """A problem at a limit of the formula, and its right outcome.

    **Fields:**

    - `name`, `what`: the name and the description in tables.
    - `expected`: `"value"`: the formula has a value, which the oracle computes. `"undefined"`: the formula has no
      value, so the loss must not be finite; an error is right too. `"refused"`: the arguments do not describe a
      problem, so the framework must raise an error.
    - `reason`: why this outcome is right, for the table.
    - `problem`: in float32, unless the case is about types.
    - `judge_gradient`: whether the gradient of an undefined problem must not be finite either.
    - `derivative`: what is asked for beside the loss: `"gradient"`; `"forward"`, the gradient by forward mode, with one
      tangent for each entry of W; or one of the modes of `softjax.comparison.modes`, with its arguments.
    """

    name: str
    what: str
    expected: Outcome
    reason: str
    problem: Problem
    judge_gradient: bool = True
    derivative: Derivative = "gradient"

    @cached_property
    def truth(self) -> oracle.Truth | None:
        """The true loss and gradient; None if the formula has no value."""
        return None if self.expected != "value" else find_truth(self.problem)


def find_truth(problem: Problem) -> oracle.Truth:
    """The true loss and gradient of a problem that has a value."""
    if np.isinf(problem.reg):
        return oracle.Truth(
            loss=INF,
            loss_rest=0.0,
            grad=np.sign(problem.W.astype(np.float64)) * INF,
            grad_rest=np.zeros(problem.W.shape),
            loss_unit=1.0,
            grad_unit=np.ones(problem.W.shape),
        )
    return oracle.truth(*problem.as_shares(), problem.l1, problem.l2)


def one_example(scores: list[float], label: int = 0) -> Problem:
    """One example with these scores: X = 1, W = the scores."""
    return Problem(np.ones((1, 1), np.float32), np.array([label]), np.array([scores], np.float32))


def six_examples(**changes: Any) -> Problem:
    """Six examples, four features, three classes, in float32; `changes` are fields of `Problem`."""
    rng = np.random.default_rng(1)
    X = np.hstack([rng.standard_normal((6, 3)), np.ones((6, 1))]).astype(np.float32)
    W = rng.standard_normal((4, 3)).astype(np.float32)
    y = np.array([0, 1, 2, 2, 1, 0])
    return replace(Problem(X, y, W, reg=0.1), **changes)


def _with_nan(a: np.ndarray, row: int, column: int) -> np.ndarray:
    a = a.copy()
    a[row, column] = NAN
    return a


X, W, y = six_examples().X, six_examples().W, six_examples().y

LIMIT = "the loss is log Σ exp(s) − s[y], which is finite for finite scores of any size"
INF_BY_INF = "the softmax is ∞/∞, which is not defined"
SAME_IN_EVERY_MODE = "a derivative is the same in every mode"
SAME_AS_ORDINARY = "how an array lies in memory does not change its numbers"
LEFT_OUT = "an ignored example is in neither sum: Σ w ℓ / Σ w"
CLASS_WEIGHTS = "an example has the weight of its label, and the mean is Σ w ℓ / Σ w"
NO_WEIGHT = "the mean Σ w ℓ / Σ w is 0/0, which is not defined"
SMOOTHED = "the target is (1 − ε) onehot(y) + ε/K"
NAN_SHOWS = "NaN in the input must show in the output"
BAD_LABEL = "labels are 0..K − 1; any other label is an error in the data and must be reported"

CLASSES = np.array([1.0, 2.0, 0.5], np.float32)
WEIGHTS = np.array([1.0, 2.0, 0.5, 1.0, 3.0, 0.25], np.float32)
SOFT = np.random.default_rng(3).dirichlet(np.ones(3), 6).astype(np.float32)
IGNORED = np.array([0, -100, 2, -100, 1, 0])
SQUARE = np.random.default_rng(4).standard_normal((2, 3, 4)).astype(np.float32)


def _overflow(row: int) -> np.ndarray:
    """X, with one example whose scores exceed the largest float32."""
    return np.where(np.arange(len(X))[:, None] == row, np.float32(3e38), X)


_TABLE = (
    EdgeCase("ordinary", "six examples, three classes", "value", "an ordinary problem", six_examples()),
    EdgeCase(
        "float64",
        "six examples, in float64",
        "value",
        "the result must have the sixteen digits of float64",
        six_examples(X=X.astype(np.float64), W=W.astype(np.float64)),
    ),
    EdgeCase("large-scores", "scores ±10⁴", "value", LIMIT, one_example([1e4, -1e4, 0.0])),
    EdgeCase("scores-3e38", "scores ±3·10³⁸", "value", LIMIT, one_example([3e38, -3e38, 0.0])),
    EdgeCase(
        "minus-inf-other",
        "a score of −∞ for a wrong class",
        "value",
        "exp(−∞) = 0: the class has probability 0 and derivative 0, like a masked class",
        one_example([1.0, -INF, 2.0]),
    ),
    EdgeCase(
        "scores-3e38-forward",
        "scores ±3·10³⁸, in forward mode",
        "value",
        SAME_IN_EVERY_MODE,
        one_example([3e38, -3e38, 0.0]),
        derivative="forward",
    ),
    EdgeCase(
        "minus-inf-forward",
        "a score of −∞ for a wrong class, in forward mode",
        "value",
        SAME_IN_EVERY_MODE,
        one_example([1.0, -INF, 2.0]),
        derivative="forward",
    ),
    EdgeCase(
        "minus-inf-label",
        "a score of −∞ for the label",
        "value",
        "the loss is −log 0 = ∞; the gradient p − onehot(y) is finite, with p[y] = 0",
        one_example([1.0, -INF, 2.0], label=1),
    ),
    EdgeCase(
        "minus-inf-all",
        "scores of −∞ for all classes",
        "undefined",
        "the softmax is 0/0, which is not defined",
        one_example([-INF] * 3),
    ),
    EdgeCase(
        "plus-inf-other",
        "a score of +∞ for a wrong class",
        "undefined",
        INF_BY_INF,
        one_example([1.0, INF, 2.0]),
    ),
    EdgeCase(
        "plus-inf-label", "a score of +∞ for the label", "undefined", INF_BY_INF, one_example([INF, 1.0, 2.0])
    ),
    EdgeCase("nan-X", "NaN in X", "undefined", NAN_SHOWS, six_examples(X=_with_nan(X, 2, 1))),
    EdgeCase("nan-W", "NaN in W", "undefined", NAN_SHOWS, six_examples(W=_with_nan(W, 1, 2))),
    EdgeCase("label-K", "a label of K", "refused", BAD_LABEL, one_example([1.0, 0.5, 2.0], label=3)),
    EdgeCase("label-minus-1", "a label of −1", "refused", BAD_LABEL, one_example([1.0, 0.5, 2.0], label=-1)),
    EdgeCase(
        "label-minus-100", "a label of −100", "refused", BAD_LABEL, one_example([1.0, 0.5, 2.0], label=-100)
    ),
    EdgeCase(
        "label-minus-100-batch",
        "one label of −100 among six",
        "refused",
        BAD_LABEL,
        six_examples(y=np.array([0, 1, -100, 2, 1, 0])),
    ),
    EdgeCase(
        "label-2-32",
        "a label of 2³², which is 0 in int32",
        "refused",
        BAD_LABEL,
        one_example([1.0, 0.5, 2.0], label=2**32),
    ),
    EdgeCase(
        "label-float",
        "labels as floats, one of them 0.5",
        "refused",
        "a label is the number of a class, and 0.5 is not",
        six_examples(y=np.array([0.5, 1, 2, 2, 1, 0], np.float32)),
    ),
    EdgeCase(
        "label-count",
        "one label more than examples",
        "refused",
        "it is not known which label belongs to which example",
        six_examples(y=np.append(y, 0)),
    ),
    EdgeCase(
        "N-0",
        "no examples",
        "undefined",
        "the mean over no examples is 0/0, which is not defined",
        six_examples(X=X[:0], y=y[:0]),
        judge_gradient=False,
    ),
    EdgeCase(
        "N-1", "one example", "value", "the mean over one example is its loss", six_examples(X=X[:1], y=y[:1])
    ),
    EdgeCase(
        "K-1",
        "one class",
        "value",
        "p = 1, so loss and gradient are 0",
        six_examples(W=W[:, :1], y=0 * y, reg=0.0),
    ),
    EdgeCase(
        "X-integer",
        "X of integers, like pixels",
        "value",
        "every integer is a valid feature",
        six_examples(X=np.round(10 * X).astype(np.int64)),
    ),
    EdgeCase(
        "X-half",
        "X in float16, W in float32",
        "value",
        "every float16 number is also a float32 number",
        six_examples(X=X.astype(np.float16)),
    ),
    EdgeCase(
        "ties",
        "equal scores",
        "value",
        "p = 1/K for each class; each score is the maximum",
        one_example([2.0, 2.0, 2.0]),
    ),
    EdgeCase(
        "denormal-scores",
        "scores of 10⁻⁴⁰",
        "value",
        "p = 1/K to within rounding",
        one_example([1e-40, -1e-40, 2e-40]),
    ),
    EdgeCase(
        "denormal-X",
        "X of 10⁻⁴⁰",
        "value",
        "the gradient is of the order of 10⁻⁴⁰; 0 is right too, because hardware may round such numbers to 0",
        six_examples(X=X * np.float32(1e-40), reg=0.0),
    ),
    EdgeCase("reg-0", "reg = 0", "value", "no penalty", six_examples(reg=0.0)),
    EdgeCase(
        "reg-inf",
        "reg = ∞",
        "value",
        "the penalty is ∞ ΣW² = ∞, and its gradient is ±∞",
        six_examples(reg=INF),
    ),
    EdgeCase(
        "reg-negative",
        "reg = −0.1",
        "value",
        "the objective has no minimum, but it has a value",
        six_examples(reg=-0.1),
    ),
    EdgeCase(
        "label-int32",
        "labels in int32",
        "value",
        "every integer type holds the numbers of the classes",
        six_examples(y=y.astype(np.int32)),
    ),
    EdgeCase(
        "label-uint8",
        "labels in uint8, as in image files",
        "value",
        "every integer type holds the numbers of the classes",
        six_examples(y=y.astype(np.uint8)),
    ),
    EdgeCase(
        "X-transposed",
        "X in the order of columns",
        "value",
        SAME_AS_ORDINARY,
        six_examples(X=np.asfortranarray(X)),
    ),
    EdgeCase(
        "X-strided",
        "X as every second row of an array",
        "value",
        SAME_AS_ORDINARY,
        six_examples(X=np.repeat(X, 2, axis=0)[::2]),
    ),
    EdgeCase(
        "X-reversed",
        "X with its rows reversed, y too",
        "value",
        SAME_AS_ORDINARY,
        six_examples(X=X[::-1], y=y[::-1]),
    ),
    EdgeCase(
        "W-transposed",
        "W as the transpose of an array (K, D)",
        "value",
        SAME_AS_ORDINARY,
        six_examples(W=np.ascontiguousarray(W.T).T),
    ),
    EdgeCase(
        "batches",
        "batches of batches: X (2, 3, 4), y (2, 3), K = 5",
        "value",
        "the mean over all examples, in whatever shape they come",
        six_examples(X=X.reshape(2, 3, 4), y=y.reshape(2, 3), W=np.hstack([W, W[:, :2] / 2])),
    ),
    EdgeCase(
        "batches-square",
        "batches of batches: X (2, 3, 4), y (2, 3), K = 3 as well",
        "value",
        "the classes are the last axis, also where another axis has their number",
        six_examples(X=SQUARE, y=y.reshape(2, 3)),
    ),
    EdgeCase(
        "K-2",
        "two classes, scores ±50",
        "value",
        "the loss is log(1 + exp(−z)) of z = s[y] − s[other], as in logistic regression",
        one_example([-50.0, 50.0]),
    ),
    EdgeCase(
        "sample-weight",
        "weights of examples",
        "value",
        "the mean is Σ w ℓ / Σ w",
        six_examples(sample_weight=WEIGHTS),
    ),
    EdgeCase(
        "sample-weight-0",
        "a weight of 0",
        "value",
        "an example of weight 0 counts as none",
        six_examples(sample_weight=WEIGHTS * (np.arange(6) != 2)),
    ),
    EdgeCase(
        "sample-weight-all-0",
        "all weights 0",
        "undefined",
        NO_WEIGHT,
        six_examples(sample_weight=0 * WEIGHTS),
        judge_gradient=False,
    ),
    EdgeCase(
        "sample-weight-0-overflow",
        "a weight of 0 for an example whose scores overflow",
        "value",
        "an example of weight 0 counts as none",
        six_examples(X=_overflow(2), sample_weight=WEIGHTS * (np.arange(6) != 2)),
    ),
    EdgeCase(
        "class-weight", "weights of classes", "value", CLASS_WEIGHTS, six_examples(class_weight=CLASSES)
    ),
    EdgeCase(
        "class-weight-0",
        "the weight of the only class that occurs is 0",
        "undefined",
        NO_WEIGHT,
        six_examples(y=0 * y, class_weight=CLASSES * np.array([0, 1, 1], np.float32)),
        judge_gradient=False,
    ),
    EdgeCase("smoothing", "label smoothing, ε = 0.1", "value", SMOOTHED, six_examples(label_smoothing=0.1)),
    EdgeCase(
        "smoothing-minus-inf",
        "label smoothing, and a score of −∞",
        "value",
        "the loss is −ε/K log 0 = ∞; the gradient p − t is finite",
        replace(one_example([1.0, -INF, 2.0]), label_smoothing=0.1),
    ),
    EdgeCase(
        "smoothing-class-weight",
        "label smoothing and weights of classes",
        "value",
        f"{CLASS_WEIGHTS}; {SMOOTHED}",
        six_examples(label_smoothing=0.1, class_weight=CLASSES),
    ),
    EdgeCase(
        "ignored",
        "two labels of six are ignored",
        "value",
        LEFT_OUT,
        six_examples(y=IGNORED, ignore_index=-100),
    ),
    EdgeCase(
        "ignored-class",
        "the ignored label is a class",
        "value",
        LEFT_OUT,
        six_examples(ignore_index=2),
    ),
    EdgeCase(
        "ignored-minus-1",
        "two labels of six are ignored, which are −1",
        "value",
        LEFT_OUT,
        six_examples(y=np.where(IGNORED < 0, -1, IGNORED), ignore_index=-1),
    ),
    EdgeCase(
        "ignored-all",
        "all labels are ignored",
        "undefined",
        NO_WEIGHT,
        six_examples(y=0 * y - 100, ignore_index=-100),
        judge_gradient=False,
    ),
    EdgeCase(
        "ignored-overflow",
        "an ignored example, whose scores overflow",
        "value",
        LEFT_OUT,
        six_examples(X=_overflow(1), y=IGNORED, ignore_index=-100),
    ),
    EdgeCase(
        "ignored-class-weight",
        "ignored labels and weights of classes",
        "value",
        LEFT_OUT,
        six_examples(y=IGNORED, ignore_index=-100, class_weight=CLASSES),
    ),
    EdgeCase(
        "ignored-smoothing",
        "ignored labels and label smoothing",
        "value",
        f"{LEFT_OUT}; {SMOOTHED}",
        six_examples(y=IGNORED, ignore_index=-100, label_smoothing=0.1),
    ),
    EdgeCase(
        "ignored-smoothing-class-weight",
        "ignored labels, label smoothing and weights of classes",
        "value",
        f"{LEFT_OUT}; {SMOOTHED}",
        six_examples(y=IGNORED, ignore_index=-100, label_smoothing=0.1, class_weight=CLASSES),
    ),
    EdgeCase("soft", "soft labels", "value", "the loss is −Σₖ tₖ log pₖ", six_examples(y=SOFT)),
    EdgeCase(
        "soft-one-hot",
        "one-hot rows as soft labels",
        "value",
        "the same as labels",
        six_examples(y=np.eye(3, dtype=np.float32)[y]),
    ),
    EdgeCase(
        "soft-one-hot-class-weight",
        "one-hot rows and weights of classes",
        "value",
        f"the same as labels: {CLASS_WEIGHTS}",
        six_examples(y=np.eye(3, dtype=np.float32)[y], class_weight=CLASSES),
    ),
    EdgeCase(
        "soft-0-minus-inf",
        "soft labels of 0 for a class whose score is −∞",
        "value",
        "exp(−∞) = 0: a class of probability 0 and target 0 adds nothing",
        replace(one_example([1.0, -INF, 2.0]), y=np.array([[0.25, 0.0, 0.75]], np.float32)),
    ),
    EdgeCase(
        "soft-row-0",
        "soft labels, one row of which is 0",
        "value",
        "the loss of the row is −Σₖ 0 log pₖ = 0, and so is its gradient; it is one of the N examples",
        six_examples(y=SOFT * (np.arange(6) != 2).astype(np.float32)[:, None]),
    ),
    EdgeCase(
        "soft-smoothing",
        "soft labels and label smoothing",
        "value",
        "the target is (1 − ε) t + ε/K",
        six_examples(y=SOFT, label_smoothing=0.1),
    ),
    EdgeCase(
        "inputs-large-scores",
        "the gradient of X, scores ±10⁴",
        "value",
        "∂ℓ/∂x = (p − onehot(y)) Wᵀ",
        one_example([1e4, -1e4, 0.0]),
        derivative="inputs",
    ),
    EdgeCase(
        "scores-3e38-hvp",
        "second derivatives at scores ±3·10³⁸",
        "value",
        "∇²ℓ V has the factor diag(p) − ppᵀ, which is 0",
        one_example([3e38, -3e38, 0.0]),
        derivative="hvp",
    ),
    EdgeCase(
        "minus-inf-hvp",
        "second derivatives with a score of −∞ for a wrong class",
        "value",
        "∇²ℓ V has the factor diag(p) − ppᵀ, which is 0 for a class of probability 0",
        one_example([1.0, -INF, 2.0]),
        derivative="hvp",
    ),
    *(
        EdgeCase(
            f"{name}-vmap",
            f"{what}, vectorized over a stack of W",
            "value",
            "each member of the stack has its own value",
            problem,
            derivative="vmap",
        )
        for name, what, problem in (
            ("ordinary", "six examples", six_examples()),
            ("minus-inf", "a score of −∞ for a wrong class", one_example([1.0, -INF, 2.0])),
            ("class-weight", "weights of classes", six_examples(class_weight=CLASSES)),
            ("smoothing", "label smoothing", six_examples(label_smoothing=0.1)),
            ("soft", "soft labels", six_examples(y=SOFT)),
            ("ignored", "two labels of six are ignored", six_examples(y=IGNORED, ignore_index=-100)),
        )
    ),
)

EDGE_CASES = {case.name: case for case in _TABLE}
