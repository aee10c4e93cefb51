"""Whatever the arguments of the library's functions are, they are taken, or refused by a message that says which one it is."""

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.endings import new_folder, time_limit, tries

from softjax import (
    DataConfig,
    DeviceConfig,
    InputError,
    PathConfig,
    SweepConfig,
    check_gradient,
    load_dataset,
)
from softjax.ranges import format_range, parse_range

pytestmark = pytest.mark.usefixtures("own_messages")
NUMBERS = (
    0,
    1,
    2,
    3,
    -1,
    10**9,
    10**30,
    -(2**63),
    True,
    0.0,
    0.5,
    1.0,
    -1.0,
    1e308,
    5e-324,
    float("nan"),
    float("inf"),
)
ANYTHING = st.one_of(
    st.sampled_from(NUMBERS),
    st.sampled_from(NUMBERS).map(lambda value: np.asarray(value)),
    st.sampled_from(
        [
            None,
            "",
            "sgd",
            "l2",
            "all",
            "nan",
            b"l2",
            (),
            [],
            {},
            set(),
            object(),
            1j,
            int,
            Path("x"),
            len,
            range(3),
        ]
    ),
    st.sampled_from(
        [np.zeros(3), np.array(["l2", "l1"]), np.float32(0.5), np.int64(3), np.array([], float), np.eye(2)]
    ),
    st.lists(st.sampled_from([*NUMBERS, None, "1", (), np.float32(0.5)]), max_size=3).map(tuple),
    st.text(max_size=5),
)


def assert_clear(error: Exception, names: set[str]) -> None:
    """Fails unless an error is one line that names an argument."""
    assert isinstance(error, InputError | TypeError), repr(error)
    assert "\n" not in str(error), str(error)
    assert any(name in str(error) for name in names), f"{error!r} names none of {sorted(names)}"


@tries(300)
@given(
    data=st.data(), record=st.sampled_from([SweepConfig, SweepConfig, PathConfig, DeviceConfig, DataConfig])
)
def test_options_are_taken_or_refused_by_name(data, record):
    names = [field.name for field in fields(record)]
    options = {
        name: data.draw(ANYTHING)
        for name in data.draw(st.sets(st.sampled_from(names), min_size=1, max_size=3))
    }
    with time_limit():
        try:
            record(**options)
        except (Exception, KeyboardInterrupt) as error:
            assert_clear(error, set(names))


@tries(100)
@given(data=st.data())
def test_load_dataset_refuses_by_name(tmp_path, monkeypatch, data):
    monkeypatch.setattr("softjax.memory.machine_memory", lambda: 10**8)  # what is accepted is small
    sizes = {"num_examples": 60, "num_features": 3, "num_classes": 3}
    options = data.draw(st.sampled_from([{}, {"name": "synthetic", **sizes}]))
    names = ("name", "data_dir", "val_images", "test_images", "split_seed", *sizes)
    for name in data.draw(st.sets(st.sampled_from(names), min_size=1, max_size=2)):
        options = options | {name: data.draw(ANYTHING)}
    with new_folder(tmp_path), time_limit():
        try:
            load_dataset(**options)
        except (Exception, KeyboardInterrupt) as error:
            assert_clear(error, {*names, "dataset", "digits"})


@tries(80)
@given(text=st.one_of(st.text(max_size=10), st.text("0123456789.:,-+elogdnaif_ ", max_size=20)))
def test_a_text_is_a_range_or_is_refused(text):
    try:
        values = parse_range(text)
    except InputError as error:
        assert repr(text) in str(error)
    else:
        assert all(isinstance(value, float) for value in values)
        np.testing.assert_array_equal(parse_range(format_range(values)), values)


@tries(56)
@given(data=st.data())
def test_a_gradient_check_decides_or_refuses(data):
    """What the caller's own functions raise is the caller's; what is wrong with the arguments is a ValueError or a TypeError."""
    arguments = {"claimed": lambda w: 2 * w, "params": np.arange(3.0)}
    options = {"allowed_bounds": 4.0, "rtol": 0.0, "atol": 0.0, "num_entries": 3, "seed": 0}
    for name in data.draw(st.sets(st.sampled_from([*arguments, *options]), min_size=1, max_size=2)):
        target = arguments if name in arguments else options
        target[name] = data.draw(ANYTHING)
    with time_limit() as reached:
        try:
            check = check_gradient(lambda w: (w**2).sum(), *arguments.values(), **options)
            assert check.verdict in ("right", "wrong", "undecided")
            str(check)
        except (ValueError, TypeError) as error:
            assert str(error)
    assert not reached.is_set()
