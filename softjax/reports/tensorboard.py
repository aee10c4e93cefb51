"""A sweep for TensorBoard: the loss of each configuration as scalars, and its options and accuracies as hparams."""

import itertools
import os
from pathlib import Path
from typing import Any

import numpy as np

from softjax.errors import InputError
from softjax.runs.files import raise_as_input_error
from softjax.training.result import SweepResult

MOST_RUNS, MOST_POINTS = 1000, 200  # TensorBoard shows no more runs at once; points of each curve


def check_tensorboard() -> Any:
    """The module tensorboardX. Raises `InputError`, which says how to install it, if it is missing."""
    try:
        import tensorboardX
    except ImportError as error:
        raise InputError(
            'TensorBoard is written through tensorboardX: pip install "softjax-suite[tensorboard]"'
        ) from error
    return tensorboardX


def choose_folder(logs: Path, name: str) -> Path:
    """A folder in `logs` that is not there yet: `name`, or `name`-2, … TensorBoard would mix a run with an earlier one.

    Raises `InputError` if nothing can be written into `logs`, which is made.
    """
    with raise_as_input_error(f"{logs} cannot be written"):
        logs.mkdir(parents=True, exist_ok=True)
        if not os.access(logs, os.W_OK):
            raise PermissionError("permission denied")
    numbered = (logs / f"{name}-{number}" for number in itertools.count(2))
    return next(folder for folder in itertools.chain([logs / name], numbered) if not folder.exists())


def write_tensorboard(result: SweepResult, folder: Path) -> None:
    """Writes event files, one run in a folder of its own for each configuration; of more than 1,000 the best ones.

    Scalars: `loss` at up to 200 steps, averaged over the seeds. Hparams: lr, reg; metrics: the accuracies and the final
    objective, averaged over the seeds.

    Raises `InputError` if tensorboardX is not installed, or the folder cannot be written.
    """
    tensorboard = check_tensorboard()
    means = {
        f"{split}_accuracy": getattr(result, f"{split}_accuracy").mean(axis=1)
        for split in ("train", "val", "test")
    }
    means["final_loss"] = result.final_loss.mean(axis=1)
    order = np.argsort(-np.nan_to_num(means["val_accuracy"], nan=-1.0), kind="stable")[:MOST_RUNS]
    shown = np.unique(np.linspace(0, len(result.history_steps) - 1, MOST_POINTS).astype(int))
    history = result.loss_history.mean(axis=1)
    short = {f"{lr:.6g},{reg:.6g}" for lr, reg in zip(result.learning_rate, result.reg, strict=True)}
    form = ".6g" if len(short) == len(result.reg) else ".17g"
    with raise_as_input_error(f"{folder} cannot be written"):
        for c in np.sort(order):
            lr, reg = float(result.learning_rate[c]), float(result.reg[c])
            with tensorboard.SummaryWriter(str(folder / f"lr={lr:{form}},reg={reg:{form}}")) as writer:
                for step, loss in zip(result.history_steps[shown], history[c, shown], strict=True):
                    if np.isfinite(loss):
                        writer.add_scalar("loss", float(loss), int(step))
                found = {name: float(values[c]) for name, values in means.items() if np.isfinite(values[c])}
                writer.add_hparams({"lr": lr, "reg": reg}, found, name="hparams")
