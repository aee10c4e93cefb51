"""Finds the submissions in files, folders and zips, as course systems export them, and copies them to be run."""

import contextlib
import re
import shutil
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from softjax.cs231n.classroom.python2 import read_source
from softjax.errors import InputError

PACKAGES = ("cs231n", "classifiers")  # a folder with one of these in it is one submission
SKIPPED = re.compile(r"\..*|__MACOSX|__pycache__|node_modules|venv|env|datasets|cifar-10-.*")
CANVAS = re.compile(r"(?P<who>[^_]+(?:_LATE)?_\d+_\d+)_(?P<file>.+)")
AGAIN = re.compile(r"-\d+(?=\.\w+$)")  # what Canvas adds to the name of a file that is handed in again
LARGEST_FILE, LARGEST, MOST_FILES = 20 * 2**20, 200 * 2**20, 5000  # bytes, and files of a submission


@dataclass(frozen=True)
class Submission:
    """What one student handed in.

    - `name`: of the student, as far as files say.
    - `path`: where it was found.
    - `files`: what lies in its folder: for each file where it is, and its name there.
    - `searched`: the names of the files in which its functions may be.
    - `problem`: why it cannot be read; empty if it can.
    """

    name: str
    path: Path
    files: Sequence[tuple[Path, str]] = ()
    searched: frozenset[str] = frozenset()
    problem: str = ""

    def find(self, name: str) -> str | None:
        """The file that defines a function or class of that name: that of the course's folder, else the nearest."""
        definition = re.compile(
            rf"^[ \t]*(?:def|class)\s+{re.escape(name)}\b|^{re.escape(name)}\s*=", re.MULTILINE
        )
        found = [
            inside
            for source, inside in self.files
            if inside in self.searched and definition.search(read_source(source))
        ]

        def order(inside: str) -> tuple[bool, int, str]:
            parts = PurePosixPath(inside).parts
            return not set(PACKAGES) & set(parts), len(parts), inside

        return min(found, key=order, default=None)

    @contextlib.contextmanager
    def copy(self) -> Iterator[Path]:
        """A copy of its folder, for the block."""
        with tempfile.TemporaryDirectory(prefix="softjax-grade-", ignore_cleanup_errors=True) as folder:
            for source, inside in self.files:
                target = Path(folder, inside)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)
            yield Path(folder).resolve()


@contextlib.contextmanager
def collect(paths: Iterable[Path], whole: bool = False) -> Iterator[list[Submission]]:
    """The submissions in files, folders and zips, for the block: what zips hold is deleted afterwards.

    A Python file is a submission. So is a folder or a zip that has the course's folder cs231n or classifiers in it, and a
    zip with Python files but without zips, folders, and files that Canvas has named. In any other folder or zip, each
    Python file, folder and zip is a submission, and files that Canvas has named belong together by their student.

    **Arguments:** `whole`: take each folder and zip as one submission, whatever is in it.

    Raises `InputError` if a path is none of these, or holds no submission.
    """
    with tempfile.TemporaryDirectory(prefix="softjax-grade-", ignore_cleanup_errors=True) as room:
        unpacked = Path(room)
        found = []
        for path in paths:
            several = list(_collect(path, unpacked, whole))
            if not several:
                raise InputError(f"{path} holds no submission: expected Python files, folders or zips")
            found += several
        yield _name_apart(found)


def _collect(path: Path, room: Path, whole: bool) -> Iterator[Submission]:
    if path.is_dir():
        one = whole or _is_one(path)
        yield from [_read_folder(path.resolve().name, path, path)] if one else _read_class(path, room)
    elif not path.exists():
        raise InputError(f"no such file or folder: {path}")
    elif path.suffix == ".py":
        yield _read_file(path)
    elif zipfile.is_zipfile(path):
        try:
            folder = _unpack(path, room)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
        one = whole or _is_one(folder) or _is_plain(folder)
        yield from [_read_folder(path.stem, path, folder)] if one else _read_class(folder, room)
    else:
        raise InputError(f"{path} is no Python file, no folder and no zip")


def _is_one(folder: Path) -> bool:
    return any((folder / name).is_dir() for name in PACKAGES)


def _is_plain(folder: Path) -> bool:
    """Whether a folder holds Python files, and nothing in which others may be."""
    entries = list(folder.iterdir())
    return any(entry.suffix == ".py" for entry in entries) and not any(
        entry.suffix == ".zip" or entry.is_dir() or CANVAS.fullmatch(entry.name) for entry in entries
    )


def _read_class(folder: Path, room: Path) -> Iterator[Submission]:
    """Each Python file, folder and zip of a folder."""
    together: dict[str, list[tuple[Path, str]]] = {}
    for entry in sorted(folder.iterdir()):
        canvas = CANVAS.fullmatch(entry.name)
        if SKIPPED.fullmatch(entry.name) or entry.name == "__init__.py":
            continue
        if entry.is_dir():
            yield _read_one(entry.name, entry, entry, room)
        elif entry.suffix == ".zip":
            try:
                unpacked = _unpack(entry, room)
            except InputError as error:
                yield Submission(_tell_name(entry), entry, problem=str(error))
            else:
                yield _read_one(_tell_name(entry), entry, unpacked, room)
        elif canvas and entry.is_file():
            together.setdefault(canvas["who"], []).append((entry, AGAIN.sub("", canvas["file"])))
        elif entry.suffix == ".py":
            yield _read_file(entry)
    for who, files in together.items():
        searched = frozenset(inside for _, inside in files if inside.endswith(".py"))
        if searched:
            yield Submission(who, folder, tuple(files), searched)


def _tell_name(path: Path) -> str:
    canvas = CANVAS.fullmatch(path.name)
    return canvas["who"] if canvas else path.stem


def _read_one(name: str, path: Path, folder: Path, room: Path) -> Submission:
    """The submission in a folder, which may hold nothing but its zip."""
    zips = [entry for entry in sorted(folder.iterdir()) if entry.suffix == ".zip"]
    if zips and not any(folder.rglob("*.py")):
        try:
            folder = _unpack(zips[0], room)
        except InputError as error:
            return Submission(name, path, problem=f"{zips[0].name}: {error}")
    return _read_folder(name, path, folder)


def _read_file(path: Path) -> Submission:
    """A file, with the Python files beside it, which it may import."""
    beside = [other for other in sorted(path.absolute().parent.glob("*.py")) if _is_taken(other)]
    files = [(other, other.name) for other in beside[:MOST_FILES]]
    if not _is_taken(path):
        return Submission(path.stem, path, problem="it is too large, or no plain file")
    return Submission(path.stem, path, tuple(files), frozenset([path.name]))


def _read_folder(name: str, path: Path, folder: Path) -> Submission:
    files: list[tuple[Path, str]] = []
    size = 0
    for entry in sorted(folder.rglob("*")):
        inside = entry.relative_to(folder)
        if any(SKIPPED.fullmatch(part) for part in inside.parts) or not _is_taken(entry):
            continue
        size += entry.stat().st_size
        if size > LARGEST or len(files) == MOST_FILES:
            return Submission(
                name, path, problem=f"it has more than {MOST_FILES:,} files or {LARGEST >> 20} MiB"
            )
        files.append((entry, inside.as_posix()))
    searched = frozenset(inside for _, inside in files if inside.endswith(".py"))
    return Submission(name, path, tuple(files), searched, "" if searched else "it has no Python file")


def _is_taken(path: Path) -> bool:
    return path.is_file() and not path.is_symlink() and path.stat().st_size <= LARGEST_FILE


def _unpack(path: Path, room: Path) -> Path:
    """Unpacks a zip, and returns the innermost folder that holds all of it. Raises `InputError` if it cannot be read."""
    folder, size, count = Path(tempfile.mkdtemp(dir=room)), 0, 0
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                parts = [
                    part
                    for part in PurePosixPath(member.filename.replace("\\", "/")).parts
                    if part not in ("..", "/")
                ]
                if member.is_dir() or not parts or any(SKIPPED.fullmatch(part) for part in parts):
                    continue
                if member.file_size > LARGEST_FILE:
                    continue
                size, count = size + member.file_size, count + 1
                if size > LARGEST * 10 or count > MOST_FILES * 10:
                    raise InputError("the zip is too large")
                target = folder.joinpath(*parts)
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(member) as source, target.open("wb") as file:
                    file.write(source.read(LARGEST_FILE))
    except InputError:
        raise
    except Exception as error:  # a damaged zip can raise anything
        raise InputError(f"the zip cannot be read: {error}") from error
    inner = folder
    while (
        len(entries := list(inner.iterdir())) == 1 and entries[0].is_dir() and entries[0].name not in PACKAGES
    ):
        inner = entries[0]
    return inner


def _name_apart(found: Sequence[Submission]) -> list[Submission]:
    """The submissions with names that differ: of the same name, the folder comes first; else they are numbered."""
    counts = Counter(each.name for each in found)
    named = [
        replace(each, name=f"{each.path.absolute().parent.name}/{each.name}")
        if counts[each.name] > 1
        else each
        for each in found
    ]
    counts, seen, result = Counter(each.name for each in named), Counter[str](), []
    for each in named:
        seen[each.name] += 1
        number = f" ({seen[each.name]})" if counts[each.name] > 1 else ""
        result.append(replace(each, name=f"{each.name}{number}"))
    return result
