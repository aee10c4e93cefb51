"""What is minimized, as one record. Neither jax nor jaxtyping is imported."""

from dataclasses import dataclass
from typing import Any, Literal

from softjax.errors import check_choice

Kind = Literal["softmax", "hinge"]
PenaltyName = Literal["l2", "half_l2", "l1", "elastic_net", "none"]
Precision = Literal["default", "high", "highest"]


@dataclass(frozen=True)
class Objective:
    """The mean loss of the examples and the penalty on the weights, apart from its strength reg.

    For JAX a pytree with the one leaf `l1_ratio`, a number or a traced array: a compiled program serves all its values.

    Raises `InputError` for an unknown `kind` or `penalty`.
    """

    kind: Kind = "softmax"
    """softmax: cross-entropy; hinge: the multiclass SVM's loss."""
    penalty: PenaltyName = "l2"
    """l2: reg ΣW²; half_l2: ½ reg ΣW²; l1: reg Σ|W|; elastic_net: reg (l1_ratio Σ|W| + ½ (1 − l1_ratio) ΣW²); none."""
    l1_ratio: Any = 0.5
    """Share of the L1 part in elastic_net."""
    penalize_bias: bool = True
    """Whether the last row of W, the bias, counts in the penalty."""

    def __post_init__(self) -> None:
        check_choice("kind", self.kind, Kind)
        check_choice("penalty", self.penalty, PenaltyName)
