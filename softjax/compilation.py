"""Ahead-of-time compilation: once for all arguments of the same shapes and types."""

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, TypeVar

import jax

Program = TypeVar("Program")


@contextmanager
def types_of(dtype: str) -> Iterator[None]:
    """64-bit types for float64, none for others, whatever the caller's setting. Compilation is on: programs are compiled."""
    with jax.enable_x64(dtype == "float64"), jax.disable_jit(False):
        yield


def compile_once(build: Callable[[Any, Any], Program], static: Hashable, arguments: Any) -> Program:
    """`build(static, shapes)`; its result is cached per shapes, types and devices of the arguments.

    **Arguments:**

    - `build`: compiles. It takes `static`, and `arguments` with a `jax.ShapeDtypeStruct` in place of each array.
    - `static`: everything else that the programs depend on.
    - `arguments`: a pytree of arrays, of JAX or NumPy.
    """
    leaves, structure = jax.tree.flatten(arguments)
    shapes = tuple(shape_of(leaf.shape, leaf.dtype, getattr(leaf, "sharding", None)) for leaf in leaves)
    program: Program = _compile(build, static, shapes, structure)
    return program


def shape_of(shape: tuple[int, ...], dtype: Any, sharding: Any = None) -> jax.ShapeDtypeStruct:
    """The shape, type and sharding of an array, for which a program is compiled."""
    return jax.ShapeDtypeStruct(shape, dtype, sharding=sharding)  # type: ignore[no-untyped-call]


@lru_cache(maxsize=32)
def _compile(build: Any, static: Any, shapes: tuple[jax.ShapeDtypeStruct, ...], structure: Any) -> Any:
    return build(static, jax.tree.unflatten(structure, shapes))
