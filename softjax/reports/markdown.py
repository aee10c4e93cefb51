"""Tables in Markdown, and texts filled into templates."""

from collections.abc import Sequence
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


def render(template: Path, **values: object) -> str:
    """The text of `template`, a Markdown file beside the code that fills it, with each `$name` replaced by its value.

    Raises `KeyError` for a name without a value.
    """
    return Template(template.read_text(encoding="utf-8")).substitute(
        {name: str(value) for name, value in values.items()}
    )
