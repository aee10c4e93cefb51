"""The records of a comparison: a job, a framework's answer to it, its speed, and all of them together."""

from dataclasses import dataclass
from typing import Any, Literal

CPU = "a CPU"
Group = Literal["accuracy", "edge_cases", "modes", "speed"]


@dataclass(frozen=True)
class Job:
    """A framework, and the case that it has to compute."""

    group: Group
    framework: str
    case: str
    dtype: str


@dataclass(frozen=True)
class Record:
    """A framework's answer to one case, and whether it is right.

    **Fields:**

    - `status`: one word on the outcome.
      In edge cases and modes: `"right"` (within 100 roundings, or an error if an error is right), `"wrong"` (a finite
      value that is wrong, or that should not be finite), `"nan"` (NaN or ∞, and neither is right), `"error"` (an error,
      but there is a value). In accuracy cases: `"measured"`, or `"nan"` if the loss or gradient is not finite.
      In all cases: `"crash"` and `"hang"` of the process, `"not offered"` (the framework lacks the type or mode),
      `"not run"` (it would take too long or too much memory; `message` has the estimate), `"not installed"`.
    - `documented`: of an edge case about which the library documents something else than the formula
      (`softjax.comparison.conventions`): `"right"` if it does what it says, else the status by what it says.
    - `error`, `message`: the exception's name and first line, or the signal's name, or an estimate.
    - `loss`: the loss that was returned; `grad`: the gradient, or the derivative that the case asks for, as nested
      lists, for small problems only.
    - `script`: of an edge case whose outcome is not right: a script that shows it, with this framework alone.
    - `relative_error`: ‖g − true‖ / ‖true‖ of the gradient, or of the mode's derivative.
    - `roundings`, `loss_roundings`: the error of the worst entry and of the loss, in roundings of the type
      (`softjax.comparison.oracle.Truth`). For modes: the relative error divided by the unit roundoff.
    """

    group: Group
    framework: str
    case: str
    dtype: str
    status: str
    documented: str | None = None
    error: str | None = None
    message: str | None = None
    loss: float | None = None
    grad: Any = None
    script: str | None = None
    relative_error: float | None = None
    roundings: float | None = None
    loss_roundings: float | None = None


@dataclass(frozen=True)
class Speed:
    """The time and memory of one framework at one size, in one type.

    **Fields:**

    - `status`: `"measured"`, or why it was not measured, as in `Record`.
    - `import_seconds`, `first_seconds`: the time to import the framework in a fresh process, and that of its first
      loss and gradient, with all tracing and compiling.
    - `seconds`, `low_seconds`, `high_seconds`: the time of a call in steady state: the median over the rounds of
      each round's median, and the quartiles over the rounds. The weights change from call to call, among eight sets
      (two of large ones) that were placed beforehand. On a GPU: the median over the rounds of each round's mean.
    - `products_seconds`: the time of the two matrix products alone, in the same rounds and processes, where the
      framework's file offers them.
    - `peak_bytes`: the highest memory of the process in its first two calls, above that with framework and problem
      loaded. On a GPU: that of the GPU, in all.
    - `floor_seconds`: an estimate of the least time that the task takes, the same for all frameworks: the larger of
      4 N D K operations at the rate of a matrix product, and of reading X and W and writing the gradient at the
      rate of a copy, both measured in the same rounds; None on a GPU.
    """

    framework: str
    case: str
    status: str
    message: str | None = None
    import_seconds: float | None = None
    first_seconds: float | None = None
    seconds: float | None = None
    low_seconds: float | None = None
    high_seconds: float | None = None
    products_seconds: float | None = None
    peak_bytes: int | None = None
    floor_seconds: float | None = None
    dtype: str = "float32"


@dataclass(frozen=True)
class Comparison:
    """The records and speeds of all frameworks.

    **Fields:**

    - `versions`: the version of each framework, None if it is not installed.
    - `speeds`: in float32; `other_speeds`: in the other types that are timed.
    - `gpu`: the name of the GPU, None for a comparison on the CPU.
    - `seconds`: the duration of the comparison; `resumed`: whether it continued an interrupted one. The time of the
      interrupted one is not counted.
    """

    records: tuple[Record, ...]
    versions: dict[str, str | None]
    speeds: tuple[Speed, ...] = ()
    seconds: float = 0.0
    resumed: bool = False
    gpu: str | None = None
    other_speeds: tuple[Speed, ...] = ()

    @property
    def device(self) -> str:
        """On which all was computed: the name of the GPU, or "a CPU"."""
        return self.gpu or CPU

    def of(self, group: Group) -> tuple[Record, ...]:
        """The records of one group of cases."""
        return tuple(record for record in self.records if record.group == group)
