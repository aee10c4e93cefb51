"""What a result says about the values that were searched: pure functions of a result. The words are in `hints`."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float

from softjax.objective.penalty import coefficients
from softjax.path.result import PathResult, Reason
from softjax.ranges import spacing_of
from softjax.training.config import SweepConfig
from softjax.training.result import SweepResult

Side = Literal["low", "high"]
AxisName = Literal["learning_rates", "regs"]
NEAR = 0.05  # a drawn configuration is at an edge if it is closer to it than this share of the range


@dataclass(frozen=True)
class Axis:
    """The values of learning rates or of penalty strengths that were searched.

    `drawn`: values were drawn between the smallest and the largest; `log`: their spacing, or the density of the draws, is
    that of logarithms.
    """

    name: AxisName
    values: tuple[float, ...]
    log: bool
    drawn: bool = False


@dataclass(frozen=True)
class Edge:
    """The best has the smallest, or the largest, value of an axis, and better ones may lie beyond."""

    axis: Axis
    side: Side
    best: float


@dataclass(frozen=True)
class AtEdges:
    """The best lies at one or two edges of what was searched."""

    edges: tuple[Edge, ...]


@dataclass(frozen=True)
class Flat:
    """All `count` configurations are tied with the best: the search does not tell them apart."""

    count: int
    axes: tuple[Axis, ...]


@dataclass(frozen=True)
class Diverged:
    """`count` of `total` configurations diverged, though the penalty's step is small enough. `kept`: learning rates without one."""

    count: int
    total: int
    axis: Axis
    least: float
    """the smallest learning rate at which one diverged"""
    kept: tuple[float, ...]


@dataclass(frozen=True)
class Drowned:
    """In `count` of `total` configurations the penalty's own step overshoots: lr · reg is at least `bound`."""

    count: int
    total: int
    bound: float
    axis: Axis
    """the penalty strengths"""
    largest_rate: float


@dataclass(frozen=True)
class NotConverged:
    """Penalty strengths whose minimum was not reached: the limit of passes, rounding, or there is none."""

    regs: tuple[float, ...]
    why: Reason
    max_passes: int
    penalized: bool
    """whether there is a penalty, even if its strength is 0"""
    gap: float = field(default=float("nan"))
    """the largest of their gaps"""


SweepFinding = AtEdges | Flat | Diverged | Drowned
PathFinding = AtEdges | Flat | NotConverged


def analyze_sweep(result: SweepResult) -> tuple[SweepFinding, ...]:
    """What is to be said about a sweep's configurations; empty if nothing is."""
    config = result.config
    axes = (_axis(config, "learning_rates"), _axis(config, "regs"))
    searched = axes if config.penalty != "none" else axes[:1]
    total = len(result.reg)
    findings: list[SweepFinding] = []
    if total > 1 and result.tied.all():
        findings.append(Flat(total, searched))
    else:
        accuracy = result.val_accuracy.mean(axis=1)
        # of several with the same accuracy, one inside is as good as one at the edge
        best = (accuracy == accuracy[result.best]) & (result.steps == result.steps.max())
        edges = [
            _find_edge(axis, values[best])
            for axis, values in zip(searched, (result.learning_rate, result.reg), strict=False)
        ]
        findings += _at_edges(edges)
    bound = overshoot_bound(config)
    drowned = find_drowned(result)
    diverged = result.diverged.any(axis=1) & ~drowned
    if diverged.any():
        kept = set(result.learning_rate) - set(result.learning_rate[diverged])
        findings.append(
            Diverged(
                int(diverged.sum()),
                total,
                axes[0],
                float(result.learning_rate[diverged].min()),
                tuple(sorted(float(lr) for lr in kept if lr < result.learning_rate[diverged].max())),
            )
        )
    if bound is not None and drowned.any():
        largest = float(result.learning_rate.max())
        findings.append(Drowned(int(drowned.sum()), total, bound, axes[1], largest))
    return tuple(findings)


def analyze_path(result: PathResult) -> tuple[PathFinding, ...]:
    """What is to be said about a path's penalty strengths; empty if nothing is."""
    config, solver, total = result.config, result.solver, len(result.reg)
    findings: list[PathFinding] = []
    if config.penalty != "none" and total > 1:
        axis = _axis(config, "regs")
        if result.tied.all():
            findings.append(Flat(total, (axis,)))
        else:
            best = result.val_accuracy == result.val_accuracy[result.best]
            findings += _at_edges([_find_edge(axis, result.reg[best])])
    for why in sorted({reason for reason in result.reasons if reason}):
        which = np.array([reason == why for reason in result.reasons])
        regs = tuple(map(float, result.reg[which]))
        penalized, gap = config.penalty != "none", float(np.max(result.gap[which]))
        findings.append(NotConverged(regs, why, solver.max_passes, penalized, gap))
    return tuple(findings)


def overshoot_bound(config: SweepConfig) -> float | None:
    """The lr · reg from which on the penalty's own step overshoots so far that weights do not shrink; None if there is none.

    With the curvature c of the penalty, its gradient is c W. The step W ← (1 − lr c) W of SGD does not shrink W if lr c ≥ 2.
    That is the stability limit of each optimizer on a quadratic function; the data only add curvature to it. It is
    2 (1 + μ) for momentum, 2 (1 + μ) / (1 + 2μ) for Nesterov's; AdamW decays by 1 − lr reg. Adam's step does not depend on
    the size of the gradient, and the L1 penalty has no curvature: there is no such limit.

    Source: Polyak, *Some Methods of Speeding up the Convergence of Iteration Methods*, 1964.
    """
    mu = config.momentum
    limits = {"sgd": 2.0, "momentum": 2 * (1 + mu), "nesterov": 2 * (1 + mu) / (1 + 2 * mu), "adamw": 2.0}
    curvature = (
        1.0 if config.optimizer == "adamw" else coefficients(config.penalty, 1.0, config.l1_ratio).curvature
    )
    if config.optimizer not in limits or curvature == 0:
        return None
    return float(limits[config.optimizer] / curvature)


def find_drowned(result: SweepResult) -> Bool[np.ndarray, " C"]:
    """The configurations in which the penalty's own step overshoots (C,)."""
    bound = overshoot_bound(result.config)
    product: Float[np.ndarray, " C"] = result.learning_rate * result.reg
    return np.zeros(len(product), bool) if bound is None else product >= bound


def _axis(config: SweepConfig, name: AxisName) -> Axis:
    values = tuple(sorted(getattr(config, name)))
    if config.search == "grid":
        return Axis(name, values, spacing_of(np.array(values)) == "log")
    return Axis(name, (values[0], values[-1]), config.search == "log_uniform", drawn=True)


def _at_edges(edges: list[Edge | None]) -> list[AtEdges]:
    found = tuple(edge for edge in edges if edge is not None)
    return [AtEdges(found)] if found else []


def _find_edge(axis: Axis, best: Float[np.ndarray, " B"]) -> Edge | None:
    """The edge at which all of the values `best` lie, if there is one."""
    low, high = axis.values[0], axis.values[-1]
    if low == high:
        return None
    scale = np.log if axis.log else np.asarray
    width = NEAR * (scale(high) - scale(low)) if axis.drawn else 0.0
    if low > 0 and (scale(best) <= scale(low) + width).all():  # nothing lies below a penalty strength of 0
        return Edge(axis, "low", float(best[0]))
    return Edge(axis, "high", float(best[0])) if (scale(best) >= scale(high) - width).all() else None
