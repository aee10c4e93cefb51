"""The class report on the written submissions of the tests: which of their mistakes are named, and how long it takes.

Example:
  python experiments/grade_submissions.py --overwrite
"""

import contextlib
import tempfile
from dataclasses import dataclass
from pathlib import Path

from harness import Experiment, Options, run_experiment

from softjax import InputError
from softjax.cs231n.classroom.report import write_class
from softjax.cs231n.classroom.run import SOFTMAX, SVM, grade_class
from softjax.cs231n.classroom.submissions import collect

MARK = "#### "  # begins the line with a student's name, before the source


@dataclass(frozen=True)
class Config(Options):
    """The options."""

    out: Path = Path("reports/grading")
    """Folder of the report."""
    submissions: Path = Path("tests/cs231n/submissions")
    """Folder of text files with several submissions each."""


def grade(config: Config, experiment: Experiment) -> None:
    """Writes each submission to a file, grades them all, writes the report."""
    texts = sorted(config.submissions.glob("*.txt"))
    if not texts:
        raise InputError(f"{config.submissions} holds no submissions: start in the root of the repository")
    parts = [part for text in texts for part in text.read_text(encoding="utf-8").split(MARK)[1:]]
    folder = Path("submissions")  # as the report calls it, wherever it is
    with tempfile.TemporaryDirectory() as parent, contextlib.chdir(parent):
        folder.mkdir()
        for part in parts:
            head, _, source = part.partition("\n")
            (folder / f"{head.split(' | ')[0]}.py").write_text(source, encoding="utf-8")
        with collect([folder]) as submissions:
            result = grade_class(submissions, (*SOFTMAX, *SVM))
    with experiment.folder.write() as out:
        write_class(result, out, experiment.command, "written submissions", with_pages=False)


if __name__ == "__main__":
    run_experiment(Config, grade, description=__doc__)
