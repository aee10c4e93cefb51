"""Speed and memory: every framework at each size, in a process of its own, taking turns."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from softjax.comparison.cases import ACCURACY
from softjax.comparison.config import CompareConfig
from softjax.comparison.frameworks import FRAMEWORKS
from softjax.comparison.process import Process

SIZES = ("tiny", "minibatch", "development", "vocabulary")
ROUNDS, QUICK_ROUNDS = 11, 5
SLOW_SECONDS, SLOW_ROUNDS = 2.0, 3  # what takes so long has fewer turns
PAUSE = 0.05  # seconds, in which another framework's threads stop spinning
MATRIX = 1536
COPIED_BYTES = 2**27


@dataclass(frozen=True)
class Speed:
    """One framework at one size, in float32.

    **Fields:**

    - `status`: `"measured"`, or as in `softjax.comparison.run.Record`.
    - `import_seconds`, `first_seconds`: of importing the framework in a fresh process, and of its first loss and
      gradient, with all tracing and compiling.
    - `seconds`, `low_seconds`, `high_seconds`: of a call in steady state: the median over the rounds of each
      round's median, and the quartiles over the rounds. The weights change from call to call, among eight sets (two
      of large ones) that were placed beforehand.
    - `products_seconds`: of the two matrix products alone, in the same rounds and processes, where the framework's file
      has them.
    - `peak_bytes`: the process's highest memory in its first two calls, above that with framework and problem loaded.
    - `floor_seconds`: the time of what has to be done, the same for all: the larger of 4 N D K operations at the
      rate of a matrix product, and of reading X and W and writing the gradient at the rate of a copy, both
      measured in the same rounds.
    """

    framework: str
    case: str
    status: str
    message: str | None = None
    import_seconds: float | None = None
    first_seconds: float | None = None
    seconds: float | None = None
    low_seconds: float | None = None
    high_seconds: float | None = None
    products_seconds: float | None = None
    peak_bytes: int | None = None
    floor_seconds: float | None = None


def measure(case: str, names: Sequence[str], config: CompareConfig) -> Iterator[Speed]:
    """All frameworks at one size: their first calls one after the other, then rounds in which they take turns.

    **Arguments:**

    - `case`: of `ACCURACY`; `names`: of frameworks; `config`: for its time limit, and the number of rounds.
    """
    started: dict[str, Process] = {}
    first: dict[str, dict[str, Any]] = {}
    turns: dict[str, list[float]] = {}
    products: dict[str, list[float]] = {}
    floors: list[float] = []
    try:
        for name in names:
            if FRAMEWORKS[name].version is None:
                yield Speed(name, case, "not installed", message=FRAMEWORKS[name].install)
                continue
            process = started[name] = Process(name, fresh=True)
            answer = process.ask({"group": "first call", "case": case, "dtype": "float32"}, config.time_limit)
            if answer["status"] != "done":
                started.pop(name).end()
                yield Speed(name, case, answer["status"], message=answer.get("message"))
                continue
            first[name], turns[name], products[name] = answer, [], []
        rng = np.random.default_rng(0)
        for turn in range(QUICK_ROUNDS if config.quick else ROUNDS):
            floors.append(_floor(case))
            for name in rng.permutation(list(started)).tolist():  # nobody always follows the same one
                if turn >= SLOW_ROUNDS and min(turns[name]) > SLOW_SECONDS:
                    continue
                time.sleep(PAUSE)
                answer = started[name].ask({"group": "turn"}, config.time_limit)
                if answer["status"] == "done":
                    turns[name].append(answer["seconds"])
                    products[name] += [answer["products"]] if answer["products"] is not None else []
                else:
                    started.pop(name).end()
                    yield Speed(name, case, answer["status"], message=answer.get("message"))
        for name in started:
            low, middle, high = np.quantile(turns[name], (0.25, 0.5, 0.75)).tolist()
            yield Speed(
                name,
                case,
                "measured",
                import_seconds=first[name]["import"],
                first_seconds=first[name]["first"],
                seconds=middle,
                low_seconds=low,
                high_seconds=high,
                products_seconds=float(np.median(products[name])) if products[name] else None,
                peak_bytes=first[name]["peak"],
                floor_seconds=float(np.median(floors)),
            )
    finally:
        for process in started.values():
            process.end()


def _floor(case: str) -> float:
    size = ACCURACY[case]
    operations = 4.0 * size.N * size.D * size.K
    moved = 4.0 * (size.N * size.D + 2 * size.D * size.K)
    return max(operations / _product_rate(), moved / _copy_rate())


def _product_rate() -> float:
    A = np.ones((MATRIX, MATRIX), np.float32)
    return 2.0 * MATRIX**3 / _fastest(lambda: A @ A)


def _copy_rate() -> float:
    source, target = np.ones(COPIED_BYTES // 4, np.float32), np.empty(COPIED_BYTES // 4, np.float32)
    return 2.0 * COPIED_BYTES / _fastest(lambda: np.copyto(target, source))  # read and written


def _fastest(function: Callable[[], object]) -> float:
    best = math.inf
    for _ in range(3):
        start = time.perf_counter()
        function()
        best = min(best, time.perf_counter() - start)
    return best
