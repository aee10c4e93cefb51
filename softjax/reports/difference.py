"""What differs between two finished runs, and whether the second is worse."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from softjax.errors import InputError
from softjax.evaluation.intervals import paired_interval
from softjax.reports.page.charts import describe_search
from softjax.reports.page.write import PAGE, read_page, write_linked_page
from softjax.runs.examples import EXAMPLES, RightAnswers
from softjax.runs.files import read_text, write_file

MISSING = "–"


@dataclass(frozen=True)
class FinishedRun:
    """A run as its folder holds it: run.json, the data of its page, and which examples it has right."""

    folder: Path
    about: dict[str, Any]
    page: dict[str, Any]
    answers: RightAnswers

    @property
    def row(self) -> int:
        """The row of the best configuration in `answers`."""
        return int(np.flatnonzero(self.answers.configs == self.page["best"])[0])


@dataclass(frozen=True)
class Difference:
    """What differs between the runs a and b.

    Attributes:
        a: The first run.
        b: The second run.
        changed: Options, data and versions that differ, as (name, of a, of b).
        accuracies: Test accuracy of the best of a and of b.
        difference: That of b minus that of a, and its 95 % interval; None if the two were not tested on the same examples.
        verdict: It in sentences.
        exit_code: 0; 1 if b is worse beyond the interval; 2 if there is none.
    """

    a: FinishedRun
    b: FinishedRun
    changed: list[tuple[str, str, str]]
    accuracies: tuple[float, float]
    difference: tuple[float, float, float] | None
    verdict: list[str]
    exit_code: int


def load_run(folder: Path) -> FinishedRun:
    """The run whose report is in a folder. Raises `InputError` if there is none, or it is of a version without examples.npz."""
    if not (folder / "run.json").is_file():
        raise InputError(f"{folder} holds no report: it has no run.json")
    try:
        about = json.loads(read_text(folder / "run.json"))
    except ValueError as error:
        raise InputError(f"{folder / 'run.json'} is damaged: {error}") from error
    for name in (PAGE, EXAMPLES):
        if not (folder / name).is_file():
            raise InputError(
                f"{folder} has no {name}: it is not the report of a sweep or a path, or of an earlier version, "
                f"and then its command makes it anew: {about.get('command', '')}"
            )
    return FinishedRun(folder, about, read_page(folder / PAGE), RightAnswers.load(folder / EXAMPLES))


def compare_runs(a: FinishedRun, b: FinishedRun) -> Difference:
    """What differs between two runs. Of several seeds, accuracies are means."""
    best = [float(np.mean(run.answers.test_accuracy[run.row])) for run in (a, b)]
    changed = list_changes(a.about, b.about)
    accuracies = (best[0], best[1])
    if a.answers.test_fingerprint != b.answers.test_fingerprint:
        verdict = [
            f"Test accuracy of the best: {best[0]:.4f} and {best[1]:.4f}, not on the same test examples: there is no paired interval."
        ]
        return Difference(a, b, changed, accuracies, None, verdict, 2)
    low, high = paired_interval(
        a.answers.test_hits[a.row],
        a.answers.test_accuracy[a.row],
        b.answers.test_hits[b.row],
        b.answers.test_accuracy[b.row],
    )
    difference = (best[1] - best[0], float(low), float(high))
    word = "worse" if high < 0 else "better" if low > 0 else "tied"
    verdict = [
        f"Test accuracy of the best: {best[0]:.4f} and {best[1]:.4f}; difference {difference[0]:+.4f} (95 %: {low:+.4f} to {high:+.4f}), "
        f"paired over {a.answers.test_hits.shape[1]:,} examples: B is {word if word != 'tied' else 'statistically tied with A'}.",
        *_describe_ties(a, b),
    ]
    return Difference(a, b, changed, accuracies, difference, verdict, int(word == "worse"))


def list_changes(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """The options, the data and the versions of two reports that differ."""
    parts = {
        "": "config",
        "data: ": "dataset",
        "version: ": "versions",
        "device: ": "device",
    }
    rows = []
    for prefix, part in parts.items():
        of_a, of_b = a.get(part, {}), b.get(part, {})
        for name in [*of_a, *(name for name in of_b if name not in of_a)]:
            left, right = of_a.get(name, MISSING), of_b.get(name, MISSING)
            if left != right:
                rows.append((prefix + name, *_shorten(left, right)))
    return rows


def tabulate(found: Difference) -> list[tuple[str, ...]]:
    """A table: options that differ, then the best of both."""
    rows: list[tuple[str, ...]] = [("", "A", "B"), *found.changed]
    of_best = (("lr", "best lr"), ("reg", "best reg"), ("val", "validation accuracy of the best"))
    for name, title in of_best:
        cells = []
        for run in (found.a, found.b):
            values = run.page["rows"].get(name)
            cells.append(MISSING if values is None else f"{values[run.page['best']]:.6g}")
        rows.append((title, *cells))
    rows.append(("test accuracy of the best", *(f"{accuracy:.4f}" for accuracy in found.accuracies)))
    return rows


def write_difference(found: Difference, path: Path) -> None:
    """Writes the page: what differs, and both searches. Raises `InputError` if another file is there, or it cannot be written."""
    if path.exists() and not _is_ours(path):
        raise InputError(f"{path} exists and is no page of softjax diff: give another --out")
    head, *rows = tabulate(found)
    table = "<tr>" + "".join(f"<th scope='col'>{cell}</th>" for cell in head) + "</tr>"
    for name, *cells in rows:
        values = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
        table += f"<tr><th scope='row'>{escape(name)}</th>{values}</tr>"
    runs = {"a": found.a, "b": found.b}
    sections = (
        f"<section class='wide'><h2>What differs</h2><div class='scroll-x'><table class='words'>{table}</table></div></section>"
        + "".join(
            f'<section><h2>{name.upper()}: {escape(str(run.folder))}</h2><div id="{name}" class="chart"></div>'
            f"<p class='note'>{escape(run.page['verdict'][0])}</p></section>"
            for name, run in runs.items()
        )
    )
    pages = [run.page for run in runs.values()]  # one scale of colours for both
    text = write_linked_page(
        {"kind": "difference", "title": "Two runs", "verdict": found.verdict},
        sections,
        {name: _fill_chart(describe_search(run.page, *pages), run.page) for name, run in runs.items()},
        made_by="softjax diff",
    )
    try:
        write_file(path, lambda file: file.write(text.encode()))
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from error


def _describe_ties(a: FinishedRun, b: FinishedRun) -> list[str]:
    """How many configurations of each run are tied with the other's best, on the validation examples."""
    if a.answers.val_fingerprint != b.answers.val_fingerprint:
        return ["Not validated on the same examples: the searches are not compared."]
    lines = []
    for name, other, one, reference in (("B", "A", b, a), ("A", "B", a, b)):
        if len(one.answers.configs) < len(one.page["rows"]["config"]):
            continue
        hits, runs = reference.answers.val_hits[reference.row], reference.answers.val_accuracy[reference.row]
        ends = [
            paired_interval(hits, runs, *pair)
            for pair in zip(one.answers.val_hits, one.answers.val_accuracy, strict=True)
        ]
        tied = sum(bool(low <= 0 <= high) for low, high in ends)
        lines.append(
            f"Of {name}'s {len(ends):,} configurations {tied:,} are statistically tied with the best of {other} in validation accuracy."
        )
    return lines


def _fill_chart(chart: dict[str, Any], page: dict[str, Any]) -> dict[str, Any]:
    """The chart with the rows of its page."""
    columns: dict[str, list[Any]] = page["rows"]
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return chart | {"datasets": chart.get("datasets", {}) | {"rows": rows}}


def _shorten(*values: Any, most: int = 60) -> list[str]:
    """Values that differ, as texts of at most so many letters: their beginnings, or the parts from the first difference on."""
    texts = [value if isinstance(value, str) else json.dumps(value, ensure_ascii=False) for value in values]
    shortest = min(map(len, texts))
    same = next((k for k in range(shortest) if len({text[k] for text in texts}) > 1), shortest)
    start = 0 if same < most - 10 else same - most // 2

    def cut(text: str) -> str:
        text = f"…{text[start:]}" if start else text
        return text if len(text) <= most else text[: most - 1] + "…"

    return [cut(text) for text in texts]


def _is_ours(path: Path) -> bool:
    return path.is_file() and 'content="softjax diff"' in read_text(path)[:1000]
