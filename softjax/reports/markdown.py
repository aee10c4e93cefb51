"""Tables in Markdown, and templates."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from string import Template


def table(rows: Sequence[Sequence[str]], align: str = "right") -> str:
    """A Markdown table of rows of text. The first row is the header.

    **Arguments:**

    - `rows`: all have the same number of cells. A `|` in a cell is escaped.
    - `align`: the alignment of the columns. `"right"`, `"left"`, or `"names"`: the first column left, the others right.
    """
    header, *body = ([cell.replace("|", "\\|") for cell in row] for row in rows)
    left, right = "---", "---:"
    first, other = {"right": (right, right), "left": (left, left), "names": (left, right)}[align]
    rule = [first] + [other] * (len(header) - 1)
    return "\n".join("| " + " | ".join(line) + " |" for line in [header, rule, *body])


def count_of(number: int, one: str, many: str = "") -> str:
    """A number of things.

    Examples:
        >>> count_of(1, "row"), count_of(2, "row"), count_of(3, "library", "libraries")
        ('1 row', '2 rows', '3 libraries')
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"


class _Text(Template):
    braceidpattern = "[^{}]+"  # a field of str.format


def fill(text: str, **values: object) -> str:
    """`text` with each `$name` replaced by its value. `${name.field[0]:.3f}` is formatted as by `str.format`.

    Raises `KeyError` if a name has no value.
    """
    template = _Text(text)
    return template.substitute({name: f"{{{name}}}".format(**values) for name in template.get_identifiers()})


def render(template: Path, **values: object) -> str:
    """The text of the Markdown file `template`, filled with `values` by `fill`."""
    return fill(template.read_text(encoding="utf-8"), **values)


def render_table(template: Path, rows: Iterable[Mapping[str, object]]) -> str:
    """A table. The file `template` has its header, its rule and one row, which is filled with each of `rows`."""
    *head, row = template.read_text(encoding="utf-8").splitlines()
    return "\n".join([*head, *(fill(row, **values) for values in rows)])
