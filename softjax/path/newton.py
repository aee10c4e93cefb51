"""Truncated Newton with a trust region, by the Hessian derived by hand.

Each Newton step d minimizes the quadratic model of the objective by preconditioned conjugate gradients (CG), until the
residual is a third of the gradient, or small enough to end, or d leaves the trust region. If the objective decreases enough the step is taken;
otherwise the region shrinks.

Sources: Steihaug, *The Conjugate Gradient Method and Trust Regions in Large Scale Optimization*, 1983; Conn, Gould and
Toint, *Trust-Region Methods*, 2000, section 7.5; Lin, Weng and Keerthi, *Trust Region Newton Method for Large-Scale
Logistic Regression*, 2008.
"""

from concurrent.futures import Future
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.stages import Compiled
from jaxtyping import Array, Float, Int

from softjax.compilation import compile_once, shape_of, start_compiling
from softjax.objective.config import Objective
from softjax.objective.penalty import penalty_curvature
from softjax.path.axes import Axes, divide_by_axes
from softjax.path.dense import Inverse, divide_by_hessian, invert_hessian
from softjax.path.passes import Data, SolverSpec, evaluate, multiply

FORCING = 0.3  # CG ends at this share of the gradient's norm
NEAR = 0.02  # of the gradient's norm: a target above it is reached in this Newton step
STALLED = 3  # Newton steps without progress; after these, only rounding errors remain
NEVER = 2**30  # more products than in any Newton step: there is no inverse yet

MULTIPLY, INVERT, TRY, START, DONE = map(np.int32, range(5))
"""What is next: to multiply the direction of CG by the Hessian; to compute the inverse of the Hessian; to try the step; to
evaluate at the weights; nothing."""


class Point(NamedTuple):
    """The state of a minimization.

    - `W`, `grad`, `value`, `norm`: weights, gradient, objective, and the norm of the gradient.
    - `step`, `residual`, `direction`: those of CG. `rz` is its residual · M⁻¹ residual, for the preconditioner M.
    - `lengths`: d·Md, d·Mq and q·Mq, for the step d and the direction q.
    - `radius`: of the trust region, in the norm of M.
    - `products`: those of CG in this Newton step.
    - `least`, `stalled`: the smallest norm so far, and Newton steps without progress.
    - `inverse`: that of the Hessian at earlier weights, as a factor; empty if the principal axes precondition.
    - `curved`: the means of p(1 − p) for each class.
    - `p`: the probabilities of all examples, if they are stored.
    """

    phase: Int[Array, ""]
    reg: Float[Array, ""]
    W: Float[Array, "K D"]
    grad: Float[Array, "K D"]
    value: Float[Array, ""]
    norm: Float[Array, ""]
    step: Float[Array, "K D"]
    residual: Float[Array, "K D"]
    direction: Float[Array, "K D"]
    rz: Float[Array, ""]
    lengths: Float[Array, "3"]
    radius: Float[Array, ""]
    products: Int[Array, ""]
    newton_steps: Int[Array, ""]
    passes: Int[Array, ""]
    least: Float[Array, ""]
    stalled: Int[Array, ""]
    inverse: Inverse
    curved: Float[Array, " K"]
    p: Float[Array, "P K"]


class Limits(NamedTuple):
    """When to stop: when `gap` is at most `tolerance`, after `passes` for this strength, after `until` of this call.

    `unit` is the norm of the gradient at W = 0; `gap` needs it if there is no penalty.
    """

    tolerance: Any
    unit: Any
    passes: Any
    until: Any


def compile_solver(spec: SolverSpec, point: Point, data: Data, axes: Axes | None) -> Future[Compiled]:
    """`advance(point, limits, data, axes)` for these arguments, and all others of the same shapes and types.

    It returns the point after more passes, when one of the limits is reached. `point` is donated.
    """
    return compile_once(_build, spec, (point, data, axes))


def make_point(spec: SolverSpec, num_examples: int, num_features: int) -> Point:
    """A point at W = 0, without a penalty strength."""
    K, D, dtype = spec.num_classes, num_features + 1, spec.dtype
    shapes = {
        **dict.fromkeys(("W", "grad", "step", "residual", "direction"), (K, D)),
        "lengths": (3,),
        "curved": (K,),
    }
    types = dict.fromkeys(("phase", "products", "newton_steps", "passes", "stalled"), np.int32)
    fields: dict[str, Any] = {
        name: np.zeros(shapes.get(name, ()), types.get(name, dtype)) for name in Point._fields
    }
    M, scaled = (K * D, D) if spec.dense else (0, 0)
    empty: Any = (np.zeros((M, M), np.float32), np.full(scaled, np.inf, dtype))
    fields["inverse"] = Inverse(*empty)
    fields["products"] += NEVER * spec.dense
    fields["p"] = jnp.zeros((num_examples if spec.stored else 0, K), dtype)  # large: made on the device
    return Point(**fields)


def start_point(
    point: Point,
    reg: float,
    W: Any,
    step: Any = None,
    value: float = np.inf,
    counts: tuple[int, int] = (0, 0),
) -> Point:
    """The point from which a penalty strength is solved: at W, or at W + step if the objective is not larger there.

    **Arguments:**

    - `point`: of another strength. Its inverse of the Hessian is used further.
    - `step`, `value`: the step, and the objective at W.
    - `counts`: Newton steps and passes that were made for this strength before.
    """
    dtype = np.dtype(point.W.dtype)
    zeros = np.zeros(np.shape(W), dtype)
    infinity = dtype.type(np.inf)
    new: dict[str, Any] = {
        **dict.fromkeys(("step", "grad", "residual", "direction"), zeros),
        **dict.fromkeys(("value", "norm", "radius", "least"), infinity),
        "phase": START,
        "reg": dtype.type(reg),
        "W": np.asarray(W, dtype),
        "rz": dtype.type(0),
        "lengths": np.zeros(3, dtype),
        "stalled": np.int32(0),
        "newton_steps": np.int32(counts[0]),
        "passes": np.int32(counts[1]),
    }
    if step is not None:
        new |= {"phase": TRY, "step": np.asarray(step, dtype), "value": dtype.type(value)}
    return point._replace(**new)


def gap(c: Any, norm: Any, value: Any, unit: Any, where: Any = jnp.where) -> Any:
    """An upper bound of the relative distance of the objective from its minimum: (L − min L) / L ≤ ‖∇L‖² / 2cL.

    c is the least curvature. Without a penalty the gap is ‖∇L‖ / `unit`, where `unit` is ‖∇L‖ at W = 0.

    Source: Boyd and Vandenberghe, *Convex Optimization*, 2004, section 9.1.2.
    """
    by_curvature = norm**2 / (2 * where(c > 0, c, 1) * value)
    return where(norm == 0, 0, where(c > 0, by_curvature, norm / unit))


def least_curvature(objective: Objective, c: Any, curved: Any) -> Any:
    """The least curvature of the objective, where the penalty has the curvature c.

    A bias without a penalty has only that of the data, about the mean of p(1 − p) of its class.
    """
    return c if objective.penalize_bias else jnp.minimum(c, curved.min())


def _build(spec: SolverSpec, shapes: tuple[Any, Any, Any]) -> Future[Compiled]:
    point, data, axes = shapes
    number, count = shape_of((), spec.dtype), shape_of((), jnp.int32)
    limits = Limits(number, number, count, count)
    program = jax.jit(partial(_advance, spec), donate_argnums=0).lower(point, limits, data, axes)
    return start_compiling(program, "float64", spec.backend, often=True)


def _advance(spec: SolverSpec, point: Point, limits: Limits, data: Data, axes: Any) -> Point:
    invert = partial(_invert, spec, data) if spec.dense else lambda point: point
    branches = (partial(_follow, spec, limits, data, axes), invert, partial(_judge, spec, limits, data, axes))
    end = point.passes + limits.until

    def advance(point: Point) -> Point:
        after: Point = lax.switch(jnp.minimum(point.phase, TRY), branches, point)
        return after

    point = lax.while_loop(lambda point: (point.phase != DONE) & (point.passes < end), advance, point)
    return point


def _invert(spec: SolverSpec, data: Data, point: Point) -> Point:
    """Computes the inverse of the Hessian, and begins CG again with it."""
    inverse = invert_hessian(spec, data, point.reg, point.p)
    z = divide_by_hessian(inverse, -point.grad)
    rz = -(point.grad * z).sum()
    return point._replace(
        phase=jnp.where(jnp.isfinite(rz), MULTIPLY, DONE),
        direction=z,
        rz=rz,
        lengths=jnp.stack([jnp.zeros_like(rz), jnp.zeros_like(rz), rz]),
        radius=jnp.full_like(point.radius, jnp.inf),
        products=jnp.zeros_like(point.products),
        inverse=inverse,
    )


def _follow(spec: SolverSpec, limits: Limits, data: Data, axes: Any, point: Point) -> Point:
    """A step of CG along its direction q: to the minimum of the model on this line, or to the edge of the region."""
    q = point.direction
    dd, dq, qq = point.lengths
    product = multiply(spec, data, point.reg, point.W, point.p, q)
    bend = (q * product).sum()
    alpha = jnp.where(bend > 0, point.rz / bend, 0)
    outside = dd + 2 * alpha * dq + alpha**2 * qq >= point.radius**2
    alpha = jnp.where(outside, (jnp.sqrt(dq**2 + qq * (point.radius**2 - dd)) - dq) / qq, alpha)
    residual = point.residual - alpha * product
    z = _divide(spec, axes, point, residual)
    rz = (residual * z).sum()
    beta = rz / point.rz
    passes, products = point.passes + 1, point.products + 1
    target = _target(spec.objective, limits, point)
    enough = jnp.where(target > NEAR * point.norm, 0.5 * target, FORCING * point.norm)
    ends = outside | ~(bend > 0) | ~(jnp.linalg.norm(residual) > enough)
    ends |= (products >= q.size) | (passes + 1 >= limits.passes)
    return point._replace(
        phase=jnp.where(ends, TRY, MULTIPLY),
        step=point.step + alpha * q,
        residual=residual,
        direction=z + beta * q,
        rz=rz,
        lengths=jnp.stack([dd + 2 * alpha * dq + alpha**2 * qq, beta * (dq + alpha * qq), rz + beta**2 * qq]),
        products=products,
        passes=passes,
    )


def _judge(spec: SolverSpec, limits: Limits, data: Data, axes: Any, point: Point) -> Point:
    """Evaluates at W + d. Takes the step and begins CG there, or stays at W and shrinks the region."""
    starts = point.phase == START
    W = jnp.where(starts, point.W, point.W + point.step)
    value, grad, curved, p = evaluate(spec, data, point.reg, W)
    promised = jnp.maximum(((point.residual - point.grad) * point.step).sum() / 2, 0)  # by the model
    gained, rounding = point.value - value, 8 * float(np.finfo(W.dtype).eps) * jnp.abs(value)
    taken = starts | (gained + rounding >= 1e-4 * promised)
    passes = point.passes + 1
    back = point._replace(
        phase=jnp.full_like(point.phase, START),  # for the probabilities at W
        step=jnp.zeros_like(W),
        lengths=jnp.zeros_like(point.lengths),
        radius=_resize(point, gained, rounding, promised),
        products=jnp.zeros_like(point.products),  # with a new inverse the region would be as large as before
        passes=passes,
        curved=curved,
        p=p,
    )
    norm = jnp.linalg.norm(grad)
    progress = starts | (gained > rounding) | (norm < 0.5 * point.least)
    stalled = jnp.where(progress, jnp.where(starts, point.stalled, 0), point.stalled + 1)
    c = least_curvature(spec.objective, penalty_curvature(spec.objective, point.reg, W.dtype), curved)
    done = gap(c, norm, value, limits.unit) <= limits.tolerance
    stale = (point.products > _most_products(W.size)) & spec.dense
    z = _divide(spec, axes, point._replace(curved=curved), -grad)
    rz = -(grad * z).sum()
    done |= (stalled >= STALLED) | (passes >= limits.passes) | ~jnp.isfinite(rz)
    there = back._replace(
        phase=jnp.where(done, DONE, jnp.where(stale, INVERT, MULTIPLY)),
        W=W,
        grad=grad,
        value=value,
        norm=norm,
        residual=-grad,
        direction=z,
        rz=rz,
        lengths=jnp.stack([jnp.zeros_like(rz), jnp.zeros_like(rz), rz]),
        radius=jnp.where(starts, point.radius, back.radius),
        products=jnp.where(stale, point.products, 0),
        newton_steps=jnp.where(starts, point.newton_steps, point.newton_steps + 1),
        least=jnp.minimum(point.least, norm),
        stalled=stalled,
    )
    choose: Point = jax.tree.map(lambda a, b: a if a is b else jnp.where(taken, a, b), there, back)
    return choose


def _resize(point: Point, gained: Any, rounding: Any, promised: Any) -> Any:
    """The radius of the trust region, by how much of what the model promised was gained."""
    length = jnp.sqrt(point.lengths[0])
    smaller = jnp.where(length > 0, length / 4, point.radius)
    larger = jnp.where(gained > 0.75 * promised, jnp.maximum(point.radius, 4 * length), point.radius)
    return jnp.where(gained + rounding >= 0.25 * promised, larger, smaller)  # smaller too if the value is NaN


def _divide(spec: SolverSpec, axes: Any, point: Point, R: Any) -> Any:
    """M⁻¹ R, for the preconditioner M."""
    return (
        divide_by_hessian(point.inverse, R)
        if spec.dense
        else divide_by_axes(spec.objective, point.reg, axes, point.curved, R)
    )


def _most_products(num_weights: int) -> int:
    """Products of a Newton step above which a new inverse costs less than it saves."""
    return max(num_weights // 60, 2)


def _target(objective: Objective, limits: Limits, point: Point) -> Any:
    """The norm of the gradient at which the gap is the tolerance."""
    c = penalty_curvature(objective, point.reg, point.reg.dtype)
    c = least_curvature(objective, c, point.curved)
    return jnp.where(c > 0, jnp.sqrt(2 * c * limits.tolerance * point.value), limits.tolerance * limits.unit)
