"""Decides from the evidence whether a claim is right, wrong or undecided."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from softjax.gradcheck.diagnosis import diagnose
from softjax.gradcheck.evidence import Evidence
from softjax.gradcheck.leaves import dot, take_sizes
from softjax.gradcheck.references import References


@dataclass(frozen=True)
class Verdict:
    """Right, wrong or undecided, and why."""

    word: Literal["right", "wrong", "undecided"]
    diagnosis: str
    evidence: Evidence
    """the evidence in the report: on the claim in its own type, or in float64"""
    factor: float | None = None
    """claimed / true, if it is the same in all entries and nothing else is wrong"""


def reach_verdict(
    references: References, in_type: Evidence, in_float64: Evidence | None, dtype: np.dtype[np.generic]
) -> Verdict:
    """Judges a claim.

    **Arguments:**

    - `in_type`: the evidence on the claim in its own type, `dtype`.
    - `in_float64`: the evidence on its formula in float64, if there is any. It can show errors that are smaller than
      the rounding of `dtype`.
    """
    if references.disagreement:
        text = (
            f"the references disagree: {references.disagreement}. The function may not be "
            "differentiable here, or it may be random. Therefore the claim was not judged"
        )
        return Verdict("undecided", text, in_type)
    wrong = in_type.any_wrong or (not references.by_autodiff and _is_wrong_along(references, in_type))
    if wrong and in_float64 is not None and in_float64.relative_error < 1e-3 * in_type.relative_error:
        text = (
            "the formula is right: in float64 the error almost disappears. But the claim loses more digits than "
            f"rounding to {dtype.name} explains. Look for a less precise type in the computation, or for cancellation"
        )
        return Verdict("wrong", text, in_type)
    formula_wrong = in_float64 is not None and in_float64.any_wrong
    if not wrong and not formula_wrong:
        text = "the claim agrees with the references to within rounding"
        if not references.by_autodiff:
            text += ". JAX cannot trace this function, so the check did not use autodiff"
        return Verdict("right", text, in_type)
    factor, text = (
        None,
        "the claim is wrong along a random direction. Its wrong entries are not among the sampled ones",
    )
    clearest = in_float64 if in_float64 is not None else in_type
    if clearest.any_wrong:
        factor, text = diagnose(clearest)
    if wrong:
        return Verdict("wrong", text, in_type, factor)
    text += f". The error is smaller than the rounding of {dtype.name}; it was found in float64"
    return Verdict("wrong", text, clearest, factor)


def _is_wrong_along(references: References, evidence: Evidence) -> bool:
    """Whether the claim is wrong along any direction. This matters because not all entries may have a reference."""
    for derivative in references.derivatives:
        true, error = derivative.without_autodiff
        along = dot(evidence.claimed, derivative.direction)
        excused = dot(evidence.allowed, take_sizes(derivative.direction))
        if not abs(along - true) <= 10 * error + excused:
            return True
    return False
