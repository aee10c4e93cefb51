"""softjax sweep."""

import time
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from softjax.cli.console import load, muted, print_table, progress_bar, say
from softjax.cli.training import trained
from softjax.datasets.config import DataConfig
from softjax.errors import InputError
from softjax.path.config import PathConfig
from softjax.training.config import DeviceConfig, SweepConfig


@dataclass(frozen=True)
class Sweep:
    """Train a linear classifier for every learning rate × penalty strength × seed, and write a report. With --converge
    minimize the objective itself, for every penalty strength.

    While it trains, what it needs to go on is kept in a folder beside the report, OUT.partial. Ctrl-C ends it after
    the segment of about a second that it is in, and prints the command that resumes it; killed, it can be resumed too.

    Examples:
      softjax sweep
      softjax sweep --learning-rates log:1e-3:1:7 --regs 0,0.01,0.1 --num-seeds 3 --out reports/mine
      softjax sweep --dataset features.npz --standardize
      softjax sweep --dataset cifar10 --data-dir DIR --learning-rates 1e-7:5e-7:10
        --regs 2.5e4:5e4:10 --num-iters 1500 --out reports/cifar10
      softjax sweep --search log_uniform --num-configs 200 --halvings 4 --num-iters 8000
      softjax sweep --optimizer adam --learning-rates log:1e-4:1e-1:7 --schedule cosine --num-seeds 5
      softjax sweep --kind hinge --penalty half_l2
      softjax sweep --dataset features.npz --standardize --converge --regs log:1e-6:1:20
      softjax sweep --num-iters 100000 --resume
      srun softjax sweep --dataset features.npz --num-seeds 10 --distributed
    """

    data: DataConfig = field(default_factory=DataConfig)
    training: SweepConfig = field(default_factory=SweepConfig)
    converge: bool = False
    """Minimize the objective to convergence for every one of regs, by full-batch L-BFGS; what concerns SGD does not matter
    then. For linear probes, where only the penalty strength is to be chosen: minutes instead of days."""
    solver: PathConfig = field(default_factory=PathConfig)
    devices: DeviceConfig = field(default_factory=DeviceConfig)
    out: Path | None = None
    """Folder of the report; reports/ and the name of the data set by default."""
    overwrite: bool = False
    """Replace an earlier report there, and discard an unfinished run."""
    resume: bool = False
    """Go on where a run of these options stopped: from the start where there is none, and nothing is left to do where
    its report is complete."""
    checkpoint_every: float = 5.0
    """Seconds between checkpoints; longer where writing one takes more than a twentieth of that."""

    def __post_init__(self) -> None:
        if not self.checkpoint_every >= 0:
            raise InputError(f"checkpoint_every must be zero or positive, got {self.checkpoint_every!r}")
        if self.converge and (self.devices.distributed or self.devices.data_parallel > 1):
            raise InputError(
                "a path to convergence runs on one device: leave out --distributed and --data-parallel"
            )
        if self.converge and self.resume:
            raise InputError(
                "a path to convergence takes minutes and keeps no checkpoints: leave out --resume"
            )

    def run(self, command: str) -> int:
        """Trains, prints the best cells, writes the report: the first process, if there are several."""
        from softjax.training import devices

        devices.initialize(self.devices)
        with nullcontext() if devices.is_first() else muted():
            return self._run(command)

    def _run(self, command: str) -> int:
        from softjax.reports import run_folder
        from softjax.reports import sweep as sweep_report
        from softjax.training import checkpoint
        from softjax.training.devices import CONFIG, from_first, is_first, mesh_of

        mesh = mesh_of(self.devices.data_parallel)
        out = self.out if self.out is not None else Path("reports") / Path(self.data.dataset).stem
        if self.converge:
            return self._converged(out, command)
        folder = run_folder.partial_folder(out)
        command = command.replace(" --resume", "")

        def check() -> None:
            run_folder.restore_earlier(out)
            if not self.resume:  # said before anything takes time
                run_folder.check_free(out, self.overwrite)
                run_folder.check_finished(out, checkpoint.exists(folder), self.overwrite)

        from_first(check)
        start = time.perf_counter()
        dataset = load(self.data)
        load_seconds = time.perf_counter() - start

        config = self.training
        identity = checkpoint.identity(config, dataset)

        def state_to_go_on_from() -> tuple[bool, Any]:
            """Whether all is done, and where to go on."""
            state = None
            if self.resume:
                complete = checkpoint.of_report(out) == identity
                if checkpoint.exists(folder) and (self.overwrite or not complete):
                    state = checkpoint.load(folder, identity)
                elif complete:
                    checkpoint.discard(folder)
                    return True, None
                run_folder.check_free(out, self.overwrite)
            if state is None:
                checkpoint.check_space(folder, config, dataset, mesh.shape[CONFIG])
                checkpoint.start(folder, identity)
            return False, state

        with ExitStack() as work:
            from_first(lambda: work.enter_context(checkpoint.at_work(folder)))
            complete, state = from_first(state_to_go_on_from)
            if complete:
                print(f"complete: {out / 'README.md'}")
                return 0
            on = "" if mesh.size == 1 else f" on {mesh.size} devices"
            say(
                f"{dataset.title}: {len(dataset.train):,} training, {len(dataset.val):,} validation and "
                f"{len(dataset.test):,} test examples\n"
                f"{sweep_report.grid_size(config)}, {config.num_iters:,} steps of {config.batch_size} examples{on}"
            )
            try:
                result = trained(
                    dataset, config, state, folder, checkpoint_every=self.checkpoint_every, mesh=mesh
                )
                seconds = replace(result.seconds, load=result.seconds.load + load_seconds)
                result = replace(result, seconds=seconds)
                if is_first():
                    if result.diverged.any(axis=1).all():
                        checkpoint.discard(folder)  # what could be resumed from it is no use
                    sweep_report.write_sweep(result, dataset, out, command=command, overwrite=self.overwrite)
            except KeyboardInterrupt:
                if checkpoint.exists(folder):
                    say(f"to go on: {command} --resume")
                raise
            finally:
                if is_first() and not checkpoint.exists(folder):
                    checkpoint.discard(folder)
        num_diverged = int(result.diverged.sum())
        say(
            f"trained in {result.seconds.train:.1f} s"
            + (f"; {num_diverged} of {result.diverged.size} runs diverged" if num_diverged else "")
            + "\n"
        )
        print_table(sweep_report.best_cells(result, most=5))
        print(f"\nreport: {out / 'README.md'}")
        return 0

    def _converged(self, out: Path, command: str) -> int:
        """Follows the regularization path, prints it, writes the report."""
        from softjax.path import path
        from softjax.reports import path as path_report
        from softjax.reports import run_folder

        run_folder.restore_earlier(out)
        run_folder.check_free(out, self.overwrite)
        path.check_smooth(self.training)
        dataset = load(self.data)
        say(
            f"{dataset.title}: {len(dataset.train):,} training examples, D = {dataset.num_features + 1}, "
            f"K = {dataset.num_classes}\n{len(self.training.regs)} penalty strengths to convergence"
        )
        with progress_bar(len(self.training.regs), unit="reg", desc="converged") as bar:

            def show(progress: Any) -> None:
                bar.set_postfix_str(
                    f"iteration {progress.iterations}, gradient norm {progress.gradient_norm:.1e}",
                    refresh=False,
                )
                bar.update(progress.converged - bar.n)
                bar.refresh()

            result = path.regularization_path(dataset, self.training, self.solver, on_progress=show)
        path_report.write_path(result, dataset, out, command=command, overwrite=self.overwrite)
        left = len(result.reg) - int(result.converged.sum())
        say(
            f"converged in {result.seconds.solve:.1f} s"
            + (f", but for {left} of {len(result.reg)} penalty strengths" if left else "")
            + "\n"
        )
        print_table([row[:7] for row in path_report.path_rows(result)])
        print(f"\nreport: {out / 'README.md'}")
        return 0
