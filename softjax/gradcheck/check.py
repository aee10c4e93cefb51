"""Compares a claimed gradient with independent references, and allows for rounding errors."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import numpy as np
from jaxtyping import PyTree

from softjax.gradcheck.claim import Claim, make_claim
from softjax.gradcheck.evidence import Evidence, Tolerance, gather_evidence
from softjax.gradcheck.function import evaluate_or_nan, trace_function
from softjax.gradcheck.interpreter import forget_programs
from softjax.gradcheck.kinks import judge_at_kink
from softjax.gradcheck.leaves import dtype_of, name_entry
from softjax.gradcheck.parts import conjugate_of, is_complex, to_real, to_sum
from softjax.gradcheck.references import Budget, References, take_references
from softjax.gradcheck.result import GradientCheck, Sample
from softjax.gradcheck.rounding import Rounding
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
    budget: float | None = None,
    holomorphic: bool = False,
    batched: bool = False,
) -> GradientCheck:
    """Checks whether `claimed` is the gradient ∂fun/∂params. Works for any scalar function and any floating type.

    The true gradient is computed in float64. Reverse-mode autodiff gives every entry. Forward mode, the complex
    step and extrapolated central differences confirm some entries and some random directions. If JAX lacks a mode for
    the function, or gives NaN, the others decide, and the report says so; for NumPy and PyTorch functions they are the complex
    step and central differences. If the function has derivative rules of its own that the others contradict, its derivative
    without them is the truth. If the references disagree otherwise, the verdict is `"undecided"`: the function is not
    differentiable at this point, or it is random. At a kink a claim is right if it is a subgradient.

    Of complex parameters z = x + iy, the gradient is ∂f/∂x − i ∂f/∂y, as in JAX. For tensors of PyTorch it is
    ∂f/∂x + i ∂f/∂y. The report lists real and imaginary parts.

    Random numbers that the function draws are those of the type under test, also in the float64 references.

    A right gradient still has rounding errors. The checker estimates them for each entry: it evaluates JAX's own
    gradient several times, and changes the result of each operation by its rounding error. That error is u |v| for
    a value v, and u Σ|terms| for a sum; u is the unit roundoff of the type of `params`. If the real error of JAX's
    gradient in that type is larger than the estimate, the real error counts. If `claimed` computes in float64
    when it gets float64, it is also evaluated there. This finds a wrong formula whose error half precision would
    hide.

    **Arguments:**

    - `fun`: `fun(params, *args)` returns a real scalar.
    - `claimed`: a function, `claimed(params, *args)`, that returns the gradient or (value, gradient); or the
      gradient itself. The gradient is a pytree like `params`.
    - `params`: a pytree of floating or complex arrays. The least precise type among them is the type that is checked.
    - `args`: the other arguments of `fun`. The references use float64 copies of the floating arrays among them.
    - `allowed_bounds`: the error that each entry may have, in multiples of its rounding bound.
    - `rtol`, `atol`: further error that each entry may have: `rtol` times |true|, plus `atol`.
    - `num_entries`: how many entries are confirmed one by one. Up to 24 parameters, all of them are.
    - `seed`: selects the entries, the directions and the signs of the rounding errors.
    - `budget`: seconds after which no further entries are confirmed. The verdict is then on what there is, and the report says
      how many were. At least one random direction is always looked at.
    - `holomorphic`: whether `fun` is a holomorphic function, and the claim its complex derivative.
    - `batched`: whether `fun` returns a vector, one value for each point of a batch, and `params` and the claim have the batch as
      their first axis. A value that depends on other points than its own is found.

    **Returns:** a `GradientCheck`.

    Raises `ValueError` if `fun` does not return a real scalar (a complex one if `holomorphic`, a vector if `batched`), if
    `params` hold no floating arrays, or if the gradient is not a pytree like `params`. What `fun` and `claimed` raise is
    passed on.

    Examples:
        >>> import numpy as np, softjax
        >>> w = np.array([1.0, 2.0])
        >>> softjax.check_gradient(lambda w: (w**2).sum(), lambda w: 2 * w, w).verdict
        'right'
        >>> softjax.check_gradient(lambda w: (w**2).sum(), lambda w: w, w).diagnosis
        'the claim is half the gradient'

    Source of the rounding model: Parker, *Monte Carlo Arithmetic*, 1997; Higham, *Accuracy and Stability of
    Numerical Algorithms*, 2002, section 3.
    """
    limit = Budget(budget)
    if batched:
        fun, claimed = to_sum(fun, claimed, params, args, seed)
    if holomorphic or any(map(is_complex, jax.tree.leaves(params))):
        check_complex = partial(
            check_gradient,
            allowed_bounds=allowed_bounds, rtol=rtol, atol=atol, num_entries=num_entries, seed=seed, budget=budget,
        )  # fmt: skip
        return _check_parts(check_complex, fun, claimed, params, args, holomorphic)
    claim = make_claim(fun, claimed, params, args)
    try:
        return _judge(claim, Tolerance(allowed_bounds, rtol, atol), num_entries, seed, limit)
    finally:
        forget_programs()


def _judge(claim: Claim, tolerance: Tolerance, num_entries: int, seed: int, budget: Budget) -> GradientCheck:
    in_32_bits = jax.dtypes.canonicalize_dtype(np.float64) != np.float64
    with jax.enable_x64(True), np.errstate(all="ignore"):  # the verdict says what is not finite
        leaves, exact_args = claim.raise_to_float64()
        if claim.has_tensors and np.isnan(evaluate_or_nan(partial(claim.call, args=exact_args), leaves)):
            claim = replace(
                claim, in_own_types=True
            )  # a module with weights of its own, which are not float64
            leaves, exact_args = claim.raise_to_float64()
        function = trace_function(lambda leaves: claim.call(leaves, exact_args), leaves, in_32_bits)
        references = take_references(function, claim.paths, num_entries, seed, budget)
    with np.errstate(all="ignore"):
        in_type, in_float64 = gather_evidence(claim, function, references, tolerance, seed, in_32_bits)
        verdict = reach_verdict(references, in_type, in_float64, claim.dtype)
        with jax.enable_x64(True):
            at_kink = judge_at_kink(function, references, in_type, Rounding.of(claim.dtype).unit)
    if at_kink is not None and (at_kink[0] != "undecided" or verdict.word != "right"):
        verdict = replace(verdict, word=at_kink[0], diagnosis=at_kink[1], factor=None)
    methods = references.list_methods() + ["the claim's formula in float64"] * (in_float64 is not None)
    samples = _list_samples(in_type, references)
    return _report(claim, verdict, tolerance.bounds, tuple(methods), samples)


def _check_parts(
    check: Callable[..., GradientCheck],
    fun: Callable[..., Any],
    claimed: Callable[..., Any] | PyTree,
    params: PyTree,
    args: tuple[Any, ...],
    holomorphic: bool,
) -> GradientCheck:
    """The check of a function of complex parameters: of its real part, and of its imaginary part if it is holomorphic."""
    if holomorphic and not all(map(is_complex, jax.tree.leaves(params))):
        raise ValueError("holomorphic: every parameter must be complex")
    value = fun(params, *args)
    if is_complex(value) != holomorphic:
        raise ValueError(
            f"fun must return a {'complex' if holomorphic else 'real'} number, got {dtype_of(value)}"
            + ("" if holomorphic else ": give holomorphic=True, or return a real one")
        )
    found = check(*to_real(fun, claimed, params, 1.0), *args)
    if holomorphic and found.ok:
        found = check(*to_real(fun, claimed, params, -1j), *args)  # the imaginary part
    if found.verdict == "wrong" and not holomorphic:
        conjugate = conjugate_of(claimed(params, *args) if callable(claimed) else claimed)
        if check(*to_real(fun, conjugate, params, 1.0), *args).ok:
            text = "the claim is the conjugate of the gradient: ∂f/∂x − i ∂f/∂y in JAX, ∂f/∂x + i ∂f/∂y in PyTorch"
            return replace(found, diagnosis=text)
    return found


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
    """The entries that central differences were computed for; they are the lines of the course's table."""
    samples = []
    for derivative in references.derivatives:
        if derivative.entry is not None:
            leaf, index = derivative.entry
            samples.append(
                Sample(
                    name_entry(evidence.paths[leaf], index),
                    derivative.values.get("central differences", float("nan")),
                    float(evidence.claimed[leaf][index]),
                    float("nan")
                    if references.autodiff is None
                    else derivative.values[references.autodiff.name],
                )
            )
    return tuple(samples)
