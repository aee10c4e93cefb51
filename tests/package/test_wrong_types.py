"""An argument of another type is refused by its name, in one line; a number of any library is a number."""

import json
from dataclasses import MISSING, asdict, fields, replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh

import softjax
from softjax import DataConfig, DeviceConfig, InputError, PathConfig, SweepConfig, regularization_path, sweep

pytestmark = pytest.mark.usefixtures("own_messages")
QUICK = SweepConfig(learning_rates=(0.01, 0.1), regs=(0.1,), num_iters=4)


def states_of(run, *arguments):
    states = []
    run(*arguments, on_progress=lambda progress: states.append(progress.state()))
    return states


@pytest.fixture(scope="module")
def sweep_state(digits):
    return states_of(sweep, digits, QUICK)[1]


@pytest.fixture(scope="module")
def path_state(digits):
    return states_of(regularization_path, digits, QUICK)[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"config": PathConfig()}, "config must be a SweepConfig, got PathConfig"),
        ({"config": {"num_iters": 10}}, "config must be a SweepConfig, got {'num_iters': 10}"),
        ({"config": "sgd"}, "config must be a SweepConfig, got 'sgd'"),
        ({"config": SweepConfig}, "config must be a SweepConfig, got <class"),
        ({"on_progress": True}, "on_progress must be a function, got True"),
        ({"progress": "yes"}, "progress must be True or False, got 'yes'"),
        ({"progress": print}, "progress must be True or False"),
        ({"state": {}}, "state must be a SweepState, got {}"),
        ({"mesh": 2}, "mesh must be a Mesh, got 2"),
        ({"mesh": Mesh(np.array(jax.devices()[:1]), ("x",))}, "mesh must .* got the axes"),
    ],
)
def test_a_sweep_refuses_by_name(digits, arguments, message):
    with pytest.raises(InputError, match=message):
        sweep(digits, **({"config": QUICK} | arguments))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"config": PathConfig()}, "config must be a SweepConfig, got PathConfig"),
        ({"solver": SweepConfig()}, "solver must be a PathConfig, got SweepConfig"),
        ({"solver": 1e-6}, "solver must be a PathConfig, got 1e-06"),
        ({"on_progress": 3}, "on_progress must be a function, got 3"),
        ({"progress": None}, "progress must be True or False, got None"),
        ({"state": 1}, "state must be a PathState, got 1"),
        ({"regs": {"a": 1}}, "regs must be a number, or a sequence or an array of numbers, got {'a': 1}"),
        ({"penalize_bias": "no"}, "penalize_bias must be True or False, got 'no'"),
    ],
)
def test_a_path_refuses_by_name(digits, arguments, message):
    with pytest.raises(InputError, match=message):
        regularization_path(digits, **arguments)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_iters": 5}, "num_iters 4 there and 5 here"),
        (
            {"learning_rates": (0.01, 0.2)},
            r"learning_rates\[1\] 0.1 there and 0.2 here",
        ),  # of the same shapes
    ],
)
def test_the_state_of_another_run_is_refused(digits, sweep_state, path_state, options, message):
    for run, state in ((sweep, sweep_state), (regularization_path, path_state)):
        with pytest.raises(InputError, match=rf"state belongs to another run \({message}\)"):
            run(digits, replace(QUICK, **options), state=state)


def test_the_state_of_another_data_set_is_refused(sweep_state, path_state):
    other = softjax.load_dataset("digits", split_seed=1)
    for run, state in ((sweep, sweep_state), (regularization_path, path_state)):
        with pytest.raises(InputError, match=r"another run \(fingerprint"):
            run(other, QUICK, state=state)


def test_the_state_of_the_other_function_is_refused(digits, sweep_state, path_state):
    with pytest.raises(InputError, match="state must be a SweepState, got PathState"):
        sweep(digits, QUICK, state=path_state)
    with pytest.raises(InputError, match="state must be a PathState, got SweepState"):
        regularization_path(digits, QUICK, state=sweep_state)


def test_a_state_from_the_end_has_the_same_result(digits, sweep_state):
    whole = sweep(digits, QUICK)
    (*_, last) = states_of(lambda data, **options: sweep(data, QUICK, state=sweep_state, **options), digits)
    np.testing.assert_array_equal(sweep(digits, QUICK, state=last).val_accuracy, whole.val_accuracy)


def test_a_result_refuses_by_name(digits, small_result):
    for wrong in (digits, digits.test.X, None):
        with pytest.raises(InputError, match="split must be a Split"):
            small_result.scores(wrong)
    for wrong in ("nothing", "seed", "config", "best_weights", 3):
        with pytest.raises(InputError, match="grid takes the name of an array"):
            small_result.grid(wrong)


@pytest.mark.parametrize("wrong", ["2", 1.0, True, 0, None])
def test_a_mesh_refuses_by_name(wrong):
    with pytest.raises(InputError, match="data_parallel must be a whole number"):
        softjax.mesh_of(wrong)


@pytest.mark.parametrize("name", ["learning_rates", "regs"])
@pytest.mark.parametrize(
    "wrong",
    ["0.1", "log:1e-3:1:4", b"1", {0.1}, {0.1: 1}, None, [[0.1]], np.eye(2), ("a",), (True,), 1j, len],
)
def test_what_are_no_numbers_is_refused_by_name(name, wrong):
    with pytest.raises(
        InputError, match=f"{name} must be a number, or a sequence or an array of numbers, got "
    ):
        SweepConfig(**{name: wrong})


NUMBERS = {
    "list": [0.25, 0.5],
    "NumPy": np.array([0.25, 0.5]),
    "float32": np.array([0.25, 0.5], np.float32),
    "column": np.array([[0.25, 1], [0.5, 1]])[:, 0],
    "scalars": (np.float32(0.25), np.float64(0.5)),
    "JAX": jnp.array([0.25, 0.5]),
    "JAX's scalars": [jnp.float32(0.25), jnp.bfloat16(0.5)],
}


@pytest.mark.parametrize("values", NUMBERS.values(), ids=NUMBERS)
def test_any_sequence_or_array_of_numbers_is_taken(values):
    plain, given = SweepConfig(learning_rates=(0.25, 0.5)), SweepConfig(learning_rates=values)
    assert given == plain
    assert hash(given) == hash(plain)
    assert json.dumps(asdict(given)) == json.dumps(asdict(plain))
    assert all(type(value) is float for value in given.learning_rates)


@pytest.mark.parametrize("value", [2, 2.0, np.float32(2), np.int64(2), np.array(2.0), jnp.array(2)])
def test_a_single_number_is_one(value):
    assert SweepConfig(regs=value).regs == (2.0,)


def test_tensors_and_series_are_taken():
    torch, pandas = pytest.importorskip("torch"), pytest.importorskip("pandas")
    for values in (torch.tensor([0.25, 0.5]), pandas.Series([0.25, 0.5])):
        assert SweepConfig(learning_rates=values).learning_rates == (0.25, 0.5)
    assert SweepConfig(num_iters=torch.tensor(5)).num_iters == 5


SCALARS = {
    bool: [np.bool_, jnp.bool_],
    int: [np.int64, np.uint16, jnp.int32],
    float: [np.float64, lambda value: np.array(value)],
    str: [np.str_],
}


@pytest.mark.parametrize("record", [SweepConfig, PathConfig, DeviceConfig, DataConfig])
def test_a_scalar_of_numpy_and_jax_is_what_python_s_is(record):
    for field in fields(record):
        assert field.default is not MISSING
        for scalar in SCALARS.get(type(field.default), []):
            given = record(**{field.name: scalar(field.default)})
            assert given == record(), field.name
            assert type(getattr(given, field.name)) is type(field.default), field.name


def test_counts_without_a_default_are_taken_too():
    config = SweepConfig(search="random", num_configs=np.int64(3), chunk_size=np.int32(2))
    assert json.dumps(asdict(config)) == json.dumps(
        asdict(SweepConfig(search="random", num_configs=3, chunk_size=2))
    )
    sizes = {"num_examples": np.int64(60), "num_features": np.uint8(3), "num_classes": np.int32(3)}
    assert softjax.load_dataset("synthetic", split_seed=np.int64(0), **sizes).num_classes == 3
    with pytest.raises(InputError, match="num_iters must be a whole number of at least 1, got '10'"):
        SweepConfig(num_iters="10")
