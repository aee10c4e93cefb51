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
            case "hessian" | "per_example":
                return (problem.W,)
            case "vmap":
                return (np.stack([problem.W, V, problem.W + V]),)

    def truth(self, problem: Problem) -> tuple[np.ndarray, ...]:
        """The true results, by the formulas in float64; of the stack in `"vmap"`, by the oracle."""
        if self.name == "vmap":
            (stack,) = self.arguments(problem)
            truths = [oracle.truth(W, problem.X, problem.y, l2=problem.l2) for W in stack]
            return np.array([t.loss for t in truths]), np.array([t.grad for t in truths])
        grads, hessian = _differentiate(problem)
        match self.name:
            case "forward":
                grad = grads.mean(axis=0) + 2 * problem.l2 * problem.W.astype(np.float64)
                return (np.asarray(np.vdot(grad, self.arguments(problem)[1].astype(np.float64))),)
            case "hvp":
                return (np.einsum("dkel,el->dk", hessian, self.arguments(problem)[1].astype(np.float64)),)
            case "hessian":
                return (hessian,)
            case "per_example":
                return (grads,)


def _differentiate(problem: Problem) -> tuple[Float[np.ndarray, "N D K"], Float[np.ndarray, "D K D K"]]:
    """The gradient of each example's loss, and the Hessian of the objective.

    By the formulas ∂ℓ/∂s = p − onehot(y) and ∂²ℓ/∂s² = diag(p) − ppᵀ, in float64.
    """
    X, W = problem.X.astype(np.float64), problem.W.astype(np.float64)
    N, D, K = problem.size
    e = np.exp(X @ W - (X @ W).max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    grads = np.einsum("nd,nk->ndk", X, p - np.eye(K)[problem.y])
    curvature = np.einsum("nk,kl->nkl", p, np.eye(K)) - np.einsum("nk,nl->nkl", p, p)
    hessian = np.einsum("nd,ne,nkl->dkel", X, X, curvature) / N
    hessian += 2 * problem.l2 * np.eye(D * K).reshape(D, K, D, K)
    return grads, hessian


MODES: dict[str, ModeCase] = {
    case.name: case
    for case in (
        ModeCase("forward", "⟨∇L, V⟩ in forward mode"),
        ModeCase("hvp", "∇²L V"),
        ModeCase("hessian", "the whole ∇²L"),
        ModeCase("per_example", "the gradient of each example"),
        ModeCase("vmap", "loss and gradient of a stack of W, vectorized"),
    )
}
