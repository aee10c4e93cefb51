"""The regularization path: the minimum of the objective for every penalty strength.

The strengths are solved from the largest to the smallest. The weights are a smooth function of log reg, so a parabola
through the last three minima nearly predicts the next one, and two or three Newton steps are left. With cross-validation there
is such a path for each fold, and then one with all examples.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.stages import Compiled
from jaxtyping import Float

from softjax.compilation import finish_compiling, types_of
from softjax.datasets.arrays import as_dataset
from softjax.datasets.dataset import Dataset
from softjax.errors import InputError, check_function, check_instance, read_kind
from softjax.objective.config import PenaltyName
from softjax.path.axes import Axes, compile_axes, shape_axes
from softjax.path.config import PathConfig
from softjax.path.dense import Inverse
from softjax.path.evaluate import compile_classifier, compile_validator, evaluate_path, validate
from softjax.path.newton import (
    DONE,
    START,
    Limits,
    Point,
    compile_solver,
    least_curvature,
    make_point,
    start_point,
)
from softjax.path.passes import WHOLE_BYTES, Data, SolverSpec
from softjax.path.problem import Problem, load_problem, preprocess, preprocess_there
from softjax.path.result import Minimum, PathProgress, PathResult, PathState
from softjax.progress import watched
from softjax.runs.checkpoint import check_origin, identify
from softjax.training.config import DType, SweepConfig, weight_dtype
from softjax.weights import ClassWeight

PREDICTORS = 3  # minima, from which the next one is predicted


class _Solver(NamedTuple):
    """A compiled solver with the data of a part, and the point with which it begins."""

    spec: SolverSpec
    whole: Data
    """all examples"""
    data: Data
    """those of the part"""
    part: int
    axes: Axes | None
    advance: Compiled
    point: Point


def regularization_path(
    dataset: Dataset | tuple[Any, Any],
    config: SweepConfig | None = None,
    solver: PathConfig | None = None,
    *,
    regs: float | Sequence[float] | Float[np.ndarray, " R"] | None = None,
    penalty: PenaltyName | None = None,
    penalize_bias: bool | None = None,
    standardize: bool | None = None,
    dtype: DType | None = None,
    folds: int | None = None,
    sample_weight: Any = None,
    class_weight: ClassWeight = None,
    progress: bool = False,
    on_progress: Callable[[PathProgress], None] | None = None,
    state: PathState | None = None,
) -> PathResult:
    """Minimizes the softmax objective of `softjax.loss` to convergence, by Newton's method, for each penalty strength.

    **Arguments:**

    - `dataset`: a `Dataset`, not preprocessed; or a pair (X, y) of arrays, tensors or frames, as `Dataset.from_arrays` takes them.
    - `config`: a `SweepConfig` with the options below, in place of them. Its other options are not used.
    - `solver`: when to stop. By default `PathConfig()`.
    - `regs`: penalty strengths, zero or positive; or a single one. By default ten from 10⁻⁴ to 1.
    - `penalty`: `"l2"` (default), reg ΣW²; `"half_l2"`, ½ reg ΣW²; `"none"`.
    - `penalize_bias`: whether the penalty includes the bias. By default it does.
    - `standardize`: whether each centred feature is divided by its standard deviation. By default it is not.
    - `dtype`: `"float32"` (default) or `"float64"`, the type of the weights. With float32 the arithmetic is float64 all the
      same for up to 1,000 weights, and from the first penalty strength on for which float32 cannot prove the tolerance.
    - `folds`: cross-validation with so many folds. Training and validation examples together are divided, stratified; a path
      without each fold tests it, and the weights are those of a path with all examples. By default there is none.
    - `sample_weight`: weights of the examples, (N,) for the rows of X, or those of the training examples of a `Dataset`. Weight
      2 counts as the example twice in training, weight 0 as none; accuracies count every example once.
    - `class_weight`: `"balanced"`, or a mapping from classes to weights.
    - `progress`: whether a bar shows how far it is, in a notebook as a widget.
    - `on_progress`: called with a `PathProgress` before the first pass, about every second, and at the end. An exception
      in it ends the call.
    - `state`: a `PathProgress.state()` of an earlier call with the same data set and options. This call continues from
      there and has the same result.

    **Returns:** a `PathResult`.

    Raises `InputError` if an argument is of another type, `state` is that of another path, the objective is not smooth
    (hinge, `"l1"`, `"elastic_net"`), `dtype` is bfloat16, the features are out of its range, the path cannot fit into
    memory, or options are given both here and in `config`.

    Source: Lin, Weng and Keerthi, *Trust Region Newton Method for Large-Scale Logistic Regression*, 2008.

    Examples:
        >>> from softjax import load_dataset, regularization_path
        >>> path = regularization_path(load_dataset("digits"), regs=(0.1, 1.0))
        >>> path.converged.tolist(), float(path.reg[path.best])
        ([True, True], 0.1)
    """
    given = {
        "regs": None if regs is None else read_kind("regs", regs, tuple[float, ...]),
        "penalty": penalty,
        "penalize_bias": penalize_bias,
        "standardize": standardize,
        "dtype": dtype,
        "folds": folds,
    }
    check_instance("config", config, SweepConfig, or_none=True)
    check_instance("solver", solver, PathConfig, or_none=True)
    check_instance("state", state, PathState, or_none=True)
    check_function("on_progress", on_progress)
    shown = read_kind("progress", progress, bool)
    config, solver = _read_options(config, given), solver or PathConfig()
    start = time.perf_counter()
    examples = as_dataset(dataset, sample_weight=sample_weight, class_weight=class_weight)
    with types_of("float64"), watched(on_progress, shown, "reg", "finished") as tell:
        problem = load_problem(examples, config, solver)
        origin = identify(asdict(config) | asdict(solver), examples)
        state = state or begin_state(problem)
        check_origin(state.origin, origin)
        loaded = replace(state.seconds, load=state.seconds.load + time.perf_counter() - start)
        return solve_problem(problem, replace(state, seconds=loaded, origin=origin), tell)


def solve_problem(
    problem: Problem,
    state: PathState | None = None,
    on_progress: Callable[[PathProgress], None] | None = None,
) -> PathResult:
    """The path of a problem whose examples are on the device. 64-bit types must be on: `types_of("float64")`."""
    start, state = time.perf_counter(), state or begin_state(problem)
    compile_classifier(problem)  # on a GPU while the path is solved
    if on_progress is not None:
        compile_validator(problem)
    compiled = state.seconds.compile + time.perf_counter() - start
    state = replace(state, seconds=replace(state.seconds, compile=compiled))
    return evaluate_path(problem, find_minima(problem, state, on_progress))


def begin_state(problem: Problem) -> PathState:
    """The state before the first pass."""
    return PathState("float64" if problem.dense else weight_dtype(problem.config.dtype))


def _read_options(config: SweepConfig | None, given: dict[str, Any]) -> SweepConfig:
    given = {name: value for name, value in given.items() if value is not None}
    if config is not None and given:
        raise InputError(
            f"{next(iter(given))} is given beside a SweepConfig: give all options of the path there, or all as arguments"
        )
    return config or SweepConfig(**given)


def passes_per_call(num_examples: int, num_weights: int) -> int:
    """Passes in about a second. The speed is nominal, not measured, so the same path always has the same calls."""
    return max(1, min(1000, round(5e10 / (4 * num_examples * num_weights))))


def find_minima(
    problem: Problem, state: PathState, on_progress: Callable[[PathProgress], None] | None = None
) -> PathState:
    """Solves the penalty strengths that are left, from the largest to the smallest, part by part."""
    solver: _Solver | None = None
    hits: list[tuple[int, int]] = []
    while len(state.minima) < len(problem.regs) * problem.num_parts:
        if solver is None or solver.spec.dtype != state.dtype:
            solver, state = _compile(problem, state)
            point = _resume(problem, solver, state)
        elif solver.part != (part := _part(problem, state)):  # the axes and the program stay the same
            solver = solver._replace(data=problem.weigh(solver.whole, part), part=part)
        if on_progress is not None:
            state = _validate(problem, state, hits)
            on_progress(_describe(problem, state, point, hits))
        start = time.perf_counter()
        state, point = _advance(problem, solver, state, point)
        seconds = replace(state.seconds, solve=state.seconds.solve + time.perf_counter() - start)
        state = replace(state, seconds=seconds)
    if on_progress is not None:
        state = _validate(problem, state, hits)
        on_progress(_describe(problem, state, None, hits))
    return state


def _validate(problem: Problem, state: PathState, hits: list[tuple[int, int]]) -> PathState:
    """Adds what `validate` says of the minima that are not there yet. Returns the state with the time that this took."""
    start, known = time.perf_counter(), len(hits)
    hits += [validate(problem, n, state.minima[n]) for n in range(known, len(state.minima))]
    evaluate = state.seconds.evaluate + time.perf_counter() - start
    return replace(state, seconds=replace(state.seconds, evaluate=evaluate))


def _compile(problem: Problem, state: PathState) -> tuple[_Solver, PathState]:
    """The solver in the type of `state`, and the state with the time that this took."""
    start, dtype = time.perf_counter(), state.dtype
    data, num_features = problem.splits[0], problem.num_features
    num_examples, itemsize = len(data.y), np.dtype(dtype).itemsize
    spec = SolverSpec(
        problem.objective,
        problem.num_classes,
        dtype,
        problem.centred_in(data.X, dtype),
        problem.dense,
        problem.stores(dtype),
        problem.backend,
        problem.align,
    )
    if data.preprocessing is not None and num_examples * (num_features + 1) * itemsize <= WHOLE_BYTES:
        on_host = spec.backend == "cpu"
        data = preprocess(data, problem.fitted, dtype) if on_host else preprocess_there(spec, data)
    point, part = make_point(spec, num_examples, num_features), _part(problem, state)
    own = problem.weigh(data, part)
    axes, finding = None, 0.0
    if problem.dense:
        advance = compile_solver(spec, point, own, None)
    else:
        coming = compile_axes(spec, data)
        advance = compile_solver(spec, point, own, shape_axes(spec, num_features))
        find_axes = finish_compiling(coming)
        found = time.perf_counter()
        axes = jax.tree.map(lambda each: each.block_until_ready(), find_axes(data))
        finding = time.perf_counter() - found
    solver = _Solver(spec, data, own, part, axes, finish_compiling(advance), point)
    taken = time.perf_counter() - start - finding
    seconds = replace(state.seconds, axes=state.seconds.axes + finding, compile=state.seconds.compile + taken)
    return solver, replace(state, seconds=seconds)


def _part(problem: Problem, state: PathState) -> int:
    """The part to which the current minimum belongs: the fold that is held out, or the number of folds for all examples."""
    return len(state.minima) // len(problem.regs)


def _resume(problem: Problem, solver: _Solver, state: PathState) -> Point:
    """The point of `state`, whose probabilities are not saved: they are computed again, by the same program."""
    if state.point is None:
        return _begin(problem, solver.point, state)
    point = _restore(solver.point, state.point)
    if point.phase == START or not solver.spec.stored:
        return point
    again: Point = jax.tree.map(jnp.array, point._replace(phase=jnp.asarray(START)))
    return point._replace(p=_call(problem, solver, again, state.unit, until=1).p)


def _begin(problem: Problem, point: Point, state: PathState) -> Point:
    """The point from which the next penalty strength is solved."""
    number, num_regs = len(state.minima), len(problem.regs)
    reg = problem.strength(number)
    if number % num_regs == 0:  # the first of a part: from the one of the part before
        return start_point(point, reg, state.minima[-num_regs].W if number else np.zeros(point.W.shape))
    of_part = state.minima[number - number % num_regs :]
    last = of_part[-1]
    before, now = problem.curvature(np.array([last.reg, reg]))
    penalized = last.W if problem.objective.penalize_bias else last.W[:, :-1]
    value = last.value + (now - before) / 2 * np.sum(penalized.astype(np.float64) ** 2)
    return start_point(point, reg, last.W, predict(of_part, reg) - last.W, value)


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


def _call(problem: Problem, solver: _Solver, point: Point, unit: float, until: int) -> Point:
    number = np.dtype(solver.spec.dtype).type
    limits = Limits(
        number(problem.solver.tolerance), number(unit), np.int32(problem.solver.max_passes), np.int32(until)
    )
    after: Point = solver.advance(point, limits, solver.data, solver.axes)
    return after


def _advance(problem: Problem, solver: _Solver, state: PathState, point: Point) -> tuple[PathState, Point]:
    """About a second of work on the current penalty strength. If it is finished, the next one begins."""
    first = bool(np.isnan(state.unit))
    until = 1 if first else passes_per_call(len(solver.data.y), point.W.size)
    point = _call(problem, solver, point, state.unit, until)
    if first:
        state = replace(state, unit=float(point.norm))  # it is at W = 0
    if int(point.phase) != DONE:
        return state, point
    reg = problem.strength(len(state.minima))
    c, curved = problem.curvature(np.array([reg]))[0], np.asarray(point.curved, float)
    minimum = Minimum(
        reg,
        np.array(point.W),
        float(point.value),
        float(point.norm),
        float(least_curvature(problem.objective, c, curved)),
        int(point.newton_steps),
        int(point.passes),
        state.dtype,
    )
    if state.dtype == "float32" and problem.explain((minimum,), state.unit)[1] == ["rounding"]:
        point = start_point(point, reg, minimum.W, counts=(minimum.newton_steps, minimum.passes))
        return replace(state, dtype="float64", point=_copy(point) | {"reg": np.array(reg)}), point
    state = replace(state, minima=(*state.minima, minimum), point=None)
    if len(state.minima) < len(problem.regs) * problem.num_parts:
        point = _begin(problem, point, state)
    return state, point


def _copy(point: Point) -> dict[str, np.ndarray]:
    """The arrays of a point by name, without the probabilities."""
    fields = {name: value for name, value in point._asdict().items() if name not in ("inverse", "p")}
    return {name: np.array(value) for name, value in (fields | point.inverse._asdict()).items()}


def _restore(point: Point, arrays: dict[str, np.ndarray]) -> Point:
    """The point of these arrays, in the types of `point`, and with its probabilities."""
    kept = point._asdict() | point.inverse._asdict()
    kept |= {name: np.asarray(value, kept[name].dtype) for name, value in arrays.items()}
    kept["inverse"] = Inverse(*(kept.pop(name) for name in Inverse._fields))
    return Point(**kept)


def _describe(
    problem: Problem, state: PathState, point: Point | None, hits: list[tuple[int, int]]
) -> PathProgress:
    done, total = sum(minimum.passes for minimum in state.minima), len(problem.regs) * problem.num_parts
    norm = state.minima[-1].norm if state.minima else float("nan")
    best = _find_best(problem, hits)
    if point is None:
        return PathProgress(len(state.minima), total, done, norm, best, lambda: state)
    if np.isfinite(point.norm):
        norm = float(point.norm)
    return PathProgress(
        len(state.minima),
        total,
        done + int(point.passes),
        norm,
        best,
        lambda: replace(state, point=_copy(point)),
    )


def _find_best(problem: Problem, hits: list[tuple[int, int]]) -> tuple[float, float] | None:
    """The highest accuracy of a penalty strength, and the strength; of several, the largest one.

    With cross-validation it is that on all folds which every strength has; in the first one, on that.
    """
    num_regs = len(problem.regs)
    if not hits:
        return None
    parts = min(len(hits) // num_regs, max(problem.num_parts - 1, 1))  # without that which has no fold
    known = hits[: parts * num_regs] or hits
    of_reg = [np.sum(known[r::num_regs], axis=0) for r in range(min(num_regs, len(known)))]
    accuracies = [correct / count for correct, count in of_reg]
    r = int(np.argmax(accuracies))
    return float(accuracies[r]), float(problem.regs[r])
