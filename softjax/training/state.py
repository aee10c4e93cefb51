"""Where a sweep stands: the chunks that are done, the one in training, and what a caller is told."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float, Int, Integer


@dataclass(frozen=True)
class Seconds:
    """Where the time went, in seconds."""

    load: float = 0.0
    compile: float = 0.0
    train: float = 0.0
    evaluate: float = 0.0


@dataclass(frozen=True)
class ChunkResult:
    """What is kept of a chunk of c configurations that have been trained up to some step and evaluated.

    - `configs` (c,): which they are.
    - `steps`: SGD steps they have done.
    - `train_accuracy`, `val_accuracy`, `test_accuracy`, `final_loss`, `diverged` (c, S), `val_hits`, `test_hits` (c, N):
      as in `SweepResult`.
    - `loss_history` (c, S, H): at the steps of this rung whose losses are kept.
    - `weights` (k, S, D, K): of all of them, or of the one with the highest mean validation accuracy.
    - `carry`: the arrays to go on from (c, S, ...), where successive halving may let them; else none.
    """

    configs: Int[np.ndarray, " c"]
    steps: int
    train_accuracy: Float[np.ndarray, "c S"]
    val_accuracy: Float[np.ndarray, "c S"]
    test_accuracy: Float[np.ndarray, "c S"]
    val_hits: Integer[np.ndarray, "c V"] = field(repr=False)
    test_hits: Integer[np.ndarray, "c N"] = field(repr=False)
    final_loss: Float[np.ndarray, "c S"]
    diverged: Bool[np.ndarray, "c S"]
    loss_history: Float[np.ndarray, "c S H"] = field(repr=False)
    weights: Float[np.ndarray, "k S D K"] = field(repr=False)
    carry: tuple[np.ndarray, ...] = field(repr=False)


@dataclass(frozen=True)
class SweepState:
    """Where a sweep stands between two segments: all that it needs to go on, on one machine to the same bits.

    - `chunk_size`: the most configurations trained at a time.
    - `parts`: the chunks that are done, rung by rung of successive halving.
    - `step`: the step at which the chunk in training, the next after `parts`, stands.
    - `carry`: the arrays of its weights and of its optimizer's memory (S, c, ...), None before its first segment.
    - `losses` (c, S, H): its histories so far.
    - `seconds`: compilation, training and evaluation so far.
    """

    chunk_size: int
    parts: tuple[ChunkResult, ...] = field(repr=False)
    step: int
    carry: tuple[np.ndarray, ...] | None = field(repr=False)
    losses: Float[np.ndarray, "c S H"] = field(repr=False)
    seconds: Seconds


@dataclass(frozen=True)
class Progress:
    """What a sweep tells its caller before the first segment, after each, and when all is evaluated."""

    step: int
    """steps done, over all chunks of configurations"""
    num_steps: int
    """steps of the whole sweep: `num_iters` for each chunk, less what successive halving saves"""
    segment: int
    """segments done"""
    num_segments: int
    mean_loss: float
    """mean over the chunk's runs that have not diverged of the segment's last minibatch objective; NaN where there is
    none"""
    state: Callable[[], SweepState] = field(repr=False)
    """copies the sweep's state; to be called before the next segment begins"""
