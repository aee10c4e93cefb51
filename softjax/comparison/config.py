"""Which frameworks are compared, and on what."""

from dataclasses import dataclass

from softjax.comparison.devices import Device
from softjax.errors import InputError, check_choice, check_kinds

LONGEST = 86_400  # seconds: a day


@dataclass(frozen=True)
class CompareConfig:
    """Which frameworks are compared, and on which cases.

    Raises:
        InputError: for a time limit that is not positive, and full precision without a GPU.

    Attributes:
        frameworks: Names, or patterns such as 'jax-*'. All by default. The report says which are not installed.
        cases: Names or patterns of cases, or accuracy, edge_cases, modes, speed. All by default.
        quick: Leave out what takes minutes: frameworks that compile for tens of seconds, large problems, half-precision
            types.
        device: cpu, or gpu for the libraries that compute on one.
        full_precision: On a GPU: all digits in products of float32 matrices, which some libraries round by default.
        time_limit: Seconds that a framework may take for one case, with compilation. After that it counts as hanging.
    """

    frameworks: tuple[str, ...] = ()
    cases: tuple[str, ...] = ()
    quick: bool = False
    device: Device = "cpu"
    full_precision: bool = False
    time_limit: float = 180.0

    def __post_init__(self) -> None:
        check_kinds(self)
        check_choice("device", self.device, Device)
        if self.full_precision and self.device == "cpu":
            raise InputError("full_precision is for device gpu: a CPU keeps all digits")
        if not 0 < self.time_limit <= LONGEST:
            raise InputError(f"time_limit must be positive and at most {LONGEST}, got {self.time_limit!r}")
