"""The frozen records a run is described by. Each raises `InputError` for a value that no run can have.

Their fields, with the texts below them, are the command line's options. Neither jax nor jaxtyping is imported.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np

Kind = Literal["softmax", "hinge"]
Penalty = Literal["l2", "half_l2", "l1", "elastic_net", "none"]
DType = Literal["float32", "float64", "bfloat16"]
Precision = Literal["default", "high", "highest"]
KeepWeights = Literal["best", "all"]

DATASETS = ("digits", "cifar10", "synthetic")


class InputError(ValueError):
    """What the caller gave cannot be used. The message is one line that says what was seen and what to do."""


def check_choice(name: str, value: object, choices: object) -> None:
    """Raises `InputError` unless `value` is one of the values of the `Literal` type `choices`."""
    if value not in get_args(choices):
        raise InputError(f"{name} must be one of {', '.join(get_args(choices))}, got {value!r}")


def _check_count(name: str, value: int, least: int = 1, most: int | None = None) -> None:
    bound = f"of at least {least}" if most is None else f"from {least} to {most}"
    if isinstance(value, bool) or not isinstance(value, int) or value < least or (most and value > most):
        raise InputError(f"{name} must be a whole number {bound}, got {value!r}")


def _check_rates(name: str, values: tuple[float, ...], positive: bool) -> None:
    if len(values) == 0:
        raise InputError(f"{name} is empty: give at least one value")
    for value in values:
        if not math.isfinite(value) or value < 0 or (positive and value == 0):
            least = "positive" if positive else "zero or positive"
            raise InputError(f"{name} must be finite and {least}, got {value!r}")
    if len(set(values)) < len(values):
        raise InputError(f"{name} holds a value twice: {', '.join(map(str, values))}")


def parse_range(text: str) -> tuple[float, ...]:
    """The numbers of `start:stop:count`, `log:start:stop:count` (both ends included) or `a,b,c`.

    Raises `InputError` for any other text.
    """
    try:
        match text.split(":"):
            case [numbers]:
                return tuple(float(number) for number in numbers.split(","))
            case ["log", start, stop, count]:
                return tuple(np.geomspace(float(start), float(stop), int(count)).tolist())
            case [start, stop, count]:
                return tuple(np.linspace(float(start), float(stop), int(count)).tolist())
            case _:
                raise ValueError
    except ValueError:
        raise InputError(
            f"{text!r} is no range: expected start:stop:count, log:start:stop:count (with positive ends) "
            "or a comma list of numbers"
        ) from None


def format_range(values: tuple[float, ...]) -> str:
    """A text that `parse_range` reads as `values`, the shortest of its forms."""
    if len(values) > 2:
        for prefix in ("", "log:"):
            text = f"{prefix}{values[0]:g}:{values[-1]:g}:{len(values)}"
            if (not prefix or min(values) > 0) and parse_range(text) == values:
                return text
    return ",".join(f"{value:.17g}" if float(f"{value:g}") != value else f"{value:g}" for value in values)


@dataclass(frozen=True)
class DataConfig:
    """Which data set, and which part of it."""

    dataset: str = "digits"
    """digits (embedded), cifar10, synthetic, or the path of a .npz file with arrays X and y, or X_train,
    y_train, X_val, y_val, X_test and y_test."""
    data_dir: Path | None = None
    """cifar10: folder with cifar-10-batches-bin or cifar-10-batches-py. By default $SOFTJAX_DATA_DIR, then
    the user's cache, and the published archive is downloaded where neither has it."""
    test_images: int | Literal["all"] | None = None
    """cifar10: how many of the 10,000 test images are used, from the first on; 1000 by default."""
    split_seed: int = 0
    """digits and .npz: seed of the stratified split; synthetic: seed of the examples."""
    num_examples: int | None = None
    """synthetic: N, training, validation and test together; 51000 by default."""
    num_features: int | None = None
    """synthetic: features without the bias; 3072 by default."""
    num_classes: int | None = None
    """synthetic: K; 10 by default."""

    def __post_init__(self) -> None:
        if self.dataset not in DATASETS and not self.dataset.endswith(".npz"):
            raise InputError(
                f"unknown dataset {self.dataset!r}: expected {', '.join(DATASETS)} or a path ending in .npz"
            )
        if self.data_dir is not None and self.dataset != "cifar10":
            raise InputError(f"data_dir is for the dataset cifar10, not for {self.dataset!r}")
        if self.test_images is not None:
            if self.dataset != "cifar10":
                raise InputError(f"test_images is for the dataset cifar10, not for {self.dataset!r}")
            if self.test_images != "all":
                _check_count("test_images", self.test_images, most=10_000)
        _check_count("split_seed", self.split_seed, least=0, most=2**31 - 1)
        for name, least in (("num_examples", 10), ("num_features", 1), ("num_classes", 2)):
            value = getattr(self, name)
            if value is not None:
                if self.dataset != "synthetic":
                    raise InputError(f"{name} is for the dataset synthetic, not for {self.dataset!r}")
                _check_count(name, value, least=least)


@dataclass(frozen=True)
class SweepConfig:
    """A grid of SGD runs, lr × reg × seed. The defaults suit the digits, whose pixels run from 0 to 16."""

    learning_rates: tuple[float, ...] = parse_range("log:1e-3:1:10")
    """Step sizes lr of SGD: start:stop:count, log:start:stop:count or a comma list."""
    regs: tuple[float, ...] = parse_range("log:1e-4:1:10")
    """Penalty strengths, in the same notation."""
    num_iters: int = 1000
    """SGD steps T of every run."""
    batch_size: int = 200
    """Examples in a minibatch, drawn with replacement."""
    num_seeds: int = 1
    """Runs of each configuration; each seed has its own initial weights and minibatches, which all
    configurations share."""
    seed: int = 0
    """The first seed; the others follow it."""
    init_scale: float = 1e-3
    """Standard deviation of the initial weights."""
    kind: Kind = "softmax"
    """softmax: cross-entropy; hinge: the multiclass SVM's loss."""
    penalty: Penalty = "l2"
    """l2: reg ΣW²; half_l2: ½ reg ΣW²; l1: reg Σ|W|; elastic_net: both, mixed by l1-ratio; none."""
    l1_ratio: float = 0.5
    """elastic_net: reg (l1_ratio Σ|W| + ½ (1 − l1_ratio) ΣW²)."""
    penalize_bias: bool = True
    """Whether the bias row of W counts in the penalty, as in the course."""
    standardize: bool = False
    """Divide each centred feature by its standard deviation on the training set. For features of your own
    that come in different units; pixels are used as they are."""
    dtype: DType = "float32"
    """Type of weights and arithmetic. bfloat16: in training, that of the factors of the matrix products, which are
    summed in float32; weights and evaluation stay float32."""
    precision: Precision = "highest"
    """JAX's matmul precision in training. highest: float32 in full, so that results agree across devices; high, default:
    faster on GPUs (TF32) and TPUs (bfloat16), the same on CPUs."""
    keep_weights: KeepWeights = "best"
    """Which weights the result and its report hold: those of the best classifier, or all."""
    chunk_size: int | None = None
    """Configurations trained at a time; by default as many as are fast and fit the device's memory. The result
    does not depend on it but for rounding."""

    def __post_init__(self) -> None:
        _check_rates("learning_rates", self.learning_rates, positive=True)
        _check_rates("regs", self.regs, positive=False)
        for name in ("num_iters", "batch_size", "num_seeds"):
            _check_count(name, getattr(self, name))
        _check_count("seed", self.seed, least=0, most=2**31 - self.num_seeds)
        if not math.isfinite(self.init_scale) or self.init_scale < 0:
            raise InputError(f"init_scale must be finite and zero or positive, got {self.init_scale!r}")
        if not 0 <= self.l1_ratio <= 1:
            raise InputError(f"l1_ratio must lie between 0 and 1, got {self.l1_ratio!r}")
        check_choice("kind", self.kind, Kind)
        check_choice("penalty", self.penalty, Penalty)
        check_choice("dtype", self.dtype, DType)
        check_choice("precision", self.precision, Precision)
        check_choice("keep_weights", self.keep_weights, KeepWeights)
        if self.chunk_size is not None:
            _check_count("chunk_size", self.chunk_size)


@dataclass(frozen=True)
class CheckConfig:
    """What to check: by default the gradient by hand, as in the course."""

    function: str | None = None
    """Your own function, package.module:name, called as function(params, *args); it returns a scalar."""
    gradient: str | None = None
    """Its claimed gradient, package.module:name, called alike; it returns the gradient or (value, gradient)."""
    inputs: str | None = None
    """What they are called with: a .npz file, its first array being params and the others args, or
    package.module:name of a tuple (params, *args) or a function that returns one."""
    num_checks: int = 10
    """Entries of the gradient that are taken by differences too, drawn at random, and listed."""
    regs: tuple[float, ...] = (0.0, 50.0)
    """Penalty strengths, one table each: start:stop:count, log:start:stop:count or a comma list."""
    init_scale: float = 1e-4
    """Standard deviation of the weights W at which the gradient is taken."""
    seed: int = 0
    """Seed of the weights, the development examples and the entries."""
    kind: Kind = "softmax"
    """softmax: cross-entropy; hinge: the multiclass SVM's loss."""
    penalty: Penalty = "l2"
    """l2: reg ΣW²; half_l2: ½ reg ΣW²; l1: reg Σ|W|; elastic_net: half and half of these; none."""

    def __post_init__(self) -> None:
        own = (self.function, self.gradient, self.inputs)
        if any(own) and not all(own):
            raise InputError("function, gradient and inputs go together: give all three, or none of them")
        _check_count("num_checks", self.num_checks)
        _check_rates("regs", self.regs, positive=False)
        if not math.isfinite(self.init_scale) or self.init_scale < 0:
            raise InputError(f"init_scale must be finite and zero or positive, got {self.init_scale!r}")
        _check_count("seed", self.seed, least=0, most=2**31 - 1)
        check_choice("kind", self.kind, Kind)
        check_choice("penalty", self.penalty, Penalty)


@dataclass(frozen=True)
class CompareConfig:
    """Which frameworks are compared, and on what."""

    frameworks: tuple[str, ...] = ()
    """Names or patterns such as 'jax-*'; all by default. A framework that is not installed is reported as such."""
    cases: tuple[str, ...] = ()
    """Names or patterns of cases, or accuracy, edge_cases, modes, speed; all by default."""
    quick: bool = False
    """Leave out what takes minutes: frameworks that compile for tens of seconds, large problems, half types."""
    time_limit: float = 180.0
    """Seconds that a framework may take for one case, compilation included, before it counts as hanging."""

    def __post_init__(self) -> None:
        if not math.isfinite(self.time_limit) or self.time_limit <= 0:
            raise InputError(f"time_limit must be finite and positive, got {self.time_limit!r}")
