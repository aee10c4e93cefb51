"""The options of a regularization path's solver."""

from dataclasses import dataclass

from softjax.errors import InputError, check_count, check_kinds


@dataclass(frozen=True)
class PathConfig:
    """When the solver of a regularization path stops.

    Raises:
        InputError: for a value that no path can have.

    Examples:
        >>> from softjax import PathConfig
        >>> PathConfig(tolerance=1e-4)
        PathConfig(tolerance=0.0001, max_passes=10000)

    Attributes:
        tolerance: A penalty strength has converged when the objective L is at most this share above its
            minimum: ‖∇L‖² / 2c ≤ tolerance · L, where c is the curvature of the penalty (and of the data, for a bias
            without a penalty). Without any penalty: when ‖∇L‖ is at most this share of ‖∇L‖ at W = 0.
        max_passes: A penalty strength that needs more passes over the training examples counts as not converged.
    """

    tolerance: float = 1e-6
    max_passes: int = 10_000

    def __post_init__(self) -> None:
        check_kinds(self)
        if not 0 < self.tolerance < 1:
            raise InputError(f"tolerance must lie between 0 and 1, got {self.tolerance!r}")
        check_count("max_passes", self.max_passes)


def path_bytes(
    num_regs: int, *, num_examples: int, num_features: int, num_classes: int, itemsize: int
) -> dict[str, int]:
    """The bytes that a path needs at the least, by what they are needed for. `num_examples` are those of all splits."""
    weights = num_regs * num_classes * (num_features + 1) * itemsize
    return {
        "weights (penalty strengths × features × classes)": 2 * weights,
        "correct answers (penalty strengths × examples)": num_regs * num_examples,
    }
