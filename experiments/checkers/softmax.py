"""The softmax objective on random problems: the right gradient for each penalty, and 26 faults that users make by hand."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple, get_args

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import minimize
from tqdm import tqdm

from checkers.judge import LINE
from checkers.peers import Answer, ask
from checkers.processes import Interview, run_all
from checkers.registry import RealFunction
from softjax import loss, loss_and_grad
from softjax.objective.config import PenaltyName

PENALTIES: tuple[PenaltyName, ...] = get_args(PenaltyName)
SHAPES = ((20, 8, 3), (30, 12, 4), (16, 10, 5), (40, 6, 4))  # N, D, K
REG = 0.3
LIBRARY = "softmax problems"
ASKED = ("softjax", "jax check_grads", "torch gradcheck", "ten entries")


class RandomProblem(NamedTuple):
    """W, X, y in float64, and the X and y of an earlier minibatch."""

    W: np.ndarray
    X: np.ndarray
    y: np.ndarray
    stale_X: np.ndarray
    stale_y: np.ndarray


def make_problem(seed: int, penalty: PenaltyName = "l2") -> RandomProblem:
    """Makes a problem. Four of sixteen are at an optimum, where the terms of the gradient cancel; one of five has equal scores."""
    rng = np.random.default_rng(seed)
    N, D, K = SHAPES[seed % 4]
    X, stale_X = rng.normal(size=(2, N, D))
    X[:, -1] = stale_X[:, -1] = 1
    y, stale_y = rng.integers(0, K, (2, N))
    W = (0.1, 1.0, 3.0)[seed % 3] * rng.normal(size=(D, K))
    if seed // 4 % 4 == 0:
        with jax.enable_x64(True):

            def value_and_slope(w: np.ndarray) -> tuple[float, np.ndarray]:
                value, grad = loss_and_grad(w.reshape(D, K), X, y, REG, penalty=penalty)
                return float(value), np.asarray(grad).ravel()

            W = minimize(value_and_slope, W.ravel(), jac=True, method="L-BFGS-B").x.reshape(D, K)
        # |w| has no derivative at 0, and at the optimum of L1 many weights are 0: move them a little
        W = np.where(np.abs(W) < 0.01, np.copysign(0.01, W), W)
    if seed % 5 == 4:
        W[:, 1] = W[:, 0]
    return RandomProblem(W, X, y, stale_X, stale_y)


# The faults. Each is a wrong gradient of the objective with the l2 penalty, as a user might write it.


def compute_parts(W: Any, X: Any, y: Any) -> tuple[Any, Any, Any]:
    """p, onehot(y) and Xᵀ/N, in the type of W."""
    p = jax.nn.softmax(X @ W, axis=1)
    return p, jax.nn.one_hot(y, W.shape[1], dtype=W.dtype), X.T / len(X)


def change_scores_gradient(change: Callable[..., Any]) -> Callable[..., Any]:
    """A gradient that uses `change(p, onehot, W, X, y)` instead of Q = p − onehot(y)."""

    def gradient(W: Any, X: Any, y: Any, reg: Any, *_: Any) -> Any:
        p, onehot, mean = compute_parts(W, X, y)
        return mean @ change(p, onehot, W, X, y) + 2 * jnp.asarray(reg, W.dtype) * W

    return gradient


def change_gradient(change: Callable[..., Any]) -> Callable[..., Any]:
    """The right gradient, changed at the end by `change(gradient, W, reg, N)`."""

    def gradient(W: Any, X: Any, y: Any, reg: Any, *_: Any) -> Any:
        p, onehot, mean = compute_parts(W, X, y)
        reg = jnp.asarray(reg, W.dtype)
        return change(mean @ (p - onehot) + 2 * reg * W, W, reg, len(X)).astype(W.dtype)

    return gradient


def use_stale_minibatch(W: Any, X: Any, y: Any, reg: Any, stale_X: Any, stale_y: Any) -> Any:
    """The gradient on an earlier minibatch."""
    return compute_gradient(W, stale_X, stale_y, reg)


def sum_in_float16(W: Any, X: Any, y: Any, reg: Any, *_: Any) -> Any:
    """The gradient with its sum over the examples in float16."""
    p, onehot, mean = compute_parts(W, X, y)
    total = mean.astype(jnp.float16) @ (p - onehot).astype(jnp.float16)
    return total.astype(W.dtype) + 2 * jnp.asarray(reg, W.dtype) * W


def settle_ties(p: Any, onehot: Any, *_: Any) -> Any:
    """If the scores of two classes are equal, the first class gets the whole probability."""
    tie = (p == p.max(axis=1, keepdims=True)).sum(axis=1, keepdims=True) > 1
    first = jax.nn.one_hot(p.argmax(axis=1), p.shape[1], dtype=p.dtype)
    return jnp.where(tie, first, p) - onehot


def clip_scores(p: Any, onehot: Any, W: Any, X: Any, y: Any) -> Any:
    """The scores are clipped at ±2 before the softmax."""
    return jax.nn.softmax(jnp.clip(X @ W, -2, 2), axis=1) - onehot


def compute_gradient(W: Any, X: Any, y: Any, reg: Any, *_: Any) -> Any:
    """The right gradient."""
    return loss_and_grad(W, X, y, reg)[1]


FAULTS: dict[str, Callable[..., Any]] = {
    "no 1/N": change_scores_gradient(lambda p, onehot, W, X, y: (p - onehot) * len(X)),
    "no penalty gradient": change_gradient(lambda g, W, reg, N: g - 2 * reg * W),
    "penalty gradient halved": change_gradient(lambda g, W, reg, N: g - reg * W),
    "penalty of the wrong sign": change_gradient(lambda g, W, reg, N: g - 4 * reg * W),
    "L1 penalty for L2": change_gradient(lambda g, W, reg, N: g - 2 * reg * W + reg * jnp.sign(W)),
    "sign flipped": change_gradient(lambda g, W, reg, N: -g),
    "indicator left out": change_scores_gradient(lambda p, onehot, W, X, y: p),
    "softmax over the wrong axis": change_scores_gradient(lambda p, onehot, W, X, y: jax.nn.softmax(X @ W, axis=0) - onehot),
    "label off by one": change_scores_gradient(lambda p, onehot, W, X, y: p - jnp.roll(onehot, 1, axis=1)),
    "only the label's class": change_scores_gradient(lambda p, onehot, W, X, y: (p - 1) * onehot),
    "first sample dropped": change_scores_gradient(lambda p, onehot, W, X, y: (p - onehot).at[0].set(0)),
    "one example counted twice": change_scores_gradient(lambda p, onehot, W, X, y: (p - onehot).at[2].multiply(2)),
    "one class halved": change_gradient(lambda g, W, reg, N: g.at[:, 1].multiply(0.5)),
    "last row not penalized": change_gradient(lambda g, W, reg, N: g.at[-1].add(-2 * reg * W[-1])),
    "last row penalized twice": change_gradient(lambda g, W, reg, N: g.at[-1].add(2 * reg * W[-1])),
    "only where scores tie": change_scores_gradient(settle_ties),
    "only at large scores": change_scores_gradient(clip_scores),
    "softmax at temperature 1.05": change_scores_gradient(
        lambda p, onehot, W, X, y: jax.nn.softmax(X @ W / jnp.asarray(1.05, W.dtype), axis=1) - onehot
    ),
    "label smoothing of 0.01": change_scores_gradient(
        lambda p, onehot, W, X, y: p - (onehot * jnp.asarray(0.99, p.dtype) + jnp.asarray(0.01 / p.shape[1], p.dtype))
    ),
    "logarithm to base 2": change_scores_gradient(lambda p, onehot, W, X, y: (p - onehot) / jnp.asarray(np.log(2), p.dtype)),
    "stale minibatch": use_stale_minibatch,
    "summed in float16": sum_in_float16,
    "N − 1 instead of N": change_scores_gradient(lambda p, onehot, W, X, y: (p - onehot) * jnp.asarray(len(X) / (len(X) - 1), p.dtype)),
    "one entry 1 % off": change_gradient(lambda g, W, reg, N: g.at[1, 1].multiply(1.01)),
    "everything 1e-4 off": change_gradient(lambda g, W, reg, N: g * (1 + 1e-4)),
    "everything 1e-6 off": change_gradient(lambda g, W, reg, N: g * (1 + 1e-6)),
}  # fmt: skip


class Task(NamedTuple):
    """A random problem in a type, and the checkers that are asked."""

    dtype: str
    seed: int
    checkers: tuple[str, ...]


def judge_problems(
    dtype: str, num_problems: int, checkers: tuple[str, ...], jobs: int, limit: float
) -> list[dict[str, Any]]:
    """A row for every claim about the problems of a type: the words of the checkers. A problem whose process crashes has none."""
    tasks = [Task(dtype, seed, checkers) for seed in range(num_problems)]
    finished = run_all(interview, tasks, jobs, limit, lambda reason: [])
    bar = tqdm(finished, total=num_problems, desc=f"softmax, {dtype}", unit="problem", disable=None)
    rows = {task.seed: [row for answer in answers.values() for row in answer] for task, answers in bar}
    return [row for seed in sorted(rows) for row in rows[seed]]


def interview(task: Task) -> Interview:
    """One question: every claim about the problem, by every checker."""
    yield "all claims", partial(judge_problem, task)


def judge_problem(task: Task) -> list[dict[str, Any]]:
    """A row for every claim about a problem: the right gradient for each penalty, then every fault that changes the gradient."""
    with jax.enable_x64(task.dtype == "float64"):
        rows, truth, bound = judge_right_gradients(task)
        return [*rows, *judge_faults(task, truth, bound)]


def judge_right_gradients(task: Task) -> tuple[list[dict[str, Any]], np.ndarray, np.ndarray]:
    """The rows of the right gradients, and the true gradient and its rounding bounds for the l2 penalty."""
    rows = []
    for penalty in PENALTIES:
        W, args = convert(make_problem(task.seed, penalty), task.dtype)
        answers = ask_all(task, OBJECTIVES[penalty], RIGHT[penalty], W, args)
        check = answers["softjax"].check
        assert check is not None, answers["softjax"].why
        rows.append(describe(task, f"right, {penalty}", check.error_in_bounds, answers))
        if penalty == "l2":
            truth, bound = check.true, check.bound
    return rows, truth, bound


def judge_faults(task: Task, truth: np.ndarray, bound: np.ndarray) -> Iterator[dict[str, Any]]:
    """The rows of every fault that changes the gradient of the problem."""
    W, args = convert(make_problem(task.seed), task.dtype)
    for name, claim in JITTED.items():
        if name == "summed in float16" and task.dtype == "float16":
            continue  # no fault in this type
        if not has_effect(claim, W, args, truth):
            continue  # this problem has no equal scores, or no large ones
        error = np.abs(np.asarray(claim(W, *args), np.float64) - truth)
        yield describe(
            task, name, float((error / bound).max()), ask_all(task, OBJECTIVES["l2"], claim, W, args)
        )


def ask_all(
    task: Task, fun: Callable[..., Any], claim: Callable[..., Any], W: Any, args: tuple[Any, ...]
) -> dict[str, Answer]:
    """What each checker says about a claim."""
    function = RealFunction("softmax objective", "softjax", task.dtype, fun, claim, W, args)
    return {checker: ask(checker, function, claim) for checker in task.checkers}


def describe(task: Task, claim: str, bounds: float, answers: dict[str, Answer]) -> dict[str, Any]:
    """A row."""
    return {
        "library": LIBRARY,
        "function": f"problem {task.seed}",
        "dtype": task.dtype,
        "claim": claim,
        "bounds": bounds,
        "large": claim in FAULTS and bounds > LINE,
        "verdicts": {checker: answer.word for checker, answer in answers.items()},
        "why": {},
    }


def has_effect(claim: Callable[..., Any], W: Any, args: tuple[Any, ...], truth: np.ndarray) -> bool:
    """Whether a fault changes the gradient of this problem at all."""
    with jax.enable_x64(True):
        exact = [
            np.asarray(a, np.float64) if jnp.issubdtype(a.dtype, jnp.floating) else a for a in (W, *args[:2])
        ]
        stale = [np.asarray(args[3], np.float64), args[4]]
        change = np.asarray(claim(*exact, args[2], *stale)) - truth
    return float(np.abs(change).max()) > 1e-9 * float(np.abs(truth).max())


def convert(problem: RandomProblem, dtype: str) -> tuple[Any, tuple[Any, ...]]:
    """W, and (X, y, reg, stale_X, stale_y), in a type."""
    W, X, stale_X = (jnp.asarray(a, dtype) for a in (problem.W, problem.X, problem.stale_X))
    return W, (X, jnp.asarray(problem.y), REG, stale_X, jnp.asarray(problem.stale_y))


def make_objective(penalty: PenaltyName) -> Callable[..., Any]:
    """The objective as a function of (W, X, y, reg, ...)."""
    return jax.jit(lambda W, X, y, reg, *_: loss(W, X, y, reg, penalty=penalty))


def make_gradient(penalty: PenaltyName) -> Callable[..., Any]:
    """The gradient by hand of the objective, with the same arguments."""
    return jax.jit(lambda W, X, y, reg, *_: loss_and_grad(W, X, y, reg, penalty=penalty)[1])


OBJECTIVES = {penalty: make_objective(penalty) for penalty in PENALTIES}
RIGHT = {penalty: make_gradient(penalty) for penalty in PENALTIES}
JITTED = {name: jax.jit(claim) for name, claim in FAULTS.items()}
