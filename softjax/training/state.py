"""The state of a sweep: finished chunks, the current chunk, and the progress that is reported."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, Integer


@dataclass(frozen=True)
class Seconds:
    """The time of each phase, in seconds."""

    load: float = 0.0
    compile: float = 0.0
    train: float = 0.0
    evaluate: float = 0.0


@dataclass(frozen=True)
class ChunkResult:
    """The result of a chunk of c configurations, trained to some step and evaluated.

    - `configs` (c,): their indices.
    - `steps`: steps they were trained.
    - `train_accuracy`, `val_accuracy`, `test_accuracy`, `final_loss`, `diverged` (c, S), `val_hits`, `test_hits` (c, N):
      as in `SweepResult`.
    - `fold_accuracy` (c, S, F): the accuracy on each fold; F is 0 without cross-validation.
    - `losses` (c, S, H, 2): the minibatch objective with the penalty and without it, at those steps of this rung that are kept.
    - `weights` (k, S, D, K): of all configurations, or of the one with the highest mean validation accuracy.
    - `carry`: the arrays (c, S, ...) from which the next rung of successive halving may start; empty in the last rung.
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
    fold_accuracy: Float[np.ndarray, "c S F"] = field(repr=False)
    losses: Float[np.ndarray, "c S H 2"] = field(repr=False)
    weights: Float[np.ndarray, "k S D K"] = field(repr=False)
    carry: tuple[np.ndarray, ...] = field(repr=False)


@dataclass(frozen=True)
class SweepState:
    """The state of a sweep between two segments. A later call of `sweep` can continue from it, on one machine bit for bit.

    Examples:
        >>> from softjax import SweepConfig, load_dataset, sweep
        >>> config, states = SweepConfig(learning_rates=(0.001, 0.01), regs=(0.001,), num_iters=10), []
        >>> result = sweep(load_dataset("digits"), config, on_progress=lambda p: states.append(p.state()))
        >>> again = sweep(load_dataset("digits"), config, state=states[1])  # after the first segment
        >>> bool((again.val_accuracy == result.val_accuracy).all())
        True

    Attributes:
        chunk_size: The largest number of configurations trained at the same time.
        parts: The finished chunks; rung by rung with successive halving.
        step: The number of steps done by the current chunk, which is the next after `parts`.
        carry: Weights and optimizer state of the current chunk (S, c, ...); None before its first segment.
        losses: The minibatch objective with the penalty and without it, of the current chunk so far (c, S, H, 2).
        seconds: Time to compile, train and evaluate so far, in seconds.
        origin: The configuration and the data set of its sweep. None if it was read from a checkpoint, which knows them.
    """

    chunk_size: int
    parts: tuple[ChunkResult, ...] = field(repr=False)
    step: int
    carry: tuple[np.ndarray, ...] | None = field(repr=False)
    losses: Float[np.ndarray, "c S H 2"] = field(repr=False)
    seconds: Seconds
    origin: dict[str, Any] | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Progress:
    """The progress of a sweep, as `on_progress` gets it: before the first segment, after each, and at the end.

    Examples:
        >>> from softjax import SweepConfig, load_dataset, sweep
        >>> config, steps = SweepConfig(learning_rates=(0.001, 0.01), regs=(0.001,), num_iters=10), []
        >>> result = sweep(load_dataset("digits"), config, on_progress=lambda p: steps.append(p.step))
        >>> steps[0], steps[-1]
        (0, 10)

    Attributes:
        step: Steps done, summed over all chunks of configurations.
        num_steps: Steps of the whole sweep: `num_iters` for each chunk, fewer with successive halving.
        segment: Segments done.
        num_segments: Segments of the whole sweep.
        median_loss: The last minibatch objective of the segment, the median over the runs of the chunk that did not diverge. NaN
            before the first segment, and where all diverged.
        num_diverged: Runs that diverged so far, in finished chunks and in the current one.
        best: The highest validation accuracy of a configuration, averaged over seeds, and its learning rate and penalty
            strength; of the chunks so far, of the last rung with successive halving. The chunk that trains is validated every
            few segments, so that this takes no more than about a fortieth of its time. None before the first time, also of a
            sweep that goes on from a state; and in several processes before the first chunk is finished.
        state: A function that copies the state of the sweep, a `SweepState`. Call it before `on_progress` returns.
    """

    step: int
    num_steps: int
    segment: int
    num_segments: int
    median_loss: float
    num_diverged: int
    best: tuple[float, float, float] | None
    state: Callable[[], SweepState] = field(repr=False)

    def describe(self) -> tuple[int, int, str]:
        """What a progress bar shows: the steps done, all of them, and a text."""
        parts = []  # what matters most stands first: a narrow terminal cuts the line
        if self.best is not None:
            parts.append("best {:.3f} (lr {:.3g}, reg {:.3g})".format(*self.best))
        if self.num_diverged:
            parts.append(f"{self.num_diverged} diverged")
        if not math.isnan(self.median_loss):
            parts.append(f"median loss {self.median_loss:.4g}")
        parts.append(f"segment {self.segment} of {self.num_segments}")
        return self.step, self.num_steps, ", ".join(parts)
