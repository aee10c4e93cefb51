"""The statistics by which a published run is held against ours, by simulation; and the published figures themselves."""

import numpy as np
import pytest
from seeds import published
from seeds.agreement import Agreement, chosen, neighbour_variances
from seeds.measurements import check_lines


def table(rng, num_seeds, num_cells=100, common=0.0, offset=0.0):
    """A published run and ours: cells that scatter alone, and, with `common`, together too."""
    runs = rng.normal(0.3, 0.01, (num_cells, num_seeds + 1)) + rng.normal(0, 0.01, num_cells)[:, None]
    runs = runs + common * rng.normal(size=num_seeds + 1)
    return Agreement(runs[:, 0] - offset, runs[:, 1:])


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
    assert each.inside_less_offset.mean() == pytest.approx(0.95, abs=0.04)
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
    alone = Agreement(np.ones(3), np.ones((3, 1)))
    assert np.isnan(alone.sd).all()
    assert alone.misses == 3


def test_what_cells_share_cancels_between_neighbours():
    rng = np.random.default_rng(0)
    own = rng.normal(0, 0.01, (12, 2000))
    together = own + rng.normal(0, 0.1, 2000)
    for accuracy in (own, together):
        variances = neighbour_variances(accuracy, (3, 4))
        assert variances.shape == (2 * 4 + 3 * 3,)
        np.testing.assert_allclose(variances, 2e-4, rtol=0.15)


def test_the_first_of_the_best_is_chosen_and_none_that_diverged():
    val = np.array([[0.3, np.nan], [0.4, 0.1], [0.4, 0.2]])
    test = np.array([[0.1, np.nan], [0.2, 0.3], [0.3, 0.4]])
    found = chosen(val, test)
    assert found.config.tolist() == [1, 2]
    assert found.val.tolist() == [0.4, 0.2]
    assert found.test.tolist() == [0.2, 0.4]


def test_the_published_figures_are_whole():
    grid = published.grid()
    np.testing.assert_allclose(grid.lr, np.repeat(published.LEARNING_RATES, 10), rtol=1e-6)
    np.testing.assert_allclose(grid.reg, np.tile(published.REGS, 10), rtol=1e-6)
    for accuracy, images in ((grid.train, 49_000), (grid.val, 1_000)):  # a misread digit is no share of them
        np.testing.assert_allclose(images * accuracy, np.round(images * accuracy), atol=0.03)
    assert grid.val.max() == published.BEST_VALIDATION
    keys = [figure.key for figure in published.figures()]
    assert len(set(keys)) == len(keys)
    for text in (published.CHECK_WITHOUT, published.CHECK_WITH):
        lines = check_lines(text)
        assert lines.shape == (10, 3)
        np.testing.assert_allclose(lines[:, 0], lines[:, 1], atol=2e-6)
