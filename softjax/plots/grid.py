"""The accuracy of all configurations of a sweep: a heat map of a grid, dots of a search."""

from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.patheffects import AbstractPathEffect, withStroke
from matplotlib.ticker import NullLocator

from softjax.analysis import AtEdges, analyze_sweep
from softjax.datasets.folds import name_validation
from softjax.drawing import (
    BLACK,
    COLOR_MAP,
    SMALL,
    label_bar,
    start_picture,
    tidy_axes,
)
from softjax.ranges import spacing_of
from softjax.training.result import SweepResult

MOST_NUMBERED = 200  # cells with their number
MOST_TICKS = 12
BEST, TIED = 2.2, 1.0  # widths of frames, in points
HALO = 1.2  # of black on each side of a white frame: one of both is seen on any colour


def heat_map(result: SweepResult, title: str) -> Figure:
    """The validation accuracy over lr × reg, averaged over the seeds: a cell for each configuration of a grid, a dot for each
    drawn one.

    The best configuration has a thick frame; a thin line goes around those that are tied with it. The legend says in words how
    many these are, and whether the best is at the edge of what was searched.

    Raises `InputError` if every configuration diverged.
    """
    handles = _explain_frames(result)
    accuracy = result.val_accuracy.mean(axis=1)
    figure = start_picture(title, 5.8)
    axes = tidy_axes(figure.subplots())
    axes.set_facecolor("0.85")
    # The colour scale covers the better half of the cells; all values far below have the darkest colour.
    finite = accuracy[np.isfinite(accuracy)]
    low = max(finite.min(), finite.max() - 3 * (finite.max() - np.median(finite)) - 0.02)
    norm = Normalize(low, finite.max())
    if result.grid_shape is None:
        _draw_dots(axes, result, accuracy, norm)
    else:
        _draw_cells(axes, result, accuracy, norm)
    bar = figure.colorbar(
        ScalarMappable(norm=norm, cmap=COLOR_MAP), ax=axes, extend="min" if finite.min() < low else "neither"
    )
    over_seeds = ", mean over seeds" if len(result.seed) > 1 else ""
    label_bar(bar, f"{name_validation(result.config.folds)} accuracy{over_seeds}")
    figure.legend(handles=handles, loc="outside lower left", ncols=3, frameon=False, fontsize=SMALL)
    return figure


def _explain_frames(result: SweepResult) -> list[Patch]:
    """The legend of a heat map."""
    tied, edge = int(result.tied.sum()), any(isinstance(each, AtEdges) for each in analyze_sweep(result))
    best = f"best: lr {result.learning_rate[result.best]:.3g}, reg {result.reg[result.best]:.3g}"
    handles = [_frame(BEST, best + (", at the edge of what was searched" if edge else ""))]
    if tied > 1:
        what = "all" if tied == len(result.reg) else f"{tied} of {len(result.reg)}"
        handles.append(_frame(TIED, f"{what} are statistically tied"))
    if result.diverged.any():
        handles.append(Patch(facecolor="0.85", label="× diverged"))
    if result.steps.min() < result.steps.max():
        how = "italic" if result.grid_shape else "small"
        handles.append(Patch(facecolor="none", edgecolor="none", label=f"{how}: stopped early"))
    return handles


def _frame(width: float, label: str) -> Patch:
    return Patch(facecolor="none", edgecolor="white", linewidth=width, path_effects=_halo(width), label=label)


def _halo(width: float) -> list[AbstractPathEffect]:
    return [withStroke(linewidth=width + 2 * HALO, foreground=BLACK)]


def _draw_cells(axes: Axes, result: SweepResult, accuracy: Float[np.ndarray, " C"], norm: Normalize) -> None:
    """The configurations of a grid, as cells with their accuracy and frames as in `heat_map`."""
    order = np.ix_(np.argsort(result.config.learning_rates), np.argsort(result.config.regs))
    x = _set_cells(axes, "x", np.sort(result.config.regs), "penalty strength reg")
    y = _set_cells(axes, "y", np.sort(result.config.learning_rates), "learning rate lr")
    shape = result.grid_shape or ()
    grid, tied = accuracy.reshape(shape)[order], result.tied.reshape(shape)[order]
    axes.pcolormesh(x, y, np.ma.masked_invalid(grid), cmap=COLOR_MAP, norm=norm)
    stopped = (result.steps < result.steps.max()).reshape(shape)[order]
    for (i, j), value in np.ndenumerate(grid) if grid.size <= MOST_NUMBERED else ():
        axes.text(
            _middle(x[j], x[j + 1], axes.get_xscale()),
            _middle(y[i], y[i + 1], axes.get_yscale()),
            f"{value:.3f}" if np.isfinite(value) else "×",
            ha="center",
            va="center",
            fontsize=SMALL if grid.shape[1] <= 12 else SMALL - 2,
            fontstyle="italic" if stopped[i, j] else "normal",
            color="white" if np.isfinite(value) and norm(value) < 0.6 else "black",
        )
    if tied.sum() > 1:
        for color, width in ((BLACK, TIED + 2 * HALO), ("white", TIED)):
            lines = LineCollection(_outline(tied, x, y), colors=color, linewidths=width)
            lines.set(capstyle="projecting", zorder=3, clip_on=False)
            axes.add_collection(lines)
    i, j = np.argwhere((np.arange(accuracy.size) == result.best).reshape(shape)[order])[0]
    axes.add_patch(
        Rectangle(
            (float(x[j]), float(y[i])), x[j + 1] - x[j], y[i + 1] - y[i], fill=False, edgecolor="white",
            linewidth=BEST, path_effects=_halo(BEST), zorder=4, clip_on=False,
        )
    )  # fmt: skip


def _outline(
    inside: Bool[np.ndarray, "L R"], x: Float[np.ndarray, " r"], y: Float[np.ndarray, " l"]
) -> list[list[tuple[float, float]]]:
    """The sides of cells, as pairs of points, between those that are inside and all others. `x`, `y`: the edges of the cells."""
    padded = np.pad(inside, 1)
    upright = np.argwhere(padded[1:-1, 1:] != padded[1:-1, :-1])
    level = np.argwhere(padded[1:, 1:-1] != padded[:-1, 1:-1])
    return [[(x[j], y[i]), (x[j], y[i + 1])] for i, j in upright] + [
        [(x[j], y[i]), (x[j + 1], y[i])] for i, j in level
    ]


def _draw_dots(axes: Axes, result: SweepResult, accuracy: Float[np.ndarray, " C"], norm: Normalize) -> None:
    """Drawn configurations, as dots with rings in place of the frames of `heat_map`."""
    scale = "log" if result.config.search == "log_uniform" else "linear"
    axes.set(xlabel="penalty strength reg", ylabel="learning rate lr", xscale=scale, yscale=scale)
    lost = np.isnan(accuracy)
    axes.scatter(result.reg[lost], result.learning_rate[lost], marker="x", color="0.3", s=30)
    drawn = np.flatnonzero(~lost)[np.argsort(accuracy[~lost])]  # the best is drawn last, on top
    sizes = np.where(result.steps[drawn] == result.steps.max(), 70.0, 25.0)
    at = result.reg[drawn], result.learning_rate[drawn]
    axes.scatter(*at, c=accuracy[drawn], cmap=COLOR_MAP, norm=norm, s=sizes)
    for chosen, width, wider in ((result.tied[drawn], TIED, 1), (drawn == result.best, BEST, 2.5)):
        rings = axes.scatter(
            at[0][chosen],
            at[1][chosen],
            s=wider * sizes[chosen],
            facecolors="none",
            edgecolors="white",
            linewidths=width,
        )
        rings.set_path_effects(_halo(width))


def _set_cells(
    axes: Axes, which: str, values: Float[np.ndarray, " n"], label: str
) -> Float[np.ndarray, " m"]:
    """Sets the scale and label of an axis for cells at `values`. Returns the n + 1 edges of the cells."""
    axis = getattr(axes, f"{which}axis")
    axis.set_label_text(label)
    spacing = spacing_of(values) if len(values) > 1 else "uneven"
    if spacing == "uneven":  # cells of equal width, with their values as tick labels
        axis.set_ticks(np.arange(len(values)), [f"{value:.3g}" for value in values])
        return np.arange(len(values) + 1) - 0.5
    if spacing == "log":
        getattr(axes, f"set_{which}scale")("log")
        if len(values) <= MOST_TICKS:
            axis.set_ticks(values, [f"{value:.3g}" for value in values])
            axis.set_minor_locator(NullLocator())
        half = np.sqrt(values[1] / values[0])
        return np.append(values / half, values[-1] * half)
    half = (values[1] - values[0]) / 2
    power = int(np.floor(np.log10(np.abs(values).max())))
    if -2 <= power < 4:
        power = 0
    else:  # the power of ten stands in the label
        axis.set_label_text(f"{label}, in 1e{power}")
    shown = values[:: -(-len(values) // MOST_TICKS)]
    axis.set_ticks(shown, [f"{value / 10.0**power:.3g}" for value in shown])
    return np.append(values - half, values[-1] + half)


def _middle(low: Any, high: Any, scale: str) -> float:
    return float(np.sqrt(low * high)) if scale == "log" else (low + high) / 2
