"""Tables in Markdown."""

from collections.abc import Sequence


def table(rows: Sequence[tuple[str, ...]]) -> str:
    """Rows of text as a table in Markdown, the first of them its header."""
    header, *body = rows
    lines = [header, tuple("---:" for _ in header), *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
