"""Functions that are given to SciPy's optimizers together with a derivative: how they are seen, and how one is checked."""

import contextlib
import functools
import inspect
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import numpy as np

from softjax.audit.judge import Finding, judge
from softjax.audit.record import Recorder
from softjax.audit.saved import Point

KIND = "scipy jac"


class Caller(NamedTuple):
    """An optimizer: the names of its arguments for the function, the point and the derivative."""

    function: str
    x: str
    derivative: str
    form: Literal["gradient", "Jacobian"]


CALLERS = {
    "minimize": Caller("fun", "x0", "jac", "gradient"),
    "fmin_bfgs": Caller("f", "x0", "fprime", "gradient"),
    "fmin_cg": Caller("f", "x0", "fprime", "gradient"),
    "fmin_ncg": Caller("f", "x0", "fprime", "gradient"),
    "fmin_l_bfgs_b": Caller("func", "x0", "fprime", "gradient"),
    "fmin_tnc": Caller("func", "x0", "fprime", "gradient"),
    "fmin_slsqp": Caller("func", "x0", "fprime", "gradient"),
    "least_squares": Caller("fun", "x0", "jac", "Jacobian"),
    "leastsq": Caller("func", "x0", "Dfun", "Jacobian"),
    "root": Caller("fun", "x0", "jac", "Jacobian"),
    "fsolve": Caller("func", "x0", "fprime", "Jacobian"),
    "newton": Caller("func", "x0", "fprime", "gradient"),
    "root_scalar": Caller("f", "x0", "fprime", "gradient"),
}


def watch(optimize: Any, recorder: Recorder) -> None:
    """Has `recorder` see every call of an optimizer with a function and its derivative."""
    for name, caller in CALLERS.items():
        if hasattr(optimize, name):
            setattr(optimize, name, _wrap(getattr(optimize, name), name, caller, recorder))


def _wrap(original: Any, name: str, caller: Caller, recorder: Recorder) -> Any:
    signature = inspect.signature(original)

    def see(args: Any, kwargs: Any) -> None:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        given = bound.arguments
        function, derivative = given[caller.function], given.get(caller.derivative)
        together = derivative is True or (caller.derivative == "fprime" and _returns_both(given, name))
        if not callable(function) or not (callable(derivative) or together):
            return
        seen = recorder.find(KIND, function if together else derivative)
        if seen is None or not recorder.count(seen):
            return
        more = given.get("args", ())
        more = more if isinstance(more, tuple) else (more,)
        x = np.array(given[caller.x], np.float64)
        form = f"value and {caller.form}" if together else caller.form
        transposed = bool(given.get("col_deriv"))
        target = (function, None if together else derivative)
        settings = {"form": form, "transposed": transposed}
        recorder.keep(seen, lambda: [x, *more], lambda: Point(target, (x, *more), settings))

    @functools.wraps(original)
    def call(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        with contextlib.suppress(Exception):  # the call goes on, whatever is in its arguments
            see(args, kwargs)
        return original(*args, **kwargs)

    return call


def _returns_both(given: dict[str, Any], name: str) -> bool:
    """Whether the function returns its value and its gradient: the older optimizers take that for granted."""
    return (
        name in ("fmin_l_bfgs_b", "fmin_tnc") and given.get("fprime") is None and not given.get("approx_grad")
    )


def has_symmetric(point: Point) -> bool:
    """The point is one vector."""
    return False


def check(point: Point, order: int, symmetric: bool = False, output: int | None = None) -> Iterator[Finding]:
    """Checks a derivative at a point. Raises what the functions raise."""
    from softjax.gradcheck.check import check_gradient
    from softjax.gradcheck.products import check_jacobian

    function, derivative = point.target
    x, *args = point.arguments
    form, transposed = point.settings["form"], point.settings["transposed"]
    together = form.startswith("value and")

    def value(x: Any, *args: Any) -> Any:
        return function(x, *args)[0] if together else function(x, *args)

    def claim(x: Any, *args: Any) -> Any:
        found = function(x, *args)[1] if together else derivative(x, *args)
        return np.transpose(found) if transposed else found

    if form.endswith("gradient"):
        checks = [check_gradient(value, claim, x, *args, budget=10.0)]
    else:
        checks = list(
            check_jacobian(lambda x, *args: np.asarray(value(x, *args)), claim, x, *args, budget=10.0)
        )
    for checked in checks:
        yield judge("the derivative", checked, [x], [], [], None)
