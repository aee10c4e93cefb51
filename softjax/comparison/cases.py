"""What the frameworks are asked, and what is right: decided here, without running any of them."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import ml_dtypes
import numpy as np

from softjax.comparison import oracle
from softjax.comparison.frameworks.protocol import Mode, Problem

DTYPES = ("float64", "float32", "bfloat16", "float16")


def numpy_dtype(name: str) -> Any:
    """The NumPy type of a name, bfloat16 included."""
    return np.dtype(ml_dtypes.bfloat16 if name == "bfloat16" else name)


# Accuracy


@dataclass(frozen=True)
class AccuracyCase:
    """A problem of a size, with scores of a standard deviation of about `scale`, the same in every type but for rounding."""

    name: str
    N: int
    D: int
    K: int
    scale: float = 1.0
    reg: float = 1e-3

    @property
    def size(self) -> int:
        """Products of a score's sum, N D K."""
        return self.N * self.D * self.K

    def problem(self, dtype: str) -> Problem:
        """The problem, its numbers rounded to `dtype`."""
        rng = np.random.default_rng(0)
        X = np.hstack([rng.standard_normal((self.N, self.D - 1)), np.ones((self.N, 1))])
        W = self.scale / np.sqrt(self.D) * rng.standard_normal((self.D, self.K))
        y = rng.integers(0, self.K, self.N)
        return Problem(X.astype(numpy_dtype(dtype)), y, W.astype(numpy_dtype(dtype)), self.reg)

    def truth(self, dtype: str) -> oracle.Truth:
        """What is right."""
        problem = self.problem(dtype)
        return oracle.truth(problem.W, problem.X, problem.y, problem.l1, problem.l2)


ACCURACY = {
    case.name: case
    for case in (
        AccuracyCase("tiny", 4, 5, 3, reg=0.1),
        AccuracyCase("minibatch", 200, 3073, 10),
        AccuracyCase("scores-1e-4", 500, 3073, 10, scale=1e-4),
        AccuracyCase("scores-1e-2", 500, 3073, 10, scale=1e-2),
        AccuracyCase("development", 500, 3073, 10),
        AccuracyCase("scores-1e2", 500, 3073, 10, scale=1e2, reg=0.0),
        AccuracyCase("scores-1e4", 500, 3073, 10, scale=1e4, reg=0.0),
        AccuracyCase("vocabulary", 256, 512, 50_000, reg=0.0),
    )
}


# Edge cases

INF, NAN = float("inf"), float("nan")


@dataclass(frozen=True)
class EdgeCase:
    """A problem at the edge, and the one outcome that is right.

    **Fields:**

    - `name`, `what`: in tables.
    - `expected`: `"value"`: the loss and gradient of the formula, which the oracle computes; `"undefined"`: the
      formula has no value, so that no finite loss may come out, nor a gradient that hides it; an error will do;
      `"refused"`: there is no such problem, so an error is raised.
    - `reason`: why.
    - `problem`: in float32, where the case is not about types.
    - `judge_gradient`: whether an undefined problem's gradient has to show it.
    - `forward`: whether the gradient is asked of forward mode, one tangent an entry of W.
    """

    name: str
    what: str
    expected: Literal["value", "undefined", "refused"]
    reason: str
    problem: Problem
    judge_gradient: bool = True
    forward: bool = False

    @cached_property
    def truth(self) -> oracle.Truth | None:
        """The loss and gradient that are right, where there are such."""
        if self.expected != "value":
            return None
        problem = self.problem
        if np.isinf(problem.reg):
            return oracle.Truth(
                loss=INF,
                loss_rest=0.0,
                grad=np.sign(problem.W.astype(np.float64)) * INF,
                grad_rest=np.zeros(problem.W.shape),
                loss_unit=1.0,
                grad_unit=np.ones(problem.W.shape),
            )
        return oracle.truth(problem.W, problem.X, problem.y.astype(np.int64), problem.l1, problem.l2)


def _scores(values: list[float], label: int = 0) -> Problem:
    """One example whose scores are `values`: X = 1, W = the scores."""
    return Problem(np.ones((1, 1), np.float32), np.array([label]), np.array([values], np.float32))


def _ordinary(**changes: Any) -> Problem:
    """Six examples, four features, three classes."""
    rng = np.random.default_rng(1)
    X = np.hstack([rng.standard_normal((6, 3)), np.ones((6, 1))]).astype(np.float32)
    W = rng.standard_normal((4, 3)).astype(np.float32)
    y = np.array([0, 1, 2, 2, 1, 0])
    return replace(Problem(X, y, W, reg=0.1), **changes)


def _edge_cases() -> tuple[EdgeCase, ...]:
    ordinary = _ordinary()
    X, W, y = ordinary.X, ordinary.W, ordinary.y
    nan_X, nan_W = X.copy(), W.copy()
    nan_X[2, 1] = nan_W[1, 2] = NAN
    labels = "labels are 0..K − 1; any other is a fault of the data, which no loss may hide"
    domain = "exp(∞) has no share in ∞: the softmax is not defined there"
    limits = "the loss is log Σ exp(s) − s[y], finite for finite scores however large"
    return (
        EdgeCase("ordinary", "six examples, three classes", "value", "nothing is special", ordinary),
        EdgeCase(
            "float64",
            "six examples, in float64",
            "value",
            "float64 has sixteen digits",
            _ordinary(X=X.astype(np.float64), W=W.astype(np.float64)),
        ),
        EdgeCase("large-scores", "scores ±10⁴", "value", limits, _scores([1e4, -1e4, 0.0])),
        EdgeCase("scores-3e38", "scores ±3·10³⁸", "value", limits, _scores([3e38, -3e38, 0.0])),
        EdgeCase(
            "minus-inf-other",
            "a score of −∞ at another class",
            "value",
            "exp(−∞) = 0: the class is ruled out, as masks do, and its derivative is 0",
            _scores([1.0, -INF, 2.0]),
        ),
        EdgeCase(
            "scores-3e38-forward",
            "scores ±3·10³⁸, in forward mode",
            "value",
            "a derivative is the same in every mode",
            _scores([3e38, -3e38, 0.0]),
            forward=True,
        ),
        EdgeCase(
            "minus-inf-forward",
            "a score of −∞ at another class, in forward mode",
            "value",
            "a derivative is the same in every mode",
            _scores([1.0, -INF, 2.0]),
            forward=True,
        ),
        EdgeCase(
            "minus-inf-label",
            "a score of −∞ at the label",
            "value",
            "−log 0 = ∞, and p − onehot(y) is finite: p[y] is 0",
            _scores([1.0, -INF, 2.0], label=1),
        ),
        EdgeCase(
            "minus-inf-all",
            "scores of −∞ everywhere",
            "undefined",
            "0/0: no class is left",
            _scores([-INF] * 3),
        ),
        EdgeCase(
            "plus-inf-other", "a score of +∞ at another class", "undefined", domain, _scores([1.0, INF, 2.0])
        ),
        EdgeCase(
            "plus-inf-label", "a score of +∞ at the label", "undefined", domain, _scores([INF, 1.0, 2.0])
        ),
        EdgeCase("nan-X", "NaN in X", "undefined", "what is not known must not vanish", _ordinary(X=nan_X)),
        EdgeCase("nan-W", "NaN in W", "undefined", "what is not known must not vanish", _ordinary(W=nan_W)),
        EdgeCase("label-K", "a label of K", "refused", labels, _scores([1.0, 0.5, 2.0], label=3)),
        EdgeCase("label-minus-1", "a label of −1", "refused", labels, _scores([1.0, 0.5, 2.0], label=-1)),
        EdgeCase(
            "label-minus-100", "a label of −100", "refused", labels, _scores([1.0, 0.5, 2.0], label=-100)
        ),
        EdgeCase(
            "label-minus-100-batch",
            "a label of −100 among six",
            "refused",
            labels,
            _ordinary(y=np.array([0, 1, -100, 2, 1, 0])),
        ),
        EdgeCase(
            "label-float",
            "labels as floats, one of them 0.5",
            "refused",
            "a label is a class, not a number between two",
            _ordinary(y=np.array([0.5, 1, 2, 2, 1, 0], np.float32)),
        ),
        EdgeCase(
            "label-count",
            "one label more than examples",
            "refused",
            "it cannot be said which label is whose",
            _ordinary(y=np.append(y, 0)),
        ),
        EdgeCase(
            "N-0",
            "no examples",
            "undefined",
            "the mean of nothing, 0/0",
            _ordinary(X=X[:0], y=y[:0]),
            judge_gradient=False,
        ),
        EdgeCase("N-1", "one example", "value", "a mean of one", _ordinary(X=X[:1], y=y[:1])),
        EdgeCase(
            "K-1", "one class", "value", "p = 1: loss 0, gradient 0", _ordinary(W=W[:, :1], y=0 * y, reg=0.0)
        ),
        EdgeCase(
            "X-integer",
            "X of integers, as pixels are",
            "value",
            "an integer is a number too",
            _ordinary(X=np.round(10 * X).astype(np.int64)),
        ),
        EdgeCase(
            "X-half",
            "X in float16, W in float32",
            "value",
            "every float16 is a float32",
            _ordinary(X=X.astype(np.float16)),
        ),
        EdgeCase(
            "ties", "equal scores", "value", "p = 1/K; the maximum is taken by all", _scores([2.0, 2.0, 2.0])
        ),
        EdgeCase(
            "denormal-scores",
            "scores of 10⁻⁴⁰",
            "value",
            "p = 1/K to rounding",
            _scores([1e-40, -1e-40, 2e-40]),
        ),
        EdgeCase(
            "denormal-X",
            "X of 10⁻⁴⁰",
            "value",
            "the gradient is of the order of 10⁻⁴⁰; 0 is within rounding, by flushing",
            _ordinary(X=X * np.float32(1e-40), reg=0.0),
        ),
        EdgeCase("reg-0", "reg = 0", "value", "no penalty", _ordinary(reg=0.0)),
        EdgeCase("reg-inf", "reg = ∞", "value", "∞ ΣW² = ∞, of slope ±∞", _ordinary(reg=INF)),
        EdgeCase(
            "reg-negative",
            "reg = −0.1",
            "value",
            "the formula holds, if nothing bounds it",
            _ordinary(reg=-0.1),
        ),
    )


EDGE_CASES = {case.name: case for case in _edge_cases()}


# Modes


@dataclass(frozen=True)
class ModeCase:
    """A derivative besides the gradient, on a small problem."""

    name: Mode
    what: str

    def arguments(self, problem: Problem) -> tuple[np.ndarray, ...]:
        """What the framework's function is called with."""
        V = np.random.default_rng(2).standard_normal(problem.W.shape).astype(problem.W.dtype)
        match self.name:
            case "forward" | "hvp":
                return problem.W, V
            case "hessian" | "per_example":
                return (problem.W,)
            case "vmap":
                return (np.stack([problem.W, V, problem.W + V]),)

    def truth(self, problem: Problem) -> tuple[np.ndarray, ...]:
        """What is right, from the formulas in float64: ∂ℓ/∂s = p − onehot(y), ∂²ℓ/∂s² = diag(p) − ppᵀ."""
        X, W = problem.X.astype(np.float64), problem.W.astype(np.float64)
        N, D, K = problem.size
        e = np.exp(X @ W - (X @ W).max(axis=1, keepdims=True))
        p = e / e.sum(axis=1, keepdims=True)
        each = np.einsum("nd,nk->ndk", X, p - np.eye(K)[problem.y])
        curvature = np.einsum("nk,kl->nkl", p, np.eye(K)) - np.einsum("nk,nl->nkl", p, p)
        hessian = np.einsum("nd,ne,nkl->dkel", X, X, curvature) / N
        hessian += 2 * problem.l2 * np.eye(D * K).reshape(D, K, D, K)
        grad = each.mean(axis=0) + 2 * problem.l2 * W
        match self.name:
            case "forward":
                return (np.asarray(np.vdot(grad, self.arguments(problem)[1].astype(np.float64))),)
            case "hvp":
                return (np.einsum("dkel,el->dk", hessian, self.arguments(problem)[1].astype(np.float64)),)
            case "hessian":
                return (hessian,)
            case "per_example":
                return (each,)
            case "vmap":
                (stack,) = self.arguments(problem)
                truths = [oracle.truth(one, problem.X, problem.y, l2=problem.l2) for one in stack]
                return np.array([t.loss for t in truths]), np.array([t.grad for t in truths])

    def problem(self, dtype: str) -> Problem:
        """The ordinary edge case, in `dtype`."""
        problem = _ordinary()
        return Problem(problem.X.astype(dtype), problem.y, problem.W.astype(dtype), problem.reg)


MODES: dict[str, ModeCase] = {
    case.name: case
    for case in (
        ModeCase("forward", "⟨∇L, V⟩ in forward mode"),
        ModeCase("hvp", "∇²L V"),
        ModeCase("hessian", "∇²L, all of it"),
        ModeCase("per_example", "the gradient of each example"),
        ModeCase("vmap", "loss and gradient of a stack of W, vectorized"),
    )
}
