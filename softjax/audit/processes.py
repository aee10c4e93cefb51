"""The checks of all rules: each in a process of its own, with a time limit."""

import contextlib
import json
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from softjax.audit.judge import WORST_FIRST, Finding, Word
from softjax.audit.saved import Recorded, Rule

LIMIT = 60.0  # seconds for a rule
AT_ONCE = 2


@dataclass(frozen=True)
class Outcome:
    """What the audit says of one rule."""

    rule: Rule
    verdict: str
    """right, wrong, differs, undecided, or never called"""
    text: str
    calls: int = 0
    num_points: int = 0
    findings: tuple[Finding, ...] = ()
    seconds: float = 0.0
    accepted: str = ""
    """where somebody wrote that the rule is meant to differ, empty if nowhere"""

    @property
    def worst(self) -> Finding | None:
        """The finding that decided."""
        words = {finding.word for finding in self.findings}
        found = [f for f in self.findings if f.word == next(word for word in WORST_FIRST if word in words)]
        return max(found, key=lambda f: f.error if f.error == f.error else -1.0) if found else None


def check_rules(
    recorded: Iterable[Recorded],
    folder: Path,
    paths: list[str],
    limit: float = LIMIT,
    done: Callable[[Outcome], None] = lambda _: None,
) -> list[Outcome]:
    """Checks every rule at its points.

    **Arguments:**

    - `folder`: where the tests were started. `paths`: their `sys.path`.
    - `limit`: seconds for a rule, with the import of its package. What was found until then counts.
    - `done`: called with each outcome.
    """
    lock = threading.Lock()

    def one(each: Recorded) -> Outcome:
        began = time.perf_counter()
        findings, ending = _ask(each, folder, paths, limit) if each.points else ([], "")
        outcome = conclude(each, findings, ending, time.perf_counter() - began)
        with lock:
            done(outcome)
        return outcome

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(one, recorded))


def conclude(recorded: Recorded, findings: list[Finding], ending: str, seconds: float) -> Outcome:
    """The outcome of a rule's findings.

    **Arguments:**

    - `ending`: how the process ended before it was through, empty if it was not.
    """
    words = {
        number: {f.word for f in findings if f.point == number} for number in range(len(recorded.points))
    }
    found = {word for each in words.values() for word in each}
    word: Word = "right" if {"right"} in words.values() else "undecided"
    if found & {"wrong", "differs"}:
        word = "wrong" if "wrong" in found else "differs"
    text = _explain(recorded, findings, word, words, ending)
    return Outcome(recorded.rule, word, text, recorded.calls, len(recorded.points), tuple(findings), seconds)


def _explain(
    recorded: Recorded, findings: list[Finding], word: str, words: dict[int, set[Word]], ending: str
) -> str:
    if not recorded.points:
        return f"no point was kept: {', '.join(recorded.skipped) or 'the calls had no values'}"
    if word == "right":
        count = sum(each == {"right"} for each in words.values())
        text = f"right at {count} of {len(words)} points" if count < len(words) else ""
        return "; ".join(filter(None, [text, ending]))
    found = [finding for finding in findings if finding.word == word]
    if not found:
        return ending or "no finding"
    first = max(found, key=lambda f: f.error if f.error == f.error else -1.0)
    modes = list(dict.fromkeys(finding.mode for finding in found if finding.mode))
    alone = f"{modes[0]} only: " if len(modes) == 1 and len({f.mode for f in findings}) > 1 else ""
    return alone + first.text


def _ask(recorded: Recorded, folder: Path, paths: list[str], limit: float) -> tuple[list[Finding], str]:
    """The findings of a process, and how it ended if it did not get through."""
    with tempfile.TemporaryDirectory(prefix="softjax-audit-") as scratch:
        file = Path(scratch) / "rule.pkl"
        file.write_bytes(pickle.dumps(recorded))
        with (Path(scratch) / "answers").open("w+", encoding="utf-8") as answers:
            process = subprocess.Popen(
                [sys.executable, "-m", "softjax.audit.worker", str(file), *paths],
                stdout=answers,
                stderr=subprocess.DEVNULL,
                stdin=subprocess.DEVNULL,
                cwd=folder,
                env=os.environ | {"PYTHONUTF8": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
                start_new_session=True,
            )
            ending = _wait(process, limit)
            answers.seek(0)
            lines = [line for line in answers if line.endswith("\n")]
    found = [Finding(**json.loads(line)) for line in lines]
    return found, ending


def _wait(process: subprocess.Popen[bytes], limit: float) -> str:
    """Waits for the end of a process, and ends it after `limit` seconds. How it ended; empty if by itself."""
    try:
        code = process.wait(limit)
    except subprocess.TimeoutExpired:
        return f"not through after {limit:g} s"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if code == 0:
        return ""
    return f"the process ended with {signal.Signals(-code).name if code < 0 else f'exit code {code}'}"
