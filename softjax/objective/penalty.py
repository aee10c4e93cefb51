"""Every penalty is l1 · Σ|W| + l2 · ΣW²: its value, slope and curvature, for W (D, K) or (K, D).

| penalty | l1 | l2 |
| --- | --- | --- |
| `"l2"` | – | reg |
| `"half_l2"` | – | ½ reg |
| `"l1"` | reg | – |
| `"elastic_net"` | reg · l1_ratio | ½ reg (1 − l1_ratio) |
| `"none"` | – | – |

`objective.py` adds the penalty to the mean loss; `gradient.py` and `path/passes.py` also add its slope to the gradient. To add
a penalty, add its name to `config.PenaltyName` and a case to `coefficients`.
"""

import operator
from functools import reduce
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from softjax.objective.config import Objective, PenaltyName

jax.tree_util.register_dataclass(
    Objective, data_fields=["l1_ratio"], meta_fields=["kind", "penalty", "penalize_bias"]
)


class Penalty(NamedTuple):
    """The penalty l1 · Σ|W| + l2 · ΣW². A coefficient None means no term: 0 · ΣW² would be NaN if W² overflows."""

    l1: Any
    l2: Any

    @property
    def curvature(self) -> Any:
        """The second derivative with respect to each weight, 2 l2. That of |w| is taken as 0."""
        return 0.0 if self.l2 is None else 2 * self.l2

    def value(self, W: Float[Array, "..."]) -> Float[Array, ""]:
        """l1 · Σ|W| + l2 · ΣW²."""
        terms = []
        if self.l1 is not None:
            terms.append(self.l1 * jnp.sum(jnp.abs(W)))
        if self.l2 is not None:
            terms.append(self.l2 * jnp.sum(W * W))
        return reduce(operator.add, terms) if terms else jnp.zeros((), W.dtype)

    def slope(self, W: Float[Array, "..."]) -> Float[Array, "..."]:
        """The gradient l1 · sign(W) + 2 l2 · W; the derivative of |w| at 0 is taken as 0."""
        terms = []
        if self.l1 is not None:
            terms.append(self.l1 * jnp.sign(W))
        if self.l2 is not None:
            terms.append(2 * self.l2 * W)
        return reduce(operator.add, terms) if terms else jnp.zeros_like(W)


def coefficients(penalty: PenaltyName, reg: Any, l1_ratio: Any = 0.5) -> Penalty:
    """The penalty of this name and strength. `reg` and `l1_ratio` are numbers or traced arrays."""
    match penalty:
        case "l2":
            return Penalty(None, reg)
        case "half_l2":
            return Penalty(None, 0.5 * reg)
        case "l1":
            return Penalty(reg, None)
        case "elastic_net":
            return Penalty(reg * l1_ratio, 0.5 * reg * (1 - l1_ratio))
        case "none":
            return Penalty(None, None)


def penalty_value(
    objective: Objective, reg: ArrayLike, W: Float[Array, "..."], dtype: Any, *, bias_axis: int
) -> Float[Array, ""]:
    """The penalty of W, summed in `dtype`.

    **Arguments:**

    - `objective`: which penalty, and whether it includes the bias.
    - `reg`: its strength.
    - `W`: weights, (D, K) with `bias_axis=0` or (K, D) with `bias_axis=1`; the bias is last on that axis.
    """
    return _penalty(objective, reg, dtype).value(_penalized(objective, W, bias_axis).astype(dtype))


def penalty_and_slope(
    objective: Objective, reg: ArrayLike, W: Float[Array, "..."], dtype: Any, *, bias_axis: int
) -> tuple[Float[Array, ""], Float[Array, "..."]]:
    """The penalty of W and its gradient with respect to W, in `dtype`. Arguments as `penalty_value`."""
    penalty = _penalty(objective, reg, dtype)
    slope = penalty.slope(W.astype(dtype))
    if not objective.penalize_bias:
        slope = without_bias(slope, bias_axis)
    return penalty_value(objective, reg, W, dtype, bias_axis=bias_axis), slope


def penalty_curvature(objective: Objective, reg: ArrayLike, dtype: Any) -> Array:
    """The second derivative of the penalty with respect to each weight that it includes."""
    return jnp.asarray(_penalty(objective, reg, dtype).curvature, dtype)


def without_bias(array: Float[Array, "..."], bias_axis: int) -> Float[Array, "..."]:
    """`array` with zeros in place of the bias, which is last on `bias_axis`."""
    bias = (slice(None),) * bias_axis + (-1,)
    return array.at[bias].set(0)


def _penalty(objective: Objective, reg: ArrayLike, dtype: Any) -> Penalty:
    return coefficients(objective.penalty, jnp.asarray(reg, dtype), jnp.asarray(objective.l1_ratio, dtype))


def _penalized(objective: Objective, W: Float[Array, "..."], bias_axis: int) -> Float[Array, "..."]:
    if objective.penalize_bias:
        return W
    kept = (slice(None),) * bias_axis + (slice(-1),)
    return W[kept]
