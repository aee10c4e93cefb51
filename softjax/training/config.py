"""How a sweep trains, and on which devices. Neither jax nor jaxtyping is imported."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from softjax.errors import InputError, check_choice, check_count, check_rates
from softjax.objective.config import Kind, Objective, PenaltyName, Precision
from softjax.ranges import parse_range

DType = Literal["float32", "float64", "bfloat16"]

KeepWeights = Literal["best", "all"]

Search = Literal["grid", "random", "log_uniform"]

Optimizer = Literal["sgd", "momentum", "nesterov", "adam", "adamw"]

Schedule = Literal["constant", "cosine", "step"]

Minibatches = Literal["shared", "independent"]


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
    penalty: PenaltyName = "l2"
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
    def objective(self) -> Objective:
        """What is minimized. AdamW's weight decay stands in place of the penalty."""
        penalty: PenaltyName = "none" if self.optimizer == "adamw" else self.penalty
        return Objective(self.kind, penalty, self.l1_ratio, self.penalize_bias)

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


class NotDistributedError(InputError):
    """Something is said of other processes, where there is one."""


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
            raise NotDistributedError(f"{given[0]} is for a distributed sweep")
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


def weight_dtype(dtype: str) -> str:
    """The type in which weights are kept and updated: sums of small steps need float32 at least."""
    return "float64" if dtype == "float64" else "float32"
