"""A sweep with a progress bar and checkpoints, that Ctrl-C stops between two segments and a later one goes on from."""

import math
import os
import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from softjax.cli.console import progress_bar, say

if TYPE_CHECKING:
    from jax.sharding import Mesh

    from softjax.datasets import Dataset
    from softjax.training.config import SweepConfig
    from softjax.training.result import SweepResult
    from softjax.training.state import SweepState


def trained(
    dataset: "Dataset",
    config: "SweepConfig",
    state: "SweepState | None",
    folder: Path,
    *,
    checkpoint_every: float = 5.0,
    keep_last: bool = False,
    desc: str = "training",
    mesh: "Mesh | None" = None,
) -> "SweepResult":
    """The sweep's result, with a bar and checkpoints on the way.

    **Arguments:**

    - `state`: where it goes on, or None.
    - `folder`: of the checkpoints, as `checkpoint.start` makes it.
    - `checkpoint_every`: seconds between two; longer where writing one takes more than a twentieth of that.
    - `keep_last`: whether the finished sweep is kept there too, from which this function returns at once.
    - `desc`: what the bar is called.
    - `mesh`: the devices, as for `softjax.sweep`. Where they are of several processes, all call this alike; the first one
      writes and shows.

    Raises `KeyboardInterrupt` where a signal stops it, with the number of the signal.
    """
    from softjax.training import checkpoint
    from softjax.training.devices import is_first, share_numbers
    from softjax.training.state import Progress
    from softjax.training.sweep import sweep

    due = time.monotonic() + checkpoint_every
    latest: Progress | None = None
    with progress_bar(0, desc=desc) as bar, _Stop() as stop:

        def save(progress: Progress) -> None:
            nonlocal due
            start = time.monotonic()
            state = progress.state()  # of all processes
            if is_first():
                checkpoint.save(folder, state)
            end = time.monotonic()
            due = end + max(checkpoint_every, 20 * (end - start))

        def show(progress: Progress) -> None:
            nonlocal latest
            latest = progress
            first = not stop.in_training
            if first:
                bar.reset(progress.num_steps)
                bar.initial = bar.n = progress.step
                stop.in_training = True
            else:
                text = f"segment {progress.segment} of {progress.num_segments}"
                if not math.isnan(progress.mean_loss):
                    text += f", mean loss {progress.mean_loss:.4g}"
                bar.set_postfix_str(text, refresh=False)
                bar.update(progress.step - bar.n)
            # a signal to any process stops all of them; the first one's clock says when to save
            asked = share_numbers(stop.requested, time.monotonic() >= due)
            requested = int(asked[:, 0].max())
            if not first and (requested or asked[0, 1]):
                save(progress)
            if requested:
                bar.close()
                say(f"stopped after {progress.step:,} of {progress.num_steps:,} steps")
                raise KeyboardInterrupt(requested)

        result = sweep(dataset, config, on_progress=show, state=state, mesh=mesh)
        if keep_last and latest is not None:
            save(latest)
        return result


class _Stop:
    """Ctrl-C and SIGTERM: while training the first of them lets the segment end, any other time they end the run.

    They are remembered besides: what is raised while Python runs a callback of its garbage collector, JAX's among them,
    is ignored, and the run would go on.
    """

    requested = 0
    """the signal's number"""
    in_training = False

    def __enter__(self) -> "_Stop":
        self._earlier = {}
        if threading.current_thread() is threading.main_thread():
            self._earlier = {
                number: signal.signal(number, self) for number in (signal.SIGINT, signal.SIGTERM)
            }
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._earlier.items():
            signal.signal(number, handler)

    def __call__(self, number: int, _: Any) -> None:
        again, self.requested = self.requested, number
        if again or not self.in_training:
            raise KeyboardInterrupt(number)
        # not print, which the signal may have interrupted
        os.write(2, b"\nstopping after this segment of training; once more stops at once\n")
