"""TensorFlow: tf.nn.sparse_softmax_cross_entropy_with_logits and GradientTape, eager or in a tf.function.

Soft labels and smoothing go through tf.nn.softmax_cross_entropy_with_logits. Neither loss takes weights.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from softjax.comparison.frameworks.protocol import Prepared, Problem

DTYPES = ("float64", "float32", "bfloat16", "float16")
_DECORATOR = {True: "@tf.function\n", False: ""}


def prepare(problem: Problem, compiled: bool) -> Prepared:
    """The tape, recorded anew in each call, or once into a graph if `compiled`."""
    X = tf.constant(problem.X)
    weights = None if problem.weights is None else tf.constant(problem.weights)
    if problem.targets is None:
        labels, cross_entropy = problem.labels, tf.nn.sparse_softmax_cross_entropy_with_logits
    else:
        labels, cross_entropy = problem.targets, tf.nn.softmax_cross_entropy_with_logits
    labels = tf.constant(labels)

    def losses(W: Any, X: Any) -> Any:
        return cross_entropy(labels=labels, logits=X @ W)

    def loss(W: Any, X: Any = X) -> Any:
        value = problem.average(losses(W, X), weights, tf.reduce_mean, tf.reduce_sum)
        return problem.penalized(value, lambda: tf.reduce_sum(tf.abs(W)), lambda: tf.reduce_sum(W * W))

    def value_and_grad(W: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(W)
            value = loss(W)
        return value, tape.gradient(value, W)

    def forward(W: Any, V: Any) -> Any:
        with tf.autodiff.ForwardAccumulator(W, V) as accumulator:
            value = loss(W)
        return accumulator.jvp(value)

    def hvp(W: Any, V: Any) -> Any:
        with tf.autodiff.ForwardAccumulator(W, V) as accumulator:
            _, grad = value_and_grad(W)
        return accumulator.jvp(grad)

    def hessian(W: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(W)
            _, grad = value_and_grad(W)
        return tape.jacobian(grad, W)

    def per_example(W: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(W)
            values = losses(W, X)
        return tape.jacobian(values, W)

    def inputs(W: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(X)
            value = loss(W, X)
        return tape.gradient(value, X)

    transform = tf.function if compiled else lambda function: function

    def on_numpy(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: np.ndarray) -> Any:
            return tf.nest.map_structure(
                lambda t: t.numpy(), transform(function)(*map(tf.constant, arguments))
            )

        return call

    return Prepared(
        place=tf.constant,
        loss_and_grad=transform(value_and_grad),
        to_numpy=lambda result: (result[0].numpy(), result[1].numpy()),
        modes={
            "forward": on_numpy(forward),
            "hvp": on_numpy(hvp),
            "hessian": on_numpy(hessian),
            "per_example": on_numpy(per_example),
            "vmap": on_numpy(lambda stack: tf.vectorized_map(value_and_grad, stack)),
            "inputs": on_numpy(inputs),
        },
    )


def write_script(problem: Problem, compiled: bool) -> str:
    """The loss and its gradient, by the tape."""
    return f"""\
import tensorflow as tf
{_DECORATOR[compiled]}def loss_and_grad(W):
    with tf.GradientTape() as tape:
        tape.watch(W)
        {_write_loss(problem, " " * 8)}
    return loss, tape.gradient(loss, W)
print(*loss_and_grad(tf.constant(W)))
"""


def write_forward(problem: Problem, compiled: bool) -> str:
    """The derivatives along `basis`, by tf.autodiff.ForwardAccumulator."""
    return f"""\
import tensorflow as tf
{_DECORATOR[compiled]}def loss_and_slope(W, V):
    with tf.autodiff.ForwardAccumulator(W, V) as accumulator:
        {_write_loss(problem, " " * 8)}
    return loss, accumulator.jvp(loss)
for V in basis:
    print(*loss_and_slope(tf.constant(W), tf.constant(V)))
"""


def _write_loss(problem: Problem, indent: str) -> str:
    """Lines that define `loss`."""
    labels = "labels" if problem.ignore_index is not None else "y"
    call = f"sparse_softmax_cross_entropy_with_logits(labels={labels}, logits=tf.constant(X) @ W)"
    if problem.targets is not None:
        call = "softmax_cross_entropy_with_logits(labels=T, logits=tf.constant(X) @ W)"
    mean = (
        "tf.reduce_mean(losses)"
        if problem.weights is None
        else "tf.reduce_sum(w * losses) / tf.reduce_sum(w)"
    )
    penalty = " + reg * tf.reduce_sum(W * W)" if problem.reg else ""
    return f"losses = tf.nn.{call}\n{indent}loss = {mean}{penalty}"
