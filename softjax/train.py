"""One training run: minibatch SGD on the linear classifier, a pure function of (lr, reg, key).

A run is cut into segments, so that its caller can report progress between them. Weights are (K, D) here.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int, Key, Num

from softjax.config import Kind, Penalty, Precision
from softjax.datasets.preprocess import Preprocessing, apply
from softjax.gradient import loss_and_grad_kd
from softjax.objective import LOSSES, matmul, penalty_value


class Objective(NamedTuple):
    """What is minimized, apart from reg; hashable, and static in a compiled program."""

    kind: Kind
    penalty: Penalty
    l1_ratio: float
    penalize_bias: bool


class Examples(NamedTuple):
    """A split on the device as it is stored: features without the bias column (N, D − 1), labels (N,)."""

    X: Num[Array, "N F"]
    y: Int[Array, " N"]


class Totals(NamedTuple):
    """Sums over the examples of a split."""

    correct: Int[Array, ""]
    loss: Float[Array, ""]
    """without the penalty"""


def initial_weights(
    key: Key[Array, ""], num_classes: int, num_weights: int, scale: float, dtype: str
) -> Float[Array, "K D"]:
    """Normal weights of standard deviation `scale`; the draw does not depend on the type."""
    draw = jax.random.normal(_init_key(key), (num_classes, num_weights), jnp.float32)
    return scale * draw.astype(dtype)


def train_segment(
    W: Float[Array, "K D"],
    lr: Float[Array, ""],
    reg: Float[Array, ""],
    key: Key[Array, ""],
    start: Int[Array, ""],
    examples: Examples,
    preprocessing: Preprocessing,
    *,
    objective: Objective,
    batch_size: int,
    num_steps: int,
    dtype: str,
    precision: Precision,
) -> tuple[Float[Array, "K D"], Float[Array, " T"]]:
    """`num_steps` SGD steps W ← W − lr ∇L(W), from step `start` on.

    The minibatch of step t is `batch_size` examples drawn with replacement by `key` and t alone. Under `vmap`
    over lr and reg it is therefore drawn once, and shared; and a run does not depend on how it is cut into
    segments. `dtype` and `precision` are those of the products' factors.

    **Returns:** the weights after the segment, and each step's minibatch objective (penalty included) before
    its update.
    """

    def step(W: Float[Array, "K D"], t: Int[Array, ""]) -> tuple[Float[Array, "K D"], Float[Array, ""]]:
        rows = jax.random.randint(
            jax.random.fold_in(_batch_key(key), t), (batch_size,), 0, len(examples.y), jnp.int32
        )
        X = apply(preprocessing, examples.X[rows], W.dtype).astype(dtype)
        value, grad = loss_and_grad_kd(
            W,
            X,
            examples.y[rows],
            reg,
            jnp.asarray(objective.l1_ratio, W.dtype),
            kind=objective.kind,
            penalty=objective.penalty,
            penalize_bias=objective.penalize_bias,
            precision=precision,
        )
        # A run whose objective is not finite is over. That the update waits for the objective lets XLA write the new
        # weights over the old, which it copies otherwise, every step.
        return W - jnp.where(jnp.isfinite(value), lr, jnp.nan) * grad, value

    return lax.scan(step, W, start + jnp.arange(num_steps, dtype=jnp.int32))


def evaluate(
    W: Float[Array, "K D"], examples: Examples, preprocessing: Preprocessing, *, kind: Kind, block: int
) -> Totals:
    """How many of `examples` are classified rightly, and the sum of their losses, `block` at a time."""

    def totals(start: Int[Array, ""] | int, size: int) -> Totals:
        X, y = (lax.dynamic_slice_in_dim(part, start, size) for part in examples)
        scores = matmul(W, apply(preprocessing, X, W.dtype).T)
        correct = (lax.argmax(scores, 0, jnp.int32) == y).sum(dtype=jnp.int32)
        return Totals(correct, LOSSES[kind](scores, y, axis=0).sum())

    def add(total: Totals, start: Int[Array, ""]) -> tuple[Totals, None]:
        return jax.tree.map(jnp.add, total, totals(start, block)), None

    whole, rest = divmod(len(examples.y), block)
    total, _ = lax.scan(add, totals(whole * block, rest), block * jnp.arange(whole, dtype=jnp.int32))
    return total


def penalty(W: Float[Array, "K D"], reg: Float[Array, ""], objective: Objective) -> Float[Array, ""]:
    """The penalty of weights (K, D), as it stands in the objective."""
    penalized = W if objective.penalize_bias else W[:, :-1]
    return penalty_value(penalized, reg, objective.penalty, jnp.asarray(objective.l1_ratio, reg.dtype))


def _init_key(key: Key[Array, ""]) -> Key[Array, ""]:
    return jax.random.fold_in(key, 0)


def _batch_key(key: Key[Array, ""]) -> Key[Array, ""]:
    return jax.random.fold_in(key, 1)
