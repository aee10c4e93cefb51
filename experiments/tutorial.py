"""Runs all cells of the tutorial and writes their outputs into it: `python experiments/tutorial.py`.

A warning in a cell is an error, and so is a network connection to another machine. The times at which cells ran and the
version of Python are not written, because they differ from run to run.
"""

from dataclasses import dataclass
from pathlib import Path

import nbformat
import tyro
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).with_suffix(".ipynb")

# Runs in the kernel before the first cell.
STRICT = """
import sys, warnings

def offline(event, args):
    host = None
    if event == "socket.getaddrinfo":
        host = args[0]
    elif event == "socket.connect" and isinstance(args[1], tuple):
        host = args[1][0]
    if host not in (None, "localhost", "127.0.0.1", "::1"):
        raise OSError(f"the tutorial needs no network, but a cell connects to {host}")

sys.addaudithook(offline)
warnings.resetwarnings()
warnings.simplefilter("error")
warnings.filterwarnings("ignore", module="ipykernel")  # its own warnings
del sys, warnings, offline
"""


@dataclass(frozen=True)
class Config:
    """The options: the notebook to run, and the file to write."""

    notebook: tyro.conf.Positional[Path] = NOTEBOOK
    """Notebook to run."""
    out: Path | None = None
    """File of the notebook with its outputs. The notebook runs in the folder of this file. By default it replaces the notebook."""


def main(config: Config) -> None:
    out = config.out or config.notebook
    notebook = nbformat.read(config.notebook, as_version=4)
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        extra_arguments=["--log-level=ERROR"],
        resources={"metadata": {"path": str(out.resolve().parent)}},
        record_timing=False,
        coalesce_streams=True,
    )
    notebook.cells.insert(0, nbformat.v4.new_code_cell(STRICT))
    with client.setup_kernel():
        for index, cell in enumerate(notebook.cells):
            client.execute_cell(cell, index, store_history=index > 0)
    del notebook.cells[0]
    nbformat.write(notebook, out)


if __name__ == "__main__":
    main(tyro.cli(Config))
