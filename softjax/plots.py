"""The pictures of sweeps and paths. Each function returns a matplotlib `Figure`, and does not use pyplot.

A notebook shows such a figure where it is the value of a cell.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import LogFormatterSciNotation, ScalarFormatter

from softjax.datasets.folds import name_validation
from softjax.drawing import BLUE, COLOR_MAP, LONGEST_TITLE, VERMILION, Picture, make_drawable
from softjax.path.result import PathResult
from softjax.ranges import spacing_of
from softjax.training.result import SweepResult

MOST_CURVES = 12  # that are drawn one by one; of more, the quantiles
QUANTILES = ((0.05, 0.95, 0.15), (0.25, 0.75, 0.3))  # the ends of a band, and its opacity
LONGEST_NAME = 24  # letters of a class name


def heat_map(result: SweepResult, title: str) -> Figure:
    """The validation accuracy over lr × reg, averaged over the seeds: a cell for each configuration of a grid, a dot for each
    drawn one.

    The best configuration has a thick frame, those tied with it a thin one.

    Raises `InputError` if every configuration diverged.
    """
    tied = result.tied
    accuracy = result.val_accuracy.mean(axis=1)
    figure = Picture(figsize=(7.2, 5.4), layout="constrained")
    axes = figure.subplots()
    axes.set_facecolor("0.85")
    # The colour scale covers the better half of the cells; all values far below have the darkest colour.
    finite = accuracy[np.isfinite(accuracy)]
    low = max(finite.min(), finite.max() - 3 * (finite.max() - np.median(finite)) - 0.02)
    norm = Normalize(low, finite.max())
    if result.grid_shape is None:
        _dots(axes, result, accuracy, norm)
    else:
        _cells(axes, result, accuracy, norm)
    bar = figure.colorbar(_mappable(norm), ax=axes, extend="min" if finite.min() < low else "neither")
    bar.set_label(
        f"{name_validation(result.config.folds)} accuracy"
        + (", mean over seeds" if len(result.seed) > 1 else "")
    )
    handles = [Patch(facecolor="none", edgecolor=VERMILION, linewidth=2.5, label="best")]
    if tied.sum() > 1:
        handles.append(
            Patch(facecolor="none", edgecolor=VERMILION, linewidth=0.9, label="statistically tied with it")
        )
    if result.diverged.any():
        handles.append(Patch(facecolor="0.85", label="× diverged"))
    if result.steps.min() < result.steps.max():
        how = "italic" if result.grid_shape else "small"
        handles.append(Patch(facecolor="none", edgecolor="none", label=f"{how}: stopped early"))
    figure.legend(handles=handles, loc="outside lower right", ncols=len(handles), frameon=False, fontsize=8)
    _set_title(axes, title)
    return figure


def _cells(axes: Axes, result: SweepResult, accuracy: Float[np.ndarray, " C"], norm: Normalize) -> None:
    """The configurations of a grid, as cells with their accuracy and frames as in `heat_map`."""
    order = np.ix_(np.argsort(result.config.learning_rates), np.argsort(result.config.regs))
    x = _axis(axes, "x", np.sort(result.config.regs), "penalty strength reg")
    y = _axis(axes, "y", np.sort(result.config.learning_rates), "learning rate lr")
    shape = result.grid_shape or ()
    grid = accuracy.reshape(shape)[order]
    axes.pcolormesh(x, y, np.ma.masked_invalid(grid), cmap=COLOR_MAP, norm=norm)
    stopped = (result.steps < result.steps.max()).reshape(shape)[order]
    widths = np.where(np.arange(accuracy.size) == result.best, 2.5, np.where(result.tied, 0.9, 0))
    for (i, j), width in np.ndenumerate(widths.reshape(shape)[order]):
        center = (_middle(x[j], x[j + 1], axes.get_xscale()), _middle(y[i], y[i + 1], axes.get_yscale()))
        value = grid[i, j]
        if grid.size <= 200:
            axes.text(
                *center,
                f"{value:.3f}" if np.isfinite(value) else "×",
                ha="center",
                va="center",
                fontsize=7,
                fontstyle="italic" if stopped[i, j] else "normal",
                color="white" if np.isfinite(value) and norm(value) < 0.6 else "black",
            )
        if width:
            corner, width_x, height = (float(x[j]), float(y[i])), x[j + 1] - x[j], y[i + 1] - y[i]
            frame = Rectangle(
                corner, width_x, height, fill=False, edgecolor=VERMILION, linewidth=width, zorder=2 + width
            )
            axes.add_patch(frame)


def _dots(axes: Axes, result: SweepResult, accuracy: Float[np.ndarray, " C"], norm: Normalize) -> None:
    """Drawn configurations, as dots with rings in place of the frames of `heat_map`."""
    scale = "log" if result.config.search == "log_uniform" else "linear"
    axes.set(xlabel="penalty strength reg", ylabel="learning rate lr", xscale=scale, yscale=scale)
    lost = np.isnan(accuracy)
    axes.scatter(result.reg[lost], result.learning_rate[lost], marker="x", color="0.3", s=30)
    order = np.argsort(accuracy[~lost])  # the best is drawn last, on top
    drawn = np.flatnonzero(~lost)[order]
    axes.scatter(
        result.reg[drawn],
        result.learning_rate[drawn],
        c=accuracy[drawn],
        cmap=COLOR_MAP,
        norm=norm,
        s=[70 if result.steps[c] == result.steps.max() else 25 for c in drawn],
        edgecolors=[VERMILION if result.tied[c] else "none" for c in drawn],
        linewidths=[2.5 if c == result.best else 0.9 for c in drawn],
    )


def loss_curves(result: SweepResult, title: str) -> Figure:
    """The minibatch objective over the steps: of the best configuration, over those of all.

    Up to twelve are drawn one by one, coloured by their learning rate. Of more, bands hold the middle half and nine tenths at each
    step; runs that diverged count as infinite.
    """
    history, steps = result.loss_history[:, result.best_seed], result.history_steps
    window = max(1, history.shape[1] // 100)
    mean = np.full(window, 1 / window)
    smooth = np.array([np.convolve(curve, mean, mode="valid") for curve in history])
    centers = np.convolve(steps, mean, mode="valid")

    figure = Picture(figsize=(7.2, 4.6), layout="constrained")
    axes = figure.subplots()
    if len(smooth) > MOST_CURVES:
        _draw_bands(axes, centers, smooth, result.steps < result.steps.max())
    else:
        _draw_each(figure, axes, result, centers, smooth)
    axes.plot(steps, history[result.best], color=VERMILION, linewidth=0.4, alpha=0.5)
    best = f"lr {result.learning_rate[result.best]:.3g}, reg {result.reg[result.best]:.3g}"
    label = f"best: {best}" if len(smooth) > 1 else best
    axes.plot(centers, smooth[result.best], color=VERMILION, linewidth=2, label=label)

    stable = smooth[~result.diverged[:, result.best_seed]]  # NaN after a configuration was stopped
    axes.set(xlim=(0, steps[-1] + 1), ylim=_limits(history[:, 0], stable))
    axes.set_yscale("log")
    over = window * (steps[1] - steps[0]) if window > 1 else 1
    axes.set_xlabel("step" + (f" (curves: mean over {over} steps)" if window > 1 else ""))
    axes.set_ylabel("minibatch objective (nats, with penalty)")
    axes.yaxis.set_minor_formatter(LogFormatterSciNotation(minor_thresholds=(1.5, 0.5)))
    axes.legend(frameon=False, loc="upper right")
    _set_title(axes, title)
    return figure


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
        label = f"{high - low:.0%} of all {len(smooth)}"
        axes.fill_between(centers, ends[0], top, color=BLUE, alpha=opacity, linewidth=0, label=label)


def _draw_each(
    figure: Figure,
    axes: Axes,
    result: SweepResult,
    centers: Float[np.ndarray, " h"],
    smooth: Float[np.ndarray, "C h"],
) -> None:
    """Every curve, coloured by its learning rate."""
    rates = np.sort(result.learning_rate)
    log_rates = rates[0] < rates[-1] and (
        result.config.search == "log_uniform" or spacing_of(np.unique(rates)) == "log"
    )
    norm = (LogNorm if log_rates else Normalize)(
        rates[0], rates[-1] if rates[-1] > rates[0] else 2 * rates[0]
    )
    colors = _mappable(norm)
    if rates[0] < rates[-1]:
        figure.colorbar(colors, ax=axes).set_label("learning rate lr")
    for curve, lr in zip(smooth, result.learning_rate, strict=True):
        axes.plot(centers, curve, color=colors.cmap(norm(lr)), linewidth=0.6, alpha=0.6)


def _limits(first: Float[np.ndarray, " C"], stable: Float[np.ndarray, "c H"]) -> tuple[float, float]:
    """The ends of the logarithmic axis of losses. Curves that rise far above their start are cut off.

    **Arguments:** `first`: the first loss of every configuration; `stable`: the curves that did not diverge.
    """

    def positive(values: Float[np.ndarray, "..."]) -> Float[np.ndarray, " n"]:
        kept: np.ndarray = values[np.isfinite(values) & (values > 0)]
        return kept

    inside = positive(stable) if positive(stable).size else np.ones(1)
    starts, ends = positive(first), positive(stable[:, -1])
    top = max(starts.max(initial=inside.min()), np.quantile(ends, 0.9) if ends.size else 0)
    return 0.8 * float(inside.min()), 2 * float(top)


def path(result: PathResult, title: str) -> Figure:
    """Accuracy on the three splits over the penalty strength, with the interval of the validation accuracy and the best.

    Open markers are penalty strengths that did not converge.
    """
    figure = Picture(figsize=(7.2, 4.6), layout="constrained")
    axes = figure.subplots()
    order = np.argsort(result.reg)
    reg = result.reg[order]
    if reg[0] > 0:
        axes.set_xscale("log")
    else:
        # linear up to the smallest positive reg; far below the largest one a logarithm would overflow
        smallest = max(reg[reg > 0].min(), 1e-30 * reg.max()) if reg.any() else 1
        axes.set_xscale("symlog", linthresh=smallest)
    axes.fill_between(
        reg, *result.val_interval[order].T, color=BLUE, alpha=0.15, linewidth=0, label="95 % interval"
    )
    for name, values, color, line in (
        ("training", result.train_accuracy, "0.5", "--"),
        (name_validation(result.config.folds), result.val_accuracy, BLUE, "-"),
        ("test", result.test_accuracy, "black", ":"),
    ):
        axes.plot(reg, values[order], marker=".", label=name, color=color, linestyle=line)
        if not result.converged.all():
            left = ~result.converged[order]
            once = "not converged" if name == "training" else None
            open_marker: dict[str, Any] = {
                "marker": "o",
                "markersize": 7,
                "markerfacecolor": "white",
                "markeredgecolor": color,
            }
            axes.plot(reg[left], values[order][left], linestyle="none", zorder=3, label=once, **open_marker)
    best = result.best
    axes.plot(
        result.reg[best],
        result.val_accuracy[best],
        "o",
        color=VERMILION,
        label=f"best: reg {result.reg[best]:.3g}",
    )
    axes.set(xlabel="penalty strength reg", ylabel="accuracy")
    _set_title(axes, title)
    axes.grid(color="0.93")
    axes.legend(frameon=False)
    return figure


def templates(
    W: Float[np.ndarray, "D K"], class_names: Sequence[str], image_shape: tuple[int, ...], title: str
) -> Figure:
    """The weights of each class as an image, without the bias. All have the same scale, from the smallest to the largest."""
    images = W[:-1].T.reshape(-1, *image_shape)
    scaled = (images - images.min()) / max(images.max() - images.min(), np.finfo(np.float64).tiny)
    columns = min(5, len(images))
    rows = -(-len(images) // columns)
    figure = Picture(figsize=(1.5 * columns, 1.65 * rows + 0.5), layout="constrained")
    for axes, image, name in zip(
        figure.subplots(rows, columns, squeeze=False).flat, scaled, class_names, strict=False
    ):
        axes.imshow(image, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        axes.set_title(make_drawable(name, 18), fontsize=10, parse_math=False)
    for axes in figure.axes:
        axes.set_axis_off()
    figure.suptitle(make_drawable(title, LONGEST_TITLE), parse_math=False)
    return figure


def confusion(counts: Int[np.ndarray, "K K"], class_names: Sequence[str], title: str) -> Figure:
    """A confusion matrix: the number of examples of each class (row) in each predicted class. The colour is the row share."""
    num_classes = len(class_names)
    size = min(max(4.5, 0.55 * num_classes + 1.5), 12)
    figure = Picture(figsize=(size + 0.9, size), layout="constrained")
    axes = figure.subplots()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(shares, cmap=COLOR_MAP, vmin=0, vmax=1)
    figure.colorbar(image, ax=axes, label="share of the true class", shrink=0.8)
    axes.set(xlabel="predicted class", ylabel="true class")
    _set_title(axes, title)
    if num_classes <= 30:
        names = [make_drawable(name, LONGEST_NAME) for name in class_names]
        slant = 45 if max(map(len, names)) > 2 else 0
        plain: dict[str, Any] = {"parse_math": False}
        axes.set_xticks(range(num_classes), names, rotation=slant, ha="right" if slant else "center", **plain)
        axes.set_yticks(range(num_classes), names, **plain)
        for i, j in np.ndindex(*counts.shape):
            color = "white" if shares[i, j] < 0.6 else "black"
            axes.text(j, i, str(counts[i, j]), ha="center", va="center", fontsize=7, color=color)
    return figure


def _set_title(axes: Axes, title: str) -> None:
    axes.set_title(make_drawable(title, LONGEST_TITLE), parse_math=False)


def _mappable(norm: Normalize) -> ScalarMappable:
    return ScalarMappable(norm=norm, cmap=COLOR_MAP)


def _axis(axes: Axes, which: str, values: Float[np.ndarray, " n"], label: str) -> Float[np.ndarray, " m"]:
    """Sets the scale and label of an axis for cells at `values`. Returns the n + 1 edges of the cells."""
    getattr(axes, f"set_{which}label")(label)
    axis = getattr(axes, f"{which}axis")
    spacing = spacing_of(values) if len(values) > 1 else "uneven"
    if spacing == "uneven":  # cells of equal width, with their values as tick labels
        axis.set_ticks(np.arange(len(values)), [f"{value:.3g}" for value in values])
        return np.arange(len(values) + 1) - 0.5
    if spacing == "log":
        getattr(axes, f"set_{which}scale")("log")
        half = np.sqrt(values[1] / values[0])
        return np.append(values / half, values[-1] * half)
    half = (values[1] - values[0]) / 2
    formatter = ScalarFormatter(useMathText=True)
    formatter.set_powerlimits((-2, 4))
    axis.set_major_formatter(formatter)
    return np.append(values - half, values[-1] + half)


def _middle(low: Any, high: Any, scale: str) -> float:
    return float(np.sqrt(low * high)) if scale == "log" else (low + high) / 2
