"""Which frameworks are compared, and on what."""

import math
from dataclasses import dataclass

from softjax.errors import InputError


@dataclass(frozen=True)
class CompareConfig:
    """Which frameworks are compared, and on what."""

    frameworks: tuple[str, ...] = ()
    """Names or patterns such as 'jax-*'; all by default. A framework that is not installed is reported as such."""
    cases: tuple[str, ...] = ()
    """Names or patterns of cases, or accuracy, edge_cases, modes, speed; all by default."""
    quick: bool = False
    """Leave out what takes minutes: frameworks that compile for tens of seconds, large problems, half types."""
    time_limit: float = 180.0
    """Seconds that a framework may take for one case, compilation included, before it counts as hanging."""

    def __post_init__(self) -> None:
        if not math.isfinite(self.time_limit) or self.time_limit <= 0:
            raise InputError(f"time_limit must be finite and positive, got {self.time_limit!r}")
