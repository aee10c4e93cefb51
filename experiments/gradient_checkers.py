"""Gradient checkers side by side: which planted faults they catch, and which right gradients they reject.

    python experiments/gradient_checkers.py --out reports/gradient_checkers

Needs torch for one of them, and shows it as not installed without.
"""

import csv
import json
import multiprocessing
import os
import shlex
import sys
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

import benchmark_plots
import jax
import jax.numpy as jnp
import jax.test_util
import numpy as np
import tyro
from scipy.optimize import minimize
from tqdm import tqdm

from softjax import InputError, check_gradient, loss, loss_and_grad
from softjax.objective.config import PenaltyName
from softjax.reports import run_folder
from softjax.reports.environment import describe_environment

DTYPES = ("float64", "float32", "bfloat16", "float16")
PENALTIES: tuple[PenaltyName, ...] = get_args(PenaltyName)
SHAPES = ((20, 8, 3), (30, 12, 4), (16, 10, 5), (40, 6, 4))  # N, D, K
REG = 0.3
STEP, RELATIVE = 1e-5, 1e-5  # the course's step, and the relative error its readers accept


@dataclass(frozen=True)
class Config:
    """How much to run, and where the report goes."""

    num_problems: int = 100
    """Random problems for each type."""
    jobs: int = os.cpu_count() or 1
    """Processes to run them in."""
    out: Path = Path("reports/gradient_checkers")
    """Folder of the report."""
    overwrite: bool = False
    """Replace an earlier report there."""


@dataclass(frozen=True)
class Problem:
    """W, X, y in float64, and the minibatch before."""

    W: np.ndarray
    X: np.ndarray
    y: np.ndarray
    stale_X: np.ndarray
    stale_y: np.ndarray


def problem(seed: int, penalty: PenaltyName = "l2") -> Problem:
    """Four in sixteen at an optimum, where the terms of the gradient cancel; one in five with scores that tie."""
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
        # |w| has no derivative at 0, where L1's optimum puts many weights: stay a little away
        W = np.where(np.abs(W) < 0.01, np.copysign(0.01, W), W)
    if seed % 5 == 4:
        W[:, 1] = W[:, 0]
    return Problem(W, X, y, stale_X, stale_y)


# The faults, each a wrong gradient of the objective with the l2 penalty, written as a user would have.


def parts(W: Any, X: Any, y: Any) -> tuple[Any, Any, Any]:
    """p, onehot(y) and Xᵀ · / N, in the type of W."""
    p = jax.nn.softmax(X @ W, axis=1)
    return p, jax.nn.one_hot(y, W.shape[1], dtype=W.dtype), X.T / len(X)


def fault(change: Callable[..., Any]) -> Callable[..., Any]:
    """A gradient in which `change(p, onehot, W, X, y)` stands for Q = p − onehot(y)."""

    def gradient(W: Any, X: Any, y: Any, reg: Any, *_: Any) -> Any:
        p, onehot, mean = parts(W, X, y)
        return mean @ change(p, onehot, W, X, y) + 2 * jnp.asarray(reg, W.dtype) * W

    return gradient


def after(change: Callable[..., Any]) -> Callable[..., Any]:
    """A gradient that is changed when it is done: `change(gradient, W, reg, N)`."""

    def gradient(W: Any, X: Any, y: Any, reg: Any, *_: Any) -> Any:
        p, onehot, mean = parts(W, X, y)
        reg = jnp.asarray(reg, W.dtype)
        return change(mean @ (p - onehot) + 2 * reg * W, W, reg, len(X)).astype(W.dtype)

    return gradient


def stale(W: Any, X: Any, y: Any, reg: Any, stale_X: Any, stale_y: Any) -> Any:
    """The gradient on the minibatch before."""
    return right(W, stale_X, stale_y, reg)


def in_float16(W: Any, X: Any, y: Any, reg: Any, *_: Any) -> Any:
    """The product that sums over the examples, in float16."""
    p, onehot, mean = parts(W, X, y)
    total = mean.astype(jnp.float16) @ (p - onehot).astype(jnp.float16)
    return total.astype(W.dtype) + 2 * jnp.asarray(reg, W.dtype) * W


def at_ties(p: Any, onehot: Any, *_: Any) -> Any:
    """Where two classes tie, all of p is put on the first."""
    tie = (p == p.max(axis=1, keepdims=True)).sum(axis=1, keepdims=True) > 1
    first = jax.nn.one_hot(p.argmax(axis=1), p.shape[1], dtype=p.dtype)
    return jnp.where(tie, first, p) - onehot


def at_large_scores(p: Any, onehot: Any, W: Any, X: Any, y: Any) -> Any:
    """Scores are cut off at ±2 before the softmax."""
    return jax.nn.softmax(jnp.clip(X @ W, -2, 2), axis=1) - onehot


def right(W: Any, X: Any, y: Any, reg: Any, *_: Any) -> Any:
    """The gradient."""
    return loss_and_grad(W, X, y, reg)[1]


FAULTS: dict[str, Callable[..., Any]] = {
    "no 1/N": fault(lambda p, onehot, W, X, y: (p - onehot) * len(X)),
    "no penalty gradient": after(lambda g, W, reg, N: g - 2 * reg * W),
    "penalty gradient halved": after(lambda g, W, reg, N: g - reg * W),
    "penalty of the wrong sign": after(lambda g, W, reg, N: g - 4 * reg * W),
    "L1 penalty for L2": after(lambda g, W, reg, N: g - 2 * reg * W + reg * jnp.sign(W)),
    "sign flipped": after(lambda g, W, reg, N: -g),
    "indicator left out": fault(lambda p, onehot, W, X, y: p),
    "softmax over the wrong axis": fault(lambda p, onehot, W, X, y: jax.nn.softmax(X @ W, axis=0) - onehot),
    "label off by one": fault(lambda p, onehot, W, X, y: p - jnp.roll(onehot, 1, axis=1)),
    "only the label's class": fault(lambda p, onehot, W, X, y: (p - 1) * onehot),
    "first sample dropped": fault(lambda p, onehot, W, X, y: (p - onehot).at[0].set(0)),
    "one example counted twice": fault(lambda p, onehot, W, X, y: (p - onehot).at[2].multiply(2)),
    "one class halved": after(lambda g, W, reg, N: g.at[:, 1].multiply(0.5)),
    "last row not penalized": after(lambda g, W, reg, N: g.at[-1].add(-2 * reg * W[-1])),
    "last row penalized twice": after(lambda g, W, reg, N: g.at[-1].add(2 * reg * W[-1])),
    "only where scores tie": fault(at_ties),
    "only at large scores": fault(at_large_scores),
    "softmax at temperature 1.05": fault(
        lambda p, onehot, W, X, y: jax.nn.softmax(X @ W / jnp.asarray(1.05, W.dtype), axis=1) - onehot
    ),
    "label smoothing of 0.01": fault(
        lambda p, onehot, W, X, y: p - (onehot * jnp.asarray(0.99, p.dtype) + jnp.asarray(0.01 / p.shape[1], p.dtype))
    ),
    "logarithm to base 2": fault(lambda p, onehot, W, X, y: (p - onehot) / jnp.asarray(np.log(2), p.dtype)),
    "stale minibatch": stale,
    "summed in float16": in_float16,
    "N − 1 instead of N": fault(lambda p, onehot, W, X, y: (p - onehot) * jnp.asarray(len(X) / (len(X) - 1), p.dtype)),
    "one entry 1 % off": after(lambda g, W, reg, N: g.at[1, 1].multiply(1.01)),
    "everything 1e-4 off": after(lambda g, W, reg, N: g * (1 + 1e-4)),
    "everything 1e-6 off": after(lambda g, W, reg, N: g * (1 + 1e-6)),
}  # fmt: skip


# The checkers: each says whether it accepts a claim. fun and claim take (W, X, y, reg, stale_X, stale_y).


def by_softjax(fun: Callable[..., Any], claim: Callable[..., Any], W: Any, args: tuple[Any, ...]) -> bool:
    """softjax.check_gradient with its defaults."""
    return check_gradient(fun, claim, W, *args).ok


def by_jax(fun: Callable[..., Any], claim: Callable[..., Any], W: Any, args: tuple[Any, ...]) -> bool:
    """jax.test_util.check_grads, reverse mode, with its defaults."""

    @jax.custom_vjp
    def f(W: Any) -> Any:
        return fun(W, *args).astype(W.dtype)

    f.defvjp(lambda W: (f(W), W), lambda W, cotangent: (cotangent * claim(W, *args),))
    try:
        jax.test_util.check_grads(f, (W,), order=1, modes=["rev"])  # type: ignore[no-untyped-call]
    except AssertionError:
        return False
    return True


def by_torch(fun: Callable[..., Any], claim: Callable[..., Any], W: Any, args: tuple[Any, ...]) -> bool:
    """torch.autograd.gradcheck with its defaults, which ask for float64."""
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


def by_ten_entries(fun: Callable[..., Any], claim: Callable[..., Any], W: Any, args: tuple[Any, ...]) -> bool:
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
    "softjax": by_softjax,
    "jax check_grads": by_jax,
    "torch gradcheck": by_torch,
    "ten entries": by_ten_entries,
}


def main(config: Config) -> None:
    """Runs every checker on every claim, and writes the report."""
    run_folder.check_free(config.out, config.overwrite)
    checkers = dict(CHECKERS)
    try:
        import torch

        torch_version = str(torch.__version__)
    except ImportError:
        del checkers["torch gradcheck"]
        torch_version = "not installed"
    tasks = [(dtype, seed, tuple(checkers)) for dtype in DTYPES for seed in range(config.num_problems)]
    with ProcessPoolExecutor(config.jobs, multiprocessing.get_context("spawn")) as pool:
        results = pool.map(one_problem, *zip(*tasks, strict=True), chunksize=10)
        rows = [row for rows in tqdm(results, total=len(tasks), unit="problem", disable=None) for row in rows]
    write(config, rows, list(checkers), torch_version)


def one_problem(dtype: str, seed: int, names: tuple[str, ...]) -> list[dict[str, Any]]:
    """Every claim of a problem: the right gradient for each penalty, and every fault."""
    warnings.filterwarnings("ignore", message="Input #0 requires gradient and is not a double")
    with jax.enable_x64(dtype == "float64"):
        return _one_problem(dtype, seed, {name: CHECKERS[name] for name in names})


def _one_problem(dtype: str, seed: int, checkers: dict[str, Callable[..., bool]]) -> list[dict[str, Any]]:
    rows = []
    for penalty in PENALTIES:
        W, args = arrays(problem(seed, penalty), dtype)
        fun, claim = OBJECTIVES[penalty], RIGHT[penalty]
        check = check_gradient(fun, claim, W, *args)
        verdicts = {
            name: accepts(fun, claim, W, args) for name, accepts in checkers.items() if name != "softjax"
        }
        rows.append(
            {"dtype": dtype, "seed": seed, "claim": f"right, {penalty}", "bounds": check.error_in_bounds}
            | {"softjax": check.ok}
            | verdicts
        )
        if penalty == "l2":
            truth, bound = check.true, check.bound
    W, args = arrays(problem(seed), dtype)
    for name, claim in JITTED.items():
        if name == "summed in float16" and dtype == "float16":
            continue  # no fault in this type
        if not has_effect(claim, W, args, truth):
            continue  # this problem has no ties, or no large scores
        error = np.abs(np.asarray(claim(W, *args), np.float64) - truth)
        rows.append(
            {"dtype": dtype, "seed": seed, "claim": name, "bounds": float((error / bound).max())}
            | {checker: accepts(OBJECTIVES["l2"], claim, W, args) for checker, accepts in checkers.items()}
        )
    return rows


def has_effect(claim: Callable[..., Any], W: Any, args: tuple[Any, ...], truth: np.ndarray) -> bool:
    """Whether a fault changes the gradient of this problem at all."""
    with jax.enable_x64(True):
        exact = [
            np.asarray(a, np.float64) if jnp.issubdtype(a.dtype, jnp.floating) else a for a in (W, *args[:2])
        ]
        stale = [np.asarray(args[3], np.float64), args[4]]
        change = np.asarray(claim(*exact, args[2], *stale)) - truth
    return float(np.abs(change).max()) > 1e-9 * float(np.abs(truth).max())


def arrays(problem: Problem, dtype: str) -> tuple[Any, tuple[Any, ...]]:
    """W, and (X, y, reg, stale_X, stale_y), in a type."""
    W, X, stale_X = (jnp.asarray(a, dtype) for a in (problem.W, problem.X, problem.stale_X))
    return W, (X, jnp.asarray(problem.y), REG, stale_X, jnp.asarray(problem.stale_y))


def objective(penalty: PenaltyName) -> Callable[..., Any]:
    """The function of (W, X, y, reg, ...) whose gradient is claimed."""
    return jax.jit(lambda W, X, y, reg, *_: loss(W, X, y, reg, penalty=penalty))


def right_gradient(penalty: PenaltyName) -> Callable[..., Any]:
    """The gradient by hand of that function."""
    return jax.jit(lambda W, X, y, reg, *_: loss_and_grad(W, X, y, reg, penalty=penalty)[1])


OBJECTIVES = {penalty: objective(penalty) for penalty in PENALTIES}
RIGHT = {penalty: right_gradient(penalty) for penalty in PENALTIES}
JITTED = {name: jax.jit(claim) for name, claim in FAULTS.items()}


def share(
    rows: list[dict[str, Any]], checker: str, right_ones: dict[tuple[str, int], dict[str, Any]]
) -> float:
    """The share of faults that a checker catches, in problems whose right gradient it accepts."""
    if not rows:
        return float("nan")
    caught = [not row[checker] and right_ones[row["dtype"], row["seed"]][checker] for row in rows]
    return float(np.mean(caught))


def write(config: Config, rows: list[dict[str, Any]], checkers: list[str], torch_version: str) -> None:
    """The tables, the picture, all rows."""
    right_rows = [row for row in rows if row["claim"].startswith("right")]
    right_l2 = {(row["dtype"], row["seed"]): row for row in right_rows if row["claim"] == "right, l2"}
    visible = [row for row in rows if row["claim"] in FAULTS and row["bounds"] > 10]
    hidden = [row for row in rows if row["claim"] in FAULTS and row["bounds"] <= 10]

    def cell(rows: list[dict[str, Any]], checker: str) -> str:
        value = share(rows, checker, right_l2)
        return "–" if np.isnan(value) else f"{100 * value:.1f} %"

    def table(header: list[str], body: list[list[str]]) -> str:
        lines = [header, ["---"] + ["---:"] * (len(header) - 1), *body]
        return "\n".join("| " + " | ".join(line) + " |" for line in lines)

    def of(rows: list[dict[str, Any]], **wanted: str) -> list[dict[str, Any]]:
        return [row for row in rows if all(row[name] == value for name, value in wanted.items())]

    rates = {
        dtype: np.array(
            [[share(of(visible, dtype=dtype, claim=f), c, right_l2) for c in checkers] for f in FAULTS]
        )
        for dtype in DTYPES
    }
    rejected = [
        [dtype]
        + [
            f"{sum(not row[c] for row in of(right_rows, dtype=dtype))} of {len(of(right_rows, dtype=dtype))}"
            for c in checkers
        ]
        for dtype in DTYPES
    ]
    total = [
        [dtype, f"{len(of(visible, dtype=dtype)):,}"] + [cell(of(visible, dtype=dtype), c) for c in checkers]
        for dtype in DTYPES
    ] + [["all", f"{len(visible):,}"] + [cell(visible, c) for c in checkers]]
    plain = [
        [dtype, f"{len(of(visible, dtype=dtype)):,}"]
        + [f"{100 * np.mean([not row[c] for row in of(visible, dtype=dtype)]):.1f} %" for c in checkers]
        for dtype in DTYPES
    ]
    below = [
        [dtype, f"{len(of(hidden, dtype=dtype)):,}"] + [cell(of(hidden, dtype=dtype), c) for c in checkers]
        for dtype in DTYPES
    ]
    by_fault = "\n\n".join(
        f"### {dtype}\n\n"
        + table(
            ["planted fault", "problems above the line", *checkers],
            [
                [f, str(len(of(visible, dtype=dtype, claim=f)))]
                + [cell(of(visible, dtype=dtype, claim=f), c) for c in checkers]
                for f in FAULTS
            ],
        )
        for dtype in DTYPES
    )
    environment = describe_environment()
    environment["versions"]["torch"] = torch_version
    command = shlex.join(["python", "experiments/gradient_checkers.py", *sys.argv[1:]])
    versions = ", ".join(f"{name} {number}" for name, number in environment["versions"].items())
    text = f"""# What gradient checkers catch

A claimed gradient of the softmax objective, mean cross-entropy + reg ΣW², is given to four checkers: the right one, and
{len(FAULTS)} wrong ones, on {config.num_problems} random problems in each of four types (N, D, K one of
{", ".join(map(str, SHAPES))}; reg {REG}; four in sixteen at an optimum, where the terms of the gradient cancel, one in
five with two classes whose scores tie). A fault is left out where it changes nothing: no ties, no large scores.

- **softjax**: `softjax.check_gradient`, defaults.
- **jax check_grads**: `jax.test_util.check_grads`, reverse mode, defaults.
- **torch gradcheck**: `torch.autograd.gradcheck`, defaults, which ask for float64; given what it is given.
- **ten entries**: the course's check, ten random entries by central differences of step {STEP:g} in the type at hand,
  accepted below a relative error of {RELATIVE:g}.

A fault counts as caught where the checker rejects it *and* accepts the right gradient of the same problem: rejecting
everything is no skill. A fault is above the line if some entry of the wrong gradient, computed in its type, is off by
more than 10 of its rounding bounds; one below can hardly be told from rounding by its values, and is counted apart.

## Faults caught, above the line

{table(["type", "wrong gradients", *checkers], total)}

## Faults rejected, above the line, whatever becomes of the right gradient

{table(["type", "wrong gradients", *checkers], plain)}

## Right gradients rejected

Five penalties × {config.num_problems} problems.

{table(["type", *checkers], rejected)}

## Faults caught, below the line

What softjax catches here it finds by evaluating the claim's formula in float64.

{table(["type", "wrong gradients", *checkers], below)}

![Faults caught above the line, in per cent](detection.png)

## Fault by fault, above the line

{by_fault}

## How the checker works

The claim g is held against the gradient ∇L in float64, taken by reverse mode and confirmed along random directions by
forward mode, by the complex step Im L(W + ihV)/h, and by extrapolated central differences. An entry may be off by four of
its rounding bounds, 1.25 δg + u |g|, or what the framework's own gradient is off by in that type where that is more, up to
30 times. δg follows each operation of the framework's gradient: a value v that is computed in a type of unit roundoff u is
off by up to u |v|, a sum of n terms by u Σ|terms| (times √n / 4 for long ones), and δg = √(Σᵥ (∂g/∂v · u |v|)²) over all v
is what that does to an entry; near an optimum, where Xᵀ(p − onehot(y))/N and 2 reg W cancel, it stays as large as its terms while g vanishes.
If the claim is a JAX function that computes in float64 when given float64, its formula is also checked there.

## How it was made

    {command}

| | |
| --- | --- |
| versions | {versions} |
| device | {environment["device"]["kind"]}, {environment["device"]["cpu_cores"]} CPU cores, {environment["device"]["machine"]} |
| date | {environment["date"]} |

Every verdict is in [results.csv](results.csv).
"""
    with run_folder.report_folder(config.out, config.overwrite) as folder:
        (folder / "README.md").write_text(text)
        run = {"command": command, "config": {k: str(v) for k, v in asdict(config).items()}, **environment}
        (folder / "run.json").write_text(json.dumps(run, indent=2) + "\n")
        with (folder / "results.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, ["dtype", "seed", "claim", "bounds", *checkers])
            writer.writeheader()
            writer.writerows({**row, "bounds": f"{row['bounds']:.3g}"} for row in rows)
        figure = benchmark_plots.detection(
            rates, list(FAULTS), checkers, "Faults caught above the line, in per cent"
        )
        figure.savefig(folder / "detection.png", dpi=150)
    print(f"report: {config.out / 'README.md'}")


if __name__ == "__main__":
    try:
        main(tyro.cli(Config))
    except InputError as error:
        sys.exit(f"{Path(__file__).name}: error: {error}")
