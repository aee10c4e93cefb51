"""One training run: minibatch SGD or a kin of it on the linear classifier, a pure function of (lr, reg, key).

A run is cut into segments, so that its caller can report progress between them. Weights are (K, D) here.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from jaxtyping import Array, Bool, Float, Int, Key, Num

from softjax.config import Kind, Optimizer, Penalty, Precision, SweepConfig
from softjax.datasets import Split
from softjax.datasets.preprocess import Preprocessing, apply
from softjax.devices import DATA
from softjax.gradient import loss_and_grad_kd
from softjax.objective import LOSSES, matmul, penalty_value


class Method(NamedTuple):
    """What is minimized, and how, apart from numbers; hashable, and static in a compiled program.

    `dtype` and `precision` are those of the products' factors; `data_parallel` is among how many devices, which lie along
    the mesh's axis "data", a minibatch is divided.
    """

    kind: Kind
    penalty: Penalty
    penalize_bias: bool
    optimizer: Optimizer
    batch_size: int
    dtype: str
    precision: Precision
    data_parallel: int


class Hyperparameters(NamedTuple):
    """Numbers that all configurations share; arguments of a compiled program, so that a new value is no new program."""

    l1_ratio: Float[Array, ""]
    init_scale: Float[Array, ""]
    momentum: Float[Array, ""]
    beta2: Float[Array, ""]
    eps: Float[Array, ""]


class Carry(NamedTuple):
    """What a step hands to the next: the weights and the optimizer's memory."""

    W: Float[Array, "K D"]
    memory: Any


class Examples(NamedTuple):
    """A split as it is stored: features without the bias column (N, D − 1), labels (N,)."""

    X: Num[Array, "N F"] | Num[np.ndarray, "N F"]
    y: Int[Array, " N"] | Int[np.ndarray, " N"]


class Evaluation(NamedTuple):
    """Which examples of a split are classified rightly, and the sum of their losses, without the penalty."""

    correct: Bool[Array, " N"]
    loss: Float[Array, ""]


def examples(split: Split, dtype: str) -> Examples:
    """A split as training takes it: pixels stay uint8, other features take the type of the weights."""
    X = split.X if split.X.dtype == np.uint8 else split.X.astype(dtype, copy=False)
    return Examples(X, split.y)


def method(config: SweepConfig, data_parallel: int) -> Method:
    """`config` as far as it is no number. AdamW's weight decay stands in place of the penalty."""
    return Method(
        config.kind,
        "none" if config.optimizer == "adamw" else config.penalty,
        config.penalize_bias,
        config.optimizer,
        config.batch_size,
        config.dtype,
        config.precision,
        data_parallel,
    )


def schedule(config: SweepConfig) -> Float[np.ndarray, " T"]:
    """What lr is multiplied by at each step."""
    match config.schedule:
        case "constant":
            factor = optax.constant_schedule(1.0)
        case "cosine":
            factor = optax.cosine_decay_schedule(1.0, config.num_iters)
        case "step":
            every = config.decay_every or -(-config.num_iters // 3)
            factor = optax.exponential_decay(1.0, every, config.decay_rate, staircase=True)
    steps = np.arange(config.num_iters, dtype=np.float32)
    return np.broadcast_to(np.asarray(factor(steps), np.float32), steps.shape)


def update_rule(
    method: Method, lr: Float[Array, ""], reg: Float[Array, ""], hyper: Hyperparameters, num_weights: int
) -> optax.GradientTransformation:
    """The optimizer of a step at learning rate `lr`; its numbers may be traced.

    - sgd: W ← W − lr g; momentum: v ← μ v + g, W ← W − lr v; nesterov: W ← W − lr (g + μ v).
    - adam: W ← W − lr m̂ / (√v̂ + ε), with bias-corrected averages m̂ of g and v̂ of g².
    - adamw: adam's step, and W ← W − lr reg W besides (Loshchilov and Hutter, *Decoupled Weight Decay
      Regularization*, 2019), for the `num_weights` columns of W, the bias's only if it is penalized.
    """
    match method.optimizer:
        case "sgd":
            return optax.sgd(lr)
        case "momentum" | "nesterov":
            return optax.sgd(lr, hyper.momentum, nesterov=method.optimizer == "nesterov")
        case "adam" | "adamw":
            adam = optax.scale_by_adam(hyper.momentum, hyper.beta2, hyper.eps)
            if method.optimizer == "adam":
                return optax.chain(adam, optax.scale_by_learning_rate(lr))
            decayed = jnp.ones((1, num_weights), reg.dtype).at[:, -1].set(float(method.penalize_bias))
            return optax.chain(
                adam, optax.add_decayed_weights(reg * decayed), optax.scale_by_learning_rate(lr)
            )


def initial(
    key: Key[Array, ""],
    num_classes: int,
    num_weights: int,
    dtype: str,
    method: Method,
    hyper: Hyperparameters,
) -> Carry:
    """Normal weights of standard deviation `init_scale`, the draw being the same in every type; no memory yet."""
    draw = jax.random.normal(key, (num_classes, num_weights), jnp.float32)
    W = hyper.init_scale.astype(dtype) * draw.astype(dtype)
    one = jnp.ones((), dtype)
    return Carry(W, update_rule(method, one, one, hyper, num_weights).init(W))


def train_segment(
    carry: Carry,
    lr: Float[Array, ""],
    reg: Float[Array, ""],
    key: Key[Array, ""],
    start: Int[Array, ""],
    factors: Float[Array, " T"],
    hyper: Hyperparameters,
    examples: Examples,
    preprocessing: Preprocessing,
    *,
    method: Method,
) -> tuple[Carry, Float[Array, " T"]]:
    """One step for each of `factors`, which multiply lr, from step `start` on.

    The minibatch of step t is `batch_size` examples drawn with replacement by `key` and t alone. Under `vmap`
    over lr and reg it is therefore drawn once, and shared; and a run does not depend on how it is cut into
    segments.

    **Returns:** what the next segment starts from, and each step's minibatch objective (penalty included) before
    its update.
    """

    def step(carry: Carry, now: tuple[Int[Array, ""], Float[Array, ""]]) -> tuple[Carry, Float[Array, ""]]:
        (W, memory), (t, factor) = carry, now
        rows = jax.random.randint(
            jax.random.fold_in(key, t), (method.batch_size,), 0, len(examples.y), jnp.int32
        )
        if method.data_parallel > 1:
            share = method.batch_size // method.data_parallel
            rows = lax.dynamic_slice_in_dim(rows, share * lax.axis_index(DATA), share)
        X = apply(preprocessing, examples.X[rows], W.dtype).astype(method.dtype)
        value, grad = loss_and_grad_kd(
            W,
            X,
            examples.y[rows],
            reg,
            hyper.l1_ratio,
            kind=method.kind,
            penalty=method.penalty,
            penalize_bias=method.penalize_bias,
            precision=method.precision,
        )
        if method.data_parallel > 1:
            value, grad = lax.pmean((value, grad), DATA)  # type: ignore[no-untyped-call]
        # A run whose objective is not finite is over. That the update waits for the objective lets XLA write the new
        # weights over the old, which it copies otherwise, every step.
        rate = jnp.where(jnp.isfinite(value), lr * factor, jnp.nan)
        with jax.numpy_dtype_promotion("standard"):  # optax counts in integers and corrects in floats
            updates, memory = update_rule(method, rate, reg, hyper, W.shape[1]).update(grad, memory, W)
        return Carry(optax.apply_updates(W, updates), memory), value

    steps = start + jnp.arange(len(factors), dtype=jnp.int32)
    return lax.scan(step, carry, (steps, factors.astype(carry.W.dtype)))


def evaluate(
    W: Float[Array, "K D"], examples: Examples, preprocessing: Preprocessing, *, kind: Kind, block: int
) -> Evaluation:
    """Which of `examples` are classified rightly, and the sum of their losses, `block` at a time."""

    def part(start: Int[Array, ""] | int, size: int) -> Evaluation:
        X, y = (lax.dynamic_slice_in_dim(each, start, size) for each in examples)
        scores = matmul(W, apply(preprocessing, X, W.dtype).T)
        return Evaluation(lax.argmax(scores, 0, jnp.int32) == y, LOSSES[kind](scores, y, axis=0).sum())

    def add(total: Float[Array, ""], start: Int[Array, ""]) -> tuple[Float[Array, ""], Bool[Array, " B"]]:
        correct, loss = part(start, block)
        return total + loss, correct

    whole, rest = divmod(len(examples.y), block)
    last = part(whole * block, rest)
    loss, correct = lax.scan(add, last.loss, block * jnp.arange(whole, dtype=jnp.int32))
    return Evaluation(jnp.concatenate([correct.ravel(), last.correct]), loss)


def penalty(
    W: Float[Array, "K D"], reg: Float[Array, ""], hyper: Hyperparameters, method: Method
) -> Float[Array, ""]:
    """The penalty of weights (K, D), as it stands in the objective."""
    penalized = W if method.penalize_bias else W[:, :-1]
    return penalty_value(penalized, reg, method.penalty, hyper.l1_ratio)
