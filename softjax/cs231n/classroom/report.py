"""What a teacher reads: a line and a page for each submission, the class report, CSV, JSON, and Gradescope's results."""

import csv
import datetime
import html
import io
import json
import platform
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from softjax.cs231n.classroom.results import ClassResult, Graded, Result
from softjax.cs231n.grading.findings import Finding
from softjax.errors import in_one_line
from softjax.reports.markdown import render, table
from softjax.runs.files import write_text

# What differs from student to student in the words for one mistake, and what stands for it.
SAME = (
    (r"raises (\w+)\b.*", r"raises \1"),
    (r", off by (up to )?[^ ]+ %", ", off by some percent"),
    (r"reg = [\d.]+ adds .*", "reg adds something else than reg · ΣW²"),
    (r"divided by \d+, not", "divided by a fixed number, not"),
    (r"^-?[\d.e+-]+ times the right", "a fixed number times the right"),
    (r": (loss|gradient): -?[\d.e+-]+ times the right", r": \1: a fixed number times the right"),
    (r": dW\[\d+, \d+\] is .*", ""),
    (r": stopped after .*", ""),
    (r"it starts \d+ processes, .*", "it starts too many processes"),
    (r"the step is −.* · gradient, for learning_rate = .*", "the learning rate is another one"),
)  # fmt: skip
MOST_MISTAKES = 20  # in the table of the report: a screen; mistakes.csv has all


@dataclass(frozen=True)
class Mistake:
    """A mistake, the likely reason, and the names of those who made it."""

    text: str
    reason: str
    names: tuple[str, ...]


def describe(graded: Graded) -> str:
    """A submission in one line: what passed, and what is wrong in what did not."""
    parts = []
    for result in graded.results:
        faults = result.grade.faults
        text = "; ".join(fault.text for fault in faults)
        parts.append(f"{result.function} " + (f"WRONG ({text})" if faults else "passed"))
    return in_one_line(f"{graded.name}: {', '.join(parts)}")


def count_mistakes(submissions: Iterable[Graded]) -> list[Mistake]:
    """The mistakes, the most frequent first. One that a student made in several functions counts once."""
    found: dict[tuple[str, str], Mistake] = {}
    for graded in submissions:
        for fault in (fault for result in graded.results for fault in result.grade.faults):
            text = _generalize(fault)
            key = (text, fault.reason)
            earlier = found.get(key, Mistake(text, fault.reason, ()))
            names = dict.fromkeys([*earlier.names, graded.name])
            found[key] = Mistake(text, fault.reason, tuple(names))
    return sorted(found.values(), key=lambda mistake: -len(mistake.names))


def _generalize(fault: Finding) -> str:
    """The words for a mistake without what is one student's own."""
    text = in_one_line(fault.text)
    for pattern, instead in SAME:
        text = re.sub(pattern, instead, text)
    return text


def write_class(result: ClassResult, folder: Path, command: str, title: str, with_pages: bool = True) -> None:
    """Writes the report of a class into a folder: README.md, the tables, and (`with_pages`) the students' pages."""
    pages = _name_pages(result.submissions) if with_pages else []
    mistakes = count_mistakes(result.submissions)
    if pages:
        (folder / "students").mkdir()
    for graded, page in zip(result.submissions, pages, strict=with_pages):
        write_text(folder / "students" / page, _write_page(graded))
    write_text(folder / "grades.csv", write_csv(result))
    rows = [(m.text, len(m.names), m.reason, " ".join(m.names)) for m in mistakes]
    write_text(folder / "mistakes.csv", _write_rows([("mistake", "submissions", "likely", "names"), *rows]))
    write_text(folder / "run.json", write_json(result, command))
    text = render(
        Path(__file__).with_name("report.md"),
        title=title,
        summary=_summarize(result, mistakes),
        functions=_tabulate_functions(result),
        mistakes=_tabulate_mistakes(mistakes, len(result.submissions)),
        submissions=_tabulate_submissions(result, pages),
        pages="Each has a page in `students/` that can be sent on. " if pages else "",
        command=command,
        seconds=f"{result.seconds:.1f}",
        date=datetime.date.today().isoformat(),
        python=platform.python_version(),
        numpy=np.__version__,
        held=result.held,
    )
    write_text(folder / "README.md", text)


def _summarize(result: ClassResult, mistakes: Sequence[Mistake]) -> str:
    count, passed = len(result.submissions), sum(each.passed for each in result.submissions)
    lines = [f"**{passed} of {count}** {'submission' if count == 1 else 'submissions'} passed."]
    lines += [
        f"{word} frequent mistake, in {len(mistake.names)}: {_escape(mistake.text)}."
        for word, mistake in zip(("The most", "The second most"), mistakes, strict=False)
        if len(mistake.names) > 1
    ]
    return "\n".join(f"- {line}" for line in lines)


def _tabulate_functions(result: ClassResult) -> str:
    graded, passed, penalties = Counter[str](), Counter[str](), Counter[str]()
    for each in (each for submission in result.submissions for each in submission.results):
        graded[each.function] += 1
        passed[each.function] += each.grade.passed
        if each.grade.penalty != "none":
            penalties[each.grade.penalty] += 1
    rows = [
        ("function", "graded", "passed"),
        *((name, str(n), str(passed[name])) for name, n in sorted(graded.items())),
    ]
    used = ", ".join(f"{name} in {count}" for name, count in penalties.most_common())
    return table(rows, "names") + (f"\n\nPenalties: {used}." if used else "")


def _tabulate_mistakes(mistakes: Sequence[Mistake], count: int) -> str:
    if not mistakes:
        return "None."
    rows = [
        (_escape(m.text), str(len(m.names)), f"{100 * len(m.names) / count:.0f} %", _escape(m.reason))
        for m in mistakes[:MOST_MISTAKES]
    ]
    text = table([("mistake", "submissions", "share", "likely"), *rows], "left")
    more = len(mistakes) - len(rows)
    return text + (f"\n\n{more} more are in `mistakes.csv`." if more else "")


def _tabulate_submissions(result: ClassResult, pages: Sequence[str]) -> str:
    functions = sorted({r.function for each in result.submissions for r in each.results})
    rows = [("submission", *functions)]
    for graded, page in zip_longest(result.submissions, pages):
        by_name = {r.function: r for r in graded.results}
        cells = (_tell(by_name[name]) if name in by_name else "" for name in functions)
        name = _escape(in_one_line(graded.name))
        rows.append((f"[{name}](students/{page})" if page else name, *cells))
    return table(rows, "left")


def _tell(result: Result) -> str:
    count = len(result.grade.faults)
    return f"{count} wrong" if count else "passed"


def _escape(text: str) -> str:
    """Text in Markdown, with the characters that would mark it up as themselves."""
    marks = r"[\\`]|\*(?=\S)|(?<=\S)\*|\](?=\()"
    return re.sub(marks, r"\\\g<0>", html.escape(text, quote=False))


def _name_pages(submissions: Sequence[Graded]) -> list[str]:
    """A file for each submission."""
    names, seen = [], Counter[str]()
    for graded in submissions:
        name = re.sub(r"[^\w.-]", "_", graded.name)[:100]
        seen[name] += 1
        names.append(f"{name}-{seen[name]}.md" if seen[name] > 1 else f"{name}.md")
    return names


def _write_page(graded: Graded) -> str:
    """The page of a student: the reports as they are, which no word in them can mark up."""
    parts = [f"# {_escape(in_one_line(graded.name))}"]
    for result in graded.results:
        lines = [in_one_line(line) for line in str(result.grade).split("\n")]
        file = f"{_escape(in_one_line(result.file))}\n\n" if result.file else ""
        parts.append(file + "\n".join(f"    {line}" for line in lines))
    return "\n\n".join(parts) + "\n"


def write_csv(result: ClassResult) -> str:
    """A row for each function."""
    header = ("name", "path", "file", "function", "passed", "penalty", "wrong", "mistakes", "seconds")
    rows = [
        (
            *(graded.name, graded.path, each.file, each.function, each.grade.passed, each.grade.penalty),
            *(len(each.grade.faults), "; ".join(f.text for f in each.grade.faults), f"{each.seconds:.3f}"),
        )
        for graded in result.submissions
        for each in graded.results
    ]
    return _write_rows([header, *rows])


def _write_rows(rows: Iterable[Iterable[object]]) -> str:
    """Rows as CSV. A cell that a spreadsheet would take for a formula begins with an apostrophe."""
    file = io.StringIO()
    cells = ([re.sub(r"^(?=[=+\-@])", "'", in_one_line(str(cell))) for cell in row] for row in rows)
    csv.writer(file, lineterminator="\n").writerows(cells)
    return file.getvalue()


def write_json(result: ClassResult, command: str = "") -> str:
    """All findings."""
    record = {
        "command": command,
        "passed": result.passed,
        "seconds": round(result.seconds, 3),
        "limits": asdict(result.held),
        "submissions": [graded.as_dict() for graded in result.submissions],
    }
    return json.dumps(record, indent=1, ensure_ascii=False) + "\n"


def write_gradescope(graded: Graded, seconds: float) -> str:
    """Gradescope's results.json: a test for each function, with one point if it passed.

    Source: https://gradescope-autograders.readthedocs.io/en/latest/specs/
    """
    tests: list[dict[str, Any]] = [
        {
            "name": result.function,
            "score": float(result.grade.passed),
            "max_score": 1.0,
            "status": "passed" if result.grade.passed else "failed",
            "output": str(result.grade),
            "output_format": "text",
            "visibility": "visible",
        }
        for result in graded.results
    ]
    record = {
        "score": sum(test["score"] for test in tests),
        "execution_time": round(seconds),
        "output": describe(graded),
        "output_format": "text",
        "visibility": "visible",
        "tests": tests,
    }
    return json.dumps(record, indent=1) + "\n"
