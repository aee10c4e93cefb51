"""A sweep's state on disk, so that a run that is stopped, or killed, goes on where it was.

One file for each chunk of configurations that is done, and one for the chunk in training. A file is written beside
the earlier one, synced, and renamed over it: at every moment a whole checkpoint is there, or none. One process at a
time writes to a folder. A run of several sweeps keeps each in a folder of its own within, its stages.
"""

import fcntl
import json
import os
import re
import shutil
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, astuple, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from softjax.datasets import Dataset
from softjax.errors import InputError
from softjax.training.config import SweepConfig, weight_dtype
from softjax.training.plan import MEMORIES, chunk_size
from softjax.training.run import MOST_LOSSES
from softjax.training.state import Part, Seconds, SweepState

IDENTITY, STATE = "identity.json", "state.npz"
REPORT_BYTES = 5_000_000
VERSIONS = ("softjax-suite", "jax", "jaxlib")
STAGE = "stage-"
OURS = re.compile(rf"(identity\.json|state\.npz|part-\d+\.npz)(\.new)?|report|earlier|{STAGE}[a-z0-9-]+")


def identity(config: SweepConfig, dataset: Dataset) -> dict[str, Any]:
    """What a result depends on: options, data, versions; as JSON gives it back."""
    versions = {name: version(name) for name in VERSIONS}
    run = {"config": asdict(config), "data": {"dataset": dataset.fingerprint}, "versions": versions}
    return json.loads(json.dumps(run))  # type: ignore[no-any-return]


def of_report(out: Path) -> dict[str, Any] | None:
    """The identity of the sweep whose report is complete at `out`, or None."""
    try:
        run = json.loads((out / "run.json").read_text())
        versions = {name: run["versions"].get(name) for name in VERSIONS}
        return {
            "config": run["config"],
            "data": {"dataset": run["dataset"]["fingerprint"]},
            "versions": versions,
        }
    except (OSError, KeyError, json.JSONDecodeError):
        return None


def differences(found: dict[str, Any], wanted: dict[str, Any]) -> str:
    """What two identities differ in, by name: "num_iters 1500 there and 500 here"; empty where they are one."""
    there, here = ({k: v for part in each.values() for k, v in part.items()} for each in (found, wanted))
    texts = []
    for name in {**there, **here}:
        a, b = there.get(name), here.get(name)
        if a == b:
            continue
        if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):  # where they part
            name, a, b = next(
                (f"{name}[{i}]", x, y) for i, (x, y) in enumerate(zip(a, b, strict=True)) if x != y
            )
        texts.append(f"{name} {_short(a)} there and {_short(b)} here")
    return ", ".join(texts)


def _short(value: Any) -> str:
    if isinstance(value, list) and len(value) > 4:
        return f"{value[0]}, {value[1]}, … {value[-1]} ({len(value)} values)"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def exists(folder: Path) -> bool:
    """Whether `folder` holds a checkpoint, or one of a stage."""
    return (folder / STATE).is_file() or any(folder.glob(f"{STAGE}*/{STATE}"))


def stage(folder: Path, name: str) -> Path:
    """Where the sweep called `name` (small letters, digits, hyphens) of a run of several is kept."""
    return folder / f"{STAGE}{name}"


@contextmanager
def at_work(folder: Path) -> Iterator[None]:
    """Makes `folder`, and keeps other processes out of it while the block runs; removes it if it is empty then.

    Raises `InputError` where another process is at work there, or where it holds what is not of softjax.
    """
    with _clear(f"{folder} cannot be written"):
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # gone with the process, however it ends
        except BlockingIOError:
            raise InputError(
                f"another process is at work in {folder}; wait for it, or give another --out"
            ) from None
        if foreign := [file.name for file in folder.iterdir() if not OURS.fullmatch(file.name)]:
            raise InputError(
                f"{folder} is where an unfinished sweep is kept, but holds {foreign[0]}; move it, or give another --out"
            )
        try:
            yield
        finally:
            with suppress(OSError):  # not empty, or gone
                folder.rmdir()
    finally:
        os.close(descriptor)


def discard(folder: Path) -> None:
    """Removes a checkpoint, and `folder` with it if nothing else is there; killed on the way, it leaves none."""
    (folder / STATE).unlink(missing_ok=True)
    for path in folder.glob("*"):
        if OURS.fullmatch(path.name):
            if path.is_dir() and path.name.startswith(STAGE):
                discard(path)
            else:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    with suppress(OSError):
        folder.rmdir()


def start(folder: Path, identity: dict[str, Any]) -> None:
    """A folder for the checkpoints of a new sweep, without those of an earlier one."""
    with _clear(f"{folder} cannot be written"):
        discard(folder)
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder / IDENTITY, lambda file: file.write(json.dumps(identity, indent=1).encode()))


def save(folder: Path, state: SweepState) -> None:
    """Writes `state`, and the parts that are new. Raises `InputError` where that fails: the earlier state stays."""
    earlier = "the earlier one is whole: make room, then --resume" if exists(folder) else "there is none yet"
    with _clear(f"the checkpoint in {folder} cannot be written ({earlier})"):
        for index, part in enumerate(state.parts):
            path = _part(folder, index)
            if not path.exists():
                _write_arrays(path, _arrays(part))
        arrays = _arrays(state) | {"parts": len(state.parts), "seconds": astuple(state.seconds)}
        _write_arrays(folder / STATE, arrays)


def load(folder: Path, wanted: dict[str, Any]) -> SweepState:
    """The state that was saved last.

    Raises `InputError` where it is that of another configuration, data set or version, named, or is damaged.
    """
    try:
        found = json.loads((folder / IDENTITY).read_text())
        different = differences(found, wanted)
        state = None if different else _loaded(folder)
    except (OSError, EOFError, KeyError, TypeError, ValueError, AttributeError, zipfile.BadZipFile) as error:
        raise InputError(
            f"the checkpoint in {folder} is damaged ({error}); --overwrite without --resume starts afresh"
        ) from error
    if state is None:
        raise InputError(
            f"{folder} holds the checkpoint of another sweep ({different}); give its options to go on with it, "
            "--overwrite without --resume to discard it, or another --out"
        )
    return state


def _arrays(record: Part | SweepState) -> dict[str, Any]:
    """The fields of a record; those of its carry, which may be None, by number."""
    arrays = {field.name: getattr(record, field.name) for field in fields(record)}
    carry = arrays.pop("carry")
    return (
        arrays
        | {"num_carried": -1 if carry is None else len(carry)}
        | {f"carry_{i}": leaf for i, leaf in enumerate(carry or ())}
    )


def _loaded(folder: Path) -> SweepState:
    def read(path: Path) -> dict[str, Any]:
        with path.open("rb") as file, np.load(file) as found:
            arrays: dict[str, Any] = dict(found)
        number = int(arrays.pop("num_carried"))
        arrays["carry"] = None if number < 0 else tuple(arrays.pop(f"carry_{i}") for i in range(number))
        return arrays

    def part(index: int) -> Part:
        arrays = read(_part(folder, index))
        return Part(**(arrays | {"steps": int(arrays["steps"])}))

    state = read(folder / STATE)
    return SweepState(
        int(state["chunk_size"]),
        tuple(map(part, range(int(state["parts"])))),
        int(state["step"]),
        state["carry"],
        state["losses"],
        Seconds(*state["seconds"].tolist()),
    )


def check_space(folder: Path, config: SweepConfig, dataset: Dataset, num_devices: int = 1) -> None:
    """Raises `InputError` where the disk of `folder` has no room for a sweep's checkpoints and report."""
    chunk, num_configs = chunk_size(config, dataset, num_devices), config.num_configurations
    weights = config.num_seeds * dataset.num_classes * (dataset.num_features + 1)
    copies = 1 + MEMORIES[config.optimizer]
    losses = min(num_configs * config.num_seeds * config.num_iters, MOST_LOSSES)
    # of all of them, the parts and the report's file
    kept = 2 * num_configs if config.keep_weights == "all" else num_configs / chunk
    if config.halvings:  # what may go on from each rung
        kept += 2 * num_configs * copies
    # the state twice, while one replaces the other
    floats = 2 * (chunk * copies * weights + losses) + kept * weights
    needed = floats * np.dtype(weight_dtype(config.dtype)).itemsize + REPORT_BYTES
    parent = next(parent for parent in folder.absolute().parents if parent.exists())
    freed = sum(file.stat().st_size for file in folder.glob("*.npz"))  # by `start`
    free = shutil.disk_usage(parent).free + freed
    if free < needed:
        raise InputError(
            f"{folder}: checkpoints and report need about {needed / 1e6:,.0f} MB, but {free / 1e6:,.0f} MB are free"
        )


def _part(folder: Path, index: int) -> Path:
    return folder / f"part-{index:05}.npz"


@contextmanager
def _clear(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(f"{what}: {error.strerror or error}") from error


def _write_arrays(path: Path, arrays: dict[str, Any]) -> None:
    _write(path, lambda file: np.savez(file, **arrays))


def _write(path: Path, write: Callable[[Any], Any]) -> None:
    """Writes a file that appears whole, and stays through a loss of power, or not at all."""
    new = path.with_name(path.name + ".new")
    try:
        with new.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
