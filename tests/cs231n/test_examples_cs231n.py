import doctest

import pytest

from softjax import check_gradient, check_hessian, cs231n, testing
from softjax.gradcheck.result import GradientCheck, GradientError

DOCUMENTED = [
    *(getattr(cs231n, name) for name in cs231n.__all__),
    testing.assert_gradient,
    check_gradient,
    check_hessian,
    GradientCheck,
    GradientError,
]


@pytest.mark.usefixtures("own_messages")
@pytest.mark.parametrize("documented", DOCUMENTED, ids=lambda documented: documented.__name__)
def test_examples_in_docstrings(documented):
    """Every public name has an example, and it gives what the docstring shows."""
    module = __import__(documented.__module__, fromlist=["_"])
    example = doctest.DocTestParser().get_doctest(
        documented.__doc__, dict(vars(module)), documented.__name__, module.__file__, None
    )
    assert example.examples, f"{documented.__name__} has no example"
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    report: list[str] = []
    runner.run(example, out=report.append)
    assert runner.failures == 0, "".join(report)
