"""Every framework that can run in the tests' process computes the same loss and gradient, whatever the penalty, the type and the derivative."""

import numpy as np
import pytest
from support.problems import PENALTIES

from softjax.comparison import oracle
from softjax.comparison.cases import numpy_dtype
from softjax.comparison.frameworks import FRAMEWORKS
from softjax.comparison.frameworks.protocol import Problem
from softjax.comparison.modes import MODES
from softjax.gradcheck.rounding import Rounding

IN_PROCESS = [  # TensorFlow's and tinygrad's import, and compilers, are for the comparison's own processes
    pytest.param(name, marks=pytest.mark.slow if "torch" in name else ())
    for name, framework in FRAMEWORKS.items()
    if not framework.compiles and name not in ("tensorflow", "tinygrad", "mlx")
]
pytestmark = pytest.mark.filterwarnings("default")  # theirs are theirs


def load(name):
    if FRAMEWORKS[name].version is None:
        pytest.skip(f"{FRAMEWORKS[name].title} is not installed: {FRAMEWORKS[name].install}")
    return FRAMEWORKS[name].load()


def make_problem(dtype="float64", penalty="l2", reg=0.3):
    rng = np.random.default_rng(0)
    X, W = rng.normal(size=(6, 4)), rng.normal(size=(4, 3))
    y = np.array([0, 1, 2, 2, 1, 0])
    return Problem(X.astype(numpy_dtype(dtype)), y, W.astype(numpy_dtype(dtype)), reg, penalty)


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("name", IN_PROCESS)
def test_the_loss_and_gradient_are_right_for_every_penalty_and_in_every_type(name, penalty):
    module = load(name)
    for dtype in module.DTYPES if penalty == "elastic_net" else ("float32",):
        problem = make_problem(dtype, penalty)
        prepared = module.prepare(problem)
        loss, grad = prepared.to_numpy(prepared.loss_and_grad(prepared.place(problem.W)))
        truth = oracle.truth(problem.W, problem.X, problem.y, problem.l1, problem.l2)
        unit = Rounding.of(numpy_dtype(dtype)).unit
        if FRAMEWORKS[name].approximate:
            unit **= 2 / 3
        assert grad.shape == problem.W.shape
        assert abs(float(loss) - truth.loss) < 10 * unit * truth.loss_unit
        assert (np.abs(grad.astype(float) - truth.grad) < 10 * unit * truth.grad_unit).all()


@pytest.mark.parametrize("name", ["numpy-vectorized", "jax-by-hand"])
def test_the_products_alone_are_the_two_of_the_gradient(name):
    problem = make_problem("float32")
    prepared = load(name).prepare(problem)
    found = np.asarray(prepared.products(prepared.place(problem.W)))
    expected = problem.X.T @ (problem.X @ problem.W)
    np.testing.assert_allclose(found if found.shape == expected.shape else found.T, expected, rtol=1e-5)


@pytest.mark.parametrize("name", IN_PROCESS)
def test_weights_are_placed_anew_for_each_call_and_never_changed(name):
    module = load(name)
    problem = make_problem("float32")
    prepared = module.prepare(problem)
    placed = prepared.place(problem.W)
    first = prepared.to_numpy(prepared.loss_and_grad(placed))
    other = prepared.to_numpy(prepared.loss_and_grad(prepared.place(2 * problem.W)))
    again = prepared.to_numpy(prepared.loss_and_grad(placed))
    assert np.array_equal(first[1], again[1])
    assert not np.allclose(first[1], other[1])


@pytest.mark.parametrize("name", IN_PROCESS)
def test_the_other_derivatives_are_right(name):
    module = load(name)
    problem = make_problem()
    prepared = module.prepare(problem)
    for mode, function in prepared.modes.items():
        case = MODES[mode]
        result = function(*case.arguments(problem))
        result = result if isinstance(result, tuple | list) else (result,)
        for value, true in zip(result, case.truth(problem), strict=True):
            tolerance = 1e-8 if FRAMEWORKS[name].approximate else 1e-13
            assert np.shape(value) == np.shape(true)
            assert np.allclose(value, true, rtol=tolerance, atol=tolerance), mode
