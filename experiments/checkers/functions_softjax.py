"""The softmax objective of softjax with each penalty, with its gradient by hand."""

from collections.abc import Iterator
from typing import Any, get_args

import jax
import numpy as np

from checkers.registry import ALL_TYPES, RealFunction, in_types, to_jax
from softjax import loss, loss_and_grad
from softjax.objective.config import PenaltyName


def list_functions(library: str) -> Iterator[RealFunction]:
    """Mean cross-entropy + penalty, by W."""
    rng = np.random.default_rng(6)
    W, X, y = rng.normal(size=(8, 3)), rng.normal(size=(20, 8)), rng.integers(0, 3, 20)
    for penalty in get_args(PenaltyName):

        def fun(W: Any, X: Any, y: Any, penalty: Any = penalty) -> Any:
            return loss(W, X, y, 0.3, penalty=penalty)

        def gradient(W: Any, X: Any, y: Any, penalty: Any = penalty) -> Any:
            return loss_and_grad(W, X, y, 0.3, penalty=penalty)[1]

        yield from in_types(
            library,
            f"softjax.loss, {penalty}",
            jax.jit(fun, static_argnames="penalty"),
            jax.jit(gradient, static_argnames="penalty"),
            W,
            X,
            y,
            dtypes=ALL_TYPES,
            convert=to_jax,
        )
