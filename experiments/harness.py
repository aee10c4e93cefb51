"""The common parts of all experiments: the folder of the report, its saved stages, and its files.

An experiment is a function of its options and an `Experiment`. Each stage is saved in OUT.partial when it ends. After Ctrl-C
or a kill, the same command with --resume continues from there and computes no finished stage again. --redraw writes a finished
report again, its texts and pictures, from the stages that it holds.
"""

import json
import shlex
import shutil
import signal
import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import tyro
from matplotlib.figure import Figure

from softjax import Dataset, InputError, PathConfig, PathResult, SweepConfig, SweepResult, load_dataset
from softjax.cli import surroundings
from softjax.cli.advice import add_advice
from softjax.cli.interrupt import handle_signals
from softjax.cli.running import begin, claim, run_path, run_sweep
from softjax.drawing import save_picture
from softjax.progress import progress_bar
from softjax.ranges import parse_range
from softjax.reports.environment import describe_environment
from softjax.runs.checkpoint import Checkpoint, describe_data, identify
from softjax.runs.files import read_text, write_table, write_text
from softjax.runs.run_folder import RunFolder, UnfinishedRunError
from softjax.training.checkpoint import estimate_bytes

# the results do not depend on these
PLACES = ("out", "overwrite", "resume", "redraw", "data_dir", "sources", "minutes")
FLAGS = (tyro.conf.OmitArgPrefixes, tyro.conf.FlagCreatePairsOff, tyro.conf.DisallowNone)
COURSE_GRID = SweepConfig(
    learning_rates=parse_range("1e-7:5e-7:10"),
    regs=parse_range("2.5e4:5e4:10"),
    num_iters=1500,
    batch_size=200,
)
"""The grid of the course's notebook."""


@dataclass(frozen=True)
class Options:
    """The folder of the report. The options of every experiment begin with these."""

    out: Path = Path("reports/experiment")
    """Folder of the report."""
    overwrite: bool = False
    """Replace an earlier report there, and discard an unfinished run."""
    resume: bool = False
    """Continue an interrupted run with these options. If its report is complete, nothing is done."""
    redraw: bool = False
    """Write the report again, with its pictures, from the figures of the finished one; nothing is measured. The other options
    are those of the finished one."""


@dataclass(frozen=True)
class DatasetOptions(Options):
    """The options of an experiment on a data set."""

    dataset: str = "cifar10"
    """Data set, as for softjax sweep."""
    data_dir: Path | None = None
    """Folder of cifar10; as for softjax sweep."""

    def load(self) -> Dataset:
        """The data set."""
        return load_dataset(self.dataset, self.data_dir)


Chosen = TypeVar("Chosen", bound=Options)
Value = TypeVar("Value")


Stages = Mapping[str, Any]
Recall = Callable[[Path, dict[str, Any]], Stages]


@dataclass(frozen=True)
class Experiment:
    """A running experiment: its folder, its data set if it has one, and the command that regenerates it.

    Where a report is redrawn, `finished` is its run.json, and `stages` what it holds of each stage.
    """

    options: Options
    dataset: Dataset | None
    command: str
    finished: dict[str, Any] | None = None
    stages: Stages = field(default_factory=dict)

    @cached_property
    def folder(self) -> RunFolder:
        """The folder of the report."""
        options = self.options
        return RunFolder(options.out, options.overwrite or options.redraw, options.resume)

    @cached_property
    def settings(self) -> dict[str, Any]:
        """The options that the result depends on, as in run.json."""
        options = asdict(self.options)
        for part in (options, *(value for value in options.values() if isinstance(value, dict))):
            for name in PLACES:
                part.pop(name, None)
        settings: dict[str, Any] = json.loads(json.dumps(options, default=str))
        return settings

    @cached_property
    def identity(self) -> dict[str, Any]:
        """The settings, the data set and the versions of the packages."""
        return identify(self.settings, self.dataset)

    def has(self, name: str) -> bool:
        """Whether a stage of `keep` is finished."""
        return self.folder.checkpoint.stage(name).has("state")

    def keep(self, name: str, compute: Callable[[], Any]) -> Any:
        """The result of `compute`, after a round trip through JSON. It is computed once, and then read from the stage `name`.

        Where the report is redrawn, it is what the finished report holds of the stage.
        """
        if self.finished is not None:
            if name not in self.stages:
                raise InputError(f"--redraw: the report in {self.options.out} does not hold the stage {name}")
            return self.stages[name]
        stage = self._stage(name, self.identity)
        if not stage.has("state"):
            content = json.dumps(compute(), default=_plain)
            stage.save("state", {"json": np.frombuffer(content.encode(), np.uint8)})
        return json.loads(stage.load("state")["json"].tobytes())

    def keep_each(
        self, names: Iterable[str], compute: Callable[[str], Any], *, unit: str, desc: str
    ) -> dict[str, Any]:
        """`keep` of `compute(name)` for each of the names, with a progress bar."""
        names, found = list(names), {}
        with progress_bar(len(names), unit=unit, desc=desc) as bar:
            for name in names:
                bar.set_postfix_str(name)
                found[name] = self.keep(name, partial(compute, name))
                bar.update()
        return found

    def sweep(self, name: str, dataset: Dataset, config: SweepConfig) -> SweepResult:
        """The result of a sweep. The sweep continues from the last checkpoint of the stage `name`, and is loaded if it is finished."""
        needed = estimate_bytes(config, dataset)
        stage = self._stage(name, identify(asdict(config), dataset), needed)
        return run_sweep(dataset, config, stage, keep_last=True, desc=name)

    def path(
        self, name: str, dataset: Dataset, config: SweepConfig, solver: PathConfig | None = None
    ) -> PathResult:
        """The result of a regularization path, in the same way."""
        solver = solver or PathConfig()
        stage = self._stage(name, identify(asdict(config) | asdict(solver), dataset))
        return run_path(dataset, config, solver, stage, keep_last=True, desc=name)

    def write(
        self,
        readme: Callable[[dict[str, Any]], str],
        *,
        run: Mapping[str, Any] | None = None,
        versions: Mapping[str, str] | None = None,
        tables: Mapping[str, Iterable[Iterable[Any]]] | None = None,
        figures: Mapping[str, Figure] | None = None,
        curves: Collection[str] = (),
        files: Mapping[str, str] | None = None,
    ) -> None:
        """Writes the report: README.md, run.json, tables as CSV and pictures. If one of them fails, nothing is written.

        Where it is redrawn, Markdown and pictures are new, and the other files of the finished report stay as they are.

        **Arguments:**

        - `readme`: returns the text of README.md, given the contents of run.json.
        - `run`: further contents of run.json, besides command, options, data set and environment.
        - `versions`: the versions of further packages, besides those in every report.
        - `tables`, `figures`: by name, without the endings .csv and .png; `curves`: of the figures, those that get an .svg, too.
        - `files`: texts by name, with the ending.
        """
        about = self.finished or self._describe(dict(run or {}), dict(versions or {}))
        with self.folder.write() as out:
            for name, rows in (tables or {}).items():
                write_table(out / f"{name}.csv", rows)
            for name, figure in (figures or {}).items():
                save_picture(figure, out, name, vector=name in curves)
            for name, text in (files or {}).items():
                write_text(out / name, text)
            content = json.dumps(about, indent=2, ensure_ascii=False, default=_plain)
            write_text(out / "run.json", content + "\n")
            if self.finished is not None:
                _keep_files(self.options.out, out)
            write_text(out / "README.md", readme(about))

    def _describe(self, run: dict[str, Any], versions: dict[str, str]) -> dict[str, Any]:
        about: dict[str, Any] = {"command": self.command, "config": self.settings}
        if self.dataset is not None:
            about["dataset"] = describe_data(self.dataset)
        about |= run | describe_environment()
        about["versions"] |= versions
        return about

    def _stage(self, name: str, identity: dict[str, Any], needed_bytes: int = 0) -> Checkpoint:
        stage = self.folder.checkpoint.stage(name)
        if stage.exists:
            stage.check(identity)
        else:
            stage.start(identity, needed_bytes)
        return stage


def run_experiment(
    options_type: type[Chosen],
    run: Callable[[Chosen, Experiment], None],
    *,
    load: Callable[[Chosen], Dataset] | None = None,
    recall: Recall | None = None,
    description: str | None = None,
) -> None:
    """Runs the experiment as a command: reads its options, runs it, prints the path of the report, and ends the process.

    **Arguments:**

    - `options_type`: a frozen dataclass of options.
    - `run`: the experiment.
    - `load`: loads its data set.
    - `recall`: the stages of a finished report, given its folder and run.json, for --redraw. Without it there is no redrawing.
    - `description`: for --help.

    The exit code is 1 after an error in the input, which is printed in one line, and 130 after Ctrl-C.
    """
    surroundings.prepare()
    with handle_signals() as stop:
        try:
            options = tyro.cli(options_type, description=description, config=FLAGS)
            if options.redraw:
                print(f"redrawn: {redraw(options, run, load, recall) / 'README.md'}")
                return
            surroundings.start_jax()
            words = [word for word in sys.argv[1:] if word != "--resume"]
            command = shlex.join(["python", f"experiments/{Path(sys.argv[0]).name}", *words])
            folder = RunFolder(options.out, options.overwrite, options.resume)
            folder.check()
            experiment = Experiment(options, load(options) if load is not None else None, command)
            with claim(folder, shlex.join([*surroundings.describe_program(), *words])):
                complete = begin(folder, experiment.identity)
                if not complete:
                    run(options, experiment)
            print(f"{'complete' if complete else 'report'}: {options.out / 'README.md'}")
        except InputError as error:
            sys.exit(f"error: {add_advice(error)}")
        except BaseException as error:
            if not stop.requested and not isinstance(error, KeyboardInterrupt):
                raise
            sys.exit(128 + (stop.requested or signal.SIGINT))


def redraw(
    options: Chosen,
    run: Callable[[Chosen, Experiment], None],
    load: Callable[[Chosen], Dataset] | None,
    recall: Recall | None,
) -> Path:
    """Writes a finished report again. Its figures, command, versions and date stay those of the run. Returns its folder.

    Raises `InputError` if there is no finished report, or if it does not hold its stages.
    """
    if recall is None:
        raise InputError("--redraw: the report of this experiment does not hold all that its pictures show")
    try:
        finished = json.loads(read_text(options.out / "run.json"))
        stages = recall(options.out, finished)
        settings = finished["config"]
        title = finished["dataset"]["title"] if load is not None else ""
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"--redraw: {options.out} holds no finished report of this experiment") from error
    known = {each.name for each in fields(options)} - set(PLACES)
    found: dict[str, Any] = {name: settings[name] for name in known & set(settings)}
    tuples = {name: tuple(value) for name, value in found.items() if isinstance(value, list)}
    options = replace(options, **(found | tuples))
    dataset = load(options) if load is not None else None
    if dataset is not None and dataset.title != title:
        raise InputError(f"--redraw: the report is about {title}, not {dataset.title}")
    experiment = Experiment(options, dataset, finished["command"], finished, stages)
    folder = experiment.folder
    if folder.checkpoint.exists:
        raise UnfinishedRunError(f"{folder.partial} holds an unfinished run")
    with folder.lock():
        run(options, experiment)
    return options.out


def recall_measured(folder: Path, finished: dict[str, Any]) -> Stages:
    """The stages of a report whose run.json has them by name, as `measured`."""
    measured: Stages = finished["measured"]
    return measured


def _keep_files(earlier: Path, new: Path) -> None:
    """Copies what a redrawn report keeps: all but its texts and pictures."""
    for file in earlier.iterdir():
        if file.is_file() and file.suffix not in (".md", ".png", ".svg"):
            shutil.copyfile(file, new / file.name)


def _plain(value: Any) -> Any:
    """Converts a value for JSON: NumPy's arrays and numbers to lists and numbers, anything else to text."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return str(value)
