"""Keras: its own losses of scores, on one of its backends, compiled as its `fit` does by default.

The gradient comes from the backend: `jax.value_and_grad` in `jax.jit`, `tf.GradientTape` in a `tf.function`, or
`backward()` of PyTorch. On PyTorch, `fit` compiles nothing by default (`jit_compile="auto"`), so this way is eager. On
TensorFlow, it uses XLA only where there is a GPU. Keras has no other derivatives of its own.

Weights of examples are `sample_weight`, and so are those of classes, as in `fit(class_weight=)`. The mean with weights
is `reduction="mean_with_sample_weight"`: the default divides by the number of examples.
"""

import contextlib
import functools
import os
from collections.abc import Callable
from typing import Any

import numpy as np

from softjax.comparison.frameworks.protocol import Prepared, Problem

DTYPES = ("float64", "float32", "bfloat16", "float16")

Differentiate = Callable[[Callable[[Any], Any]], Callable[[Any], tuple[Any, Any]]]


def prepare(problem: Problem, backend: str) -> Prepared:
    """The loss and gradient on a backend, `"jax"`, `"torch"` or `"tensorflow"`. A process has one backend."""
    os.environ["KERAS_BACKEND"] = backend  # Keras reads it when it is imported
    import keras

    if keras.config.backend() != backend:
        raise RuntimeError(f"Keras already runs on {keras.config.backend()}, and a process has one backend")
    differentiate, types = _BACKENDS[backend](problem)
    with types():
        X = keras.ops.convert_to_tensor(problem.X)
        mean_loss = _build_loss(problem, keras)

    def loss(W: Any, X: Any) -> Any:
        value = mean_loss(keras.ops.matmul(X, W))
        return problem.penalized(value, lambda: keras.ops.sum(keras.ops.abs(W)), lambda: keras.ops.sum(W * W))

    value_and_grad = differentiate(lambda W: loss(W, X))

    def place(W: np.ndarray) -> Any:
        with types():
            return keras.ops.convert_to_tensor(W, dtype=problem.dtype)

    def loss_and_grad(W: Any) -> tuple[Any, Any]:
        with types():
            return value_and_grad(W)

    def to_numpy(a: Any) -> np.ndarray:
        a = (
            keras.ops.cast(a, "float32") if problem.dtype == "bfloat16" else a
        )  # TensorFlow: fails for a scalar
        array: np.ndarray = keras.ops.convert_to_numpy(a)
        return array

    def inputs(W: np.ndarray) -> np.ndarray:
        placed = place(W)
        with types():
            return to_numpy(differentiate(lambda X: loss(placed, X))(X)[1])

    return Prepared(
        place=place,
        loss_and_grad=loss_and_grad,
        to_numpy=lambda result: (to_numpy(result[0]), to_numpy(result[1])),
        modes={"inputs": inputs},
    )


def _build_loss(problem: Problem, keras: Any) -> Callable[[Any], Any]:
    """The mean loss as a function of the scores."""
    sparse = problem.targets is None
    weights = problem.weights if _is_weighted(problem) else None
    options = {"from_logits": True, "dtype": problem.dtype}
    if weights is not None:
        options["reduction"] = "mean_with_sample_weight"
        weights = keras.ops.convert_to_tensor(weights, dtype=problem.dtype)
    if sparse:
        y = keras.ops.convert_to_tensor(problem.y)
        crossentropy = keras.losses.SparseCategoricalCrossentropy(
            ignore_class=problem.ignore_index, **options
        )
    else:
        y = keras.ops.convert_to_tensor(problem.y if problem.soft else problem.labels)
        y = y if problem.soft else keras.ops.one_hot(y, problem.W.shape[1], dtype=problem.dtype)
        crossentropy = keras.losses.CategoricalCrossentropy(
            label_smoothing=problem.label_smoothing, **options
        )
    return lambda scores: crossentropy(y, scores, sample_weight=weights)


def _is_weighted(problem: Problem) -> bool:
    """Whether Keras gets weights: an ignored label has an argument of its own, if the loss is that of labels."""
    weighted = problem.sample_weight is not None or problem.class_weight is not None
    return weighted or (problem.targets is not None and problem.weights is not None)


def _use_jax(problem: Problem) -> tuple[Differentiate, Any]:
    import jax

    types = functools.partial(jax.enable_x64, True) if problem.dtype == "float64" else contextlib.nullcontext

    def differentiate(loss: Callable[[Any], Any]) -> Callable[[Any], tuple[Any, Any]]:
        compiled = jax.jit(jax.value_and_grad(loss))
        return lambda W: jax.block_until_ready(compiled(W))

    return differentiate, types


def _use_torch(problem: Problem) -> tuple[Differentiate, Any]:
    def differentiate(loss: Callable[[Any], Any]) -> Callable[[Any], tuple[Any, Any]]:
        def value_and_grad(W: Any) -> tuple[Any, Any]:
            W = W.detach().requires_grad_()
            value = loss(W)
            value.backward()
            return value.detach(), W.grad

        return value_and_grad

    return differentiate, contextlib.nullcontext


def _use_tensorflow(problem: Problem) -> tuple[Differentiate, Any]:
    import tensorflow as tf

    def differentiate(loss: Callable[[Any], Any]) -> Any:
        @tf.function
        def value_and_grad(W: Any) -> tuple[Any, Any]:
            with tf.GradientTape() as tape:
                tape.watch(W)
                value = loss(W)
            return value, tape.gradient(value, W)

        return value_and_grad

    return differentiate, contextlib.nullcontext


_BACKENDS = {"jax": _use_jax, "torch": _use_torch, "tensorflow": _use_tensorflow}

_ENDS = {
    "jax": """\
import jax
print(*jax.jit(jax.value_and_grad(loss))(W))
""",
    "torch": """\
import torch
W = torch.tensor(W, requires_grad=True)
value = loss(W)
value.backward()
print(value.item(), W.grad)
""",
    "tensorflow": """\
import tensorflow as tf
@tf.function
def loss_and_grad(W):
    with tf.GradientTape() as tape:
        tape.watch(W)
        value = loss(W)
    return value, tape.gradient(value, W)
print(*loss_and_grad(tf.constant(W)))
""",
}


def write_script(problem: Problem, backend: str) -> str:
    """The loss and its gradient, by the means of the backend."""
    options, call = ["from_logits=True"], "y"
    if problem.targets is None:
        name = "SparseCategoricalCrossentropy"
        options += ["ignore_class=ignore_index"] if problem.ignore_index is not None else []
    else:
        name = "CategoricalCrossentropy"
        options += ["label_smoothing=label_smoothing"] if problem.label_smoothing else []
        labels = "y" if problem.ignore_index is None else "labels"
        call = "y" if problem.soft else f"keras.ops.one_hot({labels}, W.shape[1])"
    call += ", keras.ops.matmul(X, W)"
    if _is_weighted(problem):
        options.append('reduction="mean_with_sample_weight"')
        call += ", sample_weight=w"
    x64 = ""
    if problem.dtype == "float64":
        options.append('dtype="float64"')
        x64 = 'import jax; jax.config.update("jax_enable_x64", True)\n' if backend == "jax" else ""
    return f"""\
import os; os.environ["KERAS_BACKEND"] = "{backend}"
{x64}import keras
crossentropy = keras.losses.{name}({", ".join(options)})
def loss(W):
    return crossentropy({call}){" + reg * keras.ops.sum(W * W)" if problem.reg else ""}
{_ENDS[backend]}"""
