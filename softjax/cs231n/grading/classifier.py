"""Grades `train` and `predict` of a student's linear classifier. Its `loss` is replaced, so that only these two count."""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from softjax.cs231n.grading.findings import Fault, Finding
from softjax.cs231n.grading.student import Raised, Student

N, D, K = 40, 5, 3
BATCH, STEPS = 8, 100  # enough for every example to be drawn
RATE, REG = 0.125, 0.25
CALL = "self.loss(X_batch, y_batch, reg)"
STEP = "self.W -= learning_rate * grad"


@dataclass(frozen=True)
class Step:
    """A call of `loss` by `train`: the weights then, its arguments, and what it returned."""

    W: Any
    X: Any
    y: Any
    reg: Any
    loss: float
    dW: Any


class Training(NamedTuple):
    """A run of `train`: the calls of `loss`, the weights at the end, and what `train` returned."""

    steps: Sequence[Step]
    W: Any
    history: Any


def grade_classifier(solution: type) -> list[Finding]:
    """The findings about `train` and `predict` of a class."""
    findings: list[Finding] = []
    for name, check, right in (
        (
            "train",
            _check_train,
            "random minibatches, the step −learning_rate · gradient, the losses of all steps",
        ),
        ("predict", _check_predict, "the class with the highest score"),
    ):
        if not callable(getattr(solution, name, None)):
            findings.append(Finding("wrong", f"{name}: the class has no {name}", f"def {name}(self, X, ...)"))
            continue
        try:
            faults = check(solution)
        except Raised as raised:
            faults = [raised.fault]
        findings += [Finding("wrong", f"{name}: {fault.what}", fault.reason) for fault in faults]
        if not faults:
            findings.append(Finding("right", f"{name}: {right}"))
    return findings


def _make_examples() -> tuple[Any, Any]:
    """Features whose first column is the number of the example, and labels that have no order."""
    rng = np.random.default_rng(0)
    X = np.hstack([np.arange(N)[:, None], rng.normal(size=(N, D - 2)), np.ones((N, 1))])
    return X, rng.permutation(np.arange(N) % K)


def _train(solution: type, seed: int, W: Any = None, num_iters: int = STEPS) -> Training:
    """Runs `train` with a loss of ours. Raises `Raised` as the student's code does."""
    steps: list[Step] = []
    rng = np.random.default_rng(1)

    def loss(self: Any, X_batch: Any, y_batch: Any, reg: Any = None) -> tuple[float, Any]:
        if steps and np.array_equal(steps[-1].W, self.W) and np.array_equal(steps[-1].X, X_batch):
            return steps[-1].loss, steps[-1].dW.copy()  # called again in the same step
        value, dW = float(rng.uniform(1, 2)), rng.normal(size=np.shape(self.W))
        steps.append(Step(_copy(self.W), _copy(X_batch), _copy(y_batch), reg, value, dW.copy()))
        return value, dW

    classifier = _make(lambda: type(solution.__name__, (solution,), {"loss": loss})())
    if W is not None:
        classifier.W = W.copy()
    X, y = _make_examples()
    with _seeded(seed):
        history = Student(classifier.train).call(
            X, y, learning_rate=RATE, reg=REG, num_iters=num_iters, batch_size=BATCH, verbose=False
        )
    return Training(steps, _copy(getattr(classifier, "W", None)), history)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seeds the generators that the course draws from, and restores their states after the block."""
    states = np.random.get_state(), random.getstate()  # noqa: NPY002
    np.random.seed(seed)  # noqa: NPY002
    random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(states[0])  # noqa: NPY002
        random.setstate(states[1])


def _make(make: Callable[[], Any]) -> Any:
    return Student(make).call()


def _copy(value: Any) -> Any:
    return value.copy() if isinstance(value, np.ndarray) else value


def _check_train(solution: type) -> list[Fault]:
    """What is wrong with `train`. Where its minibatches or weights cannot be read, nothing else is looked at."""
    training = _train(solution, 0)
    if not training.steps:
        return [Fault("it never calls loss", f"loss, grad = {CALL} in each iteration")]
    if fault := _check_weights(training) or _check_batches(training):
        return [fault]
    given = np.random.default_rng(2).normal(size=(D, K))
    faults = [
        _check_count(training),
        _check_history(training),
        _check_reg(training),
        _check_labels(training),
        _check_sampling(training, _train(solution, 1)),
        _check_steps(training),
        _check_start(_train(solution, 0, given, 2), given),
    ]
    return [fault for fault in faults if fault is not None]


def _check_weights(training: Training) -> Fault | None:
    shapes = {np.shape(step.W) for step in training.steps} | {np.shape(training.W)}
    if shapes == {(D, K)}:
        return None
    seen = next(shape for shape in shapes if shape != (D, K))
    return Fault(
        f"W has the shape {seen}, expected {(D, K)}: features × classes",
        "self.W = 0.001 * np.random.randn(dim, num_classes), and grad has the shape of W",
    )


def _check_batches(training: Training) -> Fault | None:
    for step in training.steps:
        if step.X is None or step.y is None:
            return Fault(
                "no minibatch is drawn: X_batch or y_batch is None",
                "rows = np.random.choice(num_train, batch_size); X_batch, y_batch = X[rows], y[rows]",
            )
        if np.shape(step.X) != (BATCH, D) or np.shape(step.y) != (BATCH,):
            return Fault(
                f"a minibatch has the shapes {np.shape(step.X)} and {np.shape(step.y)}, expected {(BATCH, D)} and {(BATCH,)}",
                "batch_size rows of X, and their labels: X[rows], y[rows]",
            )
    return None


def _check_count(training: Training) -> Fault | None:
    if len(training.steps) == STEPS:
        return None
    return Fault(
        f"loss is called {len(training.steps)} times for num_iters = {STEPS}", "for it in range(num_iters)"
    )


def _check_history(training: Training) -> Fault | None:
    losses = [step.loss for step in training.steps]
    try:
        seen = np.asarray(training.history, float)
    except Exception:
        seen = np.zeros(0)
    if training.history is None:
        return Fault("it returns None, not the losses of all steps", "return loss_history")
    if seen.shape != (len(losses),) or not np.allclose(seen, losses):
        return Fault(
            "it does not return the losses of all steps, one for each",
            "loss_history.append(loss) in each iteration, and return loss_history",
        )
    return None


def _check_reg(training: Training) -> Fault | None:
    wrong = [step.reg for step in training.steps if step.reg != REG]
    return Fault(f"loss is called with reg = {wrong[0]}, not with {REG}", CALL) if wrong else None


def _find_rows(step: Step) -> Any:
    return np.round(np.asarray(step.X, float)[:, 0]).astype(int) % N


def _check_labels(training: Training) -> Fault | None:
    X, y = _make_examples()
    for step in training.steps:
        rows = _find_rows(step)
        if not np.allclose(X[rows], step.X):
            return Fault("rows of a minibatch are no rows of X", "X_batch = X[rows]")
        if not np.array_equal(y[rows], step.y):
            return Fault(
                "the labels of a minibatch belong to other examples",
                "draw the rows once, for both: X_batch, y_batch = X[rows], y[rows]",
            )
    return None


def _check_sampling(training: Training, other: Training) -> Fault | None:
    draw = "rows = np.random.choice(X.shape[0], batch_size)"
    batches = [sorted(_find_rows(step)) for step in training.steps]
    if all(batch == batches[0] for batch in batches):
        return Fault("every step has the same minibatch", f"{draw} inside the loop, in each iteration")
    drawn = {int(row) for batch in batches for row in batch}
    if len(drawn) < N:
        return Fault(f"only {len(drawn)} of {N} examples are ever drawn", draw)
    if [_find_rows(step).tolist() for step in training.steps] == [
        _find_rows(step).tolist() for step in other.steps
    ]:
        return Fault("the minibatches are not random: they are the same in every run", draw)
    return None


def _check_steps(training: Training) -> Fault | None:
    """Compares each change of W with −learning_rate · gradient."""
    before = [np.asarray(step.W, float) for step in training.steps]
    after = [*before[1:], np.asarray(training.W, float)]
    slopes = [step.dW for step in training.steps]

    def changes_by(change: Callable[[Any, Any], Any]) -> bool:
        return all(
            np.allclose(b - a, change(a, dW), 1e-6, 1e-9)
            for a, b, dW in zip(before, after, slopes, strict=True)
        )

    if changes_by(lambda W, dW: -RATE * dW):
        return None
    for what, reason, change in _WRONG_STEPS:
        if changes_by(change):
            return Fault(what, reason)
    change = after[0] - before[0]
    rate = -float((change * slopes[0]).sum() / (slopes[0] ** 2).sum())
    if changes_by(lambda W, dW: -rate * dW):
        return Fault(f"the step is −{rate:.4g} · gradient, for learning_rate = {RATE}", STEP)
    return Fault("a step is not −learning_rate · gradient", STEP)


_WRONG_STEPS: Sequence[tuple[str, str, Callable[[Any, Any], Any]]] = (
    ("W is not changed", f"{STEP}: the classifier's own W, not a copy of it", lambda W, dW: np.zeros_like(W)),
    ("a step goes up the gradient, not down", f"{STEP}, with a minus", lambda W, dW: RATE * dW),
    ("learning_rate is left out of the step", STEP, lambda W, dW: -dW),
    (
        "learning_rate is left out of the step, which goes up the gradient, not down",
        STEP,
        lambda W, dW: dW,
    ),
    (
        "the step is divided by batch_size",
        f"{STEP}: the gradient is a mean already",
        lambda W, dW: -RATE * dW / BATCH,
    ),
    (
        "the step is divided by the number of examples",
        f"{STEP}: the gradient is a mean already",
        lambda W, dW: -RATE * dW / N,
    ),
    *(
        (
            "the penalty's gradient is subtracted again",
            f"{STEP}: the gradient that loss returns contains the penalty",
            lambda W, dW, c=c: -RATE * (dW + c * REG * W),
        )
        for c in (1.0, 2.0)
    ),
    ("the step is multiplied by reg", STEP, lambda W, dW: -RATE * REG * dW),
    (
        "W is overwritten by the step",
        f"{STEP}: -= changes W, = replaces it",
        lambda W, dW: -RATE * dW - W,
    ),
)


def _check_start(training: Training, given: Any) -> Fault | None:
    if training.steps and np.array_equal(training.steps[0].W, given):
        return None
    return Fault(
        "training does not go on from W where there is one",
        "if self.W is None: self.W = 0.001 * np.random.randn(dim, num_classes)",
    )


def _check_predict(solution: type) -> list[Fault]:
    rng = np.random.default_rng(3)
    for count in (7, 1, 30):
        X, W = rng.normal(size=(count, D)), rng.normal(size=(D, K))
        classifier = _make(solution)
        classifier.W = W.copy()
        seen, scores = Student(classifier.predict).call(X.copy()), X @ W
        if fault := _explain_prediction(seen, scores):
            return [fault]
        if not np.array_equal(classifier.W, W):
            return [Fault("it changes W", "predict reads W alone: scores = X @ self.W")]
    return []


def _explain_prediction(seen: Any, scores: Any) -> Fault | None:
    largest = "y_pred = np.argmax(X @ self.W, axis=1)"
    try:
        answer = np.asarray(seen, float)
    except Exception:
        return Fault(f"it returns {type(seen).__name__}, not an array of classes", largest)
    count, right = len(scores), scores.argmax(axis=1)
    if answer.shape == (K,) != (count,) and np.array_equal(answer, scores.argmax(axis=0)):
        return Fault("it takes the largest score over the examples (axis 0), not over the classes", largest)
    if answer.shape != (count,):
        return Fault(
            f"it returns an array {answer.shape}, expected {(count,)}: a class for each row of X", largest
        )
    if np.array_equal(answer, right):
        return None
    for what, wrong in (
        ("it returns zeros: nothing is computed yet", np.zeros(count)),
        ("it returns the class with the lowest score", scores.argmin(axis=1)),
        ("it returns the highest scores, not their classes", scores.max(axis=1)),
        ("its classes are one too high: they count from 0", right + 1),
    ):
        if np.allclose(answer, wrong):
            return Fault(what, largest)
    return Fault("it does not return the class with the highest score", largest)
