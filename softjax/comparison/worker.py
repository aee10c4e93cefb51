"""The process in which one framework runs: it reads jobs, one JSON line each, and answers each with one.

Whatever a framework does to its process, a crash, a hang, its settings, ends here.
"""

import contextlib
import itertools
import json
import os
import re
import sys
import time
import warnings
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from softjax.comparison.cases import ACCURACY, EDGE_CASES, MODES, AccuracyCase, EdgeCase, numpy_dtype
from softjax.comparison.frameworks import FRAMEWORKS

REASONABLE_SECONDS = 30.0
REASONABLE_BYTES = 8 * 2**30
TURN_SECONDS, CALLS_AT_MOST = 0.2, 200
TURN_SECONDS_AT_MOST, LONG_SECONDS = 3.0, 1.0


class Worker:
    """One framework, and how fast it has been seen to be."""

    def __init__(self, framework: str) -> None:
        self.framework = FRAMEWORKS[framework]
        self.import_seconds = 0.0
        self.seconds_per_operation: dict[str, float] = {}
        self.call: Callable[[], float] = lambda: 0.0
        self.products: Callable[[], float] | None = None

    def answer(self, job: dict[str, Any]) -> dict[str, Any]:
        """Does a job, {"group", "case", "dtype", "file"}; the arrays that come out are saved to its file.

        **Returns:** `{"status": "done"}`, `{"status": "not offered"}`, `{"status": "error", "error", "message"}`,
        or `{"status": "not run", "message"}` where it would take too long or too much memory.
        """
        try:
            start = time.perf_counter()
            module = self.framework.load()
            self.import_seconds = max(self.import_seconds, time.perf_counter() - start)
            match job["group"]:
                case "first call":
                    return self._first_call(ACCURACY[job["case"]], job["dtype"])
                case "turn":
                    products = self._turn(self.products) if self.products is not None else None
                    return {"status": "done", "seconds": self._turn(self.call), "products": products}
                case "edge_cases":
                    arrays = _edge_case(module, EDGE_CASES[job["case"]])
                case "modes":
                    arrays = _mode(module, job["case"])
                case _:
                    if job["dtype"] not in module.DTYPES:
                        return {"status": "not offered"}
                    too_much = self._too_much(module, ACCURACY[job["case"]], job["dtype"])
                    if too_much:
                        return {"status": "not run", "message": too_much}
                    arrays = self._timed(module, ACCURACY[job["case"]], job["dtype"])
            if arrays is None:
                return {"status": "not offered"}
            # bfloat16 is no type of NumPy's files
            arrays = [a if a.dtype.kind in "fiu" else a.astype(np.float32) for a in map(np.asarray, arrays)]
            np.savez(job["file"], *arrays)
            return {"status": "done"}
        except Exception as error:  # whatever a framework may raise
            lines = (str(error).strip() or "no message").split("\n")
            line = lines[-1] if lines[0].endswith(":") else lines[0]  # what follows a heading tells more
            # files by their names: the folders are this machine's
            line = re.sub(r"(?<!\S)/\S*/", "", line.strip())
            return {"status": "error", "error": type(error).__name__, "message": line[:300]}

    def _first_call(self, case: AccuracyCase, dtype: str) -> dict[str, Any]:
        """Import, first call and memory; from then on `call` takes the time of one more."""
        module = self.framework.load()
        if case.size > 10**6:  # a smaller one is no matter, and the estimate would warm it up
            too_much = self._too_much(module, case, dtype, TURN_SECONDS_AT_MOST)
            if too_much:
                return {"status": "not run", "message": too_much}
        problem = case.problem(dtype)
        baseline = _memory("VmRSS")
        _forget_peak()
        start = time.perf_counter()
        prepared = module.prepare(problem)
        prepared.loss_and_grad(prepared.place(problem.W))
        first = time.perf_counter() - start
        prepared.loss_and_grad(prepared.place(problem.W))
        peak = max(0, _memory("VmHWM") - baseline) if baseline else None

        count = 2 if problem.W.size > 10**6 else 8
        weights = itertools.cycle(
            [prepared.place(problem.W * problem.W.dtype.type(1 + 0.01 * i)) for i in range(count)]
        )

        def call() -> float:
            W = next(weights)
            start = time.perf_counter()
            loss, _ = prepared.loss_and_grad(W)
            prepared.read_loss(loss)
            return time.perf_counter() - start

        def products() -> float:
            W = next(weights)
            start = time.perf_counter()
            prepared.products(W)
            return time.perf_counter() - start

        self.call = call
        self.products = products if prepared.products is not None else None
        return {"status": "done", "import": self.import_seconds, "first": first, "peak": peak}

    def _turn(self, call: Callable[[], float]) -> float:
        """The median of the calls of a turn: as many as fit, two at least, one of those that take long."""
        waking = call()
        if waking > LONG_SECONDS:
            return waking
        seconds: list[float] = []
        end = time.perf_counter() + TURN_SECONDS
        while len(seconds) < 2 or (time.perf_counter() < end and len(seconds) < CALLS_AT_MOST):
            seconds.append(call())
        return float(np.median(seconds))

    def _timed(self, module: ModuleType, case: AccuracyCase, dtype: str) -> Any:
        problem = case.problem(dtype)
        prepared = module.prepare(problem)
        result = prepared.loss_and_grad(prepared.place(problem.W))
        if hasattr(module, "count_operations"):  # the first call may have compiled
            W = prepared.place(problem.W)
            start = time.perf_counter()
            result = prepared.loss_and_grad(W)
            seconds = time.perf_counter() - start
            self.seconds_per_operation[dtype] = seconds / module.count_operations(*problem.size)
        return prepared.to_numpy(result)

    def _too_much(self, module: ModuleType, case: AccuracyCase, dtype: str, at_most: float = 0.0) -> str:
        size = (case.N, case.D, case.K)
        if hasattr(module, "count_numbers"):
            needed = module.count_numbers(*size) * numpy_dtype(dtype).itemsize
            if needed > REASONABLE_BYTES:
                return f"about {needed / 2**30:,.0f} GiB"
        if hasattr(module, "count_operations"):
            tiny = ACCURACY["tiny"]
            if dtype not in self.seconds_per_operation and case is not tiny:
                self._timed(module, tiny, dtype)
            seconds = self.seconds_per_operation.get(dtype, 0.0) * module.count_operations(*size)
            if seconds > (at_most or REASONABLE_SECONDS):
                return f"about {_duration(seconds)}"
        return ""


def _edge_case(module: ModuleType, case: EdgeCase) -> Any:
    problem = case.problem
    prepared = module.prepare(problem)
    if case.forward and "forward" not in prepared.modes:
        return None
    loss, grad = prepared.to_numpy(prepared.loss_and_grad(prepared.place(problem.W)))
    if case.forward:
        basis = np.eye(problem.W.size, dtype=problem.W.dtype).reshape(-1, *problem.W.shape)
        grad = np.reshape([prepared.modes["forward"](problem.W, V) for V in basis], problem.W.shape)
    return loss, grad


def _mode(module: ModuleType, name: str) -> Any:
    case = MODES[name]
    problem = case.problem(module.DTYPES[0])
    function = module.prepare(problem).modes.get(name)
    if function is None:
        return None
    result = function(*case.arguments(problem))
    return result if isinstance(result, tuple | list) else (result,)


def _memory(which: str) -> int:
    """Bytes of this process, from the kernel: `"VmRSS"` now, `"VmHWM"` at most; 0 where there is no such file."""
    with contextlib.suppress(OSError), open("/proc/self/status") as file:
        for line in file:
            if line.startswith(which):
                return int(line.split()[1]) * 1024
    return 0


def _forget_peak() -> None:
    with contextlib.suppress(OSError), open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def _duration(seconds: float) -> str:
    for unit, length in (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 2 * length:
            return f"{seconds / length:,.0f} {unit}"
    return f"{seconds:.0f} seconds"


def main() -> None:
    """Answers until standard input ends. What frameworks print goes to standard error."""
    warnings.simplefilter("ignore")  # of overflows, of labels: the values tell
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    worker = Worker(sys.argv[1])
    for line in sys.stdin:
        answers.write(json.dumps(worker.answer(json.loads(line))) + "\n")


if __name__ == "__main__":
    main()
