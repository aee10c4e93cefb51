"""Parameters and gradients as flat lists of float64 arrays, one array for each leaf of the caller's pytree."""

import sys
from typing import Any

import jax
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


def find_largest(leaves: Leaves) -> float:
    """The largest |x| of all entries that are numbers, 0 if none is."""
    return max((float(np.fmax.reduce(np.abs(leaf), axis=None, initial=0)) for leaf in leaves), default=0.0)


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
    if is_tensor(leaf):
        return np.dtype(jnp.dtype(str(leaf.dtype).removeprefix("torch.")))
    return np.dtype(leaf.dtype) if hasattr(leaf, "dtype") else np.asarray(leaf).dtype


def is_floating(x: Any) -> bool:
    """Whether `x` is an array of NumPy or JAX of a floating type. Nothing else among the arguments is touched."""
    return isinstance(x, np.ndarray | np.generic | jax.Array) and bool(jnp.issubdtype(x.dtype, jnp.floating))


def is_tensor(x: Any) -> bool:
    """Whether `x` is a tensor of PyTorch, which need not be installed."""
    return "torch" in sys.modules and isinstance(x, sys.modules["torch"].Tensor)


def to_array(x: Any) -> np.ndarray:
    """The NumPy array of an array, number or tensor."""
    if not is_tensor(x):
        return np.asarray(x)
    x = x.detach().cpu().resolve_conj().resolve_neg()
    return np.asarray(x.double().numpy() if dtype_of(x).itemsize < 4 else x.numpy())


def to_tensor_like(array: Any, like: Any) -> Any:
    """`array` as the leaf that it was made from: a tensor if that is one, on its device."""
    if not is_tensor(like):
        return array
    if isinstance(array, jax.core.Tracer):
        raise TypeError("PyTorch takes no tracer")
    return sys.modules["torch"].from_numpy(np.array(array)).to(like.device)
