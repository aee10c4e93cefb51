"""Metrics of predictions: accuracy, negative log-likelihood, confusion matrix."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, Integer, Num

from softjax.objective.arguments import as_array, as_labels
from softjax.objective.losses import cross_entropy


def accuracy(scores: Num[ArrayLike, "*batch N K"], y: Integer[ArrayLike, " N"]) -> Float[Array, "*batch"]:
    """The share of examples whose largest score is at the label, 1/N Σᵢ 1[argmaxₖ s[i, k] = y[i]].

    **Arguments:**

    - `scores`: (N, K), or several such matrices on leading axes.
    - `y`: labels (N,), integers 0..K−1.

    **Returns:** a share from 0 to 1, or an array of shares for the leading axes. If several classes have the largest
    score, the first of them is the prediction, as in `numpy.argmax`.

    Examples:
        >>> import numpy as np
        >>> from softjax import accuracy
        >>> print(accuracy(np.array([[2.0, 1.0], [0.0, 3.0]]), np.array([0, 0])))
        0.5
    """
    predicted = jnp.argmax(jnp.asarray(scores), axis=-1)
    return (predicted == jnp.broadcast_to(jnp.asarray(y, predicted.dtype), predicted.shape)).mean(axis=-1)


def negative_log_likelihood(scores: Float[ArrayLike, "N K"], y: Integer[ArrayLike, " N"]) -> Float[Array, ""]:
    """The mean of −log softmax(s[i])[y[i]] over the examples, in nats: log K for uniform predictions.

    **Arguments:** `scores` (N, K) and `y` (N,), as in `accuracy`. A label outside 0..K−1 makes the result NaN.

    Examples:
        >>> import numpy as np
        >>> from softjax import negative_log_likelihood
        >>> print(f"{negative_log_likelihood(np.zeros((2, 10)), np.array([3, 7])):.4f}")  # log 10
        2.3026
    """
    nats: Array = _mean_cross_entropy(jnp.asarray(scores), as_array(y))
    return nats


@jax.jit
def _mean_cross_entropy(scores: Float[Array, "N K"], y: Integer[Array, " N"]) -> Float[Array, ""]:
    return cross_entropy(scores, as_labels(y, scores.shape[1])).mean()


def confusion_matrix(
    predicted: Integer[ArrayLike, " N"], y: Integer[ArrayLike, " N"], num_classes: int
) -> Int[np.ndarray, "K K"]:
    """How many examples of each class (row) were predicted to be of each class (column).

    **Arguments:**

    - `predicted`, `y`: predicted and true labels (N,), integers 0..K−1.
    - `num_classes`: K.

    **Returns:** the counts (K, K): entry [i, j] is the number of examples of class i that were predicted as class j.

    Examples:
        >>> import numpy as np
        >>> from softjax import confusion_matrix
        >>> print(confusion_matrix(np.array([0, 1, 1]), np.array([0, 0, 1]), num_classes=2))
        [[1 1]
         [0 1]]
    """
    counts = np.zeros((num_classes, num_classes), dtype=np.int64)
    np.add.at(counts, (np.asarray(y), np.asarray(predicted)), 1)
    return counts
