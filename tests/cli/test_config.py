"""The records refuse what no run can have, and ranges read and print as they are written."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from softjax import DataConfig, InputError, PathConfig, SweepConfig
from softjax.ranges import format_range, parse_range


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("1e-7:5e-7:10", np.linspace(1e-7, 5e-7, 10)),
        ("log:0.001:1:4", [0.001, 0.01, 0.1, 1]),
        ("0,0.5, 2", [0, 0.5, 2]),
        ("3", [3]),
        ("2:2:1", [2]),
    ],
)
def test_a_range_is_read(text, values):
    np.testing.assert_allclose(parse_range(text), values, rtol=1e-12)


@pytest.mark.parametrize(
    "text",
    ["1:2", "log:0:1:3", "log:1:2", "a,b", "", "1,,2", "1:2:x", "lin:1:2:3", "1:2:1.5", "log:-1:2:3", "1,"],
)
def test_what_is_no_range_is_refused_with_the_notation(text):
    with pytest.raises(InputError, match="expected start:stop:count, log:start:stop:count"):
        parse_range(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1:2:-1", "must be from 1 to 100000, got -1"),
        ("0:1:1000000000000", "must be from 1 to 100000"),
        ("0:1:1e300", "must be from 1 to 100000"),
        ("1:2:1", "holds both ends"),
        ("0:inf:3", "must be finite"),
        ("nan:1:3", "must be finite"),
        ("-1e308:1e308:3", "must be finite"),
    ],
)
def test_a_range_that_cannot_be_meant_is_refused_before_it_is_made(text, message):
    with pytest.raises(InputError, match=message):
        parse_range(text)


@given(st.lists(st.floats(0, 1e300), min_size=1, max_size=5))
def test_a_printed_range_reads_back_exactly(values):
    assert parse_range(format_range(tuple(values))) == tuple(values)


@pytest.mark.parametrize("text", ["1e-07:5e-07:10", "log:0.001:1:10", "0,1,10"])
def test_a_range_prints_in_its_shortest_form(text):
    assert format_range(parse_range(text)) == text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"learning_rates": ()}, "learning_rates is empty"),
        ({"learning_rates": (0.0,)}, "learning_rates must be finite and positive, got 0.0"),
        ({"learning_rates": (1.0, 1.0)}, "learning_rates holds a value twice"),
        ({"regs": (-1.0,)}, "regs must be finite and zero or positive, got -1.0"),
        ({"regs": (float("nan"),)}, "regs must be finite and zero or positive, got nan"),
        ({"num_iters": 0}, "num_iters must be a whole number of at least 1, got 0"),
        ({"batch_size": 2.5}, "batch_size must be a whole number of at least 1, got 2.5"),
        ({"num_seeds": True}, "num_seeds must be a whole number of at least 1, got True"),
        ({"seed": -1}, "seed must be a whole number from 0 to"),
        ({"init_scale": float("inf")}, "init_scale must be finite and zero or positive"),
        ({"l1_ratio": 1.5}, "l1_ratio must lie between 0 and 1, got 1.5"),
        ({"kind": "svm"}, "kind must be one of softmax, hinge, got 'svm'"),
        ({"penalty": "l3"}, "penalty must be one of"),
        ({"search": "sobol"}, "search must be one of grid, random, log_uniform, got 'sobol'"),
        ({"num_configs": 5}, "num_configs is for search random or log_uniform"),
        ({"search": "random", "num_configs": 0}, "num_configs must be a whole number of at least 1, got 0"),
        ({"search": "log_uniform", "regs": (0.0, 1.0)}, "log_uniform needs positive regs, got 0"),
        ({"halvings": -1}, "halvings must be a whole number of at least 0, got -1"),
        (
            {"halvings": 7},
            "halvings must be at most 6.* got 7 with 100 configurations and 1000 steps",
        ),
        ({"optimizer": "rmsprop"}, "optimizer must be one of sgd, momentum, nesterov, adam, adamw"),
        ({"momentum": 1.0}, r"momentum must lie in \[0, 1\), got 1.0"),
        ({"beta2": -0.1}, r"beta2 must lie in \[0, 1\), got -0.1"),
        ({"eps": 0.0}, "eps must be finite and positive, got 0.0"),
        ({"schedule": "linear"}, "schedule must be one of constant, cosine, step, got 'linear'"),
        ({"decay_every": 5}, "decay_every is for step; the schedule is constant"),
        ({"decay_rate": 0.0}, r"decay_rate must lie in \(0, 1\], got 0.0"),
        ({"momentum": 0.5}, "momentum is for momentum, nesterov, adam and adamw; the optimizer is sgd"),
        ({"optimizer": "momentum", "beta2": 0.9}, "beta2 is for adam and adamw; the optimizer is momentum"),
        ({"eps": 1e-6}, "eps is for adam and adamw; the optimizer is sgd"),
        ({"decay_rate": 0.5}, "decay_rate is for step; the schedule is constant"),
        ({"schedule": "cosine", "decay_every": 5}, "decay_every is for step; the schedule is cosine"),
        ({"l1_ratio": 0.3}, "l1_ratio is for elastic_net; the penalty is l2"),
        ({"optimizer": "adamw", "penalty": "l1"}, "adamw uses reg as weight decay"),
        ({"minibatches": "own"}, "minibatches must be one of shared, independent, got 'own'"),
        ({"dtype": "int8"}, "dtype must be one of float32, float64, bfloat16, got 'int8'"),
    ],
)
@pytest.mark.usefixtures("own_messages")
def test_a_sweep_s_options_are_checked(options, message):
    with pytest.raises(InputError, match=message):
        SweepConfig(**options)


@pytest.mark.parametrize(
    "options",
    [
        {"momentum": 0.9, "beta2": 0.999, "eps": 1e-8, "decay_rate": 0.1, "l1_ratio": 0.5},  # the defaults
        {"optimizer": "nesterov", "momentum": 0.5},
        {"optimizer": "adam", "momentum": 0.5, "beta2": 0.9, "eps": 1e-6},
        {"schedule": "step", "decay_rate": 0.5, "decay_every": 5},
        {"penalty": "elastic_net", "l1_ratio": 0.3},
    ],
)
def test_options_that_have_an_effect_are_accepted(options):
    SweepConfig(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dataset": "cifar10", "split_seed": 1}, "split_seed is for digits, synthetic and data of"),
        ({"dataset": "mnist"}, "unknown dataset 'mnist': expected digits, cifar10, synthetic, a folder"),
        ({"data_dir": "x"}, "data_dir is for the dataset cifar10, not for 'digits'"),
        ({"val_images": 10}, "val_images is for the dataset cifar10, not for 'digits'"),
        ({"dataset": "cifar10", "val_images": 50_000}, "val_images must be a whole number from 1 to 49999"),
        ({"test_images": 10}, "test_images is for the dataset cifar10"),
        ({"dataset": "cifar10", "test_images": 10_001}, "test_images must be a whole number from 1 to 10000"),
        ({"label": "y"}, "label names columns of a table of your own; the dataset is digits"),
        ({"dataset": "cifar10", "features": ("a*",)}, "features names columns of a table"),
        ({"features": 3}, "features must be a text, or a sequence of texts"),
        ({"class_weight": "equal"}, "class_weight must be one of none, balanced, got 'equal'"),
        ({"num_classes": 5}, "num_classes is for the dataset synthetic"),
        ({"dataset": "synthetic", "num_classes": 1}, "num_classes must be a whole number of at least 2"),
    ],
)
@pytest.mark.usefixtures("own_messages")
def test_a_data_set_s_options_are_checked(options, message):
    with pytest.raises(InputError, match=message):
        DataConfig(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tolerance": 0.0}, "tolerance must lie between 0 and 1, got 0.0"),
        ({"max_passes": 0}, "max_passes must be a whole number of at least 1, got 0"),
    ],
)
@pytest.mark.usefixtures("own_messages")
def test_a_path_s_options_are_checked(options, message):
    with pytest.raises(InputError, match=message):
        PathConfig(**options)
