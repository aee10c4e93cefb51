"""The cells of the course's softmax notebook run with only their imports changed, and CIFAR-10 is as it expects."""

import random
import re

import numpy as np
import pytest

import softjax
from softjax import InputError
from softjax.cs231n import load_CIFAR10

# Seed 003's cells, as far as its scan kept them; its first lines of imports, and the two prints after the search, are
# the notebook's printed output read backwards. Only `import` lines are changed before they run.
CELLS = [
    """
import random
import numpy as np
from cs231n.data_utils import load_CIFAR10

def get_CIFAR10_data(num_training=49000, num_validation=1000, num_test=1000, num_dev=500):
    # Load the raw CIFAR-10 data
    cifar10_dir = 'cs231n/datasets/cifar-10-batches-py'
    # Cleaning up variables to prevent loading data multiple times (which may cause memory issue)
    try:
       del X_train, y_train
       del X_test, y_test
       print('Clear previously loaded data.')
    except:
       pass
    X_train, y_train, X_test, y_test = load_CIFAR10(cifar10_dir)
    # subsample the data
    mask = list(range(num_training, num_training + num_validation))
    X_val = X_train[mask]
    y_val = y_train[mask]
    mask = list(range(num_training))
    X_train = X_train[mask]
    y_train = y_train[mask]
    mask = list(range(num_test))
    X_test = X_test[mask]
    y_test = y_test[mask]
    mask = np.random.choice(num_training, num_dev, replace=False)
    X_dev = X_train[mask]
    y_dev = y_train[mask]
    # Preprocessing: reshape the image data into rows
    X_train = np.reshape(X_train, (X_train.shape[0], -1))
    X_val = np.reshape(X_val, (X_val.shape[0], -1))
    X_test = np.reshape(X_test, (X_test.shape[0], -1))
    X_dev = np.reshape(X_dev, (X_dev.shape[0], -1))
    # Normalize the data: subtract the mean image
    mean_image = np.mean(X_train, axis = 0)
    X_train -= mean_image
    X_val -= mean_image
    X_test -= mean_image
    X_dev -= mean_image
    # add bias dimension and transform into columns
    X_train = np.hstack([X_train, np.ones((X_train.shape[0], 1))])
    X_val = np.hstack([X_val, np.ones((X_val.shape[0], 1))])
    X_test = np.hstack([X_test, np.ones((X_test.shape[0], 1))])
    X_dev = np.hstack([X_dev, np.ones((X_dev.shape[0], 1))])
    return X_train, y_train, X_val, y_val, X_test, y_test, X_dev, y_dev

# Invoke the above function to get our data.
X_train, y_train, X_val, y_val, X_test, y_test, X_dev, y_dev = get_CIFAR10_data()
print('Train data shape: ', X_train.shape)
print('Train labels shape: ', y_train.shape)
print('Validation data shape: ', X_val.shape)
print('Validation labels shape: ', y_val.shape)
print('Test data shape: ', X_test.shape)
print('Test labels shape: ', y_test.shape)
print('dev data shape: ', X_dev.shape)
print('dev labels shape: ', y_dev.shape)
""",
    """
from cs231n.classifiers.softmax import softmax_loss_naive
import time

# Generate a random softmax weight matrix and use it to compute the loss.
W = np.random.randn(3073, 10) * 0.0001
loss, grad = softmax_loss_naive(W, X_dev, y_dev, 0.0)

# As a rough sanity check, our loss should be something close to -log(0.1).
print('loss: %f' % loss)
print('sanity check: %f' % (-np.log(0.1)))
""",
    """
loss, grad = softmax_loss_naive(W, X_dev, y_dev, 0.0)

# As we did for the SVM, use numeric gradient checking as a debugging tool.
# The numeric gradient should be close to the analytic gradient.
from cs231n.gradient_check import grad_check_sparse
f = lambda w: softmax_loss_naive(w, X_dev, y_dev, 0.0)[0]
grad_numerical = grad_check_sparse(f, W, grad, 10)

# similar to SVM case, do another gradient check with regularization
loss, grad = softmax_loss_naive(W, X_dev, y_dev, 5e1)
f = lambda w: softmax_loss_naive(w, X_dev, y_dev, 5e1)[0]
grad_numerical = grad_check_sparse(f, W, grad, 10)
""",
    """
tic = time.time()
loss_naive, grad_naive = softmax_loss_naive(W, X_dev, y_dev, 0.000005)
toc = time.time()
print('naive loss: %e computed in %fs' % (loss_naive, toc - tic))

from cs231n.classifiers.softmax import softmax_loss_vectorized
tic = time.time()
loss_vectorized, grad_vectorized = softmax_loss_vectorized(W, X_dev, y_dev, 0.000005)
toc = time.time()
print('vectorized loss: %e computed in %fs' % (loss_vectorized, toc - tic))

# As we did for the SVM, we use the Frobenius norm to compare the two versions
# of the gradient.
grad_difference = np.linalg.norm(grad_naive - grad_vectorized, ord='fro')
print('Loss difference: %f' % np.abs(loss_naive - loss_vectorized))
print('Gradient difference: %f' % grad_difference)
""",
    """
from cs231n.classifiers import Softmax
results = {}
best_val = -1
best_softmax = None
learning_rates = np.linspace(1e-7, 5e-7, 10)
regularization_strengths = np.linspace(2.5e4, 5e4, 10)
for lr in learning_rates:
    for rs in regularization_strengths:
        softmax = Softmax()
        softmax.train(X_train, y_train, learning_rate=lr, reg=rs, num_iters=1500, verbose=False)
        y_train_pred = softmax.predict(X_train)
        train_accuracy = np.mean(y_train == y_train_pred)
        y_val_pred = softmax.predict(X_val)
        val_accuracy = np.mean(y_val == y_val_pred)
        results[(lr, rs)] = (train_accuracy, val_accuracy)
        if best_val < val_accuracy:
            best_val = val_accuracy
            best_softmax = softmax
for lr, reg in sorted(results):
    print('lr %e reg %e train accuracy: %f val accuracy: %f' % (lr, reg, *results[(lr, reg)]))
print('best validation accuracy achieved during cross-validation: %f' % best_val)
""",
    """
# evaluate on test set
# Evaluate the best softmax on test set
y_test_pred = best_softmax.predict(X_test)
test_accuracy = np.mean(y_test == y_test_pred)
print('softmax on raw pixels final test set accuracy: %f' % (test_accuracy, ))
""",
    """
# Save the best softmax classifier
best_softmax.save("best_softmax.npy")
print(best_softmax.load("best_softmax.npy"))
""",
    """
# Visualize the learned weights for each class
w = best_softmax.W[:-1,:] # strip out the bias
w = w.reshape(32, 32, 3, 10)
w_min, w_max = np.min(w), np.max(w)
""",
]

# The seed's printed lines, # standing for a number.
CHECKED = ["numerical: # analytic: #, relative error: #"]
SHAPES = [
    "Train data shape:  (49000, 3073)",
    "Train labels shape:  (49000,)",
    "Validation data shape:  (1000, 3073)",
    "Validation labels shape:  (1000,)",
    "Test data shape:  (1000, 3073)",
    "Test labels shape:  (1000,)",
    "dev data shape:  (500, 3073)",
    "dev labels shape:  (500,)",
]
PRINTED = [
    "loss: #",
    "sanity check: 2.302585",
    *(20 * CHECKED),
    "naive loss: # computed in #s",
    "vectorized loss: # computed in #s",
    "Loss difference: 0.000000",
    "Gradient difference: 0.000000",
    "lr 1.000000e-07 reg 2.500000e+04 train accuracy: # val accuracy: #",
    "lr 1.000000e-07 reg 5.000000e+04 train accuracy: # val accuracy: #",
    "lr 5.000000e-07 reg 2.500000e+04 train accuracy: # val accuracy: #",
    "lr 5.000000e-07 reg 5.000000e+04 train accuracy: # val accuracy: #",
    "best validation accuracy achieved during cross-validation: #",
    "softmax on raw pixels final test set accuracy: #",
    "best_softmax.npy saved.",
    "best_softmax.npy loaded.",
    "True",
]


def run(cells, num_iters, namespace):
    """Runs the cells on a 2 × 2 grid with fewer steps; returns what they leave."""
    for cell in cells:
        cell = re.sub(r"from cs231n[\w.]* import", "from softjax.cs231n import", cell)
        cell = re.sub(r"(linspace\(.*?), 10\)", r"\1, 2)", cell).replace(
            "num_iters=1500", f"num_iters={num_iters}"
        )
        exec(cell, namespace)
    return namespace


def assert_printed(lines, expected):
    number = r"-?\d+\.\d+(?:e[+-]\d+)?"
    assert len(lines) == len(expected)
    for line, pattern in zip(lines, expected, strict=True):
        assert re.fullmatch(re.escape(pattern).replace(r"\#", number), line), (line, pattern)


def test_the_notebook_s_cells_run_with_only_the_imports_changed(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.random.seed(0)  # noqa: NPY002
    random.seed(0)
    rng = np.random.default_rng(0)

    def images(N):
        X = rng.integers(0, 256, size=(N, 3072)) - 127.5
        return np.hstack([X, np.ones((N, 1))]), rng.integers(0, 10, N)

    data = {}
    for name, N in (("train", 300), ("val", 100), ("test", 100), ("dev", 50)):
        data[f"X_{name}"], data[f"y_{name}"] = images(N)
    left = run(CELLS[1:], 10, {"np": np, **data})
    assert_printed(capsys.readouterr().out.splitlines(), PRINTED)
    assert left["loss_naive"] == pytest.approx(np.log(10), abs=0.3)
    assert left["w"].shape == (32, 32, 3, 10)


@pytest.mark.slow
def test_the_notebook_s_cells_run_on_cifar10(cifar10_dir, tmp_path, monkeypatch, capsys):
    if not (cifar10_dir / "cifar-10-batches-py").is_dir():
        pytest.skip("cifar-10-batches-py is not there")
    (tmp_path / "cs231n").mkdir()
    (tmp_path / "cs231n" / "datasets").symlink_to(cifar10_dir)
    monkeypatch.chdir(tmp_path)
    np.random.seed(0)  # noqa: NPY002
    random.seed(0)
    left = run(CELLS, 300, {})
    assert_printed(capsys.readouterr().out.splitlines(), SHAPES + PRINTED)
    assert left["loss_naive"] == pytest.approx(2.35, abs=0.15)
    assert 0.25 < left["best_val"] < 0.4


@pytest.mark.slow
def test_cifar10_comes_as_the_course_has_it(cifar10_dir):
    dataset = softjax.load_dataset("cifar10", cifar10_dir, test_images="all")
    Xtr, ytr, Xte, yte = load_CIFAR10(str(cifar10_dir / "cifar-10-batches-bin"))
    assert (Xtr.shape, Xte.shape) == ((50_000, 32, 32, 3), (10_000, 32, 32, 3))
    assert Xtr.dtype == Xte.dtype == np.float64
    assert ytr.dtype == yte.dtype == np.int64
    np.testing.assert_array_equal(Xtr[49_000:].reshape(1000, -1), dataset.val.X)
    np.testing.assert_array_equal(Xte.reshape(10_000, -1), dataset.test.X)
    np.testing.assert_array_equal(ytr[:49_000], dataset.train.y)
    np.testing.assert_array_equal(yte, dataset.test.y)


def test_cifar10_that_is_not_there_is_said(tmp_path):
    with pytest.raises(InputError, match="holds no CIFAR-10"):
        load_CIFAR10(tmp_path / "cifar-10-batches-py")
