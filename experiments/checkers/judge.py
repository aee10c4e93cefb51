"""What every checker says about the right gradient of a real function, and about some faults planted in it."""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float
from tqdm import tqdm

from checkers.faults import Point, draw_kinds, evaluate, look_at, plant
from checkers.peers import ask
from checkers.processes import Answers, Interview, run_all
from checkers.registry import RealFunction, find_function

RIGHT = "right"
LINE = 10  # rounding bounds: a fault with a larger error in some entry is large
BEYOND_ROUNDING = {"float64": 1e-5, "float32": 0.05, "bfloat16": 0.5, "float16": 0.5}
"""a fault with a larger error is large whatever the rounding bounds are; relative to the largest entry"""


class Task(NamedTuple):
    """A function of the registry, the checkers that are asked, and how many faults are planted."""

    library: str
    key: str
    checkers: tuple[str, ...]
    num_faults: int


def interview(task: Task) -> Interview:
    """Every checker about the right gradient, then about each fault."""
    function = find_function(task.library, task.key)
    with jax.enable_x64(function.dtype == "float64"):
        point = look_at(function)
        kinds = draw_kinds(function, point, task.num_faults)
        claims = {RIGHT: function.gradient} | {kind: plant(kind, function, point) for kind in kinds}
        for name, claim in claims.items():
            for checker in task.checkers:
                answer = yield (name, checker), partial(_ask_and_time, checker, function, claim)
                if (name, checker) == (RIGHT, "softjax"):
                    reference = answer
            yield (name, "size"), partial(measure_size, claim, function, point, reference)


def _ask_and_time(checker: str, function: RealFunction, claim: Callable[..., Any]) -> dict[str, Any]:
    began = time.perf_counter()
    answer = ask(checker, function, claim)
    found = {"word": answer.word, "why": answer.why, "seconds": time.perf_counter() - began}
    if answer.check is not None:
        both = {"true": answer.check.true, "bound": answer.check.bound}
        found |= {name: _flatten(tree).tolist() for name, tree in both.items()}
    return found


def measure_size(
    claim: Callable[..., Any], function: RealFunction, point: Point, reference: dict[str, Any]
) -> dict[str, Any]:
    """How far a claim is from the right gradient: in rounding bounds, relative to its largest entry, and whether that is large.

    `reference` is softjax's answer about the right gradient. If that is not "accepted", its bounds do not count.
    """
    claimed = evaluate(claim, function)
    relative = float(np.abs(claimed - point.gradient).max()) / (float(np.abs(point.gradient).max()) or 1.0)
    bounds = float("nan")
    if reference["word"] == "accepted":
        with np.errstate(all="ignore"):
            bounds = float(
                (np.abs(claimed - np.array(reference["true"])) / np.array(reference["bound"])).max()
            )
    return {
        "bounds": bounds,
        "relative": relative,
        "large": bounds > LINE or relative > BEYOND_ROUNDING[function.dtype],
    }


def judge_library(
    functions: Sequence[RealFunction], checkers: Sequence[str], num_faults: int, jobs: int, limit: float
) -> list[dict[str, Any]]:
    """A row for every claim about the functions of a library: its size, what each checker says, why, and its seconds."""
    tasks = [Task(f.library, f.key, tuple(checkers), num_faults) for f in functions]
    by_key = {f.key: f for f in functions}
    finished = run_all(
        interview, tasks, jobs, limit, lambda reason: {"word": "crashed", "why": reason, "seconds": limit}
    )
    bar = tqdm(finished, total=len(tasks), desc=functions[0].library, unit="function", disable=None)
    rows = {task.key: list(_list_rows(by_key[task.key], checkers, answers)) for task, answers in bar}
    return [row for f in functions for row in rows[f.key]]


def _list_rows(function: RealFunction, checkers: Sequence[str], answers: Answers) -> Iterator[dict[str, Any]]:
    lost = {"word": "crashed", "why": "the process ended before it could be asked", "seconds": 0.0}
    names = list(dict.fromkeys(name for name, _ in answers)) or [RIGHT]
    for name in names:
        given = {checker: answers.get((name, checker), lost) for checker in checkers}
        size = answers.get((name, "size"), {})
        yield {
            "library": function.library,
            "function": function.name,
            "dtype": function.dtype,
            "claim": name,
            "bounds": size.get("bounds", float("nan")),
            "relative": size.get("relative", float("nan")),
            "large": size.get("large", False),
            "verdicts": {checker: answer["word"] for checker, answer in given.items()},
            "why": {checker: answer["why"] for checker, answer in given.items() if answer["why"]},
            "seconds": {checker: answer["seconds"] for checker, answer in given.items()},
        }


def _flatten(tree: Any) -> Float[np.ndarray, " P"]:
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])
