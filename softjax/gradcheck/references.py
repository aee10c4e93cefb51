"""The references for a claimed gradient, in float64: autodiff in both modes, complex step, central differences."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import jax.extend.core as jex
import numpy as np

from softjax.gradcheck.differences import Difference, take_central_difference, take_complex_step
from softjax.gradcheck.function import Autodiff, ScalarFunction
from softjax.gradcheck.interpreter import evaluate
from softjax.gradcheck.leaves import Leaves, Place, dot, find_largest, make_unit, name_entry, take_sizes
from softjax.gradcheck.rounding import Rounding, measure_deviation

ALL_ENTRIES = 24  # up to this many parameters, every entry is confirmed
DIFFERENCES_AT_MOST = 2000  # without autodiff: up to this many entries, all are taken by differences
SAMPLE_OF_DIFFERENCES = 200  # and if there are more, a sample of this size
DENSE = 3  # the number of random directions
DIFFERENCES_AGREE = 1e-7  # relative to Σ|terms| of a directional derivative
EXACT_METHODS_AGREE = 1e-9
COMPLEX_STEP_AGREES = 1e-7  # less: it also differentiates the error of a series that is cut off
NOT_TAKEN = Difference(float("nan"), float("inf"))
COMPLEX_ERROR = 1e-6  # relative: a complex step with a larger rounding error is not used
OF_NO_USE = 0.1  # a difference with a larger relative error confirms nothing


@dataclass(frozen=True)
class Along:
    """The derivative of a function along one direction without autodiff."""

    entry: Place | None
    """the parameter, if the direction is a single one"""
    direction: Leaves = field(repr=False)
    difference: Difference
    complex_step: float | None
    """None if the function takes no complex numbers"""
    complex_error: float
    """the rounding error of the complex step"""

    def is_usable(self, scale: float) -> bool:
        """Whether the difference is good for anything, on the scale of derivatives along this direction."""
        return self.difference.jumps or self.difference.error <= OF_NO_USE * scale

    def agrees(self, scale: float) -> bool:
        """Whether complex step and difference agree. They may not where a NumPy function drops imaginary parts."""
        if self.complex_step is None or not self.is_usable(scale):
            return False
        bound = 10 * self.difference.error + DIFFERENCES_AGREE * scale
        return bool(abs(self.complex_step - self.difference.value) <= bound)


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
    complex_error: float = 0.0
    bend: float = 0.0
    """as in `Difference`"""

    @property
    def without_autodiff(self) -> tuple[float, float]:
        """The best value that does not use autodiff, and its error."""
        if "complex step" in self.values:
            return self.values["complex step"], self.complex_error
        return self.values["central differences"], self.difference_error


@dataclass(frozen=True)
class References:
    """All references at a point, and whether they agree."""

    autodiff: Autodiff | None
    """how JAX differentiated the function; None if there are only the complex step and differences"""
    gradient: Leaves
    """float64; NaN in entries that were not computed, if only a sample was"""
    deviation: Leaves
    """the rounding error in float64 of each entry of the gradient, NaN if it is not known"""
    derivatives: tuple[Derivative, ...]
    disagreement: str
    """a sentence; empty if they agree"""
    remarks: tuple[str, ...] = ()
    """which references were left out, and why"""

    @property
    def by_autodiff(self) -> bool:
        """Whether every entry is known by autodiff."""
        return self.autodiff is not None

    @property
    def program(self) -> jex.ClosedJaxpr | None:
        """The gradient as JAX computes it."""
        return None if self.autodiff is None else self.autodiff.gradient

    def list_methods(self) -> list[str]:
        """How the references were computed, as the report says it."""
        entries = sum(derivative.entry is not None for derivative in self.derivatives)
        along = f"{entries} entries and {len(self.derivatives) - entries} directions"
        texts = []
        if self.autodiff is not None:
            texts.append(f"{self.autodiff.name} (every entry)")
        for name in ("forward mode", "complex step", "central differences"):
            number = sum(name in derivative.values for derivative in self.derivatives)
            if number and not (self.autodiff is not None and self.autodiff.name == name):
                text = f"({along})" if number == len(self.derivatives) else f"({number} of them)"
                texts.append(f"{name} {text}")
        if self.autodiff is None:
            total = sum(leaf.size for leaf in self.gradient)
            if entries < total:
                texts.append(f"{entries:,} of {total:,} entries")
        return texts + list(self.remarks)


class Budget:
    """Seconds that a check may take. Without a number it has no end."""

    def __init__(self, seconds: float | None = None):
        self.seconds = seconds
        self._end = None if seconds is None else time.monotonic() + seconds

    @property
    def is_spent(self) -> bool:
        """Whether the time is over."""
        return self._end is not None and time.monotonic() > self._end


def take_references(
    function: ScalarFunction, paths: Sequence[str], num_entries: int, seed: int, budget: Budget
) -> References:
    """Every reference, along some entries and random directions. Call it with 64-bit types enabled.

    Each way in which JAX differentiates the function is a candidate for the truth. The first one that forward mode, the
    complex step and central differences confirm is taken. Where JAX has none, or only NaN, the truth is that of the
    complex step, or of the differences.

    **Arguments:**

    - `paths`: the names of the leaves.
    - `num_entries`, `seed`: how many entries are confirmed one by one if there are many, and which.
    - `budget`: when it is spent, no further entries are looked at.
    """
    remarks = (
        tuple(f"no {name}: {reason}" for name, reason in function.failures.items())
        if function.traced
        else ("no autodiff: JAX cannot trace the function",)
    )
    if not function.is_repeatable():
        unknown = [np.full_like(leaf, np.nan) for leaf in function.leaves]
        text = "two evaluations at the same point give different values"
        return References(None, unknown, unknown, (), text, remarks)
    looker = _Looker(function, budget)
    dense = looker.look_along_random(seed)
    taken = {}
    if function.traced:
        taken = looker.look_along_all(_choose_entries(function, True, num_entries, seed))
    if function.has_gradient_of_its_own:
        remarks = (
            *remarks,
            "no central differences: the derivative of a gamma draw is not that of its numbers",
        )
    first: References | None = None
    for autodiff in function.list_autodiff():
        found = _confirm(function, autodiff, [*taken.values(), *dense], paths, seed)
        if not found.disagreement:
            rules = ("JAX's derivative with the function's own rules is wrong",) * (first is not None)
            return replace(found, remarks=(*remarks, *rules, *looker.remarks))
        first = first or replace(found, remarks=remarks)
    if first is not None and all(np.isfinite(leaf).all() for leaf in first.gradient):
        return first
    if first is not None and first.autodiff is not None:
        remarks = (*remarks, f"no {first.autodiff.name}: it gives NaN or ∞ here")
    missing = [place for place in _choose_entries(function, False, num_entries, seed) if place not in taken]
    taken |= looker.look_along_all(missing)
    return _do_without_autodiff(function, [*taken.values(), *dense], paths, (*remarks, *looker.remarks))


@dataclass
class _Looker:
    """Takes derivatives without autodiff until the budget is spent."""

    function: ScalarFunction
    budget: Budget
    remarks: tuple[str, ...] = ()

    def look_along_all(self, places: Sequence[Place]) -> dict[Place, Along]:
        """Along single parameters. All share the rounding of the function, so that of a complex step is measured for one."""
        taken: dict[Place, Along] = {}
        for place in places:
            if self.budget.is_spent:
                self.remarks = (
                    f"after {self.budget.seconds:g} s, {len(taken)} of {len(places)} entries were confirmed",
                )
                break
            taken[place] = look_along(self.function, place, measured=not taken)
        return taken

    def look_along_random(self, seed: int) -> list[Along]:
        """Along random directions: one is enough where every parameter is looked at by itself."""
        alone = (
            self.function.traced is None and sum(leaf.size for leaf in self.function.leaves) <= ALL_ENTRIES
        )
        directions: list[Along] = []
        for k in range(1 if alone else DENSE):
            if not directions or not self.budget.is_spent:
                directions.append(_look_along_random(self.function, np.random.default_rng((seed, k))))
        return directions


def _choose_entries(function: ScalarFunction, by_autodiff: bool, num_entries: int, seed: int) -> list[Place]:
    """The entries that are confirmed one by one: all if there are few, else a random sample."""
    leaves = function.leaves
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


def _take_own_sizes(function: ScalarFunction) -> Leaves:
    """The size of each parameter: that of the largest of its leaf where it is 0."""
    return [np.where(leaf == 0, np.abs(leaf).max(initial=0) or 1.0, np.abs(leaf)) for leaf in function.leaves]


def look_along(function: ScalarFunction, place: Place, measured: bool = True) -> Along:
    """The derivative by one parameter without autodiff."""
    direction = make_unit(function.leaves, place)
    size = float(np.abs(function.leaves[place[0]]).max()) or 1.0
    own_size = float(_take_own_sizes(function)[place[0]][place[1]])
    if function.has_gradient_of_its_own:
        return Along(place, direction, NOT_TAKEN, None, 0.0)
    difference = take_central_difference(function, direction, size, own_size)
    return Along(place, direction, difference, *take_complex_step(function, direction, measured))


def _look_along_random(function: ScalarFunction, rng: np.random.Generator) -> Along:
    """Along a random direction, in which every parameter moves in proportion to its size."""
    direction = [size * rng.choice([-1.0, 1.0], size.shape) for size in _take_own_sizes(function)]
    if function.has_gradient_of_its_own:
        return Along(None, direction, NOT_TAKEN, None, 0.0)
    difference = take_central_difference(function, direction, 1.0)
    return Along(None, direction, difference, *take_complex_step(function, direction))


def _confirm(
    function: ScalarFunction, autodiff: Autodiff, looked: Sequence[Along], paths: Sequence[str], seed: int
) -> References:
    """The gradient by autodiff, and whether the derivatives along some directions agree with it."""
    gradient, deviation = measure_deviation(
        autodiff.gradient, function.leaves, Rounding.of(np.float64), seed=seed
    )
    # an entry that is exactly 0 is compared on the scale of the others
    largest = find_largest(gradient)
    derivatives = []
    for along in looked:
        direction = along.direction
        scale = max(dot(take_sizes(gradient), take_sizes(direction)), 1e-6 * largest, 1e-100)
        values = {autodiff.name: dot(gradient, direction)}
        if autodiff.slope is not None:
            (slope,) = evaluate(autodiff.slope, [*function.leaves, *direction])
            values["forward mode"] = float(slope)
        difference, exact = along.difference, along.complex_step
        usable = along.is_usable(scale)
        if exact is not None and (along.agrees(scale) or not usable):
            values["complex step"] = exact
        if usable or (exact is None and difference is not NOT_TAKEN):
            values["central differences"] = difference.value
        known = [np.where(np.isfinite(each), each, 0.0) for each in deviation]
        allowance = 100 * function.coarseness * dot(known, take_sizes(direction))
        derivatives.append(
            Derivative(
                along.entry, direction, values, difference.error, scale, allowance, bend=difference.bend
            )
        )
    disagreement = _find_disagreement(derivatives, function.coarseness, paths)
    return References(autodiff, gradient, deviation, tuple(derivatives), disagreement)


def _do_without_autodiff(
    function: ScalarFunction, looked: Sequence[Along], paths: Sequence[str], remarks: tuple[str, ...]
) -> References:
    """The gradient, entry by entry, by the complex step or by differences."""
    gradient, deviation = ([np.full_like(leaf, np.nan) for leaf in function.leaves] for _ in range(2))
    derivatives = []
    values_taken = [
        abs(each.difference.value) for each in looked if each.is_usable(abs(each.difference.value))
    ]
    floor = 1e-5 * max(values_taken, default=0.0)  # an entry may be 0 to rounding
    analytic = _takes_complex_steps(looked, floor)
    for along in looked:
        scale = max(abs(along.difference.value), floor)
        usable = along.is_usable(scale) or floor == 0  # where all are 0, there is no scale to judge by
        values = {"central differences": along.difference.value if usable else float("nan")}
        if along.complex_step is not None and analytic and along.agrees(scale):
            values = {"complex step": along.complex_step} | values
        elif along.complex_step is not None and analytic and not usable:
            values = {"complex step": along.complex_step}
        derivative = Derivative(
            along.entry,
            along.direction,
            values,
            along.difference.error,
            scale,
            0.0,
            along.complex_error,
            along.difference.bend,
        )
        derivatives.append(derivative)
        if along.entry is not None:
            leaf, index = along.entry
            gradient[leaf][index], _ = derivative.without_autodiff
    disagreement = _find_disagreement(derivatives, function.coarseness, paths)
    return References(None, gradient, deviation, tuple(derivatives), disagreement, remarks)


def _takes_complex_steps(looked: Sequence[Along], floor: float) -> bool:
    """Whether the complex step can be trusted: along random directions it agrees with differences, and its rounding is small.

    A function that drops imaginary parts does so along random directions too.
    """
    largest = max((abs(each.complex_step) for each in looked if each.complex_step is not None), default=0.0)
    if not max(each.complex_error for each in looked) <= COMPLEX_ERROR * largest:
        return False
    for each in looked:
        scale = max(abs(each.difference.value), floor)
        if each.entry is None and each.is_usable(scale) and not each.agrees(scale):
            return False
    return True


def _find_disagreement(derivatives: Sequence[Derivative], coarseness: float, paths: Sequence[str]) -> str:
    """The first disagreement between two references; empty if there is none."""
    for derivative in derivatives:
        complaint = _compare_methods(derivative, coarseness)
        if complaint and derivative.entry is None:
            return f"{complaint} along a random direction"
        if complaint and derivative.entry is not None:
            leaf, index = derivative.entry
            return f"{complaint} at {name_entry(paths[leaf], index)}"
    return ""


def _compare_methods(derivative: Derivative, coarseness: float) -> str:
    """The first two methods that differ by more than their errors allow; empty if all agree."""
    scale, allowance = derivative.scale, derivative.allowance
    difference = derivative.values.get("central differences")
    if difference is not None and np.isnan(difference):
        return "central differences do not converge as their step shrinks"
    by_difference = 10 * derivative.difference_error + DIFFERENCES_AGREE * scale + allowance
    exact = [item for item in derivative.values.items() if item[0] != "central differences"]
    for name, value in exact:
        pairs = [] if difference is None else [("central differences", difference, by_difference)]
        if name != exact[0][0]:
            relative = COMPLEX_STEP_AGREES if name == "complex step" else EXACT_METHODS_AGREE
            pairs.append((*exact[0], max(relative, EXACT_METHODS_AGREE * coarseness) * scale + allowance))
        for other, compared, bound in pairs:
            if not abs(value - compared) <= bound:
                return f"{name} gives {value:.9g}, {other} {compared:.9g}"
    return ""
