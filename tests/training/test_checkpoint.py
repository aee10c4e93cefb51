"""A sweep that is stopped goes on to the same bits, from whatever moment; and what stops it leaves a whole checkpoint."""

import errno
import json
from dataclasses import asdict, fields, replace

import numpy as np
import pytest

from softjax import InputError, SweepConfig, SweepResult, sweep
from softjax.cli.running import run_sweep
from softjax.reports.sweep import write_sweep
from softjax.runs import checkpoint as checkpoints
from softjax.runs.checkpoint import (
    Checkpoint,
    DamagedCheckpointError,
    OtherRunError,
    identify,
    identify_report,
)
from softjax.runs.run_folder import ForeignFileError, ReportExistsError, RunFolder, RunInProgressError
from softjax.training import plan, run
from softjax.training.checkpoint import estimate_bytes, load_sweep, save_sweep


@pytest.fixture
def config(monkeypatch):
    """Three chunks, the last of them filled up, of three segments each."""
    monkeypatch.setattr(plan, "segment_lengths", lambda *_: [8, 8, 4])
    return SweepConfig(
        learning_rates=(0.001, 0.01, 0.02, 1e30, 0.1),
        regs=(0.01,),
        num_iters=20,
        batch_size=50,
        num_seeds=2,
        chunk_size=2,
    )


def assert_same(a: SweepResult, b: SweepResult):
    for field in fields(SweepResult):
        values = getattr(a, field.name), getattr(b, field.name)
        if isinstance(values[0], np.ndarray):
            np.testing.assert_array_equal(*values, err_msg=field.name)


def identity_of(config, dataset):
    return identify(asdict(config), dataset)


@pytest.fixture
def saved(tmp_path):
    """Where a state is kept."""
    return Checkpoint(tmp_path / "saved")


def resume(saved, identity):
    """As a run that goes on does."""
    saved.check(identity)
    return load_sweep(saved)


def states_of(digits, config):
    states = []
    result = sweep(digits, config, on_progress=lambda progress: states.append(progress.state()))
    return states, result


@pytest.mark.parametrize("options", [{"optimizer": "adam"}, {"halvings": 2, "optimizer": "momentum"}])
def test_an_optimizer_s_memory_and_the_rungs_are_kept_too(digits, config, saved, monkeypatch, options):
    monkeypatch.setattr(plan, "segment_lengths", lambda *arguments: [2, arguments[-1] - 2])
    config = replace(config, minibatches="independent", **options)
    states, whole = states_of(digits, config)
    saved.start(identity_of(config, digits))
    for state in states:
        save_sweep(saved, state)
        state = resume(saved, identity_of(config, digits))
        assert_same(sweep(digits, config, state=state), whole)


@pytest.mark.parametrize("keep_weights", ["best", "all"])
def test_from_every_state_a_sweep_goes_on_to_the_same_bits(digits, config, saved, keep_weights):
    config = replace(config, keep_weights=keep_weights)
    states, whole = states_of(digits, config)
    assert [(len(state.parts), state.step) for state in states] == [
        (0, 0), *((part, step) for part in range(3) for step in (8, 16, 20)), (3, 20)
    ]  # fmt: skip
    saved.start(identity_of(config, digits))
    for state in states:
        save_sweep(saved, state)
        state = resume(saved, identity_of(config, digits))
        assert_same(sweep(digits, config, state=state), whole)


def test_a_state_between_two_segments_of_this_run_is_gone_on_from(digits, config, monkeypatch):
    """A sweep may be cut otherwise on another device."""
    states, whole = states_of(digits, config)
    monkeypatch.setattr(plan, "segment_lengths", lambda *_: [15, 5])
    assert_same(sweep(digits, config, state=states[1]), whole)


def test_a_state_can_be_used_twice(digits, config):
    states, whole = states_of(digits, config)
    for _ in range(2):
        assert_same(sweep(digits, config, state=states[4]), whole)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_iters": 30}, "num_iters 20 there and 30 here"),
        ({"regs": (0.01, 0.5)}, "regs 0.01 there and 0.01, 0.5 here"),
        ({"regs": (0.010000001,)}, r"regs\[0\] 0.01 there and 0.010000001 here"),
        ({"kind": "hinge", "seed": 3}, "seed 0 there and 3 here, kind softmax there and hinge here"),
    ],
)
def test_the_checkpoint_of_another_configuration_is_refused_by_name(digits, config, saved, options, message):
    saved.start(identity_of(config, digits))
    save_sweep(saved, states_of(digits, config)[0][1])
    with pytest.raises(OtherRunError, match=message):
        saved.check(identity_of(replace(config, **options), digits))


@pytest.mark.parametrize("what", ["fingerprint", "jax", "softjax-suite"])
def test_the_checkpoint_of_other_data_or_versions_is_refused_by_name(digits, config, saved, what):
    identity = identity_of(config, digits)
    other = json.loads(json.dumps(identity))
    other["data" if what == "fingerprint" else "versions"][what] = "other"
    saved.start(other)
    save_sweep(saved, states_of(digits, config)[0][1])
    with pytest.raises(OtherRunError, match=f"{what} other there and"):
        saved.check(identity)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"class_names": tuple("abcdefghij")}, r"classes\[0\] 0 there and a here"),
        ({"image_shape": None}, r"image_shape 8, 8 there and None here"),
        ({"image_shape": (4, 16)}, r"image_shape\[0\] 8 there and 4 here"),
        ({"title": "mine"}, r"title digits \(scikit-learn\) there and mine here"),
    ],
)
@pytest.mark.usefixtures("without_pictures")
def test_what_a_report_shows_of_its_data_belongs_to_its_identity(
    digits, small_config, small_result, tmp_path, change, message
):
    """A run of the same numbers under other names is neither complete nor gone on from."""
    folder = RunFolder(tmp_path / "out")
    write_sweep(small_result, digits, folder, command="")
    same, other = (identity_of(small_config, data) for data in (digits, replace(digits, **change)))
    assert identify_report(folder.out) == same
    assert RunFolder(folder.out, resume=True).begin(same)
    with pytest.raises(ReportExistsError):
        RunFolder(folder.out, resume=True).begin(other)
    saved = Checkpoint(tmp_path / "saved")
    saved.start(same)
    with pytest.raises(OtherRunError, match=message):
        saved.check(other)


@pytest.mark.parametrize("damage", ["half", "empty", "zeros"])
@pytest.mark.parametrize("name", ["state.npz", "part-00000.npz", "identity.json"])
def test_a_damaged_checkpoint_is_refused_in_one_line(digits, config, saved, name, damage):
    saved.start(identity_of(config, digits))
    save_sweep(saved, states_of(digits, config)[0][-1])
    file = saved.folder / name
    content = file.read_bytes()
    file.write_bytes({"half": content[: len(content) // 2], "empty": b"", "zeros": bytes(1000)}[damage])
    with pytest.raises(DamagedCheckpointError, match="is damaged") as caught:
        resume(saved, identity_of(config, digits))
    assert "\n" not in str(caught.value)


def test_where_the_disk_is_full_the_earlier_checkpoint_stays(digits, config, saved, monkeypatch):
    states, whole = states_of(digits, config)
    saved.start(identity_of(config, digits))
    save_sweep(saved, states[2])

    def savez(file, **_):
        file.write(b"some of it")
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(np, "savez", savez)
        with pytest.raises(
            InputError, match=r"cannot be written .*the earlier one is whole.*: No space left"
        ):
            save_sweep(saved, states[5])
    assert not list(saved.folder.glob("*.new"))
    assert_same(sweep(digits, config, state=load_sweep(saved)), whole)


def test_one_process_at_a_time_is_at_work_in_a_folder(tmp_path):
    folder = RunFolder(tmp_path / "out")
    with folder.lock():
        with pytest.raises(RunInProgressError, match="another process is at work in"), folder.lock():
            pass
        assert folder.partial.is_dir()
    assert not folder.partial.exists()


def test_a_folder_of_somebody_else_s_is_left_alone(tmp_path):
    folder = RunFolder(tmp_path / "data")
    folder.partial.mkdir()
    (folder.partial / "thesis.tex").write_text("mine")
    with pytest.raises(ForeignFileError, match=r"but holds thesis\.tex"), folder.lock():
        pass
    folder.checkpoint.discard()
    assert (folder.partial / "thesis.tex").read_text() == "mine"


def test_too_small_a_disk_is_found_before_the_training_and_costs_no_earlier_state(
    digits, config, saved, monkeypatch
):
    saved.start(identity_of(config, digits))
    save_sweep(saved, states_of(digits, config)[0][1])
    needed = estimate_bytes(SweepConfig(keep_weights="all", num_seeds=5), digits)
    free = checkpoints.shutil.disk_usage(saved.folder)._replace(free=2**20)
    monkeypatch.setattr(checkpoints.shutil, "disk_usage", lambda _: free)
    with pytest.raises(InputError, match=r"need about \d+ MB, but 1 MB are free"):
        saved.start(identity_of(config, digits), needed)
    assert load_sweep(saved) is not None


def test_what_the_caller_raises_ends_the_sweep(digits, config):
    class Enough(Exception):
        pass

    def stop(progress):
        if progress.segment == 2:
            raise Enough

    with pytest.raises(Enough):
        sweep(digits, config, on_progress=stop)


def test_a_finished_sweep_is_kept_as_a_stage_and_not_trained_again(digits, config, tmp_path, monkeypatch):
    folder = RunFolder(tmp_path / "out")
    stages = [folder.checkpoint.stage(name) for name in ("one", "two-2")]
    with folder.lock():
        assert not folder.checkpoint.exists
        for stage in stages:
            stage.start(identity_of(config, digits))
            whole = run_sweep(digits, config, stage, keep_last=True)
        assert folder.checkpoint.exists
    with folder.lock():  # stages are ours
        monkeypatch.setattr(run, "compile_programs", lambda *_: pytest.fail("there is nothing left to train"))
        assert_same(run_sweep(digits, config, stages[1], keep_last=True), whole)
    folder.checkpoint.discard()
    assert not folder.partial.exists()
