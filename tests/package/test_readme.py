"""What the README and the pages in docs/ show runs as printed, and their links lead somewhere.

The Python blocks of a page run in order, in one process, as a reader would type them. A ```text block after one holds
what it prints; a last line "…" stands for the rest. A block after the line `<!-- not run: why -->` is left out.
"""

import posixpath
import re
from pathlib import Path
from typing import NamedTuple

import pytest
from support.processes import run

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"(<!-- not run: .+ -->\n+)?```python\n(.*?)```(?:\n\n```text\n(.*?)```)?", re.DOTALL)
END = "----- the end of a block -----"


class Example(NamedTuple):
    """A block of Python, and what the page says that it prints, or None."""

    code: str
    output: str | None


def name(page):
    return page.relative_to(ROOT).as_posix()


def examples(page):
    """The blocks of a page that are to be run."""
    found = BLOCK.findall(page.read_text())
    return [Example(code, output or None) for not_run, code, output in found if not not_run]


def slug(heading):
    """The anchor of a heading, as the site and code hosts make it."""
    return re.sub(r"\s+", "-", re.sub(r"[^\w\s-]", "", heading.lower()).strip())


def anchors(page):
    return {slug(heading) for heading in re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)}


def links(page):
    """The links of a page that lead to files of ours, with their anchors."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    return re.findall(r"\]\((?!https?:)([^)#\s]*)#?([^)\s]*)\)", text)


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if examples(page)], ids=name)
def test_the_examples_run_and_print_what_is_shown(page, tmp_path):
    shown = examples(page)
    script = f"print({END!r})\n".join(example.code for example in shown)
    done = run("-c", script, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for example, printed in zip(shown, done.stdout.split(f"{END}\n"), strict=True):
        if example.output is not None and example.output.endswith("\n…\n"):
            assert printed.startswith(example.output.removesuffix("…\n"))
        elif example.output is not None:
            assert printed == example.output


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_and_pictures_lead_somewhere(page):
    for target, anchor in links(page):
        file = page.parent / target if target else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), f"{target}#{anchor}"


def test_every_page_is_reached_from_the_navigation():
    named = set(re.findall(r": ([\w/]+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE))
    pages = {page.relative_to(ROOT / "docs").as_posix() for page in PAGES[1:]}
    reports = {posixpath.join("reports", folder.name, "README.md") for folder in (ROOT / "reports").iterdir()}
    assert {page for page in named if not page.startswith("reports/")} == pages
    assert {page for page in named if page.startswith("reports/")} <= reports


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


def test_the_reference_names_all_that_is_public():
    import softjax
    from softjax import cs231n

    text = "".join(page.read_text() for page in (ROOT / "docs" / "api").glob("*.md"))
    documented = set(re.findall(r"^::: (\S+)$", text, re.MULTILINE))
    assert {f"softjax.{public}" for public in softjax.__all__} <= documented
    assert {f"softjax.cs231n.{public}" for public in cs231n.__all__} <= documented


def test_the_rooms_of_the_layout_exist():
    text = (ROOT / "docs" / "layout.md").read_text()
    rooms = set()
    for cell in re.findall(r"^\| (`.*?`) \|", text[text.index("| room |") :], re.MULTILINE):
        rooms |= set(re.findall(r"`(\w+)/?`", cell))
    assert rooms
    for room in rooms:
        assert (ROOT / "softjax" / f"{room}.py").is_file() or (ROOT / "softjax" / room).is_dir(), room
