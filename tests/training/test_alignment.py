"""On GPUs and TPUs the weights get columns of zeros during a segment, and nobody else sees them. Forced here, on a CPU."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.processes import run

from softjax import SweepConfig, compilation, load_dataset, sweep
from softjax.training import plan, programs, step

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
CONFIG = SweepConfig(
    learning_rates=(0.003, 0.03), regs=(0.001, 0.1), num_iters=40, num_seeds=2, dtype="float64"
)
OPTIONS = [
    {},
    {"optimizer": "momentum", "penalty": "half_l2", "penalize_bias": False},
    {"optimizer": "adam", "penalty": "l1"},
    {"optimizer": "adamw", "penalize_bias": False},
    {"minibatches": "independent", "kind": "hinge"},
    {"folds": 3, "penalty": "elastic_net"},
    {"learning_rates": (0.01, 1e200)},
]


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits")


@pytest.fixture
def align(monkeypatch):
    """Has the columns of the weights be a multiple of a number. The digits have 65."""

    def force(number):
        monkeypatch.setattr(step, "choose_alignment", lambda backend, num_weights: number)

    return force


@pytest.mark.parametrize(
    "options", OPTIONS, ids=lambda options: "-".join(map(str, options.values())) or "sgd"
)
def test_the_results_are_those_without(digits, align, options):
    config = replace(CONFIG, **options)
    plain = sweep(digits, config)
    align(128)
    aligned = sweep(digits, config)
    assert aligned.best_weights.shape == (65, 10)
    np.testing.assert_allclose(aligned.best_weights, plain.best_weights, rtol=1e-9, atol=1e-13)
    np.testing.assert_allclose(aligned.loss_history, plain.loss_history, rtol=1e-10)
    np.testing.assert_array_equal(aligned.val_accuracy, plain.val_accuracy)
    np.testing.assert_array_equal(aligned.diverged, plain.diverged)
    assert plain.diverged.any() == (1e200 in config.learning_rates)


def test_a_state_has_the_weights_alone_and_is_gone_on_from_anywhere(digits, align, monkeypatch):
    monkeypatch.setattr(plan, "segment_lengths", lambda *_: [20, 20])
    config, states = replace(CONFIG, optimizer="adam"), []
    align(128)
    whole = sweep(digits, config, on_progress=lambda progress: states.append(progress.state()))
    middle = states[1]
    assert middle.step == 20
    assert {array.shape[2:] for array in middle.carry} == {(10, 65), ()}
    align(16)
    resumed = sweep(digits, config, state=middle)
    np.testing.assert_allclose(resumed.best_weights, whole.best_weights, rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize(
    ("backend", "num_weights", "expected"),
    [("cpu", 3073, 3073), ("gpu", 3073, 3200), ("gpu", 65, 80), ("gpu", 1024, 1024), ("tpu", 65, 128)],
)
def test_the_width_fits_the_matrix_units(backend, num_weights, expected):
    number = step.choose_alignment(backend, num_weights)
    assert num_weights + -num_weights % number == expected


def test_evaluation_in_blocks_is_that_without(digits, align, monkeypatch):
    compilation._compile.cache_clear()
    monkeypatch.setattr(programs, "SCORES_AT_A_TIME", 4000)  # 100 examples of the 1,257 at a time
    plain = sweep(digits, CONFIG)
    align(128)
    aligned = sweep(digits, CONFIG)
    for name in ("train_accuracy", "val_accuracy", "test_accuracy"):
        np.testing.assert_array_equal(getattr(aligned, name), getattr(plain, name))
    np.testing.assert_allclose(aligned.final_loss, plain.final_loss, rtol=1e-10)


STEP = """
import re
from compiled_programs import list_step, read_step
from softjax import SweepConfig, load_dataset, mesh_of
from softjax.training import programs, step
from softjax.training.sweep import compile_sweep
programs.SCORES_AT_A_TIME = 3000
step.choose_alignment = lambda backend, num_weights: {align}
config = SweepConfig(learning_rates=(0.001, 0.01, 0.1), regs=(0.001,), num_iters=20, num_seeds=1)
compiled = compile_sweep(load_dataset("digits"), config, mesh_of(1))
program = compiled.segments[20]
for lines in (read_step(program), program.as_text().splitlines()):
    print(*(sum(f" {{operation}}(" in line for line in lines) for operation in ("dot", "shift-right-logical")))
weights = re.compile(r"10,{width}\\]|30,{width}\\]")
print(sum(" pad(" in line and bool(weights.search(line)) for line in read_step(program)))
print(*(each.operation for each in list_step(program) if weights.search(each.shape)))
for program in (compiled.validate, compiled.evaluate):
    print(sum(" dot(" in line for line in read_step(program)))
    print(sum(" pad(" in line and bool(weights.search(line)) for line in read_step(program)))
    print(sum(",{width}]" in each.shape for each in list_step(program)))
    print(*sorted({{each.operation for each in list_step(program) if "f32" in each.shape}}))
"""


@pytest.mark.slow
@pytest.mark.parametrize(("align", "width"), [(1, 65), (128, 128)])
def test_a_step_neither_pads_nor_copies_the_weights_nor_draws(align, width):
    compiled_as_users_do = os.environ | {"JAX_DISABLE_MOST_OPTIMIZATIONS": "0"}
    done = run("-c", STEP.format(align=align, width=width), cwd=EXPERIMENTS, env=compiled_as_users_do)
    assert done.returncode == 0, done.stderr
    of_step, of_all, pads, operations, *evaluation = done.stdout.splitlines()
    assert of_step == "2 0"  # the two products, and no random bits, which are made by shifts
    assert int(of_all.split()[1]) > 0
    assert pads == "0"
    assert operations
    assert not {"copy", "transpose", "pad", "concatenate"} & set(operations.split())
    for splits, lines in ((1, evaluation[:4]), (2, evaluation[4:])):
        *counts, operations = lines
        assert counts == [str(splits), "0", str(splits)]  # features are padded in the pass that centres them
        assert not {"copy", "transpose", "pad", "concatenate"} & set(operations.split())
