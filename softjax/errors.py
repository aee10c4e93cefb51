"""The error of input that cannot be used, and checks that raise it."""

import math
from typing import get_args


class InputError(ValueError):
    """What the caller gave cannot be used. The message is one line that says what was seen and what to do."""


def check_choice(name: str, value: object, choices: object) -> None:
    """Raises `InputError` unless `value` is one of the values of the `Literal` type `choices`."""
    if value not in get_args(choices):
        raise InputError(f"{name} must be one of {', '.join(get_args(choices))}, got {value!r}")


def check_count(name: str, value: int, least: int = 1, most: int | None = None) -> None:
    bound = f"of at least {least}" if most is None else f"from {least} to {most}"
    if (
        isinstance(value, bool)
        or not isinstance(value, int)
        or value < least
        or (most is not None and value > most)
    ):
        raise InputError(f"{name} must be a whole number {bound}, got {value!r}")


def check_rates(name: str, values: tuple[float, ...], positive: bool) -> None:
    if len(values) == 0:
        raise InputError(f"{name} is empty: give at least one value")
    for value in values:
        if not math.isfinite(value) or value < 0 or (positive and value == 0):
            least = "positive" if positive else "zero or positive"
            raise InputError(f"{name} must be finite and {least}, got {value!r}")
    if len(set(values)) < len(values):
        raise InputError(f"{name} holds a value twice: {', '.join(map(str, values))}")
