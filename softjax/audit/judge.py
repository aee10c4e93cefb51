"""What a finding says: a rule is right, wrong, undecided, or differs from the derivative in a way that looks meant."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

Word = Literal["right", "wrong", "differs", "undecided"]
Trait = Literal["iterates", "random"] | None
WORST_FIRST: tuple[Word, ...] = ("wrong", "differs", "undecided", "right")
APPROXIMATE = 1e-5
"""Relative error in norm up to which a rule may be right for a function that is computed by an approximation."""
NEAR = 1e-2
"""Relative error up to which the rule of a function that iterates to a tolerance may be right."""


@dataclass(frozen=True)
class Finding:
    """What one check of a rule found."""

    mode: str
    """reverse mode, forward mode under jit, ..."""
    word: Word
    text: str
    """why, in a sentence"""
    error: float
    """the largest error of an entry in rounding bounds, NaN if there is none"""
    entry: str = ""
    """the worst entry"""
    claimed: float = float("nan")
    true: float = float("nan")
    leaf: int = 0
    """the number of the argument that the worst entry is in, among those that are differentiated"""
    index: tuple[int, ...] = ()
    num_outputs: int = 1
    """how many outputs have floating numbers"""
    point: int = 0
    seconds: float = 0.0


def judge(
    mode: str,
    check: Any,
    params: list[np.ndarray],
    outputs: list[np.ndarray],
    weights: list[np.ndarray | None],
    trait: Trait,
    names: Sequence[str] = (),
) -> Finding:
    """The finding of a `GradientCheck` of uᵀ f.

    **Arguments:**

    - `params`: what the function was differentiated by. `outputs`: f(params). `weights`: u; empty if the derivative that was
      checked is not that of uᵀ f.
    - `trait`: whether the function may iterate to a tolerance, so that its values are not exact, or draws random numbers.
    - `names`: of `params`, for the text.
    """
    from softjax.gradcheck.rounding import Rounding  # imports JAX, which what records calls must not

    word: Word = check.verdict
    text = check.diagnosis
    if word == "wrong":
        meant = describe_difference(check, params, outputs, weights)
        if meant:
            word, text = "differs", f"differs from the derivative: {meant}"
        elif trait == "random":
            word = "undecided"
            text = (
                "the function draws random numbers, and the rule is not the derivative of these numbers. "
                "It may be that at a fixed probability, or of an expectation"
            )
        elif trait == "iterates" and check.relative_error < 100 * Rounding.of(check.dtype).unit:
            word, text = "right", f"agrees with the derivative to {check.relative_error:.1e}"
        elif check.relative_error < APPROXIMATE:
            word = "undecided"
            text = (
                f"the rule agrees with the derivative to {check.relative_error:.1e} in norm, and entries that are small beside the "
                "largest differ. The function may be an approximation that is exact to no more, or the rule may cancel"
            )
        elif trait == "iterates" and check.relative_error < NEAR:
            word = "undecided"
            text = (
                f"the rule agrees with the derivative to {check.relative_error:.1e}. The function may iterate to a tolerance: "
                "then its values are exact to no more"
            )
    for number, name in enumerate(names):
        text = text.replace(f"params[{number}]", name).replace(f"in argument {number + 1}", f"in {name}")
    worst = check.worst
    leaf = re.match(r"params\[(\d+)\]", worst.path)
    return Finding(
        mode,
        word,
        text,
        check.error_in_bounds,
        worst.name,
        worst.claimed,
        worst.true,
        int(leaf[1]) if leaf else 0,
        worst.index,
        sum(weight is not None for weight in weights),
    )


def only(weights: list[np.ndarray | None], output: int | None) -> list[np.ndarray | None]:
    """The weights u of one of the floating outputs, counted without the others; all of them if `output` is None."""
    floating = [number for number, weight in enumerate(weights) if weight is not None]
    if output is None:
        return weights
    return [weight if number == floating[output] else None for number, weight in enumerate(weights)]


def is_symmetric(array: np.ndarray) -> bool:
    """Whether an array holds symmetric matrices, of at least 2 rows, to within rounding to float32."""
    if array.ndim < 2 or array.shape[-1] != array.shape[-2] or array.shape[-1] < 2:
        return False
    return bool(
        np.abs(array - np.swapaxes(array, -1, -2)).max(initial=0) <= 1e-5 * np.abs(array).max(initial=0)
    )


def describe_difference(
    check: Any, params: list[np.ndarray], outputs: list[np.ndarray], weights: list[np.ndarray | None]
) -> str:
    """How a rule differs from the derivative on purpose: straight-through, reversal, ...; empty if it does not look so."""
    if not weights:
        return ""
    texts = []
    given = zip(params, check.claimed, check.true, check.bound, strict=True)
    for number, (param, claimed, true, bound) in enumerate(given):
        allowed = check.allowed_bounds * bound
        if not (np.abs(claimed - true) > allowed).any():
            continue
        cotangents = [
            weight
            for output, weight in zip(outputs, weights, strict=True)
            if weight is not None and output.shape == param.shape
        ]
        same = [
            weight
            for output, weight in zip(outputs, weights, strict=True)
            if weight is not None and np.array_equal(output, param) and _same_where_known(true, weight)
        ]
        if not np.isfinite(claimed).all():
            return ""
        known = np.isfinite(true)  # of a function that cannot be traced, some entries
        parts = ([u[known] for u in us] for us in (cotangents, same))
        text = _describe(claimed[known], true[known], allowed[known], *parts)
        if not text:
            return ""
        texts.append(text if len(params) == 1 else f"{text}, in argument {number + 1}")
    return "; ".join(texts)


def _same_where_known(true: np.ndarray, weight: np.ndarray) -> bool:
    known = np.isfinite(true)
    return bool(np.allclose(true[known], weight[known], rtol=1e-6, atol=0))


def _describe(
    claimed: np.ndarray,
    true: np.ndarray,
    allowed: np.ndarray,
    cotangents: list[np.ndarray],
    same: list[np.ndarray],
) -> str:
    """The difference in one argument.

    **Arguments:**

    - `cotangents`: u of the outputs of this shape. `same`: u of the outputs that are this argument unchanged.
    """

    def close(a: np.ndarray, b: np.ndarray) -> bool:
        return bool((np.abs(a - b) <= allowed + 1e-6 * np.abs(b)).all())

    if not claimed.any():
        return "zero, so it stops the gradient"
    for u in same:  # an identity whose gradient is changed
        factor = float(np.vdot(claimed, u) / np.vdot(u, u))
        if close(claimed, factor * u):
            return f"factor {factor:.6g}, of a function that returns its argument (gradient {'reversal' if factor < 0 else 'scaling'})"
        limit = float(np.abs(claimed).max())
        if close(claimed, np.clip(u, -limit, limit)):
            return f"clipped at {limit:.6g}, of a function that returns its argument"
        return "another gradient, of a function that returns its argument"
    flat = np.abs(true) <= allowed
    for u in cotangents:
        if close(claimed, u) and (close(np.where(flat, 0, claimed), np.where(flat, 0, true))):
            return "identity (straight-through), " + (
                "of a function that is flat" if flat.all() else "where the function is flat"
            )
    if flat.all():
        return "a surrogate, of a function that is flat"
    return _describe_clipping(claimed, true, allowed)


def _describe_clipping(claimed: np.ndarray, true: np.ndarray, allowed: np.ndarray) -> str:
    """Whether the claim is the derivative clipped at a number: the same one in two entries at least, and one within it."""
    wrong = np.abs(claimed - true) > allowed
    limit = float(np.abs(claimed).max())
    at_limit = np.abs(np.abs(claimed[wrong]) - limit) <= 1e-6 * limit
    if wrong.sum() < 2 or wrong.all() or not at_limit.all():
        return ""
    clipped = np.clip(true, -limit, limit)
    return f"clipped at {limit:.6g}" if (np.abs(claimed - clipped) <= allowed + 1e-6 * limit).all() else ""
