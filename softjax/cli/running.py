"""Runs sweeps and paths with a progress bar and checkpoints. Ctrl-C stops a run between two segments; a later run resumes."""

import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from softjax.cli.console import say
from softjax.cli.interrupt import handle_signals, unwind
from softjax.progress import move_bar, progress_bar

if TYPE_CHECKING:
    from jax.sharding import Mesh

    from softjax.datasets.dataset import Dataset
    from softjax.path.config import PathConfig
    from softjax.path.result import PathProgress, PathResult
    from softjax.runs.checkpoint import Checkpoint
    from softjax.runs.run_folder import RunFolder
    from softjax.training.config import SweepConfig
    from softjax.training.result import SweepResult
    from softjax.training.state import Progress

CHECKPOINT_EVERY = 5.0  # seconds


def run_sweep(
    dataset: "Dataset",
    config: "SweepConfig",
    checkpoint: "Checkpoint",
    *,
    checkpoint_every: float = CHECKPOINT_EVERY,
    keep_last: bool = False,
    desc: str = "training",
    mesh: "Mesh | None" = None,
) -> "SweepResult":
    """Runs the sweep from its checkpoint on, with a progress bar and further checkpoints, and returns its result.

    **Arguments:**

    - `checkpoint`: of this sweep, started or checked.
    - `checkpoint_every`: seconds between two checkpoints; more if writing one takes over a twentieth of that.
    - `keep_last`: whether the finished sweep is saved too; a second call then returns at once.
    - `desc`: the label of the bar.
    - `mesh`: the devices, as for `softjax.sweep`. If they belong to several processes, all processes call this function;
      only the first one writes files and shows the bar.

    Raises `KeyboardInterrupt` with the number of the signal if a signal stops the run.
    """
    from softjax.training.checkpoint import load_sweep, save_sweep
    from softjax.training.devices import is_first, run_on_first
    from softjax.training.sweep import sweep

    state = run_on_first(lambda: load_sweep(checkpoint))
    latest: Progress | None = None

    def save(progress: "Progress") -> None:
        state = progress.state()  # of all processes
        if is_first():
            save_sweep(checkpoint, state)

    with progress_bar(0, desc=desc) as bar, _watch(bar, save, checkpoint_every, keep_last) as watch:

        def show(progress: "Progress") -> None:
            nonlocal latest
            latest = progress
            move_bar(bar, progress)
            done = progress.step == progress.num_steps
            watch(progress, done, f"{progress.step:,} of {progress.num_steps:,} steps")

        result = sweep(dataset, config, on_progress=show, state=state, mesh=mesh)
        if keep_last and latest is not None:
            save(latest)
        return result


def run_path(
    dataset: "Dataset",
    config: "SweepConfig",
    solver: "PathConfig",
    checkpoint: "Checkpoint",
    *,
    checkpoint_every: float = CHECKPOINT_EVERY,
    keep_last: bool = False,
    desc: str = "finished",
) -> "PathResult":
    """Runs the regularization path in the same way. Arguments and errors are those of `run_sweep`."""
    from softjax.path.checkpoint import load_path, save_path
    from softjax.path.solve import regularization_path

    state = load_path(checkpoint)
    latest: PathProgress | None = None

    def save(progress: "PathProgress") -> None:
        save_path(checkpoint, progress.state())

    with (
        progress_bar(0, unit="reg", desc=desc) as bar,
        _watch(bar, save, checkpoint_every, keep_last) as watch,
    ):

        def show(progress: "PathProgress") -> None:
            nonlocal latest
            latest = progress
            move_bar(bar, progress)
            done = progress.converged == progress.num_regs
            watch(progress, done, f"{progress.converged} of {progress.num_regs} penalty strengths")

        result = regularization_path(dataset, config, solver, on_progress=show, state=state)
        if keep_last and latest is not None:
            save(latest)
        return result


def begin(folder: "RunFolder", identity: dict[str, Any], needed_bytes: int = 0) -> bool:
    """`folder.begin`, which says where there is nothing to resume."""
    if folder.begin(identity, needed_bytes):
        return True
    if folder.resume and not folder.checkpoint.exists:
        say(f"nothing to resume in {folder.partial}: a new run starts")
    return False


@contextmanager
def claim(folder: "RunFolder", command: str) -> Iterator[None]:
    """The folder of a run for the block: locked, and left as `keep_unfinished` does."""
    from softjax.training.devices import run_on_first

    with unwind(), ExitStack() as stack:
        run_on_first(lambda: stack.enter_context(folder.lock()))
        stack.enter_context(keep_unfinished(folder, command))
        yield


@contextmanager
def keep_unfinished(folder: "RunFolder", command: str) -> Iterator[None]:
    """If the block is interrupted, prints the command that resumes it; if there is no checkpoint, removes the folder."""
    from softjax.training.devices import is_first

    with handle_signals() as stop:
        try:
            yield
            stop.deferred = True  # all is done but the last lines
        except BaseException as error:
            stop.deferred = False
            interrupted = stop.requested or isinstance(error, KeyboardInterrupt)
            if interrupted and folder.checkpoint.exists:
                named = any(word.partition("=")[0] == "--out" for word in shlex.split(command))
                out = "" if named else f" --out {shlex.quote(str(folder.out))}"
                say(f"to continue: {command}{out} --resume")
            raise
        finally:
            if is_first() and not folder.checkpoint.exists:
                folder.checkpoint.discard()


@contextmanager
def _watch(
    bar: Any, save: Callable[[Any], None], every: float, keep_last: bool
) -> Iterator[Callable[[Any, bool, str], None]]:
    """Yields a function that a run calls before its first segment and after each segment, with its progress.

    The function saves a checkpoint if one is due, and stops the run if a signal came. A signal to any process stops all
    processes; the clock of the first process decides when a checkpoint is due. Where all steps are done, nothing is
    stopped any more: what is left takes seconds.

    From the first segment on signals are deferred. After the block they still are, for the caller to write the report,
    unless `keep_last` says that the finished run is saved.
    """
    from softjax.training.devices import share_numbers

    due = time.monotonic() + every
    with handle_signals() as stop:

        def watch(progress: Any, done: bool, so_far: str) -> None:
            nonlocal due
            asked = share_numbers(stop.requested, time.monotonic() >= due)
            requested = int(asked[:, 0].max())
            if stop.deferred and (requested or asked[0, 1]):
                start = time.monotonic()
                save(progress)
                due = time.monotonic() + max(every, 20 * (time.monotonic() - start))
            if requested:
                stop.requested = requested
                if not done:
                    bar.close()
                    say(f"stopped after {so_far}")
                    stop.raise_request()
            stop.deferred = True

        try:
            yield watch
        except BaseException:
            stop.deferred = False
            raise
        if keep_last:
            stop.deferred = False
            if stop.requested:
                stop.raise_request()
