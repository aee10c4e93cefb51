"""Enzyme, through JAX: a loss written in JAX is lowered to StableHLO, and Enzyme differentiates that program.

The pipeline is the default of `enzyme_jax_ir`: passes that simplify the program, Enzyme's derivative of it, and the same
passes again. XLA compiles what comes out. `jax.value_and_grad` and `jax.jvp` only ask for the derivative.
"""

from dataclasses import replace

import jax
import jax.numpy as jnp
from enzyme_ad.jax import enzyme_jax_ir

from softjax.comparison.frameworks.protocol import Prepared, Problem
from softjax.comparison.frameworks.shared_jax import Value, ValueAndGrad, prepare_jax
from softjax.comparison.frameworks.shared_numpy import name_targets, write_objective

DTYPES = ("float64", "float32", "bfloat16")


def prepare(problem: Problem) -> Prepared:
    """Reverse mode. Enzyme's primitive has no rule for `vmap`, and none for a derivative of its reverse mode."""
    T = problem.targets

    def build(problem: Problem) -> tuple[Value, ValueAndGrad]:
        @enzyme_jax_ir()
        def objective(W: jax.Array, X: jax.Array, t: jax.Array, w: jax.Array | None) -> jax.Array:
            log_p = jax.nn.log_softmax(X @ W)
            if T is None:
                losses = -jnp.take_along_axis(log_p, t[..., None], axis=-1)[..., 0]
            else:
                losses = -(t * log_p).sum(axis=-1)
            mean = problem.average(losses, w, jnp.mean, jnp.sum)
            return problem.penalized(mean, lambda: jnp.abs(W).sum(), lambda: (W * W).sum())

        return objective, jax.value_and_grad(objective)

    arrays = (problem.X, problem.labels if T is None else T, problem.weights)
    prepared = prepare_jax(problem, arrays, build, compiled=True)
    return replace(prepared, modes={mode: prepared.modes[mode] for mode in ("forward", "inputs")})


def write_script(problem: Problem) -> str:
    """Reverse mode."""
    return f"{_write_loss(problem)}print(*jax.jit(jax.value_and_grad(loss))({_name_arguments(problem)}))\n"


def write_forward(problem: Problem) -> str:
    """Forward mode."""
    arguments = _name_arguments(problem)
    return f"""\
{_write_loss(problem)}@jax.jit
def slope(V):
    return jax.jvp(lambda W: loss({arguments}), (W,), (V,))[1]
print(loss({arguments}), [slope(jnp.asarray(V)) for V in basis])
"""


def _write_loss(problem: Problem) -> str:
    t, arguments = name_targets(problem), _name_arguments(problem)
    losses = (
        "-(T * log_p).sum(axis=-1)"
        if t == "T"
        else f"-jnp.take_along_axis(log_p, {t}[..., None], axis=-1)[..., 0]"
    )
    wide = 'jax.config.update("jax_enable_x64", True)\n' if problem.dtype == "float64" else ""
    return f"""\
import jax, jax.numpy as jnp
from enzyme_ad.jax import enzyme_jax_ir
{wide}@enzyme_jax_ir()
def loss({arguments}):
    log_p = jax.nn.log_softmax(X @ W)
    losses = {losses}
    return {write_objective(problem)}
{arguments} = map(jnp.asarray, ({arguments}))
"""


def _name_arguments(problem: Problem) -> str:
    return f"W, X, {name_targets(problem)}{'' if problem.weights is None else ', w'}"
