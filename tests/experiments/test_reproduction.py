"""The statistics by which a published run is held against ours, by simulation; and the published figures themselves."""

import csv
from types import SimpleNamespace

import numpy as np
import pytest
from reproduction import published
from reproduction.agreement import choose, compare, compare_neighbours


def table(rng, num_seeds, num_cells=100, common=0.0, offset=0.0):
    """A published run and ours: cells that scatter alone, and, with `common`, together too."""
    runs = rng.normal(0.3, 0.01, (num_cells, num_seeds + 1)) + rng.normal(0, 0.01, num_cells)[:, None]
    runs = runs + common * rng.normal(size=num_seeds + 1)
    return compare(runs[:, 0] - offset, runs[:, 1:])


@pytest.mark.parametrize("num_seeds", [5, 20])
def test_of_runs_like_ours_95_of_100_cells_are_inside(num_seeds):
    rng = np.random.default_rng(0)
    tables = [table(rng, num_seeds) for _ in range(100)]
    assert np.mean([each.inside.mean() for each in tables]) == pytest.approx(0.95, abs=0.01)
    expected = (num_seeds - 1) / (num_seeds - 3)
    assert np.mean([each.scatter for each in tables]) == pytest.approx(expected, rel=0.1)
    ours = np.concatenate([each.misses_of_ours for each in tables])
    assert ours.mean() == pytest.approx(5, abs=0.5)
    assert ours.std() == pytest.approx(np.sqrt(100 * 0.05 * 0.95), rel=0.2)  # they miss one by one
    assert np.mean([each.rank <= 0.1 for each in tables]) < 0.2


def test_an_offset_is_measured_and_the_cells_are_inside_without_it():
    each = table(np.random.default_rng(0), 20, num_cells=400, offset=0.05)
    assert each.offset == pytest.approx(0.05, abs=3 * each.offset_error)
    assert each.misses > 390
    assert each.num_inside_less_offset / 400 == pytest.approx(0.95, abs=0.04)
    assert each.rank == pytest.approx(1 / 21)


def test_cells_that_move_together_miss_together():
    rng = np.random.default_rng(0)
    ours = np.concatenate([table(rng, 20, common=0.03).misses_of_ours for _ in range(20)])
    assert ours.mean() == pytest.approx(5, abs=2)
    assert ours.std() > 3 * np.sqrt(100 * 0.05 * 0.95)


def test_too_few_seeds_are_said_and_not_guessed():
    each = table(np.random.default_rng(0), 2)
    assert len(each.misses_of_ours) == 0
    assert np.isnan(each.rank)
    alone = compare(np.ones(3), np.ones((3, 1)))
    assert np.isnan(alone.sd).all()
    assert alone.misses == 3


def test_what_cells_share_cancels_between_neighbours():
    rng = np.random.default_rng(0)
    own = rng.normal(0, 0.01, (12, 2000))
    together = own + rng.normal(0, 0.1, 2000)
    for accuracy in (own, together):
        variances = compare_neighbours(accuracy, (3, 4))
        assert variances.shape == (2 * 4 + 3 * 3,)
        np.testing.assert_allclose(variances, 2e-4, rtol=0.15)


def test_the_first_of_the_best_is_chosen_and_none_that_diverged():
    val = np.array([[0.3, np.nan], [0.4, 0.1], [0.4, 0.2]])
    test = np.array([[0.1, np.nan], [0.2, 0.3], [0.3, 0.4]])
    found = choose(SimpleNamespace(val_accuracy=val, test_accuracy=test))
    assert found.config.tolist() == [1, 2]
    assert found.val.tolist() == [0.4, 0.2]
    assert found.test.tolist() == [0.2, 0.4]


def test_the_published_figures_are_whole():
    grid = published.read_grid()
    np.testing.assert_allclose(grid.lr, np.repeat(published.LEARNING_RATES, 10), rtol=1e-6)
    np.testing.assert_allclose(grid.reg, np.tile(published.REGS, 10), rtol=1e-6)
    for accuracy, images in ((grid.train, 49_000), (grid.val, 1_000)):  # a misread digit is no share of them
        np.testing.assert_allclose(images * accuracy, np.round(images * accuracy), atol=0.03)
    with (published.HERE / "figures.csv").open(newline="", encoding="utf-8") as file:
        assert [row["key"] for row in csv.DictReader(file)] == list(published.read_figures())
    assert list(published.read_checks()) == [0, 50]
    for lines in published.read_checks().values():
        assert lines.shape == (10, 3)
        np.testing.assert_allclose(lines[:, 0], lines[:, 1], atol=2e-6)


def test_published_figures_that_follow_from_others_do():
    grid, figures = published.read_grid(), published.read_figures()
    assert figures["best"].value == grid.val.max()
    assert figures["where"].printed == f"{grid.reg[grid.val.argmax()]:.0f}"
    assert figures["grid-train"].printed == f"{grid.train.min():.4f} to {grid.train.max():.4f}"
    assert figures["grid-val"].printed == f"{grid.val.min():.3f} to {grid.val.max():.3f}"
    difference = figures["softmax"].value - figures["svm"].value
    assert figures["marginally-worse"].printed == f"{difference:.3f}"
    for reg, lines in published.read_checks().items():
        errors = lines[:, 2]
        assert figures[f"check-{reg:g}"].printed == f"{errors.min():.1e} to {errors.max():.1e}"
        assert figures[f"sizes-{reg:g}"].printed == f"{np.sqrt((lines[:, 1] ** 2).mean()):.3f}"
