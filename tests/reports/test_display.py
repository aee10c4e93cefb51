"""Results speak: a few lines, a page in a notebook, a table of pandas, a picture."""

import base64
import re
import sys
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from IPython.core.formatters import DisplayFormatter
from matplotlib.figure import Figure
from scipy.stats import rankdata
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from support.results import with_grid, with_regs

from softjax import InputError, SweepConfig, plots, regularization_path, sweep


@pytest.fixture(scope="module")
def path_result(digits):
    return regularization_path(digits, regs=(0.001, 0.1, 10.0))


@pytest.fixture
def diverged(small_result):
    return with_grid(small_result, (1.0, 2.0), (0.1,), [np.nan, np.nan])


class Page(HTMLParser):
    """The elements of a page, which must be closed in order, the styles, and the texts of the cells."""

    def __init__(self, html):
        super().__init__()
        self.open, self.styles, self.images, self.rows = [], [], [], []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.styles.append(attributes.get("style", ""))
        if tag == "img":
            self.images.append(attributes["src"])
            return
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1] in ("td", "th"):
            self.rows[-1].append(data)


def test_a_sweep_is_a_few_lines_that_say_what_it_found(small_result):
    text, best = repr(small_result), small_result.best
    assert len(text.splitlines()) <= 8
    assert "3 learning rates × 2 penalty strengths × 2 seeds" in text
    assert f"best: lr {small_result.learning_rate[best]:g}, reg {small_result.reg[best]:g}" in text
    for split, name in (("val", "validation"), ("test", "test")):
        accuracy = getattr(small_result, f"{split}_accuracy")[best].mean()
        low, high = getattr(small_result, f"{split}_interval")[best]
        assert f"{name} accuracy {accuracy:.4f} (95 % interval {low:.4f} to {high:.4f})" in text
    assert f"{small_result.tied.sum()} of 6 configurations" in text
    assert "diverged: 0 of 12 runs" in text
    seconds = small_result.seconds
    assert f"{seconds.load + seconds.compile + seconds.train + seconds.evaluate:.1f} s" in text


def test_a_path_is_a_few_lines_that_say_what_it_found(path_result):
    text, best = repr(path_result), path_result.best
    assert len(text.splitlines()) <= 8
    assert f"best: reg {path_result.reg[best]:g}" in text
    assert f"validation accuracy {path_result.val_accuracy[best]:.4f}" in text
    assert f"{path_result.tied.sum()} of 3 penalty strengths" in text
    assert "all penalty strengths converged" in text
    left = with_regs(path_result, (0.1, 1.0), [0.5, 0.6], converged=[True, False], reason="separable")
    assert "1 did not converge" in repr(left)


def test_where_all_diverge_the_result_says_so_and_nothing_fails(diverged):
    assert "every configuration diverged" in repr(diverged)
    assert "diverged: 2 of 2 runs" in repr(diverged)
    assert Page(diverged._repr_html_()).images == []
    with pytest.raises(InputError, match="every configuration diverged"):
        diverged.plot()


@pytest.mark.parametrize("which", ["sweep", "drawn", "path"])
def test_a_notebook_shows_a_picture_and_the_best_rows(digits, small_result, path_result, which):
    if which == "drawn":
        config = SweepConfig(search="random", num_configs=8, num_iters=8, halvings=1)
        result = sweep(digits, config)
    else:
        result = small_result if which == "sweep" else path_result
    shown, _ = DisplayFormatter().format(result)
    assert shown["text/plain"] == repr(result)
    page = Page(shown["text/html"])
    (image,) = page.images
    assert base64.b64decode(image.removeprefix("data:image/png;base64,")).startswith(b"\x89PNG")
    header, first, *others = page.rows
    assert len(others) < 5
    assert first[header.index("reg")] == f"{result.reg[result.best]:.6g}"
    accuracy = f"{result.val_accuracy[result.best].mean():.4f}"
    assert first[header.index("validation accuracy")].startswith(accuracy)


def test_a_page_has_no_colours_of_text_that_a_dark_theme_cannot_change(small_result, path_result):
    for result in (small_result, path_result):
        for style in Page(result._repr_html_()).styles:
            assert set(re.findall(r"(?<![-\w])color: ([^;]+)", style)) <= {"inherit"}


def test_a_notebook_shows_a_figure_that_is_the_value_of_a_cell(small_result, path_result):
    figures = [
        small_result.plot(),
        path_result.plot(title="mine"),
        plots.loss_curves(small_result, "title"),
        plots.templates(small_result.best_weights, [str(k) for k in range(10)], (8, 8), "title"),
        plots.confusion(np.eye(2, dtype=int), ["a", "b"], "title"),
    ]
    for figure in figures:
        assert isinstance(figure, Figure)
        shown, _ = DisplayFormatter().format(figure)
        assert shown["image/png"].startswith(b"\x89PNG")
    assert figures[1].get_suptitle() == "mine"


def test_the_table_of_a_sweep_has_its_numbers(small_result):
    table = small_result.to_dataframe()
    assert len(table) == 6
    np.testing.assert_array_equal(table["param_lr"], small_result.learning_rate)
    for c, configuration in enumerate(table["params"]):
        assert configuration == {"lr": small_result.learning_rate[c], "reg": small_result.reg[c]}
    for s, seed in enumerate(small_result.seed):
        np.testing.assert_array_equal(table[f"seed{seed}_test_score"], small_result.val_accuracy[:, s])
    for split, mean, spread in (
        ("val", "mean_test_score", "std_test_score"),
        ("train", "mean_train_score", "std_train_score"),
        ("test", "test_accuracy_mean", "test_accuracy_sd"),
    ):
        accuracy = getattr(small_result, f"{split}_accuracy")
        np.testing.assert_allclose(table[mean], accuracy.mean(axis=1))
        np.testing.assert_allclose(table[spread], np.abs(np.diff(accuracy)[:, 0]) / np.sqrt(2), atol=1e-7)
    np.testing.assert_array_equal(table[["val_low", "val_high"]], small_result.val_interval)
    np.testing.assert_array_equal(table[["test_low", "test_high"]], small_result.test_interval)
    np.testing.assert_array_equal(table["tied"], small_result.tied)
    best = table["rank_test_score"].idxmin()
    assert best == small_result.best
    assert table["rank_test_score"][best] == 1


def test_its_columns_are_those_of_scikit_learn(small_result, path_result):
    search = GridSearchCV(LogisticRegression(max_iter=1000), {"C": [0.1, 1.0]}, cv=2, return_train_score=True)
    found = search.fit(*load_iris(return_X_y=True)).cv_results_
    scores = {name for name in found if name.endswith("_score")}
    theirs = {name for name in scores if name.startswith(("mean_", "std_", "rank_"))} | {"params"}
    ours = set(small_result.to_dataframe().columns)
    assert theirs <= ours
    assert {name for name in theirs if not name.startswith("std_")} <= set(path_result.to_dataframe().columns)


def test_equal_scores_have_one_rank_and_what_is_not_compared_comes_last(small_result):
    accuracy = [0.5, 0.9, 0.9, 0.7, np.nan, 0.95]
    result = with_grid(small_result, (0.1, 0.2, 0.3), (1.0, 2.0), accuracy)
    result = replace(result, steps=np.array([50, 50, 50, 50, 50, 25]))  # the last one was stopped early
    table = result.to_dataframe()
    assert table["rank_test_score"].tolist() == [4, 1, 1, 3, 5, 5]
    assert table["rank_test_score"][:4].tolist() == rankdata(-np.array(accuracy[:4]), method="min").tolist()
    assert table["std_test_score"].isna().all()  # one seed has none
    assert table["num_diverged"].tolist() == [0, 0, 0, 0, 1, 0]


def test_where_all_diverge_there_is_a_table_too(diverged):
    table = diverged.to_dataframe()
    assert table["num_diverged"].tolist() == [1, 1]
    assert not table["tied"].any()


def test_the_table_of_a_path_has_its_numbers(path_result):
    table = path_result.to_dataframe()
    assert [each["reg"] for each in table["params"]] == [0.001, 0.1, 10.0]
    np.testing.assert_array_equal(table["mean_test_score"], path_result.val_accuracy)
    np.testing.assert_array_equal(table["test_accuracy"], path_result.test_accuracy)
    np.testing.assert_array_equal(table["objective"], path_result.objective)
    assert table["converged"].all()
    assert table["rank_test_score"][path_result.best] == 1


def test_without_pandas_one_line_says_how_to_get_it(small_result, path_result, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    for result in (small_result, path_result):
        with pytest.raises(InputError, match="pip install pandas"):
            result.to_dataframe()


def test_the_folds_of_a_cross_validation_are_the_splits_of_scikit_learn(digits):
    config = SweepConfig(learning_rates=(0.01, 0.1), regs=(0.1,), num_iters=5, folds=3, num_seeds=2)
    path = regularization_path(digits, regs=(0.1, 1.0), folds=3)
    swept = sweep(digits, config)
    for result, folds in ((swept, swept.fold_accuracy.mean(axis=1)), (path, path.fold_accuracy)):
        table = result.to_dataframe()
        splits = np.stack([table[f"split{fold}_test_score"] for fold in range(3)], axis=1)
        np.testing.assert_allclose(splits, folds)
        np.testing.assert_allclose(table["std_test_score"], np.std(folds, axis=1, ddof=1))
        np.testing.assert_allclose(
            table["mean_test_score"], splits.mean(axis=1), atol=0.01
        )  # folds differ in size
        assert "3 folds" in repr(result)
        assert "cross-validation accuracy" in repr(result)
