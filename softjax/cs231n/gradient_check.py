"""The course's gradient checks, by central differences. Unlike `softjax.check_gradient`, they do not estimate rounding errors."""

import random
from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float

from softjax.errors import InputError


def grad_check_sparse(
    f: Callable[[Any], Any],
    x: Float[np.ndarray, "..."],
    analytic_grad: Float[np.ndarray, "..."],
    num_checks: int = 10,
    h: float = 1e-5,
) -> None:
    """Prints the numerical derivative (f(x + h) − f(x − h)) / 2h beside `analytic_grad`, for random entries of `x`.

    `random.randrange` draws the entries. The relative error is |numerical − analytic| / (|numerical| + |analytic|), and
    0 if both are 0.

    **Arguments:**

    - `f`: `f(x)` returns a number. While `f` runs, one entry of `x` is changed in place; it is restored afterwards.
      `f` may therefore also ignore its argument and read the array `x` itself.
    - `x`: a floating array of any shape, the point at which the gradient is checked.
    - `analytic_grad`: the claimed gradient, of the same shape as `x`.
    - `num_checks`: how many entries to draw.
    - `h`: the step, in the units of `x`.

    Raises `InputError` if `x` is not a writable floating array, or if `analytic_grad` has another shape.

    Examples:
        >>> x = np.array([1.0, 2.0])
        >>> grad_check_sparse(lambda x: (x**2).sum(), x, 2 * x, num_checks=1)
        numerical: ... analytic: ..., relative error: ...e-1...

    Source: https://cs231n.github.io/neural-networks-3/#gradcheck
    """
    _check_variable(x)
    if np.shape(analytic_grad) != x.shape:
        raise InputError(f"analytic_grad must be shaped like x, {x.shape}, got {np.shape(analytic_grad)}")
    for _ in range(num_checks):
        index = tuple(random.randrange(size) for size in x.shape)
        numerical, analytic = _differentiate(f, x, index, h), float(analytic_grad[index])
        scale = abs(numerical) + abs(analytic)
        error = abs(numerical - analytic) / scale if scale != 0 else 0.0
        print(f"numerical: {numerical:f} analytic: {analytic:f}, relative error: {error:e}")


def eval_numerical_gradient(
    f: Callable[[Any], Any], x: Float[np.ndarray, "..."], verbose: bool = True, h: float = 0.00001
) -> Float[np.ndarray, "..."]:
    """The gradient of `f` at `x` by central differences: (f(x + h) − f(x − h)) / 2h for every entry of `x`.

    **Arguments:** `f`, `x` and `h` as for `grad_check_sparse`; `verbose`: whether to print each index and derivative.

    **Returns:** the gradient, an array of the shape and type of `x`.

    Raises `InputError` if `x` is not a writable floating array.

    Examples:
        >>> eval_numerical_gradient(lambda x: (x**2).sum(), np.array([1.0, 2.0]), verbose=False).round(6)
        array([2., 4.])

    Source: https://cs231n.github.io/optimization-1/#gradcompute
    """
    _check_variable(x)
    grad = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        grad[index] = _differentiate(f, x, index, h)
        if verbose:
            print(index, grad[index])
    return grad


def _differentiate(
    f: Callable[[Any], Any], x: Float[np.ndarray, "..."], index: tuple[int, ...], h: float
) -> float:
    """The derivative of `f` by one entry of `x`. The entry is changed in place, and restored."""
    kept = x[index].copy()
    try:
        x[index] = kept + h
        above = f(x)
        x[index] = kept - h
        below = f(x)
    finally:
        x[index] = kept
    return float((above - below) / (2 * h))


def _check_variable(x: Float[np.ndarray, "..."]) -> None:
    if not isinstance(x, np.ndarray) or x.dtype.kind != "f" or not x.flags.writeable:
        seen = f"{x.dtype}" if isinstance(x, np.ndarray) else type(x).__name__
        raise InputError(
            f"x must be a writable NumPy array of floats, got {seen}: np.array(x, float) makes one"
        )
