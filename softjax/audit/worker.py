"""The process in which one rule is checked: `python -m softjax.audit.worker RULE.pkl PATH...` answers with a line of JSON for
each finding, as soon as there is one.
"""

import json
import pickle
import sys
import time
import warnings
from collections.abc import Iterator
from dataclasses import asdict, replace
from importlib import import_module
from typing import Any

from softjax.audit.judge import Finding
from softjax.audit.record import Point, Recorded, load_point

CHECKS = {"custom": "jax_rules", "autograd": "torch_functions", "scipy": "scipy_pairs"}
NONE = float("nan")


def main(file: str, *paths: str) -> None:
    """Checks the rule of a file at each of its points."""
    out, sys.stdout = sys.stdout, sys.stderr  # what is imported may print
    sys.path[:] = [*paths, *(path for path in sys.path if path not in paths)]
    warnings.simplefilter("ignore")
    with open(file, "rb") as opened:
        recorded: Recorded = pickle.load(opened)
    source = next(source for start, source in CHECKS.items() if recorded.rule.kind.startswith(start))
    module = import_module(f"softjax.audit.{source}")
    for number, data in enumerate(recorded.points):
        try:
            began = time.perf_counter()
            for found in check(module, load_point(data), recorded.order):
                seconds = time.perf_counter() - began
                _answer(out, replace(found, point=number, seconds=seconds))
                began = time.perf_counter()
        except Exception as error:  # the rule and its package may raise anything
            said = str(error).strip().splitlines()
            text = f"cannot be checked: {type(error).__name__}: {said[0][:300] if said else ''}"
            _answer(out, Finding("", "undecided", text, NONE, point=number))


def check(module: Any, point: Point, order: int) -> Iterator[Finding]:
    """The findings at a point, each as soon as there is one.

    What is not right is checked once more if an argument is a symmetric matrix: a function of symmetric matrices may read one
    triangle only, and its rule may give the gradient half to either.
    """
    as_symmetric: dict[str, Finding] | None = None
    for found in module.check(point, order):
        unsure = found.word in ("wrong", "undecided")
        if unsure and as_symmetric is None:
            listed = module.check(point, order, True) if module.has_symmetric(point) else ()
            as_symmetric = {each.mode: each for each in listed}
        other = (as_symmetric or {}).get(found.mode)
        if unsure and other is not None and other.word in ("right", "differs"):
            found = replace(other, text=f"for symmetric matrices, as the arguments are: {other.text}")
        yield found


def _answer(out: Any, finding: Finding) -> None:
    print(json.dumps(asdict(finding)), file=out, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
