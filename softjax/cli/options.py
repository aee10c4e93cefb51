"""Options of the command line: ranges of numbers as values, and a help with wrapped lines and without empty defaults."""

import inspect
import shutil
import textwrap
from collections.abc import Callable
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import tyro
from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo

from softjax.errors import InputError
from softjax.ranges import format_range, parse_count, parse_range

SILENT = ("None", "", "False", "True", "()")  # defaults that the help does not show
WIDTH = 100  # the largest width of the help


def describe_default(text: str) -> str:
    """The text for a default in the help."""
    return "" if text in SILENT else f"(default: {text})"


def describe_command(record: type) -> str:
    """The docstring of a command up to its attributes: paragraphs are wrapped to the terminal, indented lines are unchanged."""
    text = (inspect.getdoc(record) or "").split("\nAttributes:")[0].strip()
    paragraphs = []
    for paragraph in text.split("\n\n"):
        lines = paragraph.split("\n")
        indented = any(line.startswith(" ") for line in lines)
        paragraphs.append(paragraph if indented else wrap(" ".join(lines)))
    return "\n\n".join(paragraphs)


def wrap(text: str) -> str:
    """A paragraph in lines as wide as the terminal, or `WIDTH`."""
    return textwrap.fill(text, min(shutil.get_terminal_size().columns, WIDTH))


def summarize_command(record: type) -> str:
    """The first sentence of the docstring of a command."""
    return " ".join((inspect.getdoc(record) or "").split("\n\n")[0].split())


def show_defaults(record: type) -> type:
    """`record`, a dataclass of options or of such dataclasses, with the defaults as `describe_default` writes them."""
    hints = get_type_hints(record, include_extras=True)
    option: Any = tyro.conf.arg(help_behavior_hint=describe_default)
    annotations: dict[str, Any] = {}
    namespace: dict[str, Any] = {"__annotations__": annotations, "__doc__": record.__doc__}
    for each in fields(record):
        hint = hints[each.name]
        if is_dataclass(hint):
            nested = show_defaults(hint)  # type: ignore[arg-type]
            annotations[each.name] = nested
            namespace[each.name] = field(default_factory=nested)
        else:
            annotations[each.name] = Annotated[hint, option]
            if each.default is not MISSING:
                namespace[each.name] = each.default
    return dataclass(frozen=True)(type(record.__name__, (record,), namespace))


def read_values() -> ConstructorRegistry:
    """A registry for the parser: tuples of floats are written as ranges, whole numbers also as 1e5, no path is empty."""
    registry = ConstructorRegistry()
    # a default of two numbers makes a range a tuple of two
    _read_as(registry, _is_range, "RANGE", parse_range, format_range)
    _read_as(registry, lambda kind: kind is int, "INT", parse_count, str)
    _read_as(registry, lambda kind: kind is Path, "PATH", read_path, str)
    return registry


def _is_range(kind: Any) -> bool:
    return get_origin(kind) is tuple and set(get_args(kind)) <= {float, ...}


def _read_as(
    registry: ConstructorRegistry,
    fits: Callable[[Any], bool],
    metavar: str,
    read: Callable[[str], Any],
    show: Callable[[Any], str],
) -> None:
    """Options of the types that fit are read from one word."""

    @registry.primitive_rule
    def _(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[Any] | None:
        if not fits(info.type):
            return None
        return PrimitiveConstructorSpec(
            nargs=1,
            metavar=metavar,
            instance_from_str=lambda words: read(words[0]),
            is_instance=lambda value: (
                isinstance(value, get_origin(info.type) or info.type) and not isinstance(value, bool)
            ),
            str_from_instance=lambda value: [show(value)],
        )


def read_path(text: str) -> Path:
    """The path that `text` names. Raises `InputError` if it is empty, which `Path` takes for the working directory."""
    if not text:
        raise InputError("a path is empty: expected a name")
    return Path(text)
