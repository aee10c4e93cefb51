"""The loss of all configurations of a sweep while they train."""

import matplotlib
import numpy as np
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from softjax.drawing import (
    BLUE,
    COLOR_MAP,
    SMALL,
    VERMILION,
    label_bar,
    label_logarithms,
    start_picture,
    tidy_axes,
)
from softjax.ranges import spacing_of
from softjax.training.result import SweepResult

MOST_CURVES = 12  # that are drawn one by one; of more, the quantiles
QUANTILES = ((0.05, 0.95, 0.15), (0.25, 0.75, 0.3))  # the ends of a band, and its opacity
LEAST_SHARE = 1e-3  # of the penalty in the objective, that has a panel of its own
# without the light end, which is not seen on white
CURVE_COLORS = ListedColormap(matplotlib.colormaps[COLOR_MAP](np.linspace(0, 0.8, 256)))


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
