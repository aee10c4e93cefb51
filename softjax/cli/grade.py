"""softjax grade."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from tyro.constructors import PrimitiveConstructorSpec

from softjax.cli.interrupt import unwind
from softjax.cli.options import read_path
from softjax.errors import InputError, check_count, in_one_line

if TYPE_CHECKING:
    from softjax.cs231n.classroom.results import ClassResult

STANDARD_OUTPUT = Path("-")


def _read_output(words: list[str]) -> Path:
    if len(words) > 1:
        raise InputError(f"one file at most can be named there, got {' '.join(words)}: put submissions first")
    if not words:
        return STANDARD_OUTPUT
    path = read_path(words[0])
    if path.suffix in (".py", ".zip") or path.is_dir():
        raise InputError(f"{words[0]} is a submission, no file to write to: put submissions first")
    return path


Output = Annotated[
    Path | None,
    PrimitiveConstructorSpec(
        nargs="*",
        metavar="[PATH]",
        instance_from_str=_read_output,
        is_instance=lambda value: value is None or isinstance(value, Path),
        str_from_instance=lambda value: [] if value is None else [str(value)],
    ),
]


@dataclass(frozen=True)
class Grade:
    """Grade submissions of the course's losses or linear classifier: what is wrong, and the likely reason.

    Each function runs in a process of its own, in a copy of its folder, with limits on time, memory, files and processes,
    and without a network where the system allows that. This is no sandbox against an attacker: use a container or a
    virtual machine for that. Exits with 0 if all passed, with 1 if any did not.

    Examples:
      softjax grade softmax.py
      softjax grade submissions/ --out reports/class
      softjax grade export.zip --svm --csv grades.csv
      softjax grade linear_classifier.py --function LinearClassifier
      softjax grade /autograder/submission --gradescope /autograder/results/results.json

    Attributes:
        files: Python files, folders and zips. A folder with the course's cs231n in it is one submission; in any other
            folder each Python file, folder and zip is one.
        function: The function or class to grade. By default softmax_loss_naive and softmax_loss_vectorized, as far as
            they are there.
        svm: Grade the SVM's loss, by default svm_loss_naive and svm_loss_vectorized.
        out: Folder of a report on the class, with a page for each submission.
        overwrite: Replace an earlier report in that folder.
        json: File for all findings. Without a name they go to standard output.
        csv: File for a table of all functions. Without a name it goes to standard output.
        gradescope: File for the results of one submission as Gradescope reads them.
        limit: Seconds for a function.
        memory: MiB of memory for a function.
        at_once: Processes at the same time. By default as many as there are cores.
    """

    files: Annotated[tyro.conf.Positional[tuple[Path, ...]], tyro.conf.arg(metavar="FILE_OR_FOLDER ...")] = ()
    function: str | None = None
    svm: bool = False
    out: Path | None = None
    overwrite: bool = False
    json: Output = None
    csv: Output = None
    gradescope: Path | None = None
    limit: float = 30.0
    memory: int = 4096
    at_once: int | None = None

    def __post_init__(self) -> None:
        if not 0 < self.limit < 1e6:
            raise InputError(f"limit must be a positive number of seconds below 1e6, got {self.limit!r}")
        check_count("memory", self.memory, 256)
        if self.at_once is not None:
            check_count("at_once", self.at_once)
        if self.function is not None and not self.function.isidentifier():
            raise InputError(f"function must be the name of a function or class, got {self.function!r}")
        if self.json == self.csv == STANDARD_OUTPUT:
            raise InputError(
                "only one of --json and --csv can go to standard output: name a file for the other"
            )

    def run(self, command: str, called: str) -> int:
        """Grades, prints a line for each submission, writes what was asked for."""
        from contextlib import ExitStack

        from softjax.cs231n.classroom import run
        from softjax.cs231n.classroom.limits import Limits
        from softjax.cs231n.classroom.report import describe, write_class
        from softjax.cs231n.classroom.submissions import collect
        from softjax.runs.run_folder import RunFolder

        if not self.files:
            raise InputError("no submissions are named: expected Python files, folders or zips")
        folder = RunFolder(self.out, self.overwrite) if self.out else None
        if folder:
            folder.check()
        functions = (self.function,) if self.function else run.SVM if self.svm else run.SOFTMAX
        shown = sys.stderr if STANDARD_OUTPUT in (self.json, self.csv) else sys.stdout
        with unwind(), ExitStack() as stack:
            submissions = stack.enter_context(collect(self.files, whole=self.gradescope is not None))
            if self.gradescope and len(submissions) != 1:
                raise InputError(f"--gradescope takes one submission, got {len(submissions)}")
            if folder:
                stack.enter_context(folder.lock())
            result = run.grade_class(
                submissions,
                functions,
                svm=self.svm or None,
                limits=Limits(seconds=self.limit, memory=self.memory),
                at_once=self.at_once,
                done=lambda graded: print(describe(graded), file=shown, flush=True),
            )
            self._write(result)
            if folder:
                with folder.write() as new:
                    title = ", ".join(in_one_line(path.name or str(path)) for path in self.files)
                    write_class(result, new, command, title if len(title) < 80 else "a class")
        count = sum(graded.passed for graded in result.submissions)
        print(f"{count} of {len(result.submissions)} passed, in {result.seconds:.1f} s", file=shown)
        print(f"limits on: {result.held}", file=shown)
        if folder:
            print(f"report: {folder.out / 'README.md'}", file=shown)
        return 0 if result.passed else 1

    def _write(self, result: "ClassResult") -> None:
        from softjax.cs231n.classroom.report import write_csv, write_gradescope, write_json
        from softjax.runs.files import raise_as_input_error, write_text

        texts = [(self.json, write_json(result)), (self.csv, write_csv(result))]
        if self.gradescope:
            texts.append((self.gradescope, write_gradescope(result.submissions[0], result.seconds)))
        for path, text in texts:
            if path == STANDARD_OUTPUT:
                sys.stdout.write(text)
            elif path is not None:
                with raise_as_input_error(f"{path} cannot be written"):
                    write_text(path, text)
