"""softjax audit."""

import json
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import tyro

from softjax.errors import InputError


@dataclass(frozen=True)
class Audit:
    """Check every hand-written derivative rule of a package while its own tests run.

    Runs pytest with what follows --. Calls of functions with jax.custom_jvp, jax.custom_vjp or torch.autograd.Function,
    and derivatives given to SciPy's optimizers, are recorded. Then each rule is checked at points where the tests used it.
    Exits with 1 if a rule is wrong, with pytest's own code if tests fail.

    Examples:
      softjax audit -- pytest
      softjax audit --package mylib -- pytest -x tests
      softjax audit --package optax --out runs/optax -- pytest --pyargs optax

    Attributes:
        tests: pytest and its arguments.
        package: Audit the rules of these packages. By default those of all files below the root folder of the tests.
        out: Folder of the report.
        limit: Seconds for the checks of a rule.
    """

    tests: Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="-- pytest ...")] = ()
    package: tuple[str, ...] = ()
    out: Path = Path("softjax-audit")
    limit: float = 60.0

    def run(self, command: str, called: str) -> int:
        """Runs the tests, and returns 1 if a rule is wrong."""
        if self.tests[:1] != ("pytest",):
            raise InputError(
                "audit runs pytest: write softjax audit -- pytest, and after it pytest's arguments"
            )
        if find_spec("pytest") is None:
            raise InputError('audit needs pytest: python -m pip install "softjax-suite[audit]"')
        options = [f"--softjax-audit={self.out}", f"--softjax-audit-limit={self.limit}"]
        options += [f"--softjax-audit-package={name}" for name in self.package]
        code = subprocess.run([sys.executable, "-m", *self.tests, *options], check=False).returncode
        return code or _count_wrong(self.out)


def _count_wrong(out: Path) -> int:
    """1 if the report names a wrong rule."""
    file = out / "findings.json"
    if not file.exists():
        raise InputError(f"{out}: pytest wrote no report of an audit")
    return int(
        any(each["verdict"] == "wrong" for each in json.loads(file.read_text(encoding="utf-8"))["rules"])
    )
