"""softjax compare."""

from dataclasses import asdict, dataclass, field
from pathlib import Path

from softjax.cli.console import print_table
from softjax.cli.running import begin, claim
from softjax.cli.surroundings import start_jax
from softjax.comparison.config import CompareConfig
from softjax.progress import progress_bar


@dataclass(frozen=True)
class Compare:
    """Compare autodiff frameworks: accuracy, edge cases, speed.

    Each framework runs in a process of its own. The report lists frameworks that are not installed, with the command
    that installs them.

    Examples:
      softjax compare --quick
      softjax compare --frameworks 'jax-*' torch-eager --cases edge_cases
      softjax compare --cases 'label-*' --out reports/labels
      softjax compare --resume
      softjax compare --show label-minus-1 optax-integer
      softjax compare --export-cases cases.json
      softjax compare --device gpu --out reports/frameworks_gpu
      softjax compare --compare-with reports/frameworks/results.json

    Attributes:
        comparison: The options of the comparison.
        show: CASE FRAMEWORK: print a short script that runs an edge case with that framework alone, and do nothing else.
        export_cases: Write the edge cases to this file as JSON, and do nothing else. The test suite of a framework can
            run them without softjax.
        compare_with: results.json of an earlier report, or its folder: the report says what changed since.
        out: Folder of the report. By default a new one in runs/: runs/frameworks-001. Finished cases are kept
            beside it, in a folder with the same name and the ending .partial.
        resume: Continue an interrupted comparison with these options. Without out, the last such run in
            runs/ is used.
        overwrite: Replace an earlier report in that folder, and discard an unfinished comparison. With resume, an
            unfinished comparison is continued, and then replaces the report.
    """

    comparison: CompareConfig = field(default_factory=CompareConfig)
    show: tuple[str, str] | None = None
    export_cases: Path | None = None
    compare_with: Path | None = None
    out: Path | None = None
    resume: bool = False
    overwrite: bool = False

    def run(self, command: str, called: str) -> int:
        """Runs the comparison, prints a row for each framework, writes the report."""
        if self.show is not None:
            from softjax.comparison.script import show

            print(show(*self.show), end="")
            return 0
        if self.export_cases is not None:
            from softjax.comparison.export import export_cases

            export_cases(self.export_cases)
            print(f"edge cases: {self.export_cases}")
            return 0
        start_jax()
        from softjax.comparison.changes import read_results
        from softjax.comparison.report import summary, write_comparison
        from softjax.comparison.run import compare, plan
        from softjax.runs.checkpoint import identify
        from softjax.runs.run_folder import RunFolder, choose_folder

        earlier = read_results(self.compare_with) if self.compare_with else None
        plan(self.comparison)  # raises an error for a wrong name before anything else
        identity = identify(asdict(self.comparison))
        ways = {"overwrite": self.overwrite, "resume": self.resume}
        folder = RunFolder(self.out, **ways) if self.out else choose_folder("frameworks", identity, **ways)
        folder.check()
        with claim(folder, called):
            if begin(folder, identity):
                print(f"complete: {folder.out / 'README.md'}")
                return 0
            with progress_bar(0, unit="case", desc="comparing") as bar:

                def count(framework: str, case: str) -> None:
                    bar.set_postfix_str(f"{framework} {case}", refresh=False)
                    bar.update()

                journal = folder.checkpoint.journal
                comparison = compare(self.comparison, journal=journal, on_start=bar.reset, on_record=count)
            write_comparison(comparison, self.comparison, folder, command=command, earlier=earlier)
        print_table(summary(comparison))
        print(f"\nreport: {folder.out / 'README.md'}")
        return 0
