"""A trained classifier: what it predicts, how it is saved and loaded, and what other libraries take."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Shaped

from softjax.classifier.export import make_linear, make_pipeline
from softjax.classifier.file import read_classifier, write_classifier
from softjax.classifier.scoring import compute_scores, encode_labels, list_classes, log_softmax, softmax
from softjax.datasets.dataset import Schema
from softjax.datasets.preprocess import Preprocessing
from softjax.errors import InputError, check_choice
from softjax.npz import shorten

TorchType = Literal["float32", "float64"]


@dataclass(frozen=True, eq=False, repr=False)
class Classifier:
    """A linear classifier with its preprocessing: X as it was given in, labels as they were given out.

    X is whatever data sets are made of: arrays, tensors, frames, images; N rows, not preprocessed. The columns of a frame are
    matched by name where the classifier has names of features, in any order. Arrays have no names: their columns stand in
    the order of training.

    Raises:
        InputError: if the shapes do not fit, a number is not finite, or `config` cannot be written as JSON.

    Examples:
        >>> from softjax import SweepConfig, load_dataset, sweep
        >>> digits = load_dataset("digits")
        >>> result = sweep(digits, SweepConfig(learning_rates=(0.01,), regs=(0.001,), num_iters=100))
        >>> classifier = result.classifier()
        >>> classifier
        Classifier(softmax, 64 features, classes 0, 1, 2, 3, 4, … (10 in all))
        >>> classifier.predict_proba(digits.test.X).shape
        (270, 10)

    Attributes:
        W: Weights (D, K) in float32 or float64, the bias in the last row.
        preprocessing: The mean that is subtracted from the features, and the factors after that, in float64.
        schema: The classes, and the names of the features.
        config: How it was trained, as JSON can hold it. `kind` is `"softmax"` or `"hinge"`.
    """

    W: Float[np.ndarray, "D K"]
    preprocessing: Preprocessing
    schema: Schema
    config: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        W = np.asarray(self.W)
        if W.ndim != 2 or W.dtype.name not in ("float32", "float64"):
            raise InputError(f"W must be (D, K) in float32 or float64, got {W.dtype} {W.shape}")
        F, K = len(W) - 1, W.shape[1]
        _check_schema(self.schema, F, K)
        mean = _as_floats("mean", self.preprocessing.mean, (F,), "float64")
        scale = self.preprocessing.scale
        values = {
            "W": _as_floats("W", W, (F + 1, K), W.dtype.name),
            "preprocessing": Preprocessing(
                mean, None if scale is None else _as_floats("scale", scale, (F,), "float64")
            ),
            "config": _as_json(self.config),
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        scaled = "" if self.preprocessing.scale is None else ", standardized"
        return (
            f"Classifier({self.kind}, {len(self.W) - 1} features{scaled}, "
            f"classes {shorten(self.schema.class_names, most=5)})"
        )

    @property
    def kind(self) -> str:
        """The loss it was trained with, `"softmax"` or `"hinge"`."""
        return str(self.config.get("kind", "softmax"))

    @property
    def classes(self) -> Shaped[np.ndarray, " K"]:
        """The K labels as the user wrote them, in the order of all columns of scores and probabilities."""
        return list_classes(self.schema.classes)

    @property
    def feature_names(self) -> tuple[str, ...] | None:
        """The names of the features, or None if they have none."""
        return self.schema.feature_names

    def predict(self, X: Any) -> Shaped[np.ndarray, " N"]:
        """The label (N,) with the highest score of each example, of several the first. Errors: `decision_function`."""
        labels: np.ndarray = self.classes[self.decision_function(X).argmax(axis=1)]
        return labels

    def decision_function(self, X: Any) -> Float[np.ndarray, "N K"]:
        """The scores ((x − mean) · scale, 1) @ W, at full precision in the type of `W`, 1,000 examples at a time.

        There are always K columns, in the order of `classes`: of two classes too, where scikit-learn has one.

        Raises `InputError` if a column of a frame is missing, unknown or not of numbers, if the number of features is another,
        or if a value is NaN, infinite or too large.
        """
        return compute_scores(self.W, self.preprocessing, self.schema, X)

    def predict_proba(self, X: Any) -> Float[np.ndarray, "N K"]:
        """The probabilities (N, K), the softmax of the scores. Raises `InputError` for the hinge, which has none."""
        self._check_probabilities("predict_proba")
        return softmax(self.decision_function(X))

    def predict_log_proba(self, X: Any) -> Float[np.ndarray, "N K"]:
        """The logarithms of the probabilities (N, K). Raises `InputError` for the hinge, which has none."""
        self._check_probabilities("predict_log_proba")
        return log_softmax(self.decision_function(X))

    def score(self, X: Any, y: Any) -> float:
        """The accuracy, a share from 0 to 1, on examples X with the labels y (N,), as the user wrote them.

        Raises `InputError` if a label is no class.
        """
        scores = self.decision_function(X)
        codes = encode_labels(y, self.schema.classes, len(scores))
        return float((scores.argmax(axis=1) == codes).mean())

    def save(self, path: str | Path) -> None:
        """Writes the classifier to a .npz file, which `load_classifier` reads. An earlier file of that name is replaced.

        The file appears when it is whole. It holds the arrays `W`, `mean`, `scale` (if features are scaled), `class_names`, and
        all else as JSON in `about`; `numpy.load` reads it, and nothing is pickled.

        Raises `InputError` if it cannot be written.
        """
        write_classifier(Path(path), self.W, self.preprocessing, self.schema, self.config)

    def to_sklearn(self) -> Any:
        """A fitted pipeline of scikit-learn: a `StandardScaler` with our mean and scale, and a `LogisticRegression`.

        It gives the same labels and probabilities, and is what tools such as skl2onnx take. All its numbers are float64,
        those of a float32 `W` exactly. Of two classes scikit-learn has one row of coefficients, the difference of ours, so
        `decision_function` has one column there. A classifier of the hinge becomes a `LinearSVC`, which has no
        probabilities. `n_iter_` is the number of steps in training. To `fit` it would train it anew, with
        scikit-learn's own options.
        """
        steps = int(self.config.get("steps", 0))
        return make_pipeline(
            self.W, self.preprocessing, self.schema, probabilities=self.kind == "softmax", steps=steps
        )

    def to_torch(self, dtype: TorchType | None = None) -> Any:
        """A `torch.nn.Linear` from raw features (N, D − 1) to scores (N, K), in the order of `classes`.

        The preprocessing is folded into weight and bias in float64, which are then cast to `dtype`, by default that of `W`.
        Raw features that are large beside their deviation lose digits in it: the scores are wrong by about
        eps · Σ |weight · mean|, where subtracting the mean first would lose none. float64 is enough then.

        Raises `InputError` if PyTorch is not installed, or for another `dtype`.
        """
        chosen = self.W.dtype.name if dtype is None else dtype
        check_choice("dtype", chosen, TorchType)
        return make_linear(self.W, self.preprocessing, chosen)

    def _check_probabilities(self, what: str) -> None:
        if self.kind != "softmax":
            raise InputError(
                f"{what}: the {self.kind} loss gives scores, but no probabilities; use decision_function, or train with "
                "kind='softmax'"
            )


def load_classifier(path: str | Path) -> Classifier:
    """The classifier in a file that `Classifier.save` or a report wrote; `path` may also be the folder of the report.

    Raises `InputError` if it is missing, damaged, no classifier, or of a newer format.

    Examples:
        >>> import tempfile
        >>> from softjax import SweepConfig, load_classifier, load_dataset, sweep
        >>> digits = load_dataset("digits")
        >>> result = sweep(digits, SweepConfig(learning_rates=(0.01,), regs=(0.001,), num_iters=100))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     result.classifier().save(f"{folder}/digits.npz")
        ...     classifier = load_classifier(f"{folder}/digits.npz")
        >>> classifier.classes
        array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    """
    fields = read_classifier(Path(path))
    try:
        return Classifier(*fields)
    except InputError as error:
        raise InputError(f"{path} is damaged: {error}") from error


def _check_schema(schema: Schema, num_features: int, num_classes: int) -> None:
    counts = {"classes": len(schema.classes), "class_names": len(schema.class_names)}
    expected = dict.fromkeys(counts, num_classes)
    if schema.feature_names is not None:
        counts["feature_names"], expected["feature_names"] = len(schema.feature_names), num_features
    if num_features < 1 or num_classes < 2 or counts != expected:
        raise InputError(
            f"W is for {num_features} features and {num_classes} classes, but there are {counts}"
        )


def _as_floats(name: str, array: Any, shape: tuple[int, ...], dtype: str) -> Float[np.ndarray, "..."]:
    array = np.asarray(array)
    if array.dtype.kind != "f" or array.shape != shape:
        raise InputError(f"{name} must be floats {shape}, got {array.dtype} {array.shape}")
    if not np.isfinite(array).all():
        raise InputError(f"{name} holds a number that is not finite")
    floats: np.ndarray = array.astype(dtype)
    return floats


def _as_json(config: dict[str, Any]) -> dict[str, Any]:
    """A record as it is after a round trip via JSON; scalars of NumPy become Python's."""

    def convert(value: Any) -> Any:
        if isinstance(value, np.generic):
            return value.item()
        raise TypeError(f"{type(value).__name__} is no value of JSON")

    try:
        return dict(json.loads(json.dumps(config, default=convert)))
    except (TypeError, ValueError) as error:
        raise InputError(f"config must be a record that JSON can hold: {error}") from error
