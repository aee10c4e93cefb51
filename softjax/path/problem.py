"""What a regularization path minimizes: the objective, the penalty strengths, and the examples on the device."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from softjax.datasets.dataset import Dataset, Schema, Split
from softjax.datasets.folds import assign_folds, merge_parts
from softjax.datasets.preprocess import Preprocessing, can_apply, centre, fit
from softjax.errors import InputError
from softjax.evaluation.examples import check_ranges, mean_one
from softjax.memory import check_memory
from softjax.objective.config import Objective
from softjax.objective.penalty import coefficients
from softjax.path.config import PathConfig, path_bytes
from softjax.path.newton import gap
from softjax.path.passes import Data, SolverSpec, read_features
from softjax.path.result import Minimum, Reason
from softjax.training.config import SweepConfig, weight_dtype
from softjax.training.step import choose_alignment

LARGEST_DENSE = 1000  # weights; for more, inverting the Hessian takes longer than it saves
STORED_BYTES = 2**30  # of probabilities, or
STORED_SHARE = 8  # of the memory of a GPU an eighth
SMOOTH = ("l2", "half_l2", "none")  # penalties


@dataclass(frozen=True)
class Problem:
    """What is minimized, and the examples on the device."""

    config: SweepConfig
    solver: PathConfig
    objective: Objective
    regs: Float[np.ndarray, " S"]
    """the penalty strengths that differ, from the largest to the smallest"""
    fitted: Preprocessing
    splits: tuple[Data, ...]
    """training examples, and those on which the minima are evaluated"""
    schema: Schema
    num_features: int
    folds: Int[np.ndarray, " N"] | None = None
    """the fold of each training example, for cross-validation"""

    @property
    def num_parts(self) -> int:
        """How many paths are solved: one, or one without each fold and then one with all examples."""
        return 1 if self.folds is None else int(self.folds.max()) + 2

    def strength(self, number: int) -> float:
        """The penalty strength of the minimum with this number: those of a part from the largest on, part by part."""
        return float(self.regs[number % len(self.regs)])

    def weigh(self, data: Data, part: int) -> Data:
        """The examples of a part: those of the fold that is held out have the weight 0."""
        if self.folds is None:
            return data
        weight = np.ones(len(data.y)) if data.weight is None else np.asarray(data.weight)
        weight = np.where(self.folds == part, 0, weight)
        return data._replace(weight=jnp.asarray(weight / weight.mean()))

    @property
    def num_classes(self) -> int:
        """K, the number of classes."""
        return len(self.schema.classes)

    @property
    def backend(self) -> str:
        """The backend of the device on which the examples are."""
        return str(self._device.platform)

    @property
    def align(self) -> int:
        """The products have a multiple of so many columns."""
        return choose_alignment(self.backend, self.num_features + 1)

    @property
    def _device(self) -> jax.Device:
        (device,) = jnp.asarray(self.splits[0].X).devices()
        return device

    def stores(self, dtype: str) -> bool:
        """Whether the probabilities of all training examples are kept."""
        stats: dict[str, int] = self._device.memory_stats() or {}
        needed = len(self.splits[0].y) * self.num_classes * np.dtype(dtype).itemsize
        return needed <= max(stats.get("bytes_limit", 0) // STORED_SHARE, STORED_BYTES)

    @property
    def dense(self) -> bool:
        """Whether the Hessian is small enough to be inverted."""
        small = (self.num_features + 1) * self.num_classes <= LARGEST_DENSE
        return small and len(self.splits[0].y) * self.num_classes * 8 <= STORED_BYTES

    def centred_in(self, X: Any, dtype: str) -> str:
        """The type in which to centre: `dtype`, unless it would round the features."""
        return dtype if can_apply(self.fitted, X, dtype) else "float64"

    def curvature(self, reg: Float[np.ndarray, " R"]) -> Float[np.ndarray, " R"]:
        """The second derivative of the penalty with respect to a weight, for each of these strengths."""
        return np.broadcast_to(coefficients(self.objective.penalty, reg).curvature, reg.shape)

    def explain(self, minima: Sequence[Minimum], unit: float) -> tuple[Float[np.ndarray, " R"], list[Reason]]:
        """The gap of each minimum, and why it did not converge if it did not."""
        norm, value, c = (
            np.array([getattr(each, name) for each in minima]) for name in ("norm", "value", "curvature")
        )
        gaps = gap(c, norm, value, unit or 1.0, np.where)
        reasons: list[Reason] = []
        for each, minimum in zip(gaps, minima, strict=True):
            limited = minimum.passes >= self.solver.max_passes
            reasons.append("" if each <= self.solver.tolerance else "passes" if limited else "rounding")
        return gaps, reasons


def check_smooth(config: SweepConfig) -> None:
    """Raises `InputError` unless Newton's method can minimize the objective of `config`."""
    if config.kind != "softmax":
        raise InputError(
            f"to converge, kind must be softmax: {config.kind} has kinks, and Newton's method needs second derivatives"
        )
    if config.penalty not in SMOOTH:
        raise InputError(
            f"to converge, penalty must be l2, half_l2 or none: {config.penalty} has kinks, and Newton's method needs "
            "second derivatives"
        )
    if config.dtype == "bfloat16":
        raise InputError("to converge, dtype must be float32 or float64, got 'bfloat16'")


def load_problem(dataset: Dataset, config: SweepConfig, solver: PathConfig) -> Problem:
    """The problem of these options. Raises `InputError` as `softjax.regularization_path` does."""
    check_smooth(config)
    dtype, folds = weight_dtype(config.dtype), None
    if config.folds:
        dataset = merge_parts(dataset)
        folds = assign_folds(dataset, config.folds, config.seed)
    splits = (dataset.train, dataset.val, dataset.test)
    needed = path_bytes(
        len(config.regs) * config.runs_per_seed,
        num_examples=sum(map(len, splits)),
        num_features=dataset.num_features,
        num_classes=dataset.num_classes,
        itemsize=np.dtype(dtype).itemsize,
    )
    check_memory("the path", needed)
    fitted = fit(dataset.train.X, config.standardize, dataset.train.weight)
    check_ranges(dataset, fitted, dtype)
    train, val, test = (_place(split, fitted, dtype) for split in splits)
    regs = config.regs if config.penalty != "none" else (0.0,)
    return Problem(
        config,
        solver,
        Objective(config.kind, config.penalty, penalize_bias=config.penalize_bias),
        np.unique(np.asarray(regs, float))[::-1],
        fitted,
        (train, val, test),
        dataset.schema,
        dataset.num_features,
        folds,
    )


def _place(split: Split, fitted: Preprocessing, dtype: str) -> Data:
    """The examples on the device, as they are. They are preprocessed in blocks, when they are used."""
    weight = mean_one(split.weight, "float64")
    if split.X.dtype != np.float64 and not can_apply(fitted, split.X, dtype):
        # of an extreme scale, which the device may round to 0
        return preprocess(Data(split.X, split.y, fitted, weight), fitted, dtype)
    data = Data(split.X, split.y.astype(np.int32), fitted, weight)
    on_device: Data = jax.tree.map(jnp.asarray, data)
    return on_device


def preprocess(data: Data, fitted: Preprocessing, dtype: str) -> Data:
    """The examples with nothing left to preprocess. They are made on the host, in float64 until they are centred."""
    num_examples, num_features = data.X.shape
    ready = np.ones((num_examples, num_features + 1), dtype)
    ready[:, :-1] = centre(fitted, np.asarray(data.X), dtype)
    placed: Data = jax.tree.map(jnp.asarray, Data(ready, np.asarray(data.y, np.int32), None, data.weight))
    return placed


def preprocess_there(spec: SolverSpec, data: Data) -> Data:
    """The same, made where the examples are, of which the host has no copy then."""
    ready = jax.jit(read_features, static_argnums=(2, 3))(
        data.X, data.preprocessing, spec.centred_in, spec.dtype
    )
    return data._replace(X=ready, preprocessing=None)
