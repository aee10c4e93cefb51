"""The pictures of benchmarks: how often gradient checkers catch faults, how long training steps take."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

from softjax.drawing import BLUE, COLOR_MAP, VERMILION


def detection(
    rates: dict[str, Float[np.ndarray, "F P"]], faults: Sequence[str], checkers: Sequence[str], title: str
) -> Figure:
    """The share of planted faults that each gradient checker catches: one panel per type, faults × checkers."""
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


def step_times(times: Mapping[str, Float[np.ndarray, " R"]], ours: str, floor: str, title: str) -> Figure:
    """Milliseconds of a step of each competitor: medians and quartiles over the rounds. A line shows the floor."""
    figure = Figure(figsize=(7.6, 0.36 * len(times) + 1.4), layout="constrained")
    axes = figure.subplots()
    for row, (name, values) in enumerate(times.items()):
        low, middle, high = np.quantile(values, (0.25, 0.5, 0.75))
        color = VERMILION if name == ours else BLUE
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
    """Milliseconds of a step against the number of configurations, with one line per competitor."""
    figure = Figure(figsize=(7.6, 5.0), layout="constrained")
    axes = figure.subplots()
    sizes = list(by_size)
    for k, name in enumerate(next(iter(by_size.values()))):
        style = {"color": VERMILION, "linewidth": 2.2, "zorder": 3} if name == ours else {"linewidth": 1.2}
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


def acceptance(rates: Mapping[str, Mapping[str, tuple[float, float]]]) -> Figure:
    """Right gradients accepted against large faults caught, a panel for each selection and a point for each checker."""
    figure = Figure(figsize=(5.2 * len(rates), 4.6), layout="constrained")
    for axes, (where, of_checker) in zip(
        figure.subplots(1, len(rates), squeeze=False)[0], rates.items(), strict=True
    ):
        for k, (checker, (accepted, caught)) in enumerate(of_checker.items()):
            color = VERMILION if checker == "softjax" else BLUE
            axes.plot(
                100 * accepted, 100 * caught, "osD^v<>P"[k % 8], color=color, markersize=8, label=checker
            )
        axes.set(
            xlim=(0, 103),
            ylim=(0, 103),
            xlabel="right gradients accepted, %",
            ylabel="large faults caught, %",
        )
        axes.plot([0, 100], [0, 100], color="0.85", linewidth=1, zorder=0)
        axes.grid(color="0.93")
        axes.set_axisbelow(True)
        axes.set_title(where, fontsize=10)
    axes.legend(frameon=False, fontsize=8, loc="lower right")
    return figure
