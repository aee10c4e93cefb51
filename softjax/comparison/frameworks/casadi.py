"""CasADi: casadi.gradient of an expression with casadi.logsumexp, evaluated by a casadi.Function."""

from collections.abc import Callable
from typing import Any

import casadi as ca
import numpy as np

from softjax.comparison.frameworks.protocol import Prepared, Problem

DTYPES = ("float64",)


def write_script(problem: Problem) -> str:
    """The loss, example by example, and its gradient as a function."""
    result = "print(*[a.full() for a in ca.Function('loss', [S], [loss, ca.gradient(loss, S)])(W)])"
    return "\n".join([*_write_loss(problem), result]) + "\n"


def write_forward(problem: Problem) -> str:
    """The loss, example by example, and its directional derivative as a function."""
    lines = [
        "V_ = ca.MX.sym('V', *W.shape)",
        "slope = ca.Function('slope', [S, V_], [loss, ca.jtimes(loss, S, V_)])",
        "print([slope(W, V) for V in basis])",
    ]
    return "\n".join([*_write_loss(problem), *lines]) + "\n"


def _write_loss(problem: Problem) -> list[str]:
    labels = "labels" if problem.ignore_index is not None else "y"
    lines = [
        "import casadi as ca",
        "S = ca.MX.sym('W', *W.shape)",
        f"scores = ca.horzsplit((ca.DM({'X' if problem.X.ndim == 2 else 'X.reshape(-1, X.shape[-1])'}) @ S).T)",
    ]
    if problem.targets is None:
        lines.append(
            f"losses = [ca.logsumexp(s) - s[k] for s, k in zip(scores, {labels}.ravel().tolist(), strict=True)]"
        )
    else:
        lines.append(
            "losses = [ca.dot(t, ca.logsumexp(s) - s) for s, t in zip(scores, T.tolist(), strict=True)]"
        )
    if problem.weights is None:
        lines.append("loss = sum(losses) / len(losses)")
    else:
        lines.append("loss = ca.dot(w.ravel(), ca.vertcat(*losses)) / w.sum()")
    if problem.reg:
        lines.append("loss += reg * ca.sumsqr(S)")
    return lines


def prepare(problem: Problem) -> Prepared:
    """An expression graph of matrices, in float64, in which each example has its own log-sum-exp."""
    W = ca.MX.sym("W", *problem.W.shape)
    D, K = problem.W.shape
    features = problem.X.reshape(-1, D)
    X = ca.DM(features)
    losses = _write_losses(problem, X, W)
    loss = _sum_up(problem, losses, W)
    grad = ca.gradient(loss, W)
    compute = ca.Function("loss_and_grad", [W], [loss, grad])

    def build(inputs: list[Any], output: Any) -> Callable[..., np.ndarray]:
        function = ca.Function("mode", inputs, [output])
        return lambda *arguments: function(*arguments).full()

    def forward(W_: np.ndarray, V_: np.ndarray) -> Any:
        V = ca.MX.sym("V", D, K)
        return build([W, V], ca.jtimes(loss, W, V))(W_, V_).item()

    def hvp(W_: np.ndarray, V_: np.ndarray) -> Any:
        V = ca.MX.sym("V", D, K)
        return build([W, V], ca.jtimes(grad, W, V))(W_, V_)

    def hessian(W_: np.ndarray) -> np.ndarray:  # matrices are flattened column by column
        rows = build([W], ca.hessian(loss, W)[0])(W_)
        return rows.reshape(K, D, K, D).transpose(1, 0, 3, 2)

    def per_example(W_: np.ndarray) -> np.ndarray:
        return build([W], ca.jacobian(losses, W))(W_).reshape(-1, K, D).transpose(0, 2, 1)

    def vmap(stack: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        values, grads = compute.map(len(stack))(np.hstack(list(stack)))
        return values.full().ravel(), np.stack(np.hsplit(grads.full(), len(stack)))

    def inputs(W_: np.ndarray) -> np.ndarray:
        X = ca.MX.sym("X", *features.shape)
        value = _sum_up(problem, _write_losses(problem, X, W), W)
        return build([X, W], ca.gradient(value, X))(features, W_).reshape(problem.X.shape)

    return Prepared(
        place=ca.DM,
        loss_and_grad=lambda W: compute(W),
        to_numpy=lambda result: (np.asarray(float(result[0])), result[1].full()),
        modes={
            "forward": forward,
            "hvp": hvp,
            "hessian": hessian,
            "per_example": per_example,
            "vmap": vmap,
            "inputs": inputs,
        },
    )


def _write_losses(problem: Problem, X: Any, W: Any) -> Any:
    """The losses (N,), as an expression in W."""
    scores = ca.horzsplit((X @ W).T)
    if problem.targets is None:
        labels = problem.labels.reshape(-1).tolist()
        return ca.vertcat(*[ca.logsumexp(s) - s[label] for s, label in zip(scores, labels, strict=True)])
    targets = problem.targets.reshape(-1, problem.W.shape[1]).tolist()
    return ca.vertcat(*[ca.dot(t, ca.logsumexp(s) - s) for s, t in zip(scores, targets, strict=True)])


def _sum_up(problem: Problem, losses: Any, W: Any) -> Any:
    weights = None if problem.weights is None else ca.DM(problem.weights.reshape(-1))
    loss = problem.average(losses, weights, lambda a: ca.sum1(a) / a.shape[0], ca.sum1)
    return problem.penalized(loss, lambda: ca.norm_1(ca.vec(W)), lambda: ca.sumsqr(W))


def count_operations(N: int, D: int, K: int) -> float:
    """Operations. An example's expressions count as 2,000."""
    return N * (6.0 * D * K + 2e3)
