"""A training step and a segment of steps, by SGD, momentum, Adam or AdamW, as pure functions of (lr, reg, key).

A run is divided into segments, and its caller can report progress between them. Weights are (K, D) here.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from jaxtyping import Array, Float, Int, Key, UInt32

from softjax.datasets.preprocess import Preprocessing, apply
from softjax.evaluation.examples import Examples
from softjax.objective.config import Objective, Precision
from softjax.objective.gradient import loss_and_grad_kd
from softjax.training.config import Optimizer, SweepConfig
from softjax.training.devices import DATA

WIDE = 1024  # columns; up to 127 more are then cheaper than smaller tiles


class Method(NamedTuple):
    """How a step is computed, apart from its numbers. It is hashable, and static in a compiled program.

    `dtype` and `precision` are those of the matrix products. `data_parallel` is the number of devices, along the mesh's
    axis "data", that share a minibatch. During a segment the weights have a multiple of `align` columns.
    """

    optimizer: Optimizer
    batch_size: int
    dtype: str
    precision: Precision
    data_parallel: int
    align: int


class Hyperparameters(NamedTuple):
    """Numbers that all configurations share. They are arguments of the programs: a new value needs no compilation."""

    init_scale: Float[Array, ""]
    momentum: Float[Array, ""]
    beta2: Float[Array, ""]
    eps: Float[Array, ""]


class Setting(NamedTuple):
    """What all runs of a sweep share: the objective, the numbers and the data, on the device.

    `bounds` is for weighted training examples, as `weigh_draws` computes it; None if all weights are 1. `folds` is the fold of
    each training example; None without cross-validation.
    """

    objective: Objective
    hyper: Hyperparameters
    train: Examples
    val: Examples
    test: Examples
    preprocessing: Preprocessing
    bounds: Any = None  # UInt32 (N,), on the host or on the device
    folds: Any = None  # Int (N,)


class Run(NamedTuple):
    """What differs between runs: numbers for one run, arrays for several. `fold` is held out; None without cross-validation."""

    lr: Float[Array, "..."]
    reg: Float[Array, "..."]
    key: Key[Array, "..."]
    fold: Int[Array, "..."] | None


class Steps(NamedTuple):
    """The T steps of a segment: the number of the first one, and the factor of lr at each."""

    start: Int[Array, ""]
    factors: Float[Array, " T"]


class Carry(NamedTuple):
    """The state between two steps: the weights and the optimizer's state."""

    W: Float[Array, "K D"]
    memory: Any


def choose_method(config: SweepConfig, data_parallel: int, backend: str, num_weights: int) -> Method:
    """The `Method` of `config` on devices of this backend, for classifiers with `num_weights` columns, bias included."""
    align = choose_alignment(backend, num_weights)
    return Method(config.optimizer, config.batch_size, config.dtype, config.precision, data_parallel, align)


def choose_alignment(backend: str, num_weights: int) -> int:
    """Of what number the columns of the weights are made a multiple.

    The matrix units of a GPU load 16 bytes at a time, and take tiles of up to 128 columns; those of a TPU always take 128. With
    D = 3,073 a GPU does less than half of what it does with 3,200. A CPU loses nothing.
    """
    if backend == "cpu":
        return 1
    return 128 if backend == "tpu" or num_weights >= WIDE else 16


def schedule_factors(config: SweepConfig) -> Float[np.ndarray, " T"]:
    """The factor of lr at each step."""
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


def make_optimizer(
    optimizer: Optimizer, lr: Float[Array, ""], reg: Float[Array, ""], setting: Setting, num_weights: int
) -> optax.GradientTransformation:
    """The optimizer of a step with learning rate `lr`. Its numbers may be traced.

    - sgd: W ← W − lr g; momentum: v ← μ v + g, W ← W − lr v; nesterov: W ← W − lr (g + μ v).
    - adam: W ← W − lr m̂ / (√v̂ + ε), with bias-corrected averages m̂ of g and v̂ of g².
    - adamw: the step of adam, and the decay W ← W − lr reg W (Loshchilov and Hutter, *Decoupled Weight Decay
      Regularization*, 2019). W has `num_weights` columns; the bias, the last one, decays only if it is penalized.
    """
    hyper = setting.hyper
    match optimizer:
        case "sgd":
            return optax.sgd(lr)
        case "momentum" | "nesterov":
            return optax.sgd(lr, hyper.momentum, nesterov=optimizer == "nesterov")
        case "adam" | "adamw":
            adam = optax.scale_by_adam(hyper.momentum, hyper.beta2, hyper.eps)
            if optimizer == "adam":
                return optax.chain(adam, optax.scale_by_learning_rate(lr))
            penalize_bias = float(setting.objective.penalize_bias)
            decayed = jnp.ones((1, num_weights), reg.dtype).at[:, -1].set(penalize_bias)
            return optax.chain(
                adam, optax.add_decayed_weights(reg * decayed), optax.scale_by_learning_rate(lr)
            )


def initialize_run(
    key: Key[Array, ""], num_classes: int, dtype: str, setting: Setting, method: Method
) -> Carry:
    """Normal weights with standard deviation `init_scale`, and the initial optimizer state. All types use the same draw."""
    num_weights = setting.train.X.shape[1] + 1
    draw = jax.random.normal(key, (num_classes, num_weights), jnp.float32)
    W = setting.hyper.init_scale.astype(dtype) * draw.astype(dtype)
    one = jnp.ones((), dtype)
    return Carry(W, make_optimizer(method.optimizer, one, one, setting, num_weights).init(W))


def train_segment(
    carry: Carry, run: Run, steps: Steps, setting: Setting, *, method: Method
) -> tuple[Carry, Float[Array, "T 2"]]:
    """Runs the steps of a segment.

    The minibatches of all steps are drawn before the first. On GPUs and TPUs the weights get columns of zeros, before the
    others so that the bias stays last; they stay zero, since their features are.

    **Returns:** the carry for the next segment, and for each step the minibatch objective before the update, with the penalty
    and without it.
    """
    num_weights = carry.W.shape[1]
    padding = -num_weights % method.align

    def widen(leaf: Array) -> Array:
        return jnp.pad(leaf, ((0, 0), (padding, 0))) if leaf.ndim == 2 else leaf

    def narrow(leaf: Array) -> Array:
        return leaf[:, padding:] if leaf.ndim == 2 else leaf

    def step(carry: Carry, now: tuple[Int[Array, " B"], Float[Array, ""]]) -> tuple[Carry, Float[Array, "2"]]:
        return take_step(carry, run, *now, setting, method)

    numbers = steps.start + jnp.arange(len(steps.factors), dtype=jnp.int32)
    draw = partial(draw_minibatch, run.key, len(setting.train.y), setting.bounds, method)
    each_step = (jax.vmap(draw)(numbers), steps.factors.astype(carry.W.dtype))
    if not padding:
        return lax.scan(step, carry, each_step)
    carry, losses = lax.scan(step, jax.tree.map(widen, carry), each_step)
    return jax.tree.map(narrow, carry), losses


def take_step(
    carry: Carry,
    run: Run,
    rows: Int[Array, " B"],
    factor: Float[Array, ""],
    setting: Setting,
    method: Method,
) -> tuple[Carry, Float[Array, "2"]]:
    """One step, W ← W − lr · factor · ∇L for SGD, on the minibatch of these rows.

    Returns the new carry, and the objective before the step, with the penalty and without it. W may have more columns than there are features, the first ones.
    """
    W, memory = carry
    X = apply(setting.preprocessing, setting.train.X[rows], W.dtype, W.shape[1]).astype(method.dtype)
    value, data_loss, grad = loss_and_grad_kd(
        W,
        X,
        setting.train.y[rows],
        run.reg,
        setting.objective,
        precision=method.precision,
        share=_share(run, rows, setting, W.dtype, method),
    )
    if method.data_parallel > 1:
        value, data_loss, grad = lax.pmean((value, data_loss, grad), DATA)  # type: ignore[no-untyped-call]
    # If the objective is not finite, the run has diverged: its weights become NaN. The update also depends on the
    # objective so that XLA can overwrite the old weights; otherwise it copies them at every step.
    rate = jnp.where(jnp.isfinite(value), run.lr * factor, jnp.nan)
    optimizer = make_optimizer(method.optimizer, rate, run.reg, setting, W.shape[1])
    with jax.numpy_dtype_promotion("standard"):  # optax mixes its integer step count with floats
        updates, memory = optimizer.update(grad, memory, W)
    return Carry(optax.apply_updates(W, updates), memory), jnp.stack([value, data_loss])


def _share(
    run: Run, rows: Int[Array, " B"], setting: Setting, dtype: Any, method: Method
) -> Float[Array, " B"] | None:
    """The share of each example of a minibatch in its mean loss: 0 in the fold that is held out. None if all are the same."""
    if setting.folds is None or run.fold is None:
        return None
    kept = jnp.not_equal(setting.folds[rows], run.fold).astype(dtype)
    total = kept.sum()
    if method.data_parallel > 1:
        total = lax.pmean(total, DATA)  # type: ignore[no-untyped-call]  # as the losses of the devices are averaged
    return kept / jnp.maximum(total, float(np.finfo(dtype).tiny))


def weigh_draws(weight: Float[np.ndarray, " N"] | None) -> UInt32[np.ndarray, " N"] | None:
    """The cumulative weights as shares of 2³²: row i is drawn for a number from bounds[i − 1] to bounds[i] − 1.

    An example is then drawn in proportion to its weight, and the loss of a minibatch needs no weights. Its expected value is
    the weighted mean, with less noise than weighted losses of examples that are drawn alike.
    """
    if weight is None:
        return None
    shares = np.cumsum(weight) / np.sum(weight)
    bounds: np.ndarray = np.minimum(np.round(shares * 2.0**32), 2.0**32 - 1).astype(np.uint32)
    return bounds


def draw_minibatch(
    key: Key[Array, ""],
    num_examples: int,
    bounds: UInt32[Array, " N"] | None,
    method: Method,
    number: Int[Array, ""],
) -> Int[Array, " B"]:
    """The rows of the minibatch of the step `number`, or this device's share of them, drawn with replacement, in proportion to the weights.

    They depend only on `key` and the number of the step. So under `vmap` over lr and reg they are drawn once and shared,
    and a run does not depend on its segments.
    """
    key, shape = jax.random.fold_in(key, number), (method.batch_size,)
    if bounds is None:
        rows = jax.random.randint(key, shape, 0, num_examples, jnp.int32)
    else:
        drawn = jax.random.bits(key, shape, jnp.uint32)
        rows = jnp.searchsorted(bounds[:-1], drawn, side="right").astype(jnp.int32)
    if method.data_parallel > 1:
        share = method.batch_size // method.data_parallel
        rows = lax.dynamic_slice_in_dim(rows, share * lax.axis_index(DATA), share)
    return rows
