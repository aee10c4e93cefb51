"""The `>>>` examples of the public names run as printed."""

import doctest
import inspect

import pytest
from support.gradcheck import users_defaults

import softjax
import softjax.plots
import softjax.testing

# Public names that need no example: modules; their own tables of contents lead to their functions.
WITHOUT = {"cs231n", "plots", "testing"}
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def examples_of(thing, name):
    """The doctest of the docstring of `thing`, without those of its members."""
    finder = doctest.DocTestFinder(recurse=False, exclude_empty=True)
    return [test for test in finder.find(thing, name, globs={}) if test.examples]


def functions_of(module):
    """The public functions that are defined in `module`, or in those of its package."""
    return {
        f"{module.__name__.removeprefix('softjax.')}.{name}": function
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if f"{function.__module__}.".startswith(f"{module.__name__}.") and not name.startswith("_")
    }


PUBLIC = {name: getattr(softjax, name) for name in softjax.__all__}
OTHERS = functions_of(softjax.testing) | functions_of(softjax.plots)
EXAMPLES = [
    pytest.param(test, id=name)
    for name, thing in (PUBLIC | OTHERS).items()
    for test in examples_of(thing, name)
]


@pytest.mark.parametrize("name", sorted(set(softjax.__all__) - WITHOUT))
def test_every_public_name_has_an_example(name):
    assert examples_of(PUBLIC[name], name), f"softjax.{name} has no example in its docstring"


@pytest.mark.usefixtures("own_messages")
@pytest.mark.parametrize("test", EXAMPLES)
def test_the_example_runs_as_printed(test):
    report = []
    with users_defaults():
        result = doctest.DocTestRunner(optionflags=OPTIONS).run(test, out=report.append)
    assert result.attempted > 0
    assert result.failed == 0, "".join(report)
