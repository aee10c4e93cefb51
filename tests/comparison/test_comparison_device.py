"""On a GPU the comparison is of what computes there, and says which; here a CPU plays the GPU."""

import sys
from types import SimpleNamespace

import pytest

from softjax.comparison import devices, timing
from softjax.comparison import process as workers
from softjax.comparison.config import CompareConfig
from softjax.comparison.frameworks import FRAMEWORKS
from softjax.comparison.report import write_comparison
from softjax.comparison.run import compare, plan
from softjax.errors import InputError
from softjax.runs.run_folder import RunFolder

PRETENDING = """
import os
from softjax.comparison import devices, worker
def use(full_precision):
    return f"Test GPU, {'full' if full_precision else 'default'}"
for library in ("JAX", "softjax"):
    devices._LIBRARIES[library] = use
devices._WAITS.pop("JAX")
def time_by_events(begin, count):
    for _ in range(count):
        begin()
    return 0.125
devices._EVENTS["JAX"] = time_by_events
worker.read_peak = lambda library: 12_345_678
worker.main()
"""
CONFIG = CompareConfig(
    frameworks=("softjax-jit", "jax-grad-jit"),
    cases=("ordinary", "label-K", "tiny", "speed"),
    quick=True,
    device="gpu",
)


def test_libraries_that_compute_on_cpus_alone_are_left_out():
    assert {job.framework for job in plan(CompareConfig(device="gpu"))} == {
        name for name, framework in FRAMEWORKS.items() if "gpu" in framework.devices
    }
    assert "cupy" not in {job.framework for job in plan(CompareConfig())}
    with pytest.raises(InputError, match=r"unknown framework 'autograd': expected .*torch-eager"):
        plan(CompareConfig(frameworks=("autograd",), device="gpu"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"device": "tpu"}, "device must be one of cpu, gpu, got 'tpu'"),
        ({"full_precision": True}, "full_precision is for device gpu"),
    ],
)
@pytest.mark.usefixtures("own_messages")
def test_devices_are_checked(options, message):
    with pytest.raises(InputError, match=message):
        CompareConfig(**options)


def test_without_a_gpu_it_says_so_before_anything_is_run(monkeypatch):
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    with pytest.raises(InputError, match=r"no library computes on one \(JAX sees no GPU.*\"jax\[cuda13\]\""):
        compare(CompareConfig(frameworks=("jax-grad-jit",), cases=("ordinary",), device="gpu"))


@pytest.mark.parametrize("library", ["JAX", "TensorFlow"])
def test_without_events_a_row_of_calls_is_waited_for_once(monkeypatch, library):
    done = []
    fake = SimpleNamespace(
        block_until_ready=lambda result: done.append(f"wait for {result}"),
        test=SimpleNamespace(
            experimental=SimpleNamespace(sync_devices=lambda: done.append("wait for call 2"))
        ),
    )
    monkeypatch.setitem(sys.modules, {"JAX": "jax", "TensorFlow": "tensorflow"}[library], fake)

    def begin():
        done.append("call")
        return f"call {done.count('call') - 1}"

    assert devices.time_row(library, begin, 3) > 0
    assert done == ["call", "call", "call", "wait for call 2"]
    assert not devices.has_events(library)


@pytest.mark.parametrize("library", ["PyTorch", "CuPy"])
def test_with_events_the_gpu_times_a_row_of_calls(monkeypatch, library):
    done = []

    class Event:
        def __init__(self, enable_timing=True):
            self.number = len(done)

        def record(self):
            done.append("event")

        def synchronize(self):
            done.append("wait")

        def elapsed_time(self, end):
            return 600.0  # ms

    cuda = SimpleNamespace(Event=Event, get_elapsed_time=lambda start, end: start.elapsed_time(end))
    monkeypatch.setitem(
        sys.modules, {"PyTorch": "torch", "CuPy": "cupy"}[library], SimpleNamespace(cuda=cuda)
    )
    assert devices.time_row(library, lambda: done.append("call"), 3) == pytest.approx(0.2)
    assert done == ["event", "call", "call", "call", "event", "wait"]
    assert devices.has_events(library)


@pytest.mark.parametrize(
    ("seconds", "rows"), [(1e-6, [1, 2, 200]), (0.01, [1, 2, 20]), (0.5, [1, 2, 2]), (2.0, [1])]
)
def test_a_turn_on_a_gpu_is_a_row_of_as_many_calls_as_fit(seconds, rows):
    timed = []
    assert timing.time_turn_on_gpu(lambda count: timed.append(count) or seconds) == seconds
    assert timed == rows


@pytest.mark.slow
@pytest.mark.usefixtures("without_pictures")
@pytest.mark.parametrize("full_precision", [False, pytest.param(True, marks=pytest.mark.experiment)])
def test_the_report_names_the_gpu_its_memory_and_its_precision(tmp_path, monkeypatch, full_precision):
    monkeypatch.setattr(workers, "WORKER", (sys.executable, "-c", PRETENDING))
    config = CompareConfig(**vars(CONFIG) | {"full_precision": full_precision})
    comparison = compare(config)
    assert comparison.gpu == f"Test GPU, {'full' if full_precision else 'default'}"
    assert {speed.peak_bytes for speed in comparison.speeds} == {12_345_678}
    assert {speed.floor_seconds for speed in comparison.speeds} == {None}
    assert {record.status for record in comparison.of("edge_cases") if record.case == "ordinary"} == {"right"}
    by_row = {speed.framework: speed.seconds for speed in comparison.speeds}
    assert by_row["jax-grad-jit"] == 0.125
    assert by_row["softjax-jit"] not in (None, 0.125)
    monkeypatch.delitem(devices._WAITS, "JAX")
    write_comparison(comparison, config, RunFolder(tmp_path / "out"), command="softjax compare --device gpu")
    text = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "on a GPU, Test GPU" in text
    assert ("TF32" in text) != full_precision
    assert "GPUs were not measured" not in text
    assert "It is timed in a row: JAX by the events of the GPU; softjax, without events" in text
    assert "in float32 on the GPU, in steady state." in text
    assert "the most that the library had on the GPU" in text
