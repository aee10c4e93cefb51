"""On GPUs and TPUs the products of a path are aligned, its programs are compiled side by side, and features stay there. A CPU plays them."""

import threading
import tracemalloc

import jax
import numpy as np
import pytest
from jax.stages import Lowered

import softjax
from softjax import compilation, load_dataset, regularization_path
from softjax.datasets.dataset import build_dataset
from softjax.path import passes, problem, solve

REGS = (1e-3, 0.1)


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits")


@pytest.fixture
def pretend(monkeypatch):
    """Has a path take the CPU for another device."""

    def force(backend):
        compilation._compile.cache_clear()
        monkeypatch.setattr(problem.Problem, "backend", property(lambda _: backend))

    yield force
    compilation._compile.cache_clear()


@pytest.mark.parametrize(
    ("small", "options"),
    [
        (True, {"dtype": "float64"}),
        (True, {"folds": 2}),
        (False, {"penalty": "half_l2", "penalize_bias": False, "standardize": True}),
    ],
    ids=["float64", "folds", "blocks-half_l2-bias"],
)
def test_the_minima_are_those_on_a_cpu(digits, pretend, monkeypatch, options, small):
    monkeypatch.setattr(problem, "LARGEST_DENSE", 0)
    plain = regularization_path(digits, regs=REGS, **options)
    pretend("tpu")
    if not small:  # in blocks, which are preprocessed in every pass
        monkeypatch.setattr(passes, "WHOLE_BYTES", 0)
        monkeypatch.setattr(solve, "WHOLE_BYTES", 0)
        monkeypatch.setattr(passes, "DEVICE_BLOCK_BYTES", 2**16)
    there = regularization_path(digits, regs=REGS, **options)
    assert there.weights.shape == (2, 65, 10)
    assert there.converged.all()
    np.testing.assert_allclose(there.objective, plain.objective, rtol=1e-5)
    np.testing.assert_allclose(there.val_accuracy, plain.val_accuracy, atol=0.01)


@pytest.mark.parametrize(("backend", "width"), [("cpu", 65), ("gpu", 80), ("tpu", 128)])
def test_all_products_with_the_features_are_aligned(digits, pretend, monkeypatch, backend, width):
    monkeypatch.setattr(problem, "LARGEST_DENSE", 0)
    pretend(backend)
    widths = set()
    matmul = passes.matmul

    def record(a, b, **options):
        widths.update(size for size in (*a.shape, *b.shape) if size in (65, 80, 128))
        return matmul(a, b, **options)

    monkeypatch.setattr(passes, "matmul", record)
    monkeypatch.setattr("softjax.path.evaluate.matmul", record)
    monkeypatch.setattr(Lowered, "compile", without_options(Lowered.compile, []))
    regularization_path(digits, regs=REGS)
    assert widths == {width}


def without_options(compile_it, kept):
    """`Lowered.compile` that keeps the options, and the thread, and compiles without the options, which are a GPU's."""

    def call(lowered, compiler_options=None):
        kept.append((compiler_options, threading.current_thread()))
        return compile_it(lowered)

    return call


def test_on_a_gpu_programs_compile_beside_each_other_and_only_the_solver_is_tuned(
    digits, pretend, monkeypatch
):
    monkeypatch.setattr(problem, "LARGEST_DENSE", 0)
    pretend("gpu")
    kept = []
    monkeypatch.setattr(Lowered, "compile", without_options(Lowered.compile, kept))
    regularization_path(digits, regs=REGS)
    untuned = {"xla_gpu_autotune_level": "0"}
    assert [options for options, _ in kept].count(untuned) == 2  # the axes, the evaluation
    assert [options for options, _ in kept].count(None) == 1
    assert len({thread for _, thread in kept}) == 3
    assert threading.main_thread() not in {thread for _, thread in kept}


def test_on_a_cpu_they_compile_one_after_another(digits, pretend, monkeypatch):
    monkeypatch.setattr(problem, "LARGEST_DENSE", 0)
    pretend("cpu")
    kept = []
    monkeypatch.setattr(Lowered, "compile", without_options(Lowered.compile, kept))
    regularization_path(digits, regs=REGS)
    assert kept == [(None, threading.main_thread())] * 3


@pytest.mark.parametrize("standardize", [False, True])
def test_the_host_makes_no_copy_of_the_features(pretend, standardize):
    """None in float64, which would take twice their bytes, and none at all."""
    rng = np.random.default_rng(0)
    y = (np.arange(20_000) % 3).astype(np.int32)
    X = rng.normal(size=(20_000, 100)).astype(np.float32) + y[:, None].astype(np.float32)
    few = softjax.Split(X[:90], y[:90])
    dataset = build_dataset("own", "own", (softjax.Split(X, y), few, few))
    pretend("tpu")
    tracemalloc.start()
    try:
        path = regularization_path(dataset, regs=(1.0,), standardize=standardize)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert path.converged.all()
    assert peak < X.nbytes / 2


def test_a_program_that_cannot_be_compiled_says_so_every_time(pretend, digits, monkeypatch):
    monkeypatch.setattr(problem, "LARGEST_DENSE", 0)
    pretend("tpu")

    def fail(lowered, compiler_options=None):
        raise jax.errors.JaxRuntimeError("out of memory")

    with monkeypatch.context() as patched:
        patched.setattr(Lowered, "compile", fail)
        with pytest.raises(jax.errors.JaxRuntimeError, match="out of memory"):
            regularization_path(digits, regs=REGS)
    assert regularization_path(digits, regs=REGS).converged.all()
