"""The pictures of benchmarks: how often gradient checkers catch faults, how long training steps take."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from softjax.drawing import (
    BLUE,
    COLOR_MAP,
    MARKERS,
    SERIES,
    SMALL,
    VERMILION,
    label_ends,
    label_logarithms,
    start_picture,
    tidy_axes,
)

ROW = 0.2  # inches
OURS = "softjax"


def detection(
    rates: Mapping[str, Float[np.ndarray, "F P"]],
    rows: Sequence[str],
    checkers: Sequence[str],
    num_summary: int,
    heading: str,
    title: str,
) -> Figure:
    """Per cent, one panel per type: rows × checkers. `heading` parts the first `num_summary` rows from the others."""
    figure = start_picture(title, ROW * (len(rows) + 1) + 1.2)
    at = np.arange(len(rows)) + (np.arange(len(rows)) >= num_summary)
    edges = np.arange(len(checkers) + 1) - 0.5
    panels = figure.subplots(1, len(rates), sharey=True, squeeze=False)[0]
    for axes, (dtype, share) in zip(panels, rates.items(), strict=True):
        for part in (slice(0, num_summary), slice(num_summary, None)):
            ends = np.append(at[part] - 0.5, at[part][-1:] + 0.5)
            axes.pcolormesh(
                edges, ends, np.ma.masked_invalid(share[part]), cmap=COLOR_MAP, vmin=0, vmax=1,
                edgecolors="white", linewidth=0.5,
            )  # fmt: skip
        for i, j in np.ndindex(*share.shape):
            text = "–" if np.isnan(share[i, j]) else f"{100 * share[i, j]:.0f}"
            color = "white" if share[i, j] < 0.6 else "black"
            axes.text(
                j,
                at[i],
                text,
                ha="center",
                va="center_baseline",
                fontsize=SMALL,
                color=color,
                in_layout=False,
            )
        axes.set_title(dtype)
        tidy_axes(axes)
        axes.set_xticks(range(len(checkers)), checkers, rotation=60, ha="right", rotation_mode="anchor")
        axes.set_yticks([*at, num_summary], [*rows, heading])
        axes.set_ylim(at[-1] + 0.5, -0.5)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        _embolden(axes, [*rows[:num_summary], OURS])
        _head(axes, [heading])
    return figure


def step_times(
    groups: Mapping[str, Mapping[str, Float[np.ndarray, " R"]]], ours: Collection[str], floor: str, title: str
) -> Figure:
    """Milliseconds of a step of each competitor, sorted within each group: medians and quartiles over the rounds.

    A line shows the time of `floor`, which is one of them.
    """
    medians = {name: float(np.median(times)) for group in groups.values() for name, times in group.items()}
    figure = start_picture(title, ROW * (len(medians) + len(groups)) + 0.9)
    axes = tidy_axes(figure.subplots(), grid="x")
    low, high = min(medians.values()), max(medians.values())
    room = (1.3 * high / low) ** 0.2  # on both sides, for the numbers
    axes.set_xlim(low / room, high * room)
    axes.set_xscale("log")
    rows: list[str] = []
    for group, members in groups.items():
        rows.append(group)
        for name in sorted(members, key=medians.__getitem__):
            _draw_time(axes, len(rows), members[name], name in ours, medians[floor])
            rows.append(name)
    axes.axvline(medians[floor], color="0.35", linewidth=1, linestyle="--", zorder=1)
    right = medians[floor] ** 2 > low * high  # where there is more room on its left
    axes.annotate(
        f"floor: {floor}", (medians[floor], 0), (-5 if right else 5, 0), textcoords="offset points",
        ha="right" if right else "left", va="center", fontsize=SMALL, color="0.35",
    )  # fmt: skip
    axes.set_yticks(range(len(rows)), rows)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    label_logarithms(axes.xaxis)
    axes.set_xlabel("ms a step: median over the rounds, and quartiles (logarithmic scale)")
    _embolden(axes, ours)
    _head(axes, groups)
    return figure


def _draw_time(axes: Axes, row: int, times: Float[np.ndarray, " R"], ours: bool, floor: float) -> None:
    low, middle, high = np.quantile(times, (0.25, 0.5, 0.75))
    color = VERMILION if ours else BLUE
    axes.hlines(row, low, high, color="0.45", linewidth=1.4)
    axes.plot(middle, row, "D" if ours else "o", color=color, markersize=5)
    left = middle < floor  # where the line of the floor does not cross the number
    axes.annotate(
        f"{middle:#.3g}".rstrip("."), (low if left else high, row), (-6 if left else 6, 0), textcoords="offset points",
        ha="right" if left else "left", va="center", fontsize=SMALL, color=color,
    )  # fmt: skip


def scaling(
    by_size: Mapping[int, Mapping[str, float]], ours: str, alone: Collection[str], title: str
) -> Figure:
    """Microseconds of a step for each configuration, against their number, with one line per competitor.

    `alone`: the competitors that train one configuration after another, whose time for each does not depend on their number.
    """
    height = 4.6
    figure = start_picture(title, height)
    axes = tidy_axes(figure.subplots(), grid="both")
    sizes, ends = list(by_size), []
    axes.set(xscale="log", yscale="log", xlim=(sizes[0], sizes[-1]))
    axes.margins(y=0.06)
    others = 0
    for name in next(iter(by_size.values())):
        each = [1e3 * line[name] / size for size, line in by_size.items()]
        style: dict[str, Any]
        if name == ours:
            style = {"color": VERMILION, "linewidth": 2.6, "marker": "D", "markersize": 6, "zorder": 4}
        else:
            style = {
                "color": SERIES[others % len(SERIES)], "linewidth": 1.3, "markersize": 4.5,
                "marker": "" if name in alone else MARKERS[others % len(MARKERS)],
                "linestyle": "--" if name in alone else "-",
            }  # fmt: skip
            others += 1
        axes.plot(sizes, each, clip_on=False, **style)
        ends.append((float(sizes[-1]), each[-1], f"{each[-1]:,.0f}  {name}", str(style["color"])))
    axes.set_ylim(axes.get_ylim())  # they are kept from here on
    label_ends(axes, ends, 0.8 * height, bold=[text for _, _, text, _ in ends if text.endswith(f"  {ours}")])
    axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
    axes.minorticks_off()
    label_logarithms(axes.yaxis)
    axes.set_xlabel("classifiers trained at once, each with its configuration (logarithmic scale)")
    axes.set_ylabel("µs a step, for each classifier (logarithmic scale)")
    if alone:
        line = Line2D(
            [],
            [],
            color="0.35",
            linestyle="--",
            linewidth=1.3,
            label="one after another, so the time for each is always the same",
        )
        figure.legend(handles=[line], loc="outside lower left", frameon=False, fontsize=SMALL)
    return figure


def acceptance(rates: Mapping[str, Mapping[str, tuple[float, float]]], title: str) -> Figure:
    """Right gradients accepted and large faults caught, in per cent: a panel for each selection, a row for each checker.

    The rows are sorted by the sum of the two in the first panel.
    """
    first = next(iter(rates.values()))
    names = sorted(first, key=lambda name: -np.nan_to_num(first[name]).sum())
    figure = start_picture(title, ROW * len(names) + 1.3)
    panels = figure.subplots(1, len(rates), sharey=True, sharex=True, squeeze=False)[0]
    for axes, (where, of_checker) in zip(panels, rates.items(), strict=True):
        for row, name in enumerate(names):
            accepted, caught = (100 * share for share in of_checker[name])
            color = VERMILION if name == OURS else BLUE
            axes.hlines(row, *sorted((accepted, caught)), color="0.6", linewidth=1.4)
            axes.plot(accepted, row, "o", color=color, markersize=5)
            axes.plot(
                caught, row, "D", color=color, markersize=8, markerfacecolor="none", markeredgewidth=1.4
            )
        axes.set_title(where)
        tidy_axes(axes, grid="both")
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.tick_params(axis="y", length=0)
        _embolden(axes, [OURS])
    lowest = min(
        (100 * np.nanmin(pair) for of_checker in rates.values() for pair in of_checker.values()), default=0
    )
    start = max(0, 10 * (lowest // 10) - 5) if lowest > 20 else -3
    axes.set_xlim(start, 103)
    for axes in panels:
        axes.set_xlabel("per cent" + (f" (the axis begins at {start:.0f})" if start > 0 else ""))
    handles = [
        Line2D([], [], color=BLUE, marker="o", linestyle="", markersize=5, label="right gradients accepted"),
        Line2D(
            [], [], color=BLUE, marker="D", linestyle="", markersize=8, markerfacecolor="none",
            label="large faults caught: rejected, and the right gradient of the same function accepted",
        ),
    ]  # fmt: skip
    figure.legend(handles=handles, loc="outside lower left", ncols=2, frameon=False, fontsize=SMALL)
    return figure


def _embolden(axes: Axes, names: Collection[str]) -> None:
    """Sets the names of these rows and columns in bold type."""
    for label in [*axes.get_xticklabels(), *axes.get_yticklabels()]:
        if label.get_text() in names:
            label.set_fontweight("bold")


def _head(axes: Axes, headings: Collection[str]) -> None:
    """Sets these rows in the type of headings."""
    for label in axes.get_yticklabels():
        if label.get_text() in headings:
            label.set(fontstyle="italic", color="0.35")
