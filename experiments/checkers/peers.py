"""Gradient checkers, each asked about a claimed gradient of a real function through the interface that it has.

Each is asked with its defaults. A checker that compares nothing itself, but returns a number or a numerical gradient, accepts
a claim as its users do, by `RELATIVE`. A checker of one library is asked about functions of another through a wrapper of that
library whose derivative is the claim, so that every checker can be asked about every function.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import jax
import jax.numpy as jnp
import jax.test_util
import numpy as np
from jaxtyping import Float

from checkers.registry import RealFunction
from softjax import GradientCheck, check_gradient
from softjax.gradcheck.leaves import is_tensor, to_array

Word = Literal["accepted", "rejected", "undecided", "crashed", "not applicable"]
RELATIVE = 1e-6  # the error that users of numerical gradients accept, relative to the norm of the gradient
TIMES_ITS_ERROR = 10  # scipy.differentiate: accepted errors, in its own estimates or tolerances
STEP, COURSE_RELATIVE, ENTRIES = (
    1e-5,
    1e-5,
    10,
)  # the course's step, the relative error its readers accept, its entries


class NotApplicable(Exception):
    """The checker does not take such a function."""


@dataclass(frozen=True)
class Question:
    """A function, and a claimed gradient of it: a function of (params, *args)."""

    function: RealFunction
    claim: Callable[..., Any]

    @cached_property
    def leaves(self) -> list[Any]:
        """The leaves of params."""
        return jax.tree.leaves(self.function.params)

    @cached_property
    def dtype(self) -> np.dtype[Any]:
        """The type, of NumPy."""
        return np.dtype(jnp.dtype(self.function.dtype))

    @cached_property
    def start(self) -> Float[np.ndarray, " P"]:
        """Params as one vector, in the type."""
        return np.concatenate([to_array(leaf).astype(self.dtype).ravel() for leaf in self.leaves])

    def restore(self, x: Any) -> Any:
        """Params of a vector, which may be complex; the arrays are of the same library and type as the function's."""
        x = np.asarray(x)
        x = x if x.dtype.kind == "c" else x.astype(self.dtype)
        ends = np.cumsum([int(np.prod(np.shape(leaf))) for leaf in self.leaves])
        parts = [
            part.reshape(np.shape(leaf))
            for part, leaf in zip(np.split(x, ends[:-1]), self.leaves, strict=True)
        ]
        arrays = [self._convert(part, leaf) for part, leaf in zip(parts, self.leaves, strict=True)]
        return jax.tree.unflatten(jax.tree.structure(self.function.params), arrays)

    def value(self, x: Any) -> np.ndarray:
        """The function's value at a vector, in the type."""
        value = to_array(self.function.fun(self.restore(x), *self.function.args))
        return value if value.dtype.kind == "c" else value.astype(self.dtype)

    def slope(self, x: Any) -> Float[np.ndarray, " P"]:
        """The claimed gradient at a vector, in the type."""
        leaves = jax.tree.leaves(self.claim(self.restore(x), *self.function.args))
        return np.concatenate([to_array(leaf).astype(self.dtype).ravel() for leaf in leaves])

    def _convert(self, part: np.ndarray, leaf: Any) -> Any:
        if is_tensor(leaf):
            import torch

            return torch.from_numpy(np.array(part))
        return jnp.asarray(part) if isinstance(leaf, jax.Array) else np.array(part)


@dataclass(frozen=True)
class Answer:
    """What a checker says; why, if it crashed; and softjax's whole check."""

    word: Word
    why: str = ""
    check: GradientCheck | None = None


def ask_softjax(question: Question) -> Answer:
    """softjax.check_gradient; its diagnosis says why."""
    function = question.function
    check = check_gradient(function.fun, question.claim, function.params, *function.args)
    words: dict[str, Word] = {"right": "accepted", "wrong": "rejected", "undecided": "undecided"}
    return Answer(words[check.verdict], check.diagnosis, check)


def ask_jax(question: Question) -> Word:
    """jax.test_util.check_grads in reverse mode."""

    @jax.custom_vjp
    def f(x: Any) -> Any:
        return jnp.asarray(question.value(x))

    f.defvjp(lambda x: (f(x), x), lambda x, cotangent: (cotangent * jnp.asarray(question.slope(x)),))
    try:
        jax.test_util.check_grads(f, (jnp.asarray(question.start),), order=1, modes=["rev"])  # type: ignore[no-untyped-call]
    except AssertionError:
        return "rejected"
    return "accepted"


def ask_torch(question: Question) -> Word:
    """torch.autograd.gradcheck. It asks for float64, but takes float32 too."""
    import torch
    from torch.autograd.gradcheck import GradcheckError

    kind = getattr(torch, question.function.dtype)

    def to_torch(x: np.ndarray) -> Any:
        return torch.tensor(x.astype(np.float64), dtype=kind)

    def to_numpy(x: Any) -> np.ndarray:
        return np.asarray(x.detach().to(torch.float64).numpy())

    class Claimed(torch.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return to_torch(question.value(to_numpy(x)))

        @staticmethod
        def backward(ctx: Any, cotangent: Any) -> Any:
            (x,) = ctx.saved_tensors
            return cotangent * to_torch(question.slope(to_numpy(x)))

    x = to_torch(question.start).requires_grad_()
    try:
        return _word(torch.autograd.gradcheck(Claimed.apply, (x,)))
    except GradcheckError:
        return "rejected"


def ask_check_grad(question: Question) -> Word:
    """scipy.optimize.check_grad, which returns the norm of the error."""
    from scipy.optimize import check_grad

    error = check_grad(lambda x: question.value(x), question.slope, question.start)
    return _word(error <= RELATIVE * np.linalg.norm(question.slope(question.start).astype(np.float64)))


def ask_derivative(question: Question) -> Word:
    """scipy.differentiate.derivative, entry by entry. It returns a derivative and an estimate of its error."""
    from scipy.differentiate import derivative

    if question.dtype not in (np.float64, np.float32):
        raise NotApplicable("it takes float64 and float32")
    claimed = question.slope(question.start)
    for i, (x, claim) in enumerate(zip(question.start, claimed, strict=True)):

        def along(t: np.ndarray, i: int = i) -> Any:
            return np.vectorize(
                lambda value: question.value(_replace(question.start, i, value)), otypes=[question.dtype]
            )(t)

        found = derivative(along, x)
        if not np.isfinite(found.df):
            return "undecided"  # it says itself that it found none
        tolerance = np.sqrt(np.finfo(question.dtype).eps) * abs(found.df)  # it stops when its error is below
        if not abs(claim - found.df) <= TIMES_ITS_ERROR * max(found.error, tolerance):
            return "rejected"
    return "accepted"


def ask_statsmodels(question: Question) -> Word:
    """Statsmodels' numerical gradient: by the complex step if the function takes complex numbers, else centered differences."""
    from statsmodels.tools import numdiff

    claimed = question.slope(question.start).astype(np.float64)
    numerical = _take_complex_step(question, numdiff.approx_fprime_cs)
    if numerical is None:
        numerical = numdiff.approx_fprime(question.start, lambda x: question.value(x), centered=True)
    error = np.linalg.norm(claimed - np.asarray(numerical, np.float64).ravel())
    return _word(error <= RELATIVE * np.linalg.norm(claimed))


def ask_autograd(question: Question) -> Word:
    """autograd.test_util.check_grads in reverse mode, about a primitive whose derivative is the claim."""
    from autograd.extend import defvjp, primitive
    from autograd.test_util import check_grads

    if question.dtype not in (np.float64, np.float32):
        raise NotApplicable("autograd has float64 and float32")
    f = primitive(lambda x: question.value(x)[()])
    defvjp(f, lambda value, x: lambda cotangent: cotangent * question.slope(x))
    try:
        check_grads(f, modes=["rev"], order=1)(question.start)
    except AssertionError:
        return "rejected"
    return "accepted"


def ask_ten_entries(question: Question) -> Word:
    """The course's check: random entries by central differences, relative errors below 1e-5."""
    rng = np.random.default_rng(0)
    claimed = question.slope(question.start).astype(np.float64)
    for i in rng.integers(len(claimed), size=ENTRIES):
        x = float(question.start[i])
        above, below = (
            float(question.value(_replace(question.start, i, x + sign * STEP))) for sign in (1, -1)
        )
        numerical = (above - below) / (2 * STEP)
        size = abs(numerical) + abs(claimed[i])
        if size > 0 and not abs(numerical - claimed[i]) / size <= COURSE_RELATIVE:
            return "rejected"
    return "accepted"


@dataclass(frozen=True)
class Checker:
    """A checker, what must be installed for it, and the libraries that it is made for; none if it is made for any."""

    ask: Callable[[Question], Word | Answer]
    needs: str
    made_for: tuple[str, ...] = ()


CHECKERS = {
    "softjax": Checker(ask_softjax, "softjax"),
    "jax check_grads": Checker(ask_jax, "jax", ("jax.nn", "optax", "jax.scipy", "jax.numpy", "softjax")),
    "torch gradcheck": Checker(ask_torch, "torch", ("PyTorch",)),
    "scipy check_grad": Checker(
        ask_check_grad, "scipy", ("SciPy special functions", "SciPy", "scikit-learn")
    ),
    "scipy derivative": Checker(
        ask_derivative, "scipy", ("SciPy special functions", "SciPy", "scikit-learn")
    ),
    "statsmodels numdiff": Checker(ask_statsmodels, "statsmodels", ("statsmodels",)),
    "autograd check_grads": Checker(ask_autograd, "autograd"),
    "ten entries": Checker(ask_ten_entries, "numpy"),
}


def ask(checker: str, function: RealFunction, claim: Callable[..., Any]) -> Answer:
    """What a checker says about a claim."""
    try:
        with (
            jax.enable_x64(function.dtype == "float64"),
            warnings.catch_warnings(),
            np.errstate(all="ignore"),
        ):
            warnings.simplefilter("ignore")
            said = CHECKERS[checker].ask(Question(function, claim))
    except NotApplicable as error:
        return Answer("not applicable", str(error))
    except Exception as error:
        return Answer("crashed", f"{type(error).__name__}: {error}".splitlines()[0])
    return said if isinstance(said, Answer) else Answer(said)


def _take_complex_step(question: Question, step: Callable[..., Any]) -> np.ndarray | None:
    """The complex step, None where the function takes no complex numbers or drops their imaginary parts."""
    if question.dtype != np.float64:
        return None
    try:
        if question.value(question.start.astype(complex)).dtype.kind != "c":
            return None
        return np.asarray(step(question.start, question.value))
    except Exception:
        return None


def _replace(x: np.ndarray, i: int, value: Any) -> np.ndarray:
    """A copy with another entry."""
    copy = x.copy()
    copy[i] = value
    return copy


def _word(accepts: Any) -> Word:
    return "accepted" if accepts else "rejected"
