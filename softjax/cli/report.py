"""softjax report."""

import webbrowser
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from softjax.errors import InputError


@dataclass(frozen=True)
class Report:
    """Draw the page of a finished run again, and open it.

    report.html is written anew, as this version of softjax draws it, from the data that it holds. Nothing is computed.

    Examples:
      softjax report runs/digits-001
      softjax report runs/digits-001 --open

    Attributes:
        folder: The folder of a report.
        open: Show the page in the browser.
    """

    folder: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN")]
    open: bool = False

    def run(self, command: str, called: str) -> int:
        """Writes the page, and prints where it is."""
        from softjax.reports.page.write import PAGE, read_page, write_page
        from softjax.runs.files import write_file

        path = self.folder / PAGE
        if not path.is_file():
            unfinished = self.folder.with_name(f"{self.folder.name.removesuffix('.partial')}.partial")
            what = (
                f"the run is not finished, and its command with --resume continues it ({unfinished})"
                if unfinished.is_dir()
                else "it is no folder"
                if not self.folder.is_dir()
                else "it is the report of an earlier version: run its command again, it is at the end of README.md"
                if (self.folder / "run.json").is_file()
                else "it is no report"
            )
            raise InputError(f"there is no {PAGE} in {self.folder}: {what}")
        page = read_page(path)
        if page["kind"] == "comparison":
            from softjax.comparison.sections import page as comparison

            text = comparison.write_page(page)
        else:
            text = write_page(page)
        write_file(path, lambda file: file.write(text.encode()))
        print(f"page: {path}")
        if self.open and not webbrowser.open(path.absolute().as_uri()):
            raise InputError(f"no browser was found to open {path}")
        return 0
