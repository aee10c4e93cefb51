"""The registry of real functions has right gradients, the faults do what their names say, and a crash costs one answer only."""

import csv
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from checkers import faults, peers, softmax
from checkers.judge import measure_size
from checkers.processes import run_all
from checkers.registry import LIBRARIES, RealFunction, is_installed, list_functions
from gradient_checkers import CheckersOptions
from support.gradcheck import users_defaults
from support.interviews import interview
from support.processes import run

from softjax import InputError
from softjax.gradcheck.leaves import is_tensor, to_array

ROOT = Path(__file__).parents[2]
LOOSE = {"float64": 1e-6, "float32": 2e-3, "bfloat16": 0.1, "float16": 0.02}
"""errors of a directional derivative, relative to Σ|terms|"""
IN_FLOAT32 = {
    "jax.nn.dot_product_attention, float64"
}  # whatever its type, its softmax is computed in float32


@pytest.fixture(autouse=True)
def _as_users_have_it(own_messages):
    """Checkers meet softjax as users do."""


def of_libraries(*names):
    """A parameter for each library, skipped where it is not installed."""
    return [
        pytest.param(
            name, marks=pytest.mark.skipif(not is_installed(name), reason=f"{name} is not installed")
        )
        for name in names
    ]


def in_float64(x):
    """An array or tensor of floating type in float64; other things as they are."""
    if is_tensor(x):
        return x.double() if x.is_floating_point() else x
    if not isinstance(x, np.ndarray | jax.Array) or not jnp.issubdtype(x.dtype, jnp.floating):
        return x
    return (jnp.asarray if isinstance(x, jax.Array) else np.asarray)(np.asarray(x).astype(np.float64))


def measure_error(function):
    """How far the right gradient is from differences along two random directions, relative to Σ|terms|.

    The differences are those of the function in float64, extrapolated. Of four steps the closest counts: the gradient would have
    to be wrong in a way that suits one of them.
    """
    with jax.enable_x64(function.dtype == "float64"):
        gradient = [
            to_array(leaf).astype(np.float64)
            for leaf in jax.tree.leaves(function.gradient(function.params, *function.args))
        ]
    with jax.enable_x64(True):
        leaves, structure = jax.tree.flatten(jax.tree.map(in_float64, function.params))
        args = jax.tree.map(in_float64, function.args)
        sizes = [np.where(to_array(leaf) == 0, 1e-2, np.abs(to_array(leaf))) for leaf in leaves]
        rng, worst = np.random.default_rng(0), 0.0
        for _ in range(2):
            direction = [size * rng.choice([-1.0, 1.0], size.shape) for size in sizes]

            def value(t, direction=direction):
                moved = [leaf + like(leaf, t * v) for leaf, v in zip(leaves, direction, strict=True)]
                return float(function.fun(jax.tree.unflatten(structure, moved), *args))

            along = sum(float(np.vdot(g, v)) for g, v in zip(gradient, direction, strict=True))
            scale = sum(float(np.abs(g * v).sum()) for g, v in zip(gradient, direction, strict=True))
            slope = lambda h, value=value: (value(h) - value(-h)) / (2 * h)  # noqa: E731
            errors = [abs((4 * slope(h / 2) - slope(h)) / 3 - along) for h in (1e-2, 1e-3, 1e-4, 1e-5)]
            finite = np.isfinite(along) and np.isfinite(errors[1:]).all()
            worst = max(worst, min(errors) / scale) if finite else np.inf
    return worst


def like(leaf, array):
    """`array` as what can be added to `leaf`."""
    return leaf.new_tensor(array) if is_tensor(leaf) else array


@pytest.mark.parametrize(
    "library", of_libraries("SciPy special functions", "SciPy", "scikit-learn", "statsmodels", "PyTorch")
)
def test_every_right_gradient_agrees_with_differences(library):
    wrong = {
        f.key: error
        for f in list_functions(library)
        for error in [measure_error(f)]
        if not error < LOOSE[f.dtype]
    }
    assert not wrong


@pytest.mark.slow
@pytest.mark.experiment
@pytest.mark.parametrize("library", of_libraries("jax.nn", "optax", "jax.scipy", "jax.numpy", "softjax"))
def test_every_right_gradient_of_jax_agrees_with_differences(library):
    functions = list_functions(library)
    # in other types they are the same programs: a sample is enough
    lower = [f for f in functions if f.dtype != "float64"]
    chosen = [*(f for f in functions if f.dtype == "float64"), *lower[::5]]
    with users_defaults():
        errors = {
            f.key: (measure_error(f), LOOSE["float32" if f.key in IN_FLOAT32 else f.dtype]) for f in chosen
        }
    assert {key: error for key, (error, loose) in errors.items() if not error < loose} == {}


def test_the_registry_is_as_large_as_it_says_and_no_two_functions_have_the_same_name():
    functions = [f for library in LIBRARIES if is_installed(library) for f in list_functions(library)]
    assert len({f.key for f in functions}) == len(functions)
    assert len({f.name for f in functions}) >= 150
    sizes = [sum(np.size(to_array(leaf)) for leaf in jax.tree.leaves(f.params)) for f in functions]
    assert min(sizes) >= 1
    assert max(sizes) <= 60


# a function whose gradient at x = 1 is G
G = np.array([[1.0, 2.0], [3.0, -4.0]])
POINT = faults.Point(G.ravel(), ((2, 2),), entry=1, other=2)
BY_HAND = {
    "twice the gradient": 2 * G,
    "half the gradient": G / 2,
    "sign flipped": -G,
    "zero": 0 * G,
    "averaged instead of summed": G / 4,
    "everything 1e-4 off": 1.0001 * G,
    "everything 1e-6 off": 1.000001 * G,
    "one entry 1 % off": [[1, 2.02], [3, -4]],
    "one entry of the wrong sign": [[1, -2], [3, -4]],
    "last entry forgotten": [[1, 2], [3, 0]],
    "largest entry clipped": [[1, 2], [3, -2]],
    "two entries swapped": [[1, 3], [2, -4]],
    "transposed": [[1, 3], [2, -4]],
    "reversed": [[-4, 3], [2, 1]],
    "rolled by one": [[-4, 1], [2, 3]],
    "rounded to float16": G,
    "a constant added": G + 0.004,
    "absolute values": np.abs(G),
    "a penalty's gradient added": G + 1,
    "gradient at another point": 1.001 * G,
}


def quadratic(array, x=1.0):
    """½ Σ G x², its gradient G x, at params {"w": x} of one library."""
    a = array(G)
    return RealFunction(
        "quadratic",
        "test",
        "float64",
        lambda p: (a * p["w"] ** 2).sum() / 2,
        lambda p: {"w": a * p["w"]},
        {"w": array(np.full_like(G, x))},
    )


@pytest.fixture(params=["numpy", "jax", "torch"])
def array(request):
    """What makes an array of each library."""
    if request.param == "torch":
        yield pytest.importorskip("torch").tensor
    else:
        with jax.enable_x64(True), users_defaults():
            yield np.array if request.param == "numpy" else jnp.asarray


def test_every_fault_changes_the_gradient_as_its_name_says(array):
    assert set(BY_HAND) == set(faults.FAULTS)
    assert len(BY_HAND) == 20
    function = quadratic(array)
    for kind, expected in BY_HAND.items():
        wrong = faults.plant(kind, function, POINT)(function.params)["w"]
        assert type(wrong) is type(function.params["w"]), kind
        np.testing.assert_allclose(to_array(wrong), expected, rtol=1e-15, err_msg=kind)
    third = quadratic(array, 1 / 3)
    rounded = faults.plant("rounded to float16", third, POINT)(third.params)["w"]
    np.testing.assert_array_equal(to_array(rounded), (G / 3).astype(np.float16).astype(np.float64))


def test_a_fault_is_drawn_only_where_it_changes_the_gradient_and_every_kind_is_drawn_somewhere():
    drawn = set()
    for function in list_functions("SciPy"):
        point = faults.look_at(function)
        kinds = faults.draw_kinds(function, point, 6)
        assert kinds == faults.draw_kinds(function, point, 6)
        for kind in kinds:
            assert (
                np.abs(faults.evaluate(faults.plant(kind, function, point), function) - point.gradient).max()
                > 0
            )
        drawn |= set(kinds)
    assert drawn == set(faults.FAULTS)


@pytest.mark.parametrize("checker", peers.CHECKERS)
def test_every_checker_accepts_a_right_gradient_and_rejects_twice_it_whatever_the_library(checker, array):
    pytest.importorskip(peers.CHECKERS[checker].needs)
    function = quadratic(array, 0.5)
    assert peers.ask(checker, function, function.gradient).word == "accepted"
    assert peers.ask(checker, function, lambda p: {"w": 2 * function.gradient(p)["w"]}).word == "rejected"


def test_an_error_in_the_function_is_a_crash_of_the_checker():
    def fail(p):
        raise RuntimeError("no value")

    function = quadratic(np.array)
    answer = peers.ask(
        "ten entries",
        RealFunction("f", "test", "float64", fail, function.gradient, function.params),
        function.gradient,
    )
    assert (answer.word, answer.why) == ("crashed", "RuntimeError: no value")


def test_a_fault_is_large_by_the_rounding_bounds_or_far_beyond_rounding_whatever_they_are():
    function = quadratic(np.array)
    wrong = partial(lambda by, p: {"w": (1 + by) * G}, 1e-4)

    def reference(bound, word="accepted"):
        return {"word": word, "true": G.ravel(), "bound": np.full(4, bound)}

    assert measure_size(wrong, function, POINT, reference(1e-16))["large"]
    assert measure_size(wrong, function, POINT, reference(1e16))["large"]
    tiny = partial(lambda by, p: {"w": (1 + by) * G}, 1e-7)
    assert measure_size(tiny, function, POINT, reference(1e-16))["large"]
    assert not measure_size(tiny, function, POINT, reference(1e-6))["large"]
    assert not measure_size(tiny, function, POINT, reference(1e-16, "undecided"))["large"]


def test_a_process_that_crashes_or_hangs_loses_only_the_answer_that_it_was_at():
    tasks = ["a", "crash", "hang", "b"]
    answers = dict(run_all(interview, tasks, 2, 2.0, lambda reason: reason))
    for task in tasks:
        assert [answers[task][question] for question in ("first", "third")] == [
            f"{task} first",
            f"{task} third",
        ]
    assert answers["a"]["second"] == "a second"
    assert answers["crash"]["second"] == "the process ended with exit code 7"
    assert answers["hang"]["second"] == "it took more than 2 s"


@pytest.mark.slow
def test_the_claims_about_a_softmax_problem_are_judged(monkeypatch):
    few = {name: softmax.JITTED[name] for name in ("no 1/N", "only where scores tie", "one entry 1 % off")}
    monkeypatch.setattr(softmax, "JITTED", few)
    monkeypatch.setattr(softmax, "PENALTIES", ("l2", "l1"))
    with users_defaults():
        rows = softmax.judge_problem(softmax.Task("float64", 1, ("softjax", "ten entries")))
    words = {row["claim"]: row["verdicts"]["softjax"] for row in rows}
    # no two scores of this problem are equal, so that the second fault changes nothing
    assert words == {
        "right, l2": "accepted",
        "right, l1": "accepted",
        "no 1/N": "rejected",
        "one entry 1 % off": "rejected",
    }
    assert [row["large"] for row in rows] == [False, False, True, True]


@pytest.mark.slow
@pytest.mark.experiment
def test_the_comparison_writes_its_report(tmp_path):
    options = [
        "--libraries",
        "SciPy",
        "--num-functions",
        "2",
        "--faults-per-function",
        "1",
        "--num-problems",
        "0",
        "--jobs",
        "1",
    ]
    done = run(ROOT / "experiments" / "gradient_checkers.py", *options, "--out", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    names = {"README.md", "details.md", "run.json", "results.csv", "checkers.png"}
    assert {file.name for file in (tmp_path / "out").iterdir()} == names
    with (tmp_path / "out" / "results.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["claim"] == "right" for row in rows] == [True, False, True, False]
    assert [row["softjax"] for row in rows] == ["accepted", "rejected", "accepted", "rejected"]
    text = (tmp_path / "out" / "README.md").read_text()
    for words in (
        "| softjax | 2 (100.0 %) | 0 | 0 | 0 | 0 | 2 (100.0 %) | 2 |",
        "python experiments/gradient_checkers.py --libraries SciPy",
    ):
        assert words in text


def test_a_library_that_is_unknown_is_refused_with_the_known_ones():
    with pytest.raises(InputError, match=r"libraries must be among SciPy special.*got Scipy"):
        CheckersOptions(libraries=("Scipy",))
