"""What the caller claims, as flat lists of arrays: a function, its parameters, and a gradient."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from softjax.gradcheck.interpreter import evaluate
from softjax.gradcheck.references import Leaves
from softjax.gradcheck.rounding import find_lowest_precision, pick_least_precise


@dataclass(frozen=True)
class Claim:
    """A function with what it was called with, and what is claimed to be its gradient there.

    - `given`, `gradient`: the leaves of params and of the claimed gradient, in their own types.
    - `paths`: "params['w']" and the like, one a leaf; `structure`: of the pytree.
    - `dtype`: the type whose rounding is excused.
    """

    fun: Callable[..., Any]
    claimed: Callable[..., Any] | PyTree
    given: list[Any]
    args: tuple[Any, ...]
    gradient: list[Any]
    structure: Any
    paths: list[str]
    dtype: np.dtype[Any]

    def unflatten(self, leaves: Sequence[Any]) -> PyTree:
        """A pytree like params."""
        return jax.tree.unflatten(self.structure, list(leaves))

    def exact(self) -> tuple[Leaves, tuple[Any, ...]]:
        """Parameters and args with every floating array raised to float64."""
        args = jax.tree.map(lambda x: np.asarray(x).astype(np.float64) if is_floating(x) else x, self.args)
        return [np.array(leaf, np.float64) for leaf in self.given], args

    def at(self, leaves: Leaves, args: tuple[Any, ...]) -> list[Any]:
        """The leaves of the claimed gradient elsewhere, or in another type."""
        output = self.claimed(self.unflatten(leaves), *args)
        return gradient_leaves(output, self.structure, leaves, self.paths)

    def in_float64(self) -> Leaves | None:
        """The claim computed in float64, if it is a JAX function that then uses nothing shorter."""
        leaves, args = self.exact()
        try:
            traced = jax.make_jaxpr(lambda leaves: self.at(leaves, args))(leaves)
        except Exception:  # a NumPy function
            return None
        return evaluate(traced, leaves) if find_lowest_precision(traced) == np.float64 else None


def make_claim(fun: Any, claimed: Any, params: PyTree, args: tuple[Any, ...]) -> Claim:
    """Calls `claimed`, if it is a function, and takes everything apart.

    Raises `ValueError` where params hold no floating arrays, or the claim is no pytree like them.
    """
    with_paths, structure = jax.tree_util.tree_flatten_with_path(params)
    paths = [f"params{jax.tree_util.keystr(path)}" for path, _ in with_paths]
    given = [leaf for _, leaf in with_paths]
    if not given:
        raise ValueError("params hold no arrays")
    for path, leaf in zip(paths, given, strict=True):
        if not jnp.issubdtype(dtype_of(leaf), jnp.floating):
            raise ValueError(
                f"{path} must be a floating array, got {dtype_of(leaf)}: pass it in args instead"
            )
    output = claimed(params, *args) if callable(claimed) else claimed
    gradient = gradient_leaves(output, structure, given, paths)

    canonical = jax.dtypes.canonicalize_dtype
    if canonical(np.float64) != np.float64 and any(isinstance(leaf, jax.Array) for leaf in gradient):
        # JAX has rounded what it was given: judge it at the point where it was
        given = [np.asarray(leaf).astype(canonical(dtype_of(leaf))) for leaf in given]
        args = jax.tree.map(lambda x: x.astype(canonical(x.dtype)) if is_floating(x) else x, args)
    types = [dtype_of(leaf) for leaf in given]
    if not callable(claimed):  # computed who knows how: what it is stored in is what it can be held to
        types += [dtype_of(leaf) for leaf in gradient if is_floating(leaf)]
    return Claim(fun, claimed, given, args, gradient, structure, paths, pick_least_precise(types))


def gradient_leaves(output: Any, structure: Any, given: list[Any], paths: list[str]) -> list[Any]:
    """The leaves of a claim, which may come as (value, gradient). Raises `ValueError` if they fit no params."""
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


def dtype_of(leaf: Any) -> np.dtype[Any]:
    """The type of an array, or of the array that a number would make."""
    return np.dtype(leaf.dtype) if hasattr(leaf, "dtype") else np.asarray(leaf).dtype


def is_floating(x: Any) -> bool:
    """Whether it is an array of a floating type; Python's numbers are not."""
    dtype = getattr(x, "dtype", None)
    return dtype is not None and bool(jnp.issubdtype(dtype, jnp.floating))
