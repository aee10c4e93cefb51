"""The accuracy along a regularization path."""

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from softjax.datasets.folds import name_validation
from softjax.drawing import (
    BLACK,
    BLUE,
    GREY,
    SMALL,
    VERMILION,
    start_picture,
    tidy_axes,
)
from softjax.path.result import PathResult


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
