"""softjax diff."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from softjax.cli.console import print_table


@dataclass(frozen=True)
class Diff:
    """Compare two finished runs, and say whether one is worse.

    The accuracies of the best are compared on the same test examples, with the 95 % interval of the paired difference.
    The exit code is 0; 1 if RUN_B is worse beyond that interval; 2 if the two were not tested on the same examples.

    Examples:
      softjax diff runs/digits-001 runs/digits-002
      softjax diff reports/released runs/new --out diff.html || echo worse

    Attributes:
        run_a: The folder of a report, of a sweep or a path.
        run_b: That of another one.
        out: A page with both searches side by side; not written by default. An earlier such page is replaced.
    """

    run_a: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN_A")]
    run_b: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN_B")]
    out: Path | None = None

    def run(self, command: str, called: str) -> int:
        """Prints what differs, and writes the page."""
        from softjax.reports.difference import compare_runs, load_run, tabulate, write_difference

        a, b = load_run(self.run_a), load_run(self.run_b)
        found = compare_runs(a, b)
        print_table(tabulate(found))
        print()
        for line in found.verdict:
            print(line)
        if self.out is not None:
            write_difference(found, self.out)
            print(f"page: {self.out}")
        return found.exit_code
