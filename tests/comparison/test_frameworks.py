"""Every framework that can run in the tests' process computes the same loss and gradient, whatever the penalty, the type and the derivative."""

from dataclasses import replace

import numpy as np
import pytest

from softjax.comparison import oracle
from softjax.comparison.cases import numpy_dtype
from softjax.comparison.frameworks import FRAMEWORKS
from softjax.comparison.frameworks.protocol import NotOffered, Problem
from softjax.comparison.modes import MODES
from softjax.gradcheck.rounding import Rounding

HEAVY = (
    "TensorFlow",
    "Keras",
    "PaddlePaddle",
    "MindSpore",
    "MLX",
    "tinygrad",
    "Taichi",
)  # for processes of their own


def choose_marks(framework):
    """The eager ways of JAX compile each operation by itself, and compute what the jitted ones do."""
    if (
        framework.library in ("JAX", "Optax") and framework.way == "eager"
    ) or framework.name == "softjax-jvp":
        return pytest.mark.experiment
    return pytest.mark.slow if framework.library == "PyTorch" else ()


IN_PROCESS = [
    pytest.param(name, marks=choose_marks(framework))
    for name, framework in FRAMEWORKS.items()
    if not framework.compiles and framework.library not in HEAVY and framework.program is None
]
VARIANTS = {
    "sample weights": {"sample_weight": np.array([1.0, 2.0, 0.5, 0.0, 3.0, 0.25])},
    "class weights": {"class_weight": np.array([1.0, 2.0, 0.5])},
    "smoothing": {"label_smoothing": 0.1},
    "soft labels": {"y": np.random.default_rng(3).dirichlet(np.ones(3), 6)},
    "ignored labels": {"y": np.array([0, -100, 2, -100, 1, 0]), "ignore_index": -100},
}
pytestmark = pytest.mark.filterwarnings("default")  # theirs are theirs


def load(name):
    if FRAMEWORKS[name].version is None:
        pytest.skip(f"{FRAMEWORKS[name].title} is not installed: {FRAMEWORKS[name].install}")
    return FRAMEWORKS[name]


def make_problem(dtype="float64", penalty="l2", reg=0.3):
    rng = np.random.default_rng(0)
    X, W = rng.normal(size=(6, 4)), rng.normal(size=(4, 3))
    y = np.array([0, 1, 2, 2, 1, 0])
    return Problem(X.astype(numpy_dtype(dtype)), y, W.astype(numpy_dtype(dtype)), reg, penalty)


@pytest.mark.parametrize("penalty", ["l2", "elastic_net"])  # one term of the penalty, and both
@pytest.mark.parametrize("name", IN_PROCESS)
def test_the_loss_and_gradient_are_right_for_every_penalty_and_in_every_type(name, penalty):
    framework = load(name)
    for dtype in framework.load().DTYPES if penalty == "elastic_net" else ("float32",):
        problem = make_problem(dtype, penalty)
        check_against_oracle(framework, problem)


def check_against_oracle(framework, problem):
    prepared = framework.prepare(problem)
    loss, grad = prepared.to_numpy(prepared.loss_and_grad(prepared.place(problem.W)))
    truth = oracle.truth(*problem.as_shares(), problem.l1, problem.l2)
    unit = Rounding.of(numpy_dtype(problem.dtype)).unit
    if framework.approximate:
        unit **= 2 / 3
    assert grad.shape == problem.W.shape
    assert framework.gradient_only or abs(float(loss) - truth.loss) < 10 * unit * truth.loss_unit
    assert (np.abs(grad.astype(float) - truth.grad) < 10 * unit * truth.grad_unit).all()


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", IN_PROCESS)
def test_weights_soft_labels_and_ignored_labels_are_right(name, variant):
    framework = load(name)
    dtype = np.float64 if "float64" in framework.load().DTYPES else np.float32
    changes = {
        key: a.astype(dtype) if isinstance(a, np.ndarray) and a.dtype.kind == "f" else a
        for key, a in VARIANTS[variant].items()
    }
    try:
        check_against_oracle(framework, replace(make_problem(np.dtype(dtype).name), **changes))
    except NotOffered as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("name", ["numpy-vectorized", "softjax-jit"])
def test_the_products_alone_are_the_two_of_the_gradient(name):
    problem = make_problem("float32")
    prepared = load(name).prepare(problem)
    found = np.asarray(prepared.products(prepared.place(problem.W)))
    expected = problem.X.T @ (problem.X @ problem.W)
    np.testing.assert_allclose(found if found.shape == expected.shape else found.T, expected, rtol=1e-5)


@pytest.mark.parametrize("name", IN_PROCESS)
def test_weights_are_placed_anew_for_each_call_and_never_changed(name):
    framework = load(name)
    problem = make_problem("float32")
    prepared = framework.prepare(problem)
    placed = prepared.place(problem.W)
    first = prepared.to_numpy(prepared.loss_and_grad(placed))
    other = prepared.to_numpy(prepared.loss_and_grad(prepared.place(2 * problem.W)))
    again = prepared.to_numpy(prepared.loss_and_grad(placed))
    assert np.array_equal(first[1], again[1])
    assert not np.allclose(first[1], other[1])


@pytest.mark.parametrize("name", IN_PROCESS)
def test_the_other_derivatives_are_right(name):
    framework = load(name)
    problem = make_problem()
    prepared = framework.prepare(problem)
    for mode, function in prepared.modes.items():
        case = MODES[mode]
        result = function(*case.arguments(problem))
        result = result if isinstance(result, tuple | list) else (result,)
        for value, true in zip(result, case.truth(problem), strict=True):
            tolerance = 1e-8 if FRAMEWORKS[name].approximate else 1e-13
            assert np.shape(value) == np.shape(true)
            assert np.allclose(value, true, rtol=tolerance, atol=tolerance), mode
