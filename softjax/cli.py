"""The command line: softjax sweep | check."""

import inspect
import io
import shlex
import sys
import time
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import tyro
from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo

from softjax.config import (
    CheckConfig,
    DataConfig,
    InputError,
    SweepConfig,
    format_range,
    parse_range,
)

DESCRIPTION = (
    "A linear softmax classifier with its gradient by hand: swept over lr × reg × seed, and checked."
)


@dataclass(frozen=True)
class Sweep:
    """Train a linear classifier for every learning rate × penalty strength × seed, and write a report.

    Examples:
      softjax sweep
      softjax sweep --learning-rates log:1e-3:1:7 --regs 0,0.01,0.1 --num-seeds 3 --out reports/mine
      softjax sweep --dataset features.npz --standardize
      softjax sweep --dataset cifar10 --data-dir DIR --learning-rates 1e-7:5e-7:10
        --regs 2.5e4:5e4:10 --num-iters 1500 --out reports/cifar10
    """

    data: DataConfig = field(default_factory=DataConfig)
    training: SweepConfig = field(default_factory=SweepConfig)
    out: Path | None = None
    """Folder of the report; reports/ and the name of the data set by default."""
    overwrite: bool = False
    """Replace an earlier report there."""

    def run(self, command: str) -> int:
        """Trains, prints the best cells, writes the report."""
        from softjax import report
        from softjax.sweeps import Progress, sweep

        out = self.out if self.out is not None else Path("reports") / Path(self.data.dataset).stem
        report.check_free(out, self.overwrite)
        start = time.perf_counter()
        dataset = _load(self.data)
        load_seconds = time.perf_counter() - start

        config = self.training
        _say(
            f"{dataset.title}: {len(dataset.train):,} training, {len(dataset.val):,} validation and "
            f"{len(dataset.test):,} test examples\n"
            f"{report.grid_size(config)}, {config.num_iters:,} steps of {config.batch_size} examples"
        )
        with _progress_bar(config.num_iters) as bar:

            def show(progress: Progress) -> None:
                bar.set_postfix_str(f"mean loss {progress.mean_loss:.4g}", refresh=False)
                bar.update(progress.step - bar.n)

            result = sweep(dataset, config, on_segment=show)
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


@dataclass(frozen=True)
class Check:
    """Hold the gradient by hand against central differences and jax.grad.

    In float64, on 500 training examples. Exits with 1 if they disagree by more than 1e-6 of the
    gradient's largest entry and the noise of the differences.

    Examples:
      softjax check
      softjax check --dataset cifar10 --data-dir DIR --num-checks 20
    """

    data: DataConfig = field(default_factory=DataConfig)
    check: CheckConfig = field(default_factory=CheckConfig)

    def run(self, command: str) -> int:
        """Prints a table a penalty strength, and the verdict."""
        import numpy as np

        from softjax.datasets import preprocess
        from softjax.gradcheck import TOLERANCE, check_entries

        dataset = _load(self.data)
        dev = dataset.development(seed=self.check.seed)
        features = dev.X - preprocess.fit(dataset.train.X, standardize=False).mean
        X = np.hstack([features, np.ones((len(dev), 1))])
        print(
            f"{dataset.title}: {len(dev)} development examples, W ~ {self.check.init_scale:g} · normal, float64"
        )
        checks = [check_entries(X, dev.y, dataset.num_classes, reg, self.check) for reg in self.check.regs]
        chance = {"softmax": np.log(dataset.num_classes), "hinge": dataset.num_classes - 1.0}[self.check.kind]
        name = {"softmax": "−log(1/K)", "hinge": "K − 1"}[self.check.kind]
        for check in checks:
            print(f"\nreg {check.reg:g}: loss {check.loss:.6f} (at W = 0 {name} = {chance:.6f})")
            _print_table(
                [("entry", "numerical", "by hand", "jax.grad", "relative error")]
                + [
                    (
                        f"W[{entry.index[0]}, {entry.index[1]}]",
                        f"{entry.numerical:.6f}",
                        f"{entry.by_hand:.6f}",
                        f"{entry.autodiff:.6f}",
                        f"{entry.relative_error:.6e}",
                    )
                    for entry in check.entries
                ]
            )
            print(
                f"by hand against jax.grad, all {dataset.num_classes * X.shape[1]:,} entries: "
                f"at most {check.autodiff_error:.1e} apart, the largest entry being {check.largest:.4g}"
            )
        wrong = [f"reg {check.reg:g}" for check in checks if not check.ok]
        if wrong:
            print(
                f"\nFAILED at {', '.join(wrong)}: they disagree by more than {TOLERANCE:g} of the largest entry"
            )
            return 1
        print(f"\npassed: all agree to {TOLERANCE:g} of the largest entry and the differences' own noise")
        return 0


_COMMANDS: Any = (
    Annotated[Sweep, tyro.conf.subcommand("sweep", description=inspect.getdoc(Sweep))]
    | Annotated[Check, tyro.conf.subcommand("check", description=inspect.getdoc(Check))]
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command line (that of the process by default) and returns its exit code.

    0: done; 1: a check failed; 2: the input cannot be used, said in one line on stderr; 130: interrupted.
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
    except KeyboardInterrupt:
        _say("softjax: interrupted; nothing was written")
        return 130


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


def _load(config: DataConfig) -> Any:
    from softjax.datasets import load_dataset

    options = asdict(config)
    return load_dataset(options.pop("dataset"), options.pop("data_dir"), **options)


def _progress_bar(total: int) -> Any:
    from tqdm import tqdm

    # Quiet unless on a terminal.
    return tqdm(total=total, unit="step", desc="training", disable=None, leave=False, dynamic_ncols=True)


def _print_table(rows: Sequence[tuple[str, ...]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))


def _say(text: str) -> None:
    print(text, file=sys.stderr)
