"""The pictures of the experiments: no text leaves the canvas or is too small, whatever is drawn and however it is called."""

import audit_packages
import benchmark_plots
import convergence
import cross_validation
import numpy as np
import pytest
import scaling
from benchmark_sweep import FLOORS, PEERS, SOFTJAX
from checkers import softmax
from checkers.report import SUMMARY
from reproduction import pictures, published
from reproduction.agreement import compare
from support.pictures import list_texts, texts_outside, texts_overlapping

from softjax.drawing import WIDTH, label_ends, spread, start_picture

LONG = "a title of the longest kind, that names a data set in many words and then says what is shown"
NAMES = ["softjax", "x", "a checker whose name goes on and on"]
RNG = np.random.default_rng(0)


def draw_detection():
    rows = [*SUMMARY, *softmax.FAULTS]
    shares = {dtype: RNG.random((len(rows), 3)) for dtype in ("float64", "float32", "bfloat16", "float16")}
    shares["float16"][5] = np.nan
    return benchmark_plots.detection(shares, rows, NAMES, 2, "large faults caught, by kind:", LONG)


def draw_acceptance():
    rates = {where: {name: tuple(RNG.random(2)) for name in NAMES} for where in ("all types", "float64 only")}
    return benchmark_plots.acceptance(rates, LONG)


def draw_step_times():
    times = {peer.title: 10 ** (3 * RNG.random(5)) for peer in PEERS}
    groups = {"in float32:": times, "in another type, which is other work:": {"other": np.full(5, 1e-3)}}
    return benchmark_plots.step_times(groups, [SOFTJAX], FLOORS[0], LONG)


def draw_scaling():
    by_size = {size: {peer.title: size * RNG.random() for peer in PEERS} for size in (1, 30, 100_000)}
    return benchmark_plots.scaling(by_size, SOFTJAX, {peer.title for peer in PEERS if peer.one}, LONG)


def draw_convergence():
    regs = np.geomspace(1, 1e-6, 5)
    found = {
        "regs": regs.tolist(),
        "num_weights": 10,
        "title": "a set of many features, 1,000 × 9, 3 classes",
    }
    timings = [
        convergence.Timing(solver, solver != "saga warm", [1.0], RNG.random(count).tolist(), 1e-7, 0.0)
        for solver, count in (("lbfgs warm", 5), ("newton-cholesky warm", 2), ("saga warm", 5), ("torch", 5))
    ]
    measured = {name: found | {"softjax": {"each": RNG.random(5).tolist()}} for name in ("a", "b", "c", "d")}
    return convergence.draw(measured, dict.fromkeys(measured, timings))


def draw_cross_validation():
    solvers = {
        solver: {"first": [9.0], "seconds": [0.1 * RNG.random()]} for solver in cross_validation.SOLVERS
    }
    ended = {"softjax": {"first": [393.0], "seconds": []}, "lbfgs": {"first": [], "seconds": []}}
    title = "a set of many features, 1,000,000 × 4,096, 1,000 classes"
    measured = {name: {"title": title, "solvers": solvers} for name in ("a", "b")}
    return cross_validation.draw(measured | {"c": {"title": title, "solvers": ended}}, 600.0)


def draw_memory():
    def program(devices):
        held = {"bytes": int(150e6 + 28e6 / devices), "examples": int(150e6)}
        return {"devices": devices, "config": held, "data": held | {"bytes": int(190e6)}}

    return scaling.draw_memory([program(devices) for devices in (1, 2, 4, 8)], LONG[:40])


def draw_verdicts():
    header = ["package", *audit_packages.VERDICTS]
    rows = [[name, *("3" for _ in audit_packages.VERDICTS)] for name in (*NAMES, "all")]
    return audit_packages.draw_verdicts([header, ["never called", *("157" for _ in header[1:])], *rows])


def compare_grids():
    runs = 0.3 + 0.01 * RNG.random((100, 6))
    return {"train": compare(np.array(published.read_grid().train), runs), "val": compare(runs[:, 0], runs)}


def draw_distributions():
    runs = {
        "loss at random W, in nats": "initial",
        "best validation accuracy": "best",
        "test accuracy": "test",
    }
    values = {key: published.read_figures()[key].value for key in runs.values()}
    return pictures.draw_distributions(
        {
            name: (key, values[key] + np.arange(n) * step)
            for (name, key), n, step in zip(runs.items(), (200, 20, 20), (1e-4, -0.001, 0.0), strict=True)
        },
        LONG,
    )


def draw_loss_curves():
    curves = {"softmax": np.linspace(700, 2, 300), "hinge": np.linspace(800, 3, 300)}
    best = "\n".join(f"best of a wider grid, {kind} lr 1.2e-07, reg 2.5e+04" for kind in ("softmax", "SVM"))
    return pictures.draw_loss_curves({"first cell:\nlr 1e-07, reg 2.5e+04": curves, best: curves}, LONG)


@pytest.mark.parametrize(
    "draw",
    [
        draw_detection,
        draw_acceptance,
        draw_step_times,
        draw_scaling,
        draw_convergence,
        draw_cross_validation,
        draw_memory,
        draw_verdicts,
        lambda: pictures.draw_cells(compare_grids(), LONG),
        lambda: pictures.draw_heat_maps(compare_grids(), 20, LONG),
        draw_distributions,
        draw_loss_curves,
    ],
    ids=[
        "detection",
        "checkers",
        "peers",
        "sizes",
        "time",
        "seconds",
        "memory",
        "verdicts",
        "cells",
        "heat_maps",
        "distributions",
        "loss_curves",
    ],
)
def test_a_picture_is_readable_at_the_width_of_a_page(draw):
    figure = draw()
    assert figure.get_figwidth() == WIDTH
    assert texts_outside(figure) == []
    assert min(each.size for each in list_texts(figure)) >= 8
    slanted = {
        tick.get_text() for axes in figure.axes for tick in axes.get_xticklabels() if tick.get_rotation()
    }
    assert [
        pair for pair in texts_overlapping(figure) if not slanted & set(pair)
    ] == []  # their boxes are no measure


def test_the_helper_sees_a_text_that_leaves_the_canvas_and_one_on_another():
    figure = start_picture("a title", 3.0)
    figure.text(0.95, 0.5, "too far to the right", in_layout=False)
    figure.text(0.5, 0.5, "one", in_layout=False)
    figure.text(0.505, 0.5, "other", in_layout=False)
    assert texts_outside(figure) == ["too far to the right"]
    assert texts_overlapping(figure) == [("one", "other")]


def test_labels_at_the_ends_of_lines_that_end_together_stand_below_one_another():
    figure = start_picture("lines", 4.0)
    axes = figure.subplots()
    axes.set(xlim=(0, 1), ylim=(0, 1))
    label_ends(axes, [(1.0, 0.5 + 0.001 * k, f"line {k}", "black") for k in range(8)], 3.2, bold=["line 3"])
    assert texts_overlapping(figure) == []
    heights = [text.box.y0 for text in list_texts(figure) if text.text.startswith("line ")]
    assert heights == sorted(heights)


@pytest.mark.parametrize("values", [[], [3.0], [1.0, 1.0, 1.0], [0.0, 5.0, 0.5, 5.2, 5.1, -3.0]])
def test_what_is_spread_keeps_its_order_and_its_distance(values):
    moved = np.array(spread(values, 1.0))
    order = np.argsort(values, kind="stable")
    assert (np.diff(moved[order]) >= 1 - 1e-12).all()
    assert moved.sum() == pytest.approx(sum(values))


def test_values_in_one_part_of_the_range_are_piled_on_one_another_at_their_mean():
    places, heights = pictures.pile(np.array([0.3, 0.1, 0.3, 0.2, 0.302]), bins=10)
    np.testing.assert_array_equal(heights, [0, 0, 1, 0, 2])
    np.testing.assert_allclose(places, [0.902 / 3, 0.1, 0.902 / 3, 0.2, 0.902 / 3])
    np.testing.assert_array_equal(pictures.pile(np.full(3, 0.5), bins=10), [[0.5] * 3, [0, 1, 2]])
