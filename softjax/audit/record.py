"""Which derivative rules were called, how often, and a few different points of each."""

import inspect
import pickle
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from softjax.audit.saved import Point, Recorded, Rule, describe_error, dump_point

# Of a rule's points some are kept for their types and shapes, two for the largest and the smallest numbers, some for other numbers.
NUM_SIGNATURES = 3
NUM_OTHERS = 2
NUM_LOOKS = 200  # calls of a rule that are looked at; later ones are only counted
MAX_BYTES = 2**20  # of a point
WRAPPED = ("fn", "fun", "func")  # where decorator objects keep the function
TEST_FOLDERS = {"tests", "test", "testing", "_test", "_tests"}
INSTALLED = {"site-packages", "dist-packages", ".venv", "venv", ".tox", ".nox", "build", "node_modules"}


@dataclass
class Seen:
    """What was seen of one rule."""

    rule: Rule
    calls: int = 0
    looks: int = 0
    order: int = 1
    """the highest order of derivative in which it was called"""
    points: dict[str, Point] = field(default_factory=dict)
    """by what the point is there for"""
    sizes: dict[str, float] = field(default_factory=dict)
    contents: set[int] = field(default_factory=set)
    """hashes of the numbers that were looked at"""
    skipped: set[str] = field(default_factory=set)
    """why calls gave no point"""

    @property
    def looking(self) -> bool:
        """Whether further calls are looked at."""
        return self.looks < NUM_LOOKS


@dataclass(frozen=True)
class Scope:
    """The rules that are audited: of some packages, or else of all files below a folder that are no tests and not installed."""

    root: Path
    packages: tuple[str, ...] = ()

    def includes(self, module: str, file: str) -> bool:
        """Whether a function of this module and file is audited."""
        if is_test(file, module):
            return False
        if self.packages:
            return any(module == name or module.startswith(f"{name}.") for name in self.packages)
        path = Path(file)
        return path.is_relative_to(self.root) and not INSTALLED & set(path.relative_to(self.root).parts)


def is_test(file: str, module: str = "") -> bool:
    """Whether a file holds tests: rules that are defined there are examples, often wrong on purpose."""
    path = Path(file)
    folders = {path.parent.name, *module.split(".")[:-1]}
    return (
        path.name.startswith("test_")
        or path.name.endswith("_test.py")
        or path.name == "conftest.py"
        or bool(TEST_FOLDERS & folders)
    )


class Recorder:
    """The calls of rules in a scope. Its functions never raise: the calls of others go on."""

    def __init__(self, scope: Scope) -> None:
        """Records what `scope` includes."""
        self.scope = scope
        self.calls = 0
        self.seen: dict[tuple[str, str, int, str], Seen] = {}
        self.paused = False
        """whether calls are only counted"""
        self.wait: list[Callable[[], Any]] = []
        """called before anything is read: what is recorded from compiled programs arrives later"""
        self._known: dict[Any, Seen | None] = {}
        self._lock = threading.RLock()

    def find(self, kind: str, function: Any) -> Seen | None:
        """What was seen of the rule whose function this is; None if it is not audited.

        A decorator of another package, such as `equinox.filter_custom_vjp`, gives the rule to a function of its own. Then the one
        that it wraps counts.
        """
        function = _unwrap(function)
        for each in (function, *_list_wrapped(function)):
            code = getattr(each, "__code__", None)
            if code is None:
                continue
            name = f"{each.__module__}.{each.__qualname__}"
            seen = self.find_named(kind, (code, name), name, each.__module__, code)
            if seen is not None:
                return seen
        return None

    def find_named(self, kind: str, key: Any, name: str, module: str | None, code: Any) -> Seen | None:
        """As `find`, for a rule with a name of its own."""
        if key not in self._known:
            rule = Rule(kind, name, code.co_filename, code.co_firstlineno)
            inside = self.scope.includes(module or "", rule.file)
            place = (kind, rule.file, rule.line, name)
            self._known[key] = self.seen.setdefault(place, Seen(rule)) if inside else None
        return self._known[key]

    def count(self, seen: Seen, order: int = 1) -> bool:
        """Counts a call; whether it is to be looked at."""
        with self._lock:
            self.calls += 1
            seen.calls += 1
            seen.order = max(seen.order, order)
            return seen.looking and not self.paused

    def keep(self, seen: Seen, leaves: Callable[[], list[Any]], make: Callable[[], Point]) -> None:
        """Keeps a point if it differs from the others: in types and shapes, or by the largest or the smallest number.

        **Arguments:**

        - `leaves`: gives the arrays and other arguments in it.
        - `make`: makes the point, with copies of the arrays.
        """
        with self._lock:
            if not seen.looking or self.paused:
                return
            seen.looks += 1
            try:
                self._keep(seen, leaves, make)
            except Exception as error:  # arguments may be anything
                seen.skipped.add(f"cannot be copied: {describe_error(error)}")

    def _keep(self, seen: Seen, leaves: Callable[[], list[Any]], make: Callable[[], Point]) -> None:
        given = leaves()
        arrays = [leaf for leaf in given if hasattr(leaf, "__array__")]
        floating = [np.asarray(a, np.float64) for a in arrays if _is_floating(a)]
        if sum(a.nbytes for a in arrays) > MAX_BYTES:
            seen.skipped.add(f"arrays of more than {MAX_BYTES // 2**20} MiB")
            return
        if floating and not any(np.isfinite(a).all() for a in floating):
            seen.skipped.add("arguments that are not finite")
            return
        reason = _choose(seen, _describe(given), floating)
        if reason is not None:
            earlier = seen.points.pop(reason, None)  # an extreme that is none any more
            seen.points[reason] = make()
            others = sum(each.startswith("other") for each in seen.points)
            if earlier is not None and others < NUM_OTHERS:
                seen.points[f"other {others}"] = earlier

    def save(self, folder: Path) -> None:
        """Writes what was seen, a file for each rule."""
        for wait in self.wait:
            wait()
        with self._lock:
            folder.mkdir(parents=True, exist_ok=True)
            for number, seen in enumerate(self.seen.values()):
                (folder / f"{number}.pkl").write_bytes(pickle.dumps(_pack(seen)))


def _unwrap(function: Any) -> Any:
    while isinstance(function, partial):
        function = function.func
    function = inspect.unwrap(function) if callable(function) else function
    return getattr(function, "__func__", function)


def _list_wrapped(function: Any) -> list[Any]:
    """The functions that a function closes over, also as those of a decorator object."""
    found = []
    for cell in getattr(function, "__closure__", None) or ():
        try:
            content = cell.cell_contents
        except ValueError:  # not yet set
            continue
        for each in (content, *(vars(content).get(name) for name in WRAPPED if hasattr(content, "__dict__"))):
            if callable(each):
                found.append(_unwrap(each))
    return found


def _pack(seen: Seen) -> Recorded:
    points, skipped = [], set(seen.skipped)
    for _, point in sorted(
        seen.points.items(),
        key=lambda item: ("signature", "largest", "smallest", "other").index(item[0].split()[0]),
    ):
        try:
            points.append(dump_point(point))
        except Exception as error:  # what is in a closure may be anything
            skipped.add(f"cannot be saved: {describe_error(error)}")
    return Recorded(seen.rule, seen.calls, seen.order, tuple(points), tuple(sorted(skipped)))


def _choose(seen: Seen, signature: str, floating: list[np.ndarray]) -> str | None:
    """What a point is kept for, None if it is not: new types and shapes, the largest or smallest number, other numbers."""
    size = max((float(np.abs(a).max(initial=0)) for a in floating), default=0.0)
    content = hash((signature, *(a.tobytes() for a in floating)))
    if content in seen.contents:
        return None
    seen.contents.add(content)
    reason = None
    if sum(reason.startswith("signature") for reason in seen.points) < NUM_SIGNATURES:
        reason = f"signature {signature}"
    if reason is not None and reason not in seen.points:
        for extreme in ("largest", "smallest"):
            seen.sizes.setdefault(extreme, size)
        return reason
    for extreme, sign in (("largest", 1), ("smallest", -1)):
        if sign * size > sign * seen.sizes.get(extreme, size):
            seen.sizes[extreme] = size
            return extreme
    others = sum(reason.startswith("other") for reason in seen.points)
    return f"other {others}" if others < NUM_OTHERS else None


def _is_floating(array: Any) -> bool:
    return np.dtype(array.dtype).kind in "fV" and "float" in np.dtype(array.dtype).name


def _describe(leaves: Iterable[Any]) -> str:
    """Types and shapes of the arrays, and the other arguments."""

    def one(leaf: Any) -> str:
        if hasattr(leaf, "__array__"):
            return f"{leaf.dtype}{tuple(leaf.shape)}"
        return repr(leaf) if isinstance(leaf, bool | int | str) or leaf is None else type(leaf).__name__

    return ", ".join(map(one, leaves))
