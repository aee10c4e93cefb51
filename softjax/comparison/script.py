"""Writes an edge case as a short script that uses one framework only, for a bug report."""

import re

import numpy as np

from softjax.comparison.edge_cases import EDGE_CASES, EdgeCase
from softjax.comparison.frameworks import FRAMEWORKS, Framework
from softjax.comparison.frameworks.protocol import NotOffered, Problem
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
    script = write_script(entry, edge)
    if script is None:
        raise InputError(f"{entry.title} has no way to state this case, or it asks for another derivative")
    return script


def write_script(framework: Framework, case: EdgeCase) -> str | None:
    """The script of an edge case; None where the framework cannot state it, or for derivatives that have no script."""
    module = framework.load()
    writer = {"gradient": "write_script", "forward": "write_forward"}.get(case.derivative, "")
    if not hasattr(module, writer):
        return None
    try:
        body: str = getattr(module, writer)(case.problem, **framework.options)
    except NotOffered:
        return None
    lines = [
        f"# {case.what}, in {framework.title} ({framework.package} {framework.version}). "
        f"Right: {EXPECTED[case.expected]} ({case.reason})",
        "import numpy as np",
        *_write_data(case.problem, body),
    ]
    if case.problem.dtype == "float64" and framework.library in ("JAX", "Optax", "softjax"):
        lines.insert(2, 'import jax; jax.config.update("jax_enable_x64", True)')
    return "\n".join(lines) + f"\n{body}"


def _write_data(problem: Problem, body: str) -> list[str]:
    """Lines that define the variables that `body` uses."""
    arrays = {"X": problem.X, "y": problem.y, "W": problem.W} | {
        name: array
        for name, array in {
            "labels": problem.labels,
            "w": problem.weights,
            "T": problem.targets,
            "sample_weight": problem.sample_weight,
            "class_weight": problem.class_weight,
        }.items()
        if array is not None and re.search(rf"(?<!\.)\b{name}\b(?!=)", body)
    }
    literals = {name: _literal(array) for name, array in arrays.items()}
    lines = [f"{', '.join(literals)} = {', '.join(literals.values())}"]
    if len(lines[0]) > WIDTH:
        lines = [f"{name} = {literal}" for name, literal in literals.items()]
    numbers = {name: getattr(problem, name) for name in ("reg", "label_smoothing", "ignore_index")}
    lines += [
        f"{name} = {value!r}"
        for name, value in numbers.items()
        if value is not None and re.search(rf"(?<!\.)\b{name}\b(?!=)", body)
    ]
    if re.search(r"\bbasis\b", body):
        lines.append("basis = np.eye(W.size, dtype=W.dtype).reshape(-1, *W.shape)")
    if re.search(r"\b(inf|nan)\b", "".join(lines)):
        lines.insert(0, "from numpy import inf, nan")
    return lines


def _literal(a: np.ndarray) -> str:
    if not a.flags.c_contiguous and a.ndim == 2:
        if a.flags.f_contiguous:
            return f"{_literal(np.ascontiguousarray(a.T))}.T"
        if a.strides[0] < 0:
            return f"{_literal(np.ascontiguousarray(a[::-1]))}[::-1]"
        return f"{_literal(np.repeat(a, 2, axis=0))}[::2]"
    if a.size == 0:
        return f'np.zeros({a.shape}, "{a.dtype}")'
    text = np.array2string(a, separator=", ", max_line_width=10**6, formatter={"all": str})
    return f'np.array({" ".join(text.split())}, "{a.dtype}")'
