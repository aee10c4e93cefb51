"""`InputError`, and the checks that raise it."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from decimal import Decimal
from numbers import Real
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_type_hints

import numpy as np

UNDECODED = frozenset(
    map(chr, range(0xDC80, 0xDD00))
)  # how Python keeps bytes that are no text in the names of files


class InputError(ValueError):
    """The input cannot be used. The message is one line: what was wrong, and what is expected.

    Examples:
        >>> from softjax import SweepConfig
        >>> SweepConfig(num_iters=0)
        Traceback (most recent call last):
        softjax.errors.InputError: num_iters must be a whole number of at least 1, got 0
    """

    def __init__(self, message: str) -> None:
        super().__init__(in_one_line(message))


def in_one_line(text: str) -> str:
    r"""`text` with control characters, such as a line break in the name of a file, as Python writes them in a string.

    Examples:
        >>> print(in_one_line("no such file: a" + chr(10) + "b.npz"))
        no such file: a\nb.npz
    """
    shown = (char if char.isprintable() or char in UNDECODED else repr(char)[1:-1] for char in text)
    return "".join(shown)


def check_kinds(options: Any) -> None:
    """Raises `InputError` unless every field of a record of options is of the kind that its annotation says.

    Afterwards the record holds values of Python's own types: `np.float32(0.5)` has become 0.5, and a list or an array of
    numbers a tuple. Such a record is hashable, equals others with these values, and can be written as text.

    Whole numbers and choices are left to `check_count` and `check_choice`, which also say which ones are meant.
    """
    for name, hint in get_type_hints(type(options)).items():
        value, optional = getattr(options, name), NoneType in get_args(hint)
        if optional:
            hint = next(kind for kind in get_args(hint) if kind is not NoneType)
        if not (optional and value is None):
            object.__setattr__(options, name, read_kind(name, value, hint))


def read_kind(name: str, value: object, hint: Any) -> Any:
    """`value` in Python's own type `hint`. Raises `InputError` if it is of another kind; hints not in `KINDS` take any."""
    if hint not in KINDS:
        return _plain(value)
    what, fits, convert = KINDS[hint]
    plain = _items(value) if convert is tuple else _plain(value)
    if not fits(plain):
        raise InputError(f"{name} must be {what}, got {_show(value)}")
    return tuple(map(get_args(hint)[0], plain)) if convert is tuple else convert(plain)


def check_instance(name: str, value: object, kind: type, *, or_none: bool = False) -> None:
    """Raises `InputError` unless `value` is a `kind`, or with `or_none` None."""
    if not (isinstance(value, kind) or (or_none and value is None)):
        raise InputError(f"{name} must be a {kind.__name__}, got {_show(value)}")


def check_function(name: str, value: object) -> None:
    """Raises `InputError` unless `value` can be called, or is None."""
    if value is not None and not callable(value):
        raise InputError(f"{name} must be a function, got {_show(value)}")


def _plain(value: Any) -> Any:
    """A number of NumPy, JAX or PyTorch, or an array of theirs without axes, as Python has it; anything else as it is."""
    return value.item() if getattr(value, "ndim", None) == 0 and hasattr(value, "item") else value


def _items(value: Any) -> tuple[Any, ...]:
    """The items of a sequence, or of an array with one axis. Anything else is an item itself."""
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return tuple(map(_plain, value))
    array = np.asarray(value) if hasattr(value, "__array__") else None
    return tuple(array.tolist()) if array is not None and array.ndim == 1 else (_plain(value),)


def _is_number(value: Any) -> bool:
    try:
        return not isinstance(value, bool) and isinstance(value, Real) and float(value) is not None
    except OverflowError:  # a whole number
        return False


def _are(fits: Callable[[object], bool]) -> Callable[[Any], bool]:
    return lambda values: all(map(fits, values))


def _is_text(value: object) -> bool:
    return isinstance(value, str)


# What a value must be, whether one is, and the type that it gets.
KINDS: dict[object, tuple[str, Callable[[Any], bool], Callable[[Any], Any]]] = {
    bool: ("True or False", lambda value: isinstance(value, bool), bool),
    float: ("a number that a float can be", _is_number, float),
    str: ("a text", _is_text, str),
    Path: ("a path", lambda value: isinstance(value, str | Path), Path),
    tuple[float, ...]: ("a number, or a sequence or an array of numbers", _are(_is_number), tuple),
    tuple[str, ...]: ("a text, or a sequence of texts", _are(_is_text), tuple),
}


def _show(value: object) -> str:
    """A value in one line of bounded length."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:59]}…"


def check_choice(name: str, value: object, choices: object) -> None:
    """Raises `InputError` unless `value` is one of the values of the `Literal` type `choices`."""
    if not isinstance(value, str) or value not in get_args(choices):
        raise InputError(f"{name} must be one of {', '.join(get_args(choices))}, got {_show(value)}")


LARGEST_COUNT = 2**31 - 1  # of JAX's 32-bit integers


def check_count(name: str, value: int, least: int = 1, most: int | None = None) -> None:
    """Raises `InputError` unless `value` is an integer from `least` to `most`, which is that of 32 bits by default."""
    bound = f"of at least {least}" if most is None else f"from {least} to {most}"
    count = _plain(value)
    if (
        isinstance(count, bool)
        or not isinstance(count, int)
        or count < least
        or (most is not None and count > most)
    ):
        raise InputError(f"{name} must be a whole number {bound}, got {_show(value)}")
    if count > LARGEST_COUNT:
        raise InputError(
            f"{name} must be at most {LARGEST_COUNT}, as JAX counts with 32 bits, got {write_count(count)}"
        )


def write_count(value: int) -> str:
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
