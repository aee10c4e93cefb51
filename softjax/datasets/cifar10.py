"""CIFAR-10, read from the binary or the Python version, or downloaded.

Source: Krizhevsky, *Learning Multiple Layers of Features from Tiny Images*, 2009.
"""

import hashlib
import os
import pickle
import shutil
import sys
import tarfile
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from jaxtyping import UInt8

from softjax.datasets.dataset import Dataset, Split
from softjax.errors import InputError

CLASS_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
BATCHES = ("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch")
PER_BATCH, PIXELS = 10_000, 3072
VAL, TEST = 1_000, 1_000  # images, as in the course

URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
MD5 = "c32a1d4ab5d03f1284b67883e8d87530"
TIMEOUT = 30  # seconds to wait for an answer

# SHA-1 of each batch in the binary layout. Batches of the Python version are converted first.
KNOWN_PIXELS = {
    "CIFAR-10": (
        "aadd24acce27caa71bf4b10992e9e7b2d74c2540",
        "c0ba65cce70568cd57b4e03e9ac8d2a5367c1795",
        "1dd00a74ab1d17a6e7d73e185b69dbf31242f295",
        "aab85764eb3584312d3c7f65fd2fd016e36a258e",
        "26e2849e66a845b7f1e4614ae70f4889ae604628",
        "67eb016db431130d61cd03c7ad570b013799c88c",
    ),
    "CIFAR-10 (JPEG)": (  # every image re-encoded as a JPEG of quality 75
        "87d9f4d1aa046f162b5c83490fa9f3db74e16ea7",
        "ebebad11a34c7e94b49b0e759d6bacbb431ae316",
        "f137dfb493cae8f1be014e7a82c5ac21a68db641",
        "14fbdf5104142dea134bc0b346a6a39b8e12b694",
        "f03bac0a7ba1e3fad27ecb453a88e479de5a78d3",
        "4a8b485c45a2db327104f044d89d6b02106ee711",
    ),
}
UNRECOGNIZED = "CIFAR-10 (unrecognized pixels)"


class DownloadError(InputError):
    """CIFAR-10 is not there and cannot be downloaded."""


def load(data_dir: Path | None, val_images: int, test_images: int | Literal["all"]) -> Dataset:
    """CIFAR-10, split as in the course.

    The last `val_images` of the 50,000 training images are the validation split, the first `test_images` of the 10,000
    test images the test split. A row of X is an image (height, width, channel) of uint8 pixels, as in the course.
    `title` says which pixels were read: the published ones, those of the JPEG set, or unrecognized ones.

    Raises `InputError` if the files are missing, incomplete or damaged, or cannot be downloaded.
    """
    layout = _find(data_dir)
    X = np.empty((PER_BATCH * len(BATCHES), PIXELS), np.uint8)
    y = np.empty(PER_BATCH * len(BATCHES), np.int32)

    def read(k: int) -> str:
        """Reads batch k into its rows of X and y. Returns its hash."""
        rows = slice(PER_BATCH * k, PER_BATCH * (k + 1))
        records = (_binary_records if layout.name.endswith("bin") else _pickled_records)(layout, BATCHES[k])
        y[rows] = records[:, 0]
        # published as (channel, height, width)
        X[rows].reshape(-1, 32, 32, 3)[:] = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        return hashlib.sha1(records.data).hexdigest()

    with ThreadPoolExecutor(2) as pool:  # more threads would need more memory and save little time
        hashes = list(pool.map(read, range(len(BATCHES))))
    known = (title for title, pixels in KNOWN_PIXELS.items() if pixels == tuple(hashes))
    num_test = PER_BATCH if test_images == "all" else test_images
    all_train = 5 * PER_BATCH
    train, val, test = (
        slice(0, all_train - val_images),
        slice(all_train - val_images, all_train),
        slice(all_train, all_train + num_test),
    )
    return Dataset(
        "cifar10",
        next(known, UNRECOGNIZED),
        Split(X[train], y[train]),
        Split(X[val], y[val]),
        Split(X[test], y[test]),
        CLASS_NAMES,
        (32, 32, 3),
        hashlib.sha256(f"{' '.join(hashes)} {val_images} {num_test}".encode()).hexdigest()[:16],
    )


def _find(data_dir: Path | None) -> Path:
    """The folder with the batches. If `data_dir` is given, only there; else in the usual places, or downloaded."""
    if data_dir is not None:
        found = _layout_in(data_dir)
        if found is None:
            raise InputError(
                f"{data_dir} holds no CIFAR-10: expected cifar-10-batches-bin or cifar-10-batches-py in it"
                + ("" if data_dir.is_dir() else " (there is no such folder)")
            )
        return found
    import pooch

    cache = Path(pooch.os_cache("softjax"))
    named = os.environ.get("SOFTJAX_DATA_DIR")
    return (named and _layout_in(Path(named))) or _layout_in(cache) or _download(cache)


def _layout_in(folder: Path) -> Path | None:
    """The folder of a complete layout, in `folder` or `folder` itself; None if there is none."""
    incomplete = None
    for name, suffix in (("cifar-10-batches-bin", ".bin"), ("cifar-10-batches-py", "")):
        for layout in (folder / name, folder):
            if layout.name != name or not layout.is_dir():
                continue
            missing = [batch + suffix for batch in BATCHES if not (layout / (batch + suffix)).is_file()]
            if not missing:
                return layout
            incomplete = incomplete or InputError(f"{layout} is incomplete: {', '.join(missing)} missing")
    if incomplete is not None:
        raise incomplete
    return None


def _binary_records(layout: Path, batch: str) -> UInt8[np.ndarray, "N R"]:
    path = layout / f"{batch}.bin"
    expected = PER_BATCH * (PIXELS + 1)
    if (size := path.stat().st_size) != expected:
        raise InputError(f"{path} is damaged: {size:,} bytes, expected {expected:,}")
    return _check_labels(path, np.fromfile(path, np.uint8).reshape(PER_BATCH, PIXELS + 1))


def _pickled_records(layout: Path, batch: str) -> UInt8[np.ndarray, "N R"]:
    path = layout / batch
    try:
        with path.open("rb") as file:
            content = _BatchUnpickler(file, encoding="bytes").load()
        labels = np.array(content[b"labels"])
        pixels = content[b"data"].pixels()
    except Exception as error:  # a damaged pickle can raise anything
        reason = str(error) or type(error).__name__
        raise InputError(f"{path} is damaged, or no CIFAR-10 batch: {reason}") from error
    if pixels.shape != (PER_BATCH, PIXELS) or labels.shape != (PER_BATCH,) or labels.dtype.kind != "i":
        raise InputError(
            f"{path} is damaged: pixels {pixels.shape} and labels {labels.shape}, "
            f"expected {(PER_BATCH, PIXELS)} and {(PER_BATCH,)}"
        )
    if labels.min() < 0 or labels.max() > 255:
        raise InputError(f"{path} is damaged: labels from {labels.min()} to {labels.max()}, expected 0..9")
    return _check_labels(path, np.hstack([labels[:, None].astype(np.uint8), pixels]))


def _check_labels(path: Path, records: UInt8[np.ndarray, "N R"]) -> UInt8[np.ndarray, "N R"]:
    if (worst := records[:, 0].max()) >= len(CLASS_NAMES):
        raise InputError(f"{path} is damaged: it holds the label {worst}, expected 0..9")
    return records


class _PickledArray:
    """Replaces numpy.ndarray while a batch is unpickled: it only stores the array's state."""

    def __init__(self, *_: object) -> None:
        self.state: tuple[Any, ...] = ()

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.state = state

    def pixels(self) -> UInt8[np.ndarray, "N F"]:
        _, shape, dtype, fortran_order, content = self.state
        if dtype.name != b"u1" or fortran_order:
            raise ValueError("its pixels are no C-ordered uint8 array")
        return np.frombuffer(content, np.uint8).reshape(shape)


class _PickledType:
    """Replaces numpy.dtype in the same way."""

    def __init__(self, name: bytes, *_: object) -> None:
        self.name = name

    def __setstate__(self, state: object) -> None:
        pass


class _BatchUnpickler(pickle.Unpickler):
    """Reads the published Python 2 pickles. It refuses a pickle that asks for any other class or function."""

    _STAND_INS: ClassVar = {
        ("numpy.core.multiarray", "_reconstruct"): _PickledArray,
        ("numpy", "ndarray"): _PickledArray,
        ("numpy", "dtype"): _PickledType,
    }

    def find_class(self, module: str, name: str) -> Any:
        try:
            return self._STAND_INS[module, name]
        except KeyError:
            raise pickle.UnpicklingError(
                f"it asks for {module}.{name}, which no CIFAR-10 batch does; nothing of it was run"
            ) from None


def _download(cache: Path) -> Path:
    """Downloads the binary archive into `cache` and unpacks the batches. The folder appears only when complete."""
    import pooch

    downloader = pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), timeout=TIMEOUT)
    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel("WARNING")
    try:
        archive = pooch.retrieve(
            URL, known_hash=f"md5:{MD5}", fname=Path(URL).name, path=cache, downloader=downloader
        )
    except Exception as error:  # requests, urllib3, OSError, pooch's ValueError for a bad hash
        first_line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise DownloadError(
            f"CIFAR-10 could not be downloaded from {URL} into {cache} ({first_line})"
        ) from error
    finally:
        logger.setLevel(level)
    scratch = Path(tempfile.mkdtemp(dir=cache))
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for name in (*(f"{batch}.bin" for batch in BATCHES), "batches.meta.txt"):
                # Only these members are read, as plain bytes: paths and links in the archive are not followed.
                member = tar.extractfile(f"cifar-10-batches-bin/{name}")
                if member is None:
                    raise KeyError(f"{name} is no plain file")
                with member, (scratch / name).open("wb") as file:
                    shutil.copyfileobj(member, file)
        scratch.chmod(0o755)
        return scratch.rename(cache / "cifar-10-batches-bin")
    except (KeyError, EOFError, OSError, tarfile.TarError) as error:
        raise InputError(f"{archive} could not be unpacked as CIFAR-10's archive: {error}") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
