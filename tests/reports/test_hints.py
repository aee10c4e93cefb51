"""A report says what its result does not show by itself, and what to run next; and nothing where nothing is to be said."""

from dataclasses import replace

import numpy as np
import pytest
from support.results import with_grid, with_regs

from softjax import SweepConfig, cli, plots, regularization_path, sweep
from softjax.analysis import (
    Diverged,
    Drowned,
    Flat,
    NotConverged,
    analyze_path,
    analyze_sweep,
    overshoot_bound,
)
from softjax.cli.parse import parse
from softjax.reports.hints import change_command, list_hints, make_hints
from softjax.reports.path import path_rows

LRS, REGS = (1e-3, 1e-2, 1e-1), (1e-3, 1e-2, 1e-1)
COMMAND = "softjax sweep --learning-rates log:1e-3:1e-1:3 --regs=log:1e-3:1e-1:3 --out reports/mine --resume"


def grid_of(result, accuracy, learning_rates=LRS, regs=REGS, **options):
    """A result whose accuracies are those of 1,000 validation examples."""
    result = with_grid(result, learning_rates, regs, accuracy)
    hits = (np.arange(1000)[None] < 1000 * np.nan_to_num(result.val_accuracy)).astype(np.uint8)
    return replace(result, val_hits=hits, config=replace(result.config, **options))


def peak(row, column):
    """Accuracies with one best cell."""
    accuracy = np.full((3, 3), 0.2)
    accuracy[row, column] = 0.9
    return accuracy


def options_of(hints):
    """The options of a command to run next. It must be one that can be run."""
    (hint,) = hints
    return parse(hint.command.split()[1:])


@pytest.mark.parametrize(
    ("cell", "sides"),
    [
        ((1, 1), {}),
        ((0, 1), {"learning_rates": "low"}),
        ((2, 1), {"learning_rates": "high"}),
        ((1, 0), {"regs": "low"}),
        ((1, 2), {"regs": "high"}),
        ((2, 0), {"learning_rates": "high", "regs": "low"}),
    ],
)
def test_a_best_cell_at_the_edge_of_the_grid_shifts_the_ranges_to_it(small_result, cell, sides):
    findings = analyze_sweep(grid_of(small_result, peak(*cell)))
    assert {edge.axis.name: edge.side for each in findings for edge in each.edges} == sides
    if sides:
        options = options_of(make_hints(findings, COMMAND))
        best = {"learning_rates": LRS[cell[0]], "regs": REGS[cell[1]]}
        for name, values in best.items():
            shifted = getattr(options.training, name)
            if name in sides:  # as many values, as far apart, with the best in the middle
                assert shifted == pytest.approx((values / 10, values, values * 10), rel=0.01)
            else:
                assert shifted == pytest.approx((1e-3, 1e-2, 1e-1))
        assert options.out is None
        assert not options.resume


def test_an_edge_that_is_none(small_result):
    """Nothing lies below reg 0; one value has no edges; as good inside; a penalty that is none."""
    assert analyze_sweep(grid_of(small_result, peak(1, 0), regs=(0.0, 0.01, 0.1))) == ()
    assert analyze_sweep(grid_of(small_result, [[0.2], [0.9], [0.2]], regs=(0.1,))) == ()
    rows = np.array([[0.2] * 3, [0.9] * 3, [0.2] * 3])
    assert analyze_sweep(grid_of(small_result, rows)) == ()
    assert analyze_sweep(grid_of(small_result, peak(1, 0), penalty="none")) == ()


@pytest.mark.parametrize(
    ("search", "best", "side"),
    [("log_uniform", 0.95, "high"), ("random", 2e-3, "low"), ("random", 0.3, None)],
)
def test_a_drawn_search_has_edges_too(small_result, search, best, side):
    rates = np.array([best, 0.1, 0.2, 0.4])
    result = grid_of(small_result, [[0.9], [0.2], [0.2], [0.2]], rates, (0.01,))
    config = replace(
        result.config, search=search, num_configs=4, learning_rates=(1e-3, 1.0), regs=(1e-3, 1e-1)
    )
    result = replace(result, config=config, grid_shape=None, reg=np.array([0.02, 0.02, 0.03, 0.01]))
    findings = analyze_sweep(result)
    assert [(edge.axis.name, edge.side) for each in findings for edge in each.edges] == (
        [("learning_rates", side)] if side else []
    )
    if side:
        command = f"softjax sweep --search {search} --num-configs 4"
        low, high = options_of(make_hints(findings, command)).training.learning_rates
        assert low < best < high


def test_a_flat_grid_is_widened(small_result):
    findings = analyze_sweep(grid_of(small_result, np.full((3, 3), 0.5)))
    assert [type(each) for each in findings] == [Flat]
    options = options_of(make_hints(findings, COMMAND)).training
    for values in (options.learning_rates, options.regs):
        assert (values[0], values[-1]) == pytest.approx((1e-4, 1.0))
    assert analyze_sweep(grid_of(small_result, [[0.5]], (0.1,), (0.1,))) == ()  # one is no search


def test_configurations_that_diverged_are_left_out_next_time(small_result):
    accuracy = peak(1, 1)
    accuracy[2] = np.nan
    (finding,) = analyze_sweep(grid_of(small_result, accuracy))
    assert isinstance(finding, Diverged)
    assert (finding.count, finding.total, finding.least) == (3, 9, 0.1)
    assert max(options_of(make_hints([finding], COMMAND)).training.learning_rates) == pytest.approx(0.01)


def test_configurations_that_drown_in_the_penalty_are_not_blamed_on_the_learning_rate(small_result):
    accuracy = peak(1, 1)
    accuracy[2, 2] = np.nan
    (finding,) = analyze_sweep(grid_of(small_result, accuracy, (1e-3, 1e-2, 1.0), (1e-3, 1e-2, 1.0)))
    assert isinstance(finding, Drowned)
    assert (finding.count, finding.bound) == (1, 1.0)
    options = options_of(make_hints([finding], COMMAND)).training
    assert 1.0 * max(options.regs) < finding.bound


@pytest.mark.parametrize(
    ("optimizer", "penalty"),
    [("sgd", "half_l2"), ("sgd", "elastic_net"), ("momentum", "l2"), ("nesterov", "l2"), ("adamw", "l2")],
)
def test_the_bound_is_where_the_optimizer_ceases_to_shrink_weights(digits, optimizer, penalty):
    """Features of 0 leave the penalty alone to act: just below the bound W shrinks, just above it grows."""
    config = SweepConfig(
        regs=(0.7,),
        optimizer=optimizer,
        penalty=penalty,
        l1_ratio=0.25 if penalty == "elastic_net" else 0.5,
        momentum=0.5 if optimizer in ("momentum", "nesterov") else 0.9,
        num_iters=400,
        init_scale=1e-2 if penalty != "elastic_net" else 1e4,
        keep_weights="all",
        dtype="float64",
    )
    bound = overshoot_bound(config)
    rates = (0.95 * bound / 0.7, 1.05 * bound / 0.7)
    nothing = replace(digits, train=replace(digits.train, X=np.zeros_like(digits.train.X)))
    result = sweep(nothing, replace(config, learning_rates=rates))
    start = config.init_scale
    below, above = (np.abs(weights[0, :-1]).max() for weights in result.weights)
    assert below < 100 * start
    assert above > 1e4 * start
    assert result.diverged.tolist() == [[False], [False]]


@pytest.mark.parametrize("options", [{"optimizer": "adam"}, {"penalty": "l1"}, {"penalty": "none"}])
def test_without_such_a_bound_nothing_is_said(small_result, options):
    assert overshoot_bound(SweepConfig(**options)) is None
    result = grid_of(small_result, peak(1, 1), (1.0, 10.0, 100.0), (1.0, 10.0, 100.0), **options)
    assert analyze_sweep(result) == ()


@pytest.fixture(scope="module")
def solved(digits):
    return regularization_path(digits, SweepConfig(regs=(0.1, 1.0)))


@pytest.mark.parametrize(("place", "side"), [(0, "low"), (1, None), (2, "high")])
def test_a_path_whose_best_is_at_an_end_goes_on_there(solved, place, side):
    accuracy = np.full(3, 0.2)
    accuracy[place] = 0.9
    findings = analyze_path(with_regs(solved, REGS, accuracy))
    assert [edge.side for each in findings for edge in each.edges] == ([side] if side else [])
    if side:
        options = options_of(make_hints(findings, "softjax sweep --converge --regs log:1e-3:1e-1:3"))
        assert options.training.regs[1] == pytest.approx(REGS[place], rel=0.01)
    else:
        assert list_hints(make_hints(findings, COMMAND)) == ""
    assert isinstance(analyze_path(with_regs(solved, REGS, [0.5] * 3))[0], Flat)


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("passes", "--max-passes 100"),
        ("rounding", "--tolerance 0.001"),
        ("separable", "--regs log:1e-6:1:20"),
    ],
)
def test_what_did_not_converge_is_named_with_the_reason(solved, reason, expected):
    result = with_regs(solved, REGS, [0.2, 0.9, 0.2], converged=[False, True, True], reason=reason)
    (finding,) = analyze_path(replace(result, solver=replace(result.solver, max_passes=10)))
    assert isinstance(finding, NotConverged)
    assert finding.regs == (1e-3,)
    (hint,) = make_hints([finding], "softjax sweep --converge")
    assert hint.command == f"softjax sweep --converge {expected}"
    assert "0.001" in hint.text


def test_points_that_did_not_converge_are_marked_in_table_and_picture(solved):
    result = with_regs(solved, REGS, [0.2, 0.9, 0.2], converged=[False, True, True])
    header, *rows = path_rows(result)
    column = header.index("converged")
    assert column < 8  # those that the console shows
    assert [row[column] for row in rows] == ["no: rounding", "yes", "yes"]
    axes = plots.path(result, "title").axes[0]
    labels = [text.get_text() for text in axes.figure.legends[0].get_texts()]
    assert labels.count("not converged") == 1
    opened = [line for line in axes.lines if line.get_markerfacecolor() == "white"]
    assert [line.get_xdata().tolist() for line in opened] == [[1e-3]] * 3
    axes = plots.path(with_regs(solved, REGS, [0.2, 0.9, 0.2]), "title").axes[0]
    assert "not converged" not in [text.get_text() for text in axes.figure.legends[0].get_texts()]


def test_a_command_is_changed_in_place_of_its_options():
    command = "softjax sweep --regs=1,2 --out 'a b' --overwrite --dataset 'my data.npz' --learning_rates 1"
    changed = change_command(command, {"--regs": "3", "--learning-rates": "4"})
    assert changed == "softjax sweep --dataset 'my data.npz' --regs 3 --learning-rates 4"


@pytest.mark.usefixtures("without_pictures")
def test_console_and_report_say_the_same(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    small = ["--learning-rates", "1e-5,1e-4", "--regs", "0.01", "--num-iters", "20"]
    assert cli.main(["sweep", *small]) == 0
    printed = capsys.readouterr().out
    text = (tmp_path / "runs" / "digits-001" / "README.md").read_text()
    command = "softjax sweep --regs 0.01 --num-iters 20 --learning-rates"
    assert command in printed
    assert command in text.split("## What to try next")[1]
