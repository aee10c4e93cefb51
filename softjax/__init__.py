"""softjax: autodiff frameworks held against a gradient derived by hand.

The names below are loaded when first used (PEP 562), so that `import softjax` itself costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from softjax import cs231n as cs231n
    from softjax.classifier.classifier import Classifier as Classifier
    from softjax.classifier.classifier import load_classifier as load_classifier
    from softjax.datasets.config import DataConfig as DataConfig
    from softjax.datasets.dataset import Dataset as Dataset
    from softjax.datasets.dataset import Split as Split
    from softjax.datasets.load import load_dataset as load_dataset
    from softjax.errors import InputError as InputError
    from softjax.evaluation.metrics import accuracy as accuracy
    from softjax.evaluation.metrics import confusion_matrix as confusion_matrix
    from softjax.evaluation.metrics import negative_log_likelihood as negative_log_likelihood
    from softjax.gradcheck.check import check_gradient as check_gradient
    from softjax.gradcheck.custom_rules import check_rule as check_rule
    from softjax.gradcheck.products import check_hessian as check_hessian
    from softjax.gradcheck.products import check_jacobian as check_jacobian
    from softjax.gradcheck.result import GradientCheck as GradientCheck
    from softjax.gradcheck.result import GradientChecks as GradientChecks
    from softjax.gradcheck.result import GradientError as GradientError
    from softjax.objective.gradient import loss_and_grad as loss_and_grad
    from softjax.objective.gradient import softmax_cross_entropy as softmax_cross_entropy
    from softjax.objective.hessian import hessian_vector_product as hessian_vector_product
    from softjax.objective.objective import loss as loss
    from softjax.objective.scores import scores as scores
    from softjax.path.config import PathConfig as PathConfig
    from softjax.path.result import PathResult as PathResult
    from softjax.path.solve import regularization_path as regularization_path
    from softjax.training.config import DeviceConfig as DeviceConfig
    from softjax.training.config import SweepConfig as SweepConfig
    from softjax.training.devices import mesh_of as mesh_of
    from softjax.training.result import SweepResult as SweepResult
    from softjax.training.state import Progress as Progress
    from softjax.training.state import SweepState as SweepState
    from softjax.training.sweep import sweep as sweep

_CONTENTS = {
    "errors": ["InputError"],
    "objective.objective": ["loss"],
    "objective.scores": ["scores"],
    "objective.gradient": ["loss_and_grad", "softmax_cross_entropy"],
    "objective.hessian": ["hessian_vector_product"],
    "gradcheck.check": ["check_gradient"],
    "gradcheck.products": ["check_jacobian", "check_hessian"],
    "gradcheck.custom_rules": ["check_rule"],
    "gradcheck.result": ["GradientCheck", "GradientChecks", "GradientError"],
    "evaluation.metrics": ["accuracy", "negative_log_likelihood", "confusion_matrix"],
    "datasets.dataset": ["Dataset", "Split"],
    "datasets.load": ["load_dataset"],
    "datasets.config": ["DataConfig"],
    "training.config": ["DeviceConfig", "SweepConfig"],
    "training.devices": ["mesh_of"],
    "training.state": ["Progress", "SweepState"],
    "training.sweep": ["sweep"],
    "training.result": ["SweepResult"],
    "classifier.classifier": ["Classifier", "load_classifier"],
    "path.config": ["PathConfig"],
    "path.result": ["PathResult"],
    "path.solve": ["regularization_path"],
}
_HOME = {name: module for module, names in _CONTENTS.items() for name in names}

__all__ = [*_HOME, "cs231n"]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("importlib.metadata").version("softjax-suite")
    if name == "cs231n":  # a module of many names, with its own table of contents
        return import_module("softjax.cs231n")
    if name not in _HOME:
        raise AttributeError(f"module 'softjax' has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(f"softjax.{_HOME[name]}"), name)  # asked for once
    return found


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
