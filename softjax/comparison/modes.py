"""The derivative modes: derivatives other than the gradient, on a small problem, and their true values."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from softjax.comparison import oracle
from softjax.comparison.edge_cases import six_examples
from softjax.comparison.frameworks.protocol import Mode, Problem


@dataclass(frozen=True)
class ModeCase:
    """A derivative other than the gradient."""

    name: Mode
    what: str

    def problem(self, dtype: str) -> Problem:
        """Six examples, four features, three classes, in `dtype`."""
        problem = six_examples()
        return Problem(problem.X.astype(dtype), problem.y, problem.W.astype(dtype), problem.reg)

    def arguments(self, problem: Problem) -> tuple[np.ndarray, ...]:
        """The arguments with which the framework's function is called."""
        V = np.random.default_rng(2).standard_normal(problem.W.shape).astype(problem.W.dtype)
        match self.name:
            case "forward" | "hvp":
                return problem.W, V
            case "hessian" | "per_example" | "inputs":
                return (problem.W,)
            case "vmap":
                return (np.stack([problem.W, V, problem.W + V]),)

    def truth(self, problem: Problem) -> tuple[np.ndarray, ...]:
        """The true results, by the formulas in float64; of the stack in `"vmap"`, by the oracle."""
        if self.name == "vmap":
            (stack,) = self.arguments(problem)
            _, X, y = problem.as_shares()
            truths = [oracle.truth(W, X, y, l2=problem.l2) for W in stack]
            return np.array([t.loss for t in truths]), np.array([t.grad for t in truths])
        X, W = problem.X.astype(np.float64), problem.W.astype(np.float64)
        Q, curvature = _differentiate_scores(problem)
        match self.name:
            case "forward":
                grad = X.T @ Q / len(X) + 2 * problem.l2 * W
                return (np.asarray(np.vdot(grad, self.arguments(problem)[1].astype(np.float64))),)
            case "hvp":
                V = self.arguments(problem)[1].astype(np.float64)
                return (X.T @ np.einsum("nkl,nl->nk", curvature, X @ V) / len(X) + 2 * problem.l2 * V,)
            case "hessian":
                hessian = np.einsum("nd,ne,nkl->dkel", X, X, curvature) / len(X)
                return (hessian + 2 * problem.l2 * np.eye(W.size).reshape(*W.shape, *W.shape),)
            case "per_example":
                return (np.einsum("nd,nk->ndk", X, Q),)
            case "inputs":
                return (Q @ W.T / len(X),)


def _differentiate_scores(
    problem: Problem,
) -> tuple[Float[np.ndarray, "N K"], Float[np.ndarray, "N K K"]]:
    """The first and second derivatives of each example's loss with respect to its scores.

    By the formulas ∂ℓ/∂s = p − onehot(y) and ∂²ℓ/∂s² = diag(p) − ppᵀ, in float64.
    """
    s, K = problem.X.astype(np.float64) @ problem.W.astype(np.float64), problem.W.shape[1]
    e = np.exp(s - s.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    curvature = np.einsum("nk,kl->nkl", p, np.eye(K)) - np.einsum("nk,nl->nkl", p, p)
    return p - np.eye(K)[problem.y], curvature


MODES: dict[str, ModeCase] = {
    case.name: case
    for case in (
        ModeCase("forward", "⟨∇L, V⟩ in forward mode"),
        ModeCase("hvp", "∇²L V"),
        ModeCase("hessian", "the whole ∇²L"),
        ModeCase("per_example", "the gradient of each example"),
        ModeCase("vmap", "loss and gradient of a stack of W, vectorized"),
        ModeCase("inputs", "the gradient with respect to X"),
    )
}
