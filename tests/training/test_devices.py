"""However many devices and processes share a sweep, it is the sweep of one; and when one dies, all end and can go on."""

import os
import signal
import socket
from pathlib import Path

import jax
import numpy as np
import pytest
from support.once import compute_once
from support.processes import LIMIT, processes, run, wait_for

from softjax import DeviceConfig, InputError, SweepConfig, cli, mesh_of, sweep

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
GRID = (
    "--learning-rates",
    "0.001,0.01,0.1",
    "--regs",
    "0.01,0.1,1",
    "--num-seeds",
    "2",
    "--keep-weights",
    "all",
)
SHORT = (*GRID, "--num-iters", "60")  # 9 configurations: no multiple of any number of devices here
HEARTBEAT = 8  # seconds; a death is noticed up to half a second later than that


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(start_process, folder, *arguments, num_devices=1):
    return start_process(
        *("-m", "softjax", "sweep", *arguments, "--out", "out"),
        cwd=folder,
        env=os.environ | {"JAX_NUM_CPU_DEVICES": str(num_devices)},
    )


def start_all(start_process, folder, *arguments, num_processes=2, num_devices=1):
    """The processes of a distributed sweep, process 0 first."""
    together = ("--distributed", "--coordinator", f"127.0.0.1:{free_port()}", "--heartbeat", str(HEARTBEAT))
    count = ("--num-processes", str(num_processes))
    return [
        start(
            start_process,
            folder,
            *arguments,
            *together,
            *count,
            "--process-id",
            str(k),
            num_devices=num_devices,
        )
        for k in range(num_processes)
    ]


def ended(*running):
    """Their outputs and errors."""
    return [process.communicate(timeout=LIMIT) for process in running]


def contents(folder):
    with np.load(folder / "out" / "classifier.npz") as arrays:
        return np.load(folder / "out" / "weights.npy"), arrays["W"]


def assert_same(folder, expected):
    weights, best = contents(folder)
    np.testing.assert_allclose(weights, expected[0], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(best, expected[1], rtol=1e-4, atol=1e-6)
    assert [path.name for path in folder.iterdir()] == ["out"]


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """What one device gives."""

    def train():
        folder = tmp_path_factory.mktemp("alone")
        with processes() as start_process:
            ((_, error),) = ended(start(start_process, folder, *SHORT))
        assert "devices" not in error
        return contents(folder)

    return compute_once(tmp_path_factory, "alone", train)


ONE_AND_EIGHT = """
import jax, numpy as np
from jax.sharding import Mesh
from softjax import SweepConfig, load_dataset, mesh_of, sweep
digits = load_dataset("digits")
grid = dict(learning_rates=(0.001, 0.01, 0.1), regs=(0.01, 0.1, 1.0), num_iters=60, num_seeds=2, keep_weights="all")
one = Mesh(np.array(jax.devices()[:1]).reshape(1, 1), ("config", "data"))
for data_parallel, options in (
    (1, {}),
    (8, {"minibatches": "independent"}),
    (4, {"optimizer": "adam", "chunk_size": 4, "halvings": 1}),
):
    config = SweepConfig(**grid, **options)
    alone, shared = (sweep(digits, config, mesh=mesh) for mesh in (one, mesh_of(data_parallel)))
    for name in ("weights", "best_weights"):
        np.testing.assert_allclose(getattr(shared, name), getattr(alone, name), rtol=1e-4, atol=1e-6)
print("as promised")
"""


@pytest.mark.slow
def test_eight_devices_give_what_one_gives():
    done = run("-c", ONE_AND_EIGHT, env=os.environ | {"JAX_NUM_CPU_DEVICES": "8"})
    assert done.stdout == "as promised\n", done.stderr


@pytest.mark.slow
def test_two_processes_give_what_one_gives_and_the_first_one_speaks(tmp_path, start_process, alone):
    """Each with two devices, which share its minibatches."""
    both = start_all(start_process, tmp_path, *SHORT, "--data-parallel", "2", num_devices=2)
    (printed, error), (nothing, quiet) = ended(*both)
    assert [process.returncode for process in both] == [0, 0], error + quiet
    assert printed.rstrip().endswith("report: out/README.md")
    assert "on 4 devices" in error
    # the runtime itself says that it is connected
    assert all("[Gloo]" in line for line in (nothing + quiet).splitlines())
    assert_same(tmp_path, alone)


LONG = (*GRID, "--num-iters", "600", "--chunk-size", "3", "--checkpoint-every", "0")  # three segments


@pytest.fixture(scope="module")
def long_alone(tmp_path_factory):
    def train():
        folder = tmp_path_factory.mktemp("long")
        with processes() as start_process:
            process = start(start_process, folder, *LONG)
            ((_, error),) = ended(process)
        assert process.returncode == 0, error
        return contents(folder)

    return compute_once(tmp_path_factory, "long_alone", train)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("victim", "options"),
    [(0, ()), pytest.param(1, ("--data-parallel", "2"), marks=pytest.mark.experiment)],
)
def test_a_process_that_is_killed_ends_the_others_and_the_sweep_goes_on_elsewhere(
    tmp_path, start_process, long_alone, victim, options
):
    both = start_all(start_process, tmp_path, *LONG, *options)
    wait_for(tmp_path / "out.partial" / "state.npz", *both)
    both[victim].kill()
    ended(*both)
    assert both[1 - victim].returncode != 0
    assert not (tmp_path / "out").exists()
    resumed = start(start_process, tmp_path, *LONG, "--resume", num_devices=3)  # other devices, one process
    ((_, error),) = ended(resumed)
    assert resumed.returncode == 0, error
    assert_same(tmp_path, long_alone)


@pytest.mark.slow
def test_a_signal_to_any_process_stops_all_and_they_can_go_on(tmp_path, start_process, long_alone):
    both = start_all(start_process, tmp_path, *LONG)
    wait_for(tmp_path / "out.partial" / "state.npz", *both)
    both[1].send_signal(signal.SIGTERM)
    (_, error), _ = ended(*both)
    assert both[0].returncode == 128 + signal.SIGTERM, error
    assert both[1].returncode != 0
    assert "to continue: " in error
    again = start_all(start_process, tmp_path, *LONG, "--resume", num_devices=2)
    (_, error), _ = ended(*again)
    assert [process.returncode for process in again] == [0, 0], error
    assert_same(tmp_path, long_alone)


@pytest.mark.slow
def test_what_the_first_process_refuses_ends_all(tmp_path, start_process):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").touch()
    both = start_all(start_process, tmp_path, *SHORT)
    (_, error), (_, quiet) = ended(*both)
    assert both[0].returncode == 2
    assert both[1].returncode != 0
    assert error.rstrip().endswith("out exists; give --overwrite to replace it, or another --out")
    assert "exists" not in quiet


@pytest.mark.slow
def test_a_port_that_is_taken_is_said(tmp_path, start_process):
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        process = start(
            start_process,
            tmp_path,
            "--distributed",
            "--coordinator",
            f"localhost:{port}",
            "--num-processes",
            "2",
            "--process-id",
            "0",
        )
        ((_, error),) = ended(process)
    assert process.returncode == 2
    assert f"the coordinator's port {port} cannot be opened: Address already in use" in error


@pytest.mark.slow
def test_without_an_environment_it_says_what_to_give(tmp_path, start_process):
    process = start(start_process, tmp_path, "--distributed")
    ((_, error),) = ended(process)
    assert process.returncode == 2
    assert "give --coordinator HOST:PORT, --num-processes and --process-id" in error


PROGRAMS = """
from compiled_programs import exchanges
from softjax import SweepConfig, load_dataset, mesh_of
from softjax.training.sweep import compile_sweep
for data_parallel in (1, 8):
    for minibatches in ("shared", "independent"):
        config = SweepConfig(num_iters=20, minibatches=minibatches, num_seeds=2, optimizer="momentum")
        programs = compile_sweep(load_dataset("digits"), config, mesh_of(data_parallel))
        inside, outside = exchanges(programs.segments[20])
        assert not outside, outside
        assert set(inside) == (set() if data_parallel == 1 else {"all-reduce"}), (data_parallel, inside)
print("as promised")
"""


@pytest.mark.slow
def test_nothing_is_exchanged_while_configurations_train_but_the_gradients_of_divided_minibatches():
    """Read off the compiled programs; that gradients are found there shows that the reading sees what there is."""
    done = run(
        "-c",
        PROGRAMS,
        cwd=EXPERIMENTS,
        env=os.environ | {"JAX_NUM_CPU_DEVICES": "8"},
    )
    assert done.stdout == "as promised\n", done.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"data_parallel": 0}, "data_parallel must be a whole number of at least 1, got 0"),
        ({"heartbeat": 0}, "heartbeat must be a whole number .*got 0"),
        ({"coordinator": "a:1"}, "coordinator is for a distributed sweep"),
        ({"distributed": True, "coordinator": "a:1"}, "num_processes is missing"),
        (
            {"distributed": True, "coordinator": "a", "num_processes": 2, "process_id": 0},
            "must be HOST:PORT, got 'a'",
        ),
        (
            {"distributed": True, "coordinator": "a:0", "num_processes": 2, "process_id": 0},
            "must be HOST:PORT",
        ),
        (
            {"distributed": True, "coordinator": "a:1", "num_processes": 2, "process_id": 2},
            "process_id must be a whole number from 0 to 1, got 2",
        ),
    ],
)
@pytest.mark.usefixtures("own_messages")
def test_devices_options_are_checked(options, message):
    with pytest.raises(InputError, match=message):
        DeviceConfig(**options)


@pytest.mark.usefixtures("own_messages")
def test_devices_that_cannot_be_divided_are_refused(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["sweep", "--data-parallel", "3"]) == 2
    assert "must divide the number of devices: got 3" in capsys.readouterr().err
    assert cli.main(["sweep", "--converge", "--data-parallel", "2"]) == 2
    assert "runs on one device" in capsys.readouterr().err


def test_a_mesh_of_one_s_own_is_taken(digits, small_config, small_result):
    mesh = mesh_of()
    assert dict(mesh.shape) == {"config": jax.device_count(), "data": 1}
    result = sweep(digits, small_config, mesh=mesh)
    np.testing.assert_array_equal(result.weights, small_result.weights)


@pytest.mark.usefixtures("own_messages")
def test_a_minibatch_that_cannot_be_divided_is_refused(tmp_path, start_process):
    process = start(start_process, tmp_path, "--batch-size", "50", "--data-parallel", "4", num_devices=4)
    ((_, error),) = ended(process)
    assert process.returncode == 2
    assert "batch_size must be a multiple of data_parallel, got 50 and 4" in error


def test_sweeps_default_is_every_device(digits):
    result = sweep(digits, SweepConfig(learning_rates=(0.01,), regs=(0.1,), num_iters=2))
    assert result.val_accuracy.shape == (1, 1)
