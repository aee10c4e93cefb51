"""Lets submissions of the course's first years run: print statements, tabs, and modules that were for Python 2.

Each is met with a note that says what to write today.
"""

import builtins
import contextlib
import functools
import importlib.util
import io
import pickle
import re
import sys
import tokenize
import types
import warnings
from collections.abc import Iterator
from pathlib import Path

from softjax.cs231n.grading.findings import Finding

MOST_FILES = 300  # of a submission that are looked at
IGNORED = (tokenize.COMMENT, tokenize.NL, tokenize.INDENT, tokenize.DEDENT)
# Modules that a submission may import, and that need not be installed; what is in them is provided.
PROVIDED = {
    "past": (),
    "past.builtins": (
        "xrange",
        "range",
        "str",
        "unicode",
        "long",
        "basestring",
        "raw_input",
        "reduce",
        "cmp",
    ),
    "past.utils": ("old_div",),
    "future": (),
    "future.builtins": ("range", "str", "int", "zip", "map", "filter", "object", "open", "input", "round"),
    "future.utils": ("iteritems", "itervalues", "with_metaclass"),
    "six": ("iteritems", "string_types", "text_type"),
    "six.moves": ("xrange", "range", "zip", "map", "filter", "reduce", "input", "cPickle"),
    "cPickle": ("load", "loads", "dump", "dumps"),
}
NOTES = (
    (r"\bxrange\b", "xrange", "write range, which is what it was"),
    (r"^\s*(from|import)\s+(past|future|six)\b", "{0} of past, future or six", "leave the import out: Python 3 has what it gave"),
    (r"^\s*import\s+cPickle|^\s*from\s+six\.moves\s+import\s+cPickle", "cPickle", "write import pickle"),
)  # fmt: skip


def read_source(path: Path) -> str:
    """The text of a file: in the encoding that it names, else UTF-8, else Latin-1."""
    content = path.read_bytes()
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
        return content.decode(encoding).replace("\r\n", "\n")
    except (SyntaxError, UnicodeDecodeError, LookupError):
        return content.decode("latin-1").replace("\r\n", "\n")


def modernize(source: str) -> tuple[str, list[Finding]]:
    r"""The source with what Python 3 cannot read changed, line by line, and the notes on what is of Python 2.

    Examples:
        >>> text, notes = modernize("for i in xrange(3):\n    print 'loss', i\n")
        >>> text
        "for i in xrange(3):\n    print('loss', i)\n"
        >>> [note.text for note in notes]
        ['Python 2: a print statement in line 2', 'Python 2: xrange in line 1']
    """
    notes = []
    text = source
    if _is_broken(text, TabError):
        text = text.expandtabs(8)
        notes.append(_note("lines that are indented with tabs and with spaces", "indent with spaces alone"))
    if _is_broken(text, SyntaxError):
        changed, lines = _change_prints(text)
        if lines:
            text = changed
            notes.append(
                _note(f"a print statement in {_list_lines(lines)}", "print is a function: print(...)")
            )
    for pattern, what, instead in NOTES:
        lines = [
            number
            for number, line in enumerate(source.split("\n"), 1)
            if re.search(pattern, line.partition("#")[0])
            and not (what == "xrange" and re.match(r"\s*(from|import)\b", line))
        ]
        if lines:
            notes.append(_note(f"{what.format('an import')} in {_list_lines(lines)}", instead))
    return text, notes


def _note(what: str, instead: str) -> Finding:
    return Finding("note", f"Python 2: {what}", instead)


def _list_lines(lines: list[int]) -> str:
    shown = ", ".join(map(str, lines[:3])) + (", …" if len(lines) > 3 else "")
    return f"line {shown}" if len(lines) == 1 else f"lines {shown}"


def _is_broken(source: str, kind: type[SyntaxError]) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(source, "", "exec", dont_inherit=True)
    except kind:
        return True
    except Exception:
        return False
    return False


def _change_prints(source: str) -> tuple[str, list[int]]:
    """Print statements as calls, and the lines in which they were."""
    lines, found = source.split("\n"), []
    for start, end, inner in reversed(list(_find_prints(source))):
        row, column = end
        lines[row - 1] = lines[row - 1][:column] + ")" + lines[row - 1][column:]
        row, column = inner
        before = start[1] + len("print")
        lines[start[0] - 1] = lines[start[0] - 1][:before] + "(" + lines[row - 1][column:]
        found.append(start[0])
    return "\n".join(lines), sorted(set(found))


Place = tuple[int, int]


def _find_prints(source: str) -> Iterator[tuple[Place, Place, Place]]:
    """Where each print statement begins, where it ends, and where what it prints begins."""
    tokens: list[tokenize.TokenInfo] = []
    with contextlib.suppress(tokenize.TokenError, SyntaxError):  # what was read until then counts
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            tokens.append(token)
    here = tokens[-1].end if tokens else (1, 0)
    tokens.append(tokenize.TokenInfo(tokenize.ENDMARKER, "", here, here, ""))
    first, depth, place = True, 0, 0
    while place < len(tokens):
        token = tokens[place]
        if first and token.string == "print" and tokens[place + 1].string not in ("(", "=", ".", ",", ")"):
            start, place = token.start, place + 1
            if tokens[place].string == ">>":
                place += 1
            inner, end = tokens[place].start, token.end
            while place < len(tokens) and not _ends(tokens[place], depth):
                depth += _change_of_depth(tokens[place])
                if tokens[place].string != "," or not _ends(tokens[place + 1], depth):
                    end = tokens[place].end
                place += 1
            if inner[0] == start[0] and end > token.end:
                yield start, end, inner
            continue
        if token.type not in IGNORED:
            first = (
                token.type == tokenize.NEWLINE or token.string == ";" or (token.string == ":" and depth == 0)
            )
        depth += _change_of_depth(token)
        place += 1


def _ends(token: tokenize.TokenInfo, depth: int) -> bool:
    return depth == 0 and (
        token.type in (tokenize.NEWLINE, tokenize.COMMENT, tokenize.ENDMARKER) or token.string == ";"
    )


def _change_of_depth(token: tokenize.TokenInfo) -> int:
    if token.type != tokenize.OP:
        return 0
    return {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(token.string, 0)


def modernize_files(folder: Path) -> None:
    """Changes what Python 3 cannot read in all Python files of a folder."""
    for number, path in enumerate(sorted(folder.rglob("*.py"))):
        if number < MOST_FILES and path.is_file() and not path.is_symlink():
            with contextlib.suppress(OSError):
                source = read_source(path)
                text, _ = modernize(source)
                if text != source:
                    path.write_text(text, encoding="utf-8")


def provide_names() -> None:
    """Provides Python 2's xrange, and the modules of `PROVIDED`; six only where it is not installed."""
    names = {
        "xrange": range,
        "unicode": str,
        "long": int,
        "basestring": str,
        "raw_input": input,
        "reduce": functools.reduce,
        "cmp": lambda a, b: (a > b) - (a < b),
        "old_div": lambda a, b: a // b if isinstance(a, int) and isinstance(b, int) else a / b,
        "iteritems": lambda d: iter(d.items()),
        "itervalues": lambda d: iter(d.values()),
        "with_metaclass": lambda meta, *bases: meta("base", bases, {}),
        "string_types": (str,),
        "text_type": str,
        "cPickle": pickle,
        "load": pickle.load,
        "loads": pickle.loads,
        "dump": pickle.dump,
        "dumps": pickle.dumps,
    }
    lacking = {"six"} if importlib.util.find_spec("six") is None else set()
    builtins.xrange = range  # type: ignore[attr-defined]
    for module, contents in PROVIDED.items():
        if module.partition(".")[0] == "six" and "six" not in lacking:
            continue
        made = types.ModuleType(module)
        made.__path__ = []
        made.__all__ = list(contents)  # type: ignore[attr-defined]
        for name in contents:
            setattr(made, name, names[name] if name in names else getattr(builtins, name))
        sys.modules[module] = made
        parent, _, child = module.rpartition(".")
        if parent:
            setattr(sys.modules[parent], child, made)
