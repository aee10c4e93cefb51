"""The result of a path: accuracies, gaps, and what did not converge."""

import time
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.stages import Compiled
from jaxtyping import Array, Bool, Float

from softjax.compilation import compile_once, finish_compiling, shape_of, start_compiling
from softjax.evaluation.examples import SCORES_AT_A_TIME, map_blocks
from softjax.objective.scores import matmul
from softjax.path.passes import WHOLE_BYTES, Data, read_features, widen
from softjax.path.problem import Problem
from softjax.path.result import Minimum, PathResult, PathState
from softjax.training.config import weight_dtype


class ClassifierSpec(NamedTuple):
    """What the compiled evaluation depends on, apart from the shapes of its arguments: the types in which each split is centred, and
    the backend and the alignment, as in `SolverSpec`.
    """

    kinds: tuple[str, ...]
    backend: str
    align: int


def compile_classifier(problem: Problem) -> Future[Compiled]:
    """`classify(W, splits)`: which examples of each split each of the weights (R, K, D) of a path classifies correctly."""
    return _compile(problem, len(problem.regs) * problem.num_parts, problem.splits)


def compile_validator(problem: Problem) -> Future[Compiled]:
    """`classify(W, splits)` for one of the minima (1, K, D) and the validation examples alone."""
    return _compile(problem, 1, problem.splits[1:2])


def validate(problem: Problem, number: int, minimum: Minimum) -> tuple[int, int]:
    """How many validation examples the minimum with this number classifies correctly, and of how many.

    With cross-validation they are those of the fold that its part does not train on.
    """
    W = minimum.W[None].astype(weight_dtype(problem.config.dtype))
    (hits,) = finish_compiling(compile_validator(problem))(W, problem.splits[1:2])
    part = number // len(problem.regs)
    own = np.asarray(hits[0]) if problem.folds is None else np.asarray(hits[0])[problem.folds == part]
    return int(own.sum()), len(own)


def _compile(problem: Problem, num_minima: int, splits: tuple[Data, ...]) -> Future[Compiled]:
    dtype = weight_dtype(problem.config.dtype)
    W = shape_of((num_minima, problem.num_classes, problem.num_features + 1), dtype)
    kinds = tuple(problem.centred_in(split.X, dtype) for split in splits)
    spec = ClassifierSpec(kinds, problem.backend, problem.align)
    return compile_once(_build, spec, (W, splits))


def evaluate_path(problem: Problem, state: PathState) -> PathResult:
    """The result of a path whose strengths are all solved."""
    start, config = time.perf_counter(), problem.config
    rows = np.zeros(len(config.regs), int)
    if config.penalty != "none":
        rows = np.searchsorted(-problem.regs, -np.asarray(config.regs))
    last = len(problem.regs) * (problem.num_parts - 1)  # where the part with all examples begins
    minima = [state.minima[last + row] for row in rows]
    W = np.stack([minimum.W for minimum in state.minima]).astype(weight_dtype(config.dtype))
    classify = finish_compiling(compile_classifier(problem))
    found = [np.asarray(each) for each in classify(W, problem.splits)]
    hits = [each[last + rows] for each in found]
    fold_accuracy = np.empty((len(rows), 0))
    if problem.folds is not None:  # each example by the path that was not trained on it
        by_part = found[1].reshape(problem.num_parts, -1, len(problem.folds))[:, rows]
        hits[1] = by_part[problem.folds, :, np.arange(len(problem.folds))].T
        fold_accuracy = np.stack(
            [hits[1][:, problem.folds == fold].mean(axis=1) for fold in range(problem.num_parts - 1)], axis=1
        )
    gaps, reasons = problem.explain(minima, state.unit)
    for part in range(problem.num_parts - 1):
        of_part = [state.minima[part * len(problem.regs) + row] for row in rows]
        worse, why = problem.explain(of_part, state.unit)
        gaps = np.maximum(gaps, worse)
        reasons = [reason or other for reason, other in zip(reasons, why, strict=True)]
    unpenalized = problem.curvature(np.array([minimum.reg for minimum in minima])) == 0
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
        fold_accuracy=fold_accuracy,
        weights=W[last + rows].swapaxes(1, 2),
        preprocessing=problem.fitted,
        schema=problem.schema,
        seconds=replace(state.seconds, evaluate=state.seconds.evaluate + time.perf_counter() - start),
    )


def _build(spec: ClassifierSpec, shapes: tuple[Any, Any]) -> Future[Compiled]:
    program = jax.jit(partial(_classify, spec)).lower(*shapes)
    return start_compiling(program, "float64", spec.backend, often=False)


def _classify(
    spec: ClassifierSpec, W: Float[Array, "R K D"], splits: tuple[Data, ...]
) -> list[Bool[Array, "R N"]]:
    W = widen(W, spec.align)
    num_regs, num_classes, num_features = W.shape
    size = max(min(SCORES_AT_A_TIME // (num_regs * num_classes), WHOLE_BYTES // (8 * num_features)), 1)

    def classify(split: Data, kind: str, X: Any, y: Any) -> tuple[None, Any]:
        x = read_features(X, split.preprocessing, kind, str(W.dtype), num_features)
        scores = matmul(W.reshape(-1, num_features), x.T).reshape(num_regs, num_classes, -1)
        return None, (lax.argmax(scores, 1, jnp.int32) == y[None]).T

    return [
        map_blocks(partial(classify, split, kind), (split.X, split.y), min(size, len(split.y)))[1].T
        for kind, split in zip(spec.kinds, splits, strict=True)
    ]
