"""The classifier as scikit-learn's estimators, solved by the path's Newton method in float64.

With scikit-learn's C, or with the reg of `softjax.loss` instead. For Σw the sum of the sample weights times class weights, and the
intercept not penalized, they minimize

    C Σ wᵢ ℓᵢ + ½ Σ W²    or    Σ wᵢ ℓᵢ / Σ wᵢ + reg Σ W²,

so C = 1 / (2 reg Σw) for three classes or more. For two classes scikit-learn penalizes the difference w of the two columns of W,
½ Σ w², which is Σ W²: there C = 1 / (reg Σw).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any
from warnings import warn

import numpy as np
from jaxtyping import Float, Int
from scipy.special import log_softmax, softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import check_scoring
from sklearn.model_selection import check_cv
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from softjax.compilation import types_of
from softjax.datasets.dataset import Schema, Split
from softjax.datasets.preprocess import fit
from softjax.evaluation.examples import check_range
from softjax.objective.config import Objective
from softjax.path.config import PathConfig
from softjax.path.passes import Data
from softjax.path.problem import Problem, preprocess
from softjax.path.result import Minimum, PathState
from softjax.path.solve import find_minima
from softjax.training.config import SweepConfig
from softjax.weights import weigh_examples

BEYOND = 1e-6  # times the tolerance: one Newton step more, after which equal data have equal weights to many digits
SIZES = np.array([*(2**k for k in range(4, 40)), *(3 * 2**k for k in range(4, 39))])


class SoftmaxClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A softmax classifier with an L2 penalty: scikit-learn's `LogisticRegression` to the minimum.

    It minimizes C Σ wᵢ ℓᵢ + ½ Σ W² over weights and intercepts, in float64, until the objective is proven to be within `tol` of the
    minimum, relatively. The intercept is not penalized.

    **Arguments:**

    - `C`: inverse strength of the penalty, positive; `np.inf` for none. As in scikit-learn, 1 by default.
    - `reg`: the strength as in `softjax.loss`, the mean loss + reg Σ W², in place of `C`. C = 1 / (2 reg Σw) for three classes or
      more, 1 / (reg Σw) for two.
    - `class_weight`: None, `"balanced"`, or a mapping from classes to weights.
    - `tol`: the relative distance of the objective from its minimum that is proven.
    - `max_iter`: the largest number of passes over the examples.

    **Attributes**, after `fit`:

    - `classes_`: the K labels, sorted.
    - `coef_`: weights, (K, features), or (1, features) for two classes: those of the second one.
    - `intercept_`: (K,), or (1,). The K intercepts have the mean 0.
    - `n_iter_`: Newton steps, (1,).

    Examples:
        >>> from sklearn.datasets import load_iris
        >>> from softjax import SoftmaxClassifier
        >>> X, y = load_iris(return_X_y=True)
        >>> SoftmaxClassifier(C=10).fit(X, y).score(X, y)
        0.98
    """

    def __init__(
        self,
        C: float | int = 1.0,
        *,
        reg: float | int | None = None,
        class_weight: Any = None,
        tol: float | int = 1e-9,
        max_iter: int = 10_000,
    ) -> None:
        self.C = C
        self.reg = reg
        self.class_weight = class_weight
        self.tol = tol
        self.max_iter = max_iter

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "SoftmaxClassifier":
        """Fits the classifier to features X (N, features) and labels y (N,), with sample weights (N,) if there are any.

        Raises `ValueError` for arguments that cannot be used. Warns with scikit-learn's `ConvergenceWarning` where the minimum was
        not reached, and says why.
        """
        examples = _read(self, X, y, sample_weight)
        strength = _half_reg(self.C, self.reg, examples.weight.sum(), len(examples.classes))
        self._set(examples, _minimize(self, examples, examples.weight, [strength], BEYOND)[0])
        return self

    def _set(self, examples: "_Examples", minimum: Minimum) -> None:
        self.classes_ = examples.classes
        self.coef_, self.intercept_ = _unfold(examples, minimum.W)
        self.n_iter_ = np.array([minimum.newton_steps], np.int32)

    def decision_function(self, X: Any) -> Float[np.ndarray, "..."]:
        """The scores (N, K); for two classes (N,), those of the second class minus those of the first."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        scores: np.ndarray = X @ self.coef_.T + self.intercept_
        return scores[:, 0] if scores.shape[1] == 1 else scores

    def predict(self, X: Any) -> np.ndarray:
        """The labels with the largest scores (N,)."""
        scores = self.decision_function(X)
        labels: np.ndarray = self.classes_[
            (scores > 0).astype(int) if scores.ndim == 1 else scores.argmax(axis=1)
        ]
        return labels

    def predict_proba(self, X: Any) -> Float[np.ndarray, "N K"]:
        """The probabilities (N, K), the softmax of the scores."""
        probabilities: np.ndarray = softmax(self._all_scores(X), axis=1)
        return probabilities

    def predict_log_proba(self, X: Any) -> Float[np.ndarray, "N K"]:
        """The logarithms of the probabilities (N, K)."""
        logs: np.ndarray = log_softmax(self._all_scores(X), axis=1)
        return logs

    def _all_scores(self, X: Any) -> Float[np.ndarray, "N K"]:
        scores = self.decision_function(X)
        return np.stack([-scores / 2, scores / 2], axis=1) if scores.ndim == 1 else scores


class SoftmaxClassifierCV(SoftmaxClassifier):
    """A softmax classifier whose penalty strength is chosen by cross-validation: scikit-learn's `LogisticRegressionCV`.

    For each fold one path over all strengths is solved; all folds use one compiled program, as the examples of a fold that are held
    out only have the weight 0. Then all examples are fitted with the best strength.

    **Arguments:**

    - `Cs`: how many strengths from 10⁻⁴ to 10⁴, evenly in the logarithm; or the strengths.
    - `regs`: the strengths as in `softjax.loss`, in place of `Cs`.
    - `cv`: number of folds (5 by default, stratified), a splitter, or an iterable of pairs (training rows, held-out rows).
    - `scoring`: a scorer or its name, larger is better; by default the mean log-likelihood of the held-out examples, in nats.
      Sample weights count in it.
    - `class_weight`, `tol`, `max_iter`: as in `SoftmaxClassifier`.
    - `refit`: fit all examples with the best strength. Otherwise the weights are the means over the folds.

    **Attributes**, after `fit`, beside those of `SoftmaxClassifier`:

    - `C_`, or `reg_`: the best strength.
    - `Cs_`, or `regs_`: the strengths (R,).
    - `scores_`: the scores of the held-out examples (folds, R).

    Examples:
        >>> from sklearn.datasets import load_iris
        >>> from softjax import SoftmaxClassifierCV
        >>> X, y = load_iris(return_X_y=True)
        >>> SoftmaxClassifierCV(Cs=[0.1, 1, 10], cv=3).fit(X, y).C_
        10.0
    """

    def __init__(
        self,
        Cs: int | Sequence[float] | Float[np.ndarray, " R"] = 10,
        *,
        regs: Sequence[float] | Float[np.ndarray, " R"] | None = None,
        cv: Any = None,
        scoring: Any = None,
        class_weight: Any = None,
        refit: bool = True,
        tol: float | int = 1e-9,
        max_iter: int = 10_000,
    ) -> None:
        self.Cs = Cs
        self.regs = regs
        self.cv = cv
        self.scoring = scoring
        self.class_weight = class_weight
        self.refit = refit
        self.tol = tol
        self.max_iter = max_iter

    def fit(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> "SoftmaxClassifierCV":
        """Chooses the strength on the folds, and fits the classifier. `groups` (N,) are for splitters that keep groups together.

        Raises `ValueError` for arguments that cannot be used, or a fold whose training part lacks a class.
        """
        examples = _read(self, X, y, sample_weight)
        folds = list(self._split(examples, X, y, groups))
        Cs, regs = self._strengths()
        num_classes = len(examples.classes)

        def strengths(weight: Float[np.ndarray, " N"]) -> list[float]:
            pairs = zip(Cs, regs, strict=True)
            return [_half_reg(C, reg, weight.sum(), num_classes) for C, reg in pairs]

        paths = [_minimize(self, examples, kept, strengths(kept)) for kept, _ in folds]
        self.scores_ = np.array(
            [
                [self._score(examples, minimum, held_out) for minimum in path]
                for path, (_, held_out) in zip(paths, folds, strict=True)
            ]
        )
        best = int(self.scores_.mean(axis=0).argmax())
        if self.regs is None:
            self.Cs_, self.C_ = np.array(Cs), float(Cs[best])
        else:
            self.regs_ = np.array(regs, float)
            self.reg_ = float(self.regs_[best])
        if self.refit:
            strength = strengths(examples.weight)[best]
            self._set(examples, _minimize(self, examples, examples.weight, [strength], BEYOND)[0])
        else:
            mean = np.mean([path[best].W for path in paths], axis=0)
            self._set(examples, paths[0][best]._replace(W=mean))
        return self

    def _strengths(self) -> tuple[Sequence[float], Sequence[float | None]]:
        """C and reg of each strength; reg is None where C counts."""
        if self.regs is not None:
            regs = np.ravel(self.regs).tolist()
            return [1.0] * len(regs), regs
        Cs = np.logspace(-4, 4, self.Cs) if isinstance(self.Cs, Integral) else np.ravel(self.Cs)
        return Cs.tolist(), [None] * len(Cs)

    def _split(
        self, examples: "_Examples", X: Any, y: Any, groups: Any
    ) -> Iterator[tuple[Float[np.ndarray, " N"], Int[np.ndarray, " H"]]]:
        """For each fold the weights of the training examples, 0 for all others, and the rows that are held out."""
        cv = check_cv(5 if self.cv is None else self.cv, y, classifier=True)
        num_examples = len(examples.y)
        for number, (train, held_out) in enumerate(cv.split(examples.X, examples.y, groups)):
            kept = examples.weight * np.bincount(np.arange(num_examples)[train], minlength=num_examples)
            totals = np.bincount(examples.y, weights=kept, minlength=len(examples.classes))
            if not totals.all():
                raise ValueError(
                    f"the training part of fold {number} has no example of the class "
                    f"{examples.classes[totals.argmin()]!r}: use fewer folds, or stratified ones"
                )
            rows = np.arange(num_examples)[held_out]
            yield kept, rows[examples.weight[rows] > 0]

    def _score(self, examples: "_Examples", minimum: Minimum, rows: Int[np.ndarray, " H"]) -> float:
        """The score of the classifier of a fold on the rows that are held out."""
        model = SoftmaxClassifier()
        model._set(examples, minimum)
        model.n_features_in_ = examples.X.shape[1]
        X, y, weight = examples.X[rows], examples.y[rows], examples.sample_weight
        weight = None if weight is None else weight[rows]
        if self.scoring is None:
            return float(np.average(model.predict_log_proba(X)[np.arange(len(y)), y], weights=weight))
        given = {} if weight is None else {"sample_weight": weight}
        return float(check_scoring(model, self.scoring)(model, X, examples.classes[y], **given))


@dataclass(frozen=True)
class _Examples:
    """Features in float64, labels 0..K−1, the K classes, the weights, and the problem of the path with all of them.

    `weight` includes the class weights, `sample_weight` is as given.
    """

    X: Float[np.ndarray, "N F"]
    y: Int[np.ndarray, " N"]
    classes: np.ndarray
    weight: Float[np.ndarray, " N"]
    sample_weight: Float[np.ndarray, " N"] | None
    problem: Problem


def _read(estimator: Any, X: Any, y: Any, sample_weight: Any) -> _Examples:
    """The arguments of `fit`, checked as scikit-learn checks them, and posed as a problem of the path."""
    _check_numbers(estimator)
    X, y = validate_data(estimator, X, y, dtype=np.float64, order="C")
    check_classification_targets(y)
    given = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
    classes, y = np.unique(y, return_inverse=True)
    weight = weigh_examples(y, classes.tolist(), given, estimator.class_weight)
    assert weight is not None  # as sample weights are given
    totals = np.bincount(y, weights=weight, minlength=len(classes))
    if (totals > 0).sum() < 2:
        raise ValueError(
            f"a classifier needs at least 2 classes, but the data hold one class alone, {classes[totals.argmax()]!r}"
        )
    if not totals.all():  # a class whose examples all have the weight 0 is not there
        kept = totals > 0
        y, classes = np.where(kept[y], (np.cumsum(kept) - 1)[y], 0), classes[kept]
    own = None if sample_weight is None else given
    return _Examples(X, y, classes, weight, own, _pose(estimator, X, y, weight, len(classes)))


def _check_numbers(estimator: Any) -> None:
    for name in ("C", "reg", "tol", "max_iter"):
        value: Any = getattr(estimator, name, 1)
        if name == "reg" and value is None:
            continue
        is_number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
        if not (is_number and value >= 0 and (value > 0 or name == "reg")):
            least = "zero or positive" if name == "reg" else "positive"
            raise ValueError(f"{name} must be a number, {least}, got {value!r}")


def _pose(
    estimator: Any,
    X: Float[np.ndarray, "N F"],
    y: Int[np.ndarray, " N"],
    weight: Float[np.ndarray, " N"],
    num_classes: int,
) -> Problem:
    """The problem on the device. Examples of weight 0 fill it up to one of few sizes, so that few programs are compiled."""
    num_examples, num_features = X.shape
    fitted = fit(X, False, weight)
    check_range("training", Split(X, y, weight), fitted, "float64")
    more = int(SIZES[num_examples <= SIZES].min()) - num_examples
    X, y = np.pad(X, ((0, more), (0, 0)), mode="edge"), np.pad(y, (0, more))
    with types_of("float64"):
        data = preprocess(Data(X, y, fitted, np.pad(weight, (0, more))), fitted, "float64")
    names = tuple(map(str, range(num_classes)))
    return Problem(
        SweepConfig(penalty="half_l2", penalize_bias=False, dtype="float64"),
        PathConfig(tolerance=estimator.tol, max_passes=int(estimator.max_iter)),
        Objective("softmax", "half_l2", penalize_bias=False),
        np.zeros(0),
        fitted,
        (data,),
        Schema(tuple(range(num_classes)), names),
        num_features,
    )


def _minimize(
    estimator: Any,
    examples: _Examples,
    weight: Float[np.ndarray, " N"],
    strengths: Sequence[float],
    aim: float = 1.0,
) -> list[Minimum]:
    """The minimum for each strength, ½ strength ΣW², with these weights of the examples, to `aim` times the tolerance."""
    data = examples.problem.splits[0]
    padded = np.zeros(len(data.y))
    padded[: len(weight)] = weight / weight.sum() * len(padded)
    regs = np.unique(strengths)[::-1]
    problem = replace(examples.problem, regs=regs, splits=(data._replace(weight=padded),))
    solver = replace(problem.solver, tolerance=aim * problem.solver.tolerance)
    with types_of("float64"):
        state = find_minima(replace(problem, solver=solver), PathState("float64"))
    _, reasons = problem.explain(state.minima, state.unit)
    if "passes" in reasons:
        warn(
            f"the minimum was not reached in {estimator.max_iter} passes: increase max_iter, or standardize the features",
            ConvergenceWarning,
            stacklevel=3,
        )
    rows = np.searchsorted(-regs, -np.asarray(strengths))
    return [state.minima[row] for row in rows]


def _half_reg(C: float | int, reg: float | int | None, total: float, num_classes: int) -> float:
    """The strength of ½ strength ΣW² beside the mean loss, from C or reg. `total` is Σw."""
    if reg is not None:
        return 2 * float(reg)
    return (2 if num_classes == 2 else 1) / (float(C) * float(total))


def _unfold(
    examples: _Examples, W: Float[np.ndarray, "K D"]
) -> tuple[Float[np.ndarray, "..."], Float[np.ndarray, "..."]]:
    """Coefficients and intercepts for features that are not centred; for two classes those of their difference."""
    W = np.asarray(W, np.float64)
    coef = W[:, :-1]
    intercept = W[:, -1] - coef @ np.asarray(examples.problem.fitted.mean)
    if len(W) == 2:
        return coef[1:] - coef[:1], intercept[1:] - intercept[:1]
    return coef, intercept - intercept.mean()
