"""Libraries of other languages: what a program answers over the pipe arrives, and the four programs compute the right thing."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.processes import run

from softjax.comparison import oracle
from softjax.comparison import process as workers
from softjax.comparison.config import CompareConfig
from softjax.comparison.edge_cases import EDGE_CASES, six_examples
from softjax.comparison.frameworks import FRAMEWORKS, shared_pipe
from softjax.comparison.frameworks.protocol import NotOffered, Problem
from softjax.comparison.judge import judge_edge_case
from softjax.comparison.run import compare
from softjax.comparison.script import show
from softjax.gradcheck.rounding import Rounding

ROOT = Path(__file__).parents[2]
ECHO = Path(__file__).with_name("echo_program.py")
PROGRAMS = ("c", "adol-c", "sacado", "tensorflow-js")


def prepare(problem):
    return shared_pipe.prepare_program(problem, sys.executable, str(ECHO))


def start(line):
    """A program that says hello, and then runs this line of Python for each question."""
    hello = 'sys.stdin.buffer.readline(); print(\'{"dtypes": ["float32"]}\', flush=True)'
    loop = f"for line in sys.stdin.buffer:\n    if b'\"do\"' in line: {line}"
    return sys.executable, "-c", f"import os, signal, sys\n{hello}\n{loop}"


def evaluate(prepared, W):
    return prepared.to_numpy(prepared.loss_and_grad(prepared.place(W)))


def assert_right(problem, loss, grad):
    truth = oracle.truth(*problem.as_shares(), problem.l1, problem.l2)
    unit = Rounding.of(np.asarray(loss).dtype).unit
    assert grad.shape == problem.W.shape
    assert abs(float(loss) - truth.loss) < 10 * unit * truth.loss_unit
    assert (np.abs(grad.astype(float) - truth.grad) < 10 * unit * truth.grad_unit).all()


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_program_gets_the_problem_and_its_gradient_arrives(dtype):
    problem = six_examples(penalty="elastic_net", reg=0.3, sample_weight=np.arange(6.0))
    problem = replace(problem, X=problem.X.astype(dtype), W=problem.W.astype(dtype))
    loss, grad = evaluate(prepare(problem), problem.W)
    assert loss.dtype == grad.dtype == dtype
    assert_right(problem, loss, grad)


def test_weights_keep_their_names_and_layouts_become_that_of_c():
    problem = six_examples(X=np.asfortranarray(six_examples().X))
    prepared = prepare(problem)
    weights = [problem.W, 2 * problem.W, np.ascontiguousarray(3 * problem.W.T).T]
    places = [prepared.place(W) for W in weights]
    for W, place in reversed(list(zip(weights, places, strict=True))):
        assert_right(replace(problem, W=W), *prepared.to_numpy(prepared.loss_and_grad(place)))


def test_other_types_come_in_the_first_type_of_the_program():
    problem = six_examples()
    half = replace(problem, X=problem.X.astype(np.float16), W=problem.W.astype(np.float16))
    loss, _ = evaluate(prepare(half), half.W)
    assert loss.dtype == "float64"


def test_an_ignored_label_comes_as_a_class_of_weight_0():
    problem = six_examples(y=np.array([0, -100, 2, -100, 1, 0]), ignore_index=-100)
    assert_right(problem, *evaluate(prepare(problem), problem.W))


def test_nan_and_infinity_are_results():
    problem = EDGE_CASES["nan-X"].problem
    loss, grad = evaluate(prepare(problem), problem.W)
    assert np.isnan(loss)
    assert np.isnan(grad).any()
    problem = six_examples(reg=np.inf)
    loss, _ = evaluate(prepare(problem), problem.W)
    assert loss == np.inf


def test_an_error_of_a_program_is_raised_under_its_name_and_the_program_goes_on():
    problem = six_examples(y=np.array([0, 1, 2, 2, 1, 3]))
    with pytest.raises(RuntimeError, match="out of bounds") as raised:
        evaluate(prepare(problem), problem.W)
    assert type(raised.value).__name__ == "IndexError"
    problem = six_examples()
    assert_right(problem, *evaluate(prepare(problem), problem.W))


def test_what_a_program_does_not_offer_is_not_offered():
    with pytest.raises(NotOffered, match="label smoothing"):
        prepare(six_examples(label_smoothing=0.1))
    session = shared_pipe.find_session((sys.executable, str(ECHO)), {})
    with pytest.raises(NotOffered, match="hessian"):
        session.ask({"do": "hessian"})


def test_the_time_is_that_of_the_programs_clock():
    problem = six_examples()
    answers = '\'{"id": 0, "seconds": 12.5}\''
    prepared = shared_pipe.prepare_program(problem, *start(f"print({answers}, flush=True)"))
    prepared.loss_and_grad(0)
    assert prepared.read_clock() == 12.5


def test_a_problem_and_a_result_that_the_program_no_longer_holds_are_not_mistaken_for_others():
    problem = six_examples()
    first = prepare(problem)
    place = first.place(problem.W)
    old = first.loss_and_grad(place)
    first.loss_and_grad(place)
    with pytest.raises(RuntimeError, match="another result"):
        first.to_numpy(old)
    prepare(problem)
    with pytest.raises(RuntimeError, match="another problem"):
        first.loss_and_grad(place)


def test_a_program_that_ends_takes_the_process_with_it_and_is_started_again():
    problem = six_examples()
    killed = start("os.kill(os.getpid(), signal.SIGKILL)")
    for _ in range(2):
        with pytest.raises(SystemExit) as raised:
            shared_pipe.prepare_program(problem, *killed)
        assert raised.value.code == 128 + 9
    with pytest.raises(SystemExit) as raised:
        shared_pipe.prepare_program(problem, *start("sys.exit(3)"))
    assert raised.value.code == 3


def test_what_is_no_answer_is_shown():
    with pytest.raises(RuntimeError, match=re.escape("expected a line with an object of JSON, got b'hello")):
        shared_pipe.prepare_program(six_examples(), *start("print('hello', flush=True)"))


def test_the_page_shows_this_program():
    assert f"```python\n{ECHO.read_text()}```" in (ROOT / "docs/guide/comparison_protocol.md").read_text()


def test_an_error_of_the_compiler_says_what_is_wrong():
    compiler = FRAMEWORKS["c"].version
    if compiler is None:
        pytest.skip("there is no C compiler")
    with pytest.raises(shared_pipe.CompileError, match="no_such_file"):
        shared_pipe.build("nothing", ("gcc", "no_such_file.c", "-o", "program"))


def test_a_program_is_built_once(tmp_path, monkeypatch):
    if FRAMEWORKS["c"].version is None:
        pytest.skip("there is no C compiler")
    monkeypatch.setattr(shared_pipe, "find_folder", lambda _: tmp_path)
    empty = "int main(void) { return 0; }"
    (tmp_path / "empty.c").write_text(empty)
    step = ("gcc", str(tmp_path / "empty.c"), "-o", "program")
    first = shared_pipe.build("empty", step)
    seen = first.stat().st_mtime_ns
    assert shared_pipe.build("empty", step) == first
    assert first.stat().st_mtime_ns == seen
    assert shared_pipe.build("empty", (*step, "-O1")) != first
    assert shared_pipe.build("empty", step, version="2") != first
    assert subprocess.run([first], check=False).returncode == 0
    assert {path.name.split("-")[0] for path in first.parent.iterdir()} == {"empty"}  # nothing is left behind


def load(name):
    if FRAMEWORKS[name].version is None:
        pytest.skip(f"{FRAMEWORKS[name].title} is not installed: {FRAMEWORKS[name].install}")
    return FRAMEWORKS[name].load()


VARIANTS = {
    "weights": {"sample_weight": np.array([1, 2, 0.5, 0, 3, 0.25]), "class_weight": np.array([1, 2, 0.5])},
    "smoothing": {"label_smoothing": 0.1},
    "soft labels": {"y": np.random.default_rng(3).dirichlet(np.ones(3), 6).astype(np.float32)},
    "an ignored label": {"y": np.array([0, -100, 2, -100, 1, 0]), "ignore_index": -100},
    "all of these": {"ignore_index": 2, "class_weight": np.array([1, 2, 0.5]), "label_smoothing": 0.2},
    "one example": {"y": np.array([1])},
    "a penalty of both kinds": {"penalty": "elastic_net"},
}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", PROGRAMS)
def test_the_programs_know_all_that_a_problem_has(name, variant):
    module = load(name)
    problem = six_examples(**VARIANTS[variant])
    problem = replace(problem, X=problem.X[: len(problem.y)])
    for dtype in module.DTYPES:
        problem = replace(problem, X=problem.X.astype(dtype), W=problem.W.astype(dtype))
        loss, grad = evaluate(module.prepare(problem), problem.W)
        assert loss.dtype == grad.dtype == dtype
        assert_right(problem, loss, grad)


@pytest.mark.parametrize("size", [(1, 1, 2), (9, 5, 17), (16, 40, 33), (23, 3, 8)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_blocks_of_c_leave_nothing_out(size, dtype):
    module = load("c")
    N, D, K = size
    rng = np.random.default_rng(0)
    X, W = rng.normal(size=(N, D)).astype(dtype), rng.normal(size=(D, K)).astype(dtype)
    problem = Problem(X, rng.integers(0, K, N), W, 0.1)
    assert_right(problem, *evaluate(module.prepare(problem), W))


@pytest.mark.parametrize("name", ["c", "adol-c", "sacado"])
def test_labels_that_are_no_class_are_refused_by_programs_in_c(name):
    module = load(name)
    for case in ("label-K", "label-minus-1", "label-float"):
        problem = EDGE_CASES[case].problem
        with pytest.raises(RuntimeError) as raised:
            evaluate(module.prepare(problem), problem.W)
        assert type(raised.value).__name__ in ("std::out_of_range", "std::invalid_argument")


@pytest.mark.parametrize(
    "case", ["ordinary", "large-scores", "minus-inf-label", "batches", "X-integer", "reg-inf"]
)
@pytest.mark.parametrize("name", ["c", "adol-c", "sacado"])
def test_programs_in_c_are_right_at_the_limits(name, case):
    edge = EDGE_CASES[case]
    loss, grad = evaluate(load(name).prepare(edge.problem), edge.problem.W)
    assert judge_edge_case(edge, False, np.asarray(loss), grad)["status"] == "right"


@pytest.mark.slow
@pytest.mark.parametrize("case", ["ignored-class", "soft-smoothing"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_the_script_of_a_case_does_what_the_program_does(name, case, tmp_path):
    load(name)
    problem = EDGE_CASES[case].problem
    done = run("-c", show(case, name), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    loss, *grad = map(float, done.stdout.replace(",", " ").split())
    expected = evaluate(FRAMEWORKS[name].prepare(problem), problem.W)
    assert loss == pytest.approx(float(expected[0]), rel=1e-5)
    np.testing.assert_allclose(np.reshape(grad, problem.W.shape), expected[1], rtol=1e-4)


@pytest.mark.slow
def test_a_program_that_ends_is_a_crash_in_the_comparison(monkeypatch):
    """As that of a library in the worker itself: the next case runs in a new process."""
    if FRAMEWORKS["c"].version is None:
        pytest.skip("there is no C compiler")
    dying = (
        "import os, signal\n"
        "from softjax.comparison import worker\n"
        "from softjax.comparison.frameworks import shared_pipe\n"
        "ask = shared_pipe.Session.ask\n"
        "def kill(self, question, arrays=None):\n"
        "    if arrays is not None and 'y' in arrays and len(arrays['y']) == 1:\n"
        "        os.kill(self.process.pid, signal.SIGSEGV)\n"
        "    return ask(self, question, arrays)\n"
        "shared_pipe.Session.ask = kill\n"
        "worker.main()"
    )
    monkeypatch.setattr(workers, "WORKER", (sys.executable, "-c", dying))
    config = CompareConfig(frameworks=("c",), cases=("N-1", "reg-0"), quick=True)
    found = {record.case: record for record in compare(config).records}
    assert found["N-1"].status == "crash"
    assert found["N-1"].error == "exit code 139"
    assert found["reg-0"].status == "right"
