"""The function, its parameters and its claimed gradient, as flat lists of arrays."""

import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from softjax.gradcheck.interpreter import evaluate, try_to_trace
from softjax.gradcheck.leaves import Leaves, dtype_of, is_floating, is_tensor, to_array, to_tensor_like
from softjax.gradcheck.rewrite import RANDOM, draw_in_32_bits, has_operation
from softjax.gradcheck.rounding import Rounding, find_lowest_precision, pick_least_precise

ROUNDINGS = 8  # samples of the rounding of a claim that cannot be followed
JITTER = 1e-6  # relative change of the inputs, to measure how sensitive a claim is to them


@dataclass(frozen=True)
class Claim:
    """A function, its arguments, and its claimed gradient at these arguments.

    - `given`, `gradient`: the leaves of params and of the claimed gradient, in their own types.
    - `paths`: the name of each leaf, such as "params['w']"; `structure`: the structure of the pytree params.
    - `dtype`: the type whose rounding errors are allowed.
    """

    fun: Callable[..., Any]
    claimed: Callable[..., Any] | PyTree
    given: list[Any]
    args: tuple[Any, ...]
    gradient: list[Any]
    structure: Any
    paths: list[str]
    dtype: np.dtype[Any]
    in_own_types: bool = False
    """whether tensors keep their type, because the function takes no others"""

    def unflatten(self, leaves: Sequence[Any]) -> PyTree:
        """A pytree like params."""
        return jax.tree.unflatten(self.structure, list(leaves))

    def call(self, leaves: Sequence[Any], args: tuple[Any, ...]) -> Any:
        """The function's value; tensors are made of leaves that were tensors."""
        return self.fun(self._restore(leaves), *args)

    def _restore(self, leaves: Sequence[Any]) -> PyTree:
        restored = list(map(to_tensor_like, leaves, self.given))
        if self.in_own_types:
            restored = [
                x.to(own.dtype) if is_tensor(x) else x for x, own in zip(restored, self.given, strict=True)
            ]
        return self.unflatten(restored)

    @property
    def has_tensors(self) -> bool:
        """Whether a parameter is a tensor of PyTorch."""
        return any(map(is_tensor, self.given))

    def raise_to_float64(self) -> tuple[Leaves, tuple[Any, ...]]:
        """The leaves of params, and args, with every floating array in float64. Tensors too, if a parameter is one."""

        def raised(x: Any) -> Any:
            if is_tensor(x) and self.has_tensors and not self.in_own_types and x.is_floating_point():
                return x.double()
            return np.asarray(x).astype(np.float64) if is_floating(x) else x

        args = jax.tree.map(raised, self.args)
        return [to_array(leaf).astype(np.float64) for leaf in self.given], args

    def evaluate_at(self, leaves: Leaves, args: tuple[Any, ...]) -> list[Any]:
        """The leaves of the claimed gradient at other parameters, or in another type."""
        output = self.claimed(self._restore(leaves), *args)
        return _flatten_gradient(output, self.structure, leaves, self.paths)

    def evaluate_in_float64(self, in_32_bits: bool) -> Leaves | None:
        """The claimed gradient in float64. None unless the claim is a JAX function that then computes in float64 only."""
        leaves, args = self.raise_to_float64()
        call = partial(self.evaluate_at, args=args)
        traced = try_to_trace(call, leaves)
        if traced is not None and in_32_bits and has_operation(traced, RANDOM):
            traced = try_to_trace(draw_in_32_bits(call), leaves)
        if traced is None or find_lowest_precision(traced) != np.float64:
            return None
        return evaluate(traced, leaves)

    def measure_rounding(self, rounding: Rounding, seed: int) -> Leaves:
        """How much each entry of the claimed gradient changes when the parameters are rounded, at most.

        It includes the rounding inside the claim, which cannot be followed. It is 0 if the claim is not a function.
        """
        rng = np.random.default_rng(seed)
        none = [np.zeros(np.shape(leaf)) for leaf in self.given]
        if not callable(self.claimed):
            return none
        own = [to_array(leaf) for leaf in self.given]

        def look(step: float, signs: Sequence[Any]) -> Leaves:
            moved = [
                (x.astype(np.float64) * (1 + step * sign)).astype(x.dtype)
                for x, sign in zip(own, signs, strict=True)
            ]
            return [to_array(leaf).astype(np.float64) for leaf in self.evaluate_at(moved, self.args)]

        def draw() -> list[Any]:
            return [rng.choice([-1.0, 1.0], x.shape) for x in own]

        try:
            near = [look(2 * rounding.unit, draw()) for _ in range(ROUNDINGS)]
        except Exception:  # the claim cannot be called with other parameters
            return none
        with suppress(Exception), warnings.catch_warnings():  # at complex numbers: often by other routines
            warnings.simplefilter("ignore")
            output = self.evaluate_at([x + 0j for x in own], self.args)
            near.append([np.real(to_array(leaf)) for leaf in output])
        given = [to_array(leaf).astype(np.float64) for leaf in self.gradient]
        with np.errstate(all="ignore"):
            return [
                np.max(np.nan_to_num(np.abs(np.array(leaves) - center)), axis=0)
                for center, *leaves in zip(given, *near, strict=True)
            ]

    def measure_sensitivity(self, seed: int) -> Leaves:
        """How much each entry of the claimed gradient changes for a relative change of all its inputs.

        It is the root mean square over 8 random changes, divided by `JITTER`; 0 if the claim is not a function.
        """
        leaves, args = self.raise_to_float64()
        rng = np.random.default_rng(seed)

        def move(x: Any) -> Any:
            return x * (1 + JITTER * rng.choice([-1.0, 1.0], np.shape(x))) if is_floating(x) else x

        squares = [np.zeros_like(leaf) for leaf in leaves]
        if callable(self.claimed):
            try:
                base = self.evaluate_at(leaves, args)
                for _ in range(8):
                    moved = self.evaluate_at([move(leaf) for leaf in leaves], jax.tree.map(move, args))
                    for total, a, b in zip(squares, moved, base, strict=True):
                        total += ((to_array(a) - to_array(b)) / JITTER) ** 2 / 8
            except Exception:  # the claim cannot be called with other arguments
                squares = [np.zeros_like(leaf) for leaf in leaves]
        return [np.asarray(np.sqrt(total)) for total in squares]


def make_claim(fun: Any, claimed: Any, params: PyTree, args: tuple[Any, ...]) -> Claim:
    """Calls `claimed`, if it is a function, and flattens params and gradient.

    Raises `ValueError` if params hold no floating arrays, or if the gradient is not a pytree like params.
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
    gradient = _flatten_gradient(output, structure, given, paths)

    canonical = jax.dtypes.canonicalize_dtype
    if canonical(np.float64) != np.float64 and any(isinstance(leaf, jax.Array) for leaf in gradient):
        # JAX has rounded its inputs to float32: check the gradient at the rounded inputs
        given = [np.asarray(leaf).astype(canonical(dtype_of(leaf))) for leaf in given]
        args = jax.tree.map(lambda x: x.astype(canonical(x.dtype)) if is_floating(x) else x, args)
    types = [dtype_of(leaf) for leaf in given]
    if not callable(
        claimed
    ):  # it is not known how it was computed; its own type limits how precise it can be
        types += [dtype_of(leaf) for leaf in gradient if is_floating(leaf) or is_tensor(leaf)]
    return Claim(fun, claimed, given, args, gradient, structure, paths, pick_least_precise(types))


def _flatten_gradient(output: Any, structure: Any, given: list[Any], paths: list[str]) -> list[Any]:
    """The leaves of a claim, which may be (value, gradient). Raises `ValueError` if it is not a pytree like params."""
    leaves, own_structure = jax.tree.flatten(output)
    is_pair = isinstance(output, tuple) and len(output) == 2 and np.ndim(output[0]) == 0
    if own_structure != structure and is_pair:
        leaves, own_structure = jax.tree.flatten(output[1])
    if own_structure != structure:
        raise ValueError(f"the claim must be a pytree like params, {structure}, got {own_structure}")
    for path, leaf, claim in zip(paths, given, leaves, strict=True):
        if np.shape(claim) != np.shape(leaf):
            hint = " (is it transposed?)" if np.shape(claim) == np.shape(leaf)[::-1] else ""
            raise ValueError(f"the claim for {path} must be {np.shape(leaf)}, got {np.shape(claim)}{hint}")
    return leaves
