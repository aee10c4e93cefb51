"""Holds a claimed gradient against every reference at hand, and knows what rounding excuses."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from softjax.diagnosis import Evidence, diagnose, name_entry
from softjax.references import Derivative, Leaves, Point, References, at_point, references
from softjax.rounding import Rounding, evaluate, least_precise, lowest_precision, rounding_deviation

DEVIATIONS = 1.25  # a rounding bound, in root mean squares of the rounding error
ALL_ENTRIES = 24  # below this many parameters, every one is a direction of its own
DIFFERENCES_AT_MOST = 2000  # entries of a function that JAX cannot trace, each by differences


class GradientError(AssertionError):
    """A checked gradient is wrong, or could not be judged. The message is the report."""


@dataclass(frozen=True)
class Entry:
    """One entry of a gradient."""

    name: str
    path: str
    index: tuple[int, ...]
    claimed: float
    true: float


@dataclass(frozen=True)
class Sample:
    """One entry in the course's table."""

    name: str
    numerical: float
    analytic: float
    autodiff: float
    """NaN where there is no autodiff"""

    @property
    def relative_error(self) -> float:
        """|numerical − analytic| / (|numerical| + |analytic|), as the course defines it."""
        scale = abs(self.numerical) + abs(self.analytic)
        return abs(self.numerical - self.analytic) / scale if scale > 0 else 0.0


@dataclass(frozen=True)
class GradientCheck:
    """What `check_gradient` found. `str()` of it is the report.

    - `verdict`: `"right"`, `"wrong"`, or `"undecided"` where the references disagree with each other.
    - `worst`: the entry that is off by most of its rounding bounds: name, path, index, claimed, true.
    - `relative_error`: ‖claimed − true‖ / ‖true‖.
    - `error_in_bounds`: the largest |claimed − true| in units of its entry's rounding bound.
    - `allowed_bounds`: how many of them are allowed.
    - `claimed`, `true`, `bound`: pytrees like the parameters, float64.
    - `dtype`: the type whose rounding is excused.
    - `references`: how each reference was taken.
    - `factor`: the constant by which the claim is off, if that is all that is wrong, else None.
    - `diagnosis`: a sentence.
    - `samples`: entries by central differences, claim and autodiff: the course's table.
    """

    verdict: Literal["right", "wrong", "undecided"]
    worst: Entry
    relative_error: float
    error_in_bounds: float
    allowed_bounds: float
    claimed: PyTree = field(repr=False)
    true: PyTree = field(repr=False)
    bound: PyTree = field(repr=False)
    dtype: str
    num_entries: int
    references: tuple[str, ...]
    factor: float | None
    diagnosis: str
    samples: tuple[Sample, ...] = field(repr=False)

    @property
    def ok(self) -> bool:
        """Whether the claim is right."""
        return self.verdict == "right"

    def relative_errors(self) -> PyTree:
        """|claimed − true| / |true|, entry by entry (0 where both are 0)."""

        def one(claimed: np.ndarray, true: np.ndarray) -> np.ndarray:
            with np.errstate(all="ignore"):
                return np.where(claimed == true, 0.0, np.abs(claimed - true) / np.abs(true))

        return jax.tree.map(one, self.claimed, self.true)

    def table(self) -> str:
        """The course's lines: numerical, analytic, relative error, one a sampled entry."""
        return "\n".join(
            f"numerical: {sample.numerical:f} analytic: {sample.analytic:f}, "
            f"relative error: {sample.relative_error:e}"
            for sample in self.samples
        )

    def raise_if_wrong(self) -> None:
        """Raises `GradientError` with the report, unless the claim is right."""
        if not self.ok:
            raise GradientError(str(self))

    def __str__(self) -> str:
        worst = self.worst
        return "\n".join(
            [
                f"gradient check: {self.verdict.upper()} ({self.dtype}, {self.num_entries:,} entries)",
                f"  {self.diagnosis}",
                f"  worst entry: {worst.name} claimed {worst.claimed:.9g}, true {worst.true:.9g}, "
                f"off by {self.error_in_bounds:.3g} rounding bounds ({self.allowed_bounds:g} allowed)",
                f"  relative error in norm: {self.relative_error:.3g}",
                "  references: " + "; ".join(self.references),
            ]
        )


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
    given, structure, paths = _flatten(params)
    output = claimed(params, *args) if callable(claimed) else claimed
    claim = _gradient_leaves(output, structure, given, paths)
    precisions = [_dtype(leaf) for leaf in given]
    x64 = jax.dtypes.canonicalize_dtype(np.float64) == np.float64
    if not x64 and any(isinstance(leaf, jax.Array) for leaf in claim):
        # JAX has rounded what it was given: judge it at the point where it was
        canonical = jax.dtypes.canonicalize_dtype
        given = [np.asarray(leaf).astype(canonical(_dtype(leaf))) for leaf in given]
        args = jax.tree.map(lambda x: x.astype(canonical(x.dtype)) if _is_floating(x) else x, args)
        precisions = [_dtype(leaf) for leaf in given]
    if not callable(claimed):
        precisions += [_dtype(leaf) for leaf in claim if _is_floating(leaf)]
    dtype = least_precise(precisions)

    def unflatten(leaves: Sequence[Any]) -> PyTree:
        return jax.tree.unflatten(structure, list(leaves))

    with jax.enable_x64(True):
        exact_args = jax.tree.map(_raised, args)
        leaves = [np.array(leaf, np.float64) for leaf in given]
        point = at_point(lambda leaves: fun(unflatten(leaves), *exact_args), leaves)
        claim64 = [np.array(leaf, np.float64) for leaf in claim]
        entries = _entries(leaves, point, num_entries, seed)
        found = references(point, entries, lambda leaf, index: name_entry(paths[leaf], index), seed)
    own = None
    if point.gradient is not None:
        own = _own_gradient(fun, structure, given, args, dtype)
    with jax.enable_x64(True):
        formula = None
        if callable(claimed) and dtype != np.float64 and point.precision == np.float64:
            formula = _in_float64(claimed, unflatten, leaves, exact_args, structure, paths)
        kind = least_precise([dtype, point.precision])
        bound = _bounds(point, leaves, Rounding.of(kind), own, claimed, unflatten, exact_args, found, seed)
        exact = Rounding.of(np.float64)
        bound64 = _bounds(point, leaves, exact, None, claimed, unflatten, exact_args, found, seed)

    def allowed(bounds: Leaves) -> Leaves:
        return [
            allowed_bounds * b + rtol * np.abs(np.nan_to_num(t)) + atol
            for b, t in zip(bounds, found.gradient, strict=True)
        ]

    def evidence(values: Leaves, bounds: Leaves) -> Evidence:
        return Evidence(paths, leaves, values, found.gradient, allowed(bounds), tuple(args))

    in_type = evidence(claim64, bound)
    wrong = any(mask.any() for mask in in_type.wrong) or _wrong_along(found, claim64, point, allowed(bound))
    shown, shown_bound, note = in_type, bound, ""
    formula_wrong = False
    if formula is not None:
        in_float64 = evidence(formula, bound64)
        formula_wrong = any(mask.any() for mask in in_float64.wrong)
        if formula_wrong and not wrong:
            note = f" (an error below what {dtype.name} can show: found by evaluating the claim in float64)"
            shown, shown_bound = in_float64, bound64
    factor = None
    if found.disagreement:
        verdict: Literal["right", "wrong", "undecided"] = "undecided"
        diagnosis = (
            f"the references disagree: {found.disagreement}. The function is not differentiable here, or not "
            "what it seems; nothing is said about the claim"
        )
    elif wrong or formula_wrong:
        verdict = "wrong"
        if formula is not None and not formula_wrong:
            diagnosis = (
                f"the formula is right (in float64 the claim agrees), but its arithmetic loses more than "
                f"{dtype.name} must: look for a type that is too short, or for cancellation"
            )
        else:
            clearer = evidence(formula, bound64) if formula is not None else in_type
            factor, diagnosis = diagnose(clearer) if any(m.any() for m in clearer.wrong) else (None, "")
            diagnosis = (diagnosis or "wrong along a random direction, outside the sampled entries") + note
    else:
        verdict = "right"
        diagnosis = "the claim agrees with the references to rounding"
        if point.gradient is None:
            diagnosis += ", as far as differences can tell: JAX cannot trace this function"
    worst, error_in_bounds = _worst(paths, shown.claimed, found.gradient, shown_bound)
    return GradientCheck(
        verdict=verdict,
        worst=worst,
        relative_error=_relative_error(shown.claimed, found.gradient),
        error_in_bounds=error_in_bounds,
        allowed_bounds=allowed_bounds,
        claimed=unflatten(shown.claimed),
        true=unflatten(found.gradient),
        bound=unflatten(shown_bound),
        dtype=dtype.name,
        num_entries=sum(leaf.size for leaf in leaves),
        references=_describe(point, found, formula is not None),
        factor=factor,
        diagnosis=diagnosis,
        samples=_samples(paths, found.derivatives, claim64),
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
    """
    rng = np.random.default_rng(seed)
    checks = []
    for _ in range(num_directions):
        v = jax.tree.map(
            lambda leaf: jnp.asarray(rng.choice([-1.0, 1.0], np.shape(leaf)), _dtype(leaf)), params
        )

        def slope(params: PyTree, v: PyTree, *args: Any) -> Any:
            v = jax.tree.map(lambda part, leaf: jnp.asarray(part, jnp.asarray(leaf).dtype), v, params)
            return jax.jvp(lambda p: fun(p, *args), (params,), (v,))[1]

        checks.append(check_gradient(slope, claimed, params, v, *args, seed=seed, **options))
    return tuple(checks)


def _dtype(leaf: Any) -> np.dtype[Any]:
    return np.dtype(leaf.dtype) if hasattr(leaf, "dtype") else np.asarray(leaf).dtype


def _is_floating(x: Any) -> bool:
    dtype = getattr(x, "dtype", None)
    return dtype is not None and bool(jnp.issubdtype(dtype, jnp.floating))


def _raised(x: Any) -> Any:
    return np.asarray(x).astype(np.float64) if _is_floating(x) else x


def _flatten(params: PyTree) -> tuple[list[Any], Any, list[str]]:
    with_paths, structure = jax.tree_util.tree_flatten_with_path(params)
    for path, leaf in with_paths:
        if not jnp.issubdtype(_dtype(leaf), jnp.floating):
            name = f"params{jax.tree_util.keystr(path)}"
            raise ValueError(f"{name} must be a floating array, got {_dtype(leaf)}: pass it in args instead")
    if not with_paths:
        raise ValueError("params hold no arrays")
    paths = [f"params{jax.tree_util.keystr(path)}" for path, _ in with_paths]
    return [leaf for _, leaf in with_paths], structure, paths


def _gradient_leaves(output: Any, structure: Any, given: list[Any], paths: list[str]) -> list[Any]:
    """The leaves of a claim, which may come as (value, gradient)."""
    leaves, found = jax.tree.flatten(output)
    if found != structure and isinstance(output, tuple) and len(output) == 2 and np.ndim(output[0]) == 0:
        leaves, found = jax.tree.flatten(output[1])
    if found != structure:
        raise ValueError(f"the claim must be a pytree like params, {structure}, got {found}")
    for path, leaf, claim in zip(paths, given, leaves, strict=True):
        if np.shape(claim) != np.shape(leaf):
            hint = " (is it transposed?)" if np.shape(claim) == np.shape(leaf)[::-1] else ""
            raise ValueError(f"the claim for {path} must be {np.shape(leaf)}, got {np.shape(claim)}{hint}")
    return leaves


def _entries(leaves: Leaves, point: Point, num_entries: int, seed: int) -> list[tuple[int, tuple[int, ...]]]:
    """The entries that are confirmed one by one: all of a few, else a random sample."""
    places = [(i, leaf.shape) for i, leaf in enumerate(leaves)]
    total = sum(leaf.size for leaf in leaves)
    offsets = np.cumsum([0, *(leaf.size for leaf in leaves)])
    if total <= ALL_ENTRIES or (point.gradient is None and total <= DIFFERENCES_AT_MOST):
        chosen = np.arange(total)
    else:
        most = num_entries if point.gradient is not None else max(num_entries, 200)
        chosen = np.random.default_rng(seed).choice(total, min(most, total), replace=False)
    found = []
    for flat in chosen:
        i = int(np.searchsorted(offsets, flat, side="right") - 1)
        index = np.unravel_index(int(flat - offsets[i]), places[i][1])
        found.append((i, tuple(int(k) for k in index)))
    return found


@lru_cache(maxsize=32)
def _jitted_gradient(fun: Callable[..., Any], structure: Any) -> Callable[..., Any]:
    """∂fun/∂params on flat leaves; kept, so that the next check of the same function need not compile it."""
    return jax.jit(jax.grad(lambda leaves, *args: fun(jax.tree.unflatten(structure, leaves), *args)))


def _own_gradient(
    fun: Any, structure: Any, given: list[Any], args: tuple[Any, ...], dtype: np.dtype[Any]
) -> Leaves | None:
    """The framework's gradient in the type at hand, if it has one there."""
    numbers = all(
        isinstance(leaf, bool | int | float | np.ndarray | jax.Array) for leaf in jax.tree.leaves(args)
    )
    try:
        with jax.enable_x64(dtype == np.float64):
            leaves = [jnp.asarray(leaf) for leaf in given]
            if numbers:
                gradient = _jitted_gradient(fun, structure)(leaves, *args)
            else:
                gradient = jax.grad(lambda leaves: fun(jax.tree.unflatten(structure, leaves), *args))(leaves)
        return [np.array(leaf, np.float64) for leaf in gradient]
    except Exception:  # what the function does in this type is its own affair
        return None


def _in_float64(
    claimed: Any, unflatten: Any, leaves: Leaves, args: Any, structure: Any, paths: list[str]
) -> Leaves | None:
    """The claim computed in float64, if it is a JAX function that then uses nothing shorter."""
    try:
        traced = jax.make_jaxpr(
            lambda leaves: _gradient_leaves(claimed(unflatten(leaves), *args), structure, leaves, paths)
        )(leaves)
    except Exception:  # a NumPy function
        return None
    return evaluate(traced, leaves) if lowest_precision(traced) == np.float64 else None


def _bounds(
    point: Point,
    leaves: Leaves,
    rounding: Rounding,
    own: Leaves | None,
    claimed: Any,
    unflatten: Any,
    args: Any,
    found: References,
    seed: int,
) -> Leaves:
    """What rounding can do to each entry, to first order."""
    if point.gradient is None:
        return _bounds_without_autodiff(leaves, rounding, claimed, unflatten, args, found, seed)
    gradient, deviation = found.gradient, found.deviation
    if rounding != Rounding.of(np.float64):
        _, deviation = rounding_deviation(point.gradient, leaves, rounding, seed=seed)
    bound = [
        DEVIATIONS * d + rounding.unit * np.abs(g) + rounding.smallest
        for d, g in zip(deviation, gradient, strict=True)
    ]
    if own is None:
        return bound
    errors = [np.nan_to_num(np.abs(o - g), nan=0.0, posinf=0.0) for o, g in zip(own, gradient, strict=True)]
    squares = [(DEVIATIONS * e / b) ** 2 for e, b in zip(errors, bound, strict=True)]
    noise = np.sqrt(sum(s.sum() for s in squares) / sum(s.size for s in squares))
    return [np.maximum(max(1.0, float(noise)) * b, e) for b, e in zip(bound, errors, strict=True)]


def _bounds_without_autodiff(
    leaves: Leaves, rounding: Rounding, claimed: Any, unflatten: Any, args: Any, found: References, seed: int
) -> Leaves:
    """The claim's own change when its inputs are off by their rounding, and the error of the differences."""
    rng = np.random.default_rng(seed)
    scale = max(float(np.nanmax(np.abs(g), initial=0)) for g in found.gradient)
    bound = [np.full_like(leaf, 4 * rounding.unit * scale + rounding.smallest) for leaf in leaves]

    def jittered(x: Any, size: float) -> Any:
        return x * (1 + size * rng.choice([-1.0, 1.0], np.shape(x))) if _is_floating(x) else x

    if callable(claimed):
        size, squares = 1e-6, [np.zeros_like(leaf) for leaf in leaves]
        try:
            structure = jax.tree.structure(unflatten(leaves))
            names = [""] * len(leaves)
            base = _gradient_leaves(claimed(unflatten(leaves), *args), structure, leaves, names)
            for _ in range(8):
                moved = [jittered(leaf, size) for leaf in leaves]
                moved_args = jax.tree.map(lambda x: jittered(x, size), args)
                other = _gradient_leaves(claimed(unflatten(moved), *moved_args), structure, leaves, names)
                for total, a, b in zip(squares, other, base, strict=True):
                    total += ((np.asarray(a) - np.asarray(b)) / size) ** 2 / 8
            bound = [b + DEVIATIONS * rounding.unit * np.sqrt(s) for b, s in zip(bound, squares, strict=True)]
        except Exception:  # the claim takes no other arguments than its own
            pass
    for derivative in found.derivatives:
        if derivative.entry is not None:
            leaf, index = derivative.entry
            error = 0.0 if "complex step" in derivative.values else derivative.difference_error
            bound[leaf][index] += error
    return bound


def _wrong_along(found: References, claim: Leaves, point: Point, allowed: Leaves) -> bool:
    """Whether the claim is off along a dense direction, where not every entry has a reference."""
    if point.gradient is not None:
        return False
    for derivative in found.derivatives:
        along = sum(float(np.vdot(c, v)) for c, v in zip(claim, derivative.direction, strict=True))
        values = derivative.values
        true = values.get("complex step", values["central differences"])
        error = 0.0 if "complex step" in values else 10 * derivative.difference_error
        excused = sum(
            float(np.vdot(a, np.abs(v))) for a, v in zip(allowed, derivative.direction, strict=True)
        )
        if not abs(along - true) <= error + excused:
            return True
    return False


def _relative_error(claimed: Leaves, true: Leaves) -> float:
    known = [~np.isnan(t) for t in true]
    error = np.sqrt(sum(((c - t)[k] ** 2).sum() for c, t, k in zip(claimed, true, known, strict=True)))
    norm = np.sqrt(sum((t[k] ** 2).sum() for t, k in zip(true, known, strict=True)))
    return float(error / norm) if norm > 0 else float(error > 0)


def _worst(paths: list[str], claimed: Leaves, true: Leaves, bound: Leaves) -> tuple[Entry, float]:
    candidates = []
    for path, c, t, b in zip(paths, claimed, true, bound, strict=True):
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
