"""The gradient checker, for pytest."""

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
    """Fails the test, with the report as its message, unless `claimed` is the gradient of `fun` at `params`.

    **Arguments:** as `softjax.check_gradient`.

    **Returns:** the `GradientCheck`, for further assertions.

    Raises `GradientError`, an `AssertionError`, where the claim is wrong or could not be judged, and
    `ValueError` as `check_gradient` does.
    """
    __tracebackhide__ = True  # pytest shows the caller's line, not this one
    check = check_gradient(fun, claimed, params, *args, **options)
    check.raise_if_wrong()
    return check
