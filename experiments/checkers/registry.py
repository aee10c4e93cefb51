"""Real functions of many libraries, each at a point and in a floating type, with the right gradient.

The right gradient does not come from softjax. It is the library's own derivative, or one from a textbook; for the functions of
JAX, optax and PyTorch it is the library's own autodiff in the type. `tests/experiments/test_checkers.py` compares each with differences.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

ALL_TYPES = ("float64", "float32", "bfloat16", "float16")
TWO_TYPES = ("float64", "float32")
FLOAT64 = ("float64",)


class Library(NamedTuple):
    """A library, the module that must be installed for it, and the module of this package that lists its functions."""

    needs: str
    listed_in: str


LIBRARIES = {
    "SciPy special functions": Library("scipy", "functions_scipy_special"),
    "SciPy": Library("scipy", "functions_scipy"),
    "scikit-learn": Library("sklearn", "functions_sklearn"),
    "statsmodels": Library("statsmodels", "functions_statsmodels"),
    "jax.nn": Library("jax", "functions_jax_nn"),
    "optax": Library("optax", "functions_optax"),
    "jax.scipy": Library("jax", "functions_jax_scipy"),
    "jax.numpy": Library("jax", "functions_jax_numpy"),
    "PyTorch": Library("torch", "functions_torch"),
    "softjax": Library("softjax", "functions_softjax"),
}


@dataclass(frozen=True)
class RealFunction:
    """A scalar function `fun(params, *args)` and its right gradient at `params`, in the type `dtype`.

    params is a pytree of arrays of NumPy, JAX or PyTorch.
    """

    name: str
    library: str
    dtype: str
    fun: Callable[..., Any] = field(repr=False)
    gradient: Callable[..., Any] = field(repr=False)
    params: Any = field(repr=False)
    args: tuple[Any, ...] = field(default=(), repr=False)

    @property
    def key(self) -> str:
        """The name that no other function has."""
        return f"{self.name}, {self.dtype}"


def is_installed(library: str) -> bool:
    """Whether the functions of a library can be run here."""
    return find_spec(LIBRARIES[library].needs) is not None


@cache
def list_functions(library: str) -> tuple[RealFunction, ...]:
    """The functions of a library. Raises `ImportError` if it is not installed."""
    module = import_module(f"checkers.{LIBRARIES[library].listed_in}")
    return tuple(module.list_functions(library))


def find_function(library: str, key: str) -> RealFunction:
    """The function with this key."""
    return next(function for function in list_functions(library) if function.key == key)


def to_numpy(x: Any, dtype: str) -> Any:
    """`x` in a type, if it is an array of NumPy of floating type; other things stay as they are."""
    return x.astype(dtype) if isinstance(x, np.ndarray) and x.dtype.kind == "f" else x


def to_jax(x: Any, dtype: str) -> Any:
    """`x` as an array of JAX, in a type if it is floating."""
    if not isinstance(x, np.ndarray):
        return x
    with jax.enable_x64(dtype == "float64"):
        return jnp.asarray(x, dtype if x.dtype.kind == "f" else None)


def in_types(
    library: str,
    name: str,
    fun: Callable[..., Any],
    gradient: Callable[..., Any],
    params: Any,
    *args: Any,
    dtypes: Sequence[str] = FLOAT64,
    convert: Callable[[Any, str], Any] = to_numpy,
) -> Iterator[RealFunction]:
    """A function in each of the types; `convert` turns each array of params and args, which are float64, into one of a type."""
    for dtype in dtypes:
        own, *others = jax.tree.map(lambda x, dtype=dtype: convert(x, dtype), [params, *args])
        yield RealFunction(name, library, dtype, fun, gradient, own, tuple(others))


def by_jax(
    library: str,
    name: str,
    fun: Callable[..., Any],
    params: Any,
    *args: Any,
    dtypes: Sequence[str] = TWO_TYPES,
) -> Iterator[RealFunction]:
    """A function of JAX with the gradient by `jax.grad`, both compiled."""
    compiled = jax.jit(fun)
    yield from in_types(
        library, name, compiled, jax.jit(jax.grad(fun)), params, *args, dtypes=dtypes, convert=to_jax
    )
