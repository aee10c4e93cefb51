"""The penalty in a student's loss and gradient: its convention, or what is wrong with it.

The right penalties are written here in NumPy, and share no code with the rest of the library.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Float

from softjax.cs231n.grading.exercises import Exercise
from softjax.cs231n.grading.findings import Fault
from softjax.cs231n.grading.mistakes import MATCH


@dataclass(frozen=True)
class Convention:
    """The penalty `coefficient` · reg · ΣW². Without `bias`, the last row of W is left out."""

    coefficient: float
    bias: bool

    def __str__(self) -> str:
        return ("½ · " if self.coefficient == 0.5 else "") + (
            "reg · ΣW²" if self.bias else "reg · ΣW² without the bias, the last row of W"
        )

    def value(self, e: Exercise, reg: float) -> float:
        """The penalty."""
        return float(self.coefficient * reg * (self._penalized(e.W) ** 2).sum())

    def slope(self, e: Exercise, reg: float) -> Float[np.ndarray, "D K"]:
        """Its gradient."""
        return 2 * self.coefficient * reg * self._penalized(e.W)

    def _penalized(self, W: Float[np.ndarray, "D K"]) -> Float[np.ndarray, "D K"]:
        return W if self.bias else np.vstack([W[:-1], np.zeros_like(W[-1:])])


CONVENTIONS = tuple(Convention(coefficient, bias) for bias in (True, False) for coefficient in (1.0, 0.5))


@dataclass(frozen=True)
class Increment:
    """What `reg` adds to a student's loss and gradient on one exercise.

    - `value`, `slope`: what it adds to the loss and to the gradient; `slope` is None if the gradient cannot be read.
    - `loss`, `gradient`: the sizes of loss and gradient without penalty. Their rounding limits what can be compared.
    """

    exercise: Exercise
    reg: float
    value: float
    slope: Float[np.ndarray, "D K"] | None
    loss: float
    gradient: float


class PenaltyFault(NamedTuple):
    """What is wrong with the penalty, the likely reason, and where: in the loss, in the gradient, or in both."""

    where: str
    what: str
    reason: str


Term = Callable[[Exercise, float], Any]
KnownMistakes = tuple[tuple[str, str, Term], ...]  # what is wrong, the likely reason, and what reg adds then

_LAST = "divide by N first, then add the penalty: loss / N + reg * np.sum(W * W)"
_SLOPE_LAST = "divide by N first, then add its gradient: dW / N + 2 * reg * W"
_ONCE = "add the penalty once, after the loops: loss += reg * np.sum(W * W)"
_SLOPE_ONCE = "add its gradient once, after the loops: dW += 2 * reg * W"
_SQUARE = "the penalty is reg * np.sum(W * W)"

VALUE_MISTAKES: KnownMistakes = (
    ("missing, reg changes nothing", "add reg * np.sum(W * W)", lambda e, reg: 0.0),
    *(
        mistake
        for c in (1.0, 0.5)
        for mistake in (
            ("divided by N", _LAST, lambda e, reg, c=c: c * reg * (e.W**2).sum() / e.N),
            (
                "in the divisor of the loss",
                _LAST,
                lambda e, reg, c=c: e.loss * e.N / (e.N + c * reg * (e.W**2).sum()) - e.loss,
            ),
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
            (
                "subtracted, not added",
                "loss += reg * np.sum(W * W)",
                lambda e, reg, c=c: -c * reg * (e.W**2).sum(),
            ),
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
SLOPE_MISTAKES: KnownMistakes = (
    (
        "missing, reg changes nothing",
        "add 2 * reg * W, or reg * W where the loss has the ½",
        lambda e, reg: np.zeros_like(e.W),
    ),
    *(
        mistake
        for c in (2.0, 1.0)
        for mistake in (
            ("divided by N", _SLOPE_LAST, lambda e, reg, c=c: c * reg * e.W / e.N),
            (
                "in the divisor of the gradient",
                _SLOPE_LAST,
                lambda e, reg, c=c: e.gradient * e.N / (e.N + c * reg * e.W) - e.gradient,
            ),
            (
                "in the divisor of the gradient",
                _SLOPE_LAST,
                lambda e, reg, c=c: e.gradient * e.N / (e.N + c / 2 * reg * (e.W**2).sum()) - e.gradient,
            ),
            ("counted N times, once for each example", _SLOPE_ONCE, lambda e, reg, c=c: c * reg * e.W * e.N),
            ("counted K times, once for each class", _SLOPE_ONCE, lambda e, reg, c=c: c * reg * e.W * e.K),
            ("subtracted, not added", "dW += 2 * reg * W", lambda e, reg, c=c: -c * reg * e.W),
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


def judge_penalty(
    increments: Sequence[Increment], lacking: Collection[str] = ()
) -> tuple[Convention | None, tuple[PenaltyFault, ...]]:
    """Finds the convention of the penalty, None if no convention fits, and what is wrong with the penalty.

    **Arguments:** `lacking`: the parts, "loss" and "gradient", of which it is known that reg changes nothing, which
    is then no other fault.
    """
    by_loss = next((c for c in CONVENTIONS if _fits(increments, "value", c.value)), None)
    loss_fault = None if by_loss or "loss" in lacking else _name_value_mistake(increments)
    if any(increment.slope is None for increment in increments):
        return by_loss, (PenaltyFault("loss", *loss_fault),) if loss_fault else ()
    by_gradient = next((c for c in CONVENTIONS if _fits(increments, "slope", c.slope)), None)
    gradient_fault = None
    if not by_gradient and "gradient" not in lacking:
        gradient_fault = _name_slope_mistake(increments)
    if loss_fault and gradient_fault and loss_fault.what == gradient_fault.what:
        return None, (PenaltyFault("loss and gradient", *loss_fault),)
    if by_loss and by_gradient and by_loss != by_gradient:
        gradient_fault = _explain_difference(by_loss, by_gradient)
    faults = (("loss", loss_fault), ("gradient", gradient_fault))
    return by_loss or by_gradient, tuple(PenaltyFault(where, *fault) for where, fault in faults if fault)


def _explain_difference(loss: Convention, gradient: Convention) -> Fault:
    """What is wrong if the gradient follows another convention than the loss."""
    if loss.bias != gradient.bias:
        which = ("contains the bias, the last row of W", "leaves it out")
        if not loss.bias:
            which = ("leaves out the bias, the last row of W", "contains it")
        text = f"the loss {which[0]}, the gradient {which[1]}"
        return Fault(text, "treat the bias alike in both")
    if loss.coefficient > gradient.coefficient:
        text = f"half of what it must be: reg · W, but the loss has {loss}"
        return Fault(text, "its derivative is 2 * reg * W")
    text = f"twice what it must be: 2 · reg · W, but the loss has {loss}"
    return Fault(text, "its derivative is reg * W")


def _name_value_mistake(increments: Sequence[Increment]) -> Fault:
    if known := _find_mistake(increments, "value", VALUE_MISTAKES):
        return known
    first = increments[0]
    right = CONVENTIONS[0].value(first.exercise, first.reg)
    text = f"reg = {first.reg:g} adds {first.value:.6g}, but reg · ΣW² is {right:.6g}"
    return Fault(text, _SQUARE)


def _name_slope_mistake(increments: Sequence[Increment]) -> Fault:
    return _find_mistake(increments, "slope", SLOPE_MISTAKES) or Fault(
        "neither 2 · reg · W nor reg · W", "the derivative of reg · ΣW² by W is 2 * reg * W"
    )


def _find_mistake(
    increments: Sequence[Increment], part: Literal["value", "slope"], mistakes: KnownMistakes
) -> Fault | None:
    return next(
        (Fault(what, reason) for what, reason, term in mistakes if _fits(increments, part, term)), None
    )


def _fits(increments: Sequence[Increment], part: Literal["value", "slope"], term: Term) -> bool:
    """Whether `reg` adds `term`, on every exercise."""
    for increment in increments:
        expected = term(increment.exercise, increment.reg)
        size = increment.loss if part == "value" else increment.gradient
        error = np.abs(getattr(increment, part) - expected).max()
        if not error <= MATCH * (np.abs(expected).max() + size):
            return False
    return True
