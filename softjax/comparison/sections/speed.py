"""The section on speed and memory: steady state, first call and peak memory."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from softjax.comparison import pictures
from softjax.comparison.cases import ACCURACY, SIZES
from softjax.comparison.frameworks import FRAMEWORKS
from softjax.comparison.records import Speed
from softjax.comparison.sections.cells import list_frameworks
from softjax.reports.markdown import render, table


def write(speeds: Sequence[Speed]) -> str:
    """The section as text."""
    fastest = {case: find_fastest(speeds, case) for case in SIZES}
    floors = [f"{case} {_milliseconds(_find_floor(speeds, case))}" for case in _choose_sizes(speeds)]
    return render(
        Path(__file__).with_suffix(".md"),
        floors=", ".join(floors),
        by_hand=_describe_by_hand(speeds, fastest),
        steady=_tabulate(speeds, lambda speed: _format_steady(speed, fastest[speed.case])),
        first_calls=_tabulate(
            speeds, lambda speed: f"{speed.first_seconds:.2f} ({speed.import_seconds:.1f})"
        ),
        memory=_tabulate(speeds, _format_memory),
    )


def draw(speeds: Sequence[Speed], folder: Path) -> None:
    """Draws speed.png, first_call.png and memory.png, if anything was measured."""
    measured = [speed for speed in speeds if speed.status == "measured"]
    if not measured:
        return
    names, cases = list_frameworks(measured), _choose_sizes(speeds)
    titles = [FRAMEWORKS[name].title for name in names]
    found = {(speed.case, speed.framework): speed for speed in measured}

    def collect(figure: str, scale: float, least: float = 0.0) -> dict[str, np.ndarray]:
        """For each size, one value for each framework, at least `least`; NaN if it was not measured."""

        def read(case: str, name: str) -> float:
            value = getattr(found.get((case, name)), figure, None)
            return math.nan if value is None else max(least, scale * value)

        return {ACCURACY[case].title: np.array([read(case, name) for name in names]) for case in cases}

    low, high = collect("low_seconds", 1e3), collect("high_seconds", 1e3)
    steady = pictures.draw_dots(
        collect("seconds", 1e3),
        {size: np.stack([low[size], high[size]]) for size in low},
        {ACCURACY[case].title: 1e3 * _find_floor(measured, case) for case in cases},
        titles,
        "ms a call",
        "Loss and gradient in steady state, float32 (red: the fastest; dashed: an estimate of the least time possible)",
    )
    first_call = pictures.draw_dots(
        collect("first_seconds", 1.0),
        None,
        None,
        titles,
        "s",
        "The first call, with tracing and compiling (red: the fastest)",
    )
    memory = pictures.draw_dots(
        collect("peak_bytes", 1e-6, least=0.1),
        None,
        None,
        titles,
        "MB",
        "Peak memory, less the memory before the first call (red: the least; 0.1 means 0.1 or less)",
    )
    for name, figure in {"speed": steady, "first_call": first_call, "memory": memory}.items():
        figure.savefig(folder / f"{name}.png", dpi=150)


def find_fastest(speeds: Sequence[Speed], case: str) -> float:
    """The seconds of the fastest framework at a size; NaN if none was measured."""
    return min((s.seconds for s in speeds if s.case == case and s.seconds is not None), default=math.nan)


def _find_floor(speeds: Sequence[Speed], case: str) -> float:
    return next((s.floor_seconds for s in speeds if s.case == case and s.floor_seconds), math.nan)


def _choose_sizes(speeds: Sequence[Speed]) -> list[str]:
    return [case for case in SIZES if any(speed.case == case for speed in speeds)]


def _tabulate(speeds: Sequence[Speed], cell: Callable[[Speed], str]) -> str:
    """A row for each framework, a cell for each size; `cell` writes the cells that were measured."""
    found = {(speed.framework, speed.case): speed for speed in speeds}
    cases = _choose_sizes(speeds)
    rows = [("framework", *(ACCURACY[case].title for case in cases))]
    for name in list_frameworks(speeds):
        cells = []
        for case in cases:
            speed = found[name, case]
            why = f" ({speed.message})" if speed.status == "not run" else ""
            cells.append(cell(speed) if speed.status == "measured" else speed.status + why)
        rows.append((FRAMEWORKS[name].title, *cells))
    return table(rows, align="left")


def _format_steady(speed: Speed, fastest: float) -> str:
    assert speed.seconds is not None
    assert speed.low_seconds is not None
    assert speed.high_seconds is not None
    assert speed.floor_seconds is not None
    quartiles = f"{_milliseconds(speed.low_seconds)} to {_milliseconds(speed.high_seconds)}"
    ratios = f"{speed.seconds / fastest:.2f} × fastest, {speed.seconds / speed.floor_seconds:.1f} × floor"
    return f"{_milliseconds(speed.seconds)} ({quartiles}); {ratios}"


def _format_memory(speed: Speed) -> str:
    if speed.peak_bytes is None:
        return "not measured"
    if speed.peak_bytes < 1e5:
        return "below 0.1"
    return f"{speed.peak_bytes / 1e6:,.{1 if speed.peak_bytes < 1e7 else 0}f}"


def _describe_by_hand(speeds: Sequence[Speed], fastest: dict[str, float]) -> str:
    """How JAX by hand compares with the fastest, and how much of its time the matrix products take."""
    numpy = {speed.case: speed.products_seconds for speed in speeds if speed.framework == "numpy-vectorized"}
    ratios, products = [], []
    for speed in speeds:
        if speed.framework != "jax-by-hand" or speed.seconds is None:
            continue
        ratios.append(f"{speed.seconds / fastest[speed.case]:.2f} times the fastest at {speed.case}")
        if speed.products_seconds is not None:
            beside = numpy.get(speed.case)
            products.append(
                f"{_milliseconds(speed.products_seconds)} at {speed.case}"
                + (f" (NumPy's {_milliseconds(beside)})" if beside is not None else "")
            )
    if not ratios:
        return "JAX by hand was not timed."
    text = f"JAX by hand takes {', '.join(ratios)}."
    if products:
        text += f" Its two matrix products alone, in the same process and rounds, take {', '.join(products)}."
    return text


def _milliseconds(seconds: float) -> str:
    return f"{1e3 * seconds:.3g} ms"
