"""softjax sweep. Its options are the fields of the dataclasses below, each from the `config` module of its package."""

import time
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from softjax.cli.console import load, mute, print_hints, print_table, say
from softjax.cli.running import begin, claim, run_path, run_sweep
from softjax.cli.surroundings import start_jax
from softjax.datasets.config import DataConfig
from softjax.errors import InputError
from softjax.path.config import PathConfig
from softjax.runs.checkpoint import identify
from softjax.runs.run_folder import RunFolder, choose_folder
from softjax.training.config import DeviceConfig, SweepConfig, list_changed

# The options of training that a path uses, or refuses itself.
PATH_USES = (
    "regs", "folds", "seed", "kind", "penalty", "l1_ratio", "penalize_bias", "standardize", "dtype", "keep_weights",
)  # fmt: skip


@dataclass(frozen=True)
class Sweep:
    """Train a linear classifier for every learning rate × penalty strength × seed, and write a report.

    With --converge, it minimizes the objective to convergence instead, for every penalty strength.

    While a sweep trains, a checkpoint is kept in a folder beside the report, OUT.partial. After Ctrl-C, the current
    segment of about a second ends, a checkpoint is saved, and the command that continues the run is printed. A run that
    was killed can be resumed too.

    Examples:
      softjax sweep
      softjax sweep --learning-rates log:1e-3:1:7 --regs 0,0.01,0.1 --num-seeds 3
      softjax sweep --dataset features.npz --standardize --out reports/mine
      softjax sweep --dataset table.csv --label animal --features 'emb_*' --class-weight balanced
      softjax sweep --dataset cifar10 --data-dir DIR --learning-rates 1e-7:5e-7:10
        --regs 2.5e4:5e4:10 --num-iters 1500
      softjax sweep --search log_uniform --num-configs 200 --halvings 4 --num-iters 8000
      softjax sweep --optimizer adam --learning-rates log:1e-4:1e-1:7 --schedule cosine
      softjax sweep --kind hinge --penalty half_l2
      softjax sweep --converge --regs log:1e-6:1:20
      softjax sweep --tensorboard logs
      softjax sweep --num-iters 100000 --resume
      srun softjax sweep --dataset features.npz --num-seeds 10 --distributed

    Attributes:
        data: The data set.
        training: The options of training.
        converge: Minimize the objective to convergence for each of regs, by Newton's method. The options of SGD are then
            refused. This suits linear probes, for which only the penalty strength has to be chosen.
        solver: The options of the path's solver.
        devices: The devices.
        out: Folder of the report. By default a new one in runs/, named after the data set: runs/digits-001.
        overwrite: Replace an earlier report in that folder, and discard an unfinished run. With resume, an unfinished
            run is continued, and then replaces the report.
        resume: Continue an interrupted run with these options. Without out, the last such run in runs/ is used. If there
            is none, a new run starts. If its report is complete, nothing is done.
        tensorboard: A folder for TensorBoard's event files: loss curves and hparams of every configuration, in a folder
            that is named after the report: logs/digits-001.
        checkpoint_every: Seconds between checkpoints. The interval is longer if writing a checkpoint takes more than a
            twentieth of it.
    """

    data: DataConfig = field(default_factory=DataConfig)
    training: SweepConfig = field(default_factory=SweepConfig)
    converge: bool = False
    solver: PathConfig = field(default_factory=PathConfig)
    devices: DeviceConfig = field(default_factory=DeviceConfig)
    out: Path | None = None
    overwrite: bool = False
    resume: bool = False
    tensorboard: Path | None = None
    checkpoint_every: float = 5.0

    def __post_init__(self) -> None:
        if not self.checkpoint_every >= 0:
            raise InputError(f"checkpoint_every must be zero or positive, got {self.checkpoint_every!r}")
        if self.converge and (self.devices.distributed or self.devices.data_parallel > 1):
            raise InputError(
                "a path to convergence runs on one device: leave out --distributed and --data-parallel"
            )
        if self.converge and self.tensorboard is not None:
            raise InputError("--tensorboard has no effect with --converge: leave it out")
        unused, when = list_changed(self.solver), "without --converge"
        if self.converge:
            unused, when = (
                [each for each in list_changed(self.training) if each not in PATH_USES],
                "with --converge",
            )
        if unused:
            raise InputError(f"--{unused[0].replace('_', '-')} has no effect {when}: leave it out")

    def run(self, command: str, called: str) -> int:
        """Trains, prints the best cells, writes the report. Of several processes, only the first prints and writes."""

        def join() -> None:
            from softjax.training.devices import join_processes

            join_processes(self.devices)

        start_jax(join)
        from softjax.training import devices

        with nullcontext() if devices.is_first() else mute():
            if self.out is not None:  # before anything takes time
                devices.run_on_first(RunFolder(self.out, self.overwrite, self.resume).check)
            folder, done = _follow(self, command, called) if self.converge else _train(self, command, called)
            print(f"{'report' if done else 'complete'}: {folder.out / 'README.md'}")
            return 0

    def folder(self, identity: dict[str, Any]) -> RunFolder:
        """The folder of the run with that identity."""
        from softjax.training.devices import run_on_first

        if self.out is not None:
            return RunFolder(self.out, self.overwrite, self.resume)
        name = Path(self.data.dataset).stem or "data"  # of the folder .
        return run_on_first(
            lambda: choose_folder(name, identity, overwrite=self.overwrite, resume=self.resume)
        )


def _train(options: Sweep, command: str, called: str) -> tuple[RunFolder, bool]:
    """Trains the sweep, prints its best cells and writes its report. Returns the folder, and False if the report existed."""
    from softjax.analysis import analyze_sweep
    from softjax.reports import sweep as report
    from softjax.reports.hints import make_hints
    from softjax.reports.tensorboard import check_tensorboard, choose_folder, write_tensorboard
    from softjax.training.checkpoint import estimate_bytes
    from softjax.training.devices import CONFIG, is_first, mesh_of, run_on_first

    if options.tensorboard is not None:  # before anything takes time
        check_tensorboard()
    config, mesh = options.training, mesh_of(options.devices.data_parallel)
    start = time.perf_counter()
    dataset = load(options.data)
    load_seconds = time.perf_counter() - start
    identity = identify(asdict(config), dataset)
    folder = options.folder(identity)
    needed = estimate_bytes(config, dataset, mesh.shape[CONFIG])
    logs = None
    if (parent := options.tensorboard) is not None:
        logs = run_on_first(lambda: choose_folder(parent, folder.out.resolve().name))
    with claim(folder, called):
        if run_on_first(lambda: begin(folder, identity, needed)):
            return folder, False
        on = "" if mesh.size == 1 else f" on {mesh.size} devices"
        say(
            f"{dataset.title}: {len(dataset.train):,} training, {len(dataset.val):,} validation and "
            f"{len(dataset.test):,} test examples\n{report.describe_grid(config)}, "
            f"{config.num_iters:,} steps of {config.batch_size} examples{on}"
        )
        result = run_sweep(
            dataset, config, folder.checkpoint, checkpoint_every=options.checkpoint_every, mesh=mesh
        )
        seconds = replace(result.seconds, load=result.seconds.load + load_seconds)
        result = replace(result, seconds=seconds)
        if is_first():
            if result.diverged.any(axis=1).all():
                folder.checkpoint.discard()  # a resumed run would diverge too
            report.write_sweep(result, dataset, folder, command=command)
            if logs is not None:
                write_tensorboard(result, logs)
    num_diverged = int(result.diverged.sum())
    diverged = f"; {num_diverged} of {result.diverged.size} runs diverged" if num_diverged else ""
    say(f"trained in {result.seconds.train:.1f} s{diverged}\n")
    print_table(report.best_cells(result, most=5))
    print_hints(make_hints(analyze_sweep(result), command))
    return folder, True


def _follow(options: Sweep, command: str, called: str) -> tuple[RunFolder, bool]:
    """Follows the regularization path, prints it and writes its report. Returns the folder, and False if the report existed."""
    from softjax.analysis import analyze_path
    from softjax.path.problem import check_smooth
    from softjax.reports import path as report
    from softjax.reports.hints import make_hints

    config = options.training
    check_smooth(config)
    dataset = load(options.data)
    identity = identify(asdict(config) | asdict(options.solver), dataset)
    folder = options.folder(identity)
    with claim(folder, called):
        if begin(folder, identity):
            return folder, False
        say(
            f"{dataset.title}: {len(dataset.train):,} training examples, D = {dataset.num_features + 1}, "
            f"K = {dataset.num_classes}\n"
            + (
                f"{len(config.regs)} penalty strengths to convergence"
                if config.penalty != "none"
                else "without a penalty, to convergence"
            )
        )
        every = options.checkpoint_every
        result = run_path(dataset, config, options.solver, folder.checkpoint, checkpoint_every=every)
        report.write_path(result, dataset, folder, command=command)
    left = len(result.reg) - int(result.converged.sum())
    but = f"; {left} of {len(result.reg)} penalty strengths did not converge" if left else ""
    say(f"solved in {result.seconds.solve:.1f} s{but}\n")
    print_table([row[:8] for row in report.path_rows(result)])
    print_hints(make_hints(analyze_path(result), command))
    return folder, True
