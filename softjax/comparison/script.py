"""A case as a short script in one framework alone, for a bug report."""

import numpy as np

from softjax.comparison.cases import EDGE_CASES
from softjax.config import InputError
from softjax.frameworks import FRAMEWORKS

EXPECTED = {
    "value": "the value of the formula",
    "undefined": "no finite value: the formula has none",
    "refused": "an error: there is no such problem",
}


def show(case: str, framework: str) -> str:
    """The script that puts an edge case to a framework, without softjax (but for softjax's own functions).

    Raises `InputError` where one of the names is unknown, or the framework is not installed.
    """
    if case not in EDGE_CASES:
        raise InputError(f"unknown edge case {case!r}: expected {', '.join(EDGE_CASES)}")
    if framework not in FRAMEWORKS:
        raise InputError(f"unknown framework {framework!r}: expected {', '.join(FRAMEWORKS)}")
    entry, edge = FRAMEWORKS[framework], EDGE_CASES[case]
    if entry.version is None:
        raise InputError(f"{entry.title} is not installed: {entry.install}")
    problem = edge.problem
    lines = [
        f"# {edge.what}, in {entry.title} ({entry.distribution} {entry.version})",
        f"# right: {EXPECTED[edge.expected]} ({edge.reason})",
        "import numpy as np",
        "from numpy import inf, nan",
        *(f"{name} = {_literal(getattr(problem, name))}" for name in ("X", "y", "W")),
    ]
    module = entry.load()
    if edge.forward and not hasattr(module, "FORWARD"):
        raise InputError(f"{entry.title} offers no forward mode")
    body: str = module.FORWARD if edge.forward else module.SCRIPT
    if edge.forward:
        lines.append("basis = np.eye(W.size, dtype=W.dtype).reshape(-1, *W.shape)")
    if problem.reg:
        lines.append(f"reg = {problem.reg!r}")
        body = body.replace("«", "").replace("»", "")
    else:
        while "«" in body:
            body = body[: body.index("«")] + body[body.index("»") + 1 :]
    return "\n".join(lines) + "\n" + body


def _literal(a: np.ndarray) -> str:
    if a.size == 0:
        return f'np.zeros({a.shape}, "{a.dtype}")'
    text = np.array2string(a, separator=", ", max_line_width=10**6, floatmode="unique")
    return f'np.array({" ".join(text.split())}, "{a.dtype}")'
