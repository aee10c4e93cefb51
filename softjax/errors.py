"""`InputError`, and the checks that raise it."""

import math
from collections import Counter
from decimal import Decimal
from typing import get_args


class InputError(ValueError):
    """The input cannot be used. The message is one line: what was wrong, and what is expected.

    Examples:
        >>> from softjax import SweepConfig
        >>> SweepConfig(num_iters=0)
        Traceback (most recent call last):
        softjax.errors.InputError: num_iters must be a whole number of at least 1, got 0
    """


def check_choice(name: str, value: object, choices: object) -> None:
    """Raises `InputError` unless `value` is one of the values of the `Literal` type `choices`."""
    if value not in get_args(choices):
        raise InputError(f"{name} must be one of {', '.join(get_args(choices))}, got {value!r}")


LARGEST_COUNT = 2**31 - 1  # of JAX's 32-bit integers


def check_count(name: str, value: int, least: int = 1, most: int | None = None) -> None:
    """Raises `InputError` unless `value` is an integer from `least` to `most`, which is that of 32 bits by default."""
    bound = f"of at least {least}" if most is None else f"from {least} to {most}"
    if (
        isinstance(value, bool)
        or not isinstance(value, int)
        or value < least
        or (most is not None and value > most)
    ):
        raise InputError(f"{name} must be a whole number {bound}, got {value!r}")
    if value > LARGEST_COUNT:
        raise InputError(
            f"{name} must be at most {LARGEST_COUNT}, as JAX counts with 32 bits, got {shorten(value)}"
        )


def shorten(value: int) -> str:
    """A whole number as text, a long one as 1.2e+30."""
    return str(value) if abs(value) < 10**15 else f"{Decimal(value):.2g}"


def check_rates(name: str, values: tuple[float, ...], positive: bool) -> None:
    """Raises `InputError` unless `values` are different finite numbers, positive or (without `positive`) zero."""
    if len(values) == 0:
        raise InputError(f"{name} is empty: give at least one value")
    for value in values:
        if not math.isfinite(value) or value < 0 or (positive and value == 0):
            least = "positive" if positive else "zero or positive"
            raise InputError(f"{name} must be finite and {least}, got {value!r}")
    if len(set(values)) < len(values):
        twice = next(value for value, count in Counter(values).items() if count > 1)
        raise InputError(f"{name} holds a value twice: {twice}")
