"""The committed reports: each opens with its verdict and a picture, and is read in a minute."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
REPORTS = sorted((ROOT / "reports").glob("*/README.md"))
WITHOUT_PICTURE = {"benchmark_gpu", "grading"}  # nothing was measured; a list of submissions
LONGEST_TABLE = 40  # rows: about a screen
LISTS_ALL = {"grading"}  # a row for each submission, as a class report has
name = pytest.mark.parametrize("report", REPORTS, ids=lambda report: report.parent.name)


def opening(report):
    """The lines between the title and the first heading."""
    title, *lines = report.read_text(encoding="utf-8").splitlines()
    assert title.startswith("# ")
    headings = [k for k, line in enumerate(lines) if line.startswith("#")]
    return [line for line in lines[: headings[0]] if line]


@name
def test_a_report_opens_with_its_verdict_and_its_picture(report):
    lines = opening(report)
    points = [line for line in lines if line.startswith("- ")]
    assert len(points) <= 4
    if points:
        assert lines.index(points[0]) <= 1  # after a line on the page beside it, at most
    else:
        assert lines[0].startswith("**")
    pictures = [re.match(r"!\[.+\]\((.+)\)", line) for line in lines]
    found = [picture[1] for picture in pictures if picture]
    assert bool(found) == (report.parent.name not in WITHOUT_PICTURE)
    assert all((report.parent / file).is_file() for file in found)


@name
def test_what_is_longer_than_a_screen_is_in_a_file_of_its_own(report):
    tables = re.findall(r"(?:^\|.*\n)+", report.read_text(encoding="utf-8"), re.MULTILINE)
    if report.parent.name not in LISTS_ALL:
        assert max((table.count("\n") - 2 for table in tables), default=0) <= LONGEST_TABLE
    links = re.findall(r"\]\(([\w./-]+)\)", report.read_text(encoding="utf-8"))
    assert all((report.parent / link).exists() for link in links)
