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
Search = Literal["grid", "random", "log_uniform"]
Optimizer = Literal["sgd", "momentum", "nesterov", "adam", "adamw"]
Schedule = Literal["constant", "cosine", "step"]
Minibatches = Literal["shared", "independent"]
PathOrder = Literal["auto", "together", "warm"]

DATASETS = ("digits", "cifar10", "synthetic")


class InputError(ValueError):
    """What the caller gave cannot be used. The message is one line that says what was seen and what to do."""


def check_choice(name: str, value: object, choices: object) -> None:
    """Raises `InputError` unless `value` is one of the values of the `Literal` type `choices`."""
    if value not in get_args(choices):
        raise InputError(f"{name} must be one of {', '.join(get_args(choices))}, got {value!r}")


def check_count(name: str, value: int, least: int = 1, most: int | None = None) -> None:
    bound = f"of at least {least}" if most is None else f"from {least} to {most}"
    if (
        isinstance(value, bool)
        or not isinstance(value, int)
        or value < least
        or (most is not None and value > most)
    ):
        raise InputError(f"{name} must be a whole number {bound}, got {value!r}")


def check_rates(name: str, values: tuple[float, ...], positive: bool) -> None:
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
    val_images: int | None = None
    """cifar10: how many of the 50,000 training images are for validation, from the last on; 1000, as in the course, by
    default. More of them tell configurations apart that 1000 leave tied."""
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
        if self.val_images is not None:
            if self.dataset != "cifar10":
                raise InputError(f"val_images is for the dataset cifar10, not for {self.dataset!r}")
            check_count("val_images", self.val_images, most=49_999)
        if self.test_images is not None:
            if self.dataset != "cifar10":
                raise InputError(f"test_images is for the dataset cifar10, not for {self.dataset!r}")
            if self.test_images != "all":
                check_count("test_images", self.test_images, most=10_000)
        check_count("split_seed", self.split_seed, least=0, most=2**31 - 1)
        for name, least in (("num_examples", 10), ("num_features", 1), ("num_classes", 2)):
            value = getattr(self, name)
            if value is not None:
                if self.dataset != "synthetic":
                    raise InputError(f"{name} is for the dataset synthetic, not for {self.dataset!r}")
                check_count(name, value, least=least)


@dataclass(frozen=True)
class SweepConfig:
    """Training runs, lr × reg × seed, and how they are trained. The defaults suit the digits, whose pixels run from
    0 to 16.
    """

    learning_rates: tuple[float, ...] = parse_range("log:1e-3:1:10")
    """Step sizes lr: start:stop:count, log:start:stop:count or a comma list. A random search draws between the least
    and the largest."""
    regs: tuple[float, ...] = parse_range("log:1e-4:1:10")
    """Penalty strengths, in the same notation."""
    search: Search = "grid"
    """grid: every learning rate with every penalty strength. log_uniform, random: num-configs pairs drawn between the
    ends of both, evenly in their logarithms or in themselves; for a first look, where one of the two hardly matters, or
    to spend a given budget."""
    num_configs: int | None = None
    """random, log_uniform: how many pairs are drawn; 64 by default."""
    halvings: int = 0
    """Successive halving: after T/2ʰ, ..., T/4, T/2 steps only the better half of the configurations, by validation
    accuracy, goes on. For many configurations, most of which show early that they are no good."""
    num_iters: int = 1000
    """Steps T of every run."""
    batch_size: int = 200
    """Examples in a minibatch, drawn with replacement."""
    minibatches: Minibatches = "shared"
    """shared: all configurations of a seed start from the same weights and see the same minibatches, which is fast, and
    the fair comparison. independent: each has its own, as in a loop over configurations; for the spread of such runs."""
    num_seeds: int = 1
    """Runs of each configuration. From two on, the report says how sure its figures are; five tell the best from the
    tied."""
    seed: int = 0
    """The first seed; the others follow it. Seed of the search too."""
    optimizer: Optimizer = "sgd"
    """sgd: W ← W − lr ∇L, the course's. momentum, nesterov: with a heavy ball, when sgd is slow; lr about 1 − momentum
    times sgd's. adam: a step size an entry, when features differ in scale; lr is about what a weight may move in a step.
    adamw: the same with reg as a decoupled weight decay, W ← W − lr reg W, in place of the penalty."""
    momentum: float = 0.9
    """momentum, nesterov: share of the last step that is kept; adam, adamw: β₁."""
    beta2: float = 0.999
    """adam, adamw: β₂, of the squared gradients' average."""
    eps: float = 1e-8
    """adam, adamw: ε, added to the denominator."""
    schedule: Schedule = "constant"
    """constant: lr throughout. cosine: from lr to 0 over half a wave, when the last runs' noise matters; it takes a
    larger lr. step: times decay-rate after every decay-every steps."""
    decay_every: int | None = None
    """step: steps between two decays; a third of num-iters by default."""
    decay_rate: float = 0.1
    """step: what lr is multiplied by at each decay."""
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
        check_rates("learning_rates", self.learning_rates, positive=True)
        check_rates("regs", self.regs, positive=False)
        for name in ("num_iters", "batch_size", "num_seeds"):
            check_count(name, getattr(self, name))
        check_count("seed", self.seed, least=0, most=2**31 - self.num_seeds)
        for name, choices in (
            ("search", Search),
            ("minibatches", Minibatches),
            ("optimizer", Optimizer),
            ("schedule", Schedule),
            ("kind", Kind),
            ("penalty", Penalty),
            ("dtype", DType),
            ("precision", Precision),
            ("keep_weights", KeepWeights),
        ):
            check_choice(name, getattr(self, name), choices)
        self._check_search()
        for name in ("momentum", "beta2"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(f"{name} must lie in [0, 1), got {getattr(self, name)!r}")
        if not (math.isfinite(self.eps) and self.eps > 0):
            raise InputError(f"eps must be finite and positive, got {self.eps!r}")
        if not 0 < self.decay_rate <= 1:
            raise InputError(f"decay_rate must lie in (0, 1], got {self.decay_rate!r}")
        if self.decay_every is not None:
            check_count("decay_every", self.decay_every)
            if self.schedule != "step":
                raise InputError(f"decay_every is for the schedule step, not for {self.schedule!r}")
        if self.optimizer == "adamw" and self.penalty != "l2":
            raise InputError(
                f"adamw takes reg as its weight decay and no penalty besides: leave penalty at l2, got {self.penalty!r}"
            )
        if not math.isfinite(self.init_scale) or self.init_scale < 0:
            raise InputError(f"init_scale must be finite and zero or positive, got {self.init_scale!r}")
        if not 0 <= self.l1_ratio <= 1:
            raise InputError(f"l1_ratio must lie between 0 and 1, got {self.l1_ratio!r}")
        if self.chunk_size is not None:
            check_count("chunk_size", self.chunk_size)

    def _check_search(self) -> None:
        if self.num_configs is not None:
            check_count("num_configs", self.num_configs)
            if self.search == "grid":
                raise InputError(
                    "num_configs is for search random or log_uniform; a grid has as many as its axes give"
                )
        if self.search == "log_uniform" and 0 in self.regs:
            raise InputError("search log_uniform needs positive regs, got 0: its logarithm is infinite")
        check_count("halvings", self.halvings, least=0)
        if 2**self.halvings > min(self.num_configurations, self.num_iters):
            raise InputError(
                f"{self.halvings} halvings need at least {2**self.halvings} configurations and as many steps, got "
                f"{self.num_configurations} configurations and {self.num_iters} steps"
            )

    @property
    def num_configurations(self) -> int:
        """C."""
        if self.search == "grid":
            return len(self.learning_rates) * len(self.regs)
        return self.num_configs or 64

    def configurations(self) -> tuple[np.ndarray, np.ndarray]:
        """Learning rates (C,) and penalty strengths (C,): the grid's in the order of two nested loops, learning rates
        outside, or those that were drawn.
        """
        if self.search == "grid":
            lr, reg = np.meshgrid(self.learning_rates, self.regs, indexing="ij")
            return lr.ravel(), reg.ravel()
        rng = np.random.default_rng(self.seed)
        ends = np.array([(min(each), max(each)) for each in (self.learning_rates, self.regs)])
        if self.search == "log_uniform":
            ends = np.log(ends)
        drawn = rng.uniform(ends[:, 0], ends[:, 1], size=(self.num_configurations, 2)).T
        lr, reg = np.exp(drawn) if self.search == "log_uniform" else drawn
        return lr, reg


@dataclass(frozen=True)
class PathConfig:
    """How the objective is minimized to convergence, for every penalty strength of a path."""

    tolerance: float = 1e-6
    """Converged: where the gradient is so small that the objective is within this share of its minimum, ‖∇L‖² / 2c ≤
    tolerance · L with c the penalty's curvature (without one, where ‖∇L‖ is at most this share of that at W = 0)."""
    max_lbfgs_iters: int = 1000
    """L-BFGS iterations after which a penalty strength counts as not converged."""
    path: PathOrder = "auto"
    """together: all penalty strengths at once, in shared matrix products, the faster way for few classes; warm: from the
    largest penalty on, in batches, each started from the one before, for many classes; auto: what the sizes suggest."""

    def __post_init__(self) -> None:
        if not 0 < self.tolerance < 1:
            raise InputError(f"tolerance must lie between 0 and 1, got {self.tolerance!r}")
        check_count("max_lbfgs_iters", self.max_lbfgs_iters)
        check_choice("path", self.path, PathOrder)


@dataclass(frozen=True)
class DeviceConfig:
    """On which devices: by default all that JAX sees, each with its share of the configurations."""

    data_parallel: int = 1
    """Devices among which every minibatch is divided too. For few configurations and large minibatches; else leave it."""
    distributed: bool = False
    """This process is one of several, started alike on each host. Under Slurm and on Cloud TPUs nothing else need be said;
    the data set and --out must be there on the first host, the data set on all. Process 0 writes and shows progress."""
    coordinator: str | None = None
    """distributed: HOST:PORT of process 0, where there is no such environment."""
    num_processes: int | None = None
    """distributed, with a coordinator: how many processes there are."""
    process_id: int | None = None
    """distributed, with a coordinator: which of them this is, from 0 on."""
    heartbeat: int = 60
    """distributed: seconds without a sign of life after which a process counts as dead, and all others end."""

    def __post_init__(self) -> None:
        check_count("data_parallel", self.data_parallel)
        check_count("heartbeat", self.heartbeat)
        named = {name: getattr(self, name) for name in ("coordinator", "num_processes", "process_id")}
        given = [name for name, value in named.items() if value is not None]
        if given and not self.distributed:
            raise InputError(f"{given[0]} is for a distributed sweep: give --distributed too")
        if given and len(given) < 3:
            missing = next(name for name in named if name not in given)
            raise InputError(f"coordinator, num_processes and process_id go together: {missing} is missing")
        if self.coordinator is not None:
            host, _, port = self.coordinator.rpartition(":")
            if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
                raise InputError(f"coordinator must be HOST:PORT, got {self.coordinator!r}")
        if self.num_processes is not None and self.process_id is not None:
            check_count("num_processes", self.num_processes)
            check_count("process_id", self.process_id, least=0, most=self.num_processes - 1)


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
        check_count("num_checks", self.num_checks)
        check_rates("regs", self.regs, positive=False)
        if not math.isfinite(self.init_scale) or self.init_scale < 0:
            raise InputError(f"init_scale must be finite and zero or positive, got {self.init_scale!r}")
        check_count("seed", self.seed, least=0, most=2**31 - 1)
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
