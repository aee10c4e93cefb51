"""A .npz file is read or refused in one line that names it and the array, whatever its bytes are."""

import io
import os
import pickle
import struct
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from softjax import InputError, load_dataset
from softjax.npz import list_arrays, read_arrays

METHODS = {
    "stored": zipfile.ZIP_STORED,
    "deflate": zipfile.ZIP_DEFLATED,
    "bz2": zipfile.ZIP_BZIP2,
    "lzma": zipfile.ZIP_LZMA,
}
rng = np.random.default_rng(0)
X, y = rng.normal(size=(100, 6)), np.arange(100) % 4


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def claims(text):
    """A .npy file whose header has this text, with little behind it."""
    header = text.encode("latin1")
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(64)


def shaped(shape, dtype="'<f8'"):
    return claims(f"{{'descr': {dtype}, 'fortran_order': False, 'shape': {shape}, }}\n")


@pytest.fixture
def save(tmp_path):
    def write(members, method="stored"):
        path = tmp_path / "own.npz"
        with zipfile.ZipFile(path, "w", METHODS[method]) as archive:
            for name, content in members.items():
                archive.writestr(name, content if isinstance(content, bytes) else npy(content))
        return path

    return write


def refusal(path, names=None):
    with pytest.raises(InputError) as caught:
        read_arrays(path, names)
    message = str(caught.value)
    assert "\n" not in message
    assert path.name in message
    return message


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "array",
    [
        X,
        np.asfortranarray(X),
        X[:0],
        np.float32(3),
        y.astype(">i2"),
        np.array(["a", "ü"]),
        np.array([True]),
        X[:, ::2],
    ],
)
def test_what_numpy_writes_is_read(save, method, array):
    path = save({"a.npy": array, "b.npy": y}, method)
    found = read_arrays(path)
    assert list(found) == ["a", "b"] == list_arrays(path)
    assert found["a"].dtype == np.asarray(array).dtype
    np.testing.assert_array_equal(found["a"], array)
    found["a"][...] = found["a"]  # it can be written to


BAD = {
    "no npy": (b"hello", r"X.npy.*is no array of NumPy"),
    "empty": (b"", r"X.npy.*is no array of NumPy"),
    "8 TB": (shaped("(1000000000000,)"), "X.npy.*claims.*more than"),
    "2**70": (shaped(f"({2**70},)"), "X.npy.*claims.*more than"),
    "product": (shaped(f"({2**40}, {2**40})"), "X.npy.*claims.*more than"),
    "negative": (shaped("(-3, 2)"), "X.npy.*shape"),
    "both negative": (shaped("(-2, -2)"), "X.npy.*shape"),
    "unreadable": (claims("{'descr': "), "X.npy.*header"),
    "text": (claims("\xff\xfe\n"), "X.npy.*header"),
    "expression": (claims("__import__('os').mkdir('victim')\n"), "X.npy.*header"),
    "nested": (claims("(" * 5000), "X.npy.*header"),
    "keys": (claims("{'shape': (3,)}\n"), "X.npy.*header"),
    "type": (shaped("(3,)", "'nonsense'"), "X.npy.*header"),
    "version": (b"\x93NUMPY\x09\x00" + bytes(100), "X.npy.*version 9"),
    "header too long": (b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**32 - 1) + b"{" * 100, "X.npy.*header"),
    "too short": (npy(X)[:-8], "X.npy.*"),
    "too long": (npy(X) + b"more", "X.npy.*more bytes than"),
    "objects": (np.array([{}, []], dtype=object), "X.npy.*pickled.*save it as numbers"),
    "no size": (shaped(f"({2**70},)", "'|V0'"), "X.npy"),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", BAD)
def test_a_bad_member_is_refused_by_name_and_only_where_it_is_asked_for(save, kind, method):
    content, message = BAD[kind]
    path = save({"X.npy": content, "y.npy": y}, method)
    with pytest.raises(InputError, match=message):
        read_arrays(path)
    refusal(path, ["X"])
    np.testing.assert_array_equal(read_arrays(path, ["y"])["y"], y)


def test_arrays_that_nobody_asked_for_do_not_matter_to_a_data_set(save):
    others = {f"{number}.npy": content for number, (content, _) in enumerate(BAD.values())}
    dataset = load_dataset(str(save({**others, "X.npy": X, "y.npy": y, "readme.txt": b"hello"})))
    assert len(dataset.train) == 80


@pytest.mark.parametrize("method", METHODS)
def test_a_damaged_member_is_refused_by_name_and_never_misread(save, method):
    path = save({"X.npy": X, "y.npy": y}, method)
    content = bytearray(path.read_bytes())
    start = content.index(b"X.npy") + 5
    for at in range(start, start + 1500, 7):
        damaged = content.copy()
        damaged[at] ^= 0x55
        path.write_bytes(damaged)
        try:  # some bytes of LZMA's header do not matter
            np.testing.assert_array_equal(read_arrays(path, ["X"])["X"], X)
        except InputError:
            assert "X.npy" in refusal(path, ["X"])


@pytest.mark.parametrize("method", METHODS)
def test_any_damage_is_one_line_or_none(save, method):
    """Wherever a byte is changed, and wherever the file is cut."""
    path = save({"X.npy": X[:9], "y.npy": y}, method)
    content = path.read_bytes()
    for at in range(0, len(content), 5):
        for damaged in (content[:at], content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :]):
            path.write_bytes(damaged)
            try:
                read_arrays(path)
            except InputError:
                refusal(path)


def test_an_encrypted_member_is_refused(save):
    path = save({"X.npy": X})
    content = bytearray(path.read_bytes())
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + flags] |= 1
    path.write_bytes(content)
    assert "encrypted" in refusal(path)


@pytest.mark.parametrize("method", ["deflate", "bz2", "lzma"])
def test_a_size_that_is_a_lie_costs_no_memory(save, method):
    """The header and the zip's directory both claim 10 TB; the limit of memory is the oracle."""
    content = shaped("(1250000000000,)") + bytes(10_000_000)
    path = save({"X.npy": content}, method)
    raw = bytearray(path.read_bytes())
    at = raw.index(b"PK\x01\x02") + 24
    raw[at : at + 4] = struct.pack("<I", 2**32 - 2)
    path.write_bytes(raw)
    code = f"""
import resource, sys
from pathlib import Path
from softjax.errors import InputError
from softjax.npz import read_arrays
read_arrays  # imported before the limit
import numpy
now = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (now + 2**28, now + 2**28))
try:
    read_arrays(Path({str(path)!r}))
except InputError as error:
    sys.exit(0 if "X.npy" in str(error) else 3)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


class Harmful:
    def __init__(self, victim):
        self.victim = victim

    def __reduce__(self):
        return os.mkdir, (str(self.victim),)


def test_a_pickle_is_never_run(save, tmp_path):
    victim = tmp_path / "victim"
    harmful = pickle.dumps(Harmful(victim))
    objects = np.empty(1, object)
    objects[0] = Harmful(victim)
    for members in ({"X.npy": harmful}, {"X.npy": objects}):
        refusal(save(members))
    (tmp_path / "own.npz").write_bytes(harmful)
    assert "pickle" in refusal(tmp_path / "own.npz")
    assert not victim.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (npy(X), "is a single array.*numpy.savez"),
        (pickle.dumps({"X": [1]}), "is a pickle.*numpy.savez"),
        (b"PK\x03\x04 cut off", "is damaged"),
        (b"PK\x05\x06" + bytes(18), "holds no arrays"),
        (b"no archive", "is damaged"),
        (b"X,y\n1,2\n", "is damaged, or no .npz"),
    ],
)
def test_a_file_of_another_kind_is_named(tmp_path, content, message):
    path = tmp_path / "own.npz"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        load_dataset(str(path))


def test_a_path_that_is_no_file_is_refused(tmp_path, monkeypatch):
    (tmp_path / "folder.npz").mkdir()
    os.mkfifo(tmp_path / "pipe.npz")
    (tmp_path / "loop.npz").symlink_to(tmp_path / "loop.npz")
    (tmp_path / "secret.npz").symlink_to("/proc/1/mem")
    monkeypatch.chdir(tmp_path)
    for name, message in (
        ("folder.npz", "is a folder"),
        ("pipe.npz", "is no regular file"),
        ("loop.npz", "loop.npz"),
        ("nowhere.npz", "no such file: nowhere.npz"),
        ("folder.npz/nowhere.npz", "no such file"),
        ("n" * 300 + ".npz", "name too long"),
        ("~nobody-of-this-name/x.npz", "~nobody-of-this-name"),
        ("null\0.npz", "cannot be read"),
    ):
        with pytest.raises(InputError, match=message) as caught:
            load_dataset(name)
        assert "\n" not in str(caught.value)


def test_long_and_odd_names_of_arrays_are_shown_in_one_short_line(save):
    members = {"n" * 300 + ".npy": X, "a\nb.npy": X, "y.npy": y} | {
        f"z{number}.npy": y for number in range(100)
    }
    with pytest.raises(InputError, match="expected X and y") as caught:
        load_dataset(str(save(members)))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500
    refusal(save({"n" * 300 + ".npy": b""}))


def test_a_missing_array_is_named(save):
    assert "z" in refusal(save({"X.npy": X}), ["X", "z"])
