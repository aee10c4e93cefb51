"""What TensorBoard reads: a run for each configuration, with its loss curve and its hparams."""

import struct
import sys

import numpy as np
import pytest

from softjax import SweepConfig, cli, sweep
from softjax.reports.tensorboard import write_tensorboard

event_pb2 = pytest.importorskip("tensorboardX.proto.event_pb2")
GRID = SweepConfig(learning_rates=(0.01, 1e9), regs=(0.001, 0.1), num_iters=30, num_seeds=2)


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
    small = [
        "sweep",
        "--learning-rates",
        "0.01",
        "--regs",
        "0.1",
        "--num-iters",
        "10",
        "--tensorboard",
        "logs",
    ]
    assert cli.main([*small, "--out", "out"]) == 0
    assert len(list((tmp_path / "logs" / "out").iterdir())) == 1
    events = len(list(read_events(tmp_path / "logs")))
    assert events > 10
    assert cli.main([*small, "--out", "out", "--overwrite"]) == 0
    assert (
        len(list(read_events(tmp_path / "logs"))) == events
    )  # no run is mixed with the one that it replaces
    assert cli.main([*small, "--out", "second"]) == 0
    assert {path.name for path in (tmp_path / "logs").iterdir()} == {"out", "second"}
    assert cli.main(["sweep", "--converge", "--tensorboard", "logs"]) == 2
    assert "--tensorboard has no effect with --converge" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    assert cli.main([*small, "--out", "other"]) == 2
    assert 'pip install "softjax-suite[tensorboard]"' in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


def test_a_folder_that_cannot_be_written_is_refused_before_the_training(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "logs").write_text("no folder", encoding="utf-8")
    assert cli.main(["sweep", "--num-iters", "10", "--tensorboard", "logs", "--out", "out"]) == 2
    captured = capsys.readouterr()
    assert "logs cannot be written" in captured.err
    assert "steps of" not in captured.out  # as it says when it begins
    assert not (tmp_path / "out").exists()
