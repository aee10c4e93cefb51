"""NumPy arrays from what other libraries hold: NumPy, JAX, PyTorch, pandas, polars, and lists.

None of them is imported here, unless an object of it is given. Where memory can be shared, nothing is copied.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Shaped

from softjax.errors import InputError

PROTOCOLS = ("__array__", "__array_interface__", "__array_struct__", "__dlpack__")
MISSING = ("NoneType", "NAType", "NaTType")
WHAT_TO_DO = {
    "text": "encode it as numbers, for example a column of 0 and 1 for each value, or leave it out",
    "categories": "encode it as numbers, for example a column of 0 and 1 for each value, or leave it out",
    "dates or times": "turn them into numbers, for example days since the first, or leave it out",
    "nested values": "make each of their entries a column of its own, or leave it out",
    "nothing": "leave it out",
}


def show(value: object, most: int = 60) -> str:
    """A value in one line of bounded length.

    Examples:
        >>> show("cat"), show(0.5), show("n" * 100, most=10)
        ("'cat'", '0.5', "'nnnnnnnn…")
    """
    text = " ".join(repr(value.item() if isinstance(value, np.generic) else value).split())
    return text if len(text) <= most else f"{text[: most - 1]}…"


def package_of(value: object) -> str:
    """The package that the class of `value` comes from, such as pandas; empty for a class of Python's own."""
    roots = [kind.__module__.partition(".")[0] for kind in type(value).__mro__]
    return next((root for root in roots if root in ("pandas", "polars", "torch", "scipy", "pyarrow")), "")


def is_frame(value: object) -> bool:
    """Whether `value` is a table of pandas or polars."""
    return package_of(value) in ("pandas", "polars") and _is_a(value, "DataFrame")


def is_series(value: object) -> bool:
    """Whether `value` is a column of pandas or polars."""
    return package_of(value) in ("pandas", "polars") and _is_a(value, "Series")


def _is_a(value: object, name: str) -> bool:
    return any(kind.__name__ == name for kind in type(value).__mro__)


def list_columns(frame: Any) -> list[str] | None:
    """The names of the columns of a frame, or None where pandas has only numbered them."""
    names = list(frame.columns)
    return None if names == list(range(len(names))) else [str(name) for name in names]


def get_column(frame: Any, position: int) -> Any:
    """The column of a frame at that position."""
    return frame.iloc[:, position] if package_of(frame) == "pandas" else frame.to_series(position)


def to_array(value: Any, name: str) -> Shaped[np.ndarray, "..."]:
    """`value`, which is no frame, as a NumPy array of any type and shape. bfloat16 and its relatives become float32.

    Raises `InputError`, with `name`, if it is no array, is sparse or has masked entries.
    """
    package = package_of(value)
    if package == "scipy" and hasattr(value, "toarray"):
        size = 8 * int(np.prod(value.shape, dtype=float)) / 1e9
        raise InputError(
            f"{name} is a sparse matrix ({type(value).__name__}), and softjax computes with dense ones: give its "
            f"toarray(), of {size:.2g} GB in float64"
        )
    if package == "pyarrow" or (package in ("pandas", "polars") and not hasattr(value, "__array__")):
        kind = type(value).__name__
        raise InputError(f"{name} is a {kind} of {package}: give a frame, its collect() or to_pandas()")
    if not (isinstance(value, Sequence) or any(hasattr(value, each) for each in PROTOCOLS)) or isinstance(
        value, str | bytes
    ):
        raise InputError(f"{name} must be an array, a frame of pandas or polars, or lists, got {show(value)}")
    if isinstance(value, np.ma.MaskedArray):
        if np.ma.is_masked(value):
            raise InputError(f"{name} has masked entries: fill them in, or leave their rows out")
        value = value.data
    try:
        array = _from_torch(value, name) if package == "torch" else _as_array(value)
    except InputError:
        raise
    except Exception as error:  # of a foreign object anything may be raised
        reason = (str(error).strip() or type(error).__name__).split("\n")[0][:150]
        raise InputError(f"{name} ({type(value).__name__}) cannot be read as an array: {reason}") from error
    return array.astype(np.float32) if array.dtype.type.__module__ == "ml_dtypes" else array


def _as_array(value: Any) -> np.ndarray:
    if isinstance(value, Sequence) or any(hasattr(value, each) for each in PROTOCOLS[:3]):
        return np.asarray(value)
    return np.from_dlpack(value)


def _from_torch(tensor: Any, name: str) -> np.ndarray:
    if str(tensor.layout) != "torch.strided":
        raise InputError(
            f"{name} is a sparse tensor, and softjax computes with dense ones: give its to_dense()"
        )
    tensor = tensor.detach().cpu()
    if str(tensor.dtype) not in TORCH_TYPES and tensor.is_floating_point():  # which NumPy lacks
        tensor = tensor.float()
    return np.asarray(tensor.resolve_conj().resolve_neg().numpy())


TORCH_TYPES = ("torch.float16", "torch.float32", "torch.float64")


def read_column(series: Any, where: str) -> Shaped[np.ndarray, " N"]:
    """A column of numbers of a frame, or a series, as a NumPy array.

    Raises `InputError`, with `where`, for missing values, and for what is not numbers: text, dates, nested columns.
    """
    return _read_pandas(series, where) if package_of(series) == "pandas" else _read_polars(series, where)


def _read_pandas(series: Any, where: str) -> np.ndarray:
    dtype = series.dtype
    if type(dtype).__name__ == "SparseDtype":
        raise InputError(f"{where} is sparse: make it dense with its sparse.to_dense()")
    kind = getattr(dtype, "kind", "O")
    if kind not in "iufb":
        found = series.dropna()
        raise _refusal(where, kind, found.iloc[0] if len(found) else None, str(dtype))
    if not isinstance(dtype, np.dtype) and (missing := np.asarray(series.isna())).any():
        raise _missing(where, missing)
    return np.asarray(series.to_numpy(dtype=getattr(dtype, "numpy_dtype", dtype)))


def _read_polars(series: Any, where: str) -> np.ndarray:
    import polars

    dtype = series.dtype
    if not (dtype.is_numeric() or dtype == polars.Boolean):
        kind = "M" if dtype.is_temporal() else "O"
        found = series.drop_nulls()
        raise _refusal(where, kind, found[0] if len(found) else None, str(dtype))
    if series.null_count():
        raise _missing(where, np.asarray(series.is_null()))
    if str(dtype).startswith(("Decimal", "Int128", "UInt128")):
        series = series.cast(polars.Float64)
    return np.asarray(series.to_numpy())


def _missing(where: str, missing: np.ndarray) -> InputError:
    return InputError(
        f"{where} has missing values, the first in row {int(missing.argmax())} ({int(missing.sum())} in all): fill them "
        "in, or leave the rows or the column out"
    )


def _refusal(where: str, kind: str, first: object, dtype: str) -> InputError:
    """Why a column holds no numbers, and what to do, from its first value."""
    if kind in "Mm" or type(first).__name__ in (
        "date",
        "datetime",
        "time",
        "timedelta",
        "Period",
        "Interval",
    ):
        what = "dates or times"
    elif first is None:
        what = "nothing"
    elif dtype == "category":
        what = "categories"
    elif isinstance(first, str | bytes):
        what = "text"
    elif isinstance(first, list | tuple | dict | np.ndarray) or is_series(first):
        what = "nested values"
    else:
        return InputError(f"{where} holds {dtype} values, such as {show(first)}: convert it to float64")
    example = f" ({show(first)})" if what in ("text", "categories") else ""
    return InputError(f"{where} holds {what}{example}: {WHAT_TO_DO[what]}")
