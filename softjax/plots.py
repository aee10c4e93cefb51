"""The pictures of sweeps and paths. Each function returns a matplotlib `Figure`, and does not use pyplot.

A notebook shows such a figure where it is the value of a cell.
"""

from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from jaxtyping import Bool, Float, Int
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import ListedColormap, LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.patheffects import AbstractPathEffect, withStroke
from matplotlib.ticker import NullLocator, PercentFormatter

from softjax.analysis import AtEdges, analyze_sweep
from softjax.datasets.folds import name_validation
from softjax.drawing import (
    BLACK,
    BLUE,
    COLOR_MAP,
    GREY,
    SMALL,
    VERMILION,
    label_bar,
    label_logarithms,
    make_drawable,
    start_picture,
    tidy_axes,
)
from softjax.path.result import PathResult
from softjax.ranges import spacing_of
from softjax.training.result import SweepResult

MOST_CURVES = 12  # that are drawn one by one; of more, the quantiles
QUANTILES = ((0.05, 0.95, 0.15), (0.25, 0.75, 0.3))  # the ends of a band, and its opacity
MOST_NUMBERED = 200  # cells with their number
MOST_TICKS = 12
LONGEST_NAME = 24  # letters of a class name
BEST, TIED = 2.2, 1.0  # widths of frames, in points
HALO = 1.2  # of black on each side of a white frame: one of both is seen on any colour
LEAST_SHARE = 1e-3  # of the penalty in the objective, that has a panel of its own
DIVERGING = "RdBu_r"  # zero is white; red and blue differ for colour-blind readers
# without the light end, which is not seen on white
CURVE_COLORS = ListedColormap(matplotlib.colormaps[COLOR_MAP](np.linspace(0, 0.8, 256)))


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


def loss_curves(result: SweepResult, title: str) -> Figure:
    """The loss of the minibatches over the steps, without the penalty, and beside it the penalty's share of the objective: of the best
    configuration, over those of all.

    Up to twelve are drawn one by one, coloured by their learning rate. Of more, a line is the median at each step, and bands hold the
    middle half and nine tenths; runs that diverged count as infinite. Without a penalty there is one panel.
    """
    objective, loss = (
        history[:, result.best_seed] for history in (result.loss_history, result.data_loss_history)
    )
    share = find_share(objective, loss)
    penalized = bool((np.nan_to_num(share) > LEAST_SHARE).any())
    figure = start_picture(title, 4.4)
    first, *second = figure.subplots(1, 2 if penalized else 1, squeeze=False)[0]
    colors = _draw_curves(first, result, loss)
    stable = _smooth(loss[~result.diverged[:, result.best_seed]])  # NaN after a configuration was stopped
    low, high = _limit(loss[:, 0], stable)
    first.set(ylim=(low, high), ylabel=name_loss(result))
    if high > 10 * low:
        first.set_yscale("log")
        label_logarithms(first.yaxis)
    for axes in second:
        _draw_curves(axes, result, share)
        axes.set(ylim=(0, 1.02), ylabel="the penalty's share of the objective")
        axes.yaxis.set_major_formatter(PercentFormatter(1))
    if colors is not None:
        bar = figure.colorbar(colors, ax=figure.axes)
        label_bar(bar, "learning rate lr")
    figure.legend(
        *first.get_legend_handles_labels(), loc="outside lower left", ncols=3, frameon=False, fontsize=SMALL
    )
    return figure


def find_share(
    objective: Float[np.ndarray, "..."], loss: Float[np.ndarray, "..."]
) -> Float[np.ndarray, "..."]:
    """The share of the penalty in the objective, `loss` being the rest; NaN where that is not finite."""
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        share: np.ndarray = np.where(np.isfinite(objective), 1 - loss / objective, np.nan)
    return share


def name_loss(result: SweepResult) -> str:
    """The loss without the penalty, with its unit."""
    return {"softmax": "cross-entropy of the minibatch, nats", "hinge": "hinge loss of the minibatch"}[
        result.config.kind
    ]


def _window(length: int) -> int:
    """Over how many of the kept steps a curve is averaged."""
    return max(1, length // 100)


def _smooth(history: Float[np.ndarray, "C H"]) -> Float[np.ndarray, "C h"]:
    mean = np.full(_window(history.shape[1]), 1 / _window(history.shape[1]))
    smooth = [np.convolve(curve, mean, mode="valid") for curve in history]
    return np.array(smooth).reshape(len(history), -1)


def _draw_curves(axes: Axes, result: SweepResult, history: Float[np.ndarray, "C H"]) -> ScalarMappable | None:
    """A curve for each configuration or bands of all, and on top that of the best. Returns the colours of the learning rates."""
    steps, window, smooth = result.history_steps, _window(history.shape[1]), _smooth(history)
    centers = _smooth(steps[None].astype(float))[0]
    colors = None
    if len(smooth) > MOST_CURVES:
        _draw_bands(axes, centers, smooth, result.steps < result.steps.max())
    elif len(smooth) > 1:
        colors = _draw_each(axes, result, centers, smooth)
    best = f"lr {result.learning_rate[result.best]:.3g}, reg {result.reg[result.best]:.3g}"
    axes.plot(
        centers, smooth[result.best], color=VERMILION, linewidth=2,
        label=f"best: {best}" if len(smooth) > 1 else best,
    )  # fmt: skip
    over = window * (steps[1] - steps[0]) if window > 1 else 1
    axes.set(xlim=(0, steps[-1] + 1), xlabel="step" + (f" (means over {over} steps)" if window > 1 else ""))
    tidy_axes(axes)
    return colors


def _draw_bands(
    axes: Axes,
    centers: Float[np.ndarray, " h"],
    smooth: Float[np.ndarray, "C h"],
    stopped: Bool[np.ndarray, " C"],
) -> None:
    """The quantiles of all curves. A curve that was stopped early counts until then, one that diverged as infinite."""
    counted = np.where(np.isnan(smooth) & ~stopped[:, None], np.inf, smooth)
    for low, high, opacity in QUANTILES:
        ends = np.nanquantile(counted, (low, high), axis=0, method="lower")
        top = np.where(np.isfinite(ends[1]), ends[1], np.finfo(np.float32).max)
        label = f"middle {100 * (high - low):.0f} % of all {len(smooth)}"
        axes.fill_between(centers, ends[0], top, color=BLUE, alpha=opacity, linewidth=0, label=label)
    axes.plot(
        centers, np.nanquantile(counted, 0.5, axis=0, method="lower"), color=BLUE, linewidth=1, label="median"
    )


def _draw_each(
    axes: Axes, result: SweepResult, centers: Float[np.ndarray, " h"], smooth: Float[np.ndarray, "C h"]
) -> ScalarMappable | None:
    """Every curve, coloured by its learning rate. None is returned where all have the same."""
    rates = np.sort(result.learning_rate)
    several = bool(rates[0] < rates[-1])
    log_rates = several and (result.config.search == "log_uniform" or spacing_of(np.unique(rates)) == "log")
    norm = (LogNorm if log_rates else Normalize)(rates[0], rates[-1] if several else 2 * rates[0])
    for curve, lr in zip(smooth, result.learning_rate, strict=True):
        axes.plot(centers, curve, color=CURVE_COLORS(norm(lr)), linewidth=0.9, alpha=0.8)
    return ScalarMappable(norm=norm, cmap=CURVE_COLORS) if several else None


def _limit(first: Float[np.ndarray, " C"], stable: Float[np.ndarray, "c H"]) -> tuple[float, float]:
    """The ends of the axis of losses. What rises far above its start is cut off, and of many curves what falls far below most.

    **Arguments:** `first`: the first loss of every configuration; `stable`: the curves that did not diverge.
    """

    def positive(values: Float[np.ndarray, "..."]) -> Float[np.ndarray, " n"]:
        kept: np.ndarray = values[np.isfinite(values) & (values > 0)]
        return kept

    inside = positive(stable) if positive(stable).size else np.ones(1)
    starts = positive(stable[:, 0]) if positive(stable[:, :1]).size else positive(first)
    ends = positive(stable[:, -1])
    bottom = inside.min()
    top = max(starts.max(initial=bottom), np.quantile(ends, 0.9) if ends.size else 0)
    if len(stable) > MOST_CURVES:  # those of the inner band are inside
        low, high, _ = QUANTILES[1]
        lowest = [curve.min() for curve in map(positive, stable) if curve.size]
        bottom = np.quantile(lowest, low, method="lower") if lowest else bottom
        top = max((np.quantile(each, high) for each in (starts, ends) if each.size), default=top)
    return 0.9 * float(bottom), 1.2 * float(max(top, bottom))


def path(result: PathResult, title: str) -> Figure:
    """Accuracy on the three splits over the penalty strength, with the interval of the validation accuracy and the best.

    Large open markers are penalty strengths that did not converge.
    """
    figure = start_picture(title, 4.8)
    axes = tidy_axes(figure.subplots(), grid="both")
    order = np.argsort(result.reg)
    reg = result.reg[order]
    validation = name_validation(result.config.folds)
    _scale_regs(axes, reg)
    band = f"95 % interval of the {validation} accuracy"
    axes.fill_between(reg, *result.val_interval[order].T, color=BLUE, alpha=0.15, linewidth=0, label=band)
    for name, values, color, line in (
        ("training", result.train_accuracy, GREY, "--"),
        (validation, result.val_accuracy, BLUE, "-"),
        ("test", result.test_accuracy, BLACK, ":"),
    ):
        axes.plot(reg, values[order], marker=".", label=name, color=color, linestyle=line)
        if not result.converged.all():
            left = ~result.converged[order]
            axes.plot(
                reg[left], values[order][left], linestyle="none", zorder=3, marker="o", markersize=8,
                markerfacecolor="white", markeredgecolor=color, markeredgewidth=1.5,
                label="not converged" if name == "training" else None,
            )  # fmt: skip
    best = result.best
    axes.plot(
        result.reg[best], result.val_accuracy[best], "D", color=VERMILION, zorder=4,
        label=f"best: reg {result.reg[best]:.3g}",
    )  # fmt: skip
    axes.set(xlabel="penalty strength reg", ylabel="accuracy")
    tidy_axes(axes)
    figure.legend(loc="outside lower left", ncols=3, frameon=False, fontsize=SMALL)
    return figure


def _scale_regs(axes: Axes, reg: Float[np.ndarray, " R"]) -> None:
    """A logarithmic axis; with a penalty strength of 0, one that is linear up to the smallest other one."""
    if reg[0] > 0:
        axes.set_xscale("log")
    else:
        # far below the largest one a logarithm would overflow
        smallest = max(reg[reg > 0].min(), 1e-30 * reg.max()) if reg.any() else 1
        axes.set_xscale("symlog", linthresh=smallest)


def templates(
    W: Float[np.ndarray, "D K"], class_names: Sequence[str], image_shape: tuple[int, ...], title: str
) -> Figure:
    """The weights of each class as an image, without the bias. All have the same scale.

    Grey images with weights of both signs are drawn in red and blue, with zero in white. Others range from the smallest value
    (black) to the largest.
    """
    images, colors = scale_templates(W, image_shape)
    columns = min(5, len(images))
    rows = -(-len(images) // columns)
    figure = start_picture(title, 1.75 * rows + 0.5, max(1.66 * columns, 4.0))
    for axes, image, name in zip(
        figure.subplots(rows, columns, squeeze=False).flat, images, class_names, strict=False
    ):
        axes.imshow(image, cmap=colors, vmin=0, vmax=1, interpolation="nearest")
        axes.set_title(make_drawable(name, 18), fontsize=SMALL + 1, parse_math=False)
    for axes in figure.axes:
        axes.set_axis_off()
    return figure


def scale_templates(
    W: Float[np.ndarray, "D K"], image_shape: Sequence[int]
) -> tuple[Float[np.ndarray, "K ..."], str]:
    """The weights of each class as an image with values from 0 to 1, and the colour map of those that are grey."""
    images = W[:-1].T.astype(np.float64).reshape(-1, *image_shape)
    low, high = images.min(), images.max()
    signed = (len(image_shape) == 2 or image_shape[-1] == 1) and low < 0 < high
    if signed:
        high = max(-low, high)
        low = -high
    return (images - low) / max(high - low, np.finfo(np.float64).tiny), DIVERGING if signed else "gray"


def confusion(counts: Int[np.ndarray, "K K"], class_names: Sequence[str], title: str) -> Figure:
    """A confusion matrix: the number of examples of each class (row) in each predicted class. The colour is the row share."""
    num_classes = len(class_names)
    size = min(max(4.5, 0.55 * num_classes + 1.5), 9.0)
    figure = start_picture(title, size, size + 1.3)
    axes = figure.subplots()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    top = shares.max() or 1.0
    image = axes.imshow(shares, cmap=COLOR_MAP, vmin=0, vmax=top)
    bar = figure.colorbar(image, ax=axes, shrink=0.8)
    label_bar(bar, "share of the true class")
    axes.set(xlabel="predicted class", ylabel="true class")
    tidy_axes(axes)
    if num_classes <= 30:
        names = [make_drawable(name, LONGEST_NAME) for name in class_names]
        slant = 45 if max(map(len, names)) > 2 else 0
        plain: dict[str, Any] = {"parse_math": False, "fontsize": SMALL}
        axes.set_xticks(range(num_classes), names, rotation=slant, ha="right" if slant else "center", **plain)
        axes.set_yticks(range(num_classes), names, **plain)
        for i, j in np.argwhere(counts):
            color = "white" if shares[i, j] < 0.6 * top else "black"
            text = str(counts[i, j])
            axes.text(
                j, i, text, ha="center", va="center", fontsize=SMALL if num_classes <= 15 else 5, color=color
            )
    return figure


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
