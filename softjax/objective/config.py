"""What is minimized, as one record. Neither jax nor jaxtyping is imported."""

from dataclasses import dataclass
from typing import Any, Literal

from softjax.errors import check_choice

Kind = Literal["softmax", "hinge"]
PenaltyName = Literal["l2", "half_l2", "l1", "elastic_net", "none"]
Precision = Literal["default", "high", "highest"]


@dataclass(frozen=True)
class Objective:
    """What is minimized: the mean loss of the examples plus a penalty on the weights. The penalty's strength, reg, is not
    part of it.

    JAX sees a pytree with one leaf, `l1_ratio`, a number or a traced array: one compiled program serves all its values.

    Raises:
        InputError: for an unknown `kind` or `penalty`.

    Attributes:
        kind: softmax: cross-entropy; hinge: the multiclass SVM's loss.
        penalty: l2: reg ΣW²; half_l2: ½ reg ΣW²; l1: reg Σ|W|;
            elastic_net: reg (l1_ratio Σ|W| + ½ (1 − l1_ratio) ΣW²); none.
        l1_ratio: elastic_net: share of the L1 part, from 0 to 1.
        penalize_bias: Whether the penalty includes the last row of W, the bias.
    """

    kind: Kind = "softmax"
    penalty: PenaltyName = "l2"
    l1_ratio: Any = 0.5
    penalize_bias: bool = True

    def __post_init__(self) -> None:
        check_choice("kind", self.kind, Kind)
        check_choice("penalty", self.penalty, PenaltyName)
