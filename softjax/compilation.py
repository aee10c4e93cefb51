"""Ahead-of-time compilation: once for all arguments of the same shapes and types."""

from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, TypeVar

import jax
from jax.stages import Compiled, Lowered

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


def start_compiling(lowered: Lowered, dtype: str, backend: str, *, often: bool) -> Future[Compiled]:
    """Compiles a program beside what comes next, and beside others; except for CPUs, where one of them uses all cores.

    **Arguments:**

    - `dtype`: that of `types_of`, which holds for one thread.
    - `backend`: of the devices that run it.
    - `often`: whether it runs often. On GPUs, XLA times several versions of the products of such a program and takes the
      fastest, which takes seconds; those of the others are chosen by rule.
    """

    def compile_it() -> Compiled:
        with types_of(dtype):
            if backend == "gpu" and not often:
                return lowered.compile(compiler_options={"xla_gpu_autotune_level": "0"})
            return lowered.compile()

    if backend == "cpu":
        compiled: Future[Compiled] = Future()
        compiled.set_result(compile_it())
        return compiled
    pool = ThreadPoolExecutor(max_workers=1)
    coming = pool.submit(compile_it)
    pool.shutdown(wait=False)
    return coming


def finish_compiling(coming: Future[Compiled]) -> Compiled:
    """The program. If it could not be compiled, for lack of memory say, a later `compile_once` tries again."""
    try:
        return coming.result()
    except Exception:
        _compile.cache_clear()
        raise


def shape_of(shape: tuple[int, ...], dtype: Any, sharding: Any = None) -> jax.ShapeDtypeStruct:
    """The shape, type and sharding of an array, for which a program is compiled."""
    return jax.ShapeDtypeStruct(shape, dtype, sharding=sharding)  # type: ignore[no-untyped-call]


@lru_cache(maxsize=32)
def _compile(build: Any, static: Any, shapes: tuple[jax.ShapeDtypeStruct, ...], structure: Any) -> Any:
    return build(static, jax.tree.unflatten(structure, shapes))
