"""How much memory there is, and the refusal of what cannot fit."""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from softjax.errors import InputError


def machine_memory() -> int:
    """The memory of the machine or the container, in bytes."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    with suppress(OSError, ValueError):  # not in a container, or no limit
        limits.append(int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="utf-8")))
    return min(limits)


def check_memory(what: str, needed: Mapping[str, int]) -> None:
    """Raises `InputError` if `what` cannot fit into the machine's memory.

    **Arguments:**

    - `needed`: the bytes that it needs at the least, by what they are needed for.
    """
    total, there = sum(needed.values()), machine_memory()
    if total > there:
        largest = max(needed, key=lambda name: needed[name])
        raise InputError(
            f"{what} needs at least {total / 1e9:,.1f} GB of memory, {needed[largest] / 1e9:,.1f} GB of it for "
            f"{largest}, and the machine has {there / 1e9:,.1f} GB"
        )
