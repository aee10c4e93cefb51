"""Every picture the project draws. Each function returns a matplotlib `Figure`; nothing touches pyplot."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import LogFormatterSciNotation, LogLocator, NullFormatter, ScalarFormatter

from softjax.result import SweepResult

COLOR_MAP = "viridis"  # monotonic in lightness, readable for the colour-blind and in grey
MOST_CURVES = 400
ACCENT = "#d55e00"  # vermilion of Okabe and Ito's colour-blind-safe palette


def heat_map(result: SweepResult, title: str) -> Figure:
    """Validation accuracy over lr × reg, averaged over the seeds; the best cell is framed."""
    order_lr, order_reg = np.argsort(result.config.learning_rates), np.argsort(result.config.regs)
    accuracy = result.grid("val_accuracy").mean(axis=-1)[np.ix_(order_lr, order_reg)]
    best_lr, best_reg = np.unravel_index(result.best, result.grid_shape)
    row, column = int(np.flatnonzero(order_lr == best_lr)[0]), int(np.flatnonzero(order_reg == best_reg)[0])

    figure = Figure(figsize=(7.2, 5.4), layout="constrained")
    axes = figure.subplots()
    x = _axis(axes, "x", np.sort(result.config.regs), "penalty strength reg")
    y = _axis(axes, "y", np.sort(result.config.learning_rates), "learning rate lr")
    # The colours resolve the better half of the cells; what is far below is as dark as the map gets.
    finite = accuracy[np.isfinite(accuracy)]
    low = max(finite.min(), finite.max() - 3 * (finite.max() - np.median(finite)) - 0.02)
    norm = Normalize(low, finite.max())
    axes.set_facecolor("0.85")
    mesh = axes.pcolormesh(x, y, np.ma.masked_invalid(accuracy), cmap=COLOR_MAP, norm=norm)
    bar = figure.colorbar(mesh, ax=axes, extend="min" if finite.min() < low else "neither")
    bar.set_label("validation accuracy" + (", mean over seeds" if len(result.seed) > 1 else ""))
    if accuracy.size <= 200:
        for i, j in np.ndindex(*accuracy.shape):
            center = (_middle(x[j], x[j + 1], axes.get_xscale()), _middle(y[i], y[i + 1], axes.get_yscale()))
            value = accuracy[i, j]
            dark = np.isfinite(value) and norm(value) < 0.6
            axes.text(
                *center,
                f"{value:.3f}" if np.isfinite(value) else "×",
                ha="center",
                va="center",
                fontsize=7,
                color="white" if dark else "black",
            )
    axes.add_patch(
        Rectangle(
            (x[column], y[row]),
            x[column + 1] - x[column],
            y[row + 1] - y[row],
            fill=False,
            edgecolor=ACCENT,
            linewidth=2.5,
            zorder=3,
        )
    )
    handles = [Patch(facecolor="none", edgecolor=ACCENT, linewidth=2, label="best")]
    if result.diverged.any():
        handles.append(Patch(facecolor="0.85", label="× diverged"))
    figure.legend(handles=handles, loc="outside lower right", ncols=2, frameon=False)
    axes.set_title(title)
    return figure


def loss_curves(result: SweepResult, title: str) -> Figure:
    """The minibatch objective of every configuration over the steps, coloured by lr; the best stands out.

    Of more than 400 configurations, evenly spaced ones are drawn.
    """
    history, steps = result.loss_history[:, result.best_seed], result.history_steps
    window = max(1, history.shape[1] // 100)
    mean = np.full(window, 1 / window)
    smooth = np.array([np.convolve(curve, mean, mode="valid") for curve in history])
    centers = np.convolve(steps, mean, mode="valid")

    figure = Figure(figsize=(7.2, 4.6), layout="constrained")
    axes = figure.subplots()
    rates = np.sort(result.learning_rate)
    log_rates = rates[0] < rates[-1] and _spacing(np.unique(rates)) == "log"
    norm = (LogNorm if log_rates else Normalize)(
        rates[0], rates[-1] if rates[-1] > rates[0] else 2 * rates[0]
    )
    colors = figure.colorbar(_mappable(norm), ax=axes)
    colors.set_label("learning rate lr")
    drawn = np.unique(np.linspace(0, len(smooth) - 1, MOST_CURVES).astype(int))
    for curve, lr in zip(smooth[drawn], result.learning_rate[drawn], strict=True):
        axes.plot(centers, curve, color=colors.cmap(norm(lr)), linewidth=0.6, alpha=0.6)
    axes.plot(steps, history[result.best], color=ACCENT, linewidth=0.4, alpha=0.5)
    best = f"best: lr {result.learning_rate[result.best]:.3g}, reg {result.reg[result.best]:.3g}"
    axes.plot(centers, smooth[result.best], color=ACCENT, linewidth=2, label=best)

    stable = smooth[~result.diverged[:, result.best_seed]]
    # What rises far above the start leaves the picture.
    top = 2 * max(history[:, 0].max(), np.quantile(stable[:, -1], 0.9))
    axes.set(yscale="log", ylim=(0.8 * stable.min(), top), xlim=(0, steps[-1] + 1))
    over = window * (steps[1] - steps[0]) if window > 1 else 1
    axes.set_xlabel("SGD step" + (f" (curves: mean over {over} steps)" if window > 1 else ""))
    axes.set_ylabel("minibatch objective (nats, with penalty)")
    axes.yaxis.set_minor_formatter(LogFormatterSciNotation(minor_thresholds=(1.5, 0.5)))
    axes.legend(frameon=False, loc="upper right")
    axes.set_title(title)
    return figure


def templates(
    W: Float[np.ndarray, "D K"], class_names: Sequence[str], image_shape: tuple[int, ...], title: str
) -> Figure:
    """Each class's weights as an image, without the bias; all share one scale, from least to largest."""
    images = W[:-1].T.reshape(-1, *image_shape)
    scaled = (images - images.min()) / max(images.max() - images.min(), np.finfo(np.float64).tiny)
    columns = min(5, len(images))
    rows = -(-len(images) // columns)
    figure = Figure(figsize=(1.5 * columns, 1.65 * rows + 0.5), layout="constrained")
    for axes, image, name in zip(
        figure.subplots(rows, columns, squeeze=False).flat, scaled, class_names, strict=False
    ):
        axes.imshow(image, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        axes.set_title(name, fontsize=10)
    for axes in figure.axes:
        axes.set_axis_off()
    figure.suptitle(title)
    return figure


def confusion(counts: Int[np.ndarray, "K K"], class_names: Sequence[str], title: str) -> Figure:
    """How the examples of each class (row) were classified: the counts, coloured by their share of the row."""
    num_classes = len(class_names)
    size = min(max(4.5, 0.55 * num_classes + 1.5), 12)
    figure = Figure(figsize=(size + 0.9, size), layout="constrained")
    axes = figure.subplots()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(shares, cmap=COLOR_MAP, vmin=0, vmax=1)
    figure.colorbar(image, ax=axes, label="share of the true class", shrink=0.8)
    axes.set(xlabel="predicted class", ylabel="true class", title=title)
    if num_classes <= 30:
        slant = 45 if max(map(len, class_names)) > 2 else 0
        axes.set_xticks(range(num_classes), class_names, rotation=slant, ha="right" if slant else "center")
        axes.set_yticks(range(num_classes), class_names)
        for i, j in np.ndindex(*counts.shape):
            color = "white" if shares[i, j] < 0.6 else "black"
            axes.text(j, i, str(counts[i, j]), ha="center", va="center", fontsize=7, color=color)
    return figure


def detection(
    rates: dict[str, Float[np.ndarray, "F P"]], faults: Sequence[str], checkers: Sequence[str], title: str
) -> Figure:
    """The share of planted faults that each gradient checker catches: one panel a type, faults × checkers."""
    figure = Figure(figsize=(2.1 * len(rates) + 3.4, 0.27 * len(faults) + 2.0), layout="constrained")
    panels = figure.subplots(1, len(rates), sharey=True, squeeze=False)[0]
    for axes, (dtype, share) in zip(panels, rates.items(), strict=True):
        image = axes.imshow(share, cmap=COLOR_MAP, vmin=0, vmax=1, aspect="auto")
        axes.set_title(dtype, fontsize=10)
        axes.set_xticks(range(len(checkers)), checkers, rotation=60, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(len(faults)), faults)
        axes.tick_params(labelsize=8)
        for i, j in np.ndindex(*share.shape):
            text = "–" if np.isnan(share[i, j]) else f"{100 * share[i, j]:.0f}"
            color = "white" if share[i, j] < 0.6 else "black"
            axes.text(j, i, text, ha="center", va="center", fontsize=7, color=color)
    figure.colorbar(image, ax=panels, label="share of problems", shrink=0.7)
    figure.suptitle(title)
    return figure


def _mappable(norm: Normalize) -> ScalarMappable:
    return ScalarMappable(norm=norm, cmap=COLOR_MAP)


def step_times(times: Mapping[str, Float[np.ndarray, " R"]], ours: str, floor: str, title: str) -> Figure:
    """Milliseconds of a step for each competitor, medians over the rounds with quartiles; the floor as a line."""
    figure = Figure(figsize=(7.6, 0.36 * len(times) + 1.4), layout="constrained")
    axes = figure.subplots()
    for row, (name, values) in enumerate(times.items()):
        low, middle, high = np.quantile(values, (0.25, 0.5, 0.75))
        color = ACCENT if name == ours else "#0072b2"
        axes.errorbar(
            middle, row, xerr=[[middle - low], [high - middle]], fmt="o", color=color, ecolor="0.4", capsize=2
        )
        axes.annotate(
            f"{middle:.3g}", (middle, row), (0, 5), textcoords="offset points", ha="center", fontsize=7
        )
    axes.axvline(float(np.median(times[floor])), color="0.3", linewidth=1, linestyle="--", label="floor")
    axes.set_yticks(range(len(times)), list(times), fontsize=8)
    axes.set_ylim(len(times) - 0.5, -0.7)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("ms a step (log scale)")
    axes.grid(color="0.93")
    axes.set_axisbelow(True)
    axes.legend(frameon=False, fontsize=8, loc="lower right")
    axes.set_title(title, fontsize=10)
    return figure


def scaling(by_size: Mapping[int, Mapping[str, float]], ours: str, title: str) -> Figure:
    """Milliseconds of a step against the number of configurations, a line for each competitor."""
    figure = Figure(figsize=(7.6, 5.0), layout="constrained")
    axes = figure.subplots()
    sizes = list(by_size)
    for k, name in enumerate(next(iter(by_size.values()))):
        style = {"color": ACCENT, "linewidth": 2.2, "zorder": 3} if name == ours else {"linewidth": 1.2}
        axes.plot(
            sizes,
            [line[name] for line in by_size.values()],
            marker="osD^v<>P"[k % 8],
            markersize=4,
            label=name,
            **style,
        )
    axes.set(xscale="log", yscale="log", xlabel="configurations", ylabel="ms a step of all of them")
    axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
    axes.minorticks_off()
    axes.grid(color="0.93")
    axes.legend(frameon=False, fontsize=7)
    axes.set_title(title, fontsize=10)
    return figure


def _spacing(values: Float[np.ndarray, " n"]) -> str:
    """How sorted values are spaced: "log", "linear" or "uneven"."""
    log = len(values) > 1 and values[0] > 0 and np.allclose(np.diff(np.log(values), 2), 0, atol=1e-6)
    if log and (len(values) > 2 or values[1] / values[0] >= 10):
        return "log"
    return "linear" if np.allclose(np.diff(values, 2), 0, atol=1e-6 * np.ptp(values)) else "uneven"


def _axis(axes: Axes, which: str, values: Float[np.ndarray, " n"], label: str) -> Float[np.ndarray, " m"]:
    """Scales one axis for cells at `values`, and returns the n + 1 edges of the cells."""
    getattr(axes, f"set_{which}label")(label)
    axis = getattr(axes, f"{which}axis")
    spacing = _spacing(values) if len(values) > 1 else "uneven"
    if spacing == "uneven":  # equally wide cells, each named
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
