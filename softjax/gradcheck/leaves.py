"""Parameters and gradients as flat lists of float64 arrays, one array for each leaf of the caller's pytree."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

Leaves = list[Float[np.ndarray, "..."]]
Place = tuple[int, tuple[int, ...]]
"""Where an entry is: the number of its leaf, and its index there."""


def dot(a: Leaves, b: Leaves) -> float:
    """Σ a b over all entries."""
    return float(sum(np.vdot(x, y) for x, y in zip(a, b, strict=True)))


def take_sizes(leaves: Leaves) -> Leaves:
    """|x| of every entry."""
    return [np.abs(leaf) for leaf in leaves]


def make_unit(leaves: Leaves, place: Place) -> Leaves:
    """The direction along a single parameter."""
    direction = [np.zeros_like(leaf) for leaf in leaves]
    direction[place[0]][place[1]] = 1.0
    return direction


def name_entry(path: str, index: tuple[int, ...]) -> str:
    """params['W'][3, 1]"""
    return path + (f"[{', '.join(map(str, index))}]" if index else "")


def dtype_of(leaf: Any) -> np.dtype[Any]:
    """The type of an array, or of the array that a number would make."""
    return np.dtype(leaf.dtype) if hasattr(leaf, "dtype") else np.asarray(leaf).dtype


def is_floating(x: Any) -> bool:
    """Whether `x` is an array of a floating type. A Python number is not an array."""
    dtype = getattr(x, "dtype", None)
    return dtype is not None and bool(jnp.issubdtype(dtype, jnp.floating))
