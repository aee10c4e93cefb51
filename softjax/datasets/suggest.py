"""What a wrong name may mean."""

from collections.abc import Iterable
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path


def suggest(name: str, known: Iterable[str]) -> str:
    """The end of an error about an unknown name; empty if nothing is like it.

    Examples:
        >>> suggest("lable", ["label", "age"]), suggest("x", ["label"])
        ("; did you mean 'label'?", '')
    """
    by_small = {each.lower(): each for each in known}
    near = get_close_matches(name.lower(), by_small, n=1)
    return f"; did you mean {by_small[near[0]]!r}?" if near else ""


def suggest_file(path: Path, suffixes: Iterable[str]) -> str:
    """The end of an error about a file that does not exist: one beside it of almost that name."""
    with suppress(OSError, ValueError):
        names = [
            each.name for each in path.parent.iterdir() if each.suffix.lower() in suffixes or each.is_dir()
        ]
        if suggested := suggest(path.name, names):
            return suggested
    return ""
