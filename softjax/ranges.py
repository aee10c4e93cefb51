"""Ranges of numbers, written as start:stop:count, log:start:stop:count or a comma list."""

import numpy as np

from softjax.errors import InputError


def parse_range(text: str) -> tuple[float, ...]:
    """The numbers of `start:stop:count`, `log:start:stop:count` (both ends included) or `a,b,c`.

    Raises `InputError` for any other text.
    """
    try:
        match text.split(":"):
            case [numbers]:
                return tuple(float(number) for number in numbers.split(","))
            case ["log", start, stop, count]:
                return tuple(np.geomspace(float(start), float(stop), int(count)).tolist())
            case [start, stop, count]:
                return tuple(np.linspace(float(start), float(stop), int(count)).tolist())
            case _:
                raise ValueError
    except ValueError:
        raise InputError(
            f"{text!r} is no range: expected start:stop:count, log:start:stop:count (with positive ends) "
            "or a comma list of numbers"
        ) from None


def format_range(values: tuple[float, ...]) -> str:
    """The shortest text that `parse_range` reads as `values`."""
    if len(values) > 2:
        for prefix in ("", "log:"):
            text = f"{prefix}{values[0]:g}:{values[-1]:g}:{len(values)}"
            if (not prefix or min(values) > 0) and parse_range(text) == values:
                return text
    return ",".join(f"{value:.17g}" if float(f"{value:g}") != value else f"{value:g}" for value in values)


def spacing_of(values: np.ndarray) -> str:
    """How sorted values are spaced: "log", "linear" or "uneven"."""
    log = len(values) > 1 and values[0] > 0 and np.allclose(np.diff(np.log(values), 2), 0, atol=1e-6)
    if log and (len(values) > 2 or values[1] / values[0] >= 10):
        return "log"
    return "linear" if np.allclose(np.diff(values, 2), 0, atol=1e-6 * np.ptp(values)) else "uneven"
