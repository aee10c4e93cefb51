"""NVIDIA Warp: kernels on arrays, compiled for the CPU, and wp.Tape."""

import functools
import inspect
import textwrap
from typing import Any, NamedTuple, no_type_check

import numpy as np
import warp as wp
import warp.autograd

from softjax.comparison.frameworks.protocol import Prepared, Problem

DTYPES = ("float64", "float32", "bfloat16", "float16")


def prepare(problem: Problem) -> Prepared:
    """Reverse mode on the kernels, which are compiled once for each type.

    What a loop has summed up is used in another kernel: in its own, the derivatives would be infinite.
    """
    real = getattr(wp, problem.dtype)
    kernels = _write_kernels(real)
    D, K = problem.W.shape
    features = problem.X.reshape(-1, D)
    N = len(features)
    X = wp.array(features, dtype=real)
    if problem.targets is not None:
        y = wp.array(problem.targets.reshape(-1, K), dtype=real)
    else:
        y = wp.array(problem.labels.reshape(-1), dtype=int)
    weights = np.ones(N, problem.W.dtype) if problem.weights is None else problem.weights.reshape(-1)
    w, norm = wp.array(weights, dtype=real), float(weights.sum())

    def compute_losses(W: Any, X: Any) -> Any:
        scores = wp.zeros((N, K), dtype=real, requires_grad=True)
        peaks = wp.zeros(N, dtype=real)
        sums = wp.zeros(N, dtype=real, requires_grad=True)
        losses = wp.zeros(N, dtype=real, requires_grad=True)
        wp.launch(kernels.compute_scores, (N, K), [X, W], [scores])
        wp.launch(kernels.find_peaks, N, [scores], [peaks], record_tape=False)  # their derivatives cancel
        wp.launch(kernels.sum_exponentials, N, [scores, peaks], [sums])
        last = kernels.pick_labels if problem.targets is None else kernels.compare_targets
        wp.launch(last, N, [scores, peaks, sums, y], [losses])
        return losses

    def compute_loss(W: Any, X: Any) -> Any:
        total = wp.zeros(1, dtype=real, requires_grad=True)
        loss = wp.zeros(1, dtype=real, requires_grad=True)
        wp.launch(kernels.add_losses, N, [compute_losses(W, X), w], [total])
        wp.launch(kernels.divide, 1, [total, norm], [loss])
        if problem.l1:
            wp.launch(kernels.add_abs, D, [W, problem.l1], [loss])
        if problem.l2:
            wp.launch(kernels.add_squares, D, [W, problem.l2], [loss])
        return loss

    def loss_and_grad(W: Any) -> tuple[Any, Any]:
        W.grad.zero_()
        with wp.Tape() as tape:
            loss = compute_loss(W, X)
        tape.backward(loss)
        return loss, W.grad

    def place(W: np.ndarray) -> Any:
        return wp.array(W, dtype=real, requires_grad=True)

    def per_example(W: np.ndarray) -> np.ndarray:
        jacobian = wp.autograd.jacobian(lambda W: compute_losses(W, X), inputs=[place(W)])
        return jacobian[0, 0].numpy().reshape(N, D, K)

    def inputs(W: np.ndarray) -> np.ndarray:
        at = wp.array(features, dtype=real, requires_grad=True)
        with wp.Tape() as tape:
            loss = compute_loss(wp.array(W, dtype=real), at)
        tape.backward(loss)
        return at.grad.numpy().reshape(problem.X.shape)

    return Prepared(
        place=place,
        loss_and_grad=loss_and_grad,
        to_numpy=lambda result: (result[0].numpy()[0], result[1].numpy()),
        modes={"per_example": per_example, "inputs": inputs},
        read_loss=lambda loss: loss.numpy()[0],
    )


class _Kernels(NamedTuple):
    compute_scores: Any
    find_peaks: Any
    sum_exponentials: Any
    pick_labels: Any
    compare_targets: Any
    add_losses: Any
    divide: Any
    add_abs: Any
    add_squares: Any


@functools.cache
def _write_kernels(real: Any) -> _Kernels:
    @wp.kernel(module="unique")
    @no_type_check
    def compute_scores(X: wp.array2d[real], W: wp.array2d[real], scores: wp.array2d[real]):
        i, k = wp.tid()
        score = real(0.0)
        for d in range(W.shape[0]):
            score += X[i, d] * W[d, k]
        scores[i, k] = score

    @wp.kernel(module="unique")
    @no_type_check
    def find_peaks(scores: wp.array2d[real], peaks: wp.array[real]):
        i = wp.tid()
        peak = scores[i, 0]
        for k in range(1, scores.shape[1]):
            peak = wp.max(peak, scores[i, k])
        peaks[i] = peak

    @wp.kernel(module="unique")
    @no_type_check
    def sum_exponentials(scores: wp.array2d[real], peaks: wp.array[real], sums: wp.array[real]):
        i = wp.tid()
        total = real(0.0)
        for k in range(scores.shape[1]):
            total += wp.exp(scores[i, k] - peaks[i])
        sums[i] = total

    @wp.kernel(module="unique")
    @no_type_check
    def pick_labels(
        scores: wp.array2d[real], peaks: wp.array[real], sums: wp.array[real],
        y: wp.array[int], losses: wp.array[real],
    ):  # fmt: skip
        i = wp.tid()
        losses[i] = wp.log(sums[i]) + peaks[i] - scores[i, y[i]]

    @wp.kernel(module="unique")
    @no_type_check
    def compare_targets(
        scores: wp.array2d[real], peaks: wp.array[real], sums: wp.array[real],
        T: wp.array2d[real], losses: wp.array[real],
    ):  # fmt: skip
        i = wp.tid()
        loss = real(0.0)
        for k in range(scores.shape[1]):
            loss += T[i, k] * (wp.log(sums[i]) + peaks[i] - scores[i, k])
        losses[i] = loss

    @wp.kernel(module="unique")
    @no_type_check
    def add_losses(losses: wp.array[real], w: wp.array[real], total: wp.array[real]):
        i = wp.tid()
        wp.atomic_add(total, 0, w[i] * losses[i])

    @wp.kernel(module="unique")
    @no_type_check
    def divide(total: wp.array[real], norm: real, loss: wp.array[real]):
        loss[0] = total[0] / norm

    @wp.kernel(module="unique")
    @no_type_check
    def add_abs(W: wp.array2d[real], l1: real, loss: wp.array[real]):
        d = wp.tid()
        total = real(0.0)
        for k in range(W.shape[1]):
            total += wp.abs(W[d, k])
        wp.atomic_add(loss, 0, l1 * total)

    @wp.kernel(module="unique")
    @no_type_check
    def add_squares(W: wp.array2d[real], l2: real, loss: wp.array[real]):
        d = wp.tid()
        total = real(0.0)
        for k in range(W.shape[1]):
            total += W[d, k] * W[d, k]
        wp.atomic_add(loss, 0, l2 * total)

    return _Kernels(
        compute_scores,
        find_peaks,
        sum_exponentials,
        pick_labels,
        compare_targets,
        add_losses,
        divide,
        add_abs,
        add_squares,
    )


def count_operations(N: int, D: int, K: int) -> float:
    """Operations. The launches of kernels count as 200,000."""
    return 6.0 * N * D * K + 2e5


def write_script(problem: Problem) -> str:
    """The kernels, launched within a tape."""
    kernels = _write_kernels(getattr(wp, problem.dtype))
    last = kernels.pick_labels if problem.targets is None else kernels.compare_targets
    used = [kernels.compute_scores, kernels.find_peaks, kernels.sum_exponentials, last]
    used += [kernels.add_losses, kernels.divide] + ([kernels.add_squares] if problem.reg else [])
    sources = "\n".join(
        textwrap.dedent(inspect.getsource(kernel.func))
        .replace("@no_type_check\n", "")
        .replace("  # fmt: skip", "")
        for kernel in used
    )
    labels = "labels" if problem.ignore_index is not None else "y"
    if problem.targets is None:
        y = f"wp.array({labels}.ravel(), dtype=int)"
    else:
        y = "wp.array(T.reshape(-1, K), dtype=real)"
    weights = "np.ones(N)" if problem.weights is None else "w.ravel()"
    penalty = "    wp.launch(add_squares, D, [W, reg], [loss])\n" if problem.reg else ""
    return f"""\
import warp as wp
real = wp.{problem.dtype}
{sources}
(D, K), N = W.shape, X[..., 0].size
X, W = wp.array(X.reshape(-1, D), dtype=real), wp.array(W, dtype=real, requires_grad=True)
y = {y}
weights, norm = wp.array({weights}, dtype=real), {weights}.sum()
scores, sums, losses, total, loss = (
    wp.zeros(shape, dtype=real, requires_grad=True) for shape in ((N, K), N, N, 1, 1)
)
peaks = wp.zeros(N, dtype=real)
with wp.Tape() as tape:
    wp.launch(compute_scores, (N, K), [X, W], [scores])
    wp.launch(find_peaks, N, [scores], [peaks], record_tape=False)
    wp.launch(sum_exponentials, N, [scores, peaks], [sums])
    wp.launch({last.func.__name__}, N, [scores, peaks, sums, y], [losses])
    wp.launch(add_losses, N, [losses, weights], [total])
    wp.launch(divide, 1, [total, norm], [loss])
{penalty}tape.backward(loss)
print(loss, W.grad)
"""
