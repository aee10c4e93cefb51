"""An estimate of the least time that a loss and gradient take on this machine, from two measurements of NumPy."""

import math
import time
from collections.abc import Callable

import numpy as np

from softjax.comparison.cases import ACCURACY

MATRIX = 1536
COPIED_BYTES = 2**27


def estimate_floor(case: str, dtype: str = "float32") -> float:
    """Seconds: the larger of the time of the arithmetic and the time of moving the arrays, in a type."""
    size = ACCURACY[case]
    operations = 4.0 * size.N * size.D * size.K
    moved = np.dtype(dtype).itemsize * float(size.N * size.D + 2 * size.D * size.K)
    return max(operations / _measure_product_rate(dtype), moved / _measure_copy_rate())


def _measure_product_rate(dtype: str) -> float:
    A = np.ones((MATRIX, MATRIX), dtype)
    return 2.0 * MATRIX**3 / _time_fastest(lambda: A @ A)


def _measure_copy_rate() -> float:
    source, target = np.ones(COPIED_BYTES // 4, np.float32), np.empty(COPIED_BYTES // 4, np.float32)
    return 2.0 * COPIED_BYTES / _time_fastest(lambda: np.copyto(target, source))  # read and written


def _time_fastest(function: Callable[[], object]) -> float:
    best = math.inf
    for _ in range(3):
        start = time.perf_counter()
        function()
        best = min(best, time.perf_counter() - start)
    return best
