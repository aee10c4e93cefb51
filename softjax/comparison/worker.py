"""The process in which one framework runs. It reads one job per line, in JSON, and answers with one line.

A crash, a hang or a setting of the framework only affects this process.
"""

import json
import os
import re
import sys
import time
import warnings
from functools import partial
from typing import Any

import numpy as np

from softjax.comparison.cases import ACCURACY, AccuracyCase
from softjax.comparison.devices import Device, NoGpuError, read_peak, time_row, use_gpu
from softjax.comparison.edge_cases import EDGE_CASES, EdgeCase
from softjax.comparison.estimate import Estimate
from softjax.comparison.frameworks import FRAMEWORKS, Framework
from softjax.comparison.frameworks.protocol import NotOffered, Prepared, Problem
from softjax.comparison.modes import MODES, ModeCase
from softjax.comparison.script import write_script
from softjax.comparison.timing import FirstCall, make_first_call, time_turn, time_turn_on_gpu

TIMED_CALL_AT_MOST = 3.0  # seconds, by estimate


class Worker:
    """One framework on its device, its estimates, and its call that is timed."""

    def __init__(self, framework: str, device: Device = "cpu", full_precision: bool = False) -> None:
        self.framework = FRAMEWORKS[framework]
        self.device = device
        self.full_precision = full_precision
        self.gpu = ""  # its name, once it is used
        self.import_seconds = 0.0
        self.estimate: Estimate | None = None
        self.first_call: FirstCall | None = None
        self.script: str | None = None

    def answer(self, job: dict[str, Any]) -> dict[str, Any]:
        """The answer to a job, with the script of an edge case."""
        self.script = None
        answer = self._do(job)
        return answer if self.script is None else answer | {"script": self.script}

    def _do(self, job: dict[str, Any]) -> dict[str, Any]:
        """Does a job, {"group", "case", "dtype", "file"}; the arrays that it gives are saved to its file.

        **Returns:** `{"status": "done"}`, `{"status": "not offered"}`, `{"status": "error", "error", "message"}`,
        or `{"status": "not run", "message"}` if it would take too long or too much memory, or there is no GPU for it. A
        timed job adds its seconds, and `"device"` the name of the GPU.
        """
        try:
            start = time.perf_counter()
            module = self.framework.load()
            self.import_seconds = max(self.import_seconds, time.perf_counter() - start)
            if self.device == "gpu" and not self.gpu:
                self.gpu = use_gpu(self.framework.library, self.full_precision)
            if self.estimate is None:
                self.estimate = Estimate(self.framework)
            match job["group"]:
                case "device":
                    return {"status": "done", "gpu": self.gpu}
                case "first call":
                    if job["dtype"] not in module.DTYPES:
                        return {"status": "not offered", "message": f"it has no {job['dtype']}"}
                    return self._time_first_call(self.estimate, ACCURACY[job["case"]], job["dtype"])
                case "turn":
                    return self._time_turn()
                case "edge_cases":
                    self.script = write_script(self.framework, EDGE_CASES[job["case"]])
                    arrays = compute_edge_case(self.framework, EDGE_CASES[job["case"]])
                case "modes":
                    arrays = compute_mode(self.framework, job["case"])
                case _:
                    case, dtype = ACCURACY[job["case"]], job["dtype"]
                    if dtype not in module.DTYPES:
                        return {"status": "not offered"}
                    excess = self.estimate.describe_excess(case, dtype)
                    if excess:
                        return {"status": "not run", "message": excess}
                    arrays = self.estimate.compute(case, dtype)
            if arrays is None:
                return {"status": "not offered"}
            _save(job["file"], arrays)
            return {"status": "done"}
        except NotOffered as error:
            return {"status": "not offered", "message": str(error)}
        except NoGpuError as error:
            return {"status": "not run", "message": str(error)}
        except Exception as error:  # a framework may raise anything
            return _describe_error(error)

    def _time_first_call(self, estimate: Estimate, case: AccuracyCase, dtype: str) -> dict[str, Any]:
        if (
            case.size > 10**6
        ):  # a smaller case is quick in any framework, and an estimate would be a first call
            excess = estimate.describe_excess(case, dtype, TIMED_CALL_AT_MOST)
            if excess:
                return {"status": "not run", "message": excess}
        first = self.first_call = make_first_call(self.framework, case.problem(dtype))
        peak = first.peak if self.device == "cpu" else read_peak(self.framework.library)
        return {"status": "done", "import": self.import_seconds, "first": first.seconds, "peak": peak}

    def _time_turn(self) -> dict[str, Any]:
        assert self.first_call is not None
        if self.device == "gpu":
            seconds = time_turn_on_gpu(partial(time_row, self.framework.library, self.first_call.begin))
            return {"status": "done", "seconds": seconds, "products": None}
        products = self.first_call.products
        products_seconds = time_turn(products) if products is not None else None
        return {"status": "done", "seconds": time_turn(self.first_call.call), "products": products_seconds}


def compute_edge_case(framework: Framework, case: EdgeCase) -> Any:
    """The arrays of an edge case; None where the framework lacks the derivative that it asks for."""
    problem = case.problem
    if problem.dtype == "float64" and "float64" not in framework.load().DTYPES:
        return None
    prepared = framework.prepare(problem)
    if case.derivative in ("hvp", "inputs", "vmap"):
        return _compute_derivative(prepared, MODES[case.derivative], problem)
    if case.derivative == "forward" and "forward" not in prepared.modes:
        return None
    loss, grad = prepared.to_numpy(prepared.loss_and_grad(prepared.place(problem.W)))
    if case.derivative == "forward":
        basis = np.eye(problem.W.size, dtype=problem.W.dtype).reshape(-1, *problem.W.shape)
        grad = np.reshape([prepared.modes["forward"](problem.W, V) for V in basis], problem.W.shape)
    return loss, grad


def compute_mode(framework: Framework, name: str) -> Any:
    """The results of a derivative mode; None where the framework lacks it."""
    case = MODES[name]
    problem = case.problem(framework.load().DTYPES[0])
    return _compute_derivative(framework.prepare(problem), case, problem)


def _compute_derivative(prepared: Prepared, case: ModeCase, problem: Problem) -> Any:
    function = prepared.modes.get(case.name)
    if function is None:
        return None
    result = function(*case.arguments(problem))
    return result if isinstance(result, tuple | list) else (result,)


def _save(file: str, arrays: Any) -> None:
    # NumPy's files have no bfloat16
    arrays = [a if a.dtype.kind in "fiu" else a.astype(np.float32) for a in map(np.asarray, arrays)]
    np.savez(file, *arrays)


def _describe_error(error: Exception) -> dict[str, Any]:
    lines = (str(error).strip() or "no message").split("\n")
    line = (
        lines[-1] if lines[0].endswith(":") else lines[0]
    )  # after a heading such as "Error:", the last line says more
    # only the names of files: the folders belong to this machine
    line = re.sub(r"(?<!\S)/\S*/", "", line.strip())
    return {"status": "error", "error": type(error).__name__, "message": line[:300]}


def main() -> None:
    """Answers jobs until standard input ends. What frameworks print goes to standard error."""
    warnings.simplefilter("ignore")  # warnings of overflows and labels are not needed: the values show these
    answers = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)
    name, device, precision = sys.argv[1:4]
    worker = Worker(name, "gpu" if device == "gpu" else "cpu", precision == "full")
    for line in sys.stdin:
        answers.write(json.dumps(worker.answer(json.loads(line))) + "\n")


if __name__ == "__main__":
    main()
