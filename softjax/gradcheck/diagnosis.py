"""Describes what is wrong with a gradient, if its error has a known pattern."""

from typing import Any

import jax
import numpy as np
from jaxtyping import Bool, Float

from softjax.gradcheck.evidence import Evidence
from softjax.gradcheck.leaves import Leaves, name_entry

Masks = list[Bool[np.ndarray, "..."]]


def diagnose(evidence: Evidence) -> tuple[float | None, str]:
    """The constant factor between claim and gradient (None if the error is not such a factor), and a text on the error."""
    bad = [~np.isfinite(leaf) for leaf in evidence.claimed]
    if any(mask.any() for mask in bad):
        return (
            None,
            f"the claim is not finite in {_count_entries(bad)}, first at {_name_first(evidence, bad)}",
        )
    factor = _fit_factor(evidence)
    if factor is not None:
        return factor, _say_factor(factor, evidence)
    reason = _find_transpose(evidence) or _find_penalty(evidence)
    if reason:
        return None, reason
    wrong = evidence.wrong
    if not all(mask.any() for mask in wrong):  # some leaves are right: look for one reason in the others
        inside = evidence.select([np.full(mask.shape, mask.any()) for mask in wrong])
        reason = _find_reason(inside)
        if reason:
            return None, f"the claim is wrong only in {_name_wrong_leaves(evidence, wrong)}. There {reason}"
    place = _locate(evidence, wrong)
    if not place:
        return None, f"{_count_entries(wrong)} are wrong, and the errors have no known pattern"
    reason = _find_reason(evidence.select(wrong))
    return None, f"the claim is wrong only in {place}" + (f". There {reason}" if reason else "")


def _find_reason(inside: Evidence) -> str:
    """What is wrong with a part of a claim, as the end of a sentence; empty if the pattern is not known."""
    factor = _fit_factor(inside)
    reason = _say_factor(factor, inside) if factor is not None else _find_penalty(inside)
    return reason.replace("the claim", "it")


def _name_wrong_leaves(evidence: Evidence, wrong: Masks) -> str:
    return ", ".join(path for path, mask in zip(evidence.paths, wrong, strict=True) if mask.any())


def _flatten(leaves: Leaves) -> Float[np.ndarray, " n"]:
    return np.concatenate([np.ravel(leaf) for leaf in leaves]) if leaves else np.zeros(0)


def _take_known(evidence: Evidence) -> tuple[np.ndarray, ...]:
    """Claimed, true, allowed and params as vectors, where the truth is known."""
    parts = [_flatten(p) for p in (evidence.claimed, evidence.true, evidence.allowed, evidence.params)]
    known = ~np.isnan(parts[1])
    return tuple(part[known] for part in parts)


def _fit(target: np.ndarray, direction: np.ndarray, allowed: np.ndarray) -> float | None:
    """The number a with |target − a · direction| ≤ allowed, by weighted least squares; None if there is none."""
    # without the 1e-6, an entry with almost no allowed error would have all the weight
    if len(target) == 0:
        return None
    weight = 1 / np.maximum(allowed, 1e-6 * allowed.max(initial=0) + np.finfo(np.float64).tiny)
    v, t = direction * (weight / weight.max()), target * (weight / weight.max())
    norm = float(v @ v)
    if norm == 0:
        return None
    a = float(v @ t) / norm
    return a if (np.abs(target - a * direction) <= max(1.0, abs(a)) * allowed).all() else None


def _fit_factor(evidence: Evidence) -> float | None:
    claimed, true, allowed, _ = _take_known(evidence)
    significant = int((np.abs(true) > allowed).sum())
    if significant == 0:
        return None
    factor = _fit(claimed, true, allowed)
    if significant == 1 and factor is not None and not any(np.isclose(factor, v) for v in (0, -1, 0.5, 2)):
        return None  # one number always fits some factor
    return factor


def _say_factor(factor: float, evidence: Evidence) -> str:
    _, true, allowed, _ = _take_known(evidence)
    strongest = np.abs(true).argmax()
    blur = max(float(allowed[strongest] / np.abs(true[strongest])), 1e-12) * max(1.0, abs(factor))

    def close(value: float | int) -> bool:
        return abs(factor - value) <= 2 * blur

    if close(0):
        return "the claim is zero"
    if close(-1):
        return "the claim is −1 times the gradient: its sign is wrong"
    for value, text in ((2.0, "twice"), (0.5, "half")):
        if close(value):
            return f"the claim is {text} the gradient"
    for name, size in _list_sizes(evidence.args):
        if close(size):
            return f"the claim is {size} times the gradient, and {size} is {name}: the claim is a sum instead of a mean"
        if close(1 / size):
            return f"the claim is 1/{size} of the gradient, and {size} is {name}: the claim is divided by {size} twice instead of once"
        if size > 1 and close(size / (size - 1)):
            return f"the claim is {size}/{size - 1} times the gradient, and {size} is {name}: the claim is divided by N − 1 instead of N"
    digits = 6 if abs(factor - 1) > 1e-3 else 12
    return f"the claim is {factor:.{digits}g} times the gradient"


def _list_sizes(args: tuple[Any, ...]) -> list[tuple[str, int]]:
    names: dict[int, str] = {}
    for i, arg in enumerate(args):
        for axis, size in enumerate(np.shape(arg) if hasattr(arg, "shape") else ()):
            if size > 1:
                names.setdefault(int(size), f"the length of axis {axis} of argument {i + 1}")
    return [(name, size) for size, name in names.items()]


def _find_transpose(evidence: Evidence) -> str:
    for path, claimed, true, allowed in zip(
        evidence.paths, evidence.claimed, evidence.true, evidence.allowed, strict=True
    ):
        if claimed.ndim == 2 and claimed.shape[0] == claimed.shape[1] > 1:
            bound = np.maximum(allowed, allowed.T)
            if (np.abs(claimed - true.T) <= bound).all() and not (np.abs(claimed - true) <= allowed).all():
                return f"the claim for {path} is the transpose of the gradient"
    return ""


def _find_penalty(evidence: Evidence) -> str:
    """Finds the gradient of a penalty that the claim lacks, or that it should not have; empty if there is none."""
    claimed, true, allowed, params = _take_known(evidence)
    # A claim that is a small gradient and a large term is rounded at the size of the term.
    allowed = allowed + 2 * np.finfo(np.float64).eps * (np.abs(claimed) + np.abs(true))
    scalars = [
        float(arg) for arg in evidence.args if np.ndim(arg) == 0 and _is_number(arg) and float(arg) != 0
    ]
    for direction, symbol in ((params, "w"), (np.sign(params), "sign(w)")):
        coefficient = _fit(true - claimed, direction, allowed)
        if coefficient is None or (np.abs(coefficient * direction) <= allowed).all():
            continue
        verb = "lacks the" if coefficient > 0 else "has an extra"
        text = f"the claim {verb} term {abs(coefficient):.6g} {symbol}"
        for scalar in scalars:
            if symbol == "w" and np.isclose(abs(coefficient), 2 * scalar, rtol=1e-3):
                return f"{text}, which is the gradient of a penalty {scalar:g} Σw²"
            if symbol == "w" and np.isclose(abs(coefficient), scalar, rtol=1e-3):
                return f"{text}. A penalty {scalar:g} Σw² has the gradient {2 * scalar:g} w, and ½ · {scalar:g} Σw² has {scalar:g} w"
            if symbol != "w" and np.isclose(abs(coefficient), scalar, rtol=1e-3):
                return f"{text}, which is the gradient of a penalty {scalar:g} Σ|w|"
        if (np.abs(true - claimed) > allowed).sum() > 1:  # one number always fits some coefficient
            return f"{text}, as of a penalty"
    return ""


def _is_number(arg: Any) -> bool:
    dtype = getattr(arg, "dtype", None)
    if dtype is not None:
        return bool(jax.numpy.issubdtype(dtype, jax.numpy.number))
    return isinstance(arg, int | float) and not isinstance(arg, bool)


def _locate(evidence: Evidence, wrong: Masks) -> str:
    """The few leaves, rows or columns that hold all wrong entries; empty if they are everywhere."""
    leaves = [i for i, mask in enumerate(wrong) if mask.any()]
    if len(leaves) > 1:
        if len(leaves) == len(wrong):
            return ""
        return _name_wrong_leaves(evidence, wrong)
    (i,) = leaves
    mask, path = wrong[i], evidence.paths[i]
    places = []
    for axis, name in ((0, "row"), (mask.ndim - 1, "column")) if mask.ndim > 1 else ((0, "entry"),):
        others = tuple(k for k in range(mask.ndim) if k != axis)
        lines = np.flatnonzero(mask.any(axis=others))
        if mask.ndim > 0 and len(lines) < mask.shape[axis] and len(lines) <= max(3, mask.shape[axis] // 4):
            places.append(_name_lines(name, lines, mask.shape[axis]))
    if places:
        return f"{' and '.join(places)} of {path}"
    return path if len(wrong) > 1 else ""


def _name_lines(name: str, lines: Any, size: int) -> str:
    plural = {"row": "rows", "column": "columns", "entry": "entries"}[name]
    if len(lines) == 1:
        return f"{name} {lines[0]}" + (" (the last)" if lines[0] == size - 1 else "")
    shown = ", ".join(map(str, lines[:8])) + (", …" if len(lines) > 8 else "")
    return f"{plural} {shown}"


def _count_entries(masks: Masks) -> str:
    total, size = sum(int(mask.sum()) for mask in masks), sum(mask.size for mask in masks)
    return f"{total:,} of {size:,} entries"


def _name_first(evidence: Evidence, masks: Masks) -> str:
    for path, mask in zip(evidence.paths, masks, strict=True):
        if mask.any():
            return name_entry(path, tuple(int(k) for k in np.argwhere(mask)[0]))
    return ""
