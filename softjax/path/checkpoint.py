"""The state of a path in a checkpoint."""

from dataclasses import astuple
from typing import Any

from softjax.path.lbfgs import End
from softjax.path.result import PathSeconds, PathState
from softjax.runs.checkpoint import Checkpoint


def save_path(checkpoint: Checkpoint, state: PathState) -> None:
    """Writes `state`. Raises `CheckpointNotWrittenError` if that fails; the earlier state is kept."""
    arrays: dict[str, Any] = {
        "ends": len(state.ends),
        "leaves": -1 if state.point is None else len(state.point),
        "iterations": state.iterations,
        "unit": state.unit,
        "seconds": astuple(state.seconds),
    }
    for number, end in enumerate(state.ends):
        arrays |= {f"end_{number}_{name}": value for name, value in end._asdict().items()}
    arrays |= {f"leaf_{number}": leaf for number, leaf in enumerate(state.point or ())}
    checkpoint.save("state", arrays)


def load_path(checkpoint: Checkpoint) -> PathState | None:
    """The state that was saved last, or None. Raises `DamagedCheckpointError` if it cannot be read."""
    if not checkpoint.has("state"):
        return None
    with checkpoint.readable():
        arrays = checkpoint.load("state")
        leaves = int(arrays["leaves"])
        return PathState(
            tuple(
                End(**{name: arrays[f"end_{number}_{name}"] for name in End._fields})
                for number in range(int(arrays["ends"]))
            ),
            None if leaves < 0 else tuple(arrays[f"leaf_{number}"] for number in range(leaves)),
            int(arrays["iterations"]),
            float(arrays["unit"]),
            PathSeconds(*arrays["seconds"].tolist()),
        )
