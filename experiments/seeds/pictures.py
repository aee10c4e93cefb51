"""The pictures of the report, in the palette of `softjax.plots`."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from seeds.agreement import Agreement
from softjax.objective.config import Kind
from softjax.plots import ACCENT, BLUE, COLOR_MAP

NAMES = {"train": "training", "val": "validation"}
KINDS: dict[Kind, str] = {"softmax": "softmax", "hinge": "SVM"}


def published_against_ours(
    tables: Mapping[str, Agreement], lr: Float[np.ndarray, " C"], title: str
) -> Figure:
    """Every cell's published accuracy with ours and its prediction interval: a panel a split, a block a learning rate."""
    figure = Figure(figsize=(11, 7), layout="constrained")
    for axes, (split, table) in zip(figure.subplots(len(tables), sharex=True), tables.items(), strict=True):
        x = np.arange(len(table.published))
        axes.vlines(x, *table.interval.T, color=BLUE, alpha=0.3, linewidth=4)
        axes.plot(x, table.mean, "_", color=BLUE, markersize=6)
        axes.plot(x[table.inside], table.published[table.inside], "o", color="black", markersize=3)
        outside = ~table.inside
        axes.plot(x[outside], table.published[outside], "D", color=ACCENT, markersize=5)
        held = int(table.inside.sum())
        axes.set_title(f"{NAMES[split]}: {held} of {len(x)} inside", fontsize=10)
        axes.set_ylabel(f"{NAMES[split]} accuracy")
        starts = np.flatnonzero(np.diff(lr, prepend=np.nan) != 0)
        for start in starts[1:]:
            axes.axvline(start - 0.5, color="0.85", linewidth=0.8, zorder=0)
        axes.set_xticks(starts + 4.5, [f"{lr[start]:.3g}" for start in starts])
        axes.set_xlim(-1, len(x))
        axes.tick_params(axis="x", length=0)
    axes.set_xlabel("learning rate lr; within each block the penalty strength rises from left to right")
    handles = [
        Line2D([], [], marker="o", color="black", linestyle="", markersize=3, label="published, inside"),
        Line2D([], [], marker="D", color=ACCENT, linestyle="", markersize=5, label="published, outside"),
        Line2D([], [], marker="_", color=BLUE, linestyle="", label="ours, mean over seeds"),
        Patch(color=BLUE, alpha=0.3, label="95 % prediction interval for one run"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    figure.suptitle(title)
    return figure


def heat_maps(
    tables: Mapping[str, Agreement], lr: Float[np.ndarray, " C"], reg: Float[np.ndarray, " C"], title: str
) -> Figure:
    """Published and ours side by side, on one scale a split."""
    rates, strengths = np.unique(lr), np.unique(reg)
    shape = (len(rates), len(strengths))
    figure = Figure(figsize=(11, 9.6), layout="constrained")
    for row, (split, table) in zip(figure.subplots(len(tables), 2), tables.items(), strict=True):
        both = {"published, one run": table.published, f"ours, mean of {table.runs.shape[1]}": table.mean}
        low, high = (function(list(both.values())) for function in (np.min, np.max))
        for axes, (name, values) in zip(row, both.items(), strict=True):
            image = axes.imshow(
                values.reshape(shape), cmap=COLOR_MAP, vmin=low, vmax=high, origin="lower", aspect="auto"
            )
            for (i, j), value in np.ndenumerate(values.reshape(shape)):
                color = "white" if value < low + 0.6 * (high - low) else "black"
                axes.text(j, i, f"{value:.3f}", ha="center", va="center", fontsize=7, color=color)
            axes.set_xticks(range(shape[1]), [f"{value / 1e4:.2f}" for value in strengths], fontsize=8)
            axes.set_yticks(range(shape[0]), [f"{value * 1e7:.2f}" for value in rates], fontsize=8)
            axes.set_title(f"{NAMES[split]}: {name}", fontsize=10)
            axes.set(xlabel="penalty strength reg, in 1e4", ylabel="learning rate lr, in 1e-7")
        figure.colorbar(image, ax=row, label=f"{NAMES[split]} accuracy")
    figure.suptitle(title)
    return figure


def distributions(panels: Sequence[tuple[str, Float[np.ndarray, " n"], float]], title: str) -> Figure:
    """Histograms of what chance does to a figure, the published one as a line: (name, ours, published) each."""
    figure = Figure(figsize=(3.6 * len(panels), 3.4), layout="constrained")
    for axes, (name, ours, theirs) in zip(
        figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True
    ):
        axes.hist(ours, bins=min(40, max(5, len(ours) // 2)), color=BLUE, alpha=0.7)
        axes.axvline(theirs, color=ACCENT, linewidth=2)
        axes.set_title(f"published: {theirs:.7g}", color=ACCENT, fontsize=9)
        axes.set(xlabel=name, ylabel="runs")
        axes.locator_params(axis="x", nbins=5)
    figure.suptitle(title)
    return figure


def loss_curves(panels: Sequence[tuple[str, Mapping[Kind, Float[np.ndarray, " T"]]]], title: str) -> Figure:
    """Softmax's and the SVM's objective over the steps, side by side: (what of, the two curves) each."""
    figure = Figure(figsize=(5.2 * len(panels), 4), layout="constrained")
    colors: dict[Kind, str] = {"softmax": ACCENT, "hinge": BLUE}
    for axes, (name, curves) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        for kind, curve in curves.items():
            axes.plot(curve, color=colors[kind], linewidth=0.5, alpha=0.35)
            window = max(1, len(curve) // 50)
            smooth = np.convolve(curve, np.full(window, 1 / window), mode="valid")
            centers = np.arange(len(smooth)) + (window - 1) / 2
            axes.plot(centers, smooth, color=colors[kind], linewidth=1.6, label=KINDS[kind])
        axes.set(yscale="log", xlabel="step", ylabel="minibatch objective, with penalty")
        axes.set_title(name, fontsize=9)
        axes.legend(frameon=False)
        axes.grid(color="0.93")
    figure.suptitle(title)
    return figure
