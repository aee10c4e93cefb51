"""What several sections share: names, numbers and outcomes as text."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from softjax.comparison.cases import ACCURACY, SIZES, AccuracyCase
from softjax.comparison.frameworks import FRAMEWORKS
from softjax.comparison.records import Record, Speed

SHOWN_ENTRIES = 12  # of an array
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def join_names(names: Sequence[str], most: int = 4) -> str:
    """The names in one line: all of up to `most`, else the first ones, and how many others there are.

    Examples:
        >>> join_names(["a", "b", "c"])
        'a, b and c'
        >>> join_names(["a", "b", "c", "d"], most=3)
        'a, b and 2 others'
    """
    if len(names) > most:
        names = [*names[: most - 1], f"{len(names) - most + 1} others"]
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def join_rows(rows: Sequence[str], most: int = 4) -> str:
    """The names of rows in one line, as `join_names`."""
    return join_names([f"`{row}`" for row in rows], most)


def join_parts(*parts: str) -> str:
    """The parts of a page that are not empty, with an empty line between them."""
    return "\n\n".join(part.strip("\n") for part in parts if part)


def make_file_name(name: str) -> str:
    """The name of a library as part of the name of a file.

    Examples:
        >>> make_file_name("TensorFlow.js")
        'tensorflow-js'
    """
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def format_size(case: AccuracyCase) -> str:
    """N × D × K."""
    return f"{case.N:,} × {case.D:,} × {case.K:,}"


def describe_case(case: AccuracyCase) -> str:
    """An accuracy case in words."""
    if case.scale != 1:
        power = str(round(np.log10(case.scale))).translate(_RAISED)
        return f"scores of about 10{power}"
    return f"{format_size(case)}{', weighted' if case.weighted else ''}"


def choose_sizes(speeds: Sequence[Speed]) -> list[str]:
    """The sizes at which speeds were asked for."""
    return [case for case in SIZES if any(speed.case == case for speed in speeds)]


def title_size(name: str) -> str:
    """N × D × K of a size."""
    return format_size(ACCURACY[name])


def format_time(seconds: float) -> str:
    """Three digits, in s, ms or µs.

    Examples:
        >>> format_time(0.0123456), format_time(1234.5), format_time(8.81e-6)
        ('12.3 ms', '1,230 s', '8.81 µs')
    """
    for unit, length in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        rounded = float(f"{seconds / length:.3g}")
        if rounded >= 1:
            return f"{rounded:,g} {unit}"
    return f"{1e6 * seconds:.2g} µs"


def format_number(value: float | None, digits: int = 4) -> str:
    """A number with the signs of mathematics; −0 is 0."""
    if value is None:
        return "none"
    return f"{value + 0.0:.{digits}g}".replace("inf", "∞").replace("nan", "NaN").replace("-", "−")


def format_array(value: Any, digits: int = 4) -> str:
    """An array of numbers: its entries if they are few, else its shape and range."""
    a = np.asarray(value, np.float64)
    if a.size <= SHOWN_ENTRIES:
        return _format_nested(a.tolist(), digits)
    finite = a[np.isfinite(a)]
    odd = a.size - finite.size
    text = f"an array {a.shape}"
    if finite.size:
        text += f", from {format_number(finite.min(), digits)} to {format_number(finite.max(), digits)}"
    return text + (f", {odd} entries NaN or ∞" if odd else "")


def _format_nested(value: Any, digits: int) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_format_nested(part, digits) for part in value)}]"
    return format_number(value, digits)


def describe_outcome(record: Record) -> str:
    """The outcome of an edge case in a few words, by the formula and by what the library documents.

    Examples:
        >>> describe_outcome(Record("edge_cases", "mlx", "label-K", "float32", "wrong", documented="right"))
        'wrong; as documented'
    """
    text = _describe_status(record)
    if record.documented is None:
        return text
    if record.status == "right":
        return text if record.documented == "right" else f"{text}; not as documented"
    return f"{text}; {'as documented' if record.documented == 'right' else 'not as documented either'}"


def _describe_status(record: Record) -> str:
    match record.status:
        case "right":
            return "right" if record.error is None else f"right ({record.error})"
        case "nan":
            return name_non_finite(record)
        case "error":
            return str(record.error)
        case "not run":
            return f"not run ({record.message})"
        case _:
            return record.status


def name_non_finite(record: Record) -> str:
    """NaN where the loss or the derivative holds one, else ∞."""
    loss = np.nan if record.loss is None and record.grad is None else record.loss or 0.0
    values = np.append(np.asarray([] if record.grad is None else record.grad, np.float64), loss)
    return "NaN" if np.isnan(values).any() else "∞"


def find_version(versions: dict[str, str | None], rows: Sequence[str]) -> str:
    """The version of the library of these rows; empty if it is not installed."""
    return next((version for row in rows if (version := versions[row]) is not None), "")


def name_row(row: str) -> str:
    """The name of a row with its title."""
    return f"`{row}` ({FRAMEWORKS[row].title})"
