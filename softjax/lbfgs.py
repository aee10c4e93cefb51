"""Full-batch L-BFGS, optax's, in coordinates in which it has little left to do.

At W = 0 the data's Hessian is π_k(1 − π_k) Σ for the weights of class k, but for the couplings between classes, where π
are the shares of the classes and Σ = 1/N XᵀX; the penalty adds c · I. In the principal axes of the features both are
diagonal,

    Σ = U diag(λ) Uᵀ,    W[k] = U v[k] / √(π_k(1 − π_k) λ + c),

and the Hessian in v is near the identity: pixels, whose λ span eight orders of magnitude, take some fifteen iterations
where L-BFGS on W takes hundreds. Nothing else changes: the minimum is that of `softjax.loss`.
"""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import scipy.linalg
from jax import lax
from jax.stages import Compiled
from jaxtyping import Array, Float, Int, Num

from softjax.config import PathConfig, Penalty
from softjax.datasets.preprocess import Preprocessing, apply
from softjax.gradient import loss_and_grad_kd, penalty_and_slope
from softjax.program import shape_of
from softjax.train import Examples

BLOCK_BYTES = 2**23  # of features: what stays in the cache between a block's two products
LARGEST_BASIS = 8192  # features; the principal axes of more take longer to find than they save
SAMPLE = 4  # examples a feature, for the axes
CURVATURE = {"l2": 2.0, "half_l2": 1.0, "none": 0.0}
STALLED = 10  # iterations without progress after which rounding is all that is left


class Smooth(NamedTuple):
    """What a compiled solver depends on besides the shapes of its arguments."""

    penalty: Penalty
    penalize_bias: bool
    num_classes: int
    dtype: str


class Problem(NamedTuple):
    """The training examples, and their preprocessing."""

    train: Examples
    preprocessing: Preprocessing


class Axes(NamedTuple):
    """The features' principal axes, in the columns of U (None: the features themselves), and the variances along them,
    that of the bias last.
    """

    U: Float[Array, "F F"] | None
    variances: Float[Array, " D"]


class Point(NamedTuple):
    """Where a minimization stands."""

    V: Float[Array, "..."]
    memory: Any
    norm: Float[Array, "..."]
    least: Float[Array, "..."]
    """the least norm and value so far, and for how many iterations neither has fallen"""
    lowest: Float[Array, "..."]
    stalled: Int[Array, "..."]
    iterations: Int[Array, "..."]
    evaluations: Int[Array, "..."]


class End(NamedTuple):
    """What is left of it: weights (R, K, D), objective, the gradient's norm, and two counts (R,)."""

    W: Any
    value: Any
    norm: Any
    iterations: Any
    evaluations: Any


class Solver(NamedTuple):
    """The programs, compiled, for R penalty strengths at once.

    - `start(regs, W, axes, problem)`: a `Point` for each, at weights W (K, D).
    - `advance(point, regs, tolerance, unit, until, axes, problem)`: the same after iterations up to number `until`, or
      until the `gap` is `tolerance`. `point` is donated.
    - `finish(point, regs, axes, problem)`: the `End`s.
    """

    start: Compiled
    advance: Compiled
    finish: Compiled


def principal_axes(problem: Problem) -> Axes:
    """From the covariance of the training features, which are centred."""
    X, mean = problem.train.X, problem.preprocessing.mean
    if X.shape[1] > LARGEST_BASIS:
        variances = _moments(problem, diagonal=True)
        return Axes(None, jnp.append(variances, jnp.ones(1, mean.dtype)))
    covariance = np.asarray(_moments(problem, diagonal=False))
    variances, U = scipy.linalg.eigh(covariance, driver="evd", overwrite_a=True, check_finite=False)
    return Axes(jnp.asarray(U), jnp.append(jnp.asarray(variances.clip(min=0)), jnp.ones(1, mean.dtype)))


@partial(jax.jit, static_argnames="diagonal")
def _moments(problem: Problem, *, diagonal: bool) -> Float[Array, "..."]:
    preprocessing = problem.preprocessing
    dtype = preprocessing.mean.dtype
    num_examples, num_features = problem.train.X.shape
    # A sample will do: the axes only shorten the way.
    sample = jax.tree.map(
        lambda each: each[:: max(num_examples // (SAMPLE * num_features), 1)], problem.train
    )

    def moment(rows: Num[Array, "B F"], _: Any) -> Float[Array, "..."]:
        x = apply(preprocessing, rows, dtype)[:, :-1]
        return (x * x).sum(axis=0) if diagonal else jnp.matmul(x.T, x, precision="highest")

    total: Array = _over_blocks(moment, sample, dtype)
    return total / len(sample.y)


def _over_blocks(function: Callable[[Any, Any], Any], examples: Examples, dtype: Any) -> Any:
    """The sum of function(X, y) over blocks of the examples."""
    num_examples, num_features = examples.X.shape
    block = min(max(BLOCK_BYTES // (num_features * jnp.dtype(dtype).itemsize), 1), num_examples)
    whole, rest = divmod(num_examples, block)

    def part(start: Any, size: int) -> Any:
        return function(*(lax.dynamic_slice_in_dim(each, start, size) for each in examples))

    def add(total: Any, start: Any) -> tuple[Any, None]:
        return jax.tree.map(jnp.add, total, part(start, block)), None

    first = part(0, block)
    total, _ = lax.scan(add, first, block * jnp.arange(1, whole, dtype=jnp.int32))
    return jax.tree.map(jnp.add, total, part(whole * block, rest)) if rest else total


def _value_and_grad(
    kind: Smooth, W: Float[Array, "K D"], reg: Float[Array, ""], problem: Problem
) -> tuple[Float[Array, ""], Float[Array, "K D"]]:
    """The objective of all training examples and its gradient, by hand."""
    num_examples, half = len(problem.train.y), jnp.asarray(0.5, W.dtype)

    def block(X: Any, y: Any) -> Any:
        value, grad = loss_and_grad_kd(
            W,
            apply(problem.preprocessing, X, W.dtype),
            y,
            reg,
            half,
            kind="softmax",
            penalty="none",
            penalize_bias=True,
        )
        share = jnp.asarray(len(y) / num_examples, W.dtype)
        return share * value, share * grad

    value, grad = _over_blocks(block, problem.train, W.dtype)
    penalized = (slice(None), slice(None) if kind.penalize_bias else slice(-1))
    penalty, slope = penalty_and_slope(W, reg, half, W.dtype, kind.penalty, penalized)
    return value + penalty, grad + slope


def _steepness(
    kind: Smooth, reg: Float[Array, ""], shares: Float[Array, " K"], axes: Axes
) -> Float[Array, "K D"]:
    """Square roots of the Hessian's diagonal at W = 0, in the principal axes."""
    penalty = jnp.asarray(CURVATURE[kind.penalty], reg.dtype) * reg
    bent = jnp.full_like(axes.variances, penalty)
    if not kind.penalize_bias:
        bent = bent.at[-1].set(0)
    diagonal = (shares * (1 - shares))[:, None] * axes.variances[None] + bent[None]
    least = np.finfo(reg.dtype).eps * diagonal.max()
    return jnp.sqrt(jnp.maximum(diagonal, least))


def _rotated(W: Float[Array, "K D"], axes: Axes, back: bool) -> Float[Array, "K D"]:
    """`W` from principal axes to features, or `back` from features to principal axes."""
    if axes.U is None:
        return W
    U = axes.U if back else axes.U.T
    return jnp.concatenate([jnp.matmul(W[:, :-1], U, precision="highest"), W[:, -1:]], axis=1)


def compiled(smooth: Smooth, arguments: Any) -> Solver:
    """The programs for `arguments` (regs, W, axes, problem), or for others of these shapes and types."""
    leaves, structure = jax.tree.flatten(arguments)
    shapes = tuple(shape_of(leaf.shape, leaf.dtype) for leaf in leaves)
    return _compiled(smooth, shapes, structure)


def gap(smooth: Smooth, norm: Any, value: Any, reg: Any, unit: Any) -> Any:
    """How far an objective may be from its minimum, as a share of it: (L − min L) / L ≤ ‖∇L‖² / 2cL, c being the
    curvature of the penalty. Without one ‖∇L‖ as a share of its norm at W = 0, `unit`.

    Source: Boyd and Vandenberghe, *Convex Optimization*, 2004, section 9.1.2.
    """
    c = CURVATURE[smooth.penalty] * reg
    return jnp.where(c > 0, norm**2 / (2 * jnp.where(c > 0, c, 1) * value), norm / unit)


@lru_cache(maxsize=8)
def _compiled(kind: Smooth, leaves: tuple[jax.ShapeDtypeStruct, ...], structure: Any) -> Solver:
    optimizer = optax.lbfgs(
        linesearch=optax.scale_by_backtracking_linesearch(
            max_backtracking_steps=20,
            max_learning_rate=1.0,
            increase_factor=4.0,
            rtol=8 * float(np.finfo(kind.dtype).eps),  # what the sum over the examples is off by
            store_grad=True,
        )
    )

    @jax.custom_jvp
    def objective(V: Any, reg: Any, steepness: Any, axes: Any, problem: Any) -> Any:
        return value_and_grad(V, reg, steepness, axes, problem)[0]

    @objective.defjvp
    def _(primals: Any, tangents: Any) -> Any:
        value, grad = value_and_grad(*primals)
        return value, (grad * tangents[0]).sum()

    def value_and_grad(V: Any, reg: Any, steepness: Any, axes: Any, problem: Any) -> Any:
        value, grad = _value_and_grad(kind, _rotated(V / steepness, axes, back=False), reg, problem)
        return value, _rotated(grad, axes, back=True) / steepness

    def scale(reg: Any, axes: Any, problem: Any) -> Any:
        counts = jnp.zeros(kind.num_classes, reg.dtype).at[problem.train.y].add(jnp.ones((), reg.dtype))
        return _steepness(kind, reg, counts / len(problem.train.y), axes)

    def norm_of(grad: Any, steepness: Any) -> Any:
        return jnp.sqrt(((grad * steepness) ** 2).sum())

    def start(reg: Any, W: Any, axes: Any, problem: Any) -> Any:
        steepness = scale(reg, axes, problem)
        V = _rotated(W, axes, back=True) * steepness
        value, grad = value_and_grad(V, reg, steepness, axes, problem)
        memory = optax.tree.set(optimizer.init(V), value=value, grad=grad)
        norm, count = norm_of(grad, steepness), jnp.zeros((), jnp.int32)
        return Point(V, memory, norm, norm, value, count, count, count)

    def advance(point: Any, reg: Any, tolerance: Any, unit: Any, until: Any, axes: Any, problem: Any) -> Any:
        steepness = scale(reg, axes, problem)

        def unfinished(point: Any) -> Any:
            value = optax.tree.get(point.memory, "value")
            rest = gap(kind, point.norm, value, reg, unit)
            return (rest > tolerance) & (point.stalled < STALLED) & (point.iterations < until)

        def iterate(point: Any) -> Any:
            value, grad = (optax.tree.get(point.memory, name) for name in ("value", "grad"))
            with jax.numpy_dtype_promotion("standard"):  # optax counts in integers of the default type
                updates, memory = optimizer.update(
                    grad,
                    point.memory,
                    point.V,
                    value=value,
                    grad=grad,
                    value_fn=objective,
                    reg=reg,
                    steepness=steepness,
                    axes=axes,
                    problem=problem,
                )
            value, grad = (optax.tree.get(memory, name) for name in ("value", "grad"))
            norm = norm_of(grad, steepness)
            progress = (norm < point.least) | (value < point.lowest)
            return Point(
                optax.apply_updates(point.V, updates),
                memory,
                norm,
                jnp.minimum(norm, point.least),
                jnp.minimum(value, point.lowest),
                jnp.where(progress, 0, point.stalled + 1),
                point.iterations + 1,
                point.evaluations + optax.tree.get(memory, "info").num_linesearch_steps.astype(jnp.int32),
            )

        return lax.while_loop(unfinished, iterate, point)

    def finish(point: Any, reg: Any, axes: Any, problem: Any) -> Any:
        W = _rotated(point.V / scale(reg, axes, problem), axes, back=False)
        value = optax.tree.get(point.memory, "value")
        return End(W, value, point.norm, point.iterations, point.evaluations)

    regs, W, axes, problem = jax.tree.unflatten(structure, leaves)
    begin = jax.jit(jax.vmap(start, in_axes=(0, None, None, None)))
    point = jax.eval_shape(begin, regs, W, axes, problem)
    numbers = shape_of((), W.dtype), shape_of((), W.dtype), shape_of((), jnp.int32)
    go_on = jax.jit(jax.vmap(advance, in_axes=(0, 0, None, None, None, None, None)), donate_argnums=0)
    end = jax.jit(jax.vmap(finish, in_axes=(0, 0, None, None)))
    return Solver(
        begin.lower(regs, W, axes, problem).compile(),
        go_on.lower(point, regs, *numbers, axes, problem).compile(),
        end.lower(point, regs, axes, problem).compile(),
    )


def minimized(
    programs: Solver,
    problem: Problem,
    axes: Axes,
    regs: Float[Array, " R"],
    W: Float[Array, "K D"],
    unit: float | None,
    solver: PathConfig,
    on_segment: Callable[[Point, int], None],
) -> tuple[End, float]:
    """The minima of a batch of `regs`, each sought from `W` on, and the gradient's norm at W = 0, which is `unit` where it
    is known, and that at `W` where not.
    """
    point = programs.start(regs, W, axes, problem)
    unit = unit or float(point.norm[0])
    numbers = jnp.asarray(solver.tolerance, W.dtype), jnp.asarray(unit, W.dtype)
    # about a second's worth of iterations, from a nominal speed
    every = max(1, min(50, round(1e11 / (4 * len(problem.train.y) * W.size * len(regs)))))
    until = 0
    while until < solver.max_lbfgs_iters:
        until = min(until + every, solver.max_lbfgs_iters)
        point = programs.advance(point, regs, *numbers, jnp.asarray(until, jnp.int32), axes, problem)
        finished = (point.iterations < until) | (point.stalled >= STALLED)
        on_segment(point, int(finished.sum()))
        if finished.all():
            break
    end: End = jax.tree.map(np.asarray, programs.finish(point, regs, axes, problem))
    return end, unit
