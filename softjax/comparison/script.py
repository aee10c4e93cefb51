"""Writes an edge case as a short script that uses one framework only, for a bug report."""

import re

import numpy as np

from softjax.comparison.edge_cases import EDGE_CASES
from softjax.comparison.frameworks import FRAMEWORKS
from softjax.errors import InputError

EXPECTED = {
    "value": "the value of the formula",
    "undefined": "no finite value: the formula has none",
    "refused": "an error: there is no such problem",
}
WIDTH = 120


def show(case: str, framework: str) -> str:
    """The script that computes an edge case in a framework. It imports softjax only for softjax's own functions.

    Raises `InputError` if a name is unknown, or if the framework is not installed.
    """
    if case not in EDGE_CASES:
        raise InputError(f"unknown edge case {case!r}: expected {', '.join(EDGE_CASES)}")
    if framework not in FRAMEWORKS:
        raise InputError(f"unknown framework {framework!r}: expected {', '.join(FRAMEWORKS)}")
    entry, edge = FRAMEWORKS[framework], EDGE_CASES[case]
    if entry.version is None:
        raise InputError(f"{entry.title} is not installed: {entry.install}")
    module = entry.load()
    if edge.forward and not hasattr(module, "FORWARD"):
        raise InputError(f"{entry.title} offers no forward mode")
    problem, body = edge.problem, str(module.FORWARD if edge.forward else module.SCRIPT)
    body = body.replace("«", "").replace("»", "") if problem.reg else re.sub("«.*?»", "", body)

    literals = [_literal(a) for a in (problem.X, problem.y, problem.W)]
    data = [f"X, y, W = {', '.join(literals)}"]
    if len(data[0]) > WIDTH:
        data = [f"{name} = {literal}" for name, literal in zip("XyW", literals, strict=True)]
    if problem.reg:
        data[-1] += f"; reg = {problem.reg!r}"
    if edge.forward:
        data.append("basis = np.eye(W.size, dtype=W.dtype).reshape(-1, *W.shape)")
    lines = [
        f"# {edge.what}, in {entry.title} ({entry.distribution} {entry.version}). "
        f"Right: {EXPECTED[edge.expected]} ({edge.reason})",
        "import numpy as np",
        *(["from numpy import inf, nan"] if re.search(r"\b(inf|nan)\b", "".join(data)) else []),
        *data,
    ]
    if problem.dtype == "float64" and entry.distribution in ("jax", "optax"):
        lines.insert(2, 'import jax; jax.config.update("jax_enable_x64", True)')
    return "\n".join(lines) + "\n" + body


def _literal(a: np.ndarray) -> str:
    if a.size == 0:
        return f'np.zeros({a.shape}, "{a.dtype}")'
    text = np.array2string(a, separator=", ", max_line_width=10**6, formatter={"all": str})
    return f'np.array({" ".join(text.split())}, "{a.dtype}")'
