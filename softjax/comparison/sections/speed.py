"""The sections on speed: steady state, first call and peak memory."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from softjax.comparison import pictures
from softjax.comparison.outcomes import group_rows, list_rows
from softjax.comparison.pictures import Panel
from softjax.comparison.records import Speed
from softjax.comparison.sections.cells import (
    choose_sizes,
    format_time,
    join_names,
    join_parts,
    join_rows,
    title_size,
)
from softjax.drawing import save_picture
from softjax.reports.markdown import render, table

BESIDE = (
    "softjax",
    "softjax-jit",
    "jax-grad-jit",
    "torch-eager",
    "numpy-vectorized",
)  # in the table, with the fastest
LEAST_MEMORY = 0.1  # MB: less is not told from nothing


WHERE = "in float32 on the CPU, in steady state, with as many threads as the machine has cores"
WHERE_ON_GPU = "in float32 on the GPU, in steady state"
MEMORY = (
    "Memory is the peak of the process in its first two calls, less its memory before them, when the framework is imported and "
    "the problem is in NumPy arrays."
)
MEMORY_ON_GPU = (
    "Memory is the most that the library had on the GPU in its first two calls, the problem included."
)


def write(speeds: Sequence[Speed], others: Sequence[Speed] = (), *, on_gpu: bool = False) -> str:
    """The sections as text; empty if nothing was measured. Of `others`, in other types, they say where they are."""
    measured = _choose_measured(speeds)
    folder = Path(__file__).parent
    if not measured:
        return ""
    return join_parts(
        render(
            folder / "speed.md",
            where=WHERE_ON_GPU if on_gpu else WHERE,
            table=_tabulate(measured, choose_sizes(speeds)),
            notes=join_parts(_describe_products(measured), _list_not_run(speeds)),
            others=_name_types(others),
        ),
        render(
            folder / "first_call.md",
            memory=MEMORY_ON_GPU if on_gpu else MEMORY,
            table=_tabulate_first_calls(measured),
        ),
    )


def _name_types(others: Sequence[Speed]) -> str:
    types = list(dict.fromkeys(speed.dtype for speed in others))
    return (
        f", also in {join_names(types)}; [the page](report.html) draws them by size and type" if types else ""
    )


def draw(speeds: Sequence[Speed], folder: Path) -> None:
    """Draws speed.png and first_call.png, if anything was measured."""
    measured = _choose_measured(speeds)
    if not measured:
        return
    sizes = choose_sizes(measured)
    main = "development" if "development" in sizes else sizes[-1]

    def collect(rows: Sequence[str], case: str, figure: str, scale: float) -> np.ndarray:
        found = {speed.framework: getattr(speed, figure) for speed in measured if speed.case == case}
        values = [found.get(row) for row in rows]
        return np.array([math.nan if value is None else scale * value for value in values])

    def sort(figure: str) -> list[str]:
        """The rows by a figure at the main size; those that were not measured there come last."""
        rows = list_rows(measured)
        values = np.nan_to_num(collect(rows, main, figure, 1.0), nan=math.inf)
        return [rows[i] for i in np.argsort(values, kind="stable")]

    rows = sort("seconds")
    steady = [
        Panel(
            title_size(case),
            "ms a call",
            collect(rows, case, "seconds", 1e3),
            spread=np.stack([collect(rows, case, f"{end}_seconds", 1e3) for end in ("low", "high")]),
            floor=1e3 * find_floor(measured, case),
        )
        for case in sizes
    ]
    marked = group_rows(rows).get("softjax", [])
    title = f"Loss and gradient in float32, sorted by the time at {title_size(main)}"
    picture = pictures.draw_dots(
        rows, steady, marked, title, value="median", floor="an estimate of the least time possible"
    )
    save_picture(picture, folder, "speed")
    rows = sort("first_seconds")
    first = Panel(
        f"first call, {title_size(main)}",
        "seconds",
        collect(rows, main, "first_seconds", 1.0),
        before=collect(rows, main, "import_seconds", 1.0),
    )
    memory = [
        Panel(
            f"peak memory, {title_size(case)}",
            "MB",
            collect(rows, case, "peak_bytes", 1e-6),
            least=LEAST_MEMORY,
        )
        for case in dict.fromkeys((main, sizes[-1]))
    ]
    title = "First call with all compiling, by which rows are sorted, and peak memory"
    picture = pictures.draw_dots(
        rows, [first, *memory], marked, title, value="first call; memory", before="import"
    )
    save_picture(picture, folder, "first_call")


def find_fastest(speeds: Sequence[Speed], case: str) -> float:
    """The seconds of the fastest row at a size; NaN if none was measured."""
    return min((s.seconds for s in speeds if s.case == case and s.seconds is not None), default=math.nan)


def rank(speeds: Sequence[Speed], case: str) -> list[Speed]:
    """Those that were measured at a size, from the fastest to the slowest."""
    timed = [speed for speed in speeds if speed.case == case and speed.seconds is not None]
    return sorted(timed, key=lambda speed: speed.seconds or 0.0)


def list_tied(ranked: Sequence[Speed]) -> list[str]:
    """The rows, beside the fastest, whose quartiles overlap those of the fastest: the measurement does not tell them apart."""
    fastest = ranked[0]
    return [
        speed.framework
        for speed in ranked[1:]
        if (speed.low_seconds or math.inf) <= (fastest.high_seconds or -math.inf)
    ]


def find_floor(speeds: Sequence[Speed], case: str) -> float:
    """The least time possible at a size, by estimate; NaN if it was not measured."""
    return next((s.floor_seconds for s in speeds if s.case == case and s.floor_seconds), math.nan)


def tabulate_rows(speeds: Sequence[Speed], rows: Sequence[str]) -> str:
    """A table of the speeds of some rows, a line for each row and size; empty if there are none."""
    found = {(speed.framework, speed.case): speed for speed in speeds}
    lines: list[tuple[str, ...]] = [
        ("way", "N × D × K", "time (quartiles)", "× fastest", "first call", "import", "memory")
    ]
    for row in rows:
        for case in choose_sizes(speeds):
            if (row, case) in found:
                lines.append(
                    (f"`{row}`", title_size(case), *_format(found[row, case], find_fastest(speeds, case)))
                )
    return table(lines, align="left") if len(lines) > 1 else ""


def _format(speed: Speed, fastest: float) -> tuple[str, ...]:
    if speed.seconds is None or speed.low_seconds is None or speed.high_seconds is None:
        return (speed.status + (f" ({speed.message})" if speed.status == "not run" else ""), *[""] * 4)
    quartiles = f"{format_time(speed.low_seconds)} to {format_time(speed.high_seconds)}"
    return (
        f"{format_time(speed.seconds)} ({quartiles})",
        f"{speed.seconds / fastest:.2f}",
        "" if speed.first_seconds is None else format_time(speed.first_seconds),
        "" if speed.import_seconds is None else format_time(speed.import_seconds),
        _format_memory(speed.peak_bytes),
    )


def _choose_measured(speeds: Sequence[Speed]) -> list[Speed]:
    return [speed for speed in speeds if speed.status == "measured"]


def _tabulate(measured: Sequence[Speed], sizes: Sequence[str]) -> str:
    """A line for each size: the fastest, what is not told apart from it, and how many times as long well-known rows take."""
    beside = [row for row in BESIDE if any(speed.framework == row for speed in measured)]
    lines = [("N × D × K", "fastest", *(f"`{row}`" for row in beside), "least possible")]
    for case in sizes:
        ranked = rank(measured, case)
        if ranked:
            fastest = find_fastest(measured, case)
            times = {speed.framework: speed.seconds or math.nan for speed in ranked}
            ratios = [f"{times[row] / fastest:.2f}" if row in times else "–" for row in beside]
            floor = find_floor(measured, case)
            lines.append(
                (
                    title_size(case),
                    f"{format_time(fastest)} `{ranked[0].framework}`"
                    + "".join(f", `{row}`" for row in list_tied(ranked)),
                    *ratios,
                    f"{format_time(floor)}" if math.isfinite(floor) else "",
                )
            )
    return table(lines, align="left")


def _list_not_run(speeds: Sequence[Speed]) -> str:
    """The rows that were not timed at a size, in a sentence for each; or that there are none."""
    parts = []
    for case in choose_sizes(speeds):
        rows = [
            s.framework for s in speeds if s.case == case and s.status not in ("measured", "not installed")
        ]
        if rows:
            parts.append(f"{join_rows(rows)} at {title_size(case)}")
    return f"Not timed, because they would take too long or failed: {'; '.join(parts)}." if parts else ""


def _tabulate_first_calls(measured: Sequence[Speed]) -> str:
    """Two lines for each size: the median over the rows, and the ends."""
    lines: list[tuple[str, ...]] = [("N × D × K", "", "median of the rows", "least", "most")]
    for case in choose_sizes(measured):
        timed = [speed for speed in measured if speed.case == case]
        starts = {s.framework: (s.import_seconds or 0.0) + (s.first_seconds or 0.0) for s in timed}
        peaks = {s.framework: float(s.peak_bytes) for s in timed if s.peak_bytes is not None}
        for what, found, write in (
            ("import and first call", starts, format_time),
            ("memory", peaks, _format_memory),
        ):
            if found:
                ordered = sorted(found, key=found.__getitem__)
                ends = [f"{write(found[row])} (`{row}`)" for row in (ordered[0], ordered[-1])]
                lines.append((title_size(case), what, write(float(np.median(list(found.values())))), *ends))
    return table(lines, align="left")


def _format_memory(peak: int | float | None) -> str:
    if peak is None:
        return ""
    megabytes = peak / 1e6
    if megabytes < LEAST_MEMORY:
        return f"below {LEAST_MEMORY} MB"
    return f"{megabytes:,.{1 if megabytes < 10 else 0}f} MB"


def _describe_products(measured: Sequence[Speed]) -> str:
    """How much of the time of `softjax` its matrix products take alone."""
    shares = [
        f"{100 * speed.products_seconds / speed.seconds:.0f} % at {title_size(speed.case)}"
        for speed in measured
        if speed.framework == "softjax" and speed.seconds and speed.products_seconds is not None
    ]
    return (
        f"Of the time of `softjax`, its two matrix products alone take {', '.join(shares)}." if shares else ""
    )
