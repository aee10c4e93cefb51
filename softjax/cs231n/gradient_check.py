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
    """Prints (f(x + h) − f(x − h)) / 2h beside `analytic_grad` in `num_checks` entries drawn by `random.randrange`.

    The relative error is |numerical − analytic| / (|numerical| + |analytic|), 0 where both are 0.

    **Arguments:**

    - `f`: a function of `x` to a number. It may also ignore its argument and read `x` itself: entries are changed in place, and restored.
    - `x`: a floating array, where the gradient is taken.
    - `analytic_grad`: the claimed gradient, shaped like `x`.
    - `num_checks`: how many entries to draw.
    - `h`: the step, in the units of `x`.

    Raises `InputError` if `x` is no floating array that can be changed, or `analytic_grad` is not shaped like it.
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
    """The gradient of `f` at `x` by central differences, (f(x + h) − f(x − h)) / 2h in every entry.

    **Arguments:** as `grad_check_sparse`, and `verbose`, which prints each entry's index and derivative.

    Raises `InputError` if `x` is no floating array that can be changed.
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
    """The derivative of `f` by one entry of `x`, which is changed in place and restored."""
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
            f"x must be a NumPy array of floats that can be written to, got {seen}: np.array(x, float) makes one"
        )
