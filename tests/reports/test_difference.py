"""Two finished runs compared: what differs, and whether the second is worse, pair by pair and with an exit code."""

from dataclasses import replace

import numpy as np
import pytest
from support.pictures import without_pictures

from softjax import SweepConfig, cli, regularization_path, sweep
from softjax.datasets.dataset import Split, build_dataset
from softjax.evaluation.intervals import paired_interval
from softjax.reports.difference import list_changes
from softjax.reports.path import write_path
from softjax.reports.sweep import write_sweep
from softjax.runs.examples import RightAnswers
from softjax.runs.run_folder import RunFolder

GRID = SweepConfig(learning_rates=(0.001, 0.01), regs=(0.001, 0.1), num_iters=300, num_seeds=2)


@pytest.fixture(scope="module")
def runs(digits, tmp_path_factory):
    """Folders of runs: a good one, one that is stopped early, a path, and one with other test examples."""
    folder = tmp_path_factory.mktemp("runs")
    few = replace(GRID, num_iters=3, num_seeds=1)
    half = Split(digits.test.X[:100], digits.test.y[:100])
    fewer = build_dataset("half", "half", (digits.train, digits.val, half), digits.class_names)
    path = regularization_path(digits, regs=(0.1, 1.0))
    with without_pictures():
        write_sweep(sweep(digits, GRID), digits, RunFolder(folder / "good"), command="softjax sweep")
        write_sweep(sweep(digits, few), digits, RunFolder(folder / "early"), command="softjax sweep")
        write_sweep(sweep(fewer, few), fewer, RunFolder(folder / "other"), command="softjax sweep")
        write_path(path, digits, RunFolder(folder / "path"), command="softjax sweep --converge")
    return folder


def diff(runs, a, b, *options):
    return cli.main(["diff", str(runs / a), str(runs / b), *map(str, options)])


def test_a_run_and_itself_are_the_same(runs, capsys):
    assert diff(runs, "good", "good") == 0
    out = capsys.readouterr().out
    assert "difference +0.0000" in out
    assert "statistically tied with A" in out
    assert "num_iters" not in out


def test_a_worse_run_is_found_and_told_by_the_exit_code(runs, capsys):
    assert diff(runs, "good", "early") == 1
    out = capsys.readouterr().out
    assert "B is worse" in out
    assert [line.split() for line in out.splitlines() if line.strip().startswith("num_iters")] == [
        ["num_iters", "300", "3"]
    ]
    assert diff(runs, "early", "good") == 0
    assert "B is better" in capsys.readouterr().out
    assert diff(runs, "good", "path") == 0
    assert "configurations" in capsys.readouterr().out


def test_other_test_examples_have_no_paired_interval(runs, capsys):
    assert diff(runs, "good", "other") == 2
    out = capsys.readouterr().out
    assert "not on the same test examples" in out
    assert "95 %" not in out


def test_the_page_has_both_searches_and_replaces_only_such_pages(runs, tmp_path, capsys):
    out = tmp_path / "diff.html"
    assert diff(runs, "good", "early", "--out", out) == 1
    text = out.read_text(encoding="utf-8")
    assert 'id="a"' in text
    assert 'id="b"' in text
    assert "B is worse" in text
    assert diff(runs, "good", "path", "--out", out) == 0
    out.write_text("mine")
    assert diff(runs, "good", "path", "--out", out) == 2
    assert "is no page of softjax diff" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("remove", "message"),
    [("run.json", "holds no report"), ("examples.npz", "has no examples.npz"), ("report.html", "has no report.html")],
)  # fmt: skip
def test_what_is_no_report_is_refused(runs, tmp_path, capsys, remove, message):
    for name in ("run.json", "examples.npz", "report.html"):
        if name != remove:
            (tmp_path / name).write_bytes((runs / "good" / name).read_bytes())
    assert cli.main(["diff", str(runs / "good"), str(tmp_path)]) == 2
    assert message in capsys.readouterr().err


def test_the_paired_interval_covers_the_truth_and_is_narrower_than_that_of_two_samples():
    rng, covered, narrower, tries = np.random.default_rng(0), 0, 0, 300
    for _ in range(tries):
        ease = rng.uniform(0.2, 1, 400)  # of an image, for both
        a, b = (rng.binomial(1, np.clip(ease + shift, 0, 1)) for shift in (0.0, 0.05))
        truth = np.mean(np.clip(ease + 0.05, 0, 1) - ease)
        low, high = paired_interval(a, np.array([a.mean()]), b, np.array([b.mean()]))
        covered += low <= truth <= high
        narrower += high - low < 2 * 1.96 * np.sqrt((a.var() + b.var()) / 400)
    assert 0.91 < covered / tries < 0.99
    assert narrower / tries > 0.9


def test_seeds_widen_the_paired_interval():
    hits = np.full(1000, 2)
    low, high = paired_interval(hits, np.array([0.8, 0.9]), hits, np.array([0.8, 0.9]))
    assert low < -0.05 < 0.05 < high
    assert np.isnan(paired_interval(hits, np.array([0.8, np.nan]), hits, np.array([0.8, 0.9]))).all()


def test_many_answers_are_kept_of_the_best_alone(monkeypatch):
    monkeypatch.setattr("softjax.runs.examples.MOST_ANSWERS", 20)
    hits, accuracy = np.ones((3, 5), int), np.ones((3, 1))
    answers = RightAnswers(np.arange(3), hits, hits, accuracy, accuracy, "a", "b").keep_some(2)
    assert answers.configs.tolist() == [2]
    assert answers.val_hits.shape == (1, 5)


def test_of_long_values_the_parts_that_differ_are_shown():
    rates = [round(0.1 * k, 1) for k in range(40)]
    ((name, a, b),) = list_changes({"config": {"lr": rates}}, {"config": {"lr": [*rates[:-1], 9.5]}})
    assert name == "lr"
    assert a.endswith("3.8, 3.9]")
    assert b.endswith("3.8, 9.5]")
    assert max(len(a), len(b)) <= 60
    ((_, a, b),) = list_changes({"config": {"label": 70 * "x"}}, {"config": {"label": 70 * "x" + "y"}})
    assert a != b
