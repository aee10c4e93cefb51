"""The functions and classes of Stanford's course CS231n, so that students and teachers can check their own work.

The cells of the course's softmax notebook run if their imports are changed to `from softjax.cs231n import ...`. The
names and arguments are the same, the arrays are NumPy arrays, and `np.random.seed` makes a run repeatable. `grade`
checks a student's own `softmax_loss_naive` or `softmax_loss_vectorized`, and says what is wrong with it. All of this was
written from the course's public interface, not from its code.
"""

from softjax.cs231n.classifiers import LinearClassifier, LinearSVM, Softmax
from softjax.cs231n.data import load_CIFAR10
from softjax.cs231n.gradient_check import eval_numerical_gradient, grad_check_sparse
from softjax.cs231n.grading.findings import Finding
from softjax.cs231n.grading.grade import Grade, grade
from softjax.cs231n.losses import (
    softmax_loss_naive,
    softmax_loss_vectorized,
    svm_loss_naive,
    svm_loss_vectorized,
)

__all__ = [
    "Finding",
    "Grade",
    "LinearClassifier",
    "LinearSVM",
    "Softmax",
    "eval_numerical_gradient",
    "grad_check_sparse",
    "grade",
    "load_CIFAR10",
    "softmax_loss_naive",
    "softmax_loss_vectorized",
    "svm_loss_naive",
    "svm_loss_vectorized",
]
