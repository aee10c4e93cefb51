"""What `softjax check` checks."""

import math
from dataclasses import dataclass

from softjax.errors import InputError, check_choice, check_count, check_kinds, check_rates
from softjax.objective.config import Kind, PenaltyName


@dataclass(frozen=True)
class CheckConfig:
    """What `softjax check` checks: by default the gradient by hand, as in the course.

    Raises:
        InputError: for a value that no check can have.

    Attributes:
        function: Your own function, package.module:name. It is called as function(params, *args) and returns a scalar.
        gradient: Its claimed gradient, package.module:name. It is called in the same way. It returns the
            gradient or (value, gradient).
        inputs: The arguments of both. Either a .npz file, whose first array is params and whose others are args; or
            package.module:name of a tuple (params, *args), or of a function that returns such a tuple.
        num_checks: Number of gradient entries, drawn at random, that are also estimated by finite differences and listed.
        regs: Penalty strengths, one table for each: start:stop:count, log:start:stop:count or a comma list.
        init_scale: Standard deviation of the weights W at which the gradient is computed.
        seed: Seed of the weights, the development examples and the entries.
        kind: softmax: cross-entropy; hinge: the multiclass SVM's loss.
        penalty: l2: reg ΣW²; half_l2: ½ reg ΣW²; l1: reg Σ|W|; elastic_net: reg (½ Σ|W| + ¼ ΣW²); none.
    """

    function: str | None = None
    gradient: str | None = None
    inputs: str | None = None
    num_checks: int = 10
    regs: tuple[float, ...] = (0.0, 50.0)
    init_scale: float = 1e-4
    seed: int = 0
    kind: Kind = "softmax"
    penalty: PenaltyName = "l2"

    def __post_init__(self) -> None:
        check_kinds(self)
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
