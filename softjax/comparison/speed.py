"""Measures speed and memory at one size. Each framework runs in its own process, and they take turns, some at a time."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from softjax.comparison.config import CompareConfig
from softjax.comparison.floor import estimate_floor
from softjax.comparison.frameworks import FRAMEWORKS
from softjax.comparison.process import Process
from softjax.comparison.records import Speed

ROUNDS, QUICK_ROUNDS = 7, 5
SLOW_SECONDS, SLOW_ROUNDS = 2.0, 3  # a framework whose calls take longer gets fewer turns
TOGETHER = 16  # frameworks that take turns: more would not fit in the memory of a laptop
PAUSE = 0.05  # seconds; meanwhile the threads of the framework before go to sleep


@dataclass
class _Timed:
    """A framework that is being timed: its process, its answer about the first call, and its turns' seconds."""

    process: Process
    first: dict[str, Any] = field(default_factory=dict)
    turns: list[float] = field(default_factory=list)
    products: list[float] = field(default_factory=list)


def measure_speeds(case: str, dtype: str, names: Sequence[str], config: CompareConfig) -> dict[str, Speed]:
    """The speeds of frameworks at one size in one type. They make their first calls one after the other, then take turns.

    **Arguments:**

    - `case`: a name in `ACCURACY`; `dtype`: the type; `names`: the frameworks; `config`: has the time limit and the number of rounds.
    """
    missing = [name for name in names if FRAMEWORKS[name].version is None]
    speeds = {
        name: Speed(name, case, "not installed", message=FRAMEWORKS[name].install, dtype=dtype)
        for name in missing
    }
    installed = [name for name in names if name not in speeds]
    groups = -(-len(installed) // TOGETHER)
    for group in range(groups):  # every third, say, so that the ways of a library are spread
        speeds |= _measure_group(case, dtype, installed[group::groups], config)
    return speeds


def _measure_group(case: str, dtype: str, names: Sequence[str], config: CompareConfig) -> dict[str, Speed]:
    timed: dict[str, _Timed] = {}
    speeds: dict[str, Speed] = {}
    try:
        for name in names:
            one = timed[name] = _Timed(Process(name, True, config.device, config.full_precision))
            job = {"group": "first call", "case": case, "dtype": dtype}
            answer = one.first = one.process.ask(job, config.time_limit)
            if answer["status"] != "done":
                timed.pop(name).process.end()
                speeds[name] = _report_failure(name, case, dtype, answer)
        floors = _take_turns(case, dtype, timed, speeds, config)
        for name, one in timed.items():
            speeds[name] = _summarize(name, case, dtype, one, floors)
    finally:
        for one in timed.values():
            one.process.end()
    return speeds


def _take_turns(
    case: str, dtype: str, timed: dict[str, _Timed], speeds: dict[str, Speed], config: CompareConfig
) -> list[float]:
    """Times all frameworks in rounds, and gives the floor that was measured in each.

    One that fails is moved from `timed` to `speeds`.
    """
    floors = []
    rng = np.random.default_rng(0)
    for turn in range(QUICK_ROUNDS if config.quick else ROUNDS):
        if config.device == "cpu":
            floors.append(estimate_floor(case, dtype))
        for name in rng.permutation(
            list(timed)
        ).tolist():  # a new order, so that no framework always follows the same one
            one = timed[name]
            if turn >= SLOW_ROUNDS and min(one.turns) > SLOW_SECONDS:
                continue
            time.sleep(PAUSE)
            answer = one.process.ask({"group": "turn"}, config.time_limit)
            if answer["status"] == "done":
                one.turns.append(answer["seconds"])
                one.products += [answer["products"]] if answer["products"] is not None else []
            else:
                timed.pop(name).process.end()
                speeds[name] = _report_failure(name, case, dtype, answer)
    return floors


def _report_failure(name: str, case: str, dtype: str, answer: dict[str, Any]) -> Speed:
    return Speed(name, case, answer["status"], message=answer.get("message"), dtype=dtype)


def _summarize(name: str, case: str, dtype: str, timed: _Timed, floors: list[float]) -> Speed:
    low, middle, high = np.quantile(timed.turns, (0.25, 0.5, 0.75)).tolist()
    return Speed(
        name,
        case,
        "measured",
        import_seconds=timed.first["import"],
        first_seconds=timed.first["first"],
        seconds=middle,
        low_seconds=low,
        high_seconds=high,
        products_seconds=float(np.median(timed.products)) if timed.products else None,
        peak_bytes=timed.first["peak"],
        floor_seconds=float(np.median(floors)) if floors else None,
        dtype=dtype,
    )
