"""What a sweep needs in memory at the least, from its options and the sizes of its data. Nothing is allocated."""

import numpy as np

from softjax.training.config import SweepConfig, weight_dtype

MOST_LOSSES = 2**26  # in the histories of all runs, two a step; a larger sweep does not keep every step
# how many arrays of the size of the weights each optimizer stores
MEMORIES = {"sgd": 0, "momentum": 1, "nesterov": 1, "adam": 2, "adamw": 2}


def sweep_bytes(
    config: SweepConfig, *, num_held_out: int, num_features: int, num_classes: int
) -> dict[str, int]:
    """The bytes that a sweep needs at the least, by what they are needed for.

    **Arguments:**

    - `num_held_out`: examples for validation and test together.
    - `num_features`, `num_classes`: of the data, without the bias.
    """
    C, S, T, B = config.num_configurations, config.num_seeds, config.num_iters, config.batch_size
    itemsize = np.dtype(weight_dtype(config.dtype)).itemsize
    weights = S * num_classes * (num_features + 1) * itemsize  # of a configuration
    trained = weights * config.runs_per_seed
    copies = 1 + MEMORIES[config.optimizer]
    kept = C if config.keep_weights == "all" or config.halvings else 1
    return {
        "results (configurations × seeds)": 40 * C * S,
        "losses (configurations × seeds × steps)": max(min(2 * C * S * T, MOST_LOSSES), 2 * C * S) * itemsize,
        "correct answers (configurations × validation and test examples)": 2 * C * num_held_out,
        "learning rates (steps)": 4 * T,
        "a minibatch (examples × features)": B * (num_features + 1) * itemsize,
        "scores of a minibatch (examples × classes)": B * num_classes * itemsize,
        "weights in training (seeds × features × classes)": min(config.chunk_size or 1, C) * trained * copies,
        "weights that are kept (seeds × features × classes)": kept * weights,
    }
