"""Taichi: kernels on fields, compiled for the CPU, and ti.ad.Tape."""

import inspect
from typing import Any, NamedTuple, no_type_check

import numpy as np
import taichi as ti

from softjax.comparison.frameworks.protocol import Prepared, Problem

DTYPES = ("float64", "float32", "float16")


@ti.kernel
@no_type_check
def compute_scores(X: ti.template(), W: ti.template(), scores: ti.template()):
    for i, k in scores:
        scores[i, k] = 0.0
    for i in range(X.shape[0]):
        for d in range(X.shape[1]):
            for k in range(scores.shape[1]):
                scores[i, k] += X[i, d] * W[d * scores.shape[1] + k]


@ti.kernel
@no_type_check
def find_peaks(scores: ti.template(), peaks: ti.template()):
    for i in peaks:
        peaks[i] = scores[i, 0]
        for k in range(1, scores.shape[1]):
            peaks[i] = ti.max(peaks[i], scores[i, k])


@ti.kernel
@no_type_check
def sum_exponentials(scores: ti.template(), peaks: ti.template(), sums: ti.template()):
    for i in sums:
        sums[i] = 0.0
        for k in range(scores.shape[1]):
            sums[i] += ti.exp(scores[i, k] - peaks[i])


@ti.kernel
@no_type_check
def pick_labels(
    scores: ti.template(), peaks: ti.template(), sums: ti.template(), y: ti.template(),
    w: ti.template(), total: ti.template(),
):  # fmt: skip
    for i in sums:
        total[None] += w[i] * (ti.log(sums[i]) + peaks[i] - scores[i, y[i]])


@ti.kernel
@no_type_check
def compare_targets(
    scores: ti.template(), peaks: ti.template(), sums: ti.template(), T: ti.template(),
    w: ti.template(), total: ti.template(),
):  # fmt: skip
    for i, k in scores:
        total[None] += w[i] * T[i, k] * (ti.log(sums[i]) + peaks[i] - scores[i, k])


@ti.kernel
@no_type_check
def divide(total: ti.template(), norm: float, loss: ti.template()):
    loss[None] += total[None] / norm


@ti.kernel
@no_type_check
def add_abs(W: ti.template(), l1: float, loss: ti.template()):
    for j in W:
        loss[None] += l1 * ti.abs(W[j])


@ti.kernel
@no_type_check
def add_squares(W: ti.template(), l2: float, loss: ti.template()):
    for j in W:
        loss[None] += l2 * W[j] * W[j]


class _Fields(NamedTuple):
    """X (N, D), W (D K,), labels (N,) or targets (N, K), weights (N,), what the kernels compute, and the loss.

    W has one axis because forward mode takes no other parameters.
    """

    X: Any
    W: Any
    y: Any
    w: Any
    scores: Any
    peaks: Any
    sums: Any
    total: Any
    loss: Any


def prepare(problem: Problem) -> Prepared:
    """Reverse mode on the kernels. A process has one program of Taichi: a problem ends where the next one begins."""
    ti.init(arch=ti.cpu, default_fp=getattr(ti, problem.dtype))
    fields = _place(problem, needs_grad=True)

    def loss_and_grad(W: np.ndarray) -> tuple[Any, np.ndarray]:
        fields.W.from_numpy(W)
        with ti.ad.Tape(fields.loss):
            _compute(problem, fields)
        return fields.loss.to_numpy(), fields.W.grad.to_numpy()

    def forward(W: np.ndarray, V: np.ndarray) -> Any:
        fields = _place(problem, needs_dual=True)
        fields.W.from_numpy(W.ravel())
        with ti.ad.FwdMode(fields.loss, fields.W, seed=V.ravel().tolist()):
            _compute(problem, fields)
        return fields.loss.dual[None]

    def inputs(W: np.ndarray) -> np.ndarray:
        fields = _place(problem, needs_grad=True, of_inputs=True)
        fields.W.from_numpy(W.ravel())
        with ti.ad.Tape(fields.loss):
            _compute(problem, fields)
        return fields.X.grad.to_numpy().reshape(problem.X.shape)

    return Prepared(
        place=np.ravel,
        loss_and_grad=loss_and_grad,
        to_numpy=lambda result: (result[0], result[1].reshape(problem.W.shape)),
        modes={"forward": forward, "inputs": inputs},
    )


def _place(problem: Problem, of_inputs: bool = False, **derivatives: bool) -> _Fields:
    real = getattr(ti, problem.dtype)
    D, K = problem.W.shape
    N = problem.X[..., 0].size
    weights = np.ones(N, problem.W.dtype) if problem.weights is None else problem.weights.reshape(-1)
    fields = _Fields(
        X=ti.field(real, (N, D), **(derivatives if of_inputs else {})),
        W=ti.field(real, D * K, **derivatives),
        y=ti.field(ti.i32, N) if problem.targets is None else ti.field(real, (N, K)),
        w=ti.field(real, N),
        scores=ti.field(real, (N, K), **derivatives),
        peaks=ti.field(real, N),
        sums=ti.field(real, N, **derivatives),
        total=ti.field(real, (), **derivatives),
        loss=ti.field(real, (), **derivatives),
    )
    fields.X.from_numpy(problem.X.reshape(-1, D))
    y = problem.labels.reshape(-1) if problem.targets is None else problem.targets.reshape(-1, K)
    fields.y.from_numpy(y)
    fields.w.from_numpy(weights)
    return fields


def _compute(problem: Problem, fields: _Fields) -> None:
    X, W, y, w, scores, peaks, sums, total, loss = fields
    norm = float(y.shape[0] if problem.weights is None else problem.weights.sum())
    total[None] = 0
    compute_scores(X, W, scores)
    ti.ad.no_grad(find_peaks)(scores, peaks)  # their derivatives cancel
    sum_exponentials(scores, peaks, sums)
    (pick_labels if problem.targets is None else compare_targets)(scores, peaks, sums, y, w, total)
    divide(total, norm, loss)
    if problem.l1:
        add_abs(W, problem.l1, loss)
    if problem.l2:
        add_squares(W, problem.l2, loss)


def write_script(problem: Problem) -> str:
    """The kernels, called within a tape."""
    calls = _write_calls(problem)
    return f"""\
{_write_start(problem, "needs_grad")}with ti.ad.Tape(loss):
{calls}print(loss[None], W.grad.to_numpy().reshape(D, K))
"""


def write_forward(problem: Problem) -> str:
    """The kernels, called in forward mode along `basis`."""
    calls = _write_calls(problem).replace("    ", "        ")
    return f"""\
{_write_start(problem, "needs_dual")}for V in basis:
    total.fill(0), loss.fill(0)
    with ti.ad.FwdMode(loss, W, seed=V.ravel().tolist()):
{calls}    print(loss[None], loss.dual[None])
"""


def _write_start(problem: Problem, needs: str) -> str:
    """The start of scripts: the kernels that the problem takes, and its fields."""
    kernels = [compute_scores, find_peaks, sum_exponentials]
    kernels.append(pick_labels if problem.targets is None else compare_targets)
    kernels += [divide, add_squares] if problem.reg else [divide]
    sources = "\n".join(inspect.getsource(kernel).replace("@no_type_check\n", "") for kernel in kernels)
    labels = "labels" if problem.ignore_index is not None else "y"
    y = (
        f"place({labels}.ravel(), N, ti.i32)"
        if problem.targets is None
        else "place(T.reshape(-1, K), (N, K))"
    )
    weights = "np.ones(N)" if problem.weights is None else "w.ravel()"
    return f"""\
import taichi as ti
ti.init(arch=ti.cpu, default_fp=ti.{problem.dtype})
{sources.replace("  # fmt: skip", "")}
def place(a, shape, dtype=ti.{problem.dtype}, **options):
    field = ti.field(dtype, shape, **options)
    field.from_numpy(a)
    return field
(D, K), N = W.shape, X[..., 0].size
X, W, y = place(X.reshape(-1, D), (N, D)), place(W.ravel(), D * K, {needs}=True), {y}
weights, norm = place({weights}, N), {weights}.sum()
scores, sums, total, loss = (
    ti.field(ti.{problem.dtype}, shape, {needs}=True) for shape in ((N, K), N, (), ())
)
peaks = ti.field(ti.{problem.dtype}, N)
"""


def _write_calls(problem: Problem) -> str:
    kernel = "pick_labels" if problem.targets is None else "compare_targets"
    return f"""\
    compute_scores(X, W, scores)
    ti.ad.no_grad(find_peaks)(scores, peaks)
    sum_exponentials(scores, peaks, sums)
    {kernel}(scores, peaks, sums, y, weights, total)
    divide(total, norm, loss)
{"    add_squares(W, reg, loss)" + chr(10) if problem.reg else ""}"""


def count_operations(N: int, D: int, K: int) -> float:
    """Operations. The launches of kernels count as two million."""
    return 6.0 * N * D * K + 2e6
