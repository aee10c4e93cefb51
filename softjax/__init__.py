"""softjax: autodiff frameworks held against a gradient derived by hand.

The names below are loaded when first used (PEP 562), so that `import softjax` itself costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from softjax import cs231n as cs231n
    from softjax import plots as plots
    from softjax import testing as testing
    from softjax.cache import keep_compiled as keep_compiled
    from softjax.classifier.classifier import Classifier as Classifier
    from softjax.classifier.classifier import load_classifier as load_classifier
    from softjax.datasets.config import DataConfig as DataConfig
    from softjax.datasets.dataset import Dataset as Dataset
    from softjax.datasets.dataset import Split as Split
    from softjax.datasets.load import load_dataset as load_dataset
    from softjax.errors import InputError as InputError
    from softjax.estimators import SoftmaxClassifier as SoftmaxClassifier
    from softjax.estimators import SoftmaxClassifierCV as SoftmaxClassifierCV
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

    __version__: str

_CONTENTS = {
    "errors": ["InputError"],
    "cache": ["keep_compiled"],
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
    "estimators": ["SoftmaxClassifier", "SoftmaxClassifierCV"],
}
_HOME = {name: module for module, names in _CONTENTS.items() for name in names}

_MODULES = ("cs231n", "plots", "testing")  # of many names, each with its own page in the reference

__all__ = [*_HOME, *_MODULES]

if not TYPE_CHECKING:  # type checkers would take every name for one that is there

    def __getattr__(name: str) -> Any:
        if name == "__version__":
            return import_module("importlib.metadata").version("softjax-suite")
        if name in _MODULES:
            return import_module(f"softjax.{name}")
        if name not in _HOME:
            raise AttributeError(f"module 'softjax' has no attribute {name!r}")
        found = globals()[name] = getattr(import_module(f"softjax.{_HOME[name]}"), name)  # asked for once
        return found


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
