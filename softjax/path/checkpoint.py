"""The state of a path in a checkpoint."""

from dataclasses import astuple
from typing import Any

from softjax.path.result import Minimum, PathSeconds, PathState
from softjax.runs.checkpoint import Checkpoint


def save_path(checkpoint: Checkpoint, state: PathState) -> None:
    """Writes `state`. Raises `CheckpointNotWrittenError` if that fails; the earlier state is kept."""
    arrays: dict[str, Any] = {
        "dtype": state.dtype,
        "minima": len(state.minima),
        "unit": state.unit,
        "seconds": astuple(state.seconds),
    }
    for number, minimum in enumerate(state.minima):
        arrays |= {f"minimum_{number}_{name}": value for name, value in minimum._asdict().items()}
    arrays |= {f"point_{name}": value for name, value in (state.point or {}).items()}
    checkpoint.save("state", arrays)


def load_path(checkpoint: Checkpoint) -> PathState | None:
    """The state that was saved last, or None. Raises `DamagedCheckpointError` if it cannot be read."""
    if not checkpoint.has("state"):
        return None
    with checkpoint.readable():
        arrays = checkpoint.load("state")
        point = {
            name.removeprefix("point_"): value for name, value in arrays.items() if name.startswith("point_")
        }
        return PathState(
            str(arrays["dtype"]),
            tuple(_read_minimum(arrays, f"minimum_{number}_") for number in range(int(arrays["minima"]))),
            point or None,
            float(arrays["unit"]),
            PathSeconds(*arrays["seconds"].tolist()),
        )


def _read_minimum(arrays: dict[str, Any], prefix: str) -> Minimum:
    fields = {name: arrays[prefix + name] for name in Minimum._fields}
    return Minimum(**{name: value if name == "W" else value.item() for name, value in fields.items()})
