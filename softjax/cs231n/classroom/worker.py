"""Imports a student's file and grades one function of it. Runs in a process of its own, within its limits."""

import importlib.abc
import importlib.machinery
import os
import re
import sys
import types
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from softjax.cs231n.classroom import python2
from softjax.cs231n.grading.findings import Finding
from softjax.cs231n.grading.grade import Grade, judge
from softjax.cs231n.grading.own_gradient import check_by_differences
from softjax.cs231n.grading.student import explain_error

COURSE = "cs231n"  # the course's package
GIVEN = ("eval_numerical_gradient", "grad_check_sparse", "softmax_loss_naive", "softmax_loss_vectorized",
         "svm_loss_naive", "svm_loss_vectorized")  # what its modules have, with NumPy alone  # fmt: skip


@dataclass(frozen=True)
class Job:
    """What is to be graded.

    - `root`: the copy of the submission's folder; `file`: the file in it.
    - `name`: the function or class.
    - `svm`: whether it is the SVM's loss; None if its name says so.
    """

    root: str
    file: str
    name: str
    svm: bool | None


def grade_file(job: Job) -> Grade:
    """Grades a function. Whatever the file or the function raises is a finding."""
    root, path = Path(job.root), Path(job.root, job.file)
    forks: list[None] = []
    os.register_at_fork(after_in_parent=lambda: forks.append(None))
    notes: Sequence[Finding] = ()
    try:
        source, notes = python2.modernize(python2.read_source(path))
        python2.modernize_files(root)
        python2.provide_names()
        sys.meta_path.append(_Course())
        module = _load(path, root, source)
        solution = getattr(module, job.name, None)
        if not callable(solution):
            grade = Grade(job.name, (_describe_missing(job, module),))
        else:
            grade = judge(solution, job.svm, check_by_differences)
    except BaseException as error:
        what, reason = explain_error(error, str(path), job.name)
        grade = Grade(job.name, (Finding("wrong", f"its file {what}", reason),))
    if forks:
        text = "it starts other processes, which are ended with it"
        notes = [*notes, Finding("note", text, "a loss needs none")]
    return Grade(job.name, (*grade.findings, *notes), grade.penalty)


def _describe_missing(job: Job, module: types.ModuleType) -> Finding:
    if hasattr(module, job.name):
        text = f"{job.name} is no function, but {type(getattr(module, job.name)).__name__}"
        return Finding("wrong", text, f"def {job.name}(W, X, y, reg):")
    text = f"{job.file} does not define {job.name} once it is imported"
    return Finding("wrong", text, "it is defined under a condition, or inside another function or class")


def _load(path: Path, root: Path, source: str) -> types.ModuleType:
    """Runs the source of a file as a module, which can import the files beside it, and the course's package above it."""
    parts = path.relative_to(root).with_suffix("").parts
    if COURSE in parts[:-1]:
        above = parts.index(COURSE)
        package, base = ".".join(parts[above:-1]), root.joinpath(*parts[:above])
    else:
        package, base = "submission", path.parent
        parent = types.ModuleType(package)
        parent.__path__ = [str(path.parent)]
        sys.modules[package] = parent
    for folder in (root, path.parent, base):
        sys.path.insert(0, str(folder))
    module = types.ModuleType(f"{package}.{re.sub(r'[^0-9A-Za-z_]', '_', path.stem)}")
    module.__file__, module.__package__ = str(path), package
    sys.modules[module.__name__] = module
    exec(compile(source, str(path), "exec", dont_inherit=True), module.__dict__)
    return module


class _Course(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Stands in for files of the course that were not handed in: each module has its losses and gradient checks."""

    def find_spec(
        self, name: str, path: Any = None, target: Any = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name.partition(".")[0] != COURSE:
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def exec_module(self, module: types.ModuleType) -> None:
        from softjax import cs231n

        module.__dict__.update({name: getattr(cs231n, name) for name in GIVEN}, __all__=list(GIVEN))
