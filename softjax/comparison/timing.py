"""Times the calls of one framework, within its own process."""

import contextlib
import itertools
import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from softjax.comparison.frameworks import Framework
from softjax.comparison.frameworks.protocol import Problem

TURN_SECONDS, CALLS_AT_MOST = 0.2, 200
LONG_SECONDS = 1.0


class FirstCall(NamedTuple):
    """The time and memory of the first call, and functions that make another call and return its seconds.

    **Fields:**

    - `seconds`: of the first loss and gradient, with all tracing and compiling.
    - `peak`: the highest memory in the first two calls above that before them, in bytes; None where the system
      does not tell, and for a program that runs beside this process.
    - `call`: a loss and gradient; `products`: their two matrix products alone, where the framework's file has them.
      Each takes the next of several sets of weights.
    - `begin`: begins a call, which a GPU may still compute when this returns.
    """

    seconds: float
    peak: int | None
    call: Callable[[], float]
    products: Callable[[], float] | None
    begin: Callable[[], object]


def make_first_call(framework: Framework, problem: Problem) -> FirstCall:
    """Prepares a problem, and computes its loss and gradient twice."""
    baseline = _read_memory("VmRSS")
    _forget_peak()
    start = time.perf_counter()
    prepared = framework.prepare(problem)
    prepared.loss_and_grad(prepared.place(problem.W))
    seconds = time.perf_counter() - start
    prepared.loss_and_grad(prepared.place(problem.W))
    beside = prepared.read_clock is not None  # its memory is not that of this process
    peak = max(0, _read_memory("VmHWM") - baseline) if baseline and not beside else None

    count = 2 if problem.W.size > 10**6 else 8
    weights = itertools.cycle(
        [prepared.place(problem.W * problem.W.dtype.type(1 + 0.01 * i)) for i in range(count)]
    )

    def call() -> float:
        W = next(weights)
        start = time.perf_counter()
        loss, _ = prepared.loss_and_grad(W)
        prepared.read_loss(loss)
        seconds = time.perf_counter() - start
        return seconds if prepared.read_clock is None else prepared.read_clock()

    def time_products(compute: Callable[[Any], object]) -> float:
        W = next(weights)
        start = time.perf_counter()
        compute(W)
        return time.perf_counter() - start

    products = None if prepared.products is None else partial(time_products, prepared.products)
    compute = prepared.begin or prepared.loss_and_grad
    return FirstCall(seconds, peak, call, products, lambda: compute(next(weights)))


def time_turn(call: Callable[[], float]) -> float:
    """The median seconds of the calls in one turn. There are at least two calls, or one if it takes long."""
    waking = call()
    if waking > LONG_SECONDS:
        return waking
    seconds: list[float] = []
    end = time.perf_counter() + TURN_SECONDS
    while len(seconds) < 2 or (time.perf_counter() < end and len(seconds) < CALLS_AT_MOST):
        seconds.append(call())
    return float(np.median(seconds))


def time_turn_on_gpu(time_row: Callable[[int], float]) -> float:
    """The seconds of a call in one turn. `time_row` times so many in a row; there are at least two, or one if it takes long."""
    waking = time_row(1)
    if waking > LONG_SECONDS:
        return waking
    count = TURN_SECONDS / max(time_row(2), TURN_SECONDS / CALLS_AT_MOST)
    return time_row(max(round(count), 2))


def _read_memory(which: str) -> int:
    """Bytes of this process, from the kernel: `"VmRSS"` now, `"VmHWM"` at most; 0 where there is no such file."""
    with contextlib.suppress(OSError), open("/proc/self/status", encoding="utf-8") as file:
        for line in file:
            if line.startswith(which):
                return int(line.split()[1]) * 1024
    return 0


def _forget_peak() -> None:
    with contextlib.suppress(OSError), open("/proc/self/clear_refs", "w", encoding="utf-8") as file:
        file.write("5")
