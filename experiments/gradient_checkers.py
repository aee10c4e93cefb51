"""Compares gradient checkers: which planted faults they catch, and which right gradients they reject.

    python experiments/gradient_checkers.py --out reports/gradient_checkers

One of the checkers needs torch. Without torch, the report shows it as not installed.
"""

import multiprocessing
import os
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, get_args

import benchmark_plots
import jax
import jax.numpy as jnp
import jax.test_util
import numpy as np
from harness import Experiment, Options, run_experiment
from scipy.optimize import minimize
from tqdm import tqdm

from softjax import check_gradient, loss, loss_and_grad
from softjax.objective.config import PenaltyName
from softjax.reports import markdown

DTYPES = ("float64", "float32", "bfloat16", "float16")
PENALTIES: tuple[PenaltyName, ...] = get_args(PenaltyName)
SHAPES = ((20, 8, 3), (30, 12, 4), (16, 10, 5), (40, 6, 4))  # N, D, K
REG = 0.3
STEP, RELATIVE = 1e-5, 1e-5  # the course's step, and the relative error its readers accept
LINE = 10  # rounding bounds: a fault with a larger error in some entry is large


@dataclass(frozen=True)
class CheckersOptions(Options):
    """The options: how much is run, and the folder of the report."""

    out: Path = Path("reports/gradient_checkers")
    """Folder of the report."""
    num_problems: int = 100
    """Random problems for each type."""
    jobs: int = os.cpu_count() or 1
    """Number of processes."""


@dataclass(frozen=True)
class RandomProblem:
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


# The checkers. Each returns whether it accepts a claim. fun and claim take (W, X, y, reg, stale_X, stale_y).


def ask_softjax(fun: Callable[..., Any], claim: Callable[..., Any], W: Any, args: tuple[Any, ...]) -> bool:
    """Asks softjax.check_gradient with its defaults."""
    return check_gradient(fun, claim, W, *args).ok


def ask_jax(fun: Callable[..., Any], claim: Callable[..., Any], W: Any, args: tuple[Any, ...]) -> bool:
    """Asks jax.test_util.check_grads in reverse mode, with its defaults."""

    @jax.custom_vjp
    def f(W: Any) -> Any:
        return fun(W, *args).astype(W.dtype)

    f.defvjp(lambda W: (f(W), W), lambda W, cotangent: (cotangent * claim(W, *args),))
    try:
        jax.test_util.check_grads(f, (W,), order=1, modes=["rev"])  # type: ignore[no-untyped-call]
    except AssertionError:
        return False
    return True


def ask_torch(fun: Callable[..., Any], claim: Callable[..., Any], W: Any, args: tuple[Any, ...]) -> bool:
    """Asks torch.autograd.gradcheck with its defaults, which are made for float64."""
    import torch

    kind = getattr(torch, str(W.dtype))

    def to_jax(w: Any) -> Any:
        return jnp.asarray(w.detach().to(torch.float64).numpy(), W.dtype)

    class Claimed(torch.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(ctx: Any, w: Any) -> Any:
            ctx.save_for_backward(w)
            return torch.tensor(float(fun(to_jax(w), *args)), dtype=kind)

        @staticmethod
        def backward(ctx: Any, cotangent: Any) -> Any:
            (w,) = ctx.saved_tensors
            return cotangent * torch.tensor(np.asarray(claim(to_jax(w), *args), np.float64), dtype=kind)

    w = torch.tensor(np.asarray(W, np.float64), dtype=kind, requires_grad=True)
    try:
        return bool(torch.autograd.gradcheck(Claimed.apply, (w,)))
    except (RuntimeError, ValueError):  # GradcheckError, or a type it does not take
        return False


def ask_ten_entries(
    fun: Callable[..., Any], claim: Callable[..., Any], W: Any, args: tuple[Any, ...]
) -> bool:
    """The course's check: ten random entries by central differences, relative errors below 1e-5."""
    rng = np.random.default_rng(0)
    analytic = np.asarray(claim(W, *args), np.float64)
    for _ in range(10):
        index = tuple(int(rng.integers(size)) for size in W.shape)
        above, below = (W.at[index].add(sign * STEP) for sign in (1, -1))
        numerical = (float(fun(above, *args)) - float(fun(below, *args))) / (2 * STEP)
        scale = abs(numerical) + abs(analytic[index])
        if scale > 0 and not abs(numerical - analytic[index]) / scale <= RELATIVE:
            return False
    return True


CHECKERS = {
    "softjax": ask_softjax,
    "jax check_grads": ask_jax,
    "torch gradcheck": ask_torch,
    "ten entries": ask_ten_entries,
}


def run_checkers(options: CheckersOptions, experiment: Experiment) -> None:
    """Runs every checker on every claim, saves the verdicts of each type, and writes the report."""
    checkers = list(CHECKERS)
    try:
        import torch

        torch_version = str(torch.__version__)
    except ImportError:
        checkers.remove("torch gradcheck")
        torch_version = "not installed"
    verdicts: list[dict[str, Any]] = []
    chunk = min(max(options.num_problems // (2 * options.jobs), 1), 10)
    with ProcessPoolExecutor(options.jobs, multiprocessing.get_context("spawn")) as pool:
        for dtype in DTYPES:
            compute = partial(judge_problems, pool, chunk, dtype, options.num_problems, tuple(checkers))
            verdicts += experiment.keep(dtype, compute)
    write(options, experiment, Verdicts(checkers, verdicts), torch_version)


def judge_problems(
    pool: ProcessPoolExecutor, chunk: int, dtype: str, num_problems: int, names: tuple[str, ...]
) -> list[dict[str, Any]]:
    """The verdicts on all problems of a type; a process takes `chunk` of them at a time."""
    judged = pool.map(partial(judge_problem, dtype, names), range(num_problems), chunksize=chunk)
    bar = tqdm(judged, total=num_problems, desc=dtype, unit="problem", disable=None)
    return [verdict for verdicts in bar for verdict in verdicts]


def judge_problem(dtype: str, names: tuple[str, ...], seed: int) -> list[dict[str, Any]]:
    """A verdict for every claim of a problem: the right gradient for each penalty, and every fault."""
    warnings.filterwarnings("ignore", message="Input #0 requires gradient and is not a double")
    checkers = {name: CHECKERS[name] for name in names}
    with jax.enable_x64(dtype == "float64"):
        right, truth, bound = judge_right_gradients(dtype, seed, checkers)
        return right + list(judge_faults(dtype, seed, checkers, truth, bound))


def judge_right_gradients(
    dtype: str, seed: int, checkers: dict[str, Callable[..., bool]]
) -> tuple[list[dict[str, Any]], np.ndarray, np.ndarray]:
    """The verdicts on the right gradients, and the true gradient and its rounding bounds for the l2 penalty."""
    verdicts = []
    for penalty in PENALTIES:
        W, args = convert(make_problem(seed, penalty), dtype)
        fun, claim = OBJECTIVES[penalty], RIGHT[penalty]
        check = check_gradient(fun, claim, W, *args)
        others = {
            name: accepts(fun, claim, W, args) for name, accepts in checkers.items() if name != "softjax"
        }
        about = {"dtype": dtype, "seed": seed, "claim": f"right, {penalty}", "bounds": check.error_in_bounds}
        verdicts.append(about | {"softjax": check.ok} | others)
        if penalty == "l2":
            truth, bound = check.true, check.bound
    return verdicts, truth, bound


def judge_faults(
    dtype: str, seed: int, checkers: dict[str, Callable[..., bool]], truth: np.ndarray, bound: np.ndarray
) -> Iterator[dict[str, Any]]:
    """The verdicts on every fault that changes the gradient of the problem."""
    W, args = convert(make_problem(seed), dtype)
    for name, claim in JITTED.items():
        if name == "summed in float16" and dtype == "float16":
            continue  # no fault in this type
        if not has_effect(claim, W, args, truth):
            continue  # this problem has no equal scores, or no large ones
        error = np.abs(np.asarray(claim(W, *args), np.float64) - truth)
        about = {"dtype": dtype, "seed": seed, "claim": name, "bounds": float((error / bound).max())}
        yield about | {
            checker: accepts(OBJECTIVES["l2"], claim, W, args) for checker, accepts in checkers.items()
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


@dataclass(frozen=True)
class Verdicts:
    """All verdicts. Each is a dictionary: dtype, seed, claim, its error in bounds, and whether each checker accepts it."""

    checkers: list[str]
    rows: list[dict[str, Any]]

    @cached_property
    def right(self) -> list[dict[str, Any]]:
        """The verdicts on right gradients."""
        return [row for row in self.rows if row["claim"].startswith("right")]

    @cached_property
    def above(self) -> list[dict[str, Any]]:
        """The verdicts on large faults."""
        return [row for row in self.rows if row["claim"] in FAULTS and row["bounds"] > LINE]

    @cached_property
    def below(self) -> list[dict[str, Any]]:
        """The verdicts on small faults."""
        return [row for row in self.rows if row["claim"] in FAULTS and row["bounds"] <= LINE]

    @cached_property
    def right_l2(self) -> dict[tuple[str, int], dict[str, Any]]:
        """The verdict on the right gradient of each problem that has faults."""
        return {(row["dtype"], row["seed"]): row for row in self.right if row["claim"] == "right, l2"}

    def share_caught(self, rows: list[dict[str, Any]], checker: str) -> float:
        """The share of faults that a checker rejects, in problems whose right gradient it accepts."""
        if not rows:
            return float("nan")
        right = self.right_l2
        return float(
            np.mean([not row[checker] and right[row["dtype"], row["seed"]][checker] for row in rows])
        )


def select(rows: list[dict[str, Any]], **wanted: str) -> list[dict[str, Any]]:
    """The verdicts with these values."""
    return [row for row in rows if all(row[name] == value for name, value in wanted.items())]


def write(options: CheckersOptions, experiment: Experiment, verdicts: Verdicts, torch_version: str) -> None:
    """Writes the report: tables, picture, all verdicts."""
    checkers = verdicts.checkers
    columns = ("dtype", "seed", "claim", "bounds", *checkers)
    results = (row | {"bounds": f"{row['bounds']:.3g}"} for row in verdicts.rows)
    rates = {
        dtype: np.array(
            [
                [verdicts.share_caught(select(verdicts.above, dtype=dtype, claim=name), c) for c in checkers]
                for name in FAULTS
            ]
        )
        for dtype in DTYPES
    }
    title = "Large faults caught, in per cent"
    experiment.write(
        partial(write_readme, options, verdicts),
        versions={"torch": torch_version},
        tables={"results": [columns, *([row[name] for name in columns] for row in results)]},
        figures={"detection": benchmark_plots.detection(rates, list(FAULTS), checkers, title)},
    )


def write_readme(options: CheckersOptions, verdicts: Verdicts, about: dict[str, Any]) -> str:
    """The text of README.md."""
    device, above = about["device"], verdicts.above
    plain = [
        (dtype, f"{len(rows):,}", *(f"{100 * np.mean([not row[c] for row in rows]):.1f} %" for c in verdicts.checkers))
        for dtype in DTYPES
        for rows in [select(above, dtype=dtype)]
    ]  # fmt: skip
    rejected = [
        (dtype, *(f"{sum(not row[c] for row in rows)} of {len(rows)}" for c in verdicts.checkers))
        for dtype in DTYPES
        for rows in [select(verdicts.right, dtype=dtype)]
    ]
    header = ("type", "wrong gradients", *verdicts.checkers)
    how = [
        ("", ""),
        ("versions", ", ".join(f"{name} {number}" for name, number in about["versions"].items())),
        ("device", f"{device['kind']}, {device['cpu_cores']} CPU cores, {device['machine']}"),
        ("date", about["date"]),
    ]
    caught = [*tabulate_caught(verdicts, above), ("all", f"{len(above):,}", *format_caught(verdicts, above))]
    return markdown.render(
        Path(__file__).with_suffix(".md"),
        num_faults=len(FAULTS),
        num_problems=options.num_problems,
        shapes=", ".join(map(str, SHAPES)),
        reg=REG,
        step=f"{STEP:g}",
        relative=f"{RELATIVE:g}",
        caught=markdown.table([header, *caught], align="names"),
        plain=markdown.table([header, *plain], align="names"),
        rejected=markdown.table([("type", *verdicts.checkers), *rejected], align="names"),
        below=markdown.table([header, *tabulate_caught(verdicts, verdicts.below)], align="names"),
        by_fault="\n\n".join(f"### {dtype}\n\n{tabulate_faults(verdicts, dtype)}" for dtype in DTYPES),
        command=about["command"],
        how=markdown.table(how, align="left"),
    )


def tabulate_caught(verdicts: Verdicts, rows: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    """A row for each type: how many of these faults there are, and the share that each checker catches."""
    of_type = {dtype: select(rows, dtype=dtype) for dtype in DTYPES}
    return [
        (dtype, f"{len(faults):,}", *format_caught(verdicts, faults)) for dtype, faults in of_type.items()
    ]


def tabulate_faults(verdicts: Verdicts, dtype: str) -> str:
    """The table of large faults in a type: for each fault, the number of problems, and the share that each checker catches."""
    header = ("planted fault", "problems in which it is large", *verdicts.checkers)
    of_fault = {name: select(verdicts.above, dtype=dtype, claim=name) for name in FAULTS}
    body = [(name, str(len(rows)), *format_caught(verdicts, rows)) for name, rows in of_fault.items()]
    return markdown.table([header, *body], align="names")


def format_caught(verdicts: Verdicts, rows: list[dict[str, Any]]) -> list[str]:
    """The share of these faults that each checker catches."""
    shares = [verdicts.share_caught(rows, checker) for checker in verdicts.checkers]
    return ["–" if np.isnan(share) else f"{100 * share:.1f} %" for share in shares]


if __name__ == "__main__":
    run_experiment(CheckersOptions, run_checkers, description=__doc__)
