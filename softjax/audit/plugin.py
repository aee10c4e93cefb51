"""The plugin of pytest: `pytest --softjax-audit` records the calls of derivative rules and checks the rules after the tests.

Nothing else is imported unless it is asked for.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from _pytest.runner import runtestprotocol

if TYPE_CHECKING:
    from softjax.audit.processes import Outcome
    from softjax.audit.record import Scope
    from softjax.audit.saved import Recorded

DEFAULT = "softjax-audit"
INSTALL = 'python -m pip install "softjax-suite[audit]"'


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options."""
    group = parser.getgroup("softjax", "derivative rules written by hand, checked where the tests use them")
    group.addoption(
        "--softjax-audit",
        nargs="?",
        const=DEFAULT,
        metavar="DIR",
        help=f"record the calls of custom_jvp, custom_vjp, autograd.Function and SciPy's jac, and check each rule after the tests; "
        f"DIR: folder of the report ({DEFAULT} by default; write it with =)",
    )
    group.addoption(
        "--softjax-audit-package",
        action="append",
        default=[],
        metavar="NAME",
        help="audit the rules of this package (several times for several); by default those of all files below the root folder",
    )
    group.addoption(
        "--softjax-audit-fail",
        action="store_true",
        help="fail the test that first reached a wrong rule, and pytest; by default the exit code is that of the tests",
    )
    group.addoption(
        "--softjax-audit-limit",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="time for the checks of a rule (60 by default)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Starts the audit if it is asked for."""
    if config.getoption("--softjax-audit-fail") and config.getoption("--softjax-audit") is None:
        config.option.softjax_audit = DEFAULT
    if config.getoption("--softjax-audit") is None or config.getoption("collectonly"):
        return
    limit = config.getoption("--softjax-audit-limit")
    if not limit > 0:
        raise pytest.UsageError(f"--softjax-audit-limit must be a positive number of seconds, got {limit:g}")
    try:
        import cloudpickle  # noqa: F401
        import wrapt  # noqa: F401
    except ImportError as error:
        raise pytest.UsageError(f"--softjax-audit needs {error.name}: {INSTALL}") from error
    config.pluginmanager.register(Audit(config), "softjax-audit")


class Audit:
    """An audit while pytest runs: in the process that runs tests, and in the one that reports."""

    def __init__(self, config: pytest.Config) -> None:
        from softjax.audit.accept import read_intended
        from softjax.audit.record import Recorder, Scope

        self.config = config
        self.worker = getattr(config, "workerinput", {}).get("workerid", "")
        self.root = config.rootpath
        self.out = (config.invocation_params.dir / config.getoption("--softjax-audit")).absolute()
        self.fails = bool(config.getoption("--softjax-audit-fail"))
        self.limit = config.getoption("--softjax-audit-limit")
        self.scope: Scope = Scope(self.root, tuple(config.getoption("--softjax-audit-package")))
        self.recorder = Recorder(self.scope)
        try:
            self.intended = read_intended(self.root)
        except ValueError as error:
            raise pytest.UsageError(f"--softjax-audit: {error}") from error
        self.outcomes: list[Outcome] = []
        self.checked: dict[Any, Outcome] = {}
        self.again: list[str] = []
        self.remarks: list[str] = []
        self.began = time.perf_counter()
        self.seconds_of_tests = self.seconds_of_checks = 0.0
        self.scripts: dict[str, Path] = {}
        if not self.worker:
            self._prepare()
        self._watch()

    def _prepare(self) -> None:
        """An empty folder for the report. Raises `UsageError` if there is one with other files."""
        from softjax.audit.report import MARK

        if (
            self.out.exists()
            and not (self.out / MARK).exists()
            and (not self.out.is_dir() or any(self.out.iterdir()))
        ):
            raise pytest.UsageError(
                f"--softjax-audit: {self.out} holds other files: give a folder of its own with --softjax-audit=DIR"
            )
        import shutil

        shutil.rmtree(self.out, ignore_errors=True)
        self.out.mkdir(parents=True)
        (self.out / MARK).touch()
        (self.out / ".gitignore").write_text("*\n")

    def _watch(self) -> None:
        from importlib import import_module

        import wrapt

        for library, source in (
            ("jax", "jax_rules"),
            ("torch", "torch_functions"),
            ("scipy.optimize", "scipy_pairs"),
        ):

            def watch(module: Any, library: str = library, source: str = source) -> None:
                try:
                    import_module(f"softjax.audit.{source}").watch(module, self.recorder)
                except Exception as error:  # the tests go on; a version may have other names
                    self.remarks.append(
                        f"calls of {library}'s rules were not recorded: {type(error).__name__}: {error}"
                    )

            wrapt.register_post_import_hook(watch, library)

    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool:
        """Runs a test. If it fails after a rule was called, it is run once more, with calls that are only counted.

        A test may look at the program that JAX traced, or export it; what is added to record values would be in the way.
        """
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        reports = runtestprotocol(item, log=False, nextitem=nextitem)
        if any(report.failed for report in reports) and self.recorder.calls:
            self.recorder.paused = True
            if "jax" in sys.modules:
                sys.modules["jax"].clear_caches()
            item._initrequest()  # type: ignore[attr-defined]
            second = runtestprotocol(item, log=False, nextitem=nextitem)
            self.recorder.paused = False
            if not any(report.failed for report in second):
                self.again += [item.nodeid]
            reports = second
        if self.fails:
            self._fail_with_wrong_rules(reports)
        for report in reports:
            item.ihook.pytest_runtest_logreport(report=report)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True

    def _fail_with_wrong_rules(self, reports: list[pytest.TestReport]) -> None:
        """Checks the rules that a test reached first, and makes its report one of a failure if one is wrong."""
        from softjax.audit.saved import load_recorded
        from softjax.reports.markdown import count_of

        call = next((report for report in reports if report.when == "call" and report.passed), None)
        new = (
            [each for each in load_recorded(self._save()) if each.rule not in self.checked and each.points]
            if call
            else []
        )
        wrong = [outcome for outcome in self._check(new) if outcome.verdict == "wrong"]
        if call is not None and wrong:
            said = [f"WRONG {o.rule.name} ({o.rule.file}:{o.rule.line}): {o.text}" for o in wrong]
            call.outcome = "failed"
            call.longrepr = "\n".join(
                [f"softjax audit: this test reached {count_of(len(wrong), 'wrong derivative rule')}", *said]
            )

    def _save(self) -> Path:
        """Writes what was recorded in this process. Where it is."""
        folder: Path = self.out / "seen" / (self.worker or "main")
        self.recorder.save(folder)
        return folder

    def _check(self, recorded: list[Recorded]) -> list[Outcome]:
        """Checks rules, and remembers what was found."""
        from softjax.audit.accept import accept
        from softjax.audit.processes import check_rules

        began = time.perf_counter()
        outcomes = [
            accept(each, self.intended)
            for each in check_rules(recorded, Path.cwd(), self._paths(), self.limit, self._say)
        ]
        self.checked |= {each.rule: each for each in outcomes}
        self.seconds_of_checks += time.perf_counter() - began
        return outcomes

    def _paths(self) -> list[str]:
        """Where the tests' modules are imported from, in all processes."""
        paths = [path for path in sys.path if path]
        return list(dict.fromkeys([*paths, *(path for said in self._hear() for path in said["paths"])]))

    def _tell(self) -> None:
        """Leaves what this process knows to the one that reports."""
        said = {"paths": [path for path in sys.path if path], "again": self.again, "remarks": self.remarks}
        (self.out / f"process-{self.worker}.json").write_text(json.dumps(said), encoding="utf-8")

    def _hear(self) -> list[dict[str, list[str]]]:
        return [
            json.loads(file.read_text(encoding="utf-8")) for file in sorted(self.out.glob("process-*.json"))
        ]

    def _say(self, outcome: Outcome) -> None:
        reporter = self.config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None and self.config.get_verbosity() > 0:
            reporter.write_line(
                f"softjax audit: {outcome.verdict} {outcome.rule.name} ({outcome.seconds:.1f} s)"
            )

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Saves what was recorded; in the process that reports, checks the rules and writes the report."""
        if self.worker:
            self._save()
            self._tell()
            return
        self.seconds_of_tests = time.perf_counter() - self.began - self.seconds_of_checks
        self._finish()
        if self.fails and not exitstatus and any(each.verdict == "wrong" for each in self.outcomes):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _finish(self) -> None:
        from softjax.audit.processes import Outcome
        from softjax.audit.report import Audited, write_report
        from softjax.audit.saved import load_recorded
        from softjax.audit.scan import list_rules
        from softjax.audit.script import write_script
        from softjax.reports.markdown import count_of

        self._save()
        recorded = load_recorded(self.out / "seen")
        self._check([each for each in recorded if each.rule not in self.checked])
        self.outcomes = [self.checked[each.rule] for each in recorded]
        reached = {(rule.file, rule.line) for rule in self.checked}
        for rule in list_rules(self.scope):
            if (rule.file, rule.line) not in reached:
                self.outcomes.append(Outcome(rule, "never called", ""))
        for each, outcome in zip(recorded, self.outcomes, strict=False):
            if outcome.verdict in ("wrong", "differs") and outcome.worst is not None:
                script = write_script(each, outcome.worst, self.out / "scripts")
                if script is not None:
                    self.scripts[outcome.rule.name] = script
        what = ", ".join(self.scope.packages) or self.root.name
        command = shlex.join(["pytest", *map(str, self.config.invocation_params.args)])
        for said in self._hear():
            self.again += said["again"]
            self.remarks += [remark for remark in said["remarks"] if remark not in self.remarks]
        if self.again:
            self.remarks.append(
                f"{count_of(len(self.again), 'test')} failed while calls were recorded and passed without; "
                "the results are those without"
            )
        seconds = {"tests": self.seconds_of_tests, "checks": self.seconds_of_checks}
        audited = Audited(what, command, tuple(self.outcomes), self.scripts, tuple(self.remarks), seconds)
        write_report(audited, self.out, self.root)
        for file in self.out.glob("process-*.json"):
            file.unlink()

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """The summary at the end of pytest's own output."""
        from softjax.audit.report import list_lines, summarize

        terminalreporter.section("softjax audit")
        for line in list_lines(self.outcomes, self.scripts, self.config.invocation_params.dir):
            terminalreporter.write_line(line)
        if not self.outcomes and not self.scope.packages:
            where = f"no derivative rule is defined below {self.root}: name a package with --softjax-audit-package NAME"
            terminalreporter.write_line(where)
        for remark in self.remarks:
            terminalreporter.write_line(remark)
        terminalreporter.write_line(summarize(self.outcomes))
        terminalreporter.write_line(
            f"report: {os.path.relpath(self.out / 'README.md', self.config.invocation_params.dir)}"
        )
