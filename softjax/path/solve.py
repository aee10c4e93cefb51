"""The regularization path: the minimum of the objective for every penalty strength.

The strengths are solved from the largest to the smallest. The weights are a smooth function of log reg, so a parabola
through the last three minima nearly predicts the next one, and two or three Newton steps are left.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.stages import Compiled
from jaxtyping import Array, Bool, Float

from softjax.compilation import types_of
from softjax.datasets.dataset import Dataset, Split
from softjax.datasets.preprocess import Preprocessing, can_apply, centre, fit
from softjax.errors import InputError
from softjax.evaluation.examples import SCORES_AT_A_TIME, check_ranges, map_blocks
from softjax.memory import check_memory
from softjax.objective.config import Objective, PenaltyName
from softjax.objective.penalty import coefficients
from softjax.objective.scores import matmul
from softjax.path.axes import Axes, find_axes
from softjax.path.config import PathConfig, path_bytes
from softjax.path.newton import DONE, START, Limits, Point, compile_solver, gap, make_point, start_point
from softjax.path.passes import WHOLE_BYTES, Data, SolverSpec, read_features
from softjax.path.result import Minimum, PathProgress, PathResult, PathState, Reason
from softjax.training.config import DType, SweepConfig, weight_dtype

LARGEST_DENSE = 1000  # weights; for more, inverting the Hessian takes longer than it saves
STORED_BYTES = 2**30  # of probabilities
PREDICTORS = 3  # minima, from which the next one is predicted
SMOOTH = ("l2", "half_l2", "none")  # penalties


@dataclass(frozen=True)
class _Problem:
    """What is minimized, and the examples on the device."""

    config: SweepConfig
    solver: PathConfig
    objective: Objective
    regs: Float[np.ndarray, " S"]
    """the penalty strengths that differ, from the largest to the smallest"""
    fitted: Preprocessing
    splits: tuple[Data, Data, Data]
    num_classes: int
    num_features: int

    @property
    def dense(self) -> bool:
        """Whether the Hessian is small enough to be inverted."""
        return (self.num_features + 1) * self.num_classes <= LARGEST_DENSE

    def centred_in(self, X: Any, dtype: str) -> str:
        """The type in which to centre: `dtype`, unless it would round the features."""
        return dtype if can_apply(self.fitted, X, dtype) else "float64"


class _Solver(NamedTuple):
    """A compiled solver with its data, and the point with which it begins."""

    spec: SolverSpec
    data: Data
    axes: Axes | None
    advance: Compiled
    point: Point


def regularization_path(
    dataset: Dataset,
    config: SweepConfig | None = None,
    solver: PathConfig | None = None,
    *,
    regs: Sequence[float] | Float[np.ndarray, " R"] | None = None,
    penalty: PenaltyName | None = None,
    penalize_bias: bool | None = None,
    standardize: bool | None = None,
    dtype: DType | None = None,
    on_progress: Callable[[PathProgress], None] | None = None,
    state: PathState | None = None,
) -> PathResult:
    """Minimizes the softmax objective of `softjax.loss` to convergence, by Newton's method, for each penalty strength.

    **Arguments:**

    - `dataset`: from `load_dataset`, not preprocessed.
    - `config`: a `SweepConfig` with the options below, in place of them. Its other options are not used.
    - `solver`: when to stop. By default `PathConfig()`.
    - `regs`: penalty strengths, zero or positive. By default ten from 10⁻⁴ to 1.
    - `penalty`: `"l2"` (default), reg ΣW²; `"half_l2"`, ½ reg ΣW²; `"none"`.
    - `penalize_bias`: whether the penalty includes the bias. By default it does.
    - `standardize`: whether each centred feature is divided by its standard deviation. By default it is not.
    - `dtype`: `"float32"` (default) or `"float64"`, the type of the weights. With float32 the arithmetic is float64 all the
      same for up to 1,000 weights, and from the first penalty strength on for which float32 cannot prove the tolerance.
    - `on_progress`: called with a `PathProgress` before the first pass, about every second, and at the end. An exception
      in it ends the call.
    - `state`: a `PathProgress.state()` of an earlier call with the same data set and options. This call continues from
      there and has the same result.

    **Returns:** a `PathResult`.

    Raises `InputError` if the objective is not smooth (hinge, `"l1"`, `"elastic_net"`), `dtype` is bfloat16, the features
    are out of its range, the path cannot fit into memory, or options are given both here and in `config`.

    Source: Lin, Weng and Keerthi, *Trust Region Newton Method for Large-Scale Logistic Regression*, 2008.

    Examples:
        >>> from softjax import load_dataset, regularization_path
        >>> path = regularization_path(load_dataset("digits"), regs=(0.1, 1.0))
        >>> path.converged.tolist(), float(path.reg[path.best])
        ([True, True], 0.1)
    """
    given = {
        "regs": None if regs is None else tuple(float(reg) for reg in regs),
        "penalty": penalty,
        "penalize_bias": penalize_bias,
        "standardize": standardize,
        "dtype": dtype,
    }
    config, solver = _read_options(config, given), solver or PathConfig()
    check_smooth(config)
    start = time.perf_counter()
    with types_of("float64"):
        problem = _load(dataset, config, solver)
        if state is None:
            state = PathState("float64" if problem.dense else weight_dtype(config.dtype))
        loaded = replace(state.seconds, load=state.seconds.load + time.perf_counter() - start)
        return _evaluate(problem, _solve(problem, replace(state, seconds=loaded), on_progress))


def _read_options(config: SweepConfig | None, given: dict[str, Any]) -> SweepConfig:
    given = {name: value for name, value in given.items() if value is not None}
    if config is not None and given:
        raise InputError(
            f"{next(iter(given))} is given beside a SweepConfig: give all options of the path there, or all as arguments"
        )
    return config or SweepConfig(**given)


def check_smooth(config: SweepConfig) -> None:
    """Raises `InputError` unless Newton's method can minimize the objective of `config`."""
    if config.kind != "softmax":
        raise InputError(
            f"to converge, kind must be softmax: {config.kind} has kinks, and Newton's method needs second derivatives"
        )
    if config.penalty not in SMOOTH:
        raise InputError(
            f"to converge, penalty must be l2, half_l2 or none: {config.penalty} has kinks, and Newton's method needs "
            "second derivatives"
        )
    if config.dtype == "bfloat16":
        raise InputError("to converge, dtype must be float32 or float64, got 'bfloat16'")


def passes_per_call(num_examples: int, num_weights: int) -> int:
    """Passes in about a second. The speed is nominal, not measured, so the same path always has the same calls."""
    return max(1, min(1000, round(5e10 / (4 * num_examples * num_weights))))


def _load(dataset: Dataset, config: SweepConfig, solver: PathConfig) -> _Problem:
    dtype = weight_dtype(config.dtype)
    splits = (dataset.train, dataset.val, dataset.test)
    needed = path_bytes(
        len(config.regs),
        num_examples=sum(map(len, splits)),
        num_features=dataset.num_features,
        num_classes=dataset.num_classes,
        itemsize=np.dtype(dtype).itemsize,
    )
    check_memory("the path", needed)
    fitted = fit(dataset.train.X, config.standardize)
    check_ranges(dataset, fitted, dtype)
    train, val, test = (_place(split, fitted, dtype) for split in splits)
    regs = config.regs if config.penalty != "none" else (0.0,)
    return _Problem(
        config,
        solver,
        Objective(config.kind, config.penalty, penalize_bias=config.penalize_bias),
        np.unique(np.asarray(regs, float))[::-1],
        fitted,
        (train, val, test),
        dataset.num_classes,
        dataset.num_features,
    )


def _place(split: Split, fitted: Preprocessing, dtype: str) -> Data:
    """The examples on the device, as they are. They are preprocessed in blocks, when they are used."""
    if split.X.dtype != np.float64 and not can_apply(fitted, split.X, dtype):
        # of an extreme scale, which the device may round to 0
        return _preprocess(split.X, split.y, fitted, dtype)
    return Data(jnp.asarray(split.X), jnp.asarray(split.y, jnp.int32), jax.tree.map(jnp.asarray, fitted))


def _preprocess(X: Any, y: Any, fitted: Preprocessing, dtype: str) -> Data:
    ready = np.ones((X.shape[0], X.shape[1] + 1), dtype)
    ready[:, :-1] = centre(fitted, np.asarray(X), dtype)
    return Data(jnp.asarray(ready), jnp.asarray(y, jnp.int32), None)


def _solve(
    problem: _Problem, state: PathState, on_progress: Callable[[PathProgress], None] | None
) -> PathState:
    """Solves the penalty strengths that are left, from the largest to the smallest."""
    solver: _Solver | None = None
    while len(state.minima) < len(problem.regs):
        if solver is None or solver.spec.dtype != state.dtype:
            solver, state = _compile(problem, state, None if solver is None else solver.axes)
            point = _resume(problem, solver, state)
        if on_progress is not None:
            on_progress(_describe(problem, state, point))
        start = time.perf_counter()
        state, point = _advance(problem, solver, state, point)
        seconds = replace(state.seconds, solve=state.seconds.solve + time.perf_counter() - start)
        state = replace(state, seconds=seconds)
    if on_progress is not None:
        on_progress(_describe(problem, state, None))
    return state


def _compile(problem: _Problem, state: PathState, axes: Axes | None) -> tuple[_Solver, PathState]:
    """The solver in the type of `state`, and the time that it took. `axes` are those found before, if they were."""
    start, dtype = time.perf_counter(), state.dtype
    data, num_features = problem.splits[0], problem.num_features
    num_examples, itemsize = len(data.y), np.dtype(dtype).itemsize
    stored = problem.dense or num_examples * problem.num_classes * itemsize <= STORED_BYTES
    spec = SolverSpec(
        problem.objective,
        problem.num_classes,
        dtype,
        problem.centred_in(data.X, dtype),
        problem.dense,
        stored,
    )
    if data.preprocessing is not None and num_examples * (num_features + 1) * itemsize <= WHOLE_BYTES:
        data = _preprocess(data.X, data.y, problem.fitted, dtype)
    if axes is not None:
        axes = jax.tree.map(lambda each: each.astype(dtype), axes)
    elif not problem.dense:
        axes = jax.tree.map(lambda each: each.block_until_ready(), find_axes(spec, data))
    found = time.perf_counter()
    point = make_point(spec, num_examples, num_features)
    solver = _Solver(spec, data, axes, compile_solver(spec, point, data, axes), point)
    seconds = replace(
        state.seconds,
        axes=state.seconds.axes + found - start,
        compile=state.seconds.compile + time.perf_counter() - found,
    )
    return solver, replace(state, seconds=seconds)


def _resume(problem: _Problem, solver: _Solver, state: PathState) -> Point:
    """The point of `state`, whose probabilities are not saved: they are computed again, by the same program."""
    if state.point is None:
        return _begin(problem, solver.point, state)
    arrays: dict[str, Any] = {
        name: np.asarray(each, getattr(solver.point, name).dtype) for name, each in state.point.items()
    }
    point = Point(**arrays, p=solver.point.p)
    if point.phase == START or not solver.spec.stored:
        return point
    again: Point = jax.tree.map(jnp.array, Point(**arrays | {"phase": START}, p=solver.point.p))
    return point._replace(p=_call(problem, solver, again, state.unit, until=1).p)


def _begin(problem: _Problem, point: Point, state: PathState) -> Point:
    """The point from which the next penalty strength is solved."""
    reg = float(problem.regs[len(state.minima)])
    if not state.minima:
        return start_point(point, reg, np.zeros(point.W.shape))
    last = state.minima[-1]
    before, now = _curvature(problem, np.array([last.reg, reg]))
    penalized = last.W if problem.objective.penalize_bias else last.W[:, :-1]
    value = last.value + (now - before) / 2 * np.sum(penalized.astype(np.float64) ** 2)
    return start_point(point, reg, last.W, predict(state.minima, reg) - last.W, value)


def predict(minima: Sequence[Minimum], reg: float) -> Float[np.ndarray, "K D"]:
    """The weights at `reg` on the parabola through the last three minima, as functions of log reg."""
    if reg == 0:
        return minima[-1].W
    known = minima[-PREDICTORS:]
    logs = np.log([minimum.reg for minimum in known])
    weights: np.ndarray = np.zeros(known[-1].W.shape)
    for at, minimum in zip(logs, known, strict=True):
        others = logs[logs != at]
        weights = weights + np.prod((np.log(reg) - others) / (at - others)) * minimum.W
    return weights


def _call(problem: _Problem, solver: _Solver, point: Point, unit: float, until: int) -> Point:
    number = np.dtype(solver.spec.dtype).type
    limits = Limits(
        number(problem.solver.tolerance), number(unit), np.int32(problem.solver.max_passes), np.int32(until)
    )
    after: Point = solver.advance(point, limits, solver.data, solver.axes)
    return after


def _advance(problem: _Problem, solver: _Solver, state: PathState, point: Point) -> tuple[PathState, Point]:
    """About a second of work on the current penalty strength. If it is finished, the next one begins."""
    first = bool(np.isnan(state.unit))
    until = 1 if first else passes_per_call(len(solver.data.y), point.W.size)
    point = _call(problem, solver, point, state.unit, until)
    if first:
        state = replace(state, unit=float(point.norm))  # it is at W = 0
    if int(point.phase) != DONE:
        return state, point
    reg = float(problem.regs[len(state.minima)])
    minimum = Minimum(
        reg,
        np.array(point.W),
        float(point.value),
        float(point.norm),
        int(point.newton_steps),
        int(point.passes),
        state.dtype,
    )
    if state.dtype == "float32" and _explain(problem, (minimum,), state.unit)[1] == ["rounding"]:
        point = start_point(point, reg, minimum.W, passes=minimum.passes)
        return replace(state, dtype="float64", point=_copy(point)), point
    state = replace(state, minima=(*state.minima, minimum), point=None)
    if len(state.minima) < len(problem.regs):
        point = _begin(problem, point, state)
    return state, point


def _copy(point: Point) -> dict[str, np.ndarray]:
    return {name: np.array(value) for name, value in point._asdict().items() if name != "p"}


def _explain(
    problem: _Problem, minima: Sequence[Minimum], unit: float
) -> tuple[Float[np.ndarray, " R"], list[Reason]]:
    """The gap of each minimum, and why it did not converge if it did not."""
    norm, value, reg = (
        np.array([getattr(each, name) for each in minima]) for name in ("norm", "value", "reg")
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        gaps = gap(_curvature(problem, reg), norm, value, unit, np.where)
    reasons: list[Reason] = []
    for each, minimum in zip(gaps, minima, strict=True):
        limited = minimum.passes >= problem.solver.max_passes
        reasons.append("" if each <= problem.solver.tolerance else "passes" if limited else "rounding")
    return gaps, reasons


def _curvature(problem: _Problem, reg: Float[np.ndarray, " R"]) -> Float[np.ndarray, " R"]:
    return np.broadcast_to(coefficients(problem.objective.penalty, reg).curvature, reg.shape)


def _describe(problem: _Problem, state: PathState, point: Point | None) -> PathProgress:
    done = sum(minimum.passes for minimum in state.minima)
    norm = state.minima[-1].norm if state.minima else float("nan")
    if point is None:
        return PathProgress(len(state.minima), len(problem.regs), done, norm, lambda: state)
    if np.isfinite(point.norm):
        norm = float(point.norm)
    return PathProgress(
        len(state.minima),
        len(problem.regs),
        done + int(point.passes),
        norm,
        lambda: replace(state, point=_copy(point)),
    )


def _evaluate(problem: _Problem, state: PathState) -> PathResult:
    """The result of a path whose strengths are all solved."""
    start, config = time.perf_counter(), problem.config
    rows = [0] * len(config.regs)
    if config.penalty != "none":
        rows = np.searchsorted(-problem.regs, -np.asarray(config.regs)).tolist()
    minima = [state.minima[row] for row in rows]
    W = np.stack([minimum.W for minimum in state.minima]).astype(weight_dtype(config.dtype))
    kinds = tuple(problem.centred_in(split.X, str(W.dtype)) for split in problem.splits)
    hits = [np.asarray(each)[rows] for each in _classify(W, problem.splits, kinds)]
    gaps, reasons = _explain(problem, minima, state.unit)
    unpenalized = _curvature(problem, np.array([minimum.reg for minimum in minima])) == 0
    for r in np.flatnonzero(unpenalized & hits[0].all(axis=1)):
        reasons[r] = "separable"
    return PathResult(
        config=config,
        solver=problem.solver,
        reg=np.asarray(config.regs, float),
        train_accuracy=hits[0].mean(axis=1),
        val_accuracy=hits[1].mean(axis=1),
        test_accuracy=hits[2].mean(axis=1),
        val_hits=hits[1].astype(np.uint8),
        test_hits=hits[2].astype(np.uint8),
        objective=np.array([minimum.value for minimum in minima]),
        gradient_norm=np.array([minimum.norm for minimum in minima]),
        gap=gaps,
        converged=np.array([reason == "" for reason in reasons]),
        reasons=tuple(reasons),
        solved_in=tuple(minimum.dtype for minimum in minima),
        newton_steps=np.array([minimum.newton_steps for minimum in minima]),
        passes=np.array([minimum.passes for minimum in minima]),
        weights=W[rows].swapaxes(1, 2),
        preprocessing=problem.fitted,
        seconds=replace(state.seconds, evaluate=time.perf_counter() - start),
    )


@partial(jax.jit, static_argnames="kinds")
def _classify(
    W: Float[Array, "R K D"], splits: tuple[Data, ...], kinds: tuple[str, ...]
) -> list[Bool[Array, "R N"]]:
    """Which examples of each split each of the weights classifies correctly."""
    num_regs, num_classes, num_features = W.shape
    size = max(min(SCORES_AT_A_TIME // (num_regs * num_classes), WHOLE_BYTES // (8 * num_features)), 1)

    def classify(split: Data, kind: str, X: Any, y: Any) -> tuple[None, Any]:
        x = read_features(X, split.preprocessing, kind, str(W.dtype))
        scores = matmul(W.reshape(-1, num_features), x.T).reshape(num_regs, num_classes, -1)
        return None, (lax.argmax(scores, 1, jnp.int32) == y[None]).T

    return [
        map_blocks(partial(classify, split, kind), (split.X, split.y), min(size, len(split.y)))[1].T
        for kind, split in zip(kinds, splits, strict=True)
    ]
