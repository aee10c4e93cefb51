"""What the frameworks on JAX share: losses that are differentiated by JAX, and the modes of JAX, eager and jitted."""

import contextlib
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from softjax.comparison.frameworks.protocol import Mode, Prepared, Problem
from softjax.comparison.frameworks.shared_numpy import write_objective

# Functions of W, X, labels or targets, and weights or None.
Value = Callable[..., jax.Array]
ValueAndGrad = Callable[..., tuple[jax.Array, jax.Array]]
Build = Callable[[Problem], tuple[Value, ValueAndGrad]]
Arrays = tuple[np.ndarray, np.ndarray, np.ndarray | None]


def prepare_losses(
    problem: Problem,
    arrays: Arrays,
    losses: Callable[[jax.Array, jax.Array], jax.Array],
    *,
    compiled: bool,
) -> Prepared:
    """Reverse mode of the losses of scores (..., K) and labels (...) or targets (..., K), written in JAX.

    **Arguments:**

    - `arrays`: X, the labels or targets that `losses` takes, and weights or None.
    - `compiled`: whether the loss and gradient are jitted.
    """

    def build(problem: Problem) -> tuple[Value, ValueAndGrad]:
        def objective(W: jax.Array, X: jax.Array, y: jax.Array, w: jax.Array | None) -> jax.Array:
            mean = problem.average(losses(X @ W, y), w, jnp.mean, jnp.sum)
            return problem.penalized(mean, lambda: jnp.abs(W).sum(), lambda: (W * W).sum())

        return objective, jax.value_and_grad(objective)

    return prepare_jax(problem, arrays, build, compiled=compiled)


def prepare_jax(
    problem: Problem,
    arrays: Arrays,
    build: Build,
    *,
    compiled: bool,
    grad: Callable[..., Any] = jax.grad,
    place_labels: Callable[[np.ndarray], Any] = jnp.asarray,
) -> Prepared:
    """Prepares a problem. `build` returns its loss, and its loss and gradient, as JAX functions of W and `arrays`.

    `grad` differentiates the loss with respect to X. `place_labels` makes of labels what the functions take.
    """
    # The context is used only for float64: entering it takes as long as a tiny gradient.
    types: Any = partial(jax.enable_x64, True) if problem.dtype == "float64" else contextlib.nullcontext
    jit: Any = jax.jit if compiled else lambda function: function
    with types():
        X, y, weights = arrays
        placed = jnp.asarray(X), place_labels(y), None if weights is None else jnp.asarray(weights)
    value_and_grad = jit(build(problem)[1])

    def place(W: np.ndarray) -> jax.Array:
        with types():
            return jnp.asarray(W)

    def begin(W: jax.Array) -> Any:
        with types():
            return value_and_grad(W, *placed)

    def on_numpy(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: np.ndarray) -> Any:
            with types():
                return jax.tree.map(np.asarray, jit(function)(*map(jnp.asarray, arguments)))

        return call

    modes = _derive_modes(problem, build, grad, *placed)
    return Prepared(
        place=place,
        loss_and_grad=lambda W: jax.block_until_ready(begin(W)),
        begin=begin,
        to_numpy=lambda result: (np.asarray(result[0]), np.asarray(result[1])),
        modes={mode: on_numpy(function) for mode, function in modes.items()},
    )


def _derive_modes(
    problem: Problem,
    build: Build,
    grad: Callable[..., Any],
    X: jax.Array,
    y: Any,
    w: jax.Array | None,
) -> dict[Mode, Callable[..., Any]]:
    """The other derivatives, by JAX's transformations of the loss and of its gradient."""
    value, value_and_grad = build(problem)
    of_example = build(replace(problem, reg=0.0))[1]

    def objective(W: jax.Array) -> jax.Array:
        return value(W, X, y, w)

    def gradient(W: jax.Array) -> jax.Array:
        return value_and_grad(W, X, y, w)[1]

    def grad_of_example(W: jax.Array, x: jax.Array, label: jax.Array) -> jax.Array:
        return of_example(W, x[None], label[None], None)[1]

    return {
        "forward": lambda W, V: jax.jvp(objective, (W,), (V,))[1],
        "hvp": lambda W, V: jax.jvp(gradient, (W,), (V,))[1],
        "hessian": jax.jacfwd(gradient),
        "per_example": lambda W: jax.vmap(grad_of_example, (None, 0, 0))(W, X, y),
        "vmap": jax.vmap(lambda W: value_and_grad(W, X, y, w)),
        "inputs": lambda W: grad(value, argnums=1)(W, X, y, w).reshape(problem.X.shape),
    }


def write_loss(problem: Problem, lines: str, imports: str = "") -> str:
    """Lines of a script that define `loss`, the objective of W. `lines` compute `losses` from W."""
    body = "".join(f"    {line}\n" for line in lines.splitlines())
    return f"""\
import jax, jax.numpy as jnp{imports}
def loss(W):
{body}    return {write_objective(problem)}
"""


def write_reverse(compiled: bool) -> str:
    """The end of a script that defines `loss`: its value and gradient by reverse mode."""
    function = "jax.value_and_grad(loss)"
    return f"print(*{f'jax.jit({function})' if compiled else function}(jnp.asarray(W)))\n"


def write_tangents(compiled: bool) -> str:
    """The end of a script that defines `loss`: its value, and its derivatives along `basis` by forward mode."""
    return f"""\
def slope(V):
    return jax.jvp(loss, (jnp.asarray(W),), (V,))[1]
print(loss(jnp.asarray(W)), [{"jax.jit(slope)" if compiled else "slope"}(jnp.asarray(V)) for V in basis])
"""
