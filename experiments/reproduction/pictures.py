"""The pictures of the report, in the palette of `softjax.drawing`."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from reproduction.agreement import Agreement, choose, summarize
from reproduction.facts import Facts
from reproduction.published import LEARNING_RATES, REGS, read_figures
from reproduction.sweeps import INDEPENDENT, KINDS
from softjax.drawing import BLACK, BLUE, COLOR_MAP, MEDIUM, SMALL, VERMILION, start_picture, tidy_axes
from softjax.objective.config import Kind
from softjax.plots import templates

NAMES = {"train": "training", "val": "validation"}
GRID = "the grid of the published notebook (003)"


def draw(facts: Facts) -> dict[str, Figure]:
    """All pictures by name."""
    data, choice = facts["dataset"], choose(facts["results"][INDEPENDENT])
    wide = {kind: facts["results"][f"wide-{kind}"] for kind in KINDS}
    chance = {
        "loss at random W, in nats": ("initial", np.array(facts["measurements"]["initial"]["losses"])),
        "best validation accuracy of the grid": ("best", choice.val),
        "test accuracy of the chosen cell": ("test", choice.test),
    }
    best = "\n".join(
        f"best of a wider grid, {KINDS[kind]} lr {r.learning_rate[r.best]:.2g}, reg {r.reg[r.best]:.2g}"
        for kind, r in wide.items()
    )
    panels = {
        "first cell of the published grid:\nlr {lr:.2g}, reg {reg:.2g}".format(**facts["first"]): facts[
            "curves"
        ],
        best: {kind: result.loss_history[result.best, result.best_seed] for kind, result in wide.items()},
    }
    figures = {
        "cells": draw_cells(facts["own"], f"{data.title}: {GRID}, against our runs of each cell"),
        "heat_maps": draw_heat_maps(
            facts["own"],
            facts["num_seeds"],
            f"{data.title}: {GRID}, and our means over {facts['num_seeds']} runs",
        ),
        "distributions": draw_distributions(
            chance, f"{data.title}: how much a published figure varies from run to run"
        ),
        "loss_curves": draw_loss_curves(panels, f"{data.title}: training curves of softmax and of the SVM"),
    }
    for kind, result in wide.items() if data.image_shape is not None else ():
        title = f"{data.title}: {KINDS[kind]}, class templates of the best classifier"
        picture = templates(result.best_weights, data.class_names, data.image_shape, title)
        figures[f"templates_{KINDS[kind].lower()}"] = picture
    return figures


def draw_cells(tables: Mapping[str, Agreement], title: str) -> Figure:
    """Every cell's published accuracy, ours, and its prediction interval: one panel per split, one block per learning rate."""
    figure, block = start_picture(title, 2.6 * len(tables) + 0.8), len(REGS)
    for axes, (split, each) in zip(
        figure.subplots(len(tables), sharex=True, squeeze=False).flat, tables.items(), strict=True
    ):
        x = np.arange(len(each.published))
        axes.vlines(x, *each.interval.T, color=BLUE, alpha=0.3, linewidth=3)
        axes.plot(x, each.mean, "_", color=BLUE, markersize=5)
        axes.plot(x[each.inside], each.published[each.inside], "o", color=BLACK, markersize=3)
        axes.plot(x[~each.inside], each.published[~each.inside], "D", color=VERMILION, markersize=5)
        axes.set_title(f"{NAMES[split]}: {each.num_inside} of {len(x)} published accuracies inside")
        for start in x[block::block]:
            axes.axvline(start - 0.5, color="0.85", linewidth=0.8, zorder=0)
        axes.set_xticks(x[::block] + 4.5, [f"{1e7 * lr:.3g}" for lr in LEARNING_RATES])
        axes.set(xlim=(-1, len(x)), ylabel=f"{NAMES[split]} accuracy")
        tidy_axes(axes)
        axes.tick_params(axis="x", length=0)
    axes.set_xlabel(
        "learning rate lr, in 1e-7; within each block the penalty strength rises from left to right",
        fontsize=SMALL + 0.5,
    )
    handles = [
        Line2D([], [], marker="o", color=BLACK, linestyle="", markersize=3, label="published, inside"),
        Line2D([], [], marker="D", color=VERMILION, linestyle="", markersize=5, label="published, outside"),
        Line2D([], [], marker="_", color=BLUE, linestyle="", label="ours, mean over seeds"),
        Patch(color=BLUE, alpha=0.3, label="95 % prediction interval for one run"),
    ]
    figure.legend(handles=handles, loc="outside lower left", ncols=4, frameon=False, fontsize=SMALL)
    return figure


def draw_heat_maps(tables: Mapping[str, Agreement], num_seeds: int, title: str) -> Figure:
    """Published and our accuracies side by side, with one colour scale per split, in per cent."""
    figure, shape = start_picture(title, 3.6 * len(tables) + 0.5), (len(LEARNING_RATES), len(REGS))
    panels = figure.subplots(len(tables), 2, squeeze=False, sharex=True, sharey=True)
    for row, (split, each) in zip(panels, tables.items(), strict=True):
        low, high = min(each.published.min(), each.mean.min()), max(each.published.max(), each.mean.max())
        both = {"published, one run": each.published, f"ours, mean of {num_seeds} runs": each.mean}
        for axes, (name, values) in zip(row, both.items(), strict=True):
            grid = values.reshape(shape)
            axes.imshow(grid, cmap=COLOR_MAP, vmin=low, vmax=high, origin="lower", aspect="auto")
            for (i, j), value in np.ndenumerate(grid):
                color = "white" if value < low + 0.6 * (high - low) else "black"
                text = f"{100 * value:.1f}"
                axes.text(j, i, text, ha="center", va="center_baseline", fontsize=SMALL, color=color)
            axes.set_xticks(range(shape[1]), [f"{reg / 1e4:.2f}" for reg in REGS])
            axes.set_yticks(range(shape[0]), [f"{lr * 1e7:.2f}" for lr in LEARNING_RATES])
            axes.set_title(f"{NAMES[split]} accuracy in per cent: {name}")
            tidy_axes(axes)
            axes.tick_params(length=0)
            axes.spines[:].set_visible(False)
        row[0].set_ylabel("learning rate lr, in 1e-7", fontsize=SMALL + 0.5)
    for axes in panels[-1]:
        axes.set_xlabel("penalty strength reg, in 1e4", fontsize=SMALL + 0.5)
    return figure


def draw_distributions(panels: Mapping[str, tuple[str, Float[np.ndarray, " n"]]], title: str) -> Figure:
    """Each of our runs as a dot, with their mean and prediction interval, and the published figure as a line.

    A panel is given as (key of the figure, our runs).
    """
    figure = start_picture(title, 1.25 * len(panels) + 0.75)
    for axes, (name, (key, ours)) in zip(
        figure.subplots(len(panels), squeeze=False).flat, panels.items(), strict=True
    ):
        theirs, found = read_figures()[key].value, summarize(ours)
        places, heights = pile(ours, bins=60)
        size = 4 if heights.max() < 8 else 2.5
        axes.plot(places, heights, "o", color=BLUE, markersize=size, alpha=0.7, markeredgewidth=0)
        top = max(6.0, 1.15 * heights.max() + 1)
        axes.hlines(-0.25 * top, found.low, found.high, color=BLUE, linewidth=2)
        axes.plot(found.mean, -0.25 * top, "o", color=BLUE, markersize=6)
        axes.axvline(theirs, color=VERMILION, linewidth=2, zorder=1)
        axes.set(ylim=(-0.5 * top, 1.35 * top), yticks=[])
        axes.margins(x=0.12)
        left = theirs > np.mean(axes.get_xlim())
        axes.annotate(
            f"published: {theirs:.7g}", (theirs, 1), (-4 if left else 4, -2), va="top",
            ha="right" if left else "left", xycoords=axes.get_xaxis_transform(), textcoords="offset points",
            color=VERMILION, fontsize=SMALL, fontweight="bold",
        )  # fmt: skip
        axes.set_title(f"{name}, n = {len(ours)} runs", loc="left", fontsize=MEDIUM)
        tidy_axes(axes)
        axes.spines["left"].set_visible(False)
    handles = [
        Line2D([], [], marker="o", color=BLUE, linestyle="", markersize=4, alpha=0.7, label="a run of ours"),
        Line2D([], [], marker="o", color=BLUE, linewidth=2, markersize=6, label="mean and 95 % prediction interval for one more run"),
        Line2D([], [], color=VERMILION, linewidth=2, label="published, one run"),
    ]  # fmt: skip
    figure.legend(handles=handles, loc="outside lower left", ncols=3, frameon=False, fontsize=SMALL)
    return figure


def pile(
    values: Float[np.ndarray, " n"], bins: int
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """A place and a height for each value: those in the same of `bins` parts of their range lie on one another, at their mean."""
    width = (np.ptp(values) or 1.0) / bins
    part = np.round((values - values.min()) / width).astype(int)
    places, heights = np.zeros(len(values)), np.zeros(len(values))
    for each in np.unique(part):
        held = part == each
        places[held] = values[held].mean()
        heights[held] = np.arange(held.sum())
    return places, heights


def draw_loss_curves(panels: Mapping[str, Mapping[Kind, Float[np.ndarray, " T"]]], title: str) -> Figure:
    """The objectives of softmax and the SVM over the steps, one panel for each pair of curves."""
    figure = start_picture(title, 3.9)
    for axes, (name, curves) in zip(
        figure.subplots(1, len(panels), squeeze=False).flat, panels.items(), strict=True
    ):
        for color, line, (kind, curve) in zip((VERMILION, BLUE), ("-", "--"), curves.items(), strict=True):
            axes.plot(curve, color=color, linewidth=0.5, alpha=0.35)
            window = max(1, len(curve) // 50)
            smooth = np.convolve(curve, np.full(window, 1 / window), mode="valid")
            centers = np.arange(len(smooth)) + (window - 1) / 2
            unit = "softmax, in nats" if kind == "softmax" else f"{KINDS[kind]}, without unit"
            axes.plot(centers, smooth, line, color=color, linewidth=1.8, label=unit)
        axes.set(yscale="log", xlabel=f"step (thick: mean over {window} steps)")
        axes.set_title(name)
        axes.legend(frameon=False, fontsize=SMALL)
        tidy_axes(axes, grid="both")
    figure.axes[0].set_ylabel("objective of the minibatch, with ½ reg ΣW²", fontsize=SMALL + 0.5)
    return figure
