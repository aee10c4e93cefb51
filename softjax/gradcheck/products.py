"""Checks of Jacobians and Hessians: each is a few checks of gradients, of random combinations."""

import inspect
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from softjax.gradcheck.check import check_gradient
from softjax.gradcheck.leaves import dtype_of, is_tensor, to_array
from softjax.gradcheck.parts import like, weigh
from softjax.gradcheck.result import GradientCheck, GradientChecks

Form = Literal["matrix", "jvp", "vjp"]
ROWS_AT_MOST = 50  # of a wrong Jacobian, that are checked one by one to name the first wrong one
COMPLEX_STEP = 1e-100
STEP = 1e-3  # relative, of the slope of a function that takes no complex numbers


def check_jacobian(
    fun: Callable[..., Any],
    claimed: Callable[..., Any] | PyTree,
    params: PyTree,
    *args: Any,
    form: Form = "matrix",
    bands: tuple[int, int] | None = None,
    num_directions: int = 3,
    seed: int = 0,
    **options: Any,
) -> GradientChecks:
    """Checks whether `claimed` is the Jacobian J = ∂fun/∂params of a function that returns an array.

    uᵀJ is the gradient of the scalar function uᵀ fun, which `check_gradient` checks, for random u of entries ±1. If one is
    wrong, the rows of J are checked one by one, up to the first wrong one. A claim of J v is checked as the derivative of
    uᵀ fun(params + t v) by t at t = 0.

    **Arguments:**

    - `fun`, `params`, `args`, `options`: as for `check_gradient`; `fun(params, *args)` returns an array of any shape S.
    - `claimed`: a Jacobian, or a function that returns it: a pytree like `params`, whose leaves have shape S + the shape of
      the parameter. If `params` are one vector: also a matrix, dense or sparse of SciPy, or a `LinearOperator`.
    - `form`: `"jvp"` if `claimed(params, v, *args)` returns J v, of shape S; `"vjp"` if `claimed(params, u, *args)` returns
      Jᵀu, a pytree like `params`.
    - `bands`: (l, u), if the claim is a matrix in SciPy's banded form: row u + i − j, column j holds J[i, j].
    - `num_directions`: the number of random u, and of random v.
    - `seed`: selects them.

    **Returns:** a `GradientChecks`, one for each u, and perhaps one for the first wrong row.

    Raises `ValueError` as `check_gradient` does, or if `fun` does not return one array.

    Examples:
        >>> import numpy as np, softjax
        >>> A, w = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), np.array([0.5, -1.0])
        >>> softjax.check_jacobian(lambda w: np.tanh(A @ w), lambda w: (1 - np.tanh(A @ w)[:, None] ** 2) * A, w).verdict
        'right'
        >>> softjax.check_jacobian(lambda w: A @ w, lambda w, v: A @ v, w, form="jvp").verdict
        'right'
    """
    _check_directions(num_directions)
    shape = _shape_of_output(fun(params, *args))
    rng = np.random.default_rng(seed)
    check: Callable[..., GradientCheck] = partial(check_gradient, seed=seed, **options)

    def along(weights: np.ndarray) -> Any:
        def weighted(params: PyTree, *args: Any) -> Any:
            values = fun(params, *args)
            return (values * like(weights, values)).sum()

        return weighted

    def row(weights: np.ndarray) -> Any:
        def product(output: Any) -> PyTree:
            if form == "vjp":
                return output
            if bands is not None:
                output = _from_bands(output, bands, shape, params)
            _check_blocks(output, shape, params)
            return jax.tree.map(partial(weigh, weights), output)

        if not callable(claimed) or hasattr(claimed, "rmatvec"):
            return product(claimed)
        if form == "vjp":
            return lambda params, *args: claimed(params, like(weights, fun(params, *args)), *args)
        return lambda params, *args: product(claimed(params, *args))

    signs = [rng.choice([-1.0, 1.0], shape) for _ in range(num_directions)]
    if form == "jvp":
        return GradientChecks(check(*_to_line(along(u), claimed, params, u, rng), *args) for u in signs)
    checks = [check(along(u), row(u), params, *args) for u in signs]
    if any(each.verdict == "wrong" for each in checks):
        for number in range(min(int(np.prod(shape)), ROWS_AT_MOST)):
            index = np.unravel_index(number, shape)
            one = np.zeros(shape)
            one[index] = 1.0
            found = check(along(one), row(one), params, *args)
            if found.verdict == "wrong":
                name = ", ".join(str(int(k)) for k in index)
                return GradientChecks([found, *checks], f"the first wrong row of the Jacobian is [{name}]")
    return GradientChecks(checks)


def check_hessian(
    fun: Callable[..., Any],
    claimed: Callable[..., Any] | PyTree,
    params: PyTree,
    *args: Any,
    dense: bool | None = None,
    num_directions: int = 3,
    seed: int = 0,
    **options: Any,
) -> GradientChecks:
    """Checks whether `claimed(params, v, *args)` is the Hessian-vector product H v of `fun`, for random vectors v.

    H v is the gradient of the slope ∇fun · v, which `check_gradient` checks. The slope is taken by forward mode; for
    functions that JAX cannot trace, by the complex step, or by differences, which find coarser faults only.

    **Arguments:**

    - `fun`, `params`, `args`, `options`: as for `check_gradient`.
    - `claimed`: returns H v, a pytree like `params`. For a function `gradient` written by hand, pass
      `lambda params, v, *args: jax.jvp(lambda p: gradient(p, *args), (params,), (v,))[1]`. Or a matrix H, dense or sparse.
    - `dense`: whether `claimed(params, *args)` returns the matrix H, of shape (N, N), or the shape of the params twice. By
      default, whether `claimed` takes no further argument v.
    - `num_directions`: the number of random vectors v, at least 1. Their entries are ±1.
    - `seed`: selects the vectors, and is passed to `check_gradient`.

    **Returns:** a `GradientChecks`, one for each vector.

    Raises `ValueError` as `check_gradient` does, or if `num_directions` is less than 1.

    Examples:
        >>> import numpy as np, softjax
        >>> w = np.array([1.0, 2.0])
        >>> softjax.check_hessian(lambda w: (w**3).sum(), lambda w, v: 6 * w * v, w).verdict
        'right'
        >>> softjax.check_hessian(lambda w: (w**3).sum(), lambda w: np.diag(6 * w), w).ok
        True
    """
    _check_directions(num_directions)
    rng = np.random.default_rng(seed)
    is_matrix = not callable(claimed) or hasattr(claimed, "rmatvec")
    if dense is None:
        dense = is_matrix or not _takes(claimed, 2 + len(args))
    slope = partial(_take_slope, fun, _choose_slope(fun, params, args))
    checks = []
    for _ in range(num_directions):
        v = _draw_signs(params, rng)
        if not dense:
            checks.append(check_gradient(slope, claimed, params, v, *args, seed=seed, **options))
            continue
        weights = _to_vector(v)

        def product(output: Any, weights: np.ndarray = weights) -> Any:
            weighted = weigh(weights.reshape(_lead(output, weights)), output)
            return weighted.reshape(np.shape(jax.tree.leaves(params)[0]))

        def claim(params: PyTree, v: PyTree, *args: Any, product: Any = product) -> Any:
            return jax.tree.map(lambda _: product(claimed(params, *args)), params)

        given = jax.tree.map(lambda _: product(claimed), params) if is_matrix else claim
        checks.append(check_gradient(slope, given, params, v, *args, seed=seed, **options))
    return GradientChecks(checks)


def _takes(function: Callable[..., Any], number: int) -> bool:
    """Whether a function can be called with that many arguments, as far as it can be known."""
    try:
        inspect.signature(function).bind(*range(number))
    except TypeError:
        return False
    except ValueError:  # a function written in C
        return True
    return True


def _check_directions(num_directions: int) -> None:
    if num_directions < 1:
        raise ValueError(f"num_directions must be at least 1, got {num_directions}")


def _shape_of_output(output: Any) -> tuple[int, ...]:
    if not (is_tensor(output) or hasattr(output, "shape") or isinstance(output, float | list)):
        raise ValueError(
            f"fun must return one array, got {type(output).__name__}: check each array by itself"
        )
    return tuple(np.shape(output))


def _check_blocks(jacobian: PyTree, shape: tuple[int, ...], params: PyTree) -> None:
    blocks, leaves = jax.tree.leaves(jacobian), jax.tree.leaves(params)
    expected = [shape + tuple(np.shape(leaf)) for leaf in leaves]
    if len(leaves) == 1 and len(shape) == 1:
        expected[0] = (shape[0], *np.shape(leaves[0]))
    found = [tuple(block.shape) if hasattr(block, "shape") else np.shape(block) for block in blocks]
    if found != expected:
        raise ValueError(
            f"the Jacobian must have shape {', '.join(map(str, expected))}, that of the output and then that of the parameter; "
            f"got {', '.join(map(str, found))}"
        )


def _draw_signs(params: PyTree, rng: np.random.Generator) -> PyTree:
    return jax.tree.map(lambda leaf: like(rng.choice([-1.0, 1.0], np.shape(leaf)), leaf), params)


def _to_vector(tree: PyTree) -> np.ndarray:
    leaves = jax.tree.leaves(tree)
    if len(leaves) != 1:
        raise ValueError(
            "a dense Hessian is checked for params that are one array; give products H v of a pytree"
        )
    return to_array(leaves[0]).astype(np.float64)


def _lead(output: Any, weights: np.ndarray) -> tuple[int, ...]:
    """The shape of the weights: that of the params, or a vector where the Hessian is a matrix."""
    return (weights.size,) if len(np.shape(output)) == 2 else weights.shape


def _from_bands(matrix: Any, bands: tuple[int, int], shape: tuple[int, ...], params: PyTree) -> Any:
    from scipy.sparse import dia_array

    lower, upper = bands
    offsets = range(upper, -lower - 1, -1)
    return dia_array(
        (np.asarray(matrix), list(offsets)), shape=(shape[0], np.size(jax.tree.leaves(params)[0]))
    ).tocsr()


def _to_line(
    fun: Callable[..., Any],
    claimed: Callable[..., Any],
    params: PyTree,
    u: np.ndarray,
    rng: np.random.Generator,
) -> tuple[Callable[..., Any], Callable[..., Any], Any]:
    """uᵀ fun(params + t v) as a function of t, and uᵀ of the claimed J v as its derivative at t = 0."""
    v = _draw_signs(params, rng)
    dtype = dtype_of(jax.tree.leaves(params)[0])

    def line(t: Any, *args: Any) -> Any:
        return fun(jax.tree.map(lambda x, d: x + like(to_array(d), x) * t, params, v), *args)

    def slope(t: Any, *args: Any) -> Any:
        product = claimed(params, v, *args)
        return (product * like(u, product)).sum()

    zero: Any = np.zeros((), dtype)
    if any(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(params)):
        zero = jnp.zeros((), dtype)
    return line, slope, zero


def _choose_slope(fun: Callable[..., Any], params: PyTree, args: tuple[Any, ...]) -> str:
    """How the slope of a function is taken: by forward mode, by the complex step, or by differences."""
    try:
        jax.eval_shape(lambda p: jax.jvp(lambda q: fun(q, *args), (p,), (p,))[1], params)
        return "forward mode"
    except Exception:  # a NumPy function may raise anything when it gets a tracer
        pass
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # NumPy only warns when it drops an imaginary part
            value = fun(jax.tree.map(lambda x: to_array(x) + 1j * COMPLEX_STEP, params), *args)
        return "complex step" if np.asarray(value).dtype.kind == "c" else "differences"
    except Exception:
        return "differences"


def _take_slope(fun: Callable[..., Any], how: str, params: PyTree, v: PyTree, *args: Any) -> Any:
    """∇fun · v."""
    v = jax.tree.map(lambda vector, leaf: like(to_array(vector), leaf), v, params)
    if how == "forward mode":
        params, v = (jax.tree.map(jnp.asarray, tree) for tree in (params, v))
        return jax.jvp(lambda p: fun(p, *args), (params,), (v,))[1]
    if how == "complex step":
        return (
            np.imag(fun(jax.tree.map(lambda x, d: x + 1j * COMPLEX_STEP * d, params, v), *args))
            / COMPLEX_STEP
        )

    def rise(step: float) -> Any:
        above, below = (
            fun(jax.tree.map(lambda x, d, h=h: x + h * d, params, v), *args) for h in (step, -step)
        )
        return (above - below) / (2 * step)

    return (4 * rise(STEP) - rise(2 * STEP)) / 3  # without what is proportional to step²
