"""Checkpoints: the identity and the state of an unfinished run. Each file is replaced as a whole."""

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from softjax.datasets.dataset import Dataset, fingerprint
from softjax.errors import InputError
from softjax.npz import read_arrays
from softjax.runs.files import raise_as_input_error, read_text, write_arrays, write_file

IDENTITY, STATE, JOURNAL = "identity.json", "state.npz", "journal.jsonl"
VERSIONS = ("softjax-suite", "jax", "jaxlib")
DATA = ("title", "fingerprint", "image_shape", "classes")
STAGE = "stage-"
DIGEST = "digest"  # the array that says what all others are
OURS = re.compile(
    rf"(identity\.json|state\.npz|journal\.jsonl|part-\d+\.npz)(\.new)?|report|earlier|{STAGE}[a-z0-9-]+"
)
UNREADABLE = (OSError, KeyError, TypeError, ValueError, AttributeError)


class OtherRunError(InputError):
    """The checkpoint belongs to another run."""


class DamagedCheckpointError(InputError):
    """The checkpoint cannot be read."""


class CheckpointNotWrittenError(InputError):
    """The checkpoint cannot be written. An earlier one is kept."""


def identify(config: dict[str, Any], dataset: Dataset | None = None) -> dict[str, Any]:
    """Everything that a report depends on: options, data set, versions. The values are those after a round trip via JSON."""
    versions = {name: version(name) for name in VERSIONS}
    data = describe_data(dataset) if dataset is not None else {}
    run = {"config": config, "data": {name: data.get(name) for name in DATA}, "versions": versions}
    return json.loads(json.dumps(run, default=str))  # type: ignore[no-any-return]


def describe_data(dataset: Dataset) -> dict[str, Any]:
    """What run.json holds of a data set, and an identity: the numbers by their fingerprint, and all that a report shows.

    Examples:
        >>> from softjax import load_dataset
        >>> describe_data(load_dataset("digits"))["image_shape"]
        [8, 8]
    """
    shape = dataset.image_shape
    return {
        "title": dataset.title,
        "fingerprint": dataset.fingerprint,
        "image_shape": None if shape is None else list(shape),
        "classes": list(dataset.class_names),
        "labels": list(dataset.classes),
        "feature_names": None if dataset.feature_names is None else list(dataset.feature_names),
    }


def identify_report(out: Path) -> dict[str, Any] | None:
    """The identity of the run whose report is at `out`, or None if there is no complete report."""
    try:
        run = json.loads(read_text(out / "run.json"))
        versions = {name: run["versions"].get(name) for name in VERSIONS}
        data = {name: run.get("dataset", {}).get(name) for name in DATA}
        return {"config": run["config"], "data": data, "versions": versions}
    except (OSError, KeyError, TypeError, AttributeError, ValueError):
        return None


def describe_difference(found: dict[str, Any], wanted: dict[str, Any]) -> str:
    """The differences of two identities, such as "num_iters 1500 there and 500 here"; empty if they are equal."""
    there, here = (
        {k: v for part in identity.values() for k, v in part.items()} for identity in (found, wanted)
    )
    texts = []
    for name in {**there, **here}:
        a, b = there.get(name), here.get(name)
        if a == b:
            continue
        if (
            isinstance(a, list) and isinstance(b, list) and len(a) == len(b)
        ):  # show the first element that differs
            differing = ((f"{name}[{i}]", x, y) for i, (x, y) in enumerate(zip(a, b, strict=True)) if x != y)
            name, a, b = next(differing)
        texts.append(f"{name} {_shorten(a)} there and {_shorten(b)} here")
    return ", ".join(texts)


def _shorten(value: Any) -> str:
    if isinstance(value, list) and len(value) > 4:
        return f"{value[0]}, {value[1]}, … {value[-1]} ({len(value)} values)"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _digest(arrays: dict[str, Any]) -> str:
    """A hash of the names, types, shapes and contents of arrays."""
    return fingerprint(np.array(list(arrays)), *map(np.asarray, arrays.values()))


@dataclass(frozen=True)
class Checkpoint:
    """A folder with the state of a run: its identity in identity.json, and named arrays.

    At any moment the folder contains a complete state or none. A run of several parts has a stage for each, a subfolder.
    """

    folder: Path

    @property
    def exists(self) -> bool:
        """Whether there is a state to continue from, here or in a stage."""
        marks = (STATE, JOURNAL, f"{STAGE}*/{STATE}")
        return any(any(self.folder.glob(mark)) for mark in marks)

    @property
    def identity(self) -> dict[str, Any] | None:
        """Whose it is; None where there is nothing to go on from, or that cannot be read."""
        try:
            identity: dict[str, Any] = json.loads(read_text(self.folder / IDENTITY))
        except (OSError, ValueError):
            return None
        return identity if self.exists else None

    @property
    def journal(self) -> Path:
        """A text file, for a run that appends a line for each result."""
        return self.folder / JOURNAL

    def stage(self, name: str) -> "Checkpoint":
        """The checkpoint of the part `name` of a run. `name` consists of lower-case letters, digits and hyphens."""
        return Checkpoint(self.folder / f"{STAGE}{name}")

    def start(self, identity: dict[str, Any], needed_bytes: int = 0) -> None:
        """Prepares the folder for a new run, and deletes the files of an earlier one.

        Raises `InputError` if the disk has less than `needed_bytes` free. Then the earlier files are kept.
        """
        self._check_space(needed_bytes)
        with raise_as_input_error(f"{self.folder} cannot be written"):
            self.discard()
            self.folder.mkdir(parents=True, exist_ok=True)
            content = json.dumps(identity, indent=1).encode()
            write_file(self.folder / IDENTITY, lambda file: file.write(content))

    def check(self, wanted: dict[str, Any]) -> None:
        """Raises `OtherRunError` if the state belongs to another run, `DamagedCheckpointError` if it cannot be read."""
        with self.readable():
            found = json.loads(read_text(self.folder / IDENTITY))
            different = describe_difference(found, wanted)
        if different:
            raise OtherRunError(f"{self.folder} holds the checkpoint of another run ({different})")

    def has(self, name: str) -> bool:
        """Whether the arrays called `name` were saved."""
        return self._path(name).is_file()

    def save(self, name: str, arrays: dict[str, Any]) -> None:
        """Writes arrays under a name. Raises `CheckpointNotWrittenError` if that fails; the earlier ones are kept."""
        earlier = "the earlier one is whole" if self.exists else "there is none yet"
        what = f"the checkpoint in {self.folder} cannot be written ({earlier})"
        with raise_as_input_error(what, CheckpointNotWrittenError):
            write_arrays(self._path(name), arrays | {DIGEST: _digest(arrays)})

    def load(self, name: str) -> dict[str, np.ndarray]:
        """The arrays that were saved under a name. Raises `DamagedCheckpointError` if they cannot be read."""
        path = self._path(name)
        try:
            arrays = read_arrays(path)
            if str(arrays.pop(DIGEST, None)) != _digest(arrays):
                raise InputError(f"{path} holds other arrays than were saved")
            return arrays
        except InputError as error:
            raise DamagedCheckpointError(f"the checkpoint in {self.folder} is damaged ({error})") from error

    def discard(self) -> None:
        """Deletes the checkpoint, and the folder if it is empty then. The state goes first, so a killed deletion leaves none."""
        for name in (STATE, JOURNAL):
            (self.folder / name).unlink(missing_ok=True)
        for path in self.folder.glob("*"):
            if OURS.fullmatch(path.name):
                if path.is_dir() and path.name.startswith(STAGE):
                    Checkpoint(path).discard()
                else:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
        with suppress(OSError):
            self.folder.rmdir()

    @contextmanager
    def readable(self) -> Iterator[None]:
        """Converts every error of reading in the block into `DamagedCheckpointError`."""
        try:
            yield
        except InputError:
            raise
        except UNREADABLE as error:
            raise DamagedCheckpointError(f"the checkpoint in {self.folder} is damaged ({error})") from error

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.npz"

    def _check_space(self, needed_bytes: int) -> None:
        parent = next(parent for parent in self.folder.absolute().parents if parent.exists())
        freed = sum(file.stat().st_size for file in self.folder.glob("*.npz"))
        free = shutil.disk_usage(parent).free + freed
        if free < needed_bytes:
            raise InputError(
                f"{self.folder}: checkpoints and report need about {needed_bytes / 1e6:,.0f} MB, but "
                f"{free / 1e6:,.0f} MB are free"
            )
