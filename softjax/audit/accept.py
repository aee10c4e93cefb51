"""Where people say that a rule is meant to differ: a comment at the rule, or a list in pyproject.toml."""

import linecache
import tomllib
from collections.abc import Iterable
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path

from softjax.audit.processes import Outcome
from softjax.audit.saved import Rule

COMMENT = "softjax: intended"
LINES = 10  # of a function, at most, in which the comment is looked for: decorators and signature


def read_intended(root: Path) -> tuple[str, ...]:
    """`[tool.softjax.audit] intended` of the pyproject.toml in a folder: names of rules, with * and ?.

    Raises `ValueError` if it is no list of names, or the file is no TOML.
    """
    file = root / "pyproject.toml"
    if not file.exists():
        return ()
    try:
        tools = tomllib.loads(file.read_text(encoding="utf-8")).get("tool", {})
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{file}: {error}") from error
    names = tools.get("softjax", {}).get("audit", {}).get("intended", [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"{file}: [tool.softjax.audit] intended must be a list of names, got {names!r}")
    return tuple(names)


def accept(outcome: Outcome, intended: Iterable[str]) -> Outcome:
    """The outcome; a rule that is wrong "differs" if somebody wrote that it is meant to."""
    if outcome.verdict not in ("wrong", "differs"):
        return outcome
    where = _find_comment(outcome.rule)
    if not where and any(fnmatch(outcome.rule.name, pattern) for pattern in intended):
        where = "pyproject.toml"
    return replace(outcome, verdict="differs", accepted=where) if where else outcome


def _find_comment(rule: Rule) -> str:
    """file:line of the comment: on the line above the rule, or in its first lines up to the end of the signature."""
    for line in range(max(rule.line - 1, 1), rule.line + LINES):
        text = linecache.getline(rule.file, line)
        if COMMENT in text and "#" in text[: text.index(COMMENT)]:
            return f"{Path(rule.file).name}:{line}"
        if line >= rule.line and text.rstrip().endswith(":"):
            return ""
    return ""
