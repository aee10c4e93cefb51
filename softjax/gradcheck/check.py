"""Holds a claimed gradient against every reference at hand, and knows what rounding excuses."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from softjax.gradcheck.bounds import own_gradient, rounding_bounds
from softjax.gradcheck.claim import dtype_of, make_claim
from softjax.gradcheck.diagnosis import Evidence, diagnose, name_entry
from softjax.gradcheck.references import Derivative, Leaves, Point, References, at_point, references
from softjax.gradcheck.result import Entry, GradientCheck, Sample
from softjax.gradcheck.rounding import Rounding, pick_least_precise

ALL_ENTRIES = 24  # below this many parameters, every one is a direction of its own
DIFFERENCES_AT_MOST = 2000  # entries of a function that JAX cannot trace, each by differences
SAMPLE_OF_DIFFERENCES = 200  # of those, where there are more


def check_gradient(
    fun: Callable[..., Any],
    claimed: Callable[..., Any] | PyTree,
    params: PyTree,
    *args: Any,
    allowed_bounds: float = 4.0,
    rtol: float = 0.0,
    atol: float = 0.0,
    num_entries: int = 10,
    seed: int = 0,
) -> GradientCheck:
    """Checks whether `claimed` is the gradient ∂fun/∂params, of any function and in any floating type.

    The truth is taken in float64, from params and args as they are: by reverse-mode autodiff for every entry,
    confirmed along some entries and random directions by forward mode, by the complex step, and by central
    differences with extrapolation. Where these disagree with each other, the function is not differentiable
    there, or not what it seems, and the verdict is `"undecided"`. For functions that JAX cannot trace (NumPy's)
    there are the last two only; the report says so.

    A right gradient is not exact. What rounding excuses is found out entry by entry, by evaluating the
    framework's own gradient while each operation is off by its rounding error, u |v|, or u Σ|terms| for a sum,
    u being the unit roundoff of the type of `params`; and, where that is more, by the error that the
    framework's own gradient really has in that type. A claim that computes in float64 throughout when given
    float64 is evaluated there as well, so that a wrong formula shows in half precision too.

    **Arguments:**

    - `fun`: `fun(params, *args)` returns a real scalar.
    - `claimed`: `claimed(params, *args)` returns the gradient, or (value, gradient); or the gradient itself.
    - `params`: a pytree of floating arrays; the type of the least precise one is the type that is checked.
    - `args`: whatever else `fun` takes; floating arrays among it are raised to float64 for the references.
    - `allowed_bounds`: rounding bounds by which an entry may be off.
    - `rtol`, `atol`: allowed besides, relative to |true| and absolute.
    - `num_entries`: how many entries are confirmed one by one (all, below 24 parameters).
    - `seed`: of the entries, the directions and the signs of the rounding errors.

    **Returns:** a `GradientCheck`.

    Raises `ValueError` where `fun` is not a real scalar, `params` hold no floating arrays, or the claim is no
    pytree like them.

    Source of the rounding model: Parker, *Monte Carlo Arithmetic*, 1997; Higham, *Accuracy and Stability of
    Numerical Algorithms*, 2002, section 3.
    """
    claim = make_claim(fun, claimed, params, args)
    values = [np.array(leaf, np.float64) for leaf in claim.gradient]
    with jax.enable_x64(True):
        leaves, exact_args = claim.exact()
        point = at_point(lambda leaves: fun(claim.unflatten(leaves), *exact_args), leaves)
        entries = _entries(leaves, point, num_entries, seed)
        found = references(point, entries, lambda leaf, index: name_entry(claim.paths[leaf], index), seed)
    own = own_gradient(claim) if point.gradient is not None else None
    with jax.enable_x64(True):
        rounding = Rounding.of(pick_least_precise([claim.dtype, point.precision]))
        bounds = rounding_bounds(point, found, claim, rounding, own, seed)
        formula = None
        if callable(claimed) and claim.dtype != np.float64 and point.precision == np.float64:
            formula = claim.in_float64()
        if formula is not None:
            bounds64 = rounding_bounds(point, found, claim, Rounding.of(np.float64), None, seed)

    def evidence(values: Leaves, bounds: Leaves) -> Evidence:
        allowed = [
            allowed_bounds * b + rtol * np.abs(np.nan_to_num(t)) + atol
            for b, t in zip(bounds, found.gradient, strict=True)
        ]
        return Evidence(claim.paths, leaves, values, found.gradient, allowed, claim.args)

    in_type = evidence(values, bounds)
    in_float64 = evidence(formula, bounds64) if formula is not None else None
    wrong = in_type.any_wrong or _wrong_along(found, in_type, point)
    formula_wrong = in_float64 is not None and in_float64.any_wrong
    shown, shown_bounds = in_type, bounds
    verdict: Literal["right", "wrong", "undecided"]
    factor = None
    if found.disagreement:
        verdict = "undecided"
        diagnosis = (
            f"the references disagree: {found.disagreement}. The function is not differentiable here, or not "
            "what it seems; nothing is said about the claim"
        )
    elif wrong and in_float64 is not None and _shrinks(in_type, in_float64):
        verdict = "wrong"
        diagnosis = (
            "the formula is right (in float64 the error all but vanishes), but its arithmetic loses more than "
            f"{claim.dtype.name} must: look for a type that is too short, or for cancellation"
        )
    elif wrong or formula_wrong:
        verdict = "wrong"
        clearest = in_float64 if in_float64 is not None else in_type
        if clearest.any_wrong:
            factor, diagnosis = diagnose(clearest)
        else:
            diagnosis = "the claim is wrong along a random direction, in entries that were not sampled"
        if not wrong:
            shown, shown_bounds = clearest, bounds64
            diagnosis += f" (an error below what {claim.dtype.name} can show: found by evaluating the claim in float64)"
    else:
        verdict = "right"
        diagnosis = "the claim agrees with the references to rounding"
        if point.gradient is None:
            diagnosis += ", as far as differences can tell: JAX cannot trace this function"
    worst, error_in_bounds = _worst(shown, shown_bounds)
    return GradientCheck(
        verdict=verdict,
        worst=worst,
        relative_error=_relative_error(shown),
        error_in_bounds=error_in_bounds,
        allowed_bounds=allowed_bounds,
        claimed=claim.unflatten(shown.claimed),
        true=claim.unflatten(found.gradient),
        bound=claim.unflatten(shown_bounds),
        dtype=claim.dtype.name,
        num_entries=sum(leaf.size for leaf in leaves),
        references=_describe(point, found, formula is not None),
        factor=factor,
        diagnosis=diagnosis,
        samples=_samples(claim.paths, found.derivatives, values),
    )


def check_hessian(
    fun: Callable[..., Any],
    claimed: Callable[..., Any],
    params: PyTree,
    *args: Any,
    num_directions: int = 3,
    seed: int = 0,
    **options: Any,
) -> tuple[GradientCheck, ...]:
    """Checks Hessian-vector products: `claimed(params, vector, *args)` against those of `fun`.

    Since H v = ∇(∇fun · v), each product is checked as the gradient of a scalar function, by `check_gradient`.

    **Arguments:**

    - `fun`, `params`, `args`, `options`: as for `check_gradient`; `fun` must be differentiable by JAX.
    - `claimed`: returns H v, a pytree like `params`. That of a gradient by hand is
      `lambda params, v, *args: jax.jvp(lambda p: gradient(p, *args), (params,), (v,))[1]`.
    - `num_directions`: how many random vectors v.

    **Returns:** one `GradientCheck` a vector.

    Raises `ValueError` as `check_gradient` does, or where `num_directions` is not positive.
    """
    if num_directions < 1:
        raise ValueError(f"num_directions must be at least 1, got {num_directions}")
    rng = np.random.default_rng(seed)
    checks = []
    for _ in range(num_directions):
        v = jax.tree.map(lambda leaf: rng.choice([-1.0, 1.0], np.shape(leaf)).astype(dtype_of(leaf)), params)

        def slope(params: PyTree, v: PyTree, *args: Any) -> Any:
            v = jax.tree.map(lambda part, leaf: jnp.asarray(part, jnp.asarray(leaf).dtype), v, params)
            return jax.jvp(lambda p: fun(p, *args), (params,), (v,))[1]

        checks.append(check_gradient(slope, claimed, params, v, *args, seed=seed, **options))
    return tuple(checks)


def _entries(leaves: Leaves, point: Point, num_entries: int, seed: int) -> list[tuple[int, tuple[int, ...]]]:
    """The entries that are confirmed one by one: all of a few, else a random sample."""
    places = [(i, leaf.shape) for i, leaf in enumerate(leaves)]
    total = sum(leaf.size for leaf in leaves)
    offsets = np.cumsum([0, *(leaf.size for leaf in leaves)])
    if total <= ALL_ENTRIES or (point.gradient is None and total <= DIFFERENCES_AT_MOST):
        chosen = np.arange(total)
    else:
        most = num_entries if point.gradient is not None else max(num_entries, SAMPLE_OF_DIFFERENCES)
        chosen = np.random.default_rng(seed).choice(total, min(most, total), replace=False)
    found = []
    for flat in chosen:
        i = int(np.searchsorted(offsets, flat, side="right") - 1)
        index = np.unravel_index(int(flat - offsets[i]), places[i][1])
        found.append((i, tuple(int(k) for k in index)))
    return found


def _wrong_along(found: References, evidence: Evidence, point: Point) -> bool:
    """Whether the claim is off along a dense direction, where not every entry has a reference."""
    if point.gradient is not None:
        return False
    for derivative in found.derivatives:
        direction, values = derivative.direction, derivative.values
        true = values.get("complex step", values["central differences"])
        error = 0.0 if "complex step" in values else 10 * derivative.difference_error
        along = sum(float(np.vdot(c, v)) for c, v in zip(evidence.claimed, direction, strict=True))
        excused = sum(float(np.vdot(a, np.abs(v))) for a, v in zip(evidence.allowed, direction, strict=True))
        if not abs(along - true) <= error + excused:
            return True
    return False


def _shrinks(in_type: Evidence, in_float64: Evidence) -> bool:
    """Whether an error is of the arithmetic, not of the formula: in float64 it is a thousand times smaller."""
    return _relative_error(in_float64) < 1e-3 * _relative_error(in_type)


def _relative_error(evidence: Evidence) -> float:
    pairs = [(c[~np.isnan(t)], t[~np.isnan(t)]) for c, t in zip(evidence.claimed, evidence.true, strict=True)]
    error = float(np.sqrt(sum(((c - t) ** 2).sum() for c, t in pairs)))
    norm = float(np.sqrt(sum((t**2).sum() for _, t in pairs)))
    return error / norm if norm > 0 else float(error > 0)


def _worst(evidence: Evidence, bounds: Leaves) -> tuple[Entry, float]:
    """The entry that is off by most of its bounds, and how many these are."""
    candidates = []
    for path, c, t, b in zip(evidence.paths, evidence.claimed, evidence.true, bounds, strict=True):
        if c.size == 0:
            continue
        with np.errstate(all="ignore"):
            error = np.where(np.isnan(t), -1.0, np.nan_to_num(np.abs(c - t) / b, nan=np.inf))
        index = tuple(int(k) for k in np.unravel_index(int(error.argmax()), c.shape))
        entry = Entry(name_entry(path, index), path, index, float(c[index]), float(t[index]))
        candidates.append((entry, float(error[index])))
    return max(candidates, key=lambda candidate: candidate[1])


def _samples(paths: list[str], derivatives: Sequence[Derivative], claim: Leaves) -> tuple[Sample, ...]:
    return tuple(
        Sample(
            name_entry(paths[derivative.entry[0]], derivative.entry[1]),
            derivative.values["central differences"],
            float(claim[derivative.entry[0]][derivative.entry[1]]),
            derivative.values.get("reverse mode", float("nan")),
        )
        for derivative in derivatives
        if derivative.entry is not None
    )


def _describe(point: Point, found: References, formula: bool) -> tuple[str, ...]:
    entries = sum(derivative.entry is not None for derivative in found.derivatives)
    along = f"{entries} entries and {len(found.derivatives) - entries} directions"
    texts = []
    if point.gradient is not None:
        texts += ["reverse mode (every entry)", f"forward mode ({along})"]
    complex_steps = sum("complex step" in derivative.values for derivative in found.derivatives)
    if complex_steps:
        texts.append(f"complex step ({complex_steps} of them)" if texts else f"complex step ({along})")
    texts.append(f"central differences ({along})")
    if point.gradient is None:
        total = sum(leaf.size for leaf in point.leaves)
        texts.append(
            "no autodiff: JAX cannot trace the function"
            + (f"; {entries:,} of {total:,} entries" if entries < total else "")
        )
    if formula:
        texts.append("the claim's formula in float64")
    return tuple(texts)
