"""Twenty kinds of planted fault: each makes a wrong gradient of a right one, whatever the function and its library.

A fault is a function of the right gradient as one vector, of the params as one vector, and of what is known at the point. It is
written with what NumPy, JAX and PyTorch have in common, so that it can be traced, and computes in the type it gets.
"""

import sys
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from checkers.registry import RealFunction
from softjax.gradcheck.leaves import is_tensor, to_array

ELSEWHERE = "gradient at another point"
OFF = 1e-3  # relative: the other point, the added constant
LEAST = 1e-9  # relative to the largest entry: a fault that changes less changes nothing


@dataclass(frozen=True)
class Point:
    """The right gradient at the point as float64, the shapes of its leaves, and two of its entries, drawn at random."""

    gradient: Float[np.ndarray, " P"]
    shapes: tuple[tuple[int, ...], ...]
    entry: int
    other: int

    @property
    def size(self) -> int:
        """The number of entries."""
        return len(self.gradient)

    def transpose(self) -> list[int]:
        """The places of the entries after every square matrix is transposed."""
        places, start = [], 0
        for shape in self.shapes:
            own = np.arange(start, start + int(np.prod(shape))).reshape(shape)
            start += own.size
            places += (own.T if len(shape) == 2 and shape[0] == shape[1] else own).ravel().tolist()
        return places

    def swap(self) -> list[int]:
        """The places of the entries after two are swapped."""
        places = list(range(self.size))
        places[self.entry], places[self.other] = self.other, self.entry
        return places


Fault = Callable[[ModuleType, Any, Any, Point], Any]
"""of the array module, the right gradient, the params and the point"""


def scale(factor: Callable[[Point], float]) -> Fault:
    """Multiplies every entry."""
    return lambda xp, g, x, point: g * factor(point)


def scale_entry(factor: float, place: Callable[[Point], int]) -> Fault:
    """Multiplies one entry."""

    def fault(xp: ModuleType, g: Any, x: Any, point: Point) -> Any:
        factors = np.ones(point.size)
        factors[place(point)] = factor
        return g * xp.asarray(factors, dtype=g.dtype)

    return fault


def move(places: Callable[[Point], Sequence[int]]) -> Fault:
    """Moves the entries."""
    return lambda xp, g, x, point: g[xp.asarray(np.array(places(point)))]


def round_to_half(xp: ModuleType, g: Any, x: Any, point: Point) -> Any:
    """Through float16 and back; what is too large for it becomes ∞."""
    with np.errstate(over="ignore"):
        return xp.asarray(xp.asarray(g, dtype=xp.float16), dtype=g.dtype)


FAULTS: dict[str, Fault] = {
    "twice the gradient": scale(lambda point: 2.0),
    "half the gradient": scale(lambda point: 0.5),
    "sign flipped": scale(lambda point: -1.0),
    "zero": scale(lambda point: 0.0),
    "averaged instead of summed": scale(lambda point: 1 / point.size),
    "everything 1e-4 off": scale(lambda point: 1 + 1e-4),
    "everything 1e-6 off": scale(lambda point: 1 + 1e-6),
    "one entry 1 % off": scale_entry(1.01, lambda point: point.entry),
    "one entry of the wrong sign": scale_entry(-1.0, lambda point: point.entry),
    "last entry forgotten": scale_entry(0.0, lambda point: point.size - 1),
    "largest entry clipped": scale_entry(0.5, lambda point: int(np.abs(point.gradient).argmax())),
    "two entries swapped": move(lambda point: point.swap()),
    "transposed": move(lambda point: point.transpose()),
    "reversed": move(lambda point: range(point.size)[::-1]),
    "rolled by one": move(lambda point: np.roll(np.arange(point.size), 1).tolist()),
    "rounded to float16": round_to_half,
    "a constant added": lambda xp, g, x, point: g + OFF * abs(g).max(),
    "absolute values": lambda xp, g, x, point: abs(g),
    "a penalty's gradient added": lambda xp, g, x, point: g + x,
    ELSEWHERE: lambda xp, g, x, point: g,
}


def plant(kind: str, function: RealFunction, point: Point) -> Callable[..., Any]:
    """The function's gradient with a fault, `claimed(params, *args)`."""

    def claimed(params: Any, *args: Any) -> Any:
        if kind == ELSEWHERE:
            params = jax.tree.map(lambda leaf: leaf * (1 + OFF), params)
        leaves, structure = jax.tree.flatten(function.gradient(params, *args))
        xp = find_module(leaves[0])
        wrong = FAULTS[kind](xp, _join(xp, leaves), _join(xp, jax.tree.leaves(params)), point)
        return jax.tree.unflatten(structure, _part(wrong, point.shapes))

    return claimed


def look_at(function: RealFunction) -> Point:
    """The right gradient of a function at its point, and two entries."""
    leaves = [to_array(leaf) for leaf in jax.tree.leaves(function.gradient(function.params, *function.args))]
    gradient = np.concatenate([leaf.astype(np.float64).ravel() for leaf in leaves])
    entry, *other = make_rng(function).permutation(len(gradient))[:2].tolist()
    return Point(gradient, tuple(leaf.shape for leaf in leaves), entry, *(other or [entry]))


def draw_kinds(function: RealFunction, point: Point, number: int) -> list[str]:
    """Some kinds of fault that change the gradient of this function, drawn at random, the same ones each time.

    Few functions have square matrices; where one has, "transposed" is among them.
    """
    chosen: list[str] = []
    order = make_rng(function).permutation(list(FAULTS)).tolist()
    for kind in sorted(order, key=lambda kind: kind != "transposed"):
        if len(chosen) < number and measure_change(plant(kind, function, point), function, point) > LEAST:
            chosen.append(kind)
    return chosen


def measure_change(claimed: Callable[..., Any], function: RealFunction, point: Point) -> float:
    """The largest error of an entry of a claim, relative to the largest entry of the gradient."""
    error = evaluate(claimed, function) - point.gradient
    return float(np.abs(error).max()) / (float(np.abs(point.gradient).max()) or 1.0)


def evaluate(claimed: Callable[..., Any], function: RealFunction) -> Float[np.ndarray, " P"]:
    """A claim at the function's point as one vector of float64."""
    leaves = jax.tree.leaves(claimed(function.params, *function.args))
    return np.concatenate([to_array(leaf).astype(np.float64).ravel() for leaf in leaves])


def make_rng(function: RealFunction) -> np.random.Generator:
    """Random numbers of the function's own, so that they do not depend on the others."""
    return np.random.default_rng(zlib.crc32(function.key.encode()))


def find_module(leaf: Any) -> ModuleType:
    """NumPy, jax.numpy or torch, whichever an array belongs to."""
    if is_tensor(leaf):
        return sys.modules["torch"]
    return jnp if isinstance(leaf, jax.Array) else np


def _join(xp: ModuleType, leaves: Sequence[Any]) -> Any:
    return xp.concatenate([xp.asarray(leaf).reshape(-1) for leaf in leaves])


def _part(vector: Any, shapes: Sequence[tuple[int, ...]]) -> list[Any]:
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes]).tolist()
    starts = [0, *ends[:-1]]
    return [vector[i:j].reshape(shape) for i, j, shape in zip(starts, ends, shapes, strict=True)]
