"""The penalty in a student's loss and gradient: which convention it follows, or what is wrong with it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from softjax.cs231n.grading.exercises import Example

MATCH = 1e-6  # relative: float32 arithmetic is seen through


@dataclass(frozen=True)
class Convention:
    """`coefficient` · reg · ΣW², with or without the last row, the bias."""

    coefficient: float
    bias: bool

    def __str__(self) -> str:
        return ("½ · " if self.coefficient == 0.5 else "") + (
            "reg · ΣW²" if self.bias else "reg · ΣW² without the bias, the last row of W"
        )

    def value(self, e: Example, reg: float) -> float:
        """The penalty."""
        return float(self.coefficient * reg * (self._penalized(e.W) ** 2).sum())

    def slope(self, e: Example, reg: float) -> Float[np.ndarray, "D K"]:
        """Its gradient."""
        return 2 * self.coefficient * reg * self._penalized(e.W)

    def _penalized(self, W: Float[np.ndarray, "D K"]) -> Float[np.ndarray, "D K"]:
        return W if self.bias else np.vstack([W[:-1], np.zeros_like(W[-1:])])


CONVENTIONS = tuple(Convention(coefficient, bias) for bias in (True, False) for coefficient in (1.0, 0.5))


@dataclass(frozen=True)
class Added:
    """What `reg` adds on an example to a student's loss and gradient, and how large these are without."""

    example: Example
    reg: float
    value: float
    slope: Float[np.ndarray, "D K"] | None
    loss: float
    gradient: float


Fault = tuple[str, str, str]  # where, what, the likely reason
Term = Callable[[Example, float], Any]

_LAST = "divide by N first, then add the penalty"
_ONCE = "add the penalty once, after the loops"
_SQUARE = "the penalty is np.sum(W * W)"

VALUE_MISTAKES: tuple[tuple[str, str, Term], ...] = (
    ("missing, reg changes nothing", "add reg * np.sum(W * W)", lambda e, reg: 0.0),
    *(
        mistake
        for c in (1.0, 0.5)
        for mistake in (
            ("divided by N", _LAST, lambda e, reg, c=c: c * reg * (e.W**2).sum() / e.N),
            (
                "counted N times, once for each example",
                _ONCE,
                lambda e, reg, c=c: c * reg * (e.W**2).sum() * e.N,
            ),
            (
                "counted K times, once for each class",
                _ONCE,
                lambda e, reg, c=c: c * reg * (e.W**2).sum() * e.K,
            ),
            ("subtracted, not added", "the sign", lambda e, reg, c=c: -c * reg * (e.W**2).sum()),
            (
                "the norm √ΣW², not its square",
                f"{_SQUARE}; np.linalg.norm is the root of that",
                lambda e, reg, c=c: c * reg * np.linalg.norm(e.W),
            ),
            ("Σ|W|, without the squares", _SQUARE, lambda e, reg, c=c: c * reg * np.abs(e.W).sum()),
            ("ΣW, without the squares", _SQUARE, lambda e, reg, c=c: c * reg * e.W.sum()),
            ("(ΣW)², squared after the sum", _SQUARE, lambda e, reg, c=c: c * reg * e.W.sum() ** 2),
            ("the mean of W², not the sum", _SQUARE, lambda e, reg, c=c: c * reg * (e.W**2).mean()),
            ("of X, not of W", _SQUARE, lambda e, reg, c=c: c * reg * (e.X**2).sum()),
        )
    ),
    (
        "2 · reg · ΣW²",
        "the factor 2 belongs to the gradient, 2 * reg * W",
        lambda e, reg: 2 * reg * (e.W**2).sum(),
    ),
)
SLOPE_MISTAKES: tuple[tuple[str, str, Term], ...] = (
    (
        "missing, reg changes nothing",
        "add 2 * reg * W, or reg * W where the loss has the ½",
        lambda e, reg: np.zeros_like(e.W),
    ),
    *(
        mistake
        for c in (2.0, 1.0)
        for mistake in (
            ("divided by N", _LAST, lambda e, reg, c=c: c * reg * e.W / e.N),
            ("counted N times, once for each example", _ONCE, lambda e, reg, c=c: c * reg * e.W * e.N),
            ("counted K times, once for each class", _ONCE, lambda e, reg, c=c: c * reg * e.W * e.K),
            ("subtracted, not added", "the sign", lambda e, reg, c=c: -c * reg * e.W),
            (
                "ΣW² in every entry: the penalty itself, not its gradient",
                "the derivative of reg · ΣW² by W is 2 * reg * W, an array shaped like W",
                lambda e, reg, c=c: np.full_like(e.W, c * reg * (e.W**2).sum()),
            ),
            (
                "ΣW in every entry, not W",
                "the derivative of reg · ΣW² by W is 2 * reg * W, an array shaped like W",
                lambda e, reg, c=c: np.full_like(e.W, c * reg * e.W.sum()),
            ),
            (
                "the same in every entry, without W",
                "2 * reg * W",
                lambda e, reg, c=c: np.full_like(e.W, c * reg),
            ),
            ("of |W|, the sign of W", "2 * reg * W", lambda e, reg, c=c: c * reg * np.sign(e.W)),
            ("of W², not 2 W", "the derivative of W² is 2 W", lambda e, reg, c=c: c * reg * e.W**2),
        )
    ),
    ("4 · reg · W", "the derivative of reg · ΣW² is 2 * reg * W", lambda e, reg: 4 * reg * e.W),
    ("of the norm √ΣW², not its square", "2 * reg * W", lambda e, reg: reg * e.W / np.linalg.norm(e.W)),
)


def judge(added: Sequence[Added]) -> tuple[Convention | None, tuple[Fault, ...]]:
    """The convention that the penalty follows, None if there is no telling, and what is wrong with it."""
    by_loss = next((c for c in CONVENTIONS if _fits(added, "value", c.value)), None)
    loss_fault = None if by_loss else _named(added, "value", VALUE_MISTAKES)
    if any(a.slope is None for a in added):
        return by_loss, (("loss", *loss_fault),) if loss_fault else ()
    by_gradient = next((c for c in CONVENTIONS if _fits(added, "slope", c.slope)), None)
    gradient_fault = None if by_gradient else _named(added, "slope", SLOPE_MISTAKES)
    if loss_fault and gradient_fault and loss_fault[0] == gradient_fault[0]:
        return None, (("loss and gradient", *loss_fault),)
    if by_loss and by_gradient and by_loss != by_gradient:
        gradient_fault = _unequal(by_loss, by_gradient)
    faults = (("loss", loss_fault), ("gradient", gradient_fault))
    return by_loss or by_gradient, tuple((where, *fault) for where, fault in faults if fault)


def _unequal(loss: Convention, gradient: Convention) -> tuple[str, str]:
    if loss.bias != gradient.bias:
        which = ("has it", "leaves it out") if loss.bias else ("leaves it out", "has it")
        return (
            f"the loss {which[0]}, the bias, the last row of W; the gradient {which[1]}",
            "treat it alike in both",
        )
    if loss.coefficient > gradient.coefficient:
        return f"half of what it must be: reg · W, where the loss has {loss}", "its derivative is 2 * reg * W"
    return f"twice what it must be: 2 · reg · W, where the loss has {loss}", "its derivative is reg * W"


def _named(added: Sequence[Added], part: str, mistakes: Sequence[tuple[str, str, Term]]) -> tuple[str, str]:
    for what, reason, term in mistakes:
        if _fits(added, part, term):
            return what, reason
    first = added[0]
    if part == "value":
        right = CONVENTIONS[0].value(first.example, first.reg)
        return f"reg = {first.reg:g} adds {first.value:.6g}, where reg · ΣW² is {right:.6g}", _SQUARE
    return "neither 2 · reg · W nor reg · W", "the derivative of reg · ΣW² by W is 2 * reg * W"


def _fits(added: Sequence[Added], part: str, term: Term) -> bool:
    for a in added:
        expected, size = term(a.example, a.reg), a.loss if part == "value" else a.gradient
        error = np.abs(getattr(a, part) - expected).max()
        if not error <= MATCH * (np.abs(expected).max() + size):
            return False
    return True
