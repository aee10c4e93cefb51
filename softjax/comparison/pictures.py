"""The pictures of a comparison."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator, NullFormatter

# From blue through grey to red: colour-blind readers can tell them apart, and the cells have words too.
LEVELS = {
    "right": ("#4393c3", "right, including a required error"),
    "loud": (
        "#fddbc7",
        "NaN, ∞ or an error instead of the value (in italics: NaN instead of a required error)",
    ),
    "wrong": ("#d6604d", "a wrong value, without an error"),
    "dead": ("#67001f", "the process crashed or hung"),
    "absent": ("#f7f7f7", "not installed, or not offered"),
}
LEVEL_OF = {
    "right": "right",
    "nan": "loud",
    "error": "loud",
    "wrong": "wrong",
    "crash": "dead",
    "hang": "dead",
}
MARKERS = "osD^v<>P"


def draw_conformance(
    statuses: Sequence[Sequence[str]],
    texts: Sequence[Sequence[str]],
    cases: Sequence[str],
    frameworks: Sequence[str],
    title: str,
) -> Figure:
    """Draws a table of cases × frameworks, coloured by outcome."""
    names = list(LEVELS)
    levels = np.array([[names.index(LEVEL_OF.get(status, "absent")) for status in row] for row in statuses])
    figure = Figure(figsize=(0.78 * len(frameworks) + 3.2, 0.27 * len(cases) + 2.4), layout="constrained")
    axes = figure.subplots()
    colors = ListedColormap([color for color, _ in LEVELS.values()])
    axes.pcolormesh(levels, cmap=colors, vmin=-0.5, vmax=len(LEVELS) - 0.5, edgecolors="white", linewidth=1)
    axes.invert_yaxis()
    axes.set_xticks(
        np.arange(len(frameworks)) + 0.5, frameworks, rotation=45, ha="left", rotation_mode="anchor"
    )
    axes.set_yticks(np.arange(len(cases)) + 0.5, cases)
    axes.tick_params(length=0, labelsize=8, labeltop=True, labelbottom=False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    for i, j in np.ndindex(*levels.shape):
        dark = names[levels[i, j]] in ("dead", "wrong", "right")
        style = "italic" if statuses[i][j] == "nan" and texts[i][j].endswith("*") else "normal"
        axes.text(
            j + 0.5,
            i + 0.5,
            texts[i][j].rstrip("*"),
            ha="center",
            va="center",
            fontsize=6.5,
            style=style,
            color="white" if dark else "0.25",
        )
    present = [
        Patch(facecolor=LEVELS[name][0], label=LEVELS[name][1])
        for k, name in enumerate(names)
        if (levels == k).any()
    ]
    figure.legend(handles=present, loc="outside lower left", ncols=1, frameon=False, fontsize=8)
    figure.suptitle(title)
    return figure


def draw_accuracy(
    errors: Mapping[str, Float[np.ndarray, "F C"]],
    roundoff: Mapping[str, float],
    frameworks: Sequence[str],
    cases: Sequence[str],
    title: str,
) -> Figure:
    """Draws the relative error of each framework's gradient, one panel a type, one marker a case."""
    figure = Figure(figsize=(3.0 * len(errors) + 2.2, 0.26 * len(frameworks) + 2.0), layout="constrained")
    panels = figure.subplots(1, len(errors), sharey=True, squeeze=False)[0]
    rows = np.arange(len(frameworks))
    for axes, (dtype, error) in zip(panels, errors.items(), strict=True):
        for k, case in enumerate(cases):
            shift = 0.5 * (k / max(1, len(cases) - 1) - 0.5)
            axes.plot(
                error[:, k], rows + shift, MARKERS[k % len(MARKERS)], markersize=4, label=case, alpha=0.85
            )
        axes.axvline(roundoff[dtype], color="0.4", linewidth=0.8, linestyle="--", zorder=0)
        _set_decades(axes, [roundoff[dtype], *error[np.isfinite(error)]])
        axes.set_title(dtype, fontsize=10)
        axes.set_yticks(rows, frameworks)
        axes.tick_params(labelsize=8)
        axes.set_xlabel("relative error of the gradient", fontsize=8)
        axes.grid(axis="y", color="0.93")
        axes.set_axisbelow(True)
    panels[0].invert_yaxis()
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=min(8, len(cases)), frameon=False, fontsize=8
    )
    figure.suptitle(f"{title} (dashed: the type's unit roundoff)")
    return figure


def draw_dots(
    values: Mapping[str, Float[np.ndarray, " F"]],
    spreads: Mapping[str, Float[np.ndarray, "2 F"]] | None,
    floors: Mapping[str, float] | None,
    frameworks: Sequence[str],
    label: str,
    title: str,
) -> Figure:
    """Draws one panel a problem, one dot a framework, the least in red, on a logarithmic axis.

    **Arguments:**

    - `values`: by problem, NaN where not measured; `spreads`: their quartiles; `floors`: a line in each panel.
    - `label`: of the axis, with the unit.
    """
    figure = Figure(figsize=(2.7 * len(values) + 2.2, 0.26 * len(frameworks) + 1.9), layout="constrained")
    panels = figure.subplots(1, len(values), sharey=True, squeeze=False)[0]
    rows = np.arange(len(frameworks))
    for axes, (problem, lengths) in zip(panels, values.items(), strict=True):
        known = np.isfinite(lengths) & (lengths > 0)
        floor = np.nan if floors is None else floors[problem]
        errors = None
        if spreads is not None:
            low, high = spreads[problem][:, known]
            errors = np.maximum(0, np.stack([lengths[known] - low, high - lengths[known]]))
        fastest = lengths[known].min() if known.any() else np.nan
        axes.errorbar(lengths[known], rows[known], xerr=errors, fmt="none", ecolor="0.4", capsize=2)
        colors = ["#d6604d" if value == fastest else "#2166ac" for value in lengths[known]]
        axes.scatter(lengths[known], rows[known], color=colors, s=28, zorder=3)
        _set_decades(axes, [*lengths[known], floor])
        if np.isfinite(floor):
            axes.axvline(floor, color="0.3", linewidth=1.0, linestyle="--")
        axes.set_title(problem, fontsize=9)
        axes.set_xlabel(label, fontsize=8)
        axes.set_yticks(rows, frameworks)
        axes.tick_params(labelsize=8)
        axes.grid(color="0.93")
        axes.set_axisbelow(True)
        for row in rows[~known]:
            axes.text(
                0.03,
                row,
                "not measured",
                transform=axes.get_yaxis_transform(),
                fontsize=6.5,
                va="center",
                color="0.5",
            )
    panels[0].invert_yaxis()
    figure.suptitle(title)
    return figure


def _set_decades(axes: Axes, values: Sequence[float]) -> None:
    """Makes the axis logarithmic, of whole decades, at most eight of them labelled."""
    positive = [value for value in values if 0 < value < np.inf] or [1.0]
    limits = 10 ** np.floor(np.log10(0.8 * min(positive))), 10 ** np.ceil(np.log10(1.25 * max(positive)))
    axes.set_xlim(limits)  # first: without positive limits or data the axis cannot be logarithmic
    axes.set_xscale("log")
    axes.set_xlim(limits)
    axes.xaxis.set_major_locator(LogLocator(numticks=8))
    axes.xaxis.set_minor_formatter(NullFormatter())
