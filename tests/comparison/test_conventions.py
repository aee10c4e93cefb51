"""What the libraries document is stated for cases and rows that exist, with a value that is not the right one."""

from itertools import combinations
from urllib.parse import urlsplit

import numpy as np
import pytest
from scipy.special import log_softmax

from softjax.comparison.conventions import CONVENTIONS, THREADS, find_convention
from softjax.comparison.edge_cases import EDGE_CASES
from softjax.comparison.frameworks import FRAMEWORKS
from softjax.comparison.judge import judge_edge_case

LIBRARIES = {framework.library for framework in FRAMEWORKS.values()}
each = pytest.mark.parametrize(
    "convention", CONVENTIONS, ids=lambda c: "-".join((c.library, c.case, *c.rows[:1]))
)


def rows_of(convention):
    return convention.rows or tuple(
        name for name, framework in FRAMEWORKS.items() if framework.library == convention.library
    )


@each
def test_a_convention_is_about_a_case_and_rows_of_its_library(convention):
    assert convention.case in EDGE_CASES
    assert rows_of(convention)
    assert {FRAMEWORKS[row].library for row in rows_of(convention)} == {convention.library}


@each
def test_a_convention_names_its_rule_and_the_page_with_it(convention):
    source = urlsplit(convention.source)
    assert source.scheme == "https"
    assert source.netloc
    assert source.path
    assert convention.says
    assert not convention.says.endswith(".")


@each
def test_the_documented_outcome_is_another_than_the_right_one(convention):
    case, documented = EDGE_CASES[convention.case], convention.as_case()
    if convention.outcome != "value":
        assert convention.problem is None
        assert convention.outcome != case.expected
        return
    assert documented.truth.grad.shape == case.problem.W.shape
    if case.expected == "value":
        right = np.array(case.truth.loss, np.float32), case.truth.grad.astype(np.float32)
        assert judge_edge_case(documented, False, *right)["status"] == "wrong"


def test_at_most_one_convention_holds_for_a_row_and_case():
    for a, b in combinations(CONVENTIONS, 2):
        if (a.library, a.case) == (b.library, b.case):
            assert not set(rows_of(a)) & set(rows_of(b)), (a.library, a.case)


@pytest.mark.parametrize(("library", "case"), THREADS)
def test_a_thread_is_about_a_case_of_a_library(library, case):
    assert library in LIBRARIES
    assert case in EDGE_CASES
    address = urlsplit(THREADS[library, case])
    assert (address.scheme, address.netloc) == ("https", "github.com")
    assert address.path.split("/")[3] in ("issues", "pull")


def test_a_convention_is_found_for_its_rows_only():
    found = find_convention("numpy-vectorized", "NumPy", "label-minus-1")
    assert found is not None
    assert "from the end" in found.says
    assert find_convention("numpy-loops", "NumPy", "label-minus-1") is None
    assert find_convention("torch-eager", "PyTorch", "ordinary") is None


def test_a_rule_of_nan_is_about_the_loss():
    case = find_convention("torch-eager", "PyTorch", "label-minus-100").as_case()
    grad = np.zeros(case.problem.W.shape, np.float32)
    assert judge_edge_case(case, False, np.array(np.nan), grad)["status"] == "right"
    assert judge_edge_case(case, False, np.array(0.0), grad)["status"] == "wrong"


def compute_documented(row, library, case):
    """The documented loss, less the penalty, and the data of the case in float64: −log p (N, K), labels, weights."""
    convention, problem = find_convention(row, library, case), EDGE_CASES[case].problem
    truth = convention.as_case().truth
    loss = truth.loss - problem.l2 * float((problem.W.astype(float) ** 2).sum())
    surprise = -log_softmax(problem.X.astype(float) @ problem.W.astype(float), axis=1)
    return loss, surprise, problem


def test_an_ignored_example_is_in_neither_sum():
    loss, surprise, problem = compute_documented("torch-eager", "PyTorch", "label-minus-100-batch")
    others = [0, 1, 3, 4, 5]
    assert loss == pytest.approx(surprise[others, problem.y[others]].mean(), rel=1e-12)


@pytest.mark.parametrize(("row", "library"), [("torch-eager", "PyTorch"), ("mindspore", "MindSpore")])
def test_weights_of_classes_with_class_probabilities_divide_by_the_number_of_examples(row, library):
    loss, surprise, problem = compute_documented(row, library, "soft-one-hot-class-weight")
    assert loss == pytest.approx((problem.class_weight * problem.y * surprise).sum() / 6, rel=1e-12)


@pytest.mark.parametrize("case", ["smoothing-class-weight", "ignored-smoothing-class-weight"])
def test_weights_of_classes_with_smoothing_are_within_the_sum_over_classes(case):
    """PyTorch's reference: (1 − ε) times the weighted mean, plus ε/K Σₙ Σₖ w[k] (−log p[n, k]) / Σₙ w[y[n]]."""
    loss, surprise, problem = compute_documented("torch-eager", "PyTorch", case)
    w, kept = problem.class_weight.astype(float), problem.y >= 0
    y, surprise = problem.y[kept], surprise[kept]
    hard = (w[y] * surprise[np.arange(len(y)), y]).sum() / w[y].sum()
    uniform = (w * surprise).sum() / w[y].sum() / 3
    assert loss == pytest.approx(0.9 * hard + 0.1 * uniform, rel=1e-12)


def test_a_smoothed_label_weighs_as_much_as_the_classes_in_it():
    loss, surprise, problem = compute_documented("paddle", "PaddlePaddle", "smoothing-class-weight")
    targets = 0.9 * np.eye(3)[problem.y] + 0.1 / 3
    weights = targets @ problem.class_weight.astype(float)
    expected = weights @ (targets * surprise).sum(axis=1) / weights.sum()
    assert loss == pytest.approx(expected, rel=1e-6)  # the weights have the type of the problem, float32


@pytest.mark.parametrize(
    ("row", "case", "label"),
    [
        ("jax-grad", "label-minus-1", 2),
        ("jax-forward", "label-K", 2),
        ("jax-forward", "label-minus-1", 2),
        ("jax-forward", "label-minus-100", 0),
    ],
)
def test_an_index_is_counted_from_the_end_or_clamped(row, case, label):
    loss, surprise, _ = compute_documented(row, "JAX", case)
    assert loss == pytest.approx(surprise[0, label], rel=1e-12)


def test_a_row_of_zeros_counts_as_an_example_without_loss():
    loss, surprise, problem = compute_documented("optax-safe", "Optax", "label-minus-100-batch")
    others = [0, 1, 3, 4, 5]
    assert loss == pytest.approx(surprise[others, problem.y[others]].sum() / 6, rel=1e-12)
    truth = find_convention("optax-safe", "Optax", "label-K").as_case().truth
    assert truth.loss == 0
    assert not truth.grad.any()
