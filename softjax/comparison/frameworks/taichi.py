"""Taichi: kernels on fields, compiled for the CPU, and ti.ad.Tape."""

from collections.abc import Callable
from typing import Any, no_type_check

import numpy as np
import taichi as ti

from softjax.comparison.frameworks.protocol import Prepared, Problem

DTYPES = ("float64", "float32")


def prepare(problem: Problem) -> Prepared:
    """Reverse mode on the kernels. A process has one program of Taichi: a problem ends with the next one."""
    ti.init(arch=ti.cpu, default_fp=getattr(ti, problem.dtype))
    W, _, loss, compute = _build(problem)

    def loss_and_grad(values: np.ndarray) -> tuple[Any, np.ndarray]:
        W.from_numpy(values)
        with ti.ad.Tape(loss):
            compute()
        return loss[None], W.grad.to_numpy()

    def forward(values: np.ndarray, V: np.ndarray) -> Any:
        W, _, loss, compute = _build(problem, needs_dual=True)
        W.from_numpy(values.ravel())
        with ti.ad.FwdMode(loss, W, seed=V.ravel().tolist()):
            compute()
        return loss.dual[None]

    def inputs(values: np.ndarray) -> np.ndarray:
        W, X, loss, compute = _build(problem, needs_grad=True)
        W.from_numpy(values.ravel())
        with ti.ad.Tape(loss):
            compute()
        return X.grad.to_numpy().reshape(problem.X.shape)

    return Prepared(
        place=np.ravel,
        loss_and_grad=loss_and_grad,
        to_numpy=lambda result: (np.asarray(result[0]), result[1].reshape(problem.W.shape)),
        modes={"forward": forward, "inputs": inputs},
    )


def _build(
    problem: Problem, needs_grad: bool = False, needs_dual: bool = False
) -> tuple[Any, Any, Any, Callable[[], None]]:
    """W (D K,), X (N, D), the loss, and the kernels that compute it. Forward mode takes only parameters of one axis."""
    real = getattr(ti, problem.dtype)
    D, K = problem.W.shape
    data = problem.X.reshape(-1, D)
    N = len(data)
    l1, l2 = problem.l1, problem.l2

    def fill(type_: Any, values: np.ndarray, **options: bool) -> Any:
        field = ti.field(type_, values.shape, **options)
        field.from_numpy(values)
        return field

    X = fill(real, data, needs_grad=needs_grad)
    weights = np.ones(N, problem.W.dtype) if problem.weights is None else problem.weights.reshape(-1)
    w, norm = fill(real, weights), float(weights.sum())
    soft = problem.targets is not None
    y = fill(real, problem.targets.reshape(-1, K)) if soft else fill(ti.i32, problem.labels.reshape(-1))
    W, scores, peak, total, loss = (
        ti.field(real, shape, needs_grad=True, needs_dual=needs_dual)
        for shape in ((D * K,), (N, K), (N,), (N,), ())
    )

    @ti.kernel
    @no_type_check
    def compute_scores():
        for i, k in scores:
            scores[i, k] = 0.0
            for d in range(D):
                scores[i, k] += X[i, d] * W[d * K + k]

    @ti.kernel
    @no_type_check
    def find_peak():
        for i in peak:
            peak[i] = scores[i, 0]
            for k in range(1, K):
                peak[i] = ti.max(peak[i], scores[i, k])

    @ti.kernel
    @no_type_check
    def sum_exponentials():
        for i in total:
            total[i] = 0.0
            for k in range(K):
                total[i] += ti.exp(scores[i, k] - peak[i])

    @ti.kernel
    @no_type_check
    def add_losses():
        for i in total:
            if ti.static(soft):
                for k in range(K):
                    loss[None] += w[i] * y[i, k] * (ti.log(total[i]) + peak[i] - scores[i, k]) / norm
            else:
                loss[None] += w[i] * (ti.log(total[i]) + peak[i] - scores[i, y[i]]) / norm

    @ti.kernel
    @no_type_check
    def add_penalty():
        for j in W:
            if ti.static(l1 != 0):
                loss[None] += l1 * ti.abs(W[j])
            if ti.static(l2 != 0):
                loss[None] += l2 * W[j] ** 2

    @ti.ad.no_grad
    def find_constant_peak() -> None:  # its derivatives cancel
        find_peak()

    def compute() -> None:
        loss[None] = 0.0
        compute_scores()
        find_constant_peak()
        sum_exponentials()
        add_losses()
        if l1 or l2:
            add_penalty()

    return W, X, loss, compute
