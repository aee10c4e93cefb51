"""How a sweep trains, and on which devices. Neither jax nor jaxtyping is imported."""

import math
from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np

from softjax.errors import InputError, check_choice, check_count, check_kinds, check_rates, write_count
from softjax.objective.config import Kind, Objective, PenaltyName, Precision
from softjax.ranges import parse_range

DType = Literal["float32", "float64", "bfloat16"]

KeepWeights = Literal["best", "all"]

Search = Literal["grid", "random", "log_uniform"]

Optimizer = Literal["sgd", "momentum", "nesterov", "adam", "adamw"]

Schedule = Literal["constant", "cosine", "step"]

Minibatches = Literal["shared", "independent"]


# Options that only some values of another option use: the option, the other one, and these values.
USED_BY: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("momentum", "optimizer", ("momentum", "nesterov", "adam", "adamw")),
    ("beta2", "optimizer", ("adam", "adamw")),
    ("eps", "optimizer", ("adam", "adamw")),
    ("decay_every", "schedule", ("step",)),
    ("decay_rate", "schedule", ("step",)),
    ("l1_ratio", "penalty", ("elastic_net",)),
)


@dataclass(frozen=True)
class SweepConfig:
    """The runs of a sweep, lr × reg × seed, and how they are trained. The defaults suit the digits, whose pixels are 0 to 16.

    Raises:
        InputError: for a value that no sweep can have, or one that has no effect with the others.

    Examples:
        >>> from softjax import SweepConfig
        >>> config = SweepConfig(learning_rates=(0.01, 0.1), regs=(0.0, 1e-3, 1e-2), num_seeds=5)
        >>> config.num_configurations
        6

    Attributes:
        learning_rates: Learning rates lr, all positive. On the command line start:stop:count, log:start:stop:count or a
            comma list. A random search draws between the smallest and the largest.
        regs: Penalty strengths reg, zero or positive, written in the same way.
        search: grid: every learning rate with every penalty strength. log_uniform: `num_configs` pairs (lr, reg), drawn
            uniformly in their logarithms between the smallest and the largest; random: drawn uniformly in the values
            themselves. A drawn search suits a first look, a fixed budget, or a case where one of the two hardly matters.
        num_configs: random, log_uniform: how many pairs are drawn. 64 by default.
        halvings: Rounds of successive halving h. After T/2ʰ, ..., T/4 and T/2 steps, only the better half of the
            configurations, by validation accuracy, continues. This saves time if many configurations are bad from the start.
        num_iters: Steps T of every run.
        batch_size: Examples in a minibatch, drawn with replacement.
        minibatches: shared: all configurations of a seed have the same initial weights and the same minibatches. This is
            fast, and configurations differ in lr and reg alone. independent: each configuration has its own, as in a loop
            over configurations; it shows the spread of such runs.
        folds: Cross-validation with so many folds: training and validation examples together are divided, stratified, and each
            configuration is trained without each fold, which tests it, and once with all. All these runs share the matrix
            products: of a shared minibatch each run without a fold takes about (folds − 1) / folds of the examples. 0 for none.
        num_seeds: Runs of each configuration. With two or more, the report's intervals include the spread over seeds.
            Five are usually enough to tell the best configuration from others.
        seed: The first seed; the others are the numbers after it. A drawn search uses it too.
        optimizer: sgd: W ← W − lr ∇L, as in the course. momentum, nesterov: faster where sgd is slow;
            start from (1 − momentum) times the lr of sgd. adam: one step size per weight, for features that differ in scale; lr is
            about the most a weight moves in a step. adamw: adam with the weight decay W ← W − lr reg W instead of the
            penalty.
        momentum: momentum, nesterov: share of the last step that is kept; adam, adamw: β₁.
        beta2: adam, adamw: β₂, the decay rate of the average of squared gradients.
        eps: adam, adamw: ε, added to the denominator.
        schedule: constant: lr does not change. cosine: lr falls to 0 along half a cosine wave, which removes the noise of
            the last steps and allows a larger lr. step: lr is multiplied by `decay_rate` after every `decay_every` steps.
        decay_every: step: number of steps between two decays. A third of `num_iters` by default.
        decay_rate: step: factor of each decay, in (0, 1].
        init_scale: Standard deviation of the initial weights.
        kind: softmax: cross-entropy; hinge: the multiclass SVM's loss.
        penalty: l2: reg ΣW²; half_l2: ½ reg ΣW²; l1: reg Σ|W|; elastic_net: both, mixed by `l1_ratio`; none.
        l1_ratio: elastic_net: the penalty is reg (l1_ratio Σ|W| + ½ (1 − l1_ratio) ΣW²).
        penalize_bias: The penalty includes the bias, the last row of W, as in the course. The flag excludes it.
        standardize: Divide each centred feature by its standard deviation on the training set. For features in
            different units; pixels do not need it.
        dtype: Type of weights and arithmetic. bfloat16: training multiplies matrices in bfloat16 and sums in float32;
            weights and evaluation stay in float32.
        precision: JAX's matmul precision in training. highest: full float32, results agree across devices. high, default:
            faster on GPUs (TF32) and TPUs (bfloat16), no difference on CPUs.
        keep_weights: Which weights the result and its report contain: those of the best classifier, or all.
        chunk_size: Configurations trained at the same time. By default as many as train fast and fit the device's
            memory. It changes the result only by rounding.
    """

    learning_rates: tuple[float, ...] = parse_range("log:1e-3:1:10")
    regs: tuple[float, ...] = parse_range("log:1e-4:1:10")
    search: Search = "grid"
    num_configs: int | None = None
    halvings: int = 0
    num_iters: int = 1000
    batch_size: int = 200
    minibatches: Minibatches = "shared"
    folds: int = 0
    num_seeds: int = 1
    seed: int = 0
    optimizer: Optimizer = "sgd"
    momentum: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    schedule: Schedule = "constant"
    decay_every: int | None = None
    decay_rate: float = 0.1
    init_scale: float = 1e-3
    kind: Kind = "softmax"
    penalty: PenaltyName = "l2"
    l1_ratio: float = 0.5
    penalize_bias: bool = True
    standardize: bool = False
    dtype: DType = "float32"
    precision: Precision = "highest"
    keep_weights: KeepWeights = "best"
    chunk_size: int | None = None

    def __post_init__(self) -> None:
        check_kinds(self)
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
            ("penalty", PenaltyName),
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
        if self.optimizer == "adamw" and self.penalty != "l2":
            raise InputError(
                f"adamw uses reg as weight decay and has no penalty: leave penalty at its default l2, got {self.penalty!r}"
            )
        if not math.isfinite(self.init_scale) or self.init_scale < 0:
            raise InputError(f"init_scale must be finite and zero or positive, got {self.init_scale!r}")
        if not 0 <= self.l1_ratio <= 1:
            raise InputError(f"l1_ratio must lie between 0 and 1, got {self.l1_ratio!r}")
        if self.chunk_size is not None:
            check_count("chunk_size", self.chunk_size)
        if self.folds != 0:
            check_count("folds", self.folds, least=2)
            if self.halvings:
                raise InputError("folds and halvings cannot be combined: leave one of them out")
        self._check_used()
        self._check_held()

    def _check_used(self) -> None:
        """Raises `InputError` if an option is not at its default, and has no effect."""
        given = list_changed(self)
        for name, other, users in USED_BY:
            if name in given and getattr(self, other) not in users:
                text = " and ".join(filter(None, [", ".join(users[:-1]), users[-1]]))
                raise InputError(f"{name} is for {text}; the {other} is {getattr(self, other)}")

    def _check_held(self) -> None:
        """Raises `InputError` if a number would be infinite, or 0 without being it, in the type of the weights."""
        dtype = weight_dtype(self.dtype)
        numbers = {
            "learning_rates": self.learning_rates,
            "regs": self.regs,
            "init_scale": (self.init_scale,),
            "eps": (self.eps,),
        }
        for name, values in numbers.items():
            with np.errstate(over="ignore"):
                held = np.asarray(values, float).astype(dtype)
            for value, there in zip(values, held, strict=True):
                if not np.isfinite(there) or (there == 0 and value != 0):
                    raise InputError(f"{name} must be numbers that {dtype} can hold, got {float(value)!r}")

    def _check_search(self) -> None:
        if self.num_configs is not None:
            check_count("num_configs", self.num_configs)
            if self.search == "grid":
                raise InputError(
                    "num_configs is for search random or log_uniform; a grid has learning_rates × regs configurations"
                )
        if self.search == "log_uniform" and 0 in self.regs:
            raise InputError("search log_uniform needs positive regs, got 0: its logarithm is infinite")
        check_count("halvings", self.halvings, least=0)
        most = min(self.num_configurations, self.num_iters).bit_length() - 1
        if self.halvings > most:
            raise InputError(
                f"halvings must be at most {most}, as each needs twice as many configurations and steps; got "
                f"{write_count(self.halvings)} with {self.num_configurations} configurations and {self.num_iters} steps"
            )

    @property
    def objective(self) -> Objective:
        """What is minimized. AdamW has no penalty: its weight decay replaces it."""
        penalty: PenaltyName = "none" if self.optimizer == "adamw" else self.penalty
        return Objective(self.kind, penalty, self.l1_ratio, self.penalize_bias)

    @property
    def runs_per_seed(self) -> int:
        """How often a configuration is trained for each seed: once, or once without each fold and once with all examples."""
        return self.folds + 1 if self.folds else 1

    @property
    def num_configurations(self) -> int:
        """C, the number of configurations."""
        if self.search == "grid":
            return len(self.learning_rates) * len(self.regs)
        return self.num_configs or 64

    def configurations(self) -> tuple[np.ndarray, np.ndarray]:
        """Learning rates (C,) and penalty strengths (C,).

        Those of a grid are in the order of two nested loops, learning rates in the outer loop.
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


LONGEST_HEARTBEAT = 86_400  # seconds: a day


class NotDistributedError(InputError):
    """An option of a distributed sweep was given, but the sweep is not distributed."""


@dataclass(frozen=True)
class DeviceConfig:
    """Which devices train. By default all that JAX sees; each trains its share of the configurations.

    Raises:
        InputError: for options that do not fit together.

    Examples:
        >>> from softjax import DeviceConfig
        >>> DeviceConfig(distributed=True, coordinator="10.0.0.1:1234", num_processes=2, process_id=0).heartbeat
        60

    Attributes:
        data_parallel: Number of devices that share each minibatch. Useful for few configurations with large minibatches;
            otherwise leave it at 1.
        distributed: This process is one of several; start the same command on each host. Slurm and Cloud TPUs need no
            further options. The data set must be on all hosts, the output folder on the first. Process 0 writes the
            report and shows progress.
        coordinator: distributed: HOST:PORT of process 0, where no such environment gives it.
        num_processes: distributed, with a coordinator: number of processes.
        process_id: distributed, with a coordinator: number of this process, from 0.
        heartbeat: distributed: seconds. A process that gives no sign of life for so long counts as dead, and all others
            end.
    """

    data_parallel: int = 1
    distributed: bool = False
    coordinator: str | None = None
    num_processes: int | None = None
    process_id: int | None = None
    heartbeat: int = 60

    def __post_init__(self) -> None:
        check_kinds(self)
        check_count("data_parallel", self.data_parallel)
        check_count("heartbeat", self.heartbeat, most=LONGEST_HEARTBEAT)
        for name, least in (("num_processes", 1), ("process_id", 0)):
            if getattr(self, name) is not None:
                check_count(name, getattr(self, name), least)
        named = {name: getattr(self, name) for name in ("coordinator", "num_processes", "process_id")}
        given = [name for name, value in named.items() if value is not None]
        if not self.distributed:
            for name in [name for name in list_changed(self) if name in (*named, "heartbeat")]:
                raise NotDistributedError(f"{name} is for a distributed sweep")
        if given and len(given) < 3:
            missing = next(name for name in named if name not in given)
            raise InputError(f"coordinator, num_processes and process_id go together: {missing} is missing")
        if self.coordinator is not None:
            host, _, port = self.coordinator.rpartition(":")
            if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
                raise InputError(f"coordinator must be HOST:PORT, got {self.coordinator!r}")
        if self.num_processes is not None and self.process_id is not None:
            check_count("process_id", self.process_id, least=0, most=self.num_processes - 1)


def weight_dtype(dtype: str) -> str:
    """The type of the weights and their updates: at least float32, as bfloat16 would round small steps away."""
    return "float64" if dtype == "float64" else "float32"


def list_changed(options: Any) -> list[str]:
    """The names of the fields of a record of options that are not at their default."""
    return [each.name for each in fields(options) if getattr(options, each.name) != each.default]
