"""Estimates, before a case is run, whether a framework would take too long or too much memory for it."""

import time
from typing import Any

from softjax.comparison.cases import ACCURACY, AccuracyCase, numpy_dtype
from softjax.comparison.frameworks import Framework

REASONABLE_SECONDS = 30.0
REASONABLE_BYTES = 8 * 2**30


class Estimate:
    """The speed of one framework so far, in each type, and estimates for larger cases.

    There are estimates only for frameworks whose files define `count_operations` or `count_numbers`.
    """

    def __init__(self, framework: Framework) -> None:
        self.framework = framework
        self.module = framework.load()
        self.seconds_per_operation: dict[str, float] = {}

    def compute(self, case: AccuracyCase, dtype: str) -> Any:
        """The loss and gradient of a case, as NumPy arrays. Later estimates use the time that they take."""
        problem = case.problem(dtype)
        prepared = self.framework.prepare(problem)
        result = prepared.loss_and_grad(prepared.place(problem.W))
        if hasattr(self.module, "count_operations"):  # the first call may have compiled
            W = prepared.place(problem.W)
            start = time.perf_counter()
            result = prepared.loss_and_grad(W)
            seconds = time.perf_counter() - start
            self.seconds_per_operation[dtype] = seconds / self.module.count_operations(*problem.size)
        return prepared.to_numpy(result)

    def describe_excess(self, case: AccuracyCase, dtype: str, most_seconds: float | None = None) -> str:
        """The time or memory that a case would take, such as "about 3 hours", if that is too much; else "".

        **Arguments:**

        - `most_seconds`: more seconds than this are too many; `REASONABLE_SECONDS` by default.
        """
        size = (case.N, case.D, case.K)
        if hasattr(self.module, "count_numbers"):
            needed = self.module.count_numbers(*size) * numpy_dtype(dtype).itemsize
            if needed > REASONABLE_BYTES:
                return f"about {needed / 2**30:,.0f} GiB"
        if hasattr(self.module, "count_operations"):
            tiny = ACCURACY["tiny"]
            if dtype not in self.seconds_per_operation and case is not tiny:
                self.compute(tiny, dtype)
            seconds = self.seconds_per_operation.get(dtype, 0.0) * self.module.count_operations(*size)
            if seconds > (REASONABLE_SECONDS if most_seconds is None else most_seconds):
                return f"about {_format_seconds(seconds)}"
        return ""


def _format_seconds(seconds: float) -> str:
    for unit, length in (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 2 * length:
            return f"{seconds / length:,.0f} {unit}"
    return f"{seconds:.0f} seconds"
