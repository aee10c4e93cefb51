"""The package is light to import, and its public names are all there."""

import subprocess
import sys

import pytest

import softjax


@pytest.mark.parametrize("name", [*softjax.__all__, "__version__"])
def test_every_public_name_loads(name):
    assert getattr(softjax, name) is not None
    assert name in dir(softjax)


def test_what_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = softjax.nothing


def test_functions_are_not_hidden_by_modules_of_their_name():
    code = "import softjax.training.sweep, softjax.objective.objective, softjax; assert callable(softjax.sweep); assert callable(softjax.loss)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_importing_the_package_or_its_records_loads_no_jax():
    code = "import sys, softjax; softjax.SweepConfig; assert not {'jax', 'jaxtyping'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
