"""The scores of a linear classifier, and the matrix product behind them."""

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Num

from softjax.objective.arguments import as_floats
from softjax.objective.config import Precision


def matmul(
    a: Float[Array, "M L"], b: Float[Array, "L P"], precision: Precision = "highest"
) -> Float[Array, "M P"]:
    """The product a @ b, by default at the full precision of its type. Half-precision types are summed in float32.

    Below `"highest"` GPUs and TPUs round float32 factors to TF32 or bfloat16.
    """
    total = jnp.float64 if a.dtype == jnp.float64 else jnp.float32
    return jnp.matmul(a, b, precision=precision, preferred_element_type=total)


def scores(W: Num[ArrayLike, "D K"], X: Num[ArrayLike, "N D"]) -> Float[Array, "N K"]:
    """The scores ("logits") X @ W, at full precision on every device.

    **Arguments:**

    - `W`: weights (D, K), the bias in the last row.
    - `X`: features (N, D), the last column ones. Integers (pixels) are converted to the type of `W`.

    Raises `ValueError` if the shapes do not fit.

    Examples:
        >>> import numpy as np
        >>> from softjax import scores
        >>> print(scores(np.array([[1.0, 2.0], [0.5, 0.0]]), np.array([[3.0, 1.0]])))
        [[3.5 6. ]]
    """
    W, X = map(jnp.asarray, as_floats(W, X))
    return matmul(X, W)
