"""Estimates, before a case is run, whether a framework would take too long or too much memory for it."""

import time
from types import ModuleType
from typing import Any

from softjax.comparison.cases import ACCURACY, AccuracyCase, numpy_dtype

REASONABLE_SECONDS = 30.0
REASONABLE_BYTES = 8 * 2**30


class Estimate:
    """How fast one framework has been so far, in each type, and what it would take for a larger case.

    Only frameworks whose files have `count_operations` or `count_numbers` are estimated.
    """

    def __init__(self, module: ModuleType) -> None:
        self.module = module
        self.seconds_per_operation: dict[str, float] = {}

    def compute(self, case: AccuracyCase, dtype: str) -> Any:
        """The loss and gradient of a case, as NumPy's; the time they take goes into later estimates."""
        problem = case.problem(dtype)
        prepared = self.module.prepare(problem)
        result = prepared.loss_and_grad(prepared.place(problem.W))
        if hasattr(self.module, "count_operations"):  # the first call may have compiled
            W = prepared.place(problem.W)
            start = time.perf_counter()
            result = prepared.loss_and_grad(W)
            seconds = time.perf_counter() - start
            self.seconds_per_operation[dtype] = seconds / self.module.count_operations(*problem.size)
        return prepared.to_numpy(result)

    def describe_excess(self, case: AccuracyCase, dtype: str, most_seconds: float | None = None) -> str:
        """What a case would take, such as "about 3 hours", where that is too much; "" where it is not.

        **Arguments:**

        - `most_seconds`: too many seconds are more than these, by default `REASONABLE_SECONDS`.
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
