"""On a GPU the comparison is of what computes there, and says which; here a CPU plays the GPU."""

import sys

import pytest

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


@pytest.mark.slow
@pytest.mark.parametrize("full_precision", [False, True])
def test_the_report_names_the_gpu_its_memory_and_its_precision(tmp_path, monkeypatch, full_precision):
    monkeypatch.setattr(workers, "WORKER", (sys.executable, "-c", PRETENDING))
    config = CompareConfig(**vars(CONFIG) | {"full_precision": full_precision})
    comparison = compare(config)
    assert comparison.gpu == f"Test GPU, {'full' if full_precision else 'default'}"
    assert {speed.peak_bytes for speed in comparison.speeds} == {12_345_678}
    assert {speed.floor_seconds for speed in comparison.speeds} == {None}
    assert {record.status for record in comparison.of("edge_cases") if record.case == "ordinary"} == {"right"}
    write_comparison(comparison, config, RunFolder(tmp_path / "out"), command="softjax compare --device gpu")
    text = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "on a GPU, Test GPU" in text
    assert ("TF32" in text) != full_precision
    assert "GPUs were not measured" not in text
