"""The course's losses, classifiers and gradient checks: a run is that of the loop in NumPy, and what cannot be used is said."""

import random
import re

import jax
import numpy as np
import pytest
import sympy
from support.problems import problem

import softjax
from softjax import InputError
from softjax.comparison import oracle
from softjax.cs231n import (
    LinearClassifier,
    LinearSVM,
    Softmax,
    eval_numerical_gradient,
    grad_check_sparse,
    softmax_loss_naive,
    softmax_loss_vectorized,
    svm_loss_naive,
    svm_loss_vectorized,
)

SOFTMAX = [softmax_loss_naive, softmax_loss_vectorized]
SVM = [svm_loss_naive, svm_loss_vectorized]


# The losses


@pytest.mark.parametrize("shape", [(1, 3, 2), (30, 7, 4), (5, 40, 10)])
@pytest.mark.parametrize("loss", SOFTMAX)
def test_the_softmax_loss_is_the_oracle_s(loss, shape):
    W, X, y = problem(*shape)
    value, dW = loss(W, X, y, 0.3)
    truth = oracle.truth(W, X, y, l2=0.3)
    assert value == pytest.approx(truth.loss, rel=1e-13)
    np.testing.assert_allclose(dW, truth.grad, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("loss", SVM)
def test_the_svm_loss_is_pytorch_s(loss):
    torch = pytest.importorskip("torch")
    W, X, y = problem()
    weights = torch.tensor(W, requires_grad=True)
    # PyTorch divides by the number of classes
    value = 4 * torch.nn.functional.multi_margin_loss(torch.tensor(X) @ weights, torch.tensor(y))
    value = value + 0.3 * (weights**2).sum()
    value.backward()
    ours, dW = loss(W, X, y, 0.3)
    assert ours == pytest.approx(value.item(), rel=1e-13)
    np.testing.assert_allclose(dW, weights.grad.numpy(), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("loss", [*SOFTMAX, *SVM])
def test_each_type_comes_back_as_it_went_in(loss):
    W, X, y = problem()
    exact = loss(W, X, y, 0.3)
    for dtype, expected in ((np.float64, np.float64), (np.float32, np.float32), (np.uint8, np.float64)):
        value, dW = loss(
            W.astype(dtype if dtype != np.uint8 else np.int8), X.astype(dtype), y.astype(np.uint8), 0.3
        )
        assert value.dtype == dW.dtype == expected
        if dtype == np.float32:
            assert value == pytest.approx(exact[0], rel=1e-5)
            np.testing.assert_allclose(dW, exact[1], rtol=1e-4, atol=1e-5)
    assert loss(W.astype(np.float32), X, y, 0.3)[1].dtype == np.float64


@pytest.mark.parametrize("loss", SOFTMAX)
def test_large_scores_give_large_losses_not_infinite_ones(loss):
    W, X, y = problem(scale=1e4)
    value, dW = loss(W, X, y, 0.0)
    truth = oracle.truth(W, X, y)
    assert value == pytest.approx(truth.loss, rel=1e-12)
    np.testing.assert_allclose(dW, truth.grad, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("loss", [*SOFTMAX, *SVM])
def test_what_cannot_be_used_is_said(loss, own_messages):
    W, X, y = problem()
    for arguments, message in (
        ((W.T, X, y), r"W must be \(D, K\) with the D = 7 of X \(30, 7\), got \(4, 7\)"),
        ((W, X, y + 1), r"y holds the label 4, expected 0..3"),
        ((W, X, y - 1), r"y holds the label -1"),
        ((W, X, y[:-1]), r"y must be \(N,\) = \(30,\) integers, got \(29,\)"),
        ((W, X, y.astype(float)), r"integers, got \(30,\) of float64"),
        ((W, X[:0], y[:0]), "X holds no examples"),
        ((W, X.reshape(30, 7, 1), y), r"X must be \(N, D\).*reshape\(len\(X\), -1\)"),
        ((W.astype(complex), X, y), "W and X must hold real numbers, got complex128"),
    ):
        with pytest.raises(InputError, match=message):
            loss(*arguments, 0.0)


def test_a_point_leaves_the_svm_s_sum_of_losses_unchanged_but_not_the_softmax_s():
    """Seed 003's second question: a point beyond all margins adds 0 to the one, and never to the other."""
    W, X, y = np.eye(3), np.eye(3), np.arange(3)
    more = np.vstack([X, 5 * X[:1]]), np.append(y, 0)
    for loss, same in ((svm_loss_vectorized, True), (softmax_loss_vectorized, False)):
        assert (4 * loss(W, *more, 0.0)[0] == 3 * loss(W, X, y, 0.0)[0]) == same


def test_three_classes_and_one_example_as_derived_by_hand():
    """Seed 002: with class 1 the right one, (4) ∂L/∂w₁ = −x + p₁ x, and (5) ∂L/∂wₖ = pₖ x for the others."""
    W, X, _ = problem(1, 4, 3)
    x, f = X[0], sympy.symbols("f1:4")
    L = -f[0] + sympy.log(sum(map(sympy.exp, f)))  # its (2)
    at = dict(zip(f, (x @ W).tolist(), strict=True))
    p = [float((sympy.exp(score) / sum(map(sympy.exp, f))).subs(at)) for score in f]
    equations = np.stack([-x + p[0] * x, p[1] * x, p[2] * x], axis=1)
    assert [float(sympy.diff(L, score).subs(at)) for score in f] == pytest.approx([p[0] - 1, p[1], p[2]])
    for loss in SOFTMAX:
        value, dW = loss(W, X, np.array([0]), 0.0)
        assert value == pytest.approx(float(L.subs(at)))
        np.testing.assert_allclose(dW, equations, rtol=1e-12)


# The classifiers


def numpy_loop(kind, W, X, y, learning_rate, reg, num_iters, batch_size):
    """The course's loop, as a student writes it."""
    history = []
    for _ in range(num_iters):
        rows = np.random.choice(len(X), batch_size)  # noqa: NPY002
        loss = {"softmax": softmax_loss_naive, "hinge": svm_loss_naive}[kind]
        value, dW = loss(W, X[rows], y[rows], reg)
        history.append(value)
        W = W - learning_rate * dW
    return W, history


@pytest.mark.parametrize(("classifier", "kind"), [(Softmax, "softmax"), (LinearSVM, "hinge")])
def test_a_run_is_that_of_the_loop_in_numpy_and_goes_on_from_where_it_was(classifier, kind):
    _, X, y = problem(num_examples=80, num_features=11, num_classes=5)
    np.random.seed(7)  # noqa: NPY002
    W = 0.001 * np.random.randn(11, 5)  # noqa: NPY002
    W, first = numpy_loop(kind, W, X, y, 0.1, 0.01, 130, 20)
    W, second = numpy_loop(kind, W, X, y, 0.05, 0.3, 30, 7)
    after = np.random.rand()  # noqa: NPY002

    np.random.seed(7)  # noqa: NPY002
    model = classifier()
    assert model.W is None
    history = model.train(X, y, learning_rate=0.1, reg=0.01, num_iters=130, batch_size=20)
    assert history == pytest.approx(first, rel=1e-11)
    assert isinstance(history[0], float)
    history = model.train(X, y, 0.05, 0.3, 30, 7)
    assert history == pytest.approx(second, rel=1e-11)
    np.testing.assert_allclose(model.W, W, rtol=1e-9, atol=1e-12)
    assert model.W.dtype == np.float64
    assert np.random.rand() == after  # noqa: NPY002
    np.testing.assert_array_equal(model.predict(X), (X @ W).argmax(axis=1))
    value, dW = model.loss(X, y, 0.3)
    expected = {"softmax": softmax_loss_naive, "hinge": svm_loss_naive}[kind](W, X, y, 0.3)
    assert value == pytest.approx(expected[0], rel=1e-11)
    np.testing.assert_allclose(dW, expected[1], rtol=1e-8, atol=1e-12)


def test_the_defaults_are_the_course_s(capsys):
    _, X, y = problem()
    np.random.seed(0)  # noqa: NPY002
    defaults = Softmax().train(X, y)
    np.random.seed(0)  # noqa: NPY002
    assert defaults == Softmax().train(X, y, 1e-3, 1e-5, 100, 200, False)
    assert len(defaults) == 100
    assert capsys.readouterr().out == ""


def test_verbose_prints_every_hundredth_loss(capsys):
    _, X, y = problem()
    history = LinearSVM().train(X, y, num_iters=201, verbose=True)
    lines = [f"iteration {it} / 201: loss {history[it]:f}" for it in (0, 100, 200)]
    assert capsys.readouterr().out.splitlines() == lines


def test_float32_weights_and_features_stay_what_they_are():
    _, X, y = problem()
    model = Softmax()
    model.W = np.zeros((7, 4), np.float32)
    given = model.W
    history = model.train(X.astype(np.float32), y, num_iters=3)
    assert model.W.dtype == np.float32
    assert history[0] == pytest.approx(np.log(4), rel=1e-6)
    assert not given.any()  # the caller's array is his own
    assert not jax.config.jax_enable_x64


def test_how_the_features_lie_in_memory_changes_nothing(tmp_path):
    _, X, y = problem()
    np.save(tmp_path / "X.npy", X)
    strided = np.zeros((60, 14))[::2, ::2]
    strided[:] = X
    histories = []
    for features in (X, np.asfortranarray(X), strided, np.load(tmp_path / "X.npy", mmap_mode="r")):
        np.random.seed(1)  # noqa: NPY002
        histories.append(LinearSVM().train(features, y, num_iters=5))
    assert histories == [histories[0]] * 4
    pixels = np.round(10 * X).astype(np.int16)
    np.random.seed(1)  # noqa: NPY002
    whole = LinearSVM().train(pixels, y, num_iters=5)
    np.random.seed(1)  # noqa: NPY002
    assert whole == LinearSVM().train(pixels.astype(float), y, num_iters=5)


def test_features_are_never_copied_as_a_whole():
    """A hundred million examples that share their memory: a copy of all would take 24 GB."""
    x = np.arange(30.0)
    X, y = np.broadcast_to(x, (10**8, 30)), np.broadcast_to(np.uint8(2), 10**8)
    model = Softmax()
    history = model.train(X, y, num_iters=3)
    assert history[0] == pytest.approx(np.log(3), abs=0.2)
    assert model.predict(X[:5]).tolist() == [2] * 5


def test_a_run_that_diverges_says_so_in_its_losses():
    _, X, y = problem()
    with pytest.warns(RuntimeWarning, match="overflow"):  # NumPy's, as in the course
        history = Softmax().train(X, y, learning_rate=1e200, num_iters=5)
    assert not np.isfinite(history[-1])


def test_a_class_with_a_loss_of_its_own_is_trained_by_it():
    class Mine(LinearClassifier):
        def loss(self, X_batch, y_batch, reg):
            return softmax_loss_vectorized(self.W, X_batch, y_batch, reg)

    _, X, y = problem()
    histories = []
    for model in (Mine(), Softmax()):
        np.random.seed(3)  # noqa: NPY002
        histories.append(model.train(X, y, num_iters=20))
    assert histories[0] == pytest.approx(histories[1], rel=1e-12)


def test_what_a_classifier_cannot_use_is_said(own_messages):
    _, X, y = problem()
    with pytest.raises(NotImplementedError, match="use Softmax or LinearSVM"):
        LinearClassifier().train(X, y)
    with pytest.raises(InputError, match="W is None: call train first"):
        Softmax().predict(X)
    with pytest.raises(InputError, match="batch_size must be at least 1, got 0"):
        Softmax().train(X, y, batch_size=0)
    model = Softmax()
    model.train(X, y, num_iters=1)
    with pytest.raises(InputError, match=r"y holds the label 9, expected 0..3"):
        model.train(X, np.full(30, 9))
    with pytest.raises(InputError, match=r"W must be \(D, K\) with the D = 6"):
        model.train(X[:, 1:], y)


def test_weights_are_saved_and_loaded_as_in_the_course(tmp_path, monkeypatch, capsys, own_messages):
    _, X, y = problem()
    monkeypatch.chdir(tmp_path)
    model, other = Softmax(), LinearSVM()
    model.train(X, y, num_iters=3)
    model.save("best_softmax.npy")
    assert other.load("nothing.npy") is False
    assert other.W is None
    assert other.load("best_softmax.npy") is True
    assert capsys.readouterr().out.splitlines() == [
        "best_softmax.npy saved.", "nothing.npy not available.", "best_softmax.npy loaded."
    ]  # fmt: skip
    np.testing.assert_array_equal(other.W, model.W)
    np.testing.assert_array_equal(np.load("best_softmax.npy"), model.W)


def test_a_file_without_weights_is_refused_and_nothing_in_it_is_run(tmp_path, own_messages):
    with pytest.raises(InputError, match="W is None: call train first"):
        Softmax().save(tmp_path / "W.npy")
    model = Softmax()
    model.W = np.ones((2, 3))
    with pytest.raises(InputError, match="cannot be written: No such file"):
        model.save(tmp_path / "nowhere" / "W.npy")
    np.save(tmp_path / "pickled.npy", {"W": np.ones((2, 3))}, allow_pickle=True)
    np.save(tmp_path / "flat.npy", np.ones(3))
    np.save(tmp_path / "whole.npy", np.ones((2, 3), int))
    np.savez(tmp_path / "several.npz", W=np.ones((2, 3)))
    (tmp_path / "text.npy").write_text("W")
    for name in ("pickled.npy", "flat.npy", "whole.npy", "several.npz", "text.npy"):
        with pytest.raises(InputError, match=f"{name} (holds no weights|must hold weights)"):
            model.load(tmp_path / name)
    assert model.W.shape == (2, 3)


# The gradient checks


def test_the_sparse_check_prints_the_course_s_lines_for_the_entries_that_random_draws(capsys, own_messages):
    # (beartype draws from `random` too)
    W, X, y = problem()
    _, dW = softmax_loss_naive(W, X, y, 0.1)
    kept = W.copy()
    random.seed(5)
    assert grad_check_sparse(lambda w: softmax_loss_naive(w, X, y, 0.1)[0], W, dW, num_checks=12) is None
    lines = capsys.readouterr().out.splitlines()
    random.seed(5)
    assert len(lines) == 12
    for line in lines:
        entry = random.randrange(7), random.randrange(4)
        found = re.fullmatch(r"numerical: (\S+) analytic: (\S+), relative error: (\S+)", line)
        assert float(found[2]) == pytest.approx(dW[entry], abs=1e-6)
        assert float(found[3]) < 1e-6
    np.testing.assert_array_equal(W, kept)


def test_the_checks_take_functions_that_close_over_their_variable(capsys):
    x = np.array([[1.0, 2.0], [0.0, 3.0]])
    grad_check_sparse(lambda _: (x**2).sum(), x, 2 * x, 4)
    assert all(float(line.split()[-1]) < 1e-8 for line in capsys.readouterr().out.splitlines())
    np.testing.assert_allclose(
        eval_numerical_gradient(lambda _: (x**3).sum(), x, verbose=False), 3 * x**2, atol=1e-9
    )
    grad_check_sparse(lambda x: 0.0, x, 0 * x, 1)
    assert capsys.readouterr().out == "numerical: 0.000000 analytic: 0.000000, relative error: 0.000000e+00\n"


def test_a_wrong_gradient_shows(capsys):
    W, X, y = problem()
    _, dW = softmax_loss_naive(W, X, y, 0.0)
    grad_check_sparse(lambda w: softmax_loss_naive(w, X, y, 0.0)[0], W, 2 * dW, 10)
    errors = [float(line.split()[-1]) for line in capsys.readouterr().out.splitlines()]
    assert errors == pytest.approx([1 / 3] * 10, rel=1e-3)


def test_the_numerical_gradient_prints_its_entries_if_asked(capsys):
    x = np.array([1.0, 2.0])
    grad = eval_numerical_gradient(lambda x: x[0] ** 2 + 3 * x[1], x)
    assert grad == pytest.approx([2.0, 3.0])
    assert re.sub(r"\d\.\d+", "#", capsys.readouterr().out) == "(0,) #\n(1,) #\n"


def test_a_function_that_raises_leaves_the_variable_as_it_was():
    x = np.ones(3)
    with pytest.raises(ZeroDivisionError):
        eval_numerical_gradient(lambda x: 1 / 0, x)
    assert (x == 1).all()


def test_what_cannot_be_checked_is_said(own_messages):
    with pytest.raises(InputError, match="must be a writable NumPy array of floats, got int64"):
        grad_check_sparse(np.sum, np.arange(3), np.ones(3))
    with pytest.raises(InputError, match="got list"):
        eval_numerical_gradient(np.sum, [1.0])
    with pytest.raises(InputError, match="writable NumPy array of floats, got float64"):
        eval_numerical_gradient(np.sum, np.broadcast_to(1.0, 3))
    with pytest.raises(InputError, match=r"analytic_grad must be shaped like x, \(3,\), got \(2,\)"):
        grad_check_sparse(np.sum, np.ones(3), np.ones(2))


def test_the_module_is_there_without_being_imported():
    assert softjax.cs231n.Softmax is Softmax
    assert "cs231n" in dir(softjax)
