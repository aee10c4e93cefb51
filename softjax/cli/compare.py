"""softjax compare."""

from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from softjax.cli.console import print_table, progress_bar, say
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
        from softjax.reports import run_folder

        plan(self.comparison)  # names a wrong name before anything else
        run_folder.restore_earlier(self.out)
        run_folder.check_free(self.out, self.overwrite)
        journal = run_folder.partial_folder(self.out) / "journal.jsonl"
        run_folder.check_finished(self.out, journal.is_file() and not self.resume, self.overwrite)
        if not self.resume:
            journal.unlink(missing_ok=True)
        with progress_bar(0, unit="case", desc="comparing") as bar:

            def count(framework: str, case: str) -> None:
                bar.set_postfix_str(f"{framework} {case}", refresh=False)
                bar.update()

            try:
                comparison = compare(self.comparison, journal=journal, on_start=bar.reset, on_record=count)
            except KeyboardInterrupt:
                bar.close()
                say(f"to go on: {command.removesuffix(' --resume')} --resume")
                raise
        command = command.removesuffix(" --resume")
        write_comparison(comparison, self.comparison, self.out, command=command, overwrite=self.overwrite)
        journal.unlink()
        with suppress(OSError):  # there may be more in it
            journal.parent.rmdir()
        print_table(summary(comparison))
        print(f"\nreport: {self.out / 'README.md'}")
        return 0
