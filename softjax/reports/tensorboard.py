"""A sweep for TensorBoard: the loss of each configuration as scalars, and its options and accuracies as hparams."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from softjax.errors import InputError
from softjax.runs.files import raise_as_input_error
from softjax.training.result import SweepResult

MOST_RUNS, MOST_POINTS = 1000, 200  # TensorBoard shows no more runs at once; points of each curve


def check_tensorboard(folder: Path) -> Any:
    """The module tensorboardX. Raises `InputError` if it is missing, and says how to install it; or if nothing can be
    written into `folder`, which is made.
    """
    try:
        import tensorboardX
    except ImportError as error:
        raise InputError(
            'TensorBoard is written through tensorboardX: pip install "softjax-suite[tensorboard]"'
        ) from error
    with raise_as_input_error(f"{folder} cannot be written"):
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError("permission denied")
    return tensorboardX


def write_tensorboard(result: SweepResult, folder: Path) -> None:
    """Writes event files, one run in a folder of its own for each configuration; of more than 1,000 the best ones.

    Scalars: `loss` at up to 200 steps, averaged over the seeds. Hparams: lr, reg; metrics: the accuracies and the final
    objective, averaged over the seeds. Events of an earlier sweep in these folders are removed.

    Raises `InputError` if tensorboardX is not installed, or the folder cannot be written.
    """
    tensorboard = check_tensorboard(folder)
    means = {
        f"{split}_accuracy": getattr(result, f"{split}_accuracy").mean(axis=1)
        for split in ("train", "val", "test")
    }
    means["final_loss"] = result.final_loss.mean(axis=1)
    order = np.argsort(-np.nan_to_num(means["val_accuracy"], nan=-1.0), kind="stable")[:MOST_RUNS]
    shown = np.unique(np.linspace(0, len(result.history_steps) - 1, MOST_POINTS).astype(int))
    history = result.loss_history.mean(axis=1)
    with raise_as_input_error(f"{folder} cannot be written"):
        for c in np.sort(order):
            lr, reg = float(result.learning_rate[c]), float(result.reg[c])
            run = folder / f"lr={lr:.6g},reg={reg:.6g}"
            for old in list(run.rglob("events.out.tfevents.*")):
                old.unlink()
            with tensorboard.SummaryWriter(str(run)) as writer:
                for step, loss in zip(result.history_steps[shown], history[c, shown], strict=True):
                    if np.isfinite(loss):
                        writer.add_scalar("loss", float(loss), int(step))
                found = {name: float(values[c]) for name, values in means.items() if np.isfinite(values[c])}
                writer.add_hparams({"lr": lr, "reg": reg}, found, name="hparams")
