"""Libraries of other languages: whether each is installed, in which version, and what installs it.

How their programs are built and spoken to is in `shared_pipe.py`.
"""

import functools
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Program:
    """A library that is not a Python package.

    **Fields:**

    - `package`: its name where it is installed from; `install`: the command that installs it.
    - `find_version`: tells the installed version, None if it or its compiler is missing.
    """

    package: str
    install: str
    find_version: Callable[[], str | None]
