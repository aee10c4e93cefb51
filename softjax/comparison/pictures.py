"""The pictures of a comparison. A row is a library and a way of calling it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator, NullFormatter

from softjax.comparison.outcomes import LEVELS, Level
from softjax.drawing import BLUE, MEDIUM, SMALL, VERMILION, start_picture

ROW = 0.185  # inches


@dataclass(frozen=True)
class Look:
    """How a level looks: its colour, that of the sign on it, the sign, and its name in the legend."""

    color: str
    ink: str
    sign: str
    label: str


LOOKS: dict[Level, Look] = {
    "right": Look(BLUE, "white", "✓", "right, also by an error where one is due"),
    "documented": Look("#a6d5f2", "black", "§", "not right by the formula, but as documented"),
    "loud": Look("#f7e27a", "black", "!", "NaN, ∞ or an error instead of what is right"),
    "wrong": Look(VERMILION, "white", "✗", "a finite value that is wrong"),
    "dead": Look("black", "white", "†", "the process crashed or hung"),
    "absent": Look("#f0f0f0", "0.45", "–", "not offered, or not run"),
}


@dataclass(frozen=True)
class Panel:
    """One panel of dots, a dot a row, on a logarithmic axis.

    **Fields:**

    - `title`, `label`: of the panel and of its axis, with the unit; `values`: NaN where not measured.
    - `spread`: the quartiles; `before`: a second value of each row, a hollow dot; `floor`: a line.
    - `least`: what is less is drawn as an arrow at the left edge.
    """

    title: str
    label: str
    values: Float[np.ndarray, " F"]
    spread: Float[np.ndarray, "2 F"] | None = None
    before: Float[np.ndarray, " F"] | None = None
    floor: float = float("nan")
    least: float = 0.0


def draw_tallies(
    rows: Sequence[str], counts: Int[np.ndarray, "F L"], marked: Collection[str], title: str
) -> Figure:
    """Draws a bar for each row, with a segment for each level.

    **Arguments:**

    - `rows`: names, from top to bottom; `counts`: of cases, by row and level; `marked`: the rows in bold type.
    """
    figure, (axes,) = _start(rows, marked, title, panels=1)
    left = np.zeros(len(rows))
    for level, lengths in zip(LEVELS, counts.T, strict=True):
        look = LOOKS[level]
        axes.barh(
            np.arange(len(rows)), lengths, left=left, height=0.86, color=look.color, edgecolor="white", lw=0.8
        )
        for row in np.flatnonzero(lengths).tolist():
            n = int(lengths[row])
            text = look.sign if n == 1 else f"{look.sign} {n}" if n > 4 else str(n)
            _write(axes, left[row] + n / 2, row, text, look.ink)
        left += lengths
    axes.set_xlim(0, max(1, left.max(initial=0)))
    axes.set_xlabel("edge cases", fontsize=SMALL)
    for spine in axes.spines.values():
        spine.set_visible(False)
    _add_legend(figure, [level for level, lengths in zip(LEVELS, counts.T, strict=True) if lengths.any()])
    return figure


def draw_outcomes(
    rows: Sequence[str],
    cases: Sequence[str],
    levels: Sequence[Sequence[Level]],
    texts: Sequence[Sequence[str]],
    marked: Collection[str],
    title: str,
) -> Figure:
    """Draws a table of rows × cases, coloured by level, with a short text in each cell."""
    figure, (axes,) = _start(rows, marked, title, panels=1, extra=0.055 * max(map(len, cases)))
    numbers = np.array([[LEVELS.index(level) for level in row] for row in levels])
    colors = ListedColormap([LOOKS[level].color for level in LEVELS])
    edges = np.arange(len(cases) + 1) - 0.5, np.arange(len(rows) + 1) - 0.5
    axes.pcolormesh(
        *edges, numbers, cmap=colors, vmin=-0.5, vmax=len(LEVELS) - 0.5, edgecolors="white", linewidth=0.8
    )
    axes.set_xticks(np.arange(len(cases)), cases, rotation=90, fontsize=SMALL)
    axes.tick_params(length=0, labeltop=True, labelbottom=False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    for i, j in np.ndindex(*numbers.shape):
        _write(axes, j, i, texts[i][j], LOOKS[levels[i][j]].ink)
    _add_legend(figure, [level for level in LEVELS if any(level in row for row in levels)], signs=False)
    return figure


def draw_ranges(
    rows: Sequence[str],
    ranges: Mapping[str, Float[np.ndarray, "F 2"]],
    lost: Mapping[str, Bool[np.ndarray, " F"]],
    marked: Collection[str],
    label: str,
    title: str,
) -> Figure:
    """Draws one panel a type, and in it a line for each row, from its least to its largest value, with a dot there.

    **Arguments:**

    - `ranges`: by panel, NaN where not measured; `lost`: whether a row has values that are not finite, too: ∞.
    """
    figure, panels = _start(rows, marked, title, panels=len(ranges))
    ours = np.isin(list(rows), list(marked))
    for axes, (name, ends) in zip(panels, ranges.items(), strict=True):
        known = np.isfinite(ends).all(axis=1)
        limits = _set_decades(axes, [1.0, *ends[known].ravel()], room=bool(lost[name].any()))
        shown = np.clip(ends, limits[0], None)
        for which, color, marker in ((known & ~ours, BLUE, "o"), (known & ours, VERMILION, "D")):
            at = np.flatnonzero(which)
            axes.hlines(at, shown[at, 0], shown[at, 1], color=color, linewidth=1.6)
            axes.scatter(shown[at, 1], at, color=color, marker=marker, s=22, zorder=3)
        axes.axvline(1.0, color="0.5", linewidth=1, linestyle=":", zorder=1)
        axes.grid(axis="x", color="0.92")
        edge = axes.get_yaxis_transform()
        for row in np.flatnonzero(lost[name]).tolist():
            axes.text(0.985, row, "∞", transform=edge, ha="right", va="center", in_layout=False)
        axes.set_title(name, fontsize=MEDIUM)
        axes.set_xlabel(label, fontsize=SMALL)
    handles = [_dot(BLUE, "o", "from the best case to the worst (dot)"), _dot(VERMILION, "D", "softjax")]
    if any(one.any() for one in lost.values()):
        handles.append(Line2D([], [], linestyle="", label="∞  NaN or ∞ in some case"))
    handles.append(Line2D([], [], color="0.5", linewidth=1, linestyle=":", label="1 rounding"))
    figure.legend(handles=handles, loc="outside lower left", ncols=4, frameon=False, fontsize=SMALL)
    return figure


def draw_dots(
    rows: Sequence[str],
    panels: Sequence[Panel],
    marked: Collection[str],
    title: str,
    *,
    value: str,
    before: str = "",
    floor: str = "",
) -> Figure:
    """Draws panels of dots beside one another, with a ring around the least dot of each.

    **Arguments:**

    - `marked`: the rows in bold type, with dots of another colour and shape.
    - `value`, `before`, `floor`: what dots, hollow dots and lines are, for the legend.
    """
    figure, drawn = _start(rows, marked, title, panels=len(panels))
    ours = np.isin(list(rows), list(marked))
    for axes, panel in zip(drawn, panels, strict=True):
        _draw_panel(axes, panel, ours)
    spread = any(panel.spread is not None for panel in panels)
    handles = [
        _dot(BLUE, "o", value + (", with quartiles" if spread else "")),
        _dot(VERMILION, "D", "softjax"),
    ]
    handles.append(Line2D([], [], color="none", marker="o", markersize=9, mec="black", label="the least"))
    if before:
        handles.append(Line2D([], [], color="none", marker="o", markersize=5, mec="0.35", label=before))
    if floor:
        handles.append(Line2D([], [], color="0.35", linestyle="--", linewidth=1, label=floor))
    if any((panel.values < panel.least).any() for panel in panels):
        handles.append(
            Line2D(
                [], [], color=BLUE, marker="<", linestyle="", markersize=5, label="less than the axis shows"
            )
        )
    figure.legend(handles=handles, loc="outside lower left", ncols=5, frameon=False, fontsize=SMALL)
    return figure


def _draw_panel(axes: Axes, panel: Panel, ours: Bool[np.ndarray, " F"]) -> None:
    known = np.isfinite(panel.values)
    values = np.maximum(panel.values, panel.least)
    spread = np.empty((2, 0)) if panel.spread is None else panel.spread[:, known]
    before = np.full(len(values), np.nan) if panel.before is None else np.maximum(panel.before, panel.least)
    seen = np.concatenate([values[known], before[np.isfinite(before)], spread.ravel(), [panel.floor]])
    _set_decades(axes, seen)
    rows = np.arange(len(values))
    if spread.size:
        axes.hlines(rows[known], *spread, color="0.45", linewidth=1.4)
    axes.scatter(before, rows, facecolors="none", edgecolors="0.35", s=18, zorder=2)
    under = panel.values < panel.least
    if under.any():
        axes.set_xlim(left=panel.least / 1.4)
    for which, color, marker in (
        (known & ~ours & ~under, BLUE, "o"),
        (known & ours & ~under, VERMILION, "D"),
        (known & ~ours & under, BLUE, "<"),
        (known & ours & under, VERMILION, "<"),
    ):
        axes.scatter(values[which], rows[which], color=color, marker=marker, s=22, zorder=3)
    if known.any() and not under.any():  # what is less than the axis shows is not told apart
        least = int(np.nanargmin(panel.values))
        axes.scatter(
            values[least], least, facecolors="none", edgecolors="black", s=75, linewidths=1.1, zorder=4
        )
    if np.isfinite(panel.floor):
        axes.axvline(panel.floor, color="0.35", linewidth=1, linestyle="--", zorder=1)
    axes.grid(axis="x", color="0.92")
    axes.set_title(panel.title, fontsize=MEDIUM)
    axes.set_xlabel(panel.label, fontsize=SMALL)


def _start(
    rows: Sequence[str], marked: Collection[str], title: str, panels: int, extra: float = 0.0
) -> tuple[Figure, list[Axes]]:
    """A figure with panels that share the rows, from top to bottom. `extra` is more height, in inches."""
    figure = start_picture(title, ROW * len(rows) + 1.45 + extra)
    drawn = list(figure.subplots(1, panels, sharey=True, squeeze=False)[0])
    for axes in drawn:
        axes.set_yticks(np.arange(len(rows)), rows, fontsize=SMALL)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.tick_params(labelsize=SMALL, length=0)
        axes.grid(axis="y", color="0.92")
        axes.set_axisbelow(True)
    for label, row in zip(drawn[0].get_yticklabels(), rows, strict=True):
        label.set_fontweight("bold" if row in marked else "normal")
    return figure, drawn


def _write(axes: Axes, x: int | float, y: int | float, text: str, color: str) -> None:
    axes.text(
        x, y, text, ha="center", va="center_baseline", fontsize=SMALL - 0.5, color=color, in_layout=False
    )


def _add_legend(figure: Figure, levels: Sequence[Level], *, signs: bool = True) -> None:
    """Names the colours of the levels, and with `signs` the signs on them."""
    handles = [
        Patch(
            facecolor=look.color, edgecolor="0.6", linewidth=0.5,
            label=f"{look.sign}  {look.label}" if signs else look.label,
        )
        for look in map(LOOKS.__getitem__, levels)
    ]  # fmt: skip
    figure.legend(handles=handles, loc="outside lower left", ncols=2, frameon=False, fontsize=SMALL)


def _dot(color: str, marker: str, label: str) -> Line2D:
    return Line2D([], [], color=color, marker=marker, linestyle="", markersize=5, label=label)


def _set_decades(
    axes: Axes, values: Sequence[float] | Float[np.ndarray, " V"], room: bool = False
) -> tuple[float, float]:
    """Makes the axis logarithmic, of whole decades, four of them labelled; with `room`, of one more. Gives its limits."""
    positive = [value for value in values if 0 < value < np.inf] or [1.0]
    low, high = np.floor(np.log10(0.8 * min(positive))), np.ceil(np.log10(1.25 * max(positive)))
    if room:
        high += 0.15 * (high - low)
    limits = float(10**low), float(10**high)
    axes.set_xlim(limits)  # first: without positive limits or data the axis cannot be logarithmic
    axes.set_xscale("log")
    axes.set_xlim(limits)
    axes.xaxis.set_major_locator(LogLocator(numticks=5))
    axes.xaxis.set_minor_formatter(NullFormatter())
    return limits
