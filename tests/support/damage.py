"""Strategies of hypothesis for .npz files: odd ones, and damaged ones."""

import io
import zipfile

import numpy as np
from hypothesis import strategies as st

TYPES = ("f8", "f4", "f2", ">f8", "u1", "i1", "i8", "u8", ">i2", "?", "c16", "U3", "S3", "M8[s]", "V4", "g")
SHAPES = (
    (60, 3),
    (60, 4, 4),
    (60, 4, 4, 3),
    (12, 3),
    (2, 3),
    (1, 3),
    (0, 3),
    (60, 0),
    (60,),
    (),
    (60, 1, 1, 1, 3),
)
FILLS = ("normal", "normal", "normal", "zero", "nan", "inf", "huge", "tiny", "count", "negative")
LABELS = (
    "turn",
    "turn",
    "turn",
    "one class",
    "gap",
    "negative",
    "huge",
    "floats",
    "one-hot",
    "column",
    "names",
    "short",
)
EXTREMES = (0, 1, -1, 2, 255, 2**31 - 1, 2**31, -(2**31), 2**62, 10**30)


@st.composite
def features(draw) -> np.ndarray:
    """An array of features, usable or not."""
    shape, fill = draw(st.sampled_from(SHAPES[:1] * 5 + SHAPES)), draw(st.sampled_from(FILLS))
    X = np.random.default_rng(draw(st.integers(0, 3))).normal(size=shape)
    spot = np.zeros(X.size, bool)
    spot[: draw(st.sampled_from([1, X.size]))] = True
    value = {"zero": 0, "nan": np.nan, "inf": np.inf, "huge": 1e308, "tiny": 5e-324, "negative": -1e200}.get(
        fill
    )
    if value is not None:
        X = np.where(spot.reshape(shape), value, X)
    if fill == "count":
        X = np.arange(X.size, dtype=float).reshape(shape)
    with np.errstate(all="ignore"):
        kind = np.dtype(draw(st.sampled_from(TYPES[:2] * 4 + TYPES)))
        return X.astype(np.int64).astype(kind) if kind.kind in "MVSU" else X.astype(kind)


@st.composite
def labels(draw, number: int) -> np.ndarray:
    """Labels of so many examples, usable or not."""
    y = np.arange(number) % draw(st.sampled_from([2, 3]))
    kind = draw(st.sampled_from(LABELS))
    if kind == "one class":
        return np.zeros_like(y)
    if kind == "one-hot":
        return np.eye(3)[y]
    if kind == "column":
        return y[:, None]
    if kind == "names":
        return np.array(["cat", "dog", "ü"])[y]
    if kind == "short":
        return y[:-1]
    if kind == "floats":
        return y + 0.5
    changed = {"gap": 2 * y, "negative": y - 1, "huge": y * 2**40}.get(kind, y)
    return changed.astype(draw(st.sampled_from(["i8", "i4", "u1", "i1", "u8", ">i4"])))


@st.composite
def data_arrays(draw) -> dict[str, np.ndarray]:
    """The arrays of a data set: X and y, or six of them, usable or not."""
    first = draw(features())
    parts = draw(st.sampled_from([("",)] * 3 + [("_train", "_val", "_test")]))
    arrays = {}
    for part in parts:
        X = first if draw(st.integers(0, 9)) else draw(features())
        arrays |= {f"X{part}": X, f"y{part}": draw(labels(len(X) if X.ndim else 0))}
    if not draw(st.integers(0, 3)):
        names = draw(
            st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5), max_size=4)
        )
        arrays["class_names"] = np.array(names or ["", "b"]) if draw(st.booleans()) else np.arange(3)
    if arrays and not draw(st.integers(0, 9)):
        del arrays[draw(st.sampled_from(sorted(arrays)))]
    return arrays


def pack(members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    """A .npz file of members that are given as bytes, with right checksums."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def unpack(content: bytes) -> dict[str, bytes]:
    """The members of a .npz file, as bytes."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def to_npy(array: np.ndarray) -> bytes:
    """An array as NumPy writes it."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


@st.composite
def damaged(draw, content: bytes) -> bytes:
    """Bytes of a file in which some are changed, cut off, inserted, repeated, or swapped."""
    data = bytearray(content)
    for _ in range(draw(st.integers(1, 3))):
        # the ends of a .npz file hold its directory and headers
        end = min(200, len(data))
        start = draw(
            st.one_of(st.integers(0, len(data)), st.integers(0, end), st.integers(len(data) - end, len(data)))
        )
        length = draw(st.sampled_from([1, 1, 2, 4, 8, 100]))
        match draw(st.sampled_from(["flip", "flip", "cut", "insert", "remove", "repeat", "end", "zero"])):
            case "flip":
                data[start : start + 1] = bytes(
                    byte ^ (1 << draw(st.integers(0, 7))) for byte in data[start : start + 1]
                )
            case "cut":
                del data[start:]
            case "insert":
                data[start:start] = draw(st.binary(min_size=1, max_size=8))
            case "remove":
                del data[start : start + length]
            case "repeat":
                data[start:start] = data[start : start + length]
            case "end":
                data += draw(st.binary(min_size=1, max_size=30))
            case "zero":
                data[start : start + length] = bytes(len(data[start : start + length]))
    return bytes(data)


@st.composite
def damaged_npz(draw, content: bytes) -> bytes:
    """A .npz file damaged somewhere: in its bytes, in a member whose checksum is right again, in names, or in an array."""
    kind = draw(st.sampled_from(["bytes", "member", "names", "header", "array", "noise"]))
    if kind == "bytes":
        return draw(damaged(content))
    if kind == "noise":
        return draw(st.sampled_from([b"", b"PK\x03\x04", b"\x93NUMPY"])) + draw(st.binary(max_size=100))
    members = unpack(content)
    if not members:
        return draw(damaged(content))
    name = draw(st.sampled_from(sorted(members)))
    method = draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))
    match kind:
        case "member":
            members[name] = draw(damaged(members[name]))
        case "names":
            other = draw(st.sampled_from(sorted(members)))
            members[name], members[other] = members[other], members[name]
            if draw(st.booleans()):
                del members[name]
        case "header":
            members[name] = draw(rewritten_header(members[name]))
        case "array":
            members[name] = to_npy(draw(changed_array(np.load(io.BytesIO(members[name])))))
    return pack(members, method)


@st.composite
def rewritten_header(draw, content: bytes) -> bytes:
    """A .npy file whose header says something else of the same length or another."""
    header, rest = content[10:128], content[128:]
    old, new = draw(
        st.sampled_from(
            [
                (b"<f8", b"<f4"),
                (b"<f8", b"|O8"),
                (b"False", b"True "),
                (b"shape", b"shope"),
                (b"(", b"(9"),
                (b"(", b"(-"),
                (b"(", b"(99999999999999,"),
                (b"<", b">"),
                (b"8", b"0"),
                (b"'", b'"'),
                (b"}", b" "),
                (b"descr", b"\xff\xfe"),
                (b"'<f8'", b"[('a', '<f8')]"),
                (b"(", b"((((((((("),
                (b"(", b"(True, "),
            ]
        )
    )
    changed = header.replace(old, new, 1)
    return content[:8] + len(changed).to_bytes(2, "little") + changed + rest


@st.composite
def changed_array(draw, array: np.ndarray) -> np.ndarray:
    """An array of another shape, type or value."""
    with np.errstate(all="ignore"):
        match draw(st.sampled_from(["value", "type", "shape", "fill", "empty", "scalar", "longer"])):
            case "value" if array.size and array.dtype.kind in "fiub":
                array, value = array.copy(), draw(st.sampled_from([np.nan, np.inf, *EXTREMES]))
                bounds = np.iinfo(array.dtype) if array.dtype.kind in "iu" else None
                value = (
                    value
                    if bounds is None
                    else bounds.max
                    if not value < bounds.max
                    else max(bounds.min, int(value))
                )
                array.flat[draw(st.integers(0, array.size - 1))] = value
                return array
            case "type" if array.dtype.kind in "fiub":
                return np.nan_to_num(array).astype(
                    draw(st.sampled_from(["f4", "f8", "i8", "u1", "?", "c16", "U3"]))
                )
            case "shape":
                return draw(st.sampled_from([array.ravel(), array[None], array.T, array.reshape(-1, 1)]))
            case "fill" if array.dtype.kind == "f":
                return np.full_like(array, draw(st.sampled_from([np.nan, np.inf, 1e30, 0])))
            case "empty":
                return array[:0] if array.ndim else np.zeros(0, array.dtype)
            case "longer" if array.ndim:
                return np.concatenate([array, array])
    return np.asarray(draw(st.sampled_from([0, -1, 3, 10**9, 2**62, np.nan, 1e300])))
