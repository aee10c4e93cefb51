"""The output of the commands (tables, messages), and the loading of their data set."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import asdict
from typing import Any

from softjax.datasets.config import DataConfig


def load(config: DataConfig) -> Any:
    from softjax.datasets.load import load_dataset

    options = asdict(config)
    return load_dataset(options.pop("dataset"), options.pop("data_dir"), **options)


def print_table(rows: Sequence[tuple[str, ...]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))


def print_hints(hints: Sequence[tuple[str, str]]) -> None:
    """Prints sentences, each with the command to run next, between empty lines."""
    print()
    for text, command in hints:
        print(f"{text}\n    {command}")
    if hints:
        print()


@contextmanager
def mute() -> Iterator[None]:
    """Shows nothing while the block runs, because another process shows it."""
    with (
        open(os.devnull, "w", encoding="utf-8") as nowhere,
        redirect_stdout(nowhere),
        redirect_stderr(nowhere),
    ):
        yield


def say(text: str) -> None:
    """Prints a message on standard error. A message that cannot be written is no reason to lose a result."""
    with suppress(OSError):
        print(text, file=sys.stderr, flush=True)
