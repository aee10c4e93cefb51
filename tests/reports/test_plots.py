"""The pictures show what they claim: axes, the best cell, every class."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.patches import Rectangle
from support.pictures import texts_outside
from support.results import with_grid, with_regs

from softjax import SweepConfig, plots, regularization_path, sweep
from softjax.comparison.pictures import Panel, draw_dots
from softjax.plots.curves import MOST_CURVES


def draw(figure):
    """The first panel of a picture, after it was drawn; no text may leave the canvas."""
    assert texts_outside(figure) == []
    return figure.axes[0]


def legend_of(axes):
    return [text.get_text() for legend in axes.figure.legends for text in legend.get_texts()]


@pytest.mark.parametrize(
    ("learning_rates", "regs", "scales"),
    [
        ((1e-3, 1e-2, 1e-1), (1.0, 10.0, 100.0), ("log", "log")),
        ((1e-7, 2e-7, 3e-7), (2.5e4, 3.5e4, 4.5e4), ("linear", "linear")),
        ((1e-3, 1e-2, 1e-1), (0.0, 1.0, 10.0), ("linear", "log")),  # uneven: named cells
        ((1e-1, 1e-2, 1e-3), (3.0, 2.0, 1.0), ("linear", "log")),  # any order
        ((0.1,), (0.0,), ("linear", "linear")),
    ],
)
def test_a_heat_map_scales_its_axes_as_the_grid_is_spaced(small_result, learning_rates, regs, scales):
    accuracy = np.linspace(0.3, 0.4, len(learning_rates) * len(regs))
    result = with_grid(small_result, learning_rates, regs, accuracy)
    axes = draw(plots.heat_map(result, "title"))
    assert (axes.get_xscale(), axes.get_yscale()) == scales
    assert "reg" in axes.get_xlabel()
    assert "learning rate" in axes.get_ylabel()
    texts = {text.get_text() for text in axes.texts}
    assert texts == {f"{value:.3f}" for value in accuracy}


def test_a_heat_map_frames_the_best_cell_and_crosses_out_the_diverged(small_result):
    result = with_grid(small_result, (1e-3, 1e-2), (1.0, 10.0, 100.0), [0.1, 0.2, 0.3, 0.2, 0.5, np.nan])
    axes = draw(plots.heat_map(result, "title"))
    (frame,) = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    assert frame.get_x() < 10 < frame.get_x() + frame.get_width()
    assert frame.get_y() < 1e-2 < frame.get_y() + frame.get_height()
    assert [text.get_text() for text in axes.texts].count("×") == 1
    assert legend_of(axes) == [
        "best: lr 0.01, reg 10, at the edge of what was searched",
        "5 of 6 are statistically tied",
        "× diverged",
    ]


def test_a_heat_map_goes_around_what_is_tied_with_the_best(small_result):
    result = with_grid(small_result, (1e-3, 1e-2), (1.0, 10.0), [0.1, 0.5, 0.6, 0.6])
    hits = np.array([[1] * 1 + [0] * 9, [1] * 5 + [0] * 5, [1] * 6 + [0] * 4, [1] * 6 + [0] * 4])
    result = replace(result, val_hits=hits.repeat(10, axis=1))
    assert result.tied.tolist() == [False, False, True, True]
    axes = draw(plots.heat_map(result, "title"))
    assert legend_of(axes)[1] == "2 of 4 are statistically tied"
    for lines in (each for each in axes.collections if isinstance(each, LineCollection)):
        points = np.array(lines.get_segments())  # of the upper two cells: three sides of each
        assert len(points) == 6
        assert (points[..., 1] > 10**-2.6).all()
        assert np.unique(points[..., 0].round(6)).size == 3
    everything = replace(result, val_hits=result.val_hits[:1].repeat(4, axis=0))
    assert legend_of(draw(plots.heat_map(everything, "title")))[1] == "all are statistically tied"


def test_a_heat_map_says_that_the_best_is_at_the_edge(small_result):
    for accuracy, edge in (([0.1, 0.1, 0.1, 0.1, 0.5, 0.1, 0.1, 0.1, 0.1], False), ([0.5, *[0.1] * 8], True)):
        result = with_grid(small_result, (1e-3, 1e-2, 1e-1), (1.0, 10.0, 100.0), accuracy)
        right = np.arange(10) < 10 * np.array(accuracy)[:, None]
        result = replace(result, val_hits=right.repeat(10, axis=1).astype(int))
        assert ("at the edge" in legend_of(draw(plots.heat_map(result, "title")))[0]) == edge


def test_a_drawn_search_is_a_dot_a_configuration(digits):
    config = SweepConfig(search="log_uniform", num_configs=8, num_iters=20, halvings=1)
    result = sweep(digits, config)
    axes = draw(plots.heat_map(result, "title"))
    dots = [each for each in axes.collections if isinstance(each, PathCollection)]
    assert [len(each.get_offsets()) for each in dots][:2] == [0, 8]  # diverged, drawn
    (ring,) = dots[-1].get_offsets()
    assert ring[0] == result.reg[result.best]
    assert axes.get_xscale() == axes.get_yscale() == "log"


def test_curves_end_where_a_configuration_was_stopped(digits):
    result = sweep(digits, SweepConfig(regs=(0.1,), num_iters=40, halvings=2))
    axes = draw(plots.loss_curves(result, "title"))
    ends = {int(np.isfinite(line.get_ydata()).sum()) for line in axes.lines}
    assert ends == {10, 20, 40}


def test_a_path_shows_three_splits_the_interval_and_the_best(digits):
    for regs in ((0.01, 1.0, 0.1), (0.0, 0.1)):
        result = regularization_path(digits, SweepConfig(regs=regs))
        axes = draw(plots.path(result, "title"))
        assert axes.get_xscale() == ("symlog" if 0 in regs else "log")
        labels = legend_of(axes)
        assert ("not converged" in labels) == (0 in regs)  # the digits are separable
        labels = [label for label in labels if label != "not converged"]
        assert labels[:4] == ["95 % interval of the validation accuracy", "training", "validation", "test"]
        assert labels[4] == f"best: reg {result.reg[result.best]:.3g}"


def test_loss_curves_show_every_configuration_and_name_the_best(small_result):
    axes = draw(plots.loss_curves(small_result, "title"))
    assert len(axes.lines) == 6 + 1
    best = small_result.best
    assert f"lr {small_result.learning_rate[best]:.3g}" in legend_of(axes)[0]


@pytest.mark.parametrize(("least", "scale"), [(0.5, "linear"), (0.05, "log")])
def test_losses_that_fall_by_more_than_a_decade_have_a_logarithmic_axis(small_result, least, scale):
    falling = np.broadcast_to(np.linspace(2.0, least, 30), small_result.data_loss_history.shape)
    axes = draw(plots.loss_curves(replace(small_result, data_loss_history=falling), "title"))
    assert axes.get_yscale() == scale
    low, high = axes.get_ylim()
    assert low < least < 2.0 < high
    labels = [tick.get_text() for tick in axes.get_yticklabels()]
    assert [label for label in labels if "$" in label] == []  # 0.5, not 5 × 10⁻¹


def test_many_loss_curves_are_bands_of_quantiles_under_the_best(digits):
    rates = (*np.geomspace(1e-4, 0.1, 19), 1e30)  # the last one diverges
    result = sweep(digits, SweepConfig(learning_rates=tuple(rates), regs=(0.001,), num_iters=40))
    axes = draw(plots.loss_curves(result, "title"))
    assert legend_of(axes)[:3] == ["middle 90 % of all 20", "middle 50 % of all 20", "median"]
    assert len(axes.lines) == 2  # the median, and the best
    wide, middle = (band.get_paths()[0].vertices for band in axes.collections)
    end = result.data_loss_history[:, 0, -1]
    ranked = np.sort(np.where(np.isfinite(end), end, np.inf))
    last = middle[middle[:, 0] == middle[:, 0].max()][:, 1]
    assert last.min() == pytest.approx(ranked[4], rel=1e-6)  # the 25 % quantile of 20: the fifth
    assert last.max() == pytest.approx(ranked[14], rel=1e-6)
    assert wide[:, 1].min() <= middle[:, 1].min()
    assert axes.get_ylim()[1] < 100


def test_a_single_loss_curve_has_neither_a_scale_of_colours_nor_a_rank(digits):
    figure = plots.loss_curves(
        sweep(digits, SweepConfig(learning_rates=(0.01,), regs=(0.1,), num_iters=20)), "title"
    )
    axes = draw(figure)
    assert [each.get_ylabel() for each in figure.axes] == [
        "cross-entropy of the minibatch, nats",
        "the penalty's share of the objective",
    ]
    assert legend_of(axes) == ["lr 0.01, reg 0.1"]


def test_the_loss_is_drawn_apart_from_the_share_of_the_penalty(digits):
    config = SweepConfig(learning_rates=(0.01,), regs=(0.1,), num_iters=20, keep_weights="all")
    result = sweep(digits, config)
    loss, share = plots.loss_curves(result, "title").axes
    np.testing.assert_allclose(loss.lines[0].get_ydata(), result.data_loss_history[0, 0])
    penalty = result.loss_history[0, 0] - result.data_loss_history[0, 0]
    np.testing.assert_allclose(
        share.lines[0].get_ydata(), penalty / result.loss_history[0, 0], rtol=1e-4, atol=1e-6
    )
    assert penalty[-1] == pytest.approx(0.1 * (result.weights[0, 0] ** 2).sum(), rel=0.2)


@pytest.mark.parametrize("options", [{"penalty": "none"}, {"regs": (0.0,)}, {"optimizer": "adamw"}])
def test_without_a_penalty_in_the_objective_there_is_one_panel(digits, options):
    config = SweepConfig(**({"learning_rates": (0.01,), "regs": (0.1,), "num_iters": 20} | options))
    assert len(plots.loss_curves(sweep(digits, config), "title").axes) == 1


def test_a_diverging_curve_does_not_flatten_the_others(digits):
    result = sweep(digits, SweepConfig(learning_rates=(0.01, 1e30), regs=(0.1,), num_iters=20))
    axes = draw(plots.loss_curves(result, "title"))
    assert axes.get_ylim()[1] < 100


@pytest.mark.parametrize(("shape", "num_classes"), [((8, 8), 10), ((4, 5, 3), 3), ((2, 2), 7)])
def test_templates_show_every_class_on_one_scale(shape, num_classes):
    W = np.random.default_rng(0).normal(size=(int(np.prod(shape)) + 1, num_classes))
    W[-1] = 1e6  # the bias is no pixel
    names = [f"class {k}" for k in range(num_classes)]
    figure = plots.templates(W, names, shape, "title")
    draw(figure)
    images = [axes.images[0].get_array() for axes in figure.axes if axes.images]
    assert [axes.get_title() for axes in figure.axes if axes.images] == names
    w, pixels = W[:-1, 0].reshape(shape), W[:-1]
    if len(shape) == 3:
        np.testing.assert_allclose(images[0], (w - pixels.min()) / np.ptp(pixels))
    else:  # around zero, in two colours
        np.testing.assert_allclose(images[0], (1 + w / abs(pixels).max()) / 2)
        assert figure.axes[0].images[0].get_cmap().name == "RdBu_r"


def test_images_without_negative_values_are_grey():
    W = np.abs(np.random.default_rng(0).normal(size=(10, 2)))
    (image,) = plots.templates(W, ["a", "b"], (3, 3), "title").axes[0].images
    assert image.get_cmap().name == "gray"


@pytest.mark.parametrize("num_classes", [3, 40])
def test_a_confusion_matrix_is_coloured_by_rows(num_classes):
    counts = np.eye(num_classes, dtype=int) * 7
    counts[0, 1] = 7
    axes = draw(plots.confusion(counts, [str(k) for k in range(num_classes)], "title"))
    assert axes.images[0].get_array()[0, 0] == 0.5
    assert axes.get_xlabel() == "predicted class"
    assert len(axes.texts) == (4 if num_classes == 3 else 0)  # zeros are not written


def test_the_colours_of_a_confusion_matrix_reach_to_its_largest_share():
    axes = draw(plots.confusion(np.full((4, 4), 3), list("abcd"), "title"))
    assert axes.images[0].norm.vmax == 0.25
    draw(plots.confusion(np.zeros((4, 4), int), list("abcd"), "title"))


NAN = np.nan
ODD_GRIDS = [
    ((0.1,), (1.0,), [0.3]),
    ((0.1,), (1.0, 10.0), [0.3, 0.4]),
    ((0.1, 0.01), (1.0,), [0.3, 0.4]),
    ((0.1, 0.01), (0.0, 1.0, 10.0), [0.1, 0.2, 0.3, NAN, 0.5, 0.6]),
    ((0.1, 0.01), (1.0, 10.0), [NAN, NAN, NAN, 0.4]),
    ((0.1,), (0.0,), [0.0]),
    ((0.1, 0.01), (1.0, 10.0), [1.0, 1.0, 1.0, 1.0]),
]


@pytest.mark.parametrize(("learning_rates", "regs", "accuracy"), ODD_GRIDS)
@pytest.mark.parametrize("search", ["grid", "random"])
def test_any_sweep_that_has_a_best_is_drawn(small_result, search, learning_rates, regs, accuracy):
    """Without a warning of Matplotlib's: in tests warnings are errors."""
    result = with_grid(small_result, learning_rates, regs, accuracy)
    lost = np.isnan(accuracy)[:, None, None]
    result = replace(
        result,
        loss_history=np.where(lost, NAN, result.loss_history),
        data_loss_history=np.where(lost, NAN, result.data_loss_history),
    )
    if search == "random":
        config = replace(result.config, search=search, num_configs=len(accuracy))
        result = replace(result, config=config, grid_shape=None)
    draw(plots.heat_map(result, "title"))
    draw(plots.loss_curves(result, "title"))


@pytest.mark.parametrize("value", [0.0, NAN, np.inf, 1e38])
@pytest.mark.parametrize("where", [np.s_[0], np.s_[:, 0, -1], np.s_[:, 0, 0]])
def test_curves_of_any_losses_are_drawn(small_result, value, where):
    result = with_grid(small_result, (0.1,), (1.0, 10.0), [0.3, 0.4])
    histories = {name: getattr(result, name).copy() for name in ("loss_history", "data_loss_history")}
    for history in histories.values():
        history[where] = value
    low, high = draw(plots.loss_curves(replace(result, **histories), "title")).get_ylim()
    assert 0 < low < high < np.inf


@pytest.mark.parametrize("value", [0.0, NAN, 1.0, 1e38])
def test_bands_of_any_losses_are_drawn(digits, value):
    rates = tuple(np.geomspace(1e-4, 0.1, MOST_CURVES + 1))
    result = sweep(digits, SweepConfig(learning_rates=rates, regs=(0.001,), num_iters=3))
    same = np.full_like(result.data_loss_history, value)
    low, high = draw(plots.loss_curves(replace(result, data_loss_history=same), "title")).get_ylim()
    assert 0 < low < high < np.inf


@pytest.mark.parametrize("regs", [(0.1,), (0.0,), (0.0, 1.0), (0.0, 1e-30, 1.0)])
def test_any_path_is_drawn(digits, regs):
    result = regularization_path(digits, SweepConfig(regs=(0.1, 1.0)))
    draw(plots.path(with_regs(result, regs, np.linspace(0.3, 0.4, len(regs))), "title"))


NAMES = {
    "mathematics": ["$a", "$x^$", "\\frac", "a_b", "100%"],
    "letters that the font lacks": ["犬", "кошка", "عربى", "😀"],
    "white space": ["a\nb", "c\td", ""],
    "long": ["x" * 300, "y" * 120, "z"],
    "two": ["a", "b"],
    "200": [f"class {k}" for k in range(200)],
}


@pytest.mark.parametrize("names", NAMES.values(), ids=NAMES)
def test_any_class_names_and_titles_are_drawn(names):
    K = len(names)
    axes = draw(plots.confusion(np.eye(K, dtype=int), names, names[0]))
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert all(len(label) <= 24 for label in labels)
    if K <= 30:
        assert [label[:5] for label, name in zip(labels, names, strict=True) if name.isascii()] == [
            name.replace("\n", " ").replace("\t", " ")[:5] for name in names if name.isascii()
        ]
    draw(plots.templates(np.random.default_rng(0).normal(size=(5, K)), names, (2, 2), names[0]))


def test_a_benchmark_in_which_a_panel_has_no_value_is_drawn():
    times = {"measured": np.array([1e-3, 2.0]), "not": np.array([NAN, NAN]), "zero": np.array([0.0, np.inf])}
    spreads = {name: np.stack([each, each]) for name, each in times.items()}
    for floor in (1.0, NAN, np.inf):
        for quartiles in (dict.fromkeys(times), spreads):
            panels = [Panel(name, "s", each, quartiles[name], floor=floor) for name, each in times.items()]
            figure = draw_dots(["a", "b"], panels, ["a"], "title", value="seconds")
            figure.canvas.draw()
            drawn = {
                axes.get_title(): sum(
                    len(dots.get_offsets()) for dots in axes.collections if dots.get_zorder() == 3
                )
                for axes in figure.axes
            }
            assert drawn["measured"] == 2
            assert drawn["not"] == 0
