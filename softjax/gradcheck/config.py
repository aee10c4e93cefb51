"""What `softjax check` checks."""

import math
from dataclasses import dataclass

from softjax.errors import InputError, check_choice, check_count, check_rates
from softjax.objective.config import Kind, PenaltyName


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
    penalty: PenaltyName = "l2"
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
        check_choice("penalty", self.penalty, PenaltyName)
