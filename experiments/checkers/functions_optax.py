"""optax: its losses, with the gradient by jax.grad in the type."""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from optax import losses

from checkers.registry import ALL_TYPES, RealFunction, by_jax

RNG = np.random.default_rng(5)
SCORES = RNG.normal(size=(5, 4))
LABELS = np.array([0, 2, 3, 1, 1])
ONEHOT = np.eye(4)[LABELS]
BINARY = np.array([1.0, 0, 0, 1, 1])
LOGITS = np.array([-2.2, -0.4, 0.3, 1.6, 4.0])
TARGETS = np.array([0.5, -1.1, 0.4, 2.2, 3.9])
P = np.abs(RNG.normal(size=(5, 4))) + 0.1
P /= P.sum(axis=1, keepdims=True)
Q = np.roll(P, 1, axis=0)
IN_ALL_TYPES = {"softmax_cross_entropy", "sigmoid_binary_cross_entropy", "squared_error", "huber_loss"}


def list_functions(library: str) -> Iterator[RealFunction]:
    """Mean losses, by the prediction."""
    of_two: dict[str, tuple[Callable[..., Any], np.ndarray, np.ndarray]] = {
        "sigmoid_binary_cross_entropy": (losses.sigmoid_binary_cross_entropy, LOGITS, BINARY),
        "sigmoid_binary_cross_entropy of large scores": (
            losses.sigmoid_binary_cross_entropy,
            20 * LOGITS,
            BINARY,
        ),
        "softmax_cross_entropy": (losses.softmax_cross_entropy, SCORES, ONEHOT),
        "safe_softmax_cross_entropy": (losses.safe_softmax_cross_entropy, SCORES, ONEHOT),
        "softmax_cross_entropy_with_integer_labels": (
            losses.softmax_cross_entropy_with_integer_labels,
            SCORES,
            LABELS,
        ),
        "softmax_cross_entropy of large scores": (losses.softmax_cross_entropy, 100 * SCORES, ONEHOT),
        "poly_loss_cross_entropy": (losses.poly_loss_cross_entropy, SCORES, ONEHOT),
        "sigmoid_focal_loss": (losses.sigmoid_focal_loss, LOGITS, BINARY),
        "squared_error": (losses.squared_error, LOGITS, TARGETS),
        "l2_loss": (losses.l2_loss, LOGITS, TARGETS),
        "huber_loss": (losses.huber_loss, LOGITS, TARGETS),
        "log_cosh": (losses.log_cosh, LOGITS, TARGETS),
        "cosine_distance": (losses.cosine_distance, LOGITS, TARGETS),
        "cosine_similarity": (losses.cosine_similarity, LOGITS, TARGETS),
        "hinge_loss": (losses.hinge_loss, LOGITS, 2 * BINARY - 1),
        "perceptron_loss": (losses.perceptron_loss, LOGITS, 2 * BINARY - 1),
        "sparsemax_loss": (losses.sparsemax_loss, LOGITS, BINARY),
        "multiclass_hinge_loss": (losses.multiclass_hinge_loss, SCORES, LABELS),
        "multiclass_perceptron_loss": (losses.multiclass_perceptron_loss, SCORES, LABELS),
        "multiclass_sparsemax_loss": (losses.multiclass_sparsemax_loss, SCORES, LABELS),
        "kl_divergence": (losses.kl_divergence, np.log(P), Q),
        "kl_divergence_with_log_targets": (losses.kl_divergence_with_log_targets, np.log(P), np.log(Q)),
        "generalized_kl_divergence": (losses.generalized_kl_divergence, np.log(P), Q),
        "dice_loss": (losses.dice_loss, SCORES, ONEHOT),
        "ranking_softmax_loss": (losses.ranking_softmax_loss, SCORES, P),
        "ntxent": (losses.ntxent, SCORES, np.array([0, 0, 1, 1, 2])),
        "make_fenchel_young_loss": (losses.make_fenchel_young_loss(jax.nn.logsumexp), SCORES, P),
    }
    for name, (loss, prediction, target) in of_two.items():
        dtypes = ALL_TYPES if name in IN_ALL_TYPES else ("float64", "float32")
        yield from by_jax(
            library, f"optax.losses.{name}", lambda p, t, f=loss: jnp.mean(f(p, t)), prediction, target, dtypes=dtypes
        )  # fmt: skip
    yield from by_jax(
        library,
        "optax.losses.triplet_margin_loss",
        lambda a, p, n: jnp.mean(losses.triplet_margin_loss(a, p, n)),
        SCORES,
        SCORES[::-1] + 0.3,
        SCORES + 0.9,
    )
    no_padding = np.zeros((2, 6))
    yield from by_jax(
        library,
        "optax.losses.ctc_loss",
        lambda s, sp, l, lp: jnp.mean(losses.ctc_loss(s, sp, l, lp)),
        RNG.normal(size=(2, 6, 4)),
        no_padding,
        np.array([[1, 2], [3, 1]]),
        np.zeros((2, 2)),
    )
    tree = {"w": SCORES, "b": LOGITS}
    yield from by_jax(library, "optax.tree.norm", optax.tree.norm, tree)
    yield from by_jax(
        library,
        "optax.projections.projection_simplex",
        lambda x, w: (w * optax.projections.projection_simplex(x)).sum(),
        np.array([0.9, 0.3, -0.7, 0.5]),
        np.array([0.2, -1.0, 0.7, 0.4]),
    )
    yield from by_jax(
        library,
        "optax.projections.projection_l2_ball",
        lambda x, w: (w * optax.projections.projection_l2_ball(x)).sum(),
        np.array([0.9, 0.3, -0.7, 0.5]),
        np.array([0.2, -1.0, 0.7, 0.4]),
    )
