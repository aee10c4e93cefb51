"""The command line: softjax sweep | check | compare."""

import importlib
import inspect
import io
import math
import os
import shlex
import shutil
import signal
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NoReturn

import platformdirs
import tyro
from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo

from softjax.config import (
    CheckConfig,
    CompareConfig,
    DataConfig,
    InputError,
    SweepConfig,
    format_range,
    parse_range,
)

INTERRUPTED = 128  # and the number of the signal, as shells have it
DESCRIPTION = (
    "A linear softmax classifier with its gradient by hand: swept over lr × reg × seed, checked, and compared "
    "with that of other frameworks."
)


@dataclass(frozen=True)
class Sweep:
    """Train a linear classifier for every learning rate × penalty strength × seed, and write a report.

    While it trains, what it needs to go on is kept in a folder beside the report, OUT.partial. Ctrl-C ends it after
    the segment of about a second that it is in, and prints the command that resumes it; killed, it can be resumed too.

    Examples:
      softjax sweep
      softjax sweep --learning-rates log:1e-3:1:7 --regs 0,0.01,0.1 --num-seeds 3 --out reports/mine
      softjax sweep --dataset features.npz --standardize
      softjax sweep --dataset cifar10 --data-dir DIR --learning-rates 1e-7:5e-7:10
        --regs 2.5e4:5e4:10 --num-iters 1500 --out reports/cifar10
      softjax sweep --num-iters 100000 --resume
    """

    data: DataConfig = field(default_factory=DataConfig)
    training: SweepConfig = field(default_factory=SweepConfig)
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

    def run(self, command: str) -> int:
        """Trains, prints the best cells, writes the report."""
        from softjax import checkpoint, report

        out = self.out if self.out is not None else Path("reports") / Path(self.data.dataset).stem
        folder = report.partial_folder(out)
        command = command.replace(" --resume", "")
        if not self.resume:  # said before anything takes time
            report.check_free(out, self.overwrite)
            report.check_finished(out, checkpoint.exists(folder), self.overwrite)
        start = time.perf_counter()
        dataset = _load(self.data)
        load_seconds = time.perf_counter() - start

        config = self.training
        identity, state = checkpoint.identity(config, dataset), None
        if self.resume:
            complete = checkpoint.of_report(out) == identity
            if checkpoint.exists(folder) and (self.overwrite or not complete):
                state = checkpoint.load(folder, identity)
            elif complete:
                print(f"complete: {out / 'README.md'}")
                return 0
            report.check_free(out, self.overwrite)
        if state is None:
            checkpoint.check_space(folder, config, dataset)
            checkpoint.start(folder, identity)
        _say(
            f"{dataset.title}: {len(dataset.train):,} training, {len(dataset.val):,} validation and "
            f"{len(dataset.test):,} test examples\n"
            f"{report.grid_size(config)}, {config.num_iters:,} steps of {config.batch_size} examples"
        )
        try:
            result = self._trained(dataset, state, folder)
        except KeyboardInterrupt:
            if checkpoint.exists(folder):
                _say(f"to go on: {command} --resume")
            raise
        finally:
            if not checkpoint.exists(folder):
                shutil.rmtree(folder, ignore_errors=True)
        result = replace(result, seconds=replace(result.seconds, load=result.seconds.load + load_seconds))
        report.write_sweep(result, dataset, out, command=command, overwrite=self.overwrite)
        num_diverged = int(result.diverged.sum())
        _say(
            f"trained in {result.seconds.train:.1f} s"
            + (f"; {num_diverged} of {result.diverged.size} runs diverged" if num_diverged else "")
            + "\n"
        )
        _print_table(report.best_cells(result, most=5))
        print(f"\nreport: {out / 'README.md'}")
        return 0

    def _trained(self, dataset: Any, state: Any, folder: Path) -> Any:
        """The sweep's result, with a bar and checkpoints on the way."""
        from softjax import checkpoint
        from softjax.sweeps import Progress, sweep

        due = time.monotonic() + self.checkpoint_every
        with _progress_bar(0) as bar, _Stop() as stop:

            def save(progress: Progress) -> None:
                nonlocal due
                start = time.monotonic()
                checkpoint.save(folder, progress.state())
                end = time.monotonic()
                due = end + max(self.checkpoint_every, 20 * (end - start))

            def show(progress: Progress) -> None:
                if not stop.in_training:
                    bar.reset(progress.num_steps)
                    bar.initial = bar.n = progress.step
                    stop.in_training = True
                else:
                    text = f"segment {progress.segment} of {progress.num_segments}"
                    if not math.isnan(progress.mean_loss):
                        text += f", mean loss {progress.mean_loss:.4g}"
                    bar.set_postfix_str(text, refresh=False)
                    bar.update(progress.step - bar.n)
                    if stop.requested or time.monotonic() >= due:
                        save(progress)
                if stop.requested:
                    bar.close()
                    _say(f"stopped after {progress.step:,} of {progress.num_steps:,} steps")
                    raise KeyboardInterrupt(stop.requested)

            return sweep(dataset, self.training, on_progress=show, state=state)


@dataclass(frozen=True)
class Check:
    """Check a gradient: the one by hand, as the course does, or one of your own.

    By hand: on 500 training examples, in float64, a table of random entries for each penalty strength.
    Your own: any function and its claimed gradient. Both are held against reverse and forward mode, the
    complex step and central differences. Exits with 1 if the gradient is wrong or cannot be judged.

    Examples:
      softjax check
      softjax check --dataset cifar10 --data-dir DIR --num-checks 20
      softjax check --function mine:loss --gradient mine:grad --inputs data.npz
    """

    data: DataConfig = field(default_factory=DataConfig)
    check: CheckConfig = field(default_factory=CheckConfig)

    def run(self, command: str) -> int:
        """Prints the tables and the verdict."""
        return self._own() if self.check.function is not None else self._by_hand()

    def _own(self) -> int:
        from softjax.gradcheck.check import check_gradient

        function, gradient = _imported(str(self.check.function)), _imported(str(self.check.gradient))
        params, *args = _inputs(str(self.check.inputs))
        try:
            check = check_gradient(
                function, gradient, params, *args, num_entries=self.check.num_checks, seed=self.check.seed
            )
        except Exception as error:  # the caller's functions may raise anything
            reason = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
            raise InputError(f"{self.check.function} cannot be checked: {_first_line(reason)}") from error
        _print_samples(check, "claimed")
        print(f"\n{check}")
        return 0 if check.ok else 1

    def _by_hand(self) -> int:
        import jax
        import numpy as np

        from softjax.datasets import preprocess
        from softjax.gradcheck.check import check_gradient
        from softjax.gradient import loss_and_grad
        from softjax.objective import loss

        config = self.check
        dataset = _load(self.data)
        dev = dataset.development(seed=config.seed)
        features = dev.X - preprocess.fit(dataset.train.X, standardize=False).mean
        X = np.hstack([features, np.ones((len(dev), 1))])
        rng = np.random.default_rng(config.seed)
        W = config.init_scale * rng.standard_normal((X.shape[1], dataset.num_classes))
        print(
            f"{dataset.title}: {len(dev)} development examples, W ~ {config.init_scale:g} · normal, float64"
        )
        chance = {"softmax": np.log(dataset.num_classes), "hinge": dataset.num_classes - 1.0}[config.kind]
        chance_name = {"softmax": "−log(1/K)", "hinge": "K − 1"}[config.kind]
        objective = partial(loss, kind=config.kind, penalty=config.penalty)
        by_hand = partial(loss_and_grad, kind=config.kind, penalty=config.penalty)
        wrong = []
        for reg in config.regs:
            with jax.enable_x64(True):
                value = float(objective(W, X, dev.y, reg))
                check = check_gradient(
                    objective, by_hand, W, X, dev.y, reg, num_entries=config.num_checks, seed=config.seed
                )
            print(f"\nreg {reg:g}: loss {value:.6f} (at W = 0 {chance_name} = {chance:.6f})")
            _print_samples(check, "by hand")
            print(check)
            wrong += [f"reg {reg:g}"] * (not check.ok)
        print(f"\nFAILED at {', '.join(wrong)}" if wrong else "\npassed")
        return 1 if wrong else 0


@dataclass(frozen=True)
class Compare:
    """Hold autodiff frameworks against each other on the softmax loss: accuracy, edge cases, derivative modes, speed.

    Each framework runs in a process of its own; those that are not installed are listed with the line that
    installs them.

    Examples:
      softjax compare --quick
      softjax compare --frameworks 'jax-*' torch-eager --cases edge_cases
      softjax compare --cases 'label-*' --out reports/labels
      softjax compare --resume
      softjax compare --show label-minus-1 optax-integer
    """

    comparison: CompareConfig = field(default_factory=CompareConfig)
    show: tuple[str, str] | None = None
    """CASE FRAMEWORK: print a short script that puts an edge case to that framework alone, and run nothing."""
    out: Path = Path("reports/frameworks")
    """Folder of the report. What is known so far is kept beside it, in a folder of that name ending in .partial."""
    resume: bool = False
    """Go on where an interrupted comparison of these options stopped."""
    overwrite: bool = False
    """Replace an earlier report there."""

    def run(self, command: str) -> int:
        """Runs the comparison, prints a row for each framework, writes the report."""
        if self.show is not None:
            from softjax.comparison.script import show

            print(show(*self.show), end="")
            return 0
        from softjax import report
        from softjax.comparison.report import summary, write_comparison
        from softjax.comparison.run import compare, plan

        plan(self.comparison)  # names a wrong name before anything else
        report.check_free(self.out, self.overwrite)
        journal = report.partial_folder(self.out) / "journal.jsonl"
        report.check_finished(self.out, journal.is_file() and not self.resume, self.overwrite)
        if not self.resume:
            journal.unlink(missing_ok=True)
        with _progress_bar(0, unit="case", desc="comparing") as bar:

            def count(framework: str, case: str) -> None:
                bar.set_postfix_str(f"{framework} {case}", refresh=False)
                bar.update()

            try:
                comparison = compare(self.comparison, journal=journal, on_start=bar.reset, on_record=count)
            except KeyboardInterrupt:
                bar.close()
                _say(f"to go on: {command.removesuffix(' --resume')} --resume")
                raise
        command = command.removesuffix(" --resume")
        write_comparison(comparison, self.comparison, self.out, command=command, overwrite=self.overwrite)
        _print_table(summary(comparison))
        print(f"\nreport: {self.out / 'README.md'}")
        return 0


_COMMANDS: Any = (
    Annotated[Sweep, tyro.conf.subcommand("sweep", description=inspect.getdoc(Sweep))]
    | Annotated[Check, tyro.conf.subcommand("check", description=inspect.getdoc(Check))]
    | Annotated[Compare, tyro.conf.subcommand("compare", description=inspect.getdoc(Compare))]
)


def run(arguments: Sequence[str] | None = None) -> NoReturn:
    """`main` for a process of its own, and the end of that process.

    Compiled programs stay in the user's cache: the next run of these shapes need not compile.
    """
    os.environ.setdefault(
        "JAX_COMPILATION_CACHE_DIR", str(platformdirs.user_cache_path("softjax") / "compiled")
    )
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.1")
    code = main(arguments)
    if code > INTERRUPTED:
        sys.stdout.flush()
        sys.stderr.flush()
        # XLA may still compile in another thread, under which Python's own way out would crash.
        os._exit(code)
    sys.exit(code)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command line (that of the process by default) and returns its exit code.

    0: done; 1: a check failed; 2: the input cannot be used, said in one line on stderr; 130: interrupted (143: by SIGTERM).
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if arguments == ["--version"]:
        import softjax

        print(f"softjax {softjax.__version__}")
        return 0
    try:
        command = _parse(arguments)
        code: int = command.run(shlex.join(["softjax", *arguments]))
        return code
    except InputError as error:
        _say(f"softjax: error: {error}")
        return 2
    except KeyboardInterrupt as interruption:
        _say("softjax: interrupted; no report was written")
        return INTERRUPTED + (interruption.args[0] if interruption.args else signal.SIGINT)


def _parse(arguments: list[str]) -> Any:
    """The command. Raises `InputError` for values no run can have, `SystemExit` after help and usage errors."""
    parse = partial(
        tyro.cli,
        _COMMANDS,
        prog="softjax",
        description=DESCRIPTION,
        args=arguments,
        config=(tyro.conf.OmitArgPrefixes, tyro.conf.FlagCreatePairsOff, tyro.conf.DisallowNone),
        registry=_ranges(),
    )
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            return parse()
    except SystemExit as ending:
        # The parser wraps what the records raise into its own usage error: our line says it better.
        reason: BaseException | None = ending
        while reason is not None:
            if isinstance(reason, InputError):
                raise reason from None
            reason = reason.__context__
    return parse()  # not our error: once more, aloud


def _ranges() -> ConstructorRegistry:
    """Tuples of floats are written as ranges."""
    registry = ConstructorRegistry()

    @registry.primitive_rule
    def _(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[tuple[float, ...]] | None:
        if info.type != tuple[float, ...]:
            return None
        return PrimitiveConstructorSpec(
            nargs=1,
            metavar="RANGE",
            instance_from_str=lambda texts: parse_range(texts[0]),
            is_instance=lambda value: isinstance(value, tuple),
            str_from_instance=lambda values: [format_range(values)],
        )

    return registry


def _imported(name: str) -> Any:
    """The object called package.module:name, the working directory coming first."""
    module, _, attribute = name.partition(":")
    if not attribute:
        raise InputError(f"{name!r} names no object: expected package.module:name")
    if "" not in sys.path and os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        found = importlib.import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
    except Exception as error:  # importing runs the caller's code
        raise InputError(f"{name} cannot be imported: {_first_line(str(error))}") from error
    return found


def _inputs(name: str) -> tuple[Any, ...]:
    """Params and args, from a .npz file or from package.module:name."""
    if name.endswith(".npz"):
        from softjax.datasets.arrays import read

        values = tuple(read(Path(name)).values())
        # a single number is a number, not an array
        values = tuple(value.item() if value.ndim == 0 else value for value in values)
    else:
        found = _imported(name)
        try:
            values = found() if callable(found) else found
        except Exception as error:
            raise InputError(f"{name} raised {type(error).__name__}: {_first_line(str(error))}") from error
    if not isinstance(values, tuple) or not values:
        raise InputError(f"{name} must give a tuple (params, *args), got {type(values).__name__}")
    return values


def _first_line(text: str) -> str:
    return text.strip().split("\n")[0]


def _print_samples(check: Any, claim: str) -> None:
    _print_table(
        [("entry", "numerical", claim, "jax.grad", "relative error")]
        + [
            (
                sample.name,
                f"{sample.numerical:.6f}",
                f"{sample.analytic:.6f}",
                f"{sample.autodiff:.6f}",
                f"{sample.relative_error:.6e}",
            )
            for sample in check.samples
        ]
    )


def _load(config: DataConfig) -> Any:
    from softjax.datasets import load_dataset

    options = asdict(config)
    return load_dataset(options.pop("dataset"), options.pop("data_dir"), **options)


def _progress_bar(total: int, unit: str = "step", desc: str = "training") -> Any:
    from tqdm import tqdm

    # Quiet unless on a terminal.
    return tqdm(total=total, unit=unit, desc=desc, disable=None, leave=False, dynamic_ncols=True)


class _Stop:
    """Ctrl-C and SIGTERM: while training the first of them lets the segment end, any other time they end the run."""

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

    def __call__(self, number: int, _: object) -> None:
        if self.requested or not self.in_training:
            raise KeyboardInterrupt(number)
        self.requested = number
        # not print, which the signal may have interrupted
        os.write(2, b"\nstopping after this segment of training; once more stops at once\n")


def _print_table(rows: Sequence[tuple[str, ...]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))


def _say(text: str) -> None:
    print(text, file=sys.stderr)
