"""A right solution passes, however it is written; a wrong one is told what is wrong with it, and no more."""

import json
import math
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import softjax
from softjax.cs231n import Grade, grade, softmax_loss_naive, softmax_loss_vectorized

pytestmark = pytest.mark.usefixtures("own_messages")  # the functions under test are students'

LOOP = """
def softmax_loss(W, X, y, reg):
    loss = 0.0
    dW = np.zeros(W.shape)
    num_train = X.shape[0]
    num_classes = W.shape[1]
    for i in range(num_train):
        scores = X[i].dot(W)
        scores -= np.max(scores)
        p = np.exp(scores) / np.sum(np.exp(scores))
        loss += -np.log(p[y[i]])
        for k in range(num_classes):
            dW[:, k] += (p[k] - (k == y[i])) * X[i]
    loss /= num_train
    dW /= num_train
    loss += reg * np.sum(W * W)
    dW += 2 * reg * W
    return loss, dW
"""
HALF = """
def softmax_loss(W, X, y, reg):
    num_train = X.shape[0]
    dW = np.zeros_like(W)
    loss = 0
    for i in range(num_train):
        scores = X[i] @ W
        scores = scores - scores.max()
        loss += np.log(np.exp(scores).sum()) - scores[y[i]]
        p = np.exp(scores) / np.exp(scores).sum()
        p[y[i]] -= 1
        dW += np.outer(X[i], p)
    return loss / num_train + 0.5 * reg * np.sum(W**2), dW / num_train + reg * W
"""
VECTORIZED = """
def softmax_loss(W, X, y, reg):
    N = X.shape[0]
    scores = X @ W
    scores -= scores.max(axis=1, keepdims=True)
    e = np.exp(scores)
    p = e / e.sum(axis=1, keepdims=True)
    loss = -np.log(p[np.arange(N), y]).mean()
    loss += reg * np.sum(W * W)
    Q = p.copy()
    Q[np.arange(N), y] -= 1
    dW = X.T @ Q / N
    dW += 2 * reg * W
    return loss, dW
"""
ONE_HOT = """
def softmax_loss(W, X, y, reg):
    print("shapes", W.shape, X.shape)
    N, K = len(y), W.shape[1]
    T = np.eye(K)[y]
    Z = X.dot(W)
    Z = Z - np.max(Z, 1)[:, None]
    P = np.exp(Z) / np.exp(Z).sum(1).reshape(-1, 1)
    loss = -np.sum(T * np.log(P)) / N + reg * np.linalg.norm(W) ** 2
    return loss, -(X.T).dot(T - P) / N + 2 * reg * W
"""
LISTS = """
def softmax_loss(W, X, y, reg):
    loss, columns = 0.0, [0.0] * W.shape[1]
    for x, label in zip(X, y):
        scores = [float(x @ W[:, k]) for k in range(W.shape[1])]
        most = max(scores)
        total = sum(math.exp(s - most) for s in scores)
        loss += most + math.log(total) - scores[label]
        for k, s in enumerate(scores):
            columns[k] = columns[k] + (math.exp(s - most) / total - (k == int(label))) * x
    dW = np.stack(columns, axis=1) / len(X) + reg * W
    return np.float64(loss / len(X) + reg * (W**2).sum() / 2), dW
"""
JAX = """
def softmax_loss(W, X, y, reg):
    def objective(W):
        log_p = jax.nn.log_softmax(jnp.asarray(X) @ W)
        return -log_p[jnp.arange(len(y)), y].mean() + reg * (W**2).sum()
    return jax.value_and_grad(objective)(jnp.asarray(W))
"""


def student(source, *changes):
    """The function of `source`, changed: (old, new) lines."""
    for old, new in changes:
        assert old in source, old
        source = source.replace(old, new)
    namespace = {"np": np, "math": math, "jax": jax, "jnp": jnp}
    exec(compile(source, "student.py", "exec"), namespace)
    return namespace["softmax_loss"]


def graded(function):
    return grade(function, verbose=False)


SUBTRACTED = "    scores -= scores.max(axis=1, keepdims=True)\n"
LOSS = "    loss = -np.log(p[np.arange(N), y]).mean()\n"
PENALTY = "    loss += reg * np.sum(W * W)\n"
SLOPE = "    dW += 2 * reg * W\n"
LABEL = "    Q[np.arange(N), y] -= 1\n"
GRADIENT = "    dW = X.T @ Q / N\n"
PICKED = "np.arange(N), y"

# What is changed in the vectorized solution, and what the report must say: these faults, and no others.
VECTORIZED_MISTAKES = {
    "no maximum subtracted": ([(SUBTRACTED, "")], ["no maximum is subtracted"]),
    "maximum of all": (
        [(".max(axis=1, keepdims=True)", ".max()")],
        ["one maximum is subtracted from all examples"],
    ),
    "the mean subtracted": ([(".max(axis", ".mean(axis")], ["not its smallest or their mean"]),
    "maximum over the examples": (
        [("max(axis=1", "max(axis=0")],
        ["loss and gradient: the maximum of each class", "one maximum is subtracted"],
    ),
    "scores clipped": ([(SUBTRACTED, "    scores = np.clip(scores, -500, 500)\n")], ["exp overflows"]),
    "maximum in one term": (
        [(LOSS, "    loss = (np.log(e.sum(axis=1)) - (X @ W)[np.arange(N), y]).mean()\n")],
        ["loss: the maximum is subtracted within log Σ exp"],
    ),
    "sum over the examples": ([("e.sum(axis=1", "e.sum(axis=0")], ["over the examples (axis 0)"]),
    "sum over everything": ([("e.sum(axis=1, keepdims=True)", "e.sum()")], ["over all N × K scores"]),
    "no 1/N in the loss": ([(".mean()", ".sum()")], ["WRONG  loss: N times too large"]),
    "no 1/N in the gradient": ([("@ Q / N", "@ Q")], ["WRONG  gradient: N times too large"]),
    "no 1/N": ([(".mean()", ".sum()"), ("@ Q / N", "@ Q")], ["loss and gradient: N times too large"]),
    "1/N twice": ([(".mean()", ".mean() / N")], ["loss: 1/N of the right one"]),
    "mean over the classes too": (
        [(LOSS, "    loss = np.mean(-np.log(p) * np.eye(W.shape[1])[y])\n"), ("Q / N", "Q / Q.size")],
        ["loss and gradient: 1/K of the right one: a mean over the classes too"],
    ),
    "over N K once more": ([(".mean()", ".mean() / p.size")], ["1/(N K) of the right one"]),
    "penalty missing from the loss": ([(PENALTY, "")], ["penalty, in the loss: missing"]),
    "penalty missing from the gradient": ([(SLOPE, "")], ["penalty, in the gradient: missing"]),
    "no penalty": ([(PENALTY, ""), (SLOPE, "")], ["penalty, in the loss and gradient: missing"]),
    "penalty's gradient halved": (
        [("2 * reg", "reg")],
        ["penalty, in the gradient: half of what it must be"],
    ),
    "penalty's gradient doubled": (
        [("loss += reg", "loss += 0.5 * reg")],
        ["penalty, in the gradient: twice what it must be"],
    ),
    "penalty with the root": (
        [("np.sum(W * W)", "np.linalg.norm(W)")],
        ["penalty, in the loss: the norm √ΣW², not its square"],
    ),
    "penalty over N": ([(PENALTY, PENALTY.replace("\n", " / N\n"))], ["penalty, in the loss: divided by N"]),
    "penalty over N in both": (
        [(PENALTY, PENALTY.replace("\n", " / N\n")), (SLOPE, SLOPE.replace("\n", " / N\n"))],
        ["penalty, in the loss and gradient: divided by N"],
    ),
    "penalty of ΣW": ([("np.sum(W * W)", "np.sum(W) ** 2")], ["penalty, in the loss: (ΣW)²"]),
    "penalty's value as its gradient": (
        [("2 * reg * W", "reg * np.sum(W * W)")],
        ["penalty, in the gradient: ΣW² in every entry"],
    ),
    "penalty without reg": (
        [("2 * reg * W", "2 * W")],
        ["gradient: it contains the penalty even if reg = 0"],
    ),
    "bias penalized in the loss alone": (
        [(SLOPE, "    dW[:-1] += 2 * reg * W[:-1]\n")],
        ["the loss contains the bias, the last row of W, the gradient leaves it out"],
    ),
    "penalty of a mean": ([("np.sum(W * W)", "np.mean(W * W)")], ["the mean of W², not the sum"]),
    "label one too low": (
        [(PICKED, "np.arange(N), y - 1")],
        ["loss and gradient: the labels are taken one too low"],
    ),
    "label one too high": (
        [(PICKED, "np.arange(N), y + 1")],
        ["raises IndexError in line 8", "one too high"],
    ),
    "label one too high, around": (
        [(PICKED, "np.arange(N), (y + 1) % W.shape[1]")],
        ["loss and gradient: the labels are taken one too high"],
    ),
    "indicator left out": ([(LABEL, "")], ["gradient: the indicator is left out"]),
    "indicator at every class": ([(LABEL, "    Q -= 1\n")], ["gradient: 1 is subtracted at every class"]),
    "indicator at all labels' columns": (
        [(LABEL, "    Q[:, y] -= 1\n")],
        ["gradient: 1 is subtracted at every class"],
    ),
    "indicator added": ([(LABEL, LABEL.replace("-=", "+="))], ["gradient: 1 is added at the label"]),
    "p subtracted from": (
        [(LABEL, "    Q[np.arange(N), y] = 1 - Q[np.arange(N), y]\n")],
        ["gradient: 1 − p at the label"],
    ),
    "sign of the loss": ([("-np.log", "np.log")], ["WRONG  loss: the sign is flipped"]),
    "sign of the gradient": ([("X.T @ Q", "-X.T @ Q")], ["WRONG  gradient: the sign is flipped"]),
    "softmax differentiated twice": (
        [(GRADIENT, "    dW = X.T @ (Q * p * (1 - p)) / N\n")],
        ["gradient: it is also multiplied by p (1 − p)"],
    ),
    "transposed": (
        [(GRADIENT, "    dW = Q.T @ X / N\n"), (SLOPE, "    dW += 2 * reg * W.T\n")],
        ["the gradient is transposed: (5, 7), where W is (7, 5)"],
    ),
    "reshaped": (
        [(GRADIENT, "    dW = (Q.T @ X / N).reshape(W.shape)\n")],
        ["gradient: a (K, D) array reshaped to (D, K)"],
    ),
    "unnormalized": ([("Q = p.copy()", "Q = e.copy()")], ["gradient: it uses exp(scores − max)"]),
    "scores for p": ([("Q = p.copy()", "Q = X @ W")], ["gradient: it uses the scores"]),
    "no logarithm": (
        [("-np.log(p[np.arange(N), y])", "-p[np.arange(N), y]")],
        ["loss: the logarithm is missing"],
    ),
    "logarithm to base 10": ([("np.log(", "np.log10(")], ["loss: a logarithm to base 10"]),
    "logarithm to base 2": ([("np.log(", "np.log2(")], ["loss: a logarithm to base 2"]),
    "all classes' logarithms": (
        [(LOSS, "    loss = -np.log(p).sum() / N\n")],
        ["loss: −log p is summed over all classes"],
    ),
    "every label's column": (
        [(LOSS, "    loss = -np.log(p[:, y]).sum() / N\n")],
        ["loss: −log p[:, y], which is N × N numbers"],
    ),
    "only −s[y]": (
        [(LOSS, "    loss = -(X @ W)[np.arange(N), y].mean()\n")],
        ["loss: −s[y] alone"],
    ),
    "a large number in the logarithm": (
        [("p[np.arange(N), y])", "p[np.arange(N), y] + 1e-3)")],
        ["log(p + 0.001)"],
    ),
    "p changed before the loss": (
        [("    loss = -np", "    p[np.arange(N), y] -= 1\n    loss = -np"), (LABEL, "")],
        ["loss: nan, even for scores around 1", "is 1 subtracted from p in place before the loss"],
    ),
    "W changed": (
        [("    dW += 2 * reg * W\n", "    W *= 2 * reg\n    dW += W\n")],
        ["it changes W in place"],
    ),
    "X changed": (
        [("    N = X", "    X -= 0.5\n    N = X")],
        ["it changes X in place", "WRONG  loss", "WRONG  gradient"],
    ),
    "y changed": (
        [("    N = X", "    y[:] = 0\n    N = X")],
        ["it changes y in place", "WRONG  loss", "WRONG  gradient"],
    ),
    "not the mean yet": ([(".mean()", "")], ["the loss has the shape (12,), a number for each example"]),
    "one number in an array": (
        [(".mean()", ".mean(keepdims=True)")],
        ["the loss has the shape (1,); it is one number"],
    ),
    "returns the loss alone": ([("return loss, dW", "return loss")], ["returns one number, not (loss, dW)"]),
    "returns nothing": ([("return loss, dW", "")], ["returns None, not (loss, dW)"]),
    "returns them the other way": (
        [("return loss, dW", "return dW, loss")],
        ["returns (dW, loss), not (loss, dW)"],
    ),
    "loss is text": ([("return loss,", "return str(loss),")], ["the loss is one value, str, not a number"]),
    "gradient of another shape": (
        [("return loss, dW", "return loss, dW[:-1]")],
        ["the gradient has the shape (6, 5), where W has (7, 5)"],
    ),
    "gradient of integers": (
        [("return loss, dW", "return loss, dW.astype(int)")],
        ["the gradient is of integers (int64)"],
    ),
    "float32": (
        [("scores = X @ W", "scores = X.astype(np.float32) @ W.astype(np.float32)")],
        ["loss and gradient: right to 7 digits", "computed in float32"],
    ),
    "float16": (
        [("scores = X @ W", "scores = X.astype(np.float16) @ W.astype(np.float16)")],
        ["WRONG  loss: wrong, off by up to 0.0", "WRONG  gradient"],
    ),
    "no keepdims": (
        [("e.sum(axis=1, keepdims=True)", "e.sum(axis=1)")],
        ["raises ValueError in line 7", "keepdims=True"],
    ),
    "factors exchanged": ([("X @ W", "W @ X")], ["raises ValueError", "the scores are X @ W"]),
    "a name misspelled": ([("return loss, dW", "return loss, dw")], ["raises NameError", "misspelled"]),
    "reg forgotten": ([("W, X, y, reg", "W, X, y")], ["raises TypeError", "softmax_loss(W, X, y, reg)"]),
    "random": ([(LOSS, LOSS.replace("\n", " + np.random.rand()\n"))], ["called twice with the same"]),
    "classes counted in y": (
        [(LOSS, "    loss = -(np.log(p) * np.eye(y.max() + 1)[y]).sum() / N\n")],
        ["with no example of the last class", "not max(y) + 1"],
    ),
}
LOOP_MISTAKES = {
    "not written": ([(LOOP, "\ndef softmax_loss(W, X, y, reg):\n    return 0.0, np.zeros_like(W)\n")], ["loss and gradient: it is 0: nothing is computed yet"]),
    "first example left out": ([("range(num_train)", "range(1, num_train)")], ["the first example is left out"]),
    "last example left out": ([("range(num_train)", "range(num_train - 1)")], ["the last example is left out"]),
    "overwritten": (
        [("loss += -np.log", "loss = -np.log"), ("dW[:, k] +=", "dW[:, k] =")],
        ["loss and gradient: only the last example counts", "+="],
    ),
    "buffer of integers": ([("np.zeros(W.shape)", "np.zeros(W.shape, dtype=int)")], ["raises UFuncTypeError", "array of integers"]),
    "buffer of integers, silently": (
        [("np.zeros(W.shape)", "np.zeros(W.shape, dtype=int)"), ("dW[:, k] += ", "dW[:, k] = dW[:, k] + "), ("dW /= num_train", "dW = dW / num_train"), ("dW += 2", "dW = dW + 2")],
        ["gradient: whole numbers before they are divided by N"],
    ),
    "buffer of float32": ([("np.zeros(W.shape)", "np.zeros(W.shape, np.float32)")], ["gradient: right to 7 digits", "float32"]),
    "ten classes": ([("W.shape[1]", "10")], ["(with 5 classes, but not with 10)", "W.shape[1]"]),
    "dW is W": ([("dW = np.zeros(W.shape)", "dW = W\n    W = W.copy()\n    dW[:] = 0")], ["it changes W in place"]),
    "only the label's column": ([("dW[:, k] += (p[k] - (k == y[i])) * X[i]", "pass\n        dW[:, y[i]] += (p[y[i]] - 1) * X[i]")], ["gradient: only the label's column is filled"]),
    "the label's column not": ([("dW[:, k] += (p[k] - (k == y[i])) * X[i]", "dW[:, k] += (k != y[i]) * p[k] * X[i]")], ["gradient: the label's column is not filled"]),
    "math.exp": ([("np.exp(scores) /", "math.exp(scores) /")], ["raises TypeError", "use np.exp and np.log"]),
    "kept between calls": (
        [("\ndef softmax_loss", "\ntotal = [0.0]\ndef softmax_loss"), ("return loss, dW", "total[0] += loss\n    return total[0], dW")],
        ["called twice with the same"],
    ),
    "penalty in the loop": (
        [("        loss += -np.log(p[y[i]])\n", "        loss += -np.log(p[y[i]])\n        loss += num_train * reg * np.sum(W * W)\n"), ("    loss += reg * np.sum(W * W)\n", "")],
        ["penalty, in the loss: counted N times"],
    ),
    "penalty before the mean": (
        [("    loss /= num_train\n", ""), ("    loss += reg * np.sum(W * W)\n", "    loss += reg * np.sum(W * W)\n    loss /= num_train\n")],
        ["penalty, in the loss: divided by N"],
    ),
    "sign and 1/N": ([("    dW /= num_train\n", ""), ("(p[k] - (k == y[i]))", "((k == y[i]) - p[k])")], ["gradient: the sign is flipped", "gradient: N times too large"]),
    "no maximum, with math": ([("        scores -= np.max(scores)\n", ""), ("np.sum(np.exp(scores))", "sum(math.exp(s) for s in scores)")], ["no maximum is subtracted", "raises OverflowError"]),
    "hinge": ([(LOOP, """
def softmax_loss(W, X, y, reg):
    from softjax.cs231n import svm_loss_naive
    return svm_loss_naive(W, X, y, reg)
""")], ["the hinge loss of the SVM"]),
}  # fmt: skip
MISTAKES = [
    pytest.param(source, *case, id=name)
    for source, cases in ((VECTORIZED, VECTORIZED_MISTAKES), (LOOP, LOOP_MISTAKES))
    for name, case in cases.items()
]


@pytest.mark.parametrize(("source", "changes", "expected"), MISTAKES)
def test_a_mistake_is_named_and_no_other(source, changes, expected):
    found = graded(student(source, *changes))
    assert not found.passed
    texts = [str(fault) for fault in found.faults]
    for phrase in expected:
        assert any(phrase in text for text in texts), str(found)
    for text in texts:
        assert any(phrase in text for phrase in expected), text


RIGHT = {
    "loop": (LOOP, "reg · ΣW²"),
    "half": (HALF, "½ · reg · ΣW²"),
    "vectorized": (VECTORIZED, "reg · ΣW²"),
    "one-hot": (ONE_HOT, "reg · ΣW²"),
    "lists": (LISTS, "½ · reg · ΣW²"),
    "jax": (JAX, "reg · ΣW²"),
}


@pytest.mark.parametrize(
    ("source", "penalty"),
    [
        pytest.param(*case, id=name, marks=pytest.mark.slow if name == "jax" else ())
        for name, case in RIGHT.items()
    ],
)
def test_a_right_solution_passes_and_its_penalty_is_named(source, penalty):
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        found = graded(student(source))
    assert found.passed, str(found)
    assert found.penalty == penalty
    assert found.check.ok
    assert all(
        finding.verdict == "right" for finding in found.findings if "p[y] rounds to 0" not in finding.text
    )


@pytest.mark.parametrize(
    "function", [softmax_loss_naive, softmax_loss_vectorized, softjax.loss_and_grad], ids=lambda f: f.__name__
)
def test_ours_pass_without_a_note(function):
    found = graded(function)
    assert {finding.verdict for finding in found.findings} == {"right"}, str(found)


@pytest.mark.slow
def test_a_solution_in_pytorch_passes():
    torch = pytest.importorskip("torch")

    def softmax_loss(W, X, y, reg):
        weights = torch.tensor(W, requires_grad=True)
        scores = torch.tensor(np.ascontiguousarray(X)) @ weights
        loss = torch.nn.functional.cross_entropy(scores, torch.tensor(y).long()) + reg * (weights**2).sum()
        loss.backward()
        return loss.item(), weights.grad

    assert graded(softmax_loss).passed
    found = graded(lambda W, X, y, reg: (torch.tensor(1.0, requires_grad=True), W))
    assert "the loss is one value, Tensor, not a number" in str(found)


def without_bias(coefficient):
    penalty = f"    loss += {coefficient} * reg * np.sum(W[:-1] ** 2)\n"
    return student(
        VECTORIZED, (PENALTY, penalty), (SLOPE, f"    dW[:-1] += {2 * coefficient} * reg * W[:-1]\n")
    )


@pytest.mark.parametrize(("coefficient", "name"), [(1.0, "reg · ΣW²"), (0.5, "½ · reg · ΣW²")])
def test_the_bias_may_be_left_out_of_the_penalty(coefficient, name):
    found = graded(without_bias(coefficient))
    assert found.passed
    assert found.penalty == f"{name} without the bias, the last row of W"


@pytest.mark.parametrize("more", ["", ".astype(np.longdouble)", ".copy('F')", "[()]"])
def test_how_numbers_are_kept_is_the_student_s_affair(more):
    loss = "np.array(loss)" if more == "[()]" else "float(loss)"
    assert graded(student(VECTORIZED, ("return loss, dW", f"return [{loss}, dW{more}]"))).passed


@pytest.mark.parametrize("epsilon", ["1e-6", "1e-8", "1e-12"])
def test_a_small_number_in_the_logarithm_is_noted_not_blamed(epsilon):
    found = graded(student(VECTORIZED, ("y]).mean()", f"y] + {epsilon}).mean()")))
    assert found.passed, str(found)
    assert f"log(p + {float(epsilon):g})" in str(found) or epsilon == "1e-12"
    assert "if p[y] rounds to 0, the loss is" in str(found)


def test_a_logarithm_of_p_is_noted_where_p_rounds_to_zero():
    note = next(finding for finding in graded(student(VECTORIZED)).findings if finding.verdict == "note")
    assert "the loss is inf" in note.text
    assert "log Σ exp(s) − s[y] does not have this problem" in note.reason


def test_a_logarithm_that_raises_there_is_wrong():
    found = graded(student(LOOP, ("-np.log(", "-math.log(")))
    [fault] = found.faults
    assert "if p[y] rounds to 0, it raises ValueError" in fault.text


def test_a_consistent_mistake_is_told_that_its_derivation_is_right():
    found = graded(student(VECTORIZED, (".mean()", ".sum()"), ("@ Q / N", "@ Q")))
    note = next(finding for finding in found.findings if finding.verdict == "note")
    assert note.text.startswith("gradient check: dW is the derivative of the loss")


def test_what_has_no_name_is_wrong_all_the_same():
    found = graded(student(VECTORIZED, (GRADIENT, GRADIENT + "    dW[1, 2] += 0.01\n")))
    assert "gradient: wrong, off by up to" in str(found)
    assert "gradient check: the claim is wrong only in" in str(found)
    found = graded(student(VECTORIZED, (PENALTY, "    loss += reg * np.sum(np.abs(W) ** 3)\n")))
    assert "penalty, in the loss: reg = 0.3 adds" in str(found)
    found = graded(student(VECTORIZED, (SLOPE, "    dW += reg * np.cos(W)\n")))
    assert "penalty, in the gradient: neither 2 · reg · W nor reg · W" in str(found)


def test_an_answer_that_changes_its_form_is_seen():
    found = graded(student(VECTORIZED, ("return loss, dW", "return loss, dW if N != 9 else dW.ravel()")))
    assert "the gradient has the shape (12,), where W has (4, 3)" in str(found.faults[0])
    found = graded(student(VECTORIZED, ("return loss, dW", "return (loss, dW) if reg == 0 else None")))
    assert "with reg = 0.3 the answer has another form than with reg = 0: returns None" in str(found)
    found = graded(student(VECTORIZED, ("return loss, dW", "return 0, 0 * dW")))  # the integer 0
    assert "loss and gradient: it is 0: nothing is computed yet" in str(found)


LINES = [(source, line) for source in (LOOP, HALF, VECTORIZED, ONE_HOT) for line in source.splitlines()[2:]]


@pytest.mark.parametrize(("source", "line"), LINES)
def test_no_line_but_a_print_can_be_left_out(source, line):
    try:
        function = student(source, (line + "\n", ""))
    except SyntaxError:
        return
    assert graded(function).passed == ("print" in line)


def test_whatever_it_raises_is_a_finding():
    def softmax_loss(W, X, y, reg):
        raise NotImplementedError

    found = graded(softmax_loss)
    assert "raises NotImplementedError in line" in str(found)
    assert "it is not written yet" in str(found)
    late = graded(student(VECTORIZED, (PENALTY, "    assert reg == 0, 'no penalty'\n")))
    assert "raises AssertionError in line 9: no penalty" in str(late)
    assert "right  form" in str(late)


def test_the_report_is_printed_and_the_student_s_own_lines_are_not(capsys):
    found = grade(student(ONE_HOT))
    printed = capsys.readouterr().out
    assert printed == f"{found}\n"
    assert printed.startswith("softmax_loss: passed\n  right  form:")
    assert isinstance(found, Grade)
    grade(student(ONE_HOT, ("-np.sum", "np.sum")), verbose=False)
    assert capsys.readouterr().out == ""


def test_a_grade_is_true_where_it_passed_and_can_be_kept():
    passed, failed = graded(student(VECTORIZED)), graded(student(VECTORIZED, (SLOPE, "")))
    assert passed
    assert not failed
    assert len({passed, failed, graded(student(VECTORIZED))}) == 2
    for found in (passed, failed):
        assert pickle.loads(pickle.dumps(found)) == found
        assert Grade.from_dict(json.loads(json.dumps(found.as_dict()))) == found


def test_one_fault_is_a_thing_two_are_things():
    assert str(graded(student(VECTORIZED, (SLOPE, "")))).startswith(
        "softmax_loss: not yet, 1 thing is wrong\n"
    )
    two = student(VECTORIZED, (SLOPE, ""), ("-np.log", "np.log"))
    assert str(graded(two)).startswith("softmax_loss: not yet, 2 things are wrong\n")


class Ruined(np.ndarray):
    """An array that answers nothing."""

    def __array_finalize__(self, obj):
        pass

    def __len__(self):
        raise RuntimeError("no length")


class Silent(Exception):
    def __str__(self):
        raise ValueError("no message")


def leave(W, X, y):
    raise SystemExit("bye")


def fail_silently(W, X, y):
    raise Silent


def overwrite(W, X, y):
    W[:], X[:] = np.nan, 7
    y[:] = 99
    W.shape = (-1,)
    return 1.0, W


MISBEHAVIOURS = {
    "None": lambda W, X, y: None,
    "a string": lambda W, X, y: "two",
    "strings": lambda W, X, y: ("a", "b"),
    "three": lambda W, X, y: (1.0, W, W),
    "nothing at all": lambda W, X, y: (),
    "no loss": lambda W, X, y: (None, W),
    "no gradient": lambda W, X, y: (1.0, None),
    "NaN": lambda W, X, y: (np.nan, np.full(W.shape, np.nan)),
    "infinite": lambda W, X, y: (np.inf, np.full(W.shape, -np.inf)),
    "too large for float64": lambda W, X, y: (10**400, np.full(W.shape, np.longdouble("1e4000"))),
    "wrong shapes": lambda W, X, y: (np.ones(2), np.ones((2, 2, 2))),
    "empty": lambda W, X, y: (np.ones(0), np.ones((0, 3))),
    "ragged": lambda W, X, y: ([1, [2]], [[1.0], [1.0, 2.0]]),
    "complex": lambda W, X, y: (1j, W * 1j),
    "objects": lambda W, X, y: (object(), np.array([[object()]])),
    "integers": lambda W, X, y: (1, np.ones(W.shape, int)),
    "swapped": lambda W, X, y: (W, 1.0),
    "an array without length": lambda W, X, y: np.ones((2, 2)).view(Ruined),
    "a dict": lambda W, X, y: {"loss": 1.0},
    "sys.exit": leave,
    "an exception without a message": fail_silently,
    "its arguments": overwrite,
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", MISBEHAVIOURS)
def test_the_grader_never_raises(name):
    """Whatever the function does, and whichever input makes it do so."""
    right = student(VECTORIZED)
    when = {
        "always": lambda W, X, reg: True,
        "with a penalty": lambda W, X, reg: reg > 0,
        "at steep weights": lambda W, X, reg: np.abs(W).max() > 100,
        "with large scores": lambda W, X, reg: np.abs(X).max() > 1000,
        "with one example": lambda W, X, reg: len(X) == 1,
        "with three classes": lambda W, X, reg: W.shape[1] == 3,
        "in float32": lambda W, X, reg: W.dtype == np.float32,
        "beside the point of the check": lambda W, X, reg: (
            W.shape == (4, 3) and reg == 0.3 and W[0, 0] != SEEN[0]
        ),
    }
    SEEN = [softjax.cs231n.grading.exercises.EXERCISES[1].W[0, 0]]
    for situation, misbehaves in when.items():

        def softmax_loss(W, X, y, reg, misbehaves=misbehaves):
            return MISBEHAVIOURS[name](W, X, y) if misbehaves(W, X, reg) else right(W, X, y, reg)

        found = graded(softmax_loss)
        assert str(found).startswith("softmax_loss: "), situation
        if situation == "always":
            assert not found.passed


def test_an_interruption_is_the_user_s():
    def softmax_loss(W, X, y, reg):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        graded(softmax_loss)
