"""Complex parameters as pairs of real ones, and batches as sums: what the checker sees are real scalar functions.

For a real function f of z = x + iy, JAX's gradient is ∂f/∂x − i ∂f/∂y and PyTorch's is ∂f/∂x + i ∂f/∂y. The derivative of a
holomorphic function is JAX's gradient of its real part, by the Cauchy-Riemann equations.

Source: Kreutz-Delgado, *The Complex Gradient Operator and the CR-Calculus*, 2009.
"""

import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from softjax.gradcheck.leaves import dtype_of, is_tensor


class Parts(NamedTuple):
    """The real and the imaginary part of a complex leaf."""

    real: Any
    imag: Any


def is_complex(leaf: Any) -> bool:
    """Whether a leaf is a complex number, array or tensor."""
    if is_tensor(leaf):
        return bool(leaf.is_complex())
    return np.dtype(dtype_of(leaf)).kind == "c"


def split_parts(tree: PyTree, conjugate: bool = False) -> PyTree:
    """Every complex leaf as its `Parts`; of the conjugate if `conjugate`."""

    def one(leaf: Any) -> Any:
        if not is_complex(leaf):
            return leaf
        leaf = (
            leaf.resolve_conj()
            if is_tensor(leaf)
            else np.asarray(leaf)
            if isinstance(leaf, complex)
            else leaf
        )
        return Parts(leaf.real, -leaf.imag if conjugate else leaf.imag)

    return jax.tree.map(one, tree)


def conjugate_of(tree: PyTree) -> PyTree:
    """Every leaf's complex conjugate."""
    return jax.tree.map(lambda leaf: leaf.conj() if hasattr(leaf, "conj") else np.conj(leaf), tree)


def join_parts(tree: PyTree, conjugate: bool = False) -> PyTree:
    """The inverse of `split_parts`."""

    def one(leaf: Any) -> Any:
        if not isinstance(leaf, Parts):
            return leaf
        real, imag = leaf.real, -leaf.imag if conjugate else leaf.imag
        if is_tensor(real):
            return sys.modules["torch"].complex(real, imag)
        return real + 1j * imag

    return jax.tree.map(one, tree, is_leaf=lambda leaf: isinstance(leaf, Parts))


def to_real(
    fun: Callable[..., Any], claimed: Callable[..., Any] | PyTree, params: PyTree, factor: complex
) -> tuple[Callable[..., Any], Callable[..., Any] | PyTree, PyTree]:
    """The function Re(factor · fun), its claimed gradient and its parameters, with complex leaves as their `Parts`."""
    torch = any(is_tensor(leaf) for leaf in jax.tree.leaves(params))

    def real_fun(params: PyTree, *args: Any) -> Any:
        value = fun(join_parts(params), *args)
        return (factor * value).real if is_complex(value) else value

    def real_gradient(output: Any) -> Any:
        if isinstance(output, tuple) and len(output) == 2 and np.ndim(output[0]) == 0:
            output = output[1] if jax.tree.structure(output) != jax.tree.structure(params) else output
        scaled = output if factor == 1 else jax.tree.map(lambda leaf: factor * leaf, output)
        return split_parts(_as_complex(scaled, params), conjugate=not torch)

    def real_claim(params: PyTree, *args: Any) -> Any:
        return real_gradient(claimed(join_parts(params), *args))  # type: ignore[operator]

    return real_fun, real_claim if callable(claimed) else real_gradient(claimed), split_parts(params)


def _as_complex(output: PyTree, params: PyTree) -> PyTree:
    """A claim that is real for a complex parameter has the imaginary part 0."""
    leaves, structure = jax.tree.flatten(output)
    if structure != jax.tree.structure(params):
        return output
    given = jax.tree.leaves(params)
    return structure.unflatten(
        [
            leaf + 0j if is_complex(p) and not is_complex(leaf) else leaf
            for leaf, p in zip(leaves, given, strict=True)
        ]
    )


def to_sum(
    fun: Callable[..., Any],
    claimed: Callable[..., Any] | PyTree,
    params: PyTree,
    args: tuple[Any, ...],
    seed: int,
) -> tuple[Callable[..., Any], Callable[..., Any] | PyTree]:
    """Σ_b s_b fun_b and its claimed gradient, with random signs s_b: a value that depends on another point of the batch shows.

    Raises `ValueError` unless `fun` returns a vector, and every leaf of params has its length as first axis.
    """
    shape = np.shape(fun(params, *args))
    lengths = {np.shape(leaf)[:1] for leaf in jax.tree.leaves(params)}
    if len(shape) != 1 or lengths != {shape}:
        raise ValueError(
            f"batched: fun must return one value for each point, and the first axis of params must be that of the points; "
            f"got values of shape {shape} and first axes {sorted(lengths)}"
        )
    signs = np.random.default_rng(seed).choice([-1, 1], shape)

    def summed(params: PyTree, *args: Any) -> Any:
        values = fun(params, *args)
        return (values * like(signs, values)).sum()

    def weighted(output: Any) -> Any:
        if isinstance(output, tuple) and len(output) == 2 and np.shape(output[0]) == shape:
            output = output[1] if jax.tree.structure(output) != jax.tree.structure(params) else output
        return jax.tree.map(
            lambda leaf: leaf * like(signs.reshape(-1, *[1] * (np.ndim(leaf) - 1)), leaf), output
        )

    def claim(params: PyTree, *args: Any) -> Any:
        return weighted(claimed(params, *args))  # type: ignore[operator]

    return summed, claim if callable(claimed) else weighted(claimed)


def like(weights: np.ndarray, array: Any) -> Any:
    """Weights as an array of the library and the type of another."""
    if is_tensor(array):
        return sys.modules["torch"].as_tensor(weights).to(array)
    if isinstance(array, jax.Array):
        return jnp.asarray(weights, array.dtype)
    return np.asarray(weights, np.asarray(array).dtype)


def weigh(weights: np.ndarray, array: Any) -> Any:
    """Σ weights · array over the axes of `weights`, which come first in `array`; in the library and the type of `array`."""
    if hasattr(array, "toarray") or hasattr(array, "rmatvec"):  # sparse, or a linear operator
        return weights.ravel() @ array if hasattr(array, "toarray") else array.rmatvec(weights.ravel())
    weights = like(weights, array)
    if is_tensor(array):
        return sys.modules["torch"].tensordot(weights, array, dims=weights.ndim)
    library = jnp if isinstance(array, jax.Array) else np
    return library.tensordot(weights, array, axes=weights.ndim)
