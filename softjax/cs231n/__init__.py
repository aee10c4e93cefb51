"""The functions and classes of Stanford's course CS231n, so that students and teachers can check their own work.

The cells of the course's softmax notebook run if their imports are changed to `from softjax.cs231n import ...`. The
names and arguments are the same, the arrays are NumPy arrays, and `np.random.seed` makes a run repeatable. `grade`
checks a student's own losses or linear classifier, and says what is wrong with them; `softjax grade` does so for a class.
All of this was written from the course's public interface, not from its code.

The names are loaded when first used (PEP 562): what needs NumPy alone does not import JAX.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from softjax.cs231n.classifiers import LinearClassifier as LinearClassifier
    from softjax.cs231n.classifiers import LinearSVM as LinearSVM
    from softjax.cs231n.classifiers import Softmax as Softmax
    from softjax.cs231n.data import load_CIFAR10 as load_CIFAR10
    from softjax.cs231n.gradient_check import eval_numerical_gradient as eval_numerical_gradient
    from softjax.cs231n.gradient_check import grad_check_sparse as grad_check_sparse
    from softjax.cs231n.grading.findings import Finding as Finding
    from softjax.cs231n.grading.grade import Grade as Grade
    from softjax.cs231n.grading.grade import grade as grade
    from softjax.cs231n.losses import softmax_loss_naive as softmax_loss_naive
    from softjax.cs231n.losses import softmax_loss_vectorized as softmax_loss_vectorized
    from softjax.cs231n.losses import svm_loss_naive as svm_loss_naive
    from softjax.cs231n.losses import svm_loss_vectorized as svm_loss_vectorized

_CONTENTS = {
    "grading.findings": ["Finding"],
    "grading.grade": ["Grade", "grade"],
    "classifiers": ["LinearClassifier", "LinearSVM", "Softmax"],
    "gradient_check": ["eval_numerical_gradient", "grad_check_sparse"],
    "data": ["load_CIFAR10"],
    "losses": [
        "softmax_loss_naive",
        "softmax_loss_vectorized",
        "svm_loss_naive",
        "svm_loss_vectorized",
    ],
}
_HOME = {name: module for module, names in _CONTENTS.items() for name in names}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'softjax.cs231n' has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(f"softjax.cs231n.{_HOME[name]}"), name)
    return found


def __dir__() -> list[str]:
    return __all__
