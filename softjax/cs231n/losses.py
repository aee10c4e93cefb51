"""The two losses of the course and their gradients in plain NumPy, in loops and in matrix products.

They are references: they share no code with the losses and penalties of the rest of the library.

All four functions take the same arguments and return (loss, gradient).

- `W`: weights (D, K).
- `X`: features (N, D), one row for each example; the last column is ones.
- `y`: labels (N,), integers 0..K−1.
- `reg`: the strength of the penalty reg ΣW².

The loss is the mean over the examples plus the penalty; the gradient is (D, K). Both have the wider type of `W` and `X`,
or float64 if these are integers. The functions raise `InputError` if shapes do not fit, if there are no examples, or if
a label lies outside 0..K−1.
"""

import numpy as np
from jaxtyping import Float, Integer, Num

from softjax.errors import InputError

LossAndGrad = tuple[np.floating, Float[np.ndarray, "D K"]]


def softmax_loss_naive(
    W: Num[np.ndarray, "D K"], X: Num[np.ndarray, "N D"], y: Integer[np.ndarray, " N"], reg: float
) -> LossAndGrad:
    """The loss 1/N Σᵢ −log softmax(X[i] @ W)[y[i]] + reg ΣW² and its gradient, in loops over examples and classes.

    Column k of the gradient is 1/N Σᵢ (p[k] − 1[y[i] = k]) X[i] + 2 reg W[:, k].

    **Arguments:** weights `W` (D, K), features `X` (N, D), labels `y` (N,) from 0 to K−1, penalty strength `reg`.

    **Returns:** the loss, a number, and its gradient (D, K).

    Raises `InputError` if shapes do not fit, there are no examples, or a label is not in 0..K−1.

    Examples:
        >>> W, X, y = np.zeros((2, 3)), np.array([[1.0, 1.0], [-1.0, 1.0]]), np.array([0, 2])
        >>> loss, dW = softmax_loss_naive(W, X, y, reg=0.1)
        >>> round(float(loss), 6), dW.shape  # at W = 0 the loss is log K
        (1.098612, (2, 3))

    Source: https://cs231n.github.io/linear-classify/#softmax-classifier
    """
    W, X = check_and_cast(W, X, y)
    loss, dW = W.dtype.type(0), np.zeros_like(W)
    for x, label in zip(X, y, strict=True):
        s = x @ W
        s = s - s.max()  # the largest exponential is 1
        others = np.exp(np.delete(s, label)).sum()
        total = np.exp(s[label]) + others
        # log1p, and −others for exp(s[label]) − total, keep the digits where the label's probability is close to 1
        loss += np.log1p(others) if s[label] == 0 else np.log(total) - s[label]
        for k in range(W.shape[1]):
            dW[:, k] += (-others if k == label else np.exp(s[k])) / total * x
    return _add_penalty(loss / W.dtype.type(len(X)), dW / W.dtype.type(len(X)), W, reg)


def softmax_loss_vectorized(
    W: Num[np.ndarray, "D K"], X: Num[np.ndarray, "N D"], y: Integer[np.ndarray, " N"], reg: float
) -> LossAndGrad:
    """The same loss as `softmax_loss_naive`, in two matrix products.

    The gradient is 1/N Xᵀ (p − onehot(y)) + 2 reg W. Arguments, results and errors: as `softmax_loss_naive`.

    Examples:
        >>> W, X, y = np.zeros((2, 3)), np.array([[1.0, 1.0], [-1.0, 1.0]]), np.array([0, 2])
        >>> loss, dW = softmax_loss_vectorized(W, X, y, reg=0.1)
        >>> dW.round(2).tolist()
        [[-0.5, 0.0, 0.5], [-0.17, 0.33, -0.17]]

    Source: https://cs231n.github.io/linear-classify/#softmax-classifier
    """
    W, X = check_and_cast(W, X, y)
    rows = np.arange(len(X))
    s = X @ W
    s -= s.max(axis=1, keepdims=True)
    at_label = s[rows, y]
    Q = np.exp(s)
    total = Q.sum(axis=1)
    Q[rows, y] = 0
    others = Q.sum(axis=1)
    # log Σ exp(s) − s[y], not −log p[y]: where p[y] rounds to 0 the loss is large, not infinite. log1p, and −others for
    # exp(s[y]) − total, keep the digits where p[y] is close to 1.
    loss = np.where(at_label == 0, np.log1p(others), np.log(total) - at_label).mean()
    Q[rows, y] = -others
    Q /= total[:, None] * W.dtype.type(len(X))
    return _add_penalty(loss, X.T @ Q, W, reg)


def svm_loss_naive(
    W: Num[np.ndarray, "D K"], X: Num[np.ndarray, "N D"], y: Integer[np.ndarray, " N"], reg: float
) -> LossAndGrad:
    """The hinge loss 1/N Σᵢ Σ_{k≠y[i]} max(0, s[k] − s[y[i]] + 1) + reg ΣW² and its gradient, in loops.

    s = X[i] @ W are the scores of example i. Each margin above 0 adds X[i] / N to column k of the gradient and subtracts
    it from column y[i]. A margin of exactly 0 adds nothing. Arguments, results and errors: as `softmax_loss_naive`.

    Examples:
        >>> W, X, y = np.zeros((2, 3)), np.array([[1.0, 1.0], [-1.0, 1.0]]), np.array([0, 2])
        >>> loss, dW = svm_loss_naive(W, X, y, reg=0.1)
        >>> float(loss), dW.shape  # at W = 0 the loss is K − 1
        (2.0, (2, 3))

    Source: https://cs231n.github.io/linear-classify/#multiclass-support-vector-machine-loss
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
    """The same loss as `svm_loss_naive`, in two matrix products.

    The gradient is 1/N Xᵀ Q + 2 reg W. Q[i, k] is 1 if the margin of class k is above 0, and Q[i, y[i]] is minus the
    number of such classes. Arguments, results and errors: as `softmax_loss_naive`.

    Examples:
        >>> W, X, y = np.zeros((2, 3)), np.array([[1.0, 1.0], [-1.0, 1.0]]), np.array([0, 2])
        >>> loss, dW = svm_loss_vectorized(W, X, y, reg=0.1)
        >>> dW.tolist()
        [[-1.5, 0.0, 1.5], [-0.5, 1.0, -0.5]]

    Source: https://cs231n.github.io/linear-classify/#multiclass-support-vector-machine-loss
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
    """Checks the arguments of a loss, and returns `W` and `X` in one floating type. Raises `InputError` as the losses do."""
    check_examples(X, y)
    if W.ndim != 2 or W.shape[0] != X.shape[1]:
        raise InputError(f"W must be (D, K) with the D = {X.shape[1]} of X {X.shape}, got {W.shape}")
    if y.max() >= W.shape[1]:
        raise InputError(
            f"y holds the label {y.max()}, expected 0..{W.shape[1] - 1}: W {W.shape} has one column for each class"
        )
    dtype = np.result_type(W, X) if "f" in W.dtype.kind + X.dtype.kind else np.dtype(np.float64)
    if dtype.kind != "f":
        raise InputError(f"W and X must hold real numbers, got {W.dtype} and {X.dtype}")
    return W.astype(dtype, copy=False), X.astype(dtype, copy=False)


def check_examples(X: Num[np.ndarray, "N D"], y: Integer[np.ndarray, " N"]) -> None:
    """Raises `InputError` unless there is at least one example, and one integer label from 0 on for each."""
    if X.ndim != 2:
        raise InputError(
            f"X must be (N, D), one row for each example, got {X.shape}: reshape images with X.reshape(len(X), -1)"
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
