"""softjax compare."""

from dataclasses import asdict, dataclass, field
from pathlib import Path

from softjax.cli.console import print_table, progress_bar
from softjax.cli.running import keep_unfinished
from softjax.comparison.config import CompareConfig


@dataclass(frozen=True)
class Compare:
    """Hold autodiff frameworks against each other on the softmax loss: accuracy, edge cases, derivative modes, speed.

    Each framework runs in a process of its own; those that are not installed are listed with the line that
    installs them.

    Examples:
      softjax compare --quick
      softjax compare --frameworks 'jax-*' torch-eager --cases edge_cases
      softjax compare --cases 'label-*' --out reports/labels
      softjax compare --resume
      softjax compare --show label-minus-1 optax-integer
    """

    comparison: CompareConfig = field(default_factory=CompareConfig)
    show: tuple[str, str] | None = None
    """CASE FRAMEWORK: print a short script that puts an edge case to that framework alone, and run nothing."""
    out: Path = Path("reports/frameworks")
    """Folder of the report. What is known so far is kept beside it, in a folder of that name ending in .partial."""
    resume: bool = False
    """Go on where an interrupted comparison of these options stopped."""
    overwrite: bool = False
    """Replace an earlier report there."""

    def run(self, command: str) -> int:
        """Runs the comparison, prints a row for each framework, writes the report."""
        if self.show is not None:
            from softjax.comparison.script import show

            print(show(*self.show), end="")
            return 0
        from softjax.comparison.report import summary, write_comparison
        from softjax.comparison.run import compare, plan
        from softjax.runs.checkpoint import identify
        from softjax.runs.run_folder import RunFolder

        plan(self.comparison)  # names a wrong name before anything else
        folder = RunFolder(self.out, self.overwrite, self.resume)
        command = command.replace(" --resume", "")
        folder.check()
        with folder.lock():
            if folder.begin(identify(asdict(self.comparison))):
                print(f"complete: {self.out / 'README.md'}")
                return 0
            with keep_unfinished(folder, command), progress_bar(0, unit="case", desc="comparing") as bar:

                def count(framework: str, case: str) -> None:
                    bar.set_postfix_str(f"{framework} {case}", refresh=False)
                    bar.update()

                journal = folder.checkpoint.journal
                comparison = compare(self.comparison, journal=journal, on_start=bar.reset, on_record=count)
            write_comparison(comparison, self.comparison, folder, command=command)
        print_table(summary(comparison))
        print(f"\nreport: {self.out / 'README.md'}")
        return 0
