"""The references for a claimed gradient, in float64: autodiff in both modes, complex step, central differences."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import jax
import numpy as np

from softjax.gradcheck.differences import take_central_difference, take_complex_step
from softjax.gradcheck.function import ScalarFunction
from softjax.gradcheck.interpreter import evaluate
from softjax.gradcheck.leaves import Leaves, Place, dot, make_unit, name_entry, take_sizes
from softjax.gradcheck.rounding import Rounding, measure_deviation

ALL_ENTRIES = 24  # up to this many parameters, every entry is confirmed
DIFFERENCES_AT_MOST = (
    2000  # if JAX cannot trace the function: up to this many entries, all are taken by differences
)
SAMPLE_OF_DIFFERENCES = 200  # and if there are more, a sample of this size
DENSE = 3  # the number of random directions
DIFFERENCES_AGREE = 1e-7  # relative to Σ|terms| of a directional derivative
EXACT_METHODS_AGREE = 1e-9


@dataclass(frozen=True)
class Derivative:
    """The derivative of a function along one direction, by every method that works for the function."""

    entry: Place | None
    """the parameter, if the direction is a single one"""
    direction: Leaves = field(repr=False)
    values: dict[str, float]
    difference_error: float
    """the estimated error of the central difference"""
    scale: float
    """an estimate of Σ|terms| of the derivative"""
    allowance: float
    """a generous bound of the rounding error of the derivative by autodiff"""

    @property
    def without_autodiff(self) -> tuple[float, float]:
        """The best value that does not use autodiff, and its error."""
        if "complex step" in self.values:
            return self.values["complex step"], 0.0
        return self.values["central differences"], self.difference_error


@dataclass(frozen=True)
class References:
    """All references at a point, and whether they agree."""

    by_autodiff: bool
    """whether JAX could trace the function; if not, there are only the complex step and differences"""
    gradient: Leaves
    """float64; NaN in entries that were not computed, if only a sample was"""
    deviation: Leaves
    """the rounding error in float64 of each entry of the gradient, NaN if it is not known"""
    derivatives: tuple[Derivative, ...]
    disagreement: str
    """a sentence; empty if they agree"""

    def list_methods(self) -> list[str]:
        """How the references were computed, as the report says it."""
        entries = sum(derivative.entry is not None for derivative in self.derivatives)
        along = f"{entries} entries and {len(self.derivatives) - entries} directions"
        texts = []
        if self.by_autodiff:
            texts += ["reverse mode (every entry)", f"forward mode ({along})"]
        complex_steps = sum("complex step" in derivative.values for derivative in self.derivatives)
        if complex_steps:
            texts.append(f"complex step ({complex_steps} of them)" if texts else f"complex step ({along})")
        texts.append(f"central differences ({along})")
        if not self.by_autodiff:
            total = sum(leaf.size for leaf in self.gradient)
            texts.append(
                "no autodiff: JAX cannot trace the function"
                + (f"; {entries:,} of {total:,} entries" if entries < total else "")
            )
        return texts


@dataclass(frozen=True)
class _Autodiff:
    """Reverse mode for every entry, and forward mode for any direction."""

    gradient: Leaves
    deviation: Leaves
    forward: Callable[[Leaves], float]


def take_references(
    function: ScalarFunction, paths: Sequence[str], num_entries: int, seed: int
) -> References:
    """Every reference, along some entries and three random directions. Call it with 64-bit types enabled.

    **Arguments:**

    - `paths`: the names of the leaves.
    - `num_entries`, `seed`: how many entries are confirmed one by one if there are many, and which.
    """
    rng = np.random.default_rng(seed)
    leaves = function.leaves
    sizes = [np.where(leaf == 0, np.abs(leaf).max(initial=0) or 1.0, np.abs(leaf)) for leaf in leaves]
    # in a random direction, every parameter moves in proportion to its size
    dense = [[size * rng.choice([-1.0, 1.0], size.shape) for size in sizes] for _ in range(DENSE)]
    autodiff = _run_autodiff(function, seed)
    along_entries = [
        _take_derivative(
            function, autodiff, make_unit(leaves, place), place, float(sizes[place[0]][place[1]])
        )
        for place in _choose_entries(function, num_entries, seed)
    ]
    derivatives = (
        *along_entries,
        *(_take_derivative(function, autodiff, direction) for direction in dense),
    )
    if autodiff is not None:
        gradient, deviation = autodiff.gradient, autodiff.deviation
    else:
        gradient, deviation = ([np.full_like(leaf, np.nan) for leaf in leaves] for _ in range(2))
        for derivative in along_entries:
            if derivative.entry is not None:
                leaf, index = derivative.entry
                gradient[leaf][index], _ = derivative.without_autodiff
    disagreement = _find_disagreement(function, derivatives, paths)
    return References(autodiff is not None, gradient, deviation, derivatives, disagreement)


def _choose_entries(function: ScalarFunction, num_entries: int, seed: int) -> list[Place]:
    """The entries that are confirmed one by one: all if there are few, else a random sample."""
    leaves, by_autodiff = function.leaves, function.gradient is not None
    total = sum(leaf.size for leaf in leaves)
    offsets = np.cumsum([0, *(leaf.size for leaf in leaves)])
    if total <= ALL_ENTRIES or (not by_autodiff and total <= DIFFERENCES_AT_MOST):
        chosen = np.arange(total)
    else:
        most = num_entries if by_autodiff else max(num_entries, SAMPLE_OF_DIFFERENCES)
        chosen = np.random.default_rng(seed).choice(total, min(most, total), replace=False)
    places = []
    for flat in chosen:
        i = int(np.searchsorted(offsets, flat, side="right") - 1)
        index = np.unravel_index(int(flat - offsets[i]), leaves[i].shape)
        places.append((i, tuple(int(k) for k in index)))
    return places


def _run_autodiff(function: ScalarFunction, seed: int) -> _Autodiff | None:
    """Autodiff in both modes; None if JAX cannot trace the function."""
    if function.traced is None or function.gradient is None:
        return None
    call, leaves = function.call, function.leaves
    gradient, deviation = measure_deviation(function.gradient, leaves, Rounding.of(np.float64), seed=seed)
    slope = jax.make_jaxpr(lambda x, v: jax.jvp(call, (x,), (v,))[1])(leaves, leaves)
    return _Autodiff(gradient, deviation, lambda direction: float(evaluate(slope, [*leaves, *direction])[0]))


def _take_derivative(
    function: ScalarFunction,
    autodiff: _Autodiff | None,
    direction: Leaves,
    entry: Place | None = None,
    own_size: float | None = None,
) -> Derivative:
    """The derivative along a direction. If that is a single parameter, `own_size` is the parameter's size."""
    size = 1.0 if entry is None else float(np.abs(function.leaves[entry[0]]).max()) or 1.0
    difference, error = take_central_difference(function, direction, size, own_size)
    values: dict[str, float] = {}
    scale, allowance = abs(difference), 0.0
    if autodiff is not None:
        values["reverse mode"] = dot(autodiff.gradient, direction)
        values["forward mode"] = autodiff.forward(direction)
        # an entry that is exactly 0 is compared on the scale of the others
        largest = max(float(np.nanmax(np.abs(g), initial=0)) for g in autodiff.gradient)
        scale = max(dot(take_sizes(autodiff.gradient), take_sizes(direction)), 1e-6 * largest, 1e-100)
        allowance = 100 * function.coarseness * dot(autodiff.deviation, take_sizes(direction))
    complex_step = take_complex_step(function, direction)
    if complex_step is not None and abs(complex_step - difference) <= 10 * error + DIFFERENCES_AGREE * scale:
        values["complex step"] = complex_step
    values["central differences"] = difference
    return Derivative(entry, direction, values, error, scale, allowance)


def _find_disagreement(
    function: ScalarFunction, derivatives: Sequence[Derivative], paths: Sequence[str]
) -> str:
    """The first disagreement between two references; empty if there is none."""
    if not function.is_repeatable():
        return "two evaluations at the same point give different values"
    for derivative in derivatives:
        complaint = _compare_methods(derivative, function.coarseness)
        if complaint and derivative.entry is None:
            return f"{complaint} along a random direction"
        if complaint and derivative.entry is not None:
            leaf, index = derivative.entry
            return f"{complaint} at {name_entry(paths[leaf], index)}"
    return ""


def _compare_methods(derivative: Derivative, coarseness: float) -> str:
    """The first two methods that differ by more than their errors allow; empty if all agree."""
    scale, allowance = derivative.scale, derivative.allowance
    difference = derivative.values["central differences"]
    if np.isnan(difference):
        return "central differences do not converge as their step shrinks"
    by_difference = 10 * derivative.difference_error + DIFFERENCES_AGREE * scale + allowance
    exact = [item for item in derivative.values.items() if item[0] != "central differences"]
    for name, value in exact:
        pairs = [("central differences", difference, by_difference)]
        if name != exact[0][0]:
            pairs.append((*exact[0], EXACT_METHODS_AGREE * coarseness * scale + allowance))
        for other, compared, bound in pairs:
            if not abs(value - compared) <= bound:
                return f"{name} gives {value:.9g}, {other} {compared:.9g}"
    return ""
