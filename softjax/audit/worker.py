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
from softjax.audit.saved import Point, Recorded, describe_error, load_point

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
            text = f"cannot be checked: {describe_error(error)}"
            _answer(out, Finding("", "undecided", text, NONE, point=number))


def check(module: Any, point: Point, order: int) -> Iterator[Finding]:
    """The findings at a point, each as soon as there is one. What is not right is looked at more closely once."""
    closer: dict[str, Finding] | None = None
    for found in module.check(point, order):
        if found.word in ("wrong", "undecided"):
            closer = _look_closer(module, point, order, found) if closer is None else closer
            found = closer.get(found.mode, found)
        yield found


def _look_closer(module: Any, point: Point, order: int, found: Finding) -> dict[str, Finding]:
    """The findings that explain one which is not right, by their modes; none if there is no explanation.

    A function of symmetric matrices may read one triangle only, and its rule may give the gradient half to either. A function
    may have some outputs that are flat, with a surrogate for their derivative, and others whose derivative is right.
    """
    if module.has_symmetric(point):
        listed = {each.mode: each for each in module.check(point, order, symmetric=True)}
        if all(each.word in ("right", "differs") for each in listed.values()):
            text = "for symmetric matrices, as the arguments are: "
            return {mode: replace(each, text=text + each.text) for mode, each in listed.items()}
    if found.word == "wrong" and found.num_outputs > 1:
        parts = [list(module.check(point, 1, output=number)) for number in range(found.num_outputs)]
        if all(each.word in ("right", "differs") for part in parts for each in part):
            explained = {}
            for number, part in enumerate(parts):
                for each in part:
                    if each.word == "differs":
                        explained[each.mode] = replace(
                            each, text=f"{each.text}, in output {number + 1} alone"
                        )
            return explained
    return {}


def _answer(out: Any, finding: Finding) -> None:
    print(json.dumps(asdict(finding)), file=out, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
