"""The process in which one rule is checked: `python -m softjax.audit.worker RULE.pkl PATH...` answers with a line of JSON for
each finding, as soon as there is one.
"""

import json
import pickle
import sys
import time
import warnings
from dataclasses import asdict, replace
from importlib import import_module
from typing import Any

from softjax.audit.judge import Finding
from softjax.audit.record import Recorded, load_point

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
    check = import_module(f"softjax.audit.{source}").check
    for number, data in enumerate(recorded.points):
        try:
            began = time.perf_counter()
            for found in check(load_point(data), recorded.order):
                seconds = time.perf_counter() - began
                _answer(out, replace(found, point=number, seconds=seconds))
                began = time.perf_counter()
        except Exception as error:  # the rule and its package may raise anything
            said = str(error).strip().splitlines()
            text = f"cannot be checked: {type(error).__name__}: {said[0][:300] if said else ''}"
            _answer(out, Finding("", "undecided", text, NONE, point=number))


def _answer(out: Any, finding: Finding) -> None:
    print(json.dumps(asdict(finding)), file=out, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
