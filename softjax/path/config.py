"""How a regularization path is minimized."""

from dataclasses import dataclass
from typing import Literal

from softjax.errors import InputError, check_choice, check_count

PathOrder = Literal["auto", "together", "warm"]


@dataclass(frozen=True)
class PathConfig:
    """How the objective is minimized to convergence, for every penalty strength of a path."""

    tolerance: float = 1e-6
    """Converged: where the gradient is so small that the objective is within this share of its minimum, ‖∇L‖² / 2c ≤
    tolerance · L with c the penalty's curvature (without one, where ‖∇L‖ is at most this share of that at W = 0)."""
    max_lbfgs_iters: int = 1000
    """L-BFGS iterations after which a penalty strength counts as not converged."""
    path: PathOrder = "auto"
    """together: all penalty strengths at once, in shared matrix products, the faster way for few classes; warm: from the
    largest penalty on, in batches, each started from the one before, for many classes; auto: what the sizes suggest."""

    def __post_init__(self) -> None:
        if not 0 < self.tolerance < 1:
            raise InputError(f"tolerance must lie between 0 and 1, got {self.tolerance!r}")
        check_count("max_lbfgs_iters", self.max_lbfgs_iters)
        check_choice("path", self.path, PathOrder)
