"""The two losses of the course and their gradients in plain NumPy, in loops and in matrix products.

They are references: they share no code with the losses and penalties of the rest of the library.

All four take the same arguments: weights `W` (D, K), features `X` (N, D), labels `y` (N,) of integers 0..K−1, and the
penalty's strength `reg`. They return the loss, mean over the examples plus reg ΣW², and its gradient (D, K), both in
the wider of the types of `W` and `X` (float64 for integers). They raise `InputError` if shapes do not fit, if there are
no examples, or if a label lies outside 0..K−1.
"""

import numpy as np
from jaxtyping import Float, Integer, Num

from softjax.errors import InputError

LossAndGrad = tuple[np.floating, Float[np.ndarray, "D K"]]


def softmax_loss_naive(
    W: Num[np.ndarray, "D K"], X: Num[np.ndarray, "N D"], y: Integer[np.ndarray, " N"], reg: float
) -> LossAndGrad:
    """1/N Σᵢ −log softmax(X[i] @ W)[y[i]] + reg ΣW² and its gradient, example by example and class by class.

    The gradient is 1/N Σᵢ (p[k] − 1[y[i] = k]) X[i] in column k, and 2 reg W. Arguments: see `softjax.cs231n.losses`.
    """
    W, X = check_and_cast(W, X, y)
    loss, dW = W.dtype.type(0), np.zeros_like(W)
    for x, label in zip(X, y, strict=True):
        s = x @ W
        s = s - s.max()  # the largest exponential is 1
        total = np.exp(s).sum()
        loss += np.log(total) - s[label]
        for k in range(W.shape[1]):
            dW[:, k] += (np.exp(s[k]) / total - (k == label)) * x
    return _add_penalty(loss / W.dtype.type(len(X)), dW / W.dtype.type(len(X)), W, reg)


def softmax_loss_vectorized(
    W: Num[np.ndarray, "D K"], X: Num[np.ndarray, "N D"], y: Integer[np.ndarray, " N"], reg: float
) -> LossAndGrad:
    """The same as `softmax_loss_naive` in two matrix products, with the gradient 1/N Xᵀ (p − onehot(y)) + 2 reg W."""
    W, X = check_and_cast(W, X, y)
    rows = np.arange(len(X))
    s = X @ W
    s -= s.max(axis=1, keepdims=True)
    p = np.exp(s)
    total = p.sum(axis=1)
    # log Σ exp(s) − s[y], not −log p[y]: where p[y] rounds to 0 the loss is large, not infinite
    loss = (np.log(total) - s[rows, y]).mean()
    p /= total[:, None]
    p[rows, y] -= 1
    p /= W.dtype.type(len(X))
    return _add_penalty(loss, X.T @ p, W, reg)


def svm_loss_naive(
    W: Num[np.ndarray, "D K"], X: Num[np.ndarray, "N D"], y: Integer[np.ndarray, " N"], reg: float
) -> LossAndGrad:
    """1/N Σᵢ Σ_{k≠y[i]} max(0, s[k] − s[y[i]] + 1) + reg ΣW² with s = X[i] @ W, and its gradient, in loops.

    Each margin above 0 adds X[i] / N to column k and subtracts it from column y[i]. A margin of exactly 0 adds nothing.
    Arguments: see `softjax.cs231n.losses`.
    """
    W, X = check_and_cast(W, X, y)
    loss, dW = W.dtype.type(0), np.zeros_like(W)
    for x, label in zip(X, y, strict=True):
        s = x @ W
        for k in range(W.shape[1]):
            margin = s[k] - s[label] + W.dtype.type(1)
            if k != label and margin > 0:
                loss += margin
                dW[:, k] += x
                dW[:, label] -= x
    return _add_penalty(loss / W.dtype.type(len(X)), dW / W.dtype.type(len(X)), W, reg)


def svm_loss_vectorized(
    W: Num[np.ndarray, "D K"], X: Num[np.ndarray, "N D"], y: Integer[np.ndarray, " N"], reg: float
) -> LossAndGrad:
    """The same as `svm_loss_naive` in two matrix products, with the gradient 1/N Xᵀ Q + 2 reg W.

    Q is 1 at violated margins, and at the label −(their number).
    """
    W, X = check_and_cast(W, X, y)
    rows = np.arange(len(X))
    s = X @ W
    margins = np.maximum(s - s[rows, y][:, None] + W.dtype.type(1), 0)
    margins[rows, y] = 0
    Q = (margins > 0).astype(W.dtype)
    Q[rows, y] = -Q.sum(axis=1)
    Q /= W.dtype.type(len(X))
    return _add_penalty(margins.sum(axis=1).mean(), X.T @ Q, W, reg)


def check_and_cast(
    W: Num[np.ndarray, "D K"], X: Num[np.ndarray, "N D"], y: Integer[np.ndarray, " N"]
) -> tuple[Float[np.ndarray, "D K"], Float[np.ndarray, "N D"]]:
    """Checks the arguments of a loss, and returns `W` and `X` in one floating type. Raises `InputError`, see above."""
    check_examples(X, y)
    if W.ndim != 2 or W.shape[0] != X.shape[1]:
        raise InputError(f"W must be (D, K) with the D = {X.shape[1]} of X {X.shape}, got {W.shape}")
    if y.max() >= W.shape[1]:
        raise InputError(
            f"y holds the label {y.max()}, expected 0..{W.shape[1] - 1}: W {W.shape} has a column a class"
        )
    dtype = np.result_type(W, X) if "f" in W.dtype.kind + X.dtype.kind else np.dtype(np.float64)
    if dtype.kind != "f":
        raise InputError(f"W and X must hold real numbers, got {W.dtype} and {X.dtype}")
    return W.astype(dtype, copy=False), X.astype(dtype, copy=False)


def check_examples(X: Num[np.ndarray, "N D"], y: Integer[np.ndarray, " N"]) -> None:
    """Raises `InputError` unless these are N examples, at least one, with integer labels from 0 on."""
    if X.ndim != 2:
        raise InputError(
            f"X must be (N, D), a row an example, got {X.shape}: images are reshaped with X.reshape(len(X), -1)"
        )
    if len(X) == 0:
        raise InputError("X holds no examples: the mean loss of none is undefined")
    if y.shape != (len(X),) or y.dtype.kind not in "iu":
        raise InputError(f"y must be (N,) = ({len(X)},) integers, got {y.shape} of {y.dtype}")
    if y.min() < 0:
        raise InputError(f"y holds the label {y.min()}, expected integers from 0 on")


def _add_penalty(
    loss: np.floating, dW: Float[np.ndarray, "D K"], W: Float[np.ndarray, "D K"], reg: float
) -> LossAndGrad:
    strength = W.dtype.type(reg)
    return loss + strength * (W * W).sum(), dW + 2 * strength * W
