"""Tables in Markdown, and texts filled into templates."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from string import Template


def table(rows: Sequence[Sequence[str]], align: str = "right") -> str:
    """Rows of text as a table in Markdown, the first of them its header.

    **Arguments:**

    - `rows`: as many cells each; a bar within a cell is escaped.
    - `align`: of all columns, `"right"` or `"left"`, or `"names"`: the first column left, the others right.
    """
    header, *body = ([cell.replace("|", "\\|") for cell in row] for row in rows)
    left, right = "---", "---:"
    first, other = {"right": (right, right), "left": (left, left), "names": (left, right)}[align]
    rule = [first] + [other] * (len(header) - 1)
    return "\n".join("| " + " | ".join(line) + " |" for line in [header, rule, *body])


class _Text(Template):
    braceidpattern = "[^{}]+"  # a field of str.format


def fill(text: str, **values: object) -> str:
    """`text` with each `$name` replaced by its value; `${name.field[0]:.3f}` is what `str.format` makes of it.

    Raises `KeyError` for a name without a value.
    """
    template = _Text(text)
    return template.substitute({name: f"{{{name}}}".format(**values) for name in template.get_identifiers()})


def render(template: Path, **values: object) -> str:
    """The text of `template`, a Markdown file beside the code that fills it, as `fill` has it."""
    return fill(template.read_text(encoding="utf-8"), **values)


def render_table(template: Path, rows: Iterable[Mapping[str, object]]) -> str:
    """The table whose header and rule `template` holds, and one row, which is filled with the values of each of `rows`."""
    *head, row = template.read_text(encoding="utf-8").splitlines()
    return "\n".join([*head, *(fill(row, **values) for values in rows)])
