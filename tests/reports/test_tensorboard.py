"""What TensorBoard reads: a run for each configuration, with its loss curve and its hparams."""

import struct
import sys
from dataclasses import replace

import numpy as np
import pytest

from softjax import SweepConfig, cli, sweep
from softjax.reports.tensorboard import write_tensorboard

event_pb2 = pytest.importorskip("tensorboardX.proto.event_pb2")
GRID = SweepConfig(learning_rates=(0.01, 1e9), regs=(0.001, 0.1), num_iters=30, num_seeds=2)


SMALL = ["sweep", "--learning-rates", "0.01", "--regs", "0.1", "--num-iters", "10"]


def read_events(folder):
    """The events of a run, from the records of its files: length, checksum, content, checksum."""
    for path in sorted(folder.rglob("events.out.tfevents.*")):
        content = path.read_bytes()
        while content:
            (length,) = struct.unpack("<Q", content[:8])
            yield event_pb2.Event.FromString(content[12 : 12 + length])
            content = content[16 + length :]


def test_each_configuration_is_a_run_with_its_loss_and_accuracies(digits, tmp_path):
    result = sweep(digits, GRID)
    write_tensorboard(result, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        f"lr={lr:g},reg={reg:g}" for lr in GRID.learning_rates for reg in GRID.regs
    }
    found = {}
    for event in read_events(tmp_path / "lr=0.01,reg=0.1"):
        for value in event.summary.value:
            found.setdefault(value.tag, []).append((event.step, value.simple_value))
    assert [step for step, _ in found["loss"]] == list(range(30))
    np.testing.assert_allclose(
        [loss for _, loss in found["loss"]], result.loss_history[1].mean(axis=0), rtol=1e-6
    )
    assert found["val_accuracy"][0][1] == pytest.approx(result.val_accuracy[1].mean(), rel=1e-6)
    assert any(tag.startswith("_hparams_") for tag in found)


def test_what_diverged_has_no_numbers_that_are_none(digits, tmp_path):
    write_tensorboard(sweep(digits, GRID), tmp_path)
    values = [
        value.simple_value
        for event in read_events(tmp_path / "lr=1e+09,reg=0.1")
        for value in event.summary.value
    ]
    assert np.isfinite(values).all()


def test_the_command_line_writes_it_and_says_what_is_missing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    small = [*SMALL, "--tensorboard", "logs"]
    assert cli.main([*small, "--out", "out"]) == 0
    assert len(list((tmp_path / "logs" / "out").iterdir())) == 1
    events = len(list(read_events(tmp_path / "logs")))
    assert events > 10
    assert cli.main([*small, "--out", "out", "--overwrite"]) == 0
    assert {path.name for path in (tmp_path / "logs").iterdir()} == {
        "out",
        "out-2",
    }  # no run is mixed with another
    assert [len(list(read_events(tmp_path / "logs" / name))) for name in ("out", "out-2")] == [events, events]
    assert cli.main(["sweep", "--converge", "--tensorboard", "logs"]) == 2
    assert "--tensorboard has no effect with --converge" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    assert cli.main([*small, "--out", "other"]) == 2
    assert 'pip install "softjax-suite[tensorboard]"' in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


def test_configurations_that_six_digits_do_not_tell_apart_are_two_runs(digits, tmp_path):
    write_tensorboard(
        sweep(digits, replace(GRID, learning_rates=(0.01, 0.0100000001), regs=(0.1,))), tmp_path
    )
    assert len(list(tmp_path.iterdir())) == 2


def test_the_folder_of_a_run_is_in_the_one_that_was_named(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    out = ["--out", ".", "--overwrite"]  # a path without a name
    assert cli.main([*SMALL, "--tensorboard", str(tmp_path / "logs"), *out]) == 0
    assert [path.name for path in (tmp_path / "logs").iterdir()] == ["here"]


def test_a_folder_that_cannot_be_written_is_refused_before_the_training(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "logs").write_text("no folder", encoding="utf-8")
    assert cli.main(["sweep", "--num-iters", "10", "--tensorboard", "logs", "--out", "out"]) == 2
    captured = capsys.readouterr()
    assert "logs cannot be written" in captured.err
    assert "steps of" not in captured.out  # as it says when it begins
    assert not (tmp_path / "out").exists()
