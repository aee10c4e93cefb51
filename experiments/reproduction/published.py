"""The figures that the four accounts report, quoted as they print them. All other numbers in the report are computed.

- `figures.csv`: all figures but 003's cells. Each row also has the templates of our figure and of how it is judged.
- `grid.csv`: 003's hundred lines, with the misread characters of the scan corrected.
- `checks.csv`: the output of `grad_check_sparse` in 003, for the loss without penalty and with 50 ΣW².
"""

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

HERE = Path(__file__).parent
LEARNING_RATES = tuple(np.linspace(1e-7, 5e-7, 10).tolist())  # 003's, as its cell has them
REGS = tuple(np.linspace(2.5e4, 5e4, 10).tolist())


@dataclass(frozen=True)
class Figure:
    """One figure of an account, or a formula, as the account prints it."""

    key: str
    account: str
    figure: str
    printed: str
    ours: str  # a template for `markdown.fill`, like
    judged_by: str

    @property
    def value(self) -> float:
        """The number that `printed` ends with."""
        return float(self.printed.split()[-1])


@cache
def read_figures() -> dict[str, Figure]:
    """All figures but 003's cells by key."""
    with (HERE / "figures.csv").open(newline="", encoding="utf-8") as file:
        return {row["key"]: Figure(**row) for row in csv.DictReader(file)}


@cache
def read_grid() -> Any:
    """003's table, in the order of its lines, learning rates outside: lr, reg, train, val (C,)."""
    return np.genfromtxt(HERE / "grid.csv", delimiter=",", names=True).view(np.recarray)


@cache
def read_checks() -> dict[float, Float[np.ndarray, "n 3"]]:
    """Numerical and analytic derivatives and relative errors by penalty strength."""
    lines = np.loadtxt(HERE / "checks.csv", delimiter=",", skiprows=1)
    return {reg: lines[lines[:, 0] == reg, 1:] for reg in np.unique(lines[:, 0]).tolist()}
