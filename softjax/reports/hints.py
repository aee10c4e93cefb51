"""What to run next, in words and as a command: the findings of `analysis` for the report and the console."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from softjax.analysis import (
    AtEdges,
    Axis,
    Diverged,
    Drowned,
    Flat,
    NotConverged,
    PathFinding,
    SweepFinding,
)

NAMES = {"learning_rates": "learning rate", "regs": "penalty strength"}
DROPPED = ("--out", "--resume", "--overwrite", "--tensorboard")  # the next run has a folder of its own


class Hint(NamedTuple):
    """A sentence about a result, and the command to run next."""

    text: str
    command: str


def make_hints(findings: Sequence[SweepFinding | PathFinding], command: str) -> list[Hint]:
    """A hint for each finding. `command` is the command line that made the result."""
    hints = []
    for finding in findings:
        text, options = _describe(finding)
        hints.append(Hint(text, change_command(command, options)))
    return hints


def list_hints(hints: Sequence[Hint]) -> str:
    """A section of a report; empty without hints."""
    lines = [f"- {hint.text} Next: `{hint.command}`" for hint in hints]
    return "\n\n## What to try next\n\n" + "\n".join(lines) if lines else ""


def change_command(command: str, options: Mapping[str, str | None]) -> str:
    """The command line with other values of these options, without those whose value is None, and without its folder."""
    kept, words = [], shlex.split(command)
    at = 0
    while at < len(words):
        name = words[at].split("=")[0]
        at += 1
        if name.replace("_", "-") in (*options, *DROPPED):
            if "=" not in words[at - 1]:
                while at < len(words) and not words[at].startswith("--"):
                    at += 1
        else:
            kept.append(words[at - 1])
    changed = [word for name, value in options.items() if value is not None for word in (name, value)]
    return shlex.join([*kept, *changed])


def _describe(finding: SweepFinding | PathFinding) -> tuple[str, dict[str, str]]:
    match finding:
        case AtEdges(edges):
            ends = " and ".join(
                f"{'near ' if edge.axis.drawn else ''}the {'smallest' if edge.side == 'low' else 'largest'} "
                f"{NAMES[edge.axis.name]} ({edge.best:.3g})"
                for edge in edges
            )
            text = f"The best is at the edge of what was searched, {ends}: a better one may lie beyond."
            return text, dict(_option(edge.axis, *_center(edge.axis, edge.best)) for edge in edges)
        case Flat(count, axes):
            text = f"All {count} configurations are tied with the best: this search does not tell them apart, a wider one may."
            return text, dict(_option(axis, *_stretch(axis)) for axis in axes)
        case Diverged(count, total, axis, least, kept):
            text = f"{count} of {total} configurations diverged, at learning rates from {least:.3g} on."
            low, high = (kept[0], kept[-1]) if kept else (axis.values[0] / 100, axis.values[0] / 2)
            return text, dict([_option(axis, low, high)])
        case Drowned(count, total, bound, axis, rate):
            text = (
                f"{count} of {total} configurations drown in the penalty: from lr · reg = {bound:.3g} on, the step of the "
                "penalty alone overshoots, and weights do not shrink."
            )
            high = 0.5 * bound / rate
            positive = [value for value in axis.values if 0 < value < high]
            low = min(positive, default=high / 100)
            return text, dict([_option(axis, low, high)])
        case NotConverged():
            return _describe_unconverged(finding)


def _describe_unconverged(finding: NotConverged) -> tuple[str, dict[str, str]]:
    regs = ", ".join(f"{reg:.3g}" for reg in finding.regs[:5]) + (", …" if len(finding.regs) > 5 else "")
    number = len(finding.regs)
    text = f"{number} penalty strength{'s' if number > 1 else ''} did not converge (reg {regs}): "
    if finding.why == "passes":
        most = finding.max_passes
        return f"{text}{most:,} passes were not enough.", {"--max-passes": str(10 * most)}
    if finding.why == "separable":
        text += "the classes are separable, so without a penalty the objective has no minimum."
        return text, {"--regs": "log:1e-6:1:20"} | ({} if finding.penalized else {"--penalty": "l2"})
    reached = 10.0 ** np.ceil(np.log10(finding.gap)) if 0 < finding.gap < 0.1 else 0.5
    return f"{text}the gap is within the rounding of float64.", {"--tolerance": f"{reached:g}"}


def _option(axis: Axis, low: float, high: float) -> tuple[str, str]:
    """The option that searches from `low` to `high`, with as many values as `axis` has, and its spacing if it can have it."""
    name = "--" + axis.name.replace("_", "-")
    if low == high:
        return name, f"{low:.3g}"
    if axis.drawn:
        return name, f"{low:.3g},{high:.3g}"
    count = max(len(axis.values), 3)
    linear = not axis.log and _is_even(axis.values)
    return name, f"{'' if linear else 'log:'}{low:.3g}:{high:.3g}:{count}"


def _is_even(values: Sequence[float]) -> bool:
    return len(values) > 2 and bool(np.allclose(np.diff(values, 2), 0, atol=1e-6 * np.ptp(values)))


def _center(axis: Axis, best: float) -> tuple[float, float]:
    """The ends of a range as wide as that of `axis`, with `best` in the middle."""
    low, high = min(value for value in axis.values if value > 0), axis.values[-1]
    half = (axis.values[-1] - axis.values[0]) / 2
    if not axis.log and (axis.drawn or _is_even(axis.values)) and best > half:
        return best - half, best + half
    factor = max(np.sqrt(high / low), np.sqrt(10)) if not axis.log else np.sqrt(high / low)
    return float(best / factor), float(best * factor)


def _stretch(axis: Axis) -> tuple[float, float]:
    """The ends of a range ten times as far on both sides."""
    positive: list[Any] = [value for value in axis.values if value > 0] or [1e-3]
    return positive[0] / 10, positive[-1] * 10
