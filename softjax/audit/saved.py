"""What is known of a rule after the tests, and how it is written for the processes that check it."""

import io
import pickle
import sys
from dataclasses import dataclass
from importlib import import_module
from itertools import zip_longest
from pathlib import Path
from typing import Any

NUM_POINTS = 5  # of a rule, at most


@dataclass(frozen=True)
class Rule:
    """A function with a derivative that somebody wrote by hand."""

    kind: str
    """custom_jvp, custom_vjp, autograd.Function or scipy jac"""
    name: str
    """package.module.function"""
    file: str
    line: int


@dataclass(frozen=True)
class Point:
    """The arguments of one call. Arrays are NumPy's; all other arguments are what they were."""

    target: Any
    """what was called"""
    arguments: tuple[Any, ...]
    settings: dict[str, Any]
    """what the source of the rule needs to call it again, as 64-bit types in JAX"""


@dataclass(frozen=True)
class Recorded:
    """What was seen of one rule in all processes of the tests."""

    rule: Rule
    calls: int
    order: int
    points: tuple[bytes, ...]
    """each as `load_point` takes it"""
    skipped: tuple[str, ...]


def load_recorded(folder: Path) -> list[Recorded]:
    """What `Recorder.save` wrote below a folder, by the place of the rule."""
    found: dict[Rule, list[Recorded]] = {}
    for file in sorted(folder.rglob("*.pkl")):
        recorded: Recorded = pickle.loads(file.read_bytes())
        found.setdefault(recorded.rule, []).append(recorded)
    return [_join(found[rule]) for rule in sorted(found, key=lambda rule: (rule.file, rule.line, rule.name))]


def _join(parts: list[Recorded]) -> Recorded:
    points = [
        point for turn in zip_longest(*(part.points for part in parts)) for point in turn if point is not None
    ]
    return Recorded(
        parts[0].rule,
        sum(part.calls for part in parts),
        max(part.order for part in parts),
        tuple(dict.fromkeys(points))[:NUM_POINTS],
        tuple(sorted({reason for part in parts for reason in part.skipped})),
    )


def dump_point(point: Point) -> bytes:
    """A point with its rule: by name if it can be imported, else with what it closes over."""
    named = find_name(point.target)
    return dump((named or point.target, named is not None, point.arguments, point.settings))


def dump(saved: Any) -> bytes:
    """Pickles rules that are made inside functions too, with what they close over. Loading them needs cloudpickle."""
    import cloudpickle

    class Pickler(cloudpickle.Pickler):  # type: ignore[misc]
        def reducer_override(self, found: Any) -> Any:
            if type(found).__name__ in ("custom_jvp", "custom_vjp"):
                # custom_vjp cannot be made without its function, which may refer to it
                return object.__new__, (type(found),), vars(found)
            return super().reducer_override(found)

    with io.BytesIO() as file:
        Pickler(file).dump(saved)
        return file.getvalue()


def load_point(data: bytes) -> Point:
    """The point, with its rule imported or made again. Raises whatever importing it raises."""
    target, is_name, arguments, settings = pickle.loads(data)
    return Point(import_named(*target) if is_name else target, arguments, settings)


def find_name(target: Any) -> tuple[str, str, type] | None:
    """The module, the name and the type by which a rule can be imported, None if there are none."""
    module, name = getattr(target, "__module__", None), getattr(target, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str) or module not in sys.modules:
        return None
    try:
        return (module, name, type(target)) if import_named(module, name, type(target)) is target else None
    except (AttributeError, ImportError):
        return None


def import_named(module: str, name: str, kind: type) -> Any:
    """The object of that name, taken out of wrappers such as `jax.jit` until it is of that type."""
    found: Any = import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    while type(found) is not kind:
        found = found.__wrapped__
    return found


def describe_error(error: Exception) -> str:
    """An error in one line."""
    said = str(error).strip().splitlines()
    return f"{type(error).__name__}: {said[0][:200] if said else ''}"
