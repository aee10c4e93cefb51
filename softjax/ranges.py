"""Ranges of numbers, written as start:stop:count, log:start:stop:count or a comma list; whole numbers as text."""

import math
from collections.abc import Callable

import numpy as np

from softjax.errors import InputError

LONGEST = 100_000  # numbers in a range


def parse_range(text: str) -> tuple[float, ...]:
    """The numbers of `start:stop:count`, `log:start:stop:count` (both ends included) or `a,b,c`.

    Raises `InputError` for any other text.
    """
    try:
        match text.split(":"):
            case [numbers]:
                return tuple(float(number) for number in numbers.split(","))
            case ["log", start, stop, count]:
                return _space(text, np.geomspace, float(start), float(stop), parse_count(count))
            case [start, stop, count]:
                return _space(text, np.linspace, float(start), float(stop), parse_count(count))
            case _:
                raise ValueError
    except InputError:
        raise
    except ValueError:
        raise InputError(
            f"{text!r} is no range: expected start:stop:count, log:start:stop:count (with positive ends) "
            "or a comma list of numbers"
        ) from None


def parse_count(text: str) -> int:
    """The whole number that `text` is, also as 1e5. Raises `ValueError` if it is none."""
    try:
        return int(text)
    except ValueError:
        number = float(text)
        if not math.isfinite(number) or not number.is_integer():
            raise ValueError(f"{text!r} is no whole number") from None
        return int(number)


def _space(
    text: str, space: Callable[..., np.ndarray], start: float, stop: float, count: int
) -> tuple[float, ...]:
    if not 1 <= count <= LONGEST:
        raise InputError(f"the count of {text!r} must be from 1 to {LONGEST}, got {count}")
    if count == 1 and start != stop:
        raise InputError(f"{text!r} holds both ends, so its count must be at least 2, got 1")
    if not math.isfinite(start) or not math.isfinite(stop) or not math.isfinite(stop - start):
        raise InputError(f"the ends of {text!r} must be finite")
    if space is np.geomspace and min(start, stop) <= 0:
        raise ValueError
    return tuple(space(start, stop, count).tolist())


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
