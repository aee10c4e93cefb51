"""TensorFlow: tf.nn.sparse_softmax_cross_entropy_with_logits and GradientTape, in a tf.function."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from softjax.comparison.frameworks.protocol import Prepared, Problem

DTYPES = ("float64", "float32", "bfloat16", "float16")

SCRIPT = """\
import tensorflow as tf
@tf.function
def loss_and_grad(W):
    with tf.GradientTape() as tape:
        tape.watch(W)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=tf.constant(X) @ W)
        loss = tf.reduce_mean(losses)« + reg * tf.reduce_sum(W * W)»
    return loss, tape.gradient(loss, W)
print(*loss_and_grad(tf.constant(W)))
"""
FORWARD = """\
import tensorflow as tf
W = tf.constant(W)
for V in basis:
    with tf.autodiff.ForwardAccumulator(W, tf.constant(V)) as accumulator:
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=tf.constant(X) @ W)
        loss = tf.reduce_mean(losses)« + reg * tf.reduce_sum(W * W)»
    print(loss, accumulator.jvp(loss))
"""


def prepare(problem: Problem) -> Prepared:
    """The tape, recorded once into a graph."""
    X, y = tf.constant(problem.X), tf.constant(problem.y)

    def losses(W: Any) -> Any:
        return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=X @ W)

    def loss(W: Any) -> Any:
        value = tf.reduce_mean(losses(W))
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
            values = losses(W)
        return tape.jacobian(values, W)

    def on_numpy(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: np.ndarray) -> Any:
            return tf.nest.map_structure(
                lambda t: t.numpy(), tf.function(function)(*map(tf.constant, arguments))
            )

        return call

    return Prepared(
        place=tf.constant,
        loss_and_grad=tf.function(value_and_grad),
        to_numpy=lambda result: (result[0].numpy(), result[1].numpy()),
        modes={
            "forward": on_numpy(forward),
            "hvp": on_numpy(hvp),
            "hessian": on_numpy(hessian),
            "per_example": on_numpy(per_example),
            "vmap": on_numpy(lambda stack: tf.vectorized_map(value_and_grad, stack)),
        },
    )
