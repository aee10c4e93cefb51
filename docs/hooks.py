"""Adds to the site what lies outside of docs/: the tutorial's notebook and the committed reports.

Links to them are written as they lead in the repository, `../reports/cifar10/README.md`, so that the pages can be read
there too. In the site the reports lie beside the pages, and the links are changed to match.
"""

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.plugins import event_priority
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
TUTORIAL = "experiments/tutorial.ipynb"
LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)")


@event_priority(100)  # before the plugin that renders notebooks looks for them
def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the notebook, as tutorial.ipynb, and all files of the reports that the navigation names."""
    found = [("tutorial.ipynb", ROOT / "experiments")]
    for report in sorted(set(re.findall(r"reports/[^/']+", str(config.nav)))):
        held = sorted(path for path in (ROOT / report).rglob("*") if path.is_file())
        found += [(path.relative_to(ROOT).as_posix(), ROOT) for path in held]
    for name, folder in found:
        file = File(name, str(folder), config.site_dir, config.use_directory_urls)
        if name not in str(config.nav):  # a page that a report links to
            file.inclusion = InclusionLevel.NOT_IN_NAV
        files.append(file)
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Changes links that leave docs/ for the tutorial or a report into links within the site."""
    here = posixpath.dirname(page.file.src_uri)

    def change(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join("docs", here, link[1]))
        if target == TUTORIAL:
            target = "tutorial.ipynb"
        elif not target.startswith("reports/"):
            return link[0]
        return f"]({posixpath.relpath(target, here or '.')}"

    return LINK.sub(change, markdown)
