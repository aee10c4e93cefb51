"""The true objective and gradient, for comparison with every framework. It is more precise than all compared types.

It is written from the definitions and shares no code with `softjax.objective`.

mpmath computes small problems with 50 digits. Larger problems are computed in extended precision. Their matrices are
split into slices with so few bits that float64 products of slices, and the sums of these products, are exact (Ozaki,
Ogita, Oishi and Rump, *Error-free transformations of matrix multiplication*, 2012). Everything between the two matrix
products is computed in `numpy.longdouble`, which has 64 bits on x86, and 113 on ARM under Linux. On Windows and on
macOS on ARM it has no more bits than float64; errors of float64 are then only known to about one rounding.
"""

import math
from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np
from jaxtyping import Float, Integer, Num, Shaped

DIGITS = 50
MPMATH_AT_MOST = 20_000  # products N D K; a few tenths of a second
SLICES = 4

Pair = tuple[Any, Any]  # a value rounded to float64, and the rest


@dataclass(frozen=True)
class Truth:
    """The loss and gradient, each the exact sum of two float64 numbers, and the size of one rounding of each.

    **Fields:**

    - `loss`, `loss_rest`; `grad`, `grad_rest` (D, K): the true values are `loss + loss_rest` and `grad + grad_rest`.
    - `loss_unit`, `grad_unit` (D, K): Σ|terms|, the sum of the magnitudes of all terms of a result, to first order.
      Multiplied by the unit roundoff of a type, this is one rounding of the result, the unit of errors. With e = |X| |W| for the products in the scores, it is
      1/N |X|ᵀ (p + t + p ∘ ((1 − p) ∘ e + Σ_{j≠k} pⱼ eⱼ)) + |∇penalty| + |∇L| for the gradient, and the mean of
      |ℓ| + 1 + Σₖ |pₖ − tₖ| eₖ, plus |penalty|, for the loss; t is one-hot for a label.
    """

    loss: float
    loss_rest: float
    grad: Float[np.ndarray, "D K"]
    grad_rest: Float[np.ndarray, "D K"]
    loss_unit: float
    grad_unit: Float[np.ndarray, "D K"]


def truth(
    W: Num[np.ndarray, "D K"],
    X: Num[np.ndarray, "N D"],
    y: Integer[np.ndarray, " N"] | Float[np.ndarray, "N K"],
    l1: float = 0.0,
    l2: float = 0.0,
) -> Truth:
    """1/N Σᵢ −Σₖ tᵢₖ log softmax(X[i] @ W)[k] + l1 Σ|W| + l2 ΣW² and its gradient, for finite X.

    **Arguments:**

    - `W`: weights (D, K), `X`: features (N, D). Their values count as exact. An entry of `W` may be −∞ if the features
      that multiply it are positive; then the class has probability 0.
    - `y`: labels (N,), integers 0..K−1, whose targets are one-hot; or targets (N, K), not negative, of any sum: a
      weight of an example is a factor of its row.
    - `l1`, `l2`: the coefficients of the penalty.

    Raises `ValueError` if there are no examples, if a label lies outside 0..K−1, or if a problem with targets is large.
    """
    if len(X) == 0:
        raise ValueError("the mean loss of no examples is undefined")
    if y.ndim == 1 and (y.min() < 0 or y.max() >= W.shape[1]):
        raise ValueError(f"y must hold labels 0..{W.shape[1] - 1}, got {y.min()} to {y.max()}")
    W, X = W.astype(np.float64), X.astype(np.float64)
    if X.size * W.shape[1] <= MPMATH_AT_MOST:
        (loss, loss_rest), (grad, grad_rest) = compute_by_mpmath(W, X, y, l1, l2)
    elif y.ndim > 1:
        raise ValueError(f"targets are for N D K of at most {MPMATH_AT_MOST:,}, got {X.size * W.shape[1]:,}")
    else:
        (loss, loss_rest), (grad, grad_rest) = compute_extended(W, X, y, l1, l2)
    loss_unit, grad_unit = compute_units(W, X, y, l1, l2)
    with np.errstate(invalid="ignore"):
        return Truth(
            loss=float(loss),
            loss_rest=float(loss_rest),
            grad=grad,
            grad_rest=grad_rest,
            loss_unit=loss_unit + abs(float(loss)),
            grad_unit=grad_unit + np.abs(grad),
        )


def evaluate_by_mpmath(
    W: Num[np.ndarray, "D K"],
    X: Num[np.ndarray, "N D"],
    y: Integer[np.ndarray, " N"] | Float[np.ndarray, "N K"],
    l1: float,
    l2: float,
    digits: int = DIGITS,
) -> tuple[Any, list[list[Any]]]:
    """The loss and its gradient (D, K) as numbers of mpmath, from the definition p = exp(s) / Σ exp(s).

    **Arguments:** as `truth`; `digits` is the precision.
    """
    mp = mpmath.MPContext()  # a new context, because all threads share the precision of mpmath.mp
    mp.dps = digits
    (N, D), K = X.shape, W.shape[1]
    w = [[mp.mpf(float(v)) for v in row] for row in W]
    loss, grad = mp.mpf(0), [[mp.mpf(0)] * K for _ in range(D)]
    for row, shares in zip(X.tolist(), _as_targets(y, K).tolist(), strict=True):
        x, t = [mp.mpf(v) for v in row], [mp.mpf(v) for v in shares]
        s = [mp.fsum(x[d] * w[d][k] for d in range(D) if x[d] != 0) for k in range(K)]
        e = [mp.exp(v - max(s)) for v in s]
        total, whole = mp.fsum(e), mp.fsum(t)
        for k in range(K):
            q = e[k] / total * (whole - t[k])
            if t[k]:
                # not from 1 − pₖ, which loses all digits if pₖ is very close to 1
                others = mp.fsum(e[:k] + e[k + 1 :])
                loss += mp.inf if e[k] == 0 else t[k] * mp.log1p(others / e[k])
                q -= t[k] * others / total
            for d in range(D):
                grad[d][k] += x[d] * q / N
    loss /= N
    for d in range(D):
        for k in range(K):
            if l1:
                loss += l1 * abs(w[d][k])
                grad[d][k] += l1 * mp.sign(w[d][k])
            if l2:
                loss += l2 * w[d][k] ** 2
                grad[d][k] += 2 * l2 * w[d][k]
    return loss, grad


def multiply(A: Shaped[np.ndarray, "M L"], B: Shaped[np.ndarray, "L P"]) -> Shaped[np.ndarray, "M P"]:
    """A @ B in `numpy.longdouble`, at the speed of ten float64 products.

    Each matrix is split into four slices of b bits, relative to the largest entry of the row or column. Products of
    slices are exact because 2 b + log₂ L ≤ 53. Products smaller than the last slice are left out.
    """
    bits = (53 - math.ceil(math.log2(max(2, A.shape[1])))) // 2
    left, right = _split(A, bits, axis=1), _split(B, bits, axis=0)
    total = np.zeros((A.shape[0], B.shape[1]), np.longdouble)
    for order in reversed(range(SLICES)):  # the smallest first
        for i in range(order + 1):
            if i < len(left) and order - i < len(right):
                total += left[i] @ right[order - i]
    return total


def _split(A: Shaped[np.ndarray, "M L"], bits: int, axis: int) -> list[Float[np.ndarray, "M L"]]:
    """A as a sum of slices, the largest first, each relative to the largest entry along `axis`."""
    slices = []
    precision = np.finfo(A.dtype).nmant + 1
    for _ in range(SLICES):
        largest = np.abs(A).max(axis=axis, keepdims=True, initial=0)
        if not largest.any():
            break
        _, exponent = np.frexp(largest)
        shift = np.ldexp(A.dtype.type(1), exponent + precision - bits)
        part = (A + shift) - shift  # rounded to a multiple of 2^(exponent − bits)
        slices.append(part.astype(np.float64))
        A = A - part
    return slices


def compute_by_mpmath(W: np.ndarray, X: np.ndarray, y: np.ndarray, l1: float, l2: float) -> tuple[Pair, Pair]:
    """The loss and gradient with `DIGITS` digits, each with its rest."""
    loss, grad = evaluate_by_mpmath(W, X, y, l1, l2)
    head = np.array([[float(v) for v in row] for row in grad]).reshape(W.shape)
    rest = [[float(v - float(v)) for v in row] for row in grad]
    return (float(loss), float(loss - float(loss))), (head, np.array(rest).reshape(W.shape))


def compute_extended(W: np.ndarray, X: np.ndarray, y: np.ndarray, l1: float, l2: float) -> tuple[Pair, Pair]:
    """The loss and gradient in extended precision, each with its rest."""
    rows = np.arange(len(X))
    s = multiply(X, W)
    s -= s.max(axis=1, keepdims=True)
    at_label = s[rows, y].copy()
    e = np.exp(s, out=s)
    total = e.sum(axis=1)
    e[rows, y] = 0
    others = e.sum(axis=1)
    losses = np.where(at_label == 0, np.log1p(others), np.log(total) - at_label)
    Q = np.divide(e, total[:, None], out=e)
    Q[rows, y] = -others / total
    wide = W.astype(np.longdouble)
    loss = losses.mean() + l1 * np.abs(wide).sum() + l2 * (wide * wide).sum()
    grad = multiply(np.ascontiguousarray(X.T), Q) / len(X) + l1 * np.sign(wide) + 2 * l2 * wide
    return _split_in_two(np.asarray(loss)), _split_in_two(grad)


def _split_in_two(value: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    head = np.asarray(value, np.float64)
    return head, np.asarray(value - head, np.float64)


def compute_units(
    W: np.ndarray, X: np.ndarray, y: np.ndarray, l1: float, l2: float
) -> tuple[float, np.ndarray]:
    """`loss_unit` and `grad_unit` of `Truth`, without their last terms |ℓ| and |∇L|."""
    size, targets = np.abs(X), _as_targets(y, W.shape[1])
    whole = targets.sum(axis=1, keepdims=True)
    with np.errstate(all="ignore"):
        weights = np.where(np.isfinite(W), np.abs(W), 0)  # a weight of −∞ has no rounding error
        s = X @ W
        p = np.exp(s - s.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        e = size @ weights
        mean = (p * e).sum(axis=1, keepdims=True)  # of the shifts by the rounding errors of the scores
        moved = (np.abs(whole * p - targets) * e).sum(axis=1)
        loss = float((moved + whole[:, 0]).mean() + l1 * weights.sum() + l2 * (weights**2).sum())
        terms = whole * p * (1 + mean + (1 - 2 * p) * e) + targets
        grad = size.T @ terms / len(X)
        if l1:
            grad += l1
        if l2:
            grad += 2 * l2 * weights
    return loss, grad


def _as_targets(y: np.ndarray, K: int) -> np.ndarray:
    """The one-hot rows of labels, or the targets as they are, (N, K)."""
    if y.ndim > 1:
        return y.astype(np.float64)
    targets = np.zeros((len(y), K))
    targets[np.arange(len(y)), y] = 1
    return targets
