"""The pictures of the report, in the palette of `softjax.drawing`."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from reproduction.agreement import Agreement, choose
from reproduction.facts import Facts
from reproduction.published import LEARNING_RATES, REGS, read_figures
from reproduction.sweeps import INDEPENDENT, KINDS
from softjax.drawing import BLUE, COLOR_MAP, VERMILION
from softjax.objective.config import Kind
from softjax.plots import templates

NAMES = {"train": "training", "val": "validation"}


def draw(facts: Facts) -> dict[str, Figure]:
    """All pictures by name."""
    data, choice = facts["dataset"], choose(facts["results"][INDEPENDENT])
    wide = {kind: facts["results"][f"wide-{kind}"] for kind in KINDS}
    chance = {
        "loss at random W": ("initial", np.array(facts["measurements"]["initial"]["losses"])),
        "best validation accuracy of the grid": ("best", choice.val),
        "test accuracy of the chosen cell": ("test", choice.test),
    }
    best = ", ".join(
        f"{KINDS[kind]} lr {r.learning_rate[r.best]:.2g}, reg {r.reg[r.best]:.2g}" for kind, r in wide.items()
    )
    panels = {
        "lr {lr:.2g}, reg {reg:.2g}".format(**facts["first"]): facts["curves"],
        best: {kind: result.loss_history[result.best, result.best_seed] for kind, result in wide.items()},
    }
    figures = {
        "cells": draw_cells(facts["own"]),
        "heat_maps": draw_heat_maps(facts["own"], facts["num_seeds"]),
        "distributions": draw_distributions(chance),
        "loss_curves": draw_loss_curves(panels),
    }
    compared = "003's grid, published and ours"
    titles = (compared, compared, "how much a figure varies from run to run", "objective with ½ reg ΣW²")
    for figure, title in zip(figures.values(), titles, strict=True):
        figure.suptitle(f"{data.title}: {title}")
    for kind, result in wide.items() if data.image_shape is not None else ():
        title = f"{data.title}: {KINDS[kind]}, class templates of the best classifier"
        picture = templates(result.best_weights, data.class_names, data.image_shape, title)
        figures[f"templates_{KINDS[kind].lower()}"] = picture
    return figures


def draw_cells(tables: Mapping[str, Agreement]) -> Figure:
    """Every cell's published accuracy, ours, and its prediction interval: one panel per split, one block per learning rate."""
    figure, block = Figure(figsize=(11, 7), layout="constrained"), len(REGS)
    for axes, (split, each) in zip(figure.subplots(len(tables), sharex=True), tables.items(), strict=True):
        x = np.arange(len(each.published))
        axes.vlines(x, *each.interval.T, color=BLUE, alpha=0.3, linewidth=4)
        axes.plot(x, each.mean, "_", color=BLUE, markersize=6)
        axes.plot(x[each.inside], each.published[each.inside], "o", color="black", markersize=3)
        axes.plot(x[~each.inside], each.published[~each.inside], "D", color=VERMILION, markersize=5)
        axes.set_title(f"{NAMES[split]}: {each.num_inside} of {len(x)} inside", fontsize=10)
        for start in x[block::block]:
            axes.axvline(start - 0.5, color="0.85", linewidth=0.8, zorder=0)
        axes.set_xticks(x[::block] + 4.5, [f"{lr:.3g}" for lr in LEARNING_RATES])
        axes.set(xlim=(-1, len(x)), ylabel=f"{NAMES[split]} accuracy")
        axes.tick_params(axis="x", length=0)
    axes.set_xlabel("learning rate lr; within each block the penalty strength rises from left to right")
    handles = [
        Line2D([], [], marker="o", color="black", linestyle="", markersize=3, label="published, inside"),
        Line2D([], [], marker="D", color=VERMILION, linestyle="", markersize=5, label="published, outside"),
        Line2D([], [], marker="_", color=BLUE, linestyle="", label="ours, mean over seeds"),
        Patch(color=BLUE, alpha=0.3, label="95 % prediction interval for one run"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    return figure


def draw_heat_maps(tables: Mapping[str, Agreement], num_seeds: int) -> Figure:
    """Published and our accuracies side by side, with one colour scale per split."""
    figure, shape = Figure(figsize=(11, 9.6), layout="constrained"), (len(LEARNING_RATES), len(REGS))
    for row, (split, each) in zip(figure.subplots(len(tables), 2), tables.items(), strict=True):
        low, high = min(each.published.min(), each.mean.min()), max(each.published.max(), each.mean.max())
        both = {"published, one run": each.published, f"ours, mean of {num_seeds}": each.mean}
        for axes, (name, values) in zip(row, both.items(), strict=True):
            grid = values.reshape(shape)
            image = axes.imshow(grid, cmap=COLOR_MAP, vmin=low, vmax=high, origin="lower", aspect="auto")
            for (i, j), value in np.ndenumerate(grid):
                color = "white" if value < low + 0.6 * (high - low) else "black"
                axes.text(j, i, f"{value:.3f}", ha="center", va="center", fontsize=7, color=color)
            axes.set_xticks(range(shape[1]), [f"{reg / 1e4:.2f}" for reg in REGS], fontsize=8)
            axes.set_yticks(range(shape[0]), [f"{lr * 1e7:.2f}" for lr in LEARNING_RATES], fontsize=8)
            axes.set_title(f"{NAMES[split]}: {name}", fontsize=10)
            axes.set(xlabel="penalty strength reg, in 1e4", ylabel="learning rate lr, in 1e-7")
        figure.colorbar(image, ax=row, label=f"{NAMES[split]} accuracy")
    return figure


def draw_distributions(panels: Mapping[str, tuple[str, Float[np.ndarray, " n"]]]) -> Figure:
    """Histograms of our runs, with the published figure as a line. A panel is given as (key of the figure, our runs)."""
    figure = Figure(figsize=(3.6 * len(panels), 3.4), layout="constrained")
    for axes, (name, (key, ours)) in zip(figure.subplots(1, len(panels)), panels.items(), strict=True):
        theirs = read_figures()[key].value
        axes.hist(ours, bins=min(40, max(5, len(ours) // 2)), color=BLUE, alpha=0.7)
        axes.axvline(theirs, color=VERMILION, linewidth=2)
        axes.set_title(f"published: {theirs:.7g}", color=VERMILION, fontsize=9)
        axes.set(xlabel=name, ylabel="runs")
        axes.locator_params(axis="x", nbins=5)
    return figure


def draw_loss_curves(panels: Mapping[str, Mapping[Kind, Float[np.ndarray, " T"]]]) -> Figure:
    """The objectives of softmax and the SVM over the steps, one panel for each pair of curves."""
    figure, colors = Figure(figsize=(5.2 * len(panels), 4), layout="constrained"), (VERMILION, BLUE)
    for axes, (name, curves) in zip(figure.subplots(1, len(panels)), panels.items(), strict=True):
        for color, (kind, curve) in zip(colors, curves.items(), strict=True):
            axes.plot(curve, color=color, linewidth=0.5, alpha=0.35)
            window = max(1, len(curve) // 50)
            smooth = np.convolve(curve, np.full(window, 1 / window), mode="valid")
            centers = np.arange(len(smooth)) + (window - 1) / 2
            axes.plot(centers, smooth, color=color, linewidth=1.6, label=KINDS[kind])
        axes.set(yscale="log", xlabel="step", ylabel="minibatch objective, with penalty")
        axes.set_title(name, fontsize=9)
        axes.legend(frameon=False)
        axes.grid(color="0.93")
    return figure
