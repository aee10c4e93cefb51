"""Full-batch L-BFGS of optax, in the principal axes of the features, for many penalty strengths at once."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from jax.stages import Compiled
from jaxtyping import Array, Float, Int

from softjax.compilation import compile_once, shape_of
from softjax.datasets.preprocess import Preprocessing, apply
from softjax.evaluation.examples import Examples, map_blocks
from softjax.objective.config import Objective
from softjax.objective.gradient import loss_and_grad_kd
from softjax.objective.penalty import penalty_and_slope, penalty_curvature
from softjax.path.axes import Axes, block_size, rotate, rotate_back, steepness
from softjax.path.config import PathConfig

STALLED = 10  # iterations without progress; after these, only rounding errors remain


class SolverSpec(NamedTuple):
    """What a compiled solver depends on, apart from the shapes of its arguments."""

    objective: Objective
    num_classes: int
    dtype: str


class Data(NamedTuple):
    """The training examples, their preprocessing, and their principal axes."""

    train: Examples
    preprocessing: Preprocessing
    axes: Axes


class Limits(NamedTuple):
    """When to stop: when `gap` is at most `tolerance`, or after iteration number `until`.

    `unit` is the norm of the gradient at W = 0; `gap` needs it if there is no penalty.
    """

    tolerance: Float[Array, ""]
    unit: Float[Array, ""]
    until: Int[Array, ""]


class Point(NamedTuple):
    """The state of a minimization, in the principal axes."""

    V: Float[Array, "..."]
    memory: Any
    norm: Float[Array, "..."]
    least: Float[Array, "..."]
    """`least`, `lowest`: the smallest norm and value so far; `stalled`: iterations since one of them decreased"""
    lowest: Float[Array, "..."]
    stalled: Int[Array, "..."]
    iterations: Int[Array, "..."]
    evaluations: Int[Array, "..."]


class End(NamedTuple):
    """The results of a batch: weights (R, K, D), and (R,) the objective, the gradient's norm and two counts."""

    W: Any
    value: Any
    norm: Any
    iterations: Any
    evaluations: Any


class Solver(NamedTuple):
    """The compiled programs for R penalty strengths at once.

    - `start(regs, W, data)`: a `Point` for each, at weights W (K, D).
    - `advance(point, regs, limits, data)`: the same after more iterations. `point` is donated.
    - `finish(point, regs, data)`: the `End`s.
    """

    start: Compiled
    advance: Compiled
    finish: Compiled


def compile_solver(spec: SolverSpec, regs: Float[Array, " R"], W: Float[Array, "K D"], data: Data) -> Solver:
    """The programs for these arguments, and for all others of the same shapes and types."""
    return compile_once(_build, spec, (regs, W, data))


def minimize(
    programs: Solver,
    data: Data,
    regs: Float[Array, " R"],
    point: Point,
    start: int,
    unit: float,
    solver: PathConfig,
    on_segment: Callable[[Point, int, int], None],
) -> End:
    """The minima for a batch of `regs`. The search starts from `point`, after `start` iterations.

    `on_segment` is called about every second with the point, the number of finished penalty strengths, and the number of
    iterations so far.
    """
    dtype = point.norm.dtype
    numbers = jnp.asarray(solver.tolerance, dtype), jnp.asarray(unit, dtype)
    every = iterations_per_segment(len(data.train.y), point.V.size)
    until, finished = start, False
    while until < solver.max_lbfgs_iters and not finished:
        until = min(until + every, solver.max_lbfgs_iters)
        point = programs.advance(point, regs, Limits(*numbers, jnp.asarray(until, jnp.int32)), data)
        done = np.asarray((point.iterations < until) | (point.stalled >= STALLED))
        finished = bool(done.all())
        on_segment(point, int(done.sum()), until)
    end: End = jax.tree.map(np.asarray, programs.finish(point, regs, data))
    return end


def iterations_per_segment(num_examples: int, num_weights: int) -> int:
    """Iterations in about a second. The speed is nominal, not measured, so the same path always has the same segments."""
    return max(1, min(50, round(1e11 / (4 * num_examples * num_weights))))


def gap(objective: Objective, norm: Any, value: Any, reg: Any, unit: Any) -> Any:
    """An upper bound of the relative distance of the objective from its minimum: (L − min L) / L ≤ ‖∇L‖² / 2cL.

    c is the curvature of the penalty. Without a penalty the gap is ‖∇L‖ / `unit`, where `unit` is ‖∇L‖ at W = 0.

    Source: Boyd and Vandenberghe, *Convex Optimization*, 2004, section 9.1.2.
    """
    c = penalty_curvature(objective, reg, reg.dtype)
    return jnp.where(c > 0, norm**2 / (2 * jnp.where(c > 0, c, 1) * value), norm / unit)


def _build(spec: SolverSpec, shapes: tuple[Any, Any, Any]) -> Solver:
    regs, W, data = shapes
    start = jax.jit(jax.vmap(partial(_start, spec), in_axes=(0, None, None)))
    advance = jax.jit(jax.vmap(partial(_advance, spec), in_axes=(0, 0, None, None)), donate_argnums=0)
    finish = jax.jit(jax.vmap(partial(_finish, spec), in_axes=(0, 0, None)))
    point = jax.eval_shape(start, regs, W, data)
    numbers: Any = (shape_of((), W.dtype), shape_of((), W.dtype), shape_of((), jnp.int32))
    return Solver(
        start.lower(regs, W, data).compile(),
        advance.lower(point, regs, Limits(*numbers), data).compile(),
        finish.lower(point, regs, data).compile(),
    )


def _start(spec: SolverSpec, reg: Any, W: Any, data: Data) -> Point:
    scale = _steepness(spec, reg, data)
    V = rotate_back(W, data.axes) * scale
    value, grad = _value_and_grad(spec, V, reg, scale, data)
    memory = optax.tree.set(_optimizer(spec).init(V), value=value, grad=grad)
    norm, count = _norm(grad, scale), jnp.zeros((), jnp.int32)
    return Point(V, memory, norm, norm, value, count, count, count)


def _advance(spec: SolverSpec, point: Point, reg: Any, limits: Limits, data: Data) -> Point:
    scale = _steepness(spec, reg, data)

    def unfinished(point: Point) -> Any:
        rest = gap(spec.objective, point.norm, optax.tree.get(point.memory, "value"), reg, limits.unit)
        return (rest > limits.tolerance) & (point.stalled < STALLED) & (point.iterations < limits.until)

    point = lax.while_loop(unfinished, partial(_iterate, spec, reg, scale, data), point)
    return point


def _iterate(spec: SolverSpec, reg: Any, scale: Any, data: Data, point: Point) -> Point:
    """One iteration of L-BFGS with its line search."""
    value, grad = (optax.tree.get(point.memory, name) for name in ("value", "grad"))

    @jax.custom_jvp
    def value_of(V: Any) -> Any:
        return _value_and_grad(spec, V, reg, scale, data)[0]

    @value_of.defjvp
    def _(primals: Any, tangents: Any) -> Any:
        value, grad = _value_and_grad(spec, primals[0], reg, scale, data)
        return value, (grad * tangents[0]).sum()

    with jax.numpy_dtype_promotion("standard"):  # optax mixes integers of the default type with ours
        updates, memory = _optimizer(spec).update(
            grad, point.memory, point.V, value=value, grad=grad, value_fn=value_of
        )
    value, grad = (optax.tree.get(memory, name) for name in ("value", "grad"))
    norm = _norm(grad, scale)
    progress = (norm < point.least) | (value < point.lowest)
    evaluations = optax.tree.get(memory, "info").num_linesearch_steps.astype(jnp.int32)
    return Point(
        optax.apply_updates(point.V, updates),
        memory,
        norm,
        jnp.minimum(norm, point.least),
        jnp.minimum(value, point.lowest),
        jnp.where(progress, 0, point.stalled + 1),
        point.iterations + 1,
        point.evaluations + evaluations,
    )


def _finish(spec: SolverSpec, point: Point, reg: Any, data: Data) -> End:
    W = rotate(point.V / _steepness(spec, reg, data), data.axes)
    value = optax.tree.get(point.memory, "value")
    return End(W, value, point.norm, point.iterations, point.evaluations)


def _optimizer(spec: SolverSpec) -> optax.GradientTransformationExtraArgs:
    line_search = optax.scale_by_backtracking_linesearch(
        max_backtracking_steps=20,
        max_learning_rate=1.0,
        increase_factor=4.0,
        rtol=8 * float(np.finfo(spec.dtype).eps),  # about the rounding error of the sum over the examples
        store_grad=True,
    )
    return optax.lbfgs(linesearch=line_search)


def _steepness(spec: SolverSpec, reg: Any, data: Data) -> Float[Array, "K D"]:
    y = data.train.y
    counts = jnp.zeros(spec.num_classes, reg.dtype).at[y].add(jnp.ones((), reg.dtype))
    return steepness(spec.objective, reg, counts / len(y), data.axes)


def _norm(grad: Any, scale: Any) -> Any:
    """The norm of the gradient with respect to W, from that with respect to V."""
    return jnp.sqrt(((grad * scale) ** 2).sum())


def _value_and_grad(spec: SolverSpec, V: Any, reg: Any, scale: Any, data: Data) -> tuple[Any, Any]:
    """The objective on all training examples, and its gradient by hand with respect to V."""
    W = rotate(V / scale, data.axes)
    data_only = Objective("softmax", "none")

    def block(X: Any, y: Any) -> Any:
        features = apply(data.preprocessing, X, W.dtype)
        value, grad = loss_and_grad_kd(W, features, y, reg, data_only)
        share = jnp.asarray(len(y) / len(data.train.y), W.dtype)
        return (share * value, share * grad), None

    (value, grad), _ = map_blocks(block, data.train, block_size(data.train, W.dtype))
    penalty, slope = penalty_and_slope(spec.objective, reg, W, W.dtype, bias_axis=1)
    return value + penalty, rotate_back(grad + slope, data.axes) / scale
