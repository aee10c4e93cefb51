"""The options of a regularization path's solver."""

from dataclasses import dataclass
from typing import Literal

from softjax.errors import InputError, check_choice, check_count, check_kinds

PathOrder = Literal["auto", "together", "warm"]


@dataclass(frozen=True)
class PathConfig:
    """How a regularization path is minimized: when to stop, and in which order to solve.

    Raises:
        InputError: for a value that no path can have.

    Examples:
        >>> from softjax import PathConfig
        >>> PathConfig(tolerance=1e-4, path="warm")
        PathConfig(tolerance=0.0001, max_lbfgs_iters=1000, path='warm')

    Attributes:
        tolerance: A penalty strength has converged when the objective L is at most this share above its
            minimum: ‖∇L‖² / 2c ≤ tolerance · L, where c is the curvature of the penalty. Without a penalty: when ‖∇L‖
            is at most this share of ‖∇L‖ at W = 0.
        max_lbfgs_iters: A penalty strength that needs more L-BFGS iterations counts as not converged.
        path: together: all penalty strengths at once, in shared matrix products; faster for few classes. warm: from the
            largest penalty strength to the smallest, in batches, each started from the solution before; for many classes.
            auto: chosen by the sizes.
    """

    tolerance: float = 1e-6
    max_lbfgs_iters: int = 1000
    path: PathOrder = "auto"

    def __post_init__(self) -> None:
        check_kinds(self)
        if not 0 < self.tolerance < 1:
            raise InputError(f"tolerance must lie between 0 and 1, got {self.tolerance!r}")
        check_count("max_lbfgs_iters", self.max_lbfgs_iters)
        check_choice("path", self.path, PathOrder)


def path_bytes(
    num_regs: int, *, num_examples: int, num_features: int, num_classes: int, itemsize: int
) -> dict[str, int]:
    """The bytes that a path needs at the least, by what they are needed for. `num_examples` are those of all splits."""
    weights = num_regs * num_classes * (num_features + 1) * itemsize
    return {
        "weights (penalty strengths × features × classes)": 2 * weights,
        "correct answers (penalty strengths × examples)": num_regs * num_examples,
    }
