"""Libraries of other languages: whether each is installed, in which version, and what installs it.

How their programs are built and spoken to is in `shared_pipe.py`.
"""

import functools
import os
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


SACADO_FLAGS = ("-I/usr/include/trilinos", "-DTRILINOS_NO_CONFIG_H")
"""Where Debian has Sacado's headers; without Trilinos' configuration, which asks for the headers of Kokkos."""


def _ask(*command: str, text: str = "", environment: dict[str, str] | None = None) -> str | None:
    """What a command prints when `text` is its input; None if it is missing or fails."""
    if shutil.which(command[0]) is None:
        return None
    done = subprocess.run(
        command,
        input=text,
        capture_output=True,
        encoding="utf-8",
        env=os.environ | (environment or {}),
        check=False,
    )
    return done.stdout.strip() if done.returncode == 0 else None


def _preprocess(text: str, *flags: str) -> str:
    """The last line of C++ after the preprocessor, "" if there is none."""
    return (_ask("g++", *flags, "-E", "-P", "-x", "c++", "-", text=text) or "").split("\n")[-1]


@functools.cache
def find_gcc() -> str | None:
    """The version of the C compiler; g++ must be there too."""
    return _ask("gcc", "-dumpfullversion", "-dumpversion") if shutil.which("g++") else None


@functools.cache
def find_adol_c() -> str | None:
    """The version that pkg-config's file beside the library tells, which the headers do not."""
    if not _preprocess("#if __has_include(<adolc/adolc.h>)\nfound\n#endif"):
        return None
    library = Path(_ask("g++", "-print-file-name=libadolc.so") or "")
    about = library.parent / "pkgconfig" / "adolc.pc"
    found = (
        re.search(r"^Version: *(\S+)", about.read_text(encoding="utf-8"), re.M) if about.exists() else None
    )
    return found[1] if found else "unknown"


@functools.cache
def find_sacado() -> str | None:
    """The version of Trilinos, of which Sacado is a part."""
    text = (
        "#if __has_include(<Sacado_trad.hpp>)\n#include <Trilinos_version.h>\nTRILINOS_VERSION_STRING\n#endif"
    )
    return _preprocess(text, *SACADO_FLAGS).strip('"') or None


@functools.cache
def find_tensorflow_js() -> tuple[str, str] | None:
    """The version, and the NODE_PATH with which Node.js finds it: that of the environment, or npm's global folder."""
    for look in (lambda: os.environ.get("NODE_PATH", ""), lambda: _ask("npm", "root", "--global") or ""):
        path = look()
        tell = "require('@tensorflow/tfjs/package.json').version"
        version = _ask("node", "--print", tell, environment={"NODE_PATH": path})
        if version is not None:
            return version, path
    return None


def _find_tensorflow_js_version() -> str | None:
    found = find_tensorflow_js()
    return found[0] if found else None


C = Program("gcc", "apt install gcc g++", find_gcc)
ADOL_C = Program("libadolc-dev", "apt install g++ libadolc-dev", find_adol_c)
SACADO = Program("libtrilinos-sacado-dev", "apt install g++ libtrilinos-sacado-dev", find_sacado)
TENSORFLOW_JS = Program(
    "@tensorflow/tfjs", "npm install --global @tensorflow/tfjs", _find_tensorflow_js_version
)
