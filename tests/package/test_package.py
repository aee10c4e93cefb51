"""The package is light to import, and its public names are all there."""

import inspect
import re
import subprocess
import sys
from dataclasses import fields

import pytest

import softjax
from softjax.comparison.config import CompareConfig
from softjax.gradcheck.config import CheckConfig
from softjax.objective.config import Objective
from softjax.path.result import PathProgress, PathState

RECORDS = [
    *(softjax.DataConfig, softjax.SweepConfig, softjax.DeviceConfig, softjax.PathConfig),
    *(CheckConfig, CompareConfig, Objective, PathProgress, PathState),
    *(softjax.Dataset, softjax.SweepResult, softjax.PathResult, softjax.Progress, softjax.SweepState),
    softjax.Classifier,
]


@pytest.mark.parametrize("name", [*softjax.__all__, "__version__"])
def test_every_public_name_loads(name):
    assert getattr(softjax, name) is not None
    assert name in dir(softjax)


def test_what_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = softjax.nothing


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.__name__)
def test_help_explains_every_field_of_a_record(record):
    section = inspect.getdoc(record).split("Attributes:\n")[1]
    explained = re.findall(r"^ {4}(\w+): \S", section, re.MULTILINE)
    assert explained == [field.name for field in fields(record)]


def test_functions_are_not_hidden_by_modules_of_their_name():
    code = "import softjax.training.sweep, softjax.objective.objective, softjax; assert callable(softjax.sweep); assert callable(softjax.loss)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", ["cs231n.grade", "plots.heat_map", "testing.assert_gradient"])
def test_modules_are_there_after_importing_the_package_alone(name):
    subprocess.run([sys.executable, "-c", f"import softjax; assert callable(softjax.{name})"], check=True)


def test_importing_the_package_or_its_records_loads_no_jax():
    code = "import sys, softjax; softjax.SweepConfig; assert not {'jax', 'jaxtyping'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
