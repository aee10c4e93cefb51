"""What the benchmark on a GPU is made of: the probe on the device, PyTorch's ways, kernels in CUDA graphs, stages that fail."""

from types import SimpleNamespace

import benchmark_gpu
import jax
import numpy as np
import pytest
from compiled_programs import count_step
from large_probe import compare_probe, differentiate, make_splits, pose

import softjax
from softjax import SweepConfig, load_dataset
from softjax.compilation import types_of
from softjax.path.solve import solve_problem

REGS = (0.01, 1.0)


def test_the_probe_is_the_path_of_examples_that_are_made_on_the_device():
    with types_of("float64"):
        splits = make_splits((400, 6, 3), 50)
        problem = pose(splits, 3, REGS)
    assert all(isinstance(split.X, jax.Array) and split.X.dtype == np.float32 for split in splits)
    X, y = np.asarray(splits[0].X), np.asarray(splits[0].y)
    with types_of("float64"):
        path = solve_problem(problem)
    assert path.converged.all()
    with jax.enable_x64(True):
        centred = np.hstack([X - X.mean(axis=0, dtype=np.float64), np.ones((400, 1))])
        for W, reg, least in zip(path.weights, REGS, path.objective, strict=True):
            value, grad = softjax.loss_and_grad(W.astype(float), centred, y, reg)
            assert least == pytest.approx(float(value), rel=1e-6)
            assert np.linalg.norm(grad) < 1e-2
    assert path.val_accuracy.max() > 0.4


@pytest.mark.slow
@pytest.mark.experiment
def test_torch_has_the_same_objective_and_is_stopped_there():
    torch = pytest.importorskip("torch")
    found = compare_probe((300, 5, 3), 30, REGS, 30.0)
    assert found["converged"] == found["strengths"] == 2
    assert [each["reached"] for each in found["peer"]] == [True, True]
    assert all(abs(each["above"]) < 1e-5 for each in found["peer"])
    assert [each["reg"] for each in found["peer"]] == [1.0, 0.01]
    late = compare_probe((300, 5, 3), 30, REGS, 0.0)["peer"]
    assert [each["reached"] for each in late] == [False, False]
    rows = list(benchmark_gpu.tabulate_large(found | {"peer": late, "peer_seconds": 0.0}))
    assert rows[-1][-1] == "0 of 2 reached, 0 evaluations; reg 1e+00 not reached in 0 s in all"

    rng = np.random.default_rng(0)
    X, W = rng.normal(size=(50, 4)), rng.normal(size=(5, 3))
    y = rng.integers(0, 3, 50)
    weights = torch.tensor(W, requires_grad=True)
    value = differentiate(weights, torch.tensor(X), torch.tensor(y), torch.tensor(X.mean(axis=0)), 0.1)
    with jax.enable_x64(True):
        centred = np.hstack([X - X.mean(axis=0), np.ones((50, 1))])
        expected, grad = softjax.loss_and_grad(W, centred, y, 0.1)
    assert value == pytest.approx(float(expected))
    np.testing.assert_allclose(weights.grad, grad, atol=1e-12)


@pytest.mark.slow
@pytest.mark.experiment
def test_torch_takes_the_same_step_in_each_way():
    torch = pytest.importorskip("torch")
    config = SweepConfig(learning_rates=(0.01,), regs=(0.1,), batch_size=20)
    dataset, steps = load_dataset("digits"), []
    for prepare in (benchmark_gpu.prepare_torch, benchmark_gpu.prepare_torch_autograd):
        torch.manual_seed(0)
        made = prepare(dataset, config, "cpu")
        for advance in made if isinstance(made, tuple) else (made,):
            torch.manual_seed(1)
            advance()
            W = next(
                cell.cell_contents
                for cell in advance.__closure__
                if getattr(cell.cell_contents, "shape", ()) in ((1, 10, 65), (10, 65))
            )
            steps.append(W.detach().reshape(10, 65).numpy())
    np.testing.assert_allclose(steps[1], steps[0], atol=1e-5)
    np.testing.assert_allclose(steps[2], steps[0], atol=1e-5)


PROGRAM = """
%command_buffer.1 (p: f32[2,2]) -> f32[2,2] {
  %dot.1 = f32[2,2] custom-call(%p), custom_call_target="__cublas$gemm"
  ROOT %fusion.1 = f32[2,2] fusion(%dot.1), kind=kLoop, calls=%fused
}
%fused (p: f32[2,2]) -> f32[2,2] {
  ROOT %add.1 = f32[2,2] add(%p, %p)
}
%body (p: (s32[], f32[2,2])) -> (s32[], f32[2,2]) {
  %call.1 = f32[2,2] call(%p), to_apply=%command_buffer.1
  ROOT %tuple.1 = (s32[], f32[2,2]) tuple(%i, %call.1)
}
%condition (p: (s32[], f32[2,2])) -> pred[] {
  ROOT %compare.1 = pred[] compare(%i, %n), direction=LT
}
ENTRY %main (p: f32[2,2]) -> f32[2,2] {
  %while.1 = (s32[], f32[2,2]) while(%p), condition=%condition, body=%body
}
"""


def test_the_kernels_in_a_cuda_graph_are_counted_one_by_one():
    program = SimpleNamespace(as_text=lambda: PROGRAM)
    assert count_step(program) == {"custom-call": 1, "fusion": 1}


def test_a_stage_that_fails_says_so_in_its_place():
    failed = {"failed": "RuntimeError: out of memory"}
    assert benchmark_gpu.tabulate(failed, benchmark_gpu.tabulate_grid) == (
        "Not measured: RuntimeError: out of memory."
    )
    assert benchmark_gpu.tabulate({}, benchmark_gpu.tabulate_grid) == "Not measured."


def test_the_sizes_that_were_measured_are_kept_beside_those_that_failed():
    found = {"sizes-1": {"TF32": 1.0}, "sizes-10": {"failed": "out of memory"}, "peers-1": {}}
    assert benchmark_gpu.gather(found, "sizes", (1, 10, 100)) == {"1": {"TF32": 1.0}}
    assert benchmark_gpu.gather(found, "sizes", (10,)) == {"failed": "out of memory"}
    assert benchmark_gpu.gather(found, "peers", (1,)) == {}
