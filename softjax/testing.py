"""The gradient checker as an assertion for pytest."""

from collections.abc import Callable
from typing import Any

from jaxtyping import PyTree

from softjax.gradcheck.check import check_gradient
from softjax.gradcheck.result import GradientCheck


def assert_gradient(
    fun: Callable[..., Any],
    claimed: Callable[..., Any] | PyTree,
    params: PyTree,
    *args: Any,
    **options: Any,
) -> GradientCheck:
    """Fails the test unless `claimed` is the gradient of `fun` at `params`. The message is the report.

    **Arguments:** as `softjax.check_gradient`.

    **Returns:** the `GradientCheck`, for further assertions.

    Raises `GradientError`, which is an `AssertionError`, if the gradient is wrong or the check could not decide.
    Raises `ValueError` as `check_gradient` does.

    Examples:
        >>> import numpy as np
        >>> from softjax.testing import assert_gradient
        >>> check = assert_gradient(lambda w: (w**2).sum(), lambda w: 2 * w, np.array([1.0, 2.0]))
        >>> check.error_in_bounds <= check.allowed_bounds
        True
    """
    __tracebackhide__ = True  # pytest shows the caller's line, not this one
    check = check_gradient(fun, claimed, params, *args, **options)
    check.raise_if_wrong()
    return check
