"""The course's classifiers: minibatch SGD on NumPy arrays, with the loss and gradient of each step compiled by JAX."""

from pathlib import Path

import jax
import numpy as np
from jaxtyping import Float, Int, Integer, Num

from softjax.cs231n.losses import LossAndGrad, check_and_cast, check_examples
from softjax.errors import InputError
from softjax.objective.config import Kind
from softjax.objective.gradient import loss_and_grad
from softjax.runs.files import raise_as_input_error, write_file

INIT_SCALE = 0.001
LINE_EVERY = 100  # iterations
ALIGNED = 64  # bytes: XLA on CPUs copies an array if its address is not a multiple of this


class LinearClassifier:
    """A linear classifier with scores X @ W, trained by SGD. `Softmax` and `LinearSVM` are subclasses with a loss.

    - `W`: weights (D, K), float64 unless set otherwise; None before the first training.

    A subclass of your own defines `loss(X_batch, y_batch, reg)`, which returns the loss and its gradient (D, K):

    Examples:
        >>> class Halving(LinearClassifier):
        ...     def loss(self, X_batch, y_batch, reg):
        ...         return 0.5 * (self.W**2).sum(), self.W
        >>> classifier = Halving()
        >>> classifier.W = np.ones((2, 3))
        >>> classifier.train(np.ones((4, 2)), np.arange(4) % 3, learning_rate=0.5, num_iters=3)
        [3.0, 0.75, 0.1875]
    """

    W: np.ndarray | None = None

    def train(
        self,
        X: Num[np.ndarray, "N D"],
        y: Integer[np.ndarray, " N"],
        learning_rate: float = 1e-3,
        reg: float = 1e-5,
        num_iters: int = 100,
        batch_size: int = 200,
        verbose: bool = False,
    ) -> list[float]:
        """Makes `num_iters` steps W ← W − learning_rate · ∇L(W), each on `batch_size` examples drawn with replacement.

        Training starts from `W`. If `W` is None, it is first set to `0.001 * np.random.randn(D, K)` with
        K = max(y) + 1. The minibatches are drawn by `np.random.choice(N, batch_size)`, so `np.random.seed` makes a run
        repeatable. The same loop in NumPy gives the same result up to rounding. Only the minibatches are copied, so `X`
        may be a memory map.

        **Arguments:**

        - `X`: features (N, D); the last column is ones.
        - `y`: labels (N,), integers 0..K−1.
        - `learning_rate`: the factor of the gradient in a step.
        - `reg`: the strength of the penalty reg ΣW².
        - `num_iters`: the number of steps.
        - `batch_size`: the number of examples in a minibatch.
        - `verbose`: whether to print the loss every 100 iterations.

        **Returns:** one loss for each step, on the step's minibatch, with the penalty, before `W` changes.

        Raises `InputError` if shapes do not fit, there are no examples, `W` has no column for a label, or `batch_size`
        is less than 1.
        """
        check_examples(X, y)
        if batch_size < 1:
            raise InputError(f"batch_size must be at least 1, got {batch_size}")
        if self.W is None:
            self.W = INIT_SCALE * np.random.randn(X.shape[1], int(y.max()) + 1)  # noqa: NPY002 (the course seeds np.random)
        check_and_cast(self.W, X[:1], np.array([y.max()]))
        history: list[float] = []
        for it in range(num_iters):
            rows = np.random.choice(len(X), batch_size)  # noqa: NPY002 (as above)
            loss, dW = self.loss(_take_rows(X, rows), y[rows], reg)
            self.W = self.W - learning_rate * dW  # a new array, since the old one may be the caller's
            history.append(float(loss))
            if verbose and it % LINE_EVERY == 0:
                print(f"iteration {it} / {num_iters}: loss {history[-1]:f}")
        return history

    def predict(self, X: Num[np.ndarray, "N D"]) -> Int[np.ndarray, " N"]:
        """The class with the highest score, for each row of `X` (N, D): integers (N,). Raises `InputError` if `W` is None."""
        classes: Int[np.ndarray, " N"] = (X @ self._trained_weights()).argmax(axis=1)
        return classes

    def loss(
        self, X_batch: Num[np.ndarray, "N D"], y_batch: Integer[np.ndarray, " N"], reg: float
    ) -> LossAndGrad:
        """The loss at `W` and its gradient (D, K). Raises `NotImplementedError`: a subclass must define it."""
        raise NotImplementedError(
            "LinearClassifier has no loss: use Softmax or LinearSVM, or a subclass that defines loss(X_batch, y_batch, reg)"
        )

    def save(self, fname: str | Path) -> None:
        """Writes `W` to a file, which `load` and `np.load` read. Prints that it is saved.

        **Arguments:** `fname`: the file, such as "best_softmax.npy". The course keeps it in its own folder; here a name
        without a folder lies in the working directory.

        Raises `InputError` if `W` is None, or the file cannot be written.
        """
        W = self._trained_weights()
        with raise_as_input_error(f"{fname} cannot be written"):
            write_file(Path(fname), lambda file: np.save(file, W, allow_pickle=False))
        print(fname, "saved.")

    def load(self, fname: str | Path) -> bool:
        """Reads `W` from a file that `save` has written. Prints whether it is there.

        **Returns:** whether the file is there; if not, `W` is left as it is.

        Raises `InputError` if the file does not hold weights (D, K). The course's own files are pickles, which could run
        any code when they are read, and are refused.
        """
        if not Path(fname).exists():
            print(fname, "not available.")
            return False
        try:
            with Path(fname).open("rb") as file:
                W = np.lib.format.read_array(file, allow_pickle=False)
        except Exception as error:  # a damaged file can raise anything
            raise InputError(f"{fname} holds no weights that save has written: {error}") from error
        if W.ndim != 2 or W.dtype.kind != "f":
            raise InputError(f"{fname} must hold weights (D, K), floats, got {W.shape} of {W.dtype}")
        self.W = W
        print(fname, "loaded.")
        return True

    def _trained_weights(self) -> Float[np.ndarray, "D K"]:
        if self.W is None:
            raise InputError("W is None: call train first, or set W to weights (D, K)")
        return self.W


class Softmax(LinearClassifier):
    """The linear classifier with the softmax cross-entropy and the penalty reg ΣW².

    Examples:
        >>> np.random.seed(0)
        >>> X, y = np.array([[1.0, 1.0], [-1.0, 1.0]]), np.array([0, 1])
        >>> classifier = Softmax()
        >>> losses = classifier.train(X, y, learning_rate=0.5, num_iters=20, batch_size=2)
        >>> classifier.predict(X).tolist(), losses[-1] < losses[0]
        ([0, 1], True)
    """

    def loss(
        self, X_batch: Num[np.ndarray, "N D"], y_batch: Integer[np.ndarray, " N"], reg: float
    ) -> LossAndGrad:
        """`softmax_loss_vectorized(W, X_batch, y_batch, reg)`, compiled. Raises `InputError` as that does."""
        return _compute_loss(self._trained_weights(), X_batch, y_batch, reg, "softmax")


class LinearSVM(LinearClassifier):
    """The linear classifier with the multiclass hinge loss, margin 1, and the penalty reg ΣW².

    Examples:
        >>> np.random.seed(0)
        >>> X, y = np.array([[1.0, 1.0], [-1.0, 1.0]]), np.array([0, 1])
        >>> classifier = LinearSVM()
        >>> losses = classifier.train(X, y, learning_rate=0.5, num_iters=20, batch_size=2)
        >>> classifier.predict(X).tolist(), losses[-1] < losses[0]
        ([0, 1], True)
    """

    def loss(
        self, X_batch: Num[np.ndarray, "N D"], y_batch: Integer[np.ndarray, " N"], reg: float
    ) -> LossAndGrad:
        """`svm_loss_vectorized(W, X_batch, y_batch, reg)`, compiled. Raises `InputError` as that does."""
        return _compute_loss(self._trained_weights(), X_batch, y_batch, reg, "hinge")


def _compute_loss(
    W: Num[np.ndarray, "D K"],
    X: Num[np.ndarray, "N D"],
    y: Integer[np.ndarray, " N"],
    reg: float,
    kind: Kind,
) -> LossAndGrad:
    W, X = check_and_cast(W, X, y)
    with jax.enable_x64(W.dtype == np.float64):
        X_there = jax.device_put(X)  # loss_and_grad would do this too, but takes twice as long
        loss, dW = loss_and_grad(W, X_there, y, float(reg), kind=kind)
    return W.dtype.type(loss), np.array(dW)


def _take_rows(X: Num[np.ndarray, "N D"], rows: Int[np.ndarray, " B"]) -> Num[np.ndarray, "B D"]:
    """`X[rows]` at an aligned address. Otherwise XLA would copy it, and that takes as long as the matrix products."""
    examples: Num[np.ndarray, "B D"]
    if not X.flags.c_contiguous:  # np.take would first copy all of X
        examples = X[rows]
        return examples
    size = len(rows) * X.shape[1] * X.itemsize
    room = np.empty(size + ALIGNED, np.uint8)
    start = -room.ctypes.data % ALIGNED
    examples = room[start : start + size].view(X.dtype).reshape(len(rows), X.shape[1])
    np.take(X, rows, axis=0, out=examples, mode="clip")  # mode="raise" would need a second buffer
    return examples
