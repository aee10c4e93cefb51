"""The gradient checker as assertions for pytest."""

from collections.abc import Callable
from typing import Any

from jaxtyping import PyTree

from softjax.gradcheck.check import check_gradient
from softjax.gradcheck.custom_rules import check_rule
from softjax.gradcheck.products import check_hessian, check_jacobian
from softjax.gradcheck.result import GradientCheck, GradientChecks


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


def assert_jacobian(
    fun: Callable[..., Any],
    claimed: Callable[..., Any] | PyTree,
    params: PyTree,
    *args: Any,
    **options: Any,
) -> GradientChecks:
    """Fails the test unless `claimed` is the Jacobian of `fun` at `params`. The message is the report.

    **Arguments:** as `softjax.check_jacobian`.

    **Returns:** the `GradientChecks`.

    Raises `GradientError` if the Jacobian is wrong or the check could not decide, and `ValueError` as `check_jacobian` does.

    Examples:
        >>> import numpy as np
        >>> from softjax.testing import assert_jacobian
        >>> assert_jacobian(lambda w: w**2, lambda w: np.diag(2 * w), np.array([1.0, 2.0])).verdict
        'right'
    """
    __tracebackhide__ = True
    checks = check_jacobian(fun, claimed, params, *args, **options)
    checks.raise_if_wrong()
    return checks


def assert_hessian(
    fun: Callable[..., Any],
    claimed: Callable[..., Any] | PyTree,
    params: PyTree,
    *args: Any,
    **options: Any,
) -> GradientChecks:
    """Fails the test unless `claimed` is the Hessian of `fun` at `params`, or its products. The message is the report.

    **Arguments:** as `softjax.check_hessian`.

    **Returns:** the `GradientChecks`.

    Raises `GradientError` if the Hessian is wrong or the check could not decide, and `ValueError` as `check_hessian` does.

    Examples:
        >>> import numpy as np
        >>> from softjax.testing import assert_hessian
        >>> assert_hessian(lambda w: (w**3).sum(), lambda w, v: 6 * w * v, np.array([1.0, 2.0])).verdict
        'right'
    """
    __tracebackhide__ = True
    checks = check_hessian(fun, claimed, params, *args, **options)
    checks.raise_if_wrong()
    return checks


def assert_rule(fun: Callable[..., Any], *args: Any, **options: Any) -> GradientChecks:
    """Fails the test unless the custom derivative rule of `fun` is right in every mode. The message is the report.

    **Arguments:** as `softjax.check_rule`.

    **Returns:** the `GradientChecks`.

    Raises `GradientError` if the rule is wrong or the check could not decide, and `ValueError` as `check_rule` does.

    Examples:
        >>> import jax, jax.numpy as jnp
        >>> from softjax.testing import assert_rule
        >>> assert_rule(jax.nn.relu, jnp.array([1.0, -2.0])).verdict
        'right'
    """
    __tracebackhide__ = True
    checks = check_rule(fun, *args, **options)
    checks.raise_if_wrong()
    return checks
