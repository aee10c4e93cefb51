"""A report appears complete or not at all, and holds what the sweep found."""

import csv
import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure

import softjax
from softjax import InputError, SweepConfig, regularization_path, sweep
from softjax.reports.path import write_path
from softjax.reports.sweep import write_sweep
from softjax.runs.run_folder import ReportExistsError, RunFolder

FILES = {
    "README.md",
    "report.html",
    "examples.npz",
    "results.csv",
    "cells.csv",
    "run.json",
    "classifier.npz",
    "heat_map.png",
    "loss_curves.png",
    "loss_curves.svg",
    "templates.png",
    "confusion_matrix.png",
}


@pytest.fixture(scope="module")
def written(small_result, digits, tmp_path_factory):
    out = tmp_path_factory.mktemp("reports") / "digits"
    write_sweep(small_result, digits, RunFolder(out), command="softjax sweep --num-seeds 2")
    return out


def test_the_folder_is_complete_and_nothing_else_is_left(written):
    assert {path.name for path in written.iterdir()} == FILES | {"weights.npy"}
    assert [path.name for path in written.parent.iterdir()] == ["digits"]


def test_results_csv_has_one_row_a_configuration_and_seed(written, small_result):
    with (written / "results.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == small_result.val_accuracy.size
    for row, (c, s) in zip(rows, np.ndindex(*small_result.val_accuracy.shape), strict=True):
        assert float(row["lr"]) == small_result.learning_rate[c]
        assert float(row["reg"]) == small_result.reg[c]
        assert int(row["seed"]) == small_result.seed[s]
        for name in ("train_accuracy", "val_accuracy", "test_accuracy"):
            assert float(row[name]) == pytest.approx(getattr(small_result, name)[c, s], abs=1e-6)
        assert float(row["final_loss"]) == pytest.approx(small_result.final_loss[c, s], rel=1e-5)
        assert row["diverged"] == "False"


def test_the_classifier_is_there_to_be_used(written, digits, small_result):
    with np.load(written / "classifier.npz") as arrays:
        X = np.hstack([digits.test.X - arrays["mean"], np.ones((len(digits.test), 1))])
        scores = X @ arrays["W"]
        assert tuple(arrays["class_names"]) == digits.class_names
    np.testing.assert_allclose(scores, small_result.scores(digits.test), rtol=1e-3, atol=1e-4)


@pytest.mark.usefixtures("without_pictures")
def test_all_weights_are_there_where_all_were_kept(written, small_result, digits, tmp_path):
    np.testing.assert_array_equal(np.load(written / "weights.npy"), small_result.weights)
    write_sweep(replace(small_result, weights=None), digits, RunFolder(tmp_path / "few"), command="")
    assert not (tmp_path / "few" / "weights.npy").exists()
    assert "weights.npy" not in (tmp_path / "few" / "README.md").read_text()


def test_an_earlier_report_survives_a_kill_while_it_is_replaced(written, tmp_path):
    (tmp_path / "out.partial").mkdir()
    shutil.copytree(written, tmp_path / "out.partial" / "earlier")
    RunFolder(tmp_path / "out", resume=True).check()
    assert (tmp_path / "out" / "run.json").is_file()
    (tmp_path / "out.partial" / "earlier").mkdir()  # killed a moment later: the new one is in place
    RunFolder(tmp_path / "out", resume=True).check()
    assert (tmp_path / "out" / "run.json").is_file()
    assert not (tmp_path / "out.partial" / "earlier").exists()


def test_run_json_says_how_it_was_made(written, digits, small_result):
    run = json.loads((written / "run.json").read_text())
    assert run["command"] == "softjax sweep --num-seeds 2"
    assert run["config"]["num_iters"] == 30
    assert run["dataset"]["fingerprint"] == digits.fingerprint
    assert run["versions"]["softjax-suite"] == softjax.__version__
    assert run["device"]["platform"] == "cpu"
    assert set(run["seconds"]) == {"load", "compile", "train", "evaluate", "intervals"}
    best, seed = small_result.best, small_result.best_seed
    assert run["best"]["test_accuracy"] == pytest.approx(small_result.test_accuracy[best, seed], abs=1e-6)
    assert 0 < run["best"]["test_negative_log_likelihood"] < np.log(10)


def test_the_readme_shows_the_best_cell_the_pictures_and_the_command(written):
    text = (written / "README.md").read_text()
    run = json.loads((written / "run.json").read_text())
    low, high = run["best"]["test_interval"]
    mean = run["best"]["mean_test_accuracy"]
    row = f"| test accuracy (270 examples, mean over 2 seeds) | {mean:.4f} ({low:.4f} to {high:.4f}) |"
    assert row in text
    assert "    softjax sweep --num-seeds 2\n" in text
    assert "digits (scikit-learn)" in text
    pictures = set(re.findall(r"!\[.*?\]\((.*?)\)", text))
    assert pictures == {name for name in FILES if name.endswith(".png")}


def test_a_report_that_fails_leaves_nothing(small_result, digits, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("no picture")

    monkeypatch.setattr(Figure, "savefig", fail)
    with pytest.raises(RuntimeError, match="no picture"):
        write_sweep(small_result, digits, RunFolder(tmp_path / "out"), command="")
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("without_pictures")
def test_an_earlier_report_is_replaced_only_on_demand(small_result, digits, tmp_path):
    out = tmp_path / "out"
    write_sweep(small_result, digits, RunFolder(out), command="first")
    with pytest.raises(ReportExistsError, match="out exists"):
        write_sweep(small_result, digits, RunFolder(out), command="second")
    assert json.loads((out / "run.json").read_text())["command"] == "first"
    write_sweep(small_result, digits, RunFolder(out, overwrite=True), command="second")
    assert json.loads((out / "run.json").read_text())["command"] == "second"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_what_is_no_report_is_never_overwritten(tmp_path):
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(InputError, match="holds no report of softjax"):
        RunFolder(tmp_path, overwrite=True).check()
    with pytest.raises(InputError, match="is a file"):
        RunFolder(tmp_path / "thesis.tex", overwrite=True).check()
    with pytest.raises(InputError, match="cannot be written"):
        RunFolder(tmp_path / "thesis.tex" / "out", overwrite=True).check()


def test_features_that_are_no_image_have_no_templates(tmp_path):
    dataset = softjax.load_dataset("synthetic", num_examples=510, num_features=7, num_classes=3)
    result = sweep(dataset, SweepConfig(learning_rates=(1e-4,), regs=(0.0,), num_iters=5))
    write_sweep(result, dataset, RunFolder(tmp_path / "out"), command="")
    assert {path.name for path in (tmp_path / "out").iterdir()} == FILES - {"templates.png"}
    assert "templates" not in (tmp_path / "out" / "README.md").read_text()


def test_the_report_says_which_are_tied_and_how_sure_it_is(written, small_result):
    with (written / "cells.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["tied"] == "True" for row in rows] == small_result.tied.tolist()
    for c, row in enumerate(rows):
        accuracy = small_result.val_accuracy[c]
        assert float(row["val_accuracy_mean"]) == pytest.approx(accuracy.mean(), abs=1e-6)
        assert float(row["val_accuracy_sd"]) == pytest.approx(accuracy.std(ddof=1), abs=1e-6)
        ends = [float(row["val_low"]), float(row["val_high"])]
        assert ends == pytest.approx(small_result.val_interval[c], abs=1e-6)
    text = (written / "README.md").read_text()
    assert f"{small_result.tied.sum()} of 6 configurations are statistically tied" in text
    assert "over the examples of a split and over the seeds" in text


def test_the_report_of_a_search_says_how_it_was_drawn_and_what_halving_saved(digits, tmp_path):
    config = SweepConfig(
        search="log_uniform",
        num_configs=8,
        num_iters=16,
        halvings=2,
        optimizer="adam",
        schedule="cosine",
        minibatches="independent",
    )
    write_sweep(sweep(digits, config), digits, RunFolder(tmp_path / "out"), command="")
    text = (tmp_path / "out" / "README.md").read_text()
    assert "by Adam (β₁ 0.9, β₂ 0.999, ε 1e-08) on a cosine schedule" in text
    assert "8 drawn configurations × 1 seed" in text
    assert "trained 64 of 128 steps per seed, and saved 50%" in text  # 4 × 4 + 2 × 8 + 2 × 16
    assert "drawn, log-uniform from 0.001 to 1" in text
    assert "independent minibatches" in text
    assert "One seed does not show the variation over seeds" in text


def test_a_path_s_report_has_every_penalty_strength(digits, tmp_path):
    result = regularization_path(digits, SweepConfig(regs=(0.1, 10.0), keep_weights="all"))
    write_path(result, digits, RunFolder(tmp_path / "out"), command="softjax sweep --converge")
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == FILES - {
        "results.csv",
        "cells.csv",
        "heat_map.png",
        "loss_curves.png",
        "loss_curves.svg",
    } | {
        "path.csv",
        "path.png",
        "path.svg",
        "weights.npy",
    }
    with (tmp_path / "out" / "path.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["reg"]) for row in rows] == [0.1, 10.0]
    assert [float(row["objective"]) for row in rows] == pytest.approx(result.objective)
    text = (tmp_path / "out" / "README.md").read_text()
    assert "All penalty strengths converged (gap at most 1e-06)" in text
    assert "    softjax sweep --converge\n" in text
    with np.load(tmp_path / "out" / "classifier.npz") as arrays:
        np.testing.assert_array_equal(arrays["W"], result.best_weights)


def test_diverged_runs_are_counted_and_written_as_such(digits, tmp_path):
    result = sweep(digits, SweepConfig(learning_rates=(0.01, 1e30), regs=(0.1,), num_iters=20))
    write_sweep(result, digits, RunFolder(tmp_path / "out"), command="")
    with (tmp_path / "out" / "results.csv").open() as file:
        assert [row["diverged"] for row in csv.DictReader(file)] == ["False", "True"]
    assert "1 of them diverged" in (tmp_path / "out" / "README.md").read_text()
