"""NumPy, example by example and class by class: the course's naive solution."""

import numpy as np

from softjax.comparison.frameworks.protocol import Prepared, Problem
from softjax.comparison.frameworks.shared_numpy import (
    flatten_examples,
    name_targets,
    write_flat,
    write_slope,
)

DTYPES = ("float64", "float32", "float16")


def prepare(problem: Problem) -> Prepared:
    """The gradient by hand, (p − 1[y=k]) xᵢ added up in Python."""
    X, targets, given = flatten_examples(problem)
    weights = np.ones(len(X), problem.W.dtype) if given is None else given

    def loss_and_grad(W: np.ndarray) -> tuple[np.floating, np.ndarray]:
        loss, dW = W.dtype.type(0), np.zeros_like(W)
        for x, t, w in zip(X, targets, weights, strict=True):
            shifted = x @ W
            shifted = shifted - shifted.max()
            e = np.exp(shifted)
            total = e.sum()
            loss += w * (np.log(total) - shifted[t] if t.ndim == 0 else (t * (np.log(total) - shifted)).sum())
            p = e / total
            for k in range(W.shape[1]):
                dW[:, k] += w * (p[k] - (k == t if t.ndim == 0 else t[k])) * x
        loss = problem.penalized(loss / weights.sum(), lambda: np.abs(W).sum(), lambda: (W * W).sum())
        dW /= weights.sum()
        return loss, problem.with_slope(dW, W, np.sign)

    return Prepared(place=np.array, loss_and_grad=loss_and_grad, to_numpy=lambda result: result)


def write_script(problem: Problem) -> str:
    """The same loops."""
    names = {"X": "x", name_targets(problem): "label" if problem.targets is None else "t"}
    weight, total = "", "W.dtype.type(len(X))"
    if problem.weights is not None:
        names["w"], weight, total = "weight", "weight * ", "w.sum()"
    loss, share = ("log_total - shifted[label]", "(k == label)")
    if problem.targets is not None:
        loss, share = ("(t * (log_total - shifted)).sum()", "t[k]")
    penalty = " + reg * (W * W).sum()" if problem.reg else ""
    return f"""\
{write_flat(problem)}loss, dW = W.dtype.type(0), np.zeros_like(W)
for {", ".join(names.values())} in zip({", ".join(names)}, strict=True):
    shifted = x @ W - (x @ W).max()
    log_total = np.log(np.exp(shifted).sum())
    loss += {f"weight * ({loss})" if weight else loss}
    p = np.exp(shifted) / np.exp(shifted).sum()
    for k in range(W.shape[1]):
        dW[:, k] += {weight}(p[k] - {share}) * x
print(loss / {total}{penalty}, dW / {total}{write_slope(problem)})
"""


def count_operations(N: int, D: int, K: int) -> float:
    """Operations. One turn of the inner loop in Python counts as 30,000."""
    return N * K * (4 * D + 3e4)
