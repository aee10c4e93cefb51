"""Holds a claimed gradient against every reference at hand, and knows what rounding excuses."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from softjax.gradcheck.claim import Claim, make_claim
from softjax.gradcheck.evidence import Evidence, Tolerance, gather_evidence
from softjax.gradcheck.function import trace_function
from softjax.gradcheck.leaves import dtype_of, name_entry
from softjax.gradcheck.references import References, take_references
from softjax.gradcheck.result import GradientCheck, Sample
from softjax.gradcheck.verdict import Verdict, reach_verdict


def check_gradient(
    fun: Callable[..., Any],
    claimed: Callable[..., Any] | PyTree,
    params: PyTree,
    *args: Any,
    allowed_bounds: float = 4.0,
    rtol: float = 0.0,
    atol: float = 0.0,
    num_entries: int = 10,
    seed: int = 0,
) -> GradientCheck:
    """Checks whether `claimed` is the gradient ∂fun/∂params, of any function and in any floating type.

    The truth is taken in float64, from params and args as they are: by reverse-mode autodiff for every entry,
    confirmed along some entries and random directions by forward mode, by the complex step, and by central
    differences with extrapolation. Where these disagree with each other, the function is not differentiable
    there, or not what it seems, and the verdict is `"undecided"`. For functions that JAX cannot trace (NumPy's)
    there are the last two only; the report says so.

    A right gradient is not exact. What rounding excuses is found out entry by entry, by evaluating the
    framework's own gradient while each operation is off by its rounding error, u |v|, or u Σ|terms| for a sum,
    u being the unit roundoff of the type of `params`; and, where that is more, by the error that the
    framework's own gradient really has in that type. A claim that computes in float64 throughout when given
    float64 is evaluated there as well, so that a wrong formula shows in half precision too.

    **Arguments:**

    - `fun`: `fun(params, *args)` returns a real scalar.
    - `claimed`: `claimed(params, *args)` returns the gradient, or (value, gradient); or the gradient itself.
    - `params`: a pytree of floating arrays; the type of the least precise one is the type that is checked.
    - `args`: whatever else `fun` takes; floating arrays among it are raised to float64 for the references.
    - `allowed_bounds`: rounding bounds by which an entry may be off.
    - `rtol`, `atol`: allowed besides, relative to |true| and absolute.
    - `num_entries`: how many entries are confirmed one by one (all, below 24 parameters).
    - `seed`: of the entries, the directions and the signs of the rounding errors.

    **Returns:** a `GradientCheck`.

    Raises `ValueError` where `fun` is not a real scalar, `params` hold no floating arrays, or the claim is no
    pytree like them.

    Source of the rounding model: Parker, *Monte Carlo Arithmetic*, 1997; Higham, *Accuracy and Stability of
    Numerical Algorithms*, 2002, section 3.
    """
    claim = make_claim(fun, claimed, params, args)
    with jax.enable_x64(True):
        leaves, exact_args = claim.raise_to_float64()
        function = trace_function(lambda leaves: fun(claim.unflatten(leaves), *exact_args), leaves)
        references = take_references(function, claim.paths, num_entries, seed)
    tolerance = Tolerance(allowed_bounds, rtol, atol)
    in_type, in_float64 = gather_evidence(claim, function, references, tolerance, seed)
    verdict = reach_verdict(references, in_type, in_float64, claim.dtype)
    methods = references.list_methods() + ["the claim's formula in float64"] * (in_float64 is not None)
    samples = _list_samples(in_type, references)
    return _report(claim, verdict, allowed_bounds, tuple(methods), samples)


def check_hessian(
    fun: Callable[..., Any],
    claimed: Callable[..., Any],
    params: PyTree,
    *args: Any,
    num_directions: int = 3,
    seed: int = 0,
    **options: Any,
) -> tuple[GradientCheck, ...]:
    """Checks Hessian-vector products: `claimed(params, vector, *args)` against those of `fun`.

    Since H v = ∇(∇fun · v), each product is checked as the gradient of a scalar function, by `check_gradient`.

    **Arguments:**

    - `fun`, `params`, `args`, `options`: as for `check_gradient`; `fun` must be differentiable by JAX.
    - `claimed`: returns H v, a pytree like `params`. That of a gradient by hand is
      `lambda params, v, *args: jax.jvp(lambda p: gradient(p, *args), (params,), (v,))[1]`.
    - `num_directions`: how many random vectors v.

    **Returns:** one `GradientCheck` a vector.

    Raises `ValueError` as `check_gradient` does, or where `num_directions` is not positive.
    """
    if num_directions < 1:
        raise ValueError(f"num_directions must be at least 1, got {num_directions}")
    rng = np.random.default_rng(seed)
    checks = []
    for _ in range(num_directions):
        v = jax.tree.map(lambda leaf: rng.choice([-1.0, 1.0], np.shape(leaf)).astype(dtype_of(leaf)), params)

        def slope(params: PyTree, v: PyTree, *args: Any) -> Any:
            v = jax.tree.map(lambda vector, leaf: jnp.asarray(vector, jnp.asarray(leaf).dtype), v, params)
            return jax.jvp(lambda p: fun(p, *args), (params,), (v,))[1]

        checks.append(check_gradient(slope, claimed, params, v, *args, seed=seed, **options))
    return tuple(checks)


def _report(
    claim: Claim,
    verdict: Verdict,
    allowed_bounds: float,
    methods: tuple[str, ...],
    samples: tuple[Sample, ...],
) -> GradientCheck:
    evidence = verdict.evidence
    worst, error_in_bounds = evidence.find_worst()
    return GradientCheck(
        verdict=verdict.word,
        worst=worst,
        relative_error=evidence.relative_error,
        error_in_bounds=error_in_bounds,
        allowed_bounds=allowed_bounds,
        claimed=claim.unflatten(evidence.claimed),
        true=claim.unflatten(evidence.true),
        bound=claim.unflatten(evidence.bounds),
        dtype=claim.dtype.name,
        num_entries=sum(leaf.size for leaf in evidence.params),
        references=methods,
        factor=verdict.factor,
        diagnosis=verdict.diagnosis,
        samples=samples,
    )


def _list_samples(evidence: Evidence, references: References) -> tuple[Sample, ...]:
    """The entries that were taken by differences, for the course's table."""
    samples = []
    for derivative in references.derivatives:
        if derivative.entry is not None:
            leaf, index = derivative.entry
            samples.append(
                Sample(
                    name_entry(evidence.paths[leaf], index),
                    derivative.values["central differences"],
                    float(evidence.claimed[leaf][index]),
                    derivative.values.get("reverse mode", float("nan")),
                )
            )
    return tuple(samples)
