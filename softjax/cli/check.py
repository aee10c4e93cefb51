"""softjax check."""

import importlib
import os
import sys
import sysconfig
import traceback
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from softjax.cli.console import load, print_table
from softjax.cli.surroundings import start_jax
from softjax.datasets.config import DataConfig
from softjax.errors import InputError
from softjax.gradcheck.config import CheckConfig


@dataclass(frozen=True)
class Check:
    """Check a gradient: softjax's own by hand, or one of yours.

    By hand: uses 500 training examples in float64, and prints a table of random entries for each penalty
    strength. Your own: takes any function and its claimed gradient. Both are compared with reverse mode, forward
    mode, the complex step and central differences. Exits with 1 if the gradient is wrong or the check cannot decide.

    Examples:
      softjax check
      softjax check --dataset cifar10 --data-dir DIR --num-checks 20
      softjax check --function mine:loss --gradient mine:grad --inputs data.npz

    Attributes:
        data: The data set.
        check: The options of the check.
    """

    data: DataConfig = field(default_factory=DataConfig)
    check: CheckConfig = field(default_factory=CheckConfig)

    def run(self, command: str, called: str) -> int:
        """Prints the tables and the verdict."""
        start_jax()
        return self._own() if self.check.function is not None else self._by_hand()

    def _own(self) -> int:
        from softjax.gradcheck.check import check_gradient

        function, gradient = _imported(str(self.check.function)), _imported(str(self.check.gradient))
        params, *args = _inputs(str(self.check.inputs))
        try:
            check = check_gradient(
                function, gradient, params, *args, num_entries=self.check.num_checks, seed=self.check.seed
            )
        except Exception as error:  # the caller's functions may raise anything
            raise InputError(f"{self.check.function} cannot be checked: {_explain(error)}") from error
        _print_samples(check, "claimed")
        print(f"\n{check}")
        return 0 if check.ok else 1

    def _by_hand(self) -> int:
        import jax
        import numpy as np

        from softjax.datasets import preprocess
        from softjax.evaluation.examples import check_range
        from softjax.gradcheck.check import check_gradient
        from softjax.objective.gradient import loss_and_grad
        from softjax.objective.objective import loss

        config = self.check
        dataset = load(self.data)
        dev = dataset.development(seed=config.seed)
        fitted = preprocess.fit(dataset.train.X, standardize=False)
        check_range("training", dev, fitted, "float64")
        X = np.hstack([preprocess.centre(fitted, dev.X, "float64"), np.ones((len(dev), 1))])
        rng = np.random.default_rng(config.seed)
        W = config.init_scale * rng.standard_normal((X.shape[1], dataset.num_classes))
        print(
            f"{dataset.title}: {len(dev)} development examples, W ~ {config.init_scale:g} · normal, float64"
        )
        chance = {"softmax": np.log(dataset.num_classes), "hinge": dataset.num_classes - 1.0}[config.kind]
        chance_name = {"softmax": "−log(1/K)", "hinge": "K − 1"}[config.kind]
        kind, penalty, weight = config.kind, config.penalty, dev.weight
        objective = partial(loss, kind=kind, penalty=penalty, sample_weight=weight)
        by_hand = partial(loss_and_grad, kind=kind, penalty=penalty, sample_weight=weight)
        wrong = []
        for reg in config.regs:
            with jax.enable_x64(True):
                value = float(objective(W, X, dev.y, reg))
                check = check_gradient(
                    objective, by_hand, W, X, dev.y, reg, num_entries=config.num_checks, seed=config.seed
                )
            print(f"\nreg {reg:g}: loss {value:.6f} (at W = 0 {chance_name} = {chance:.6f})")
            _print_samples(check, "by hand")
            print(check)
            wrong += [f"reg {reg:g}"] * (not check.ok)
        print(f"\nFAILED at {', '.join(wrong)}" if wrong else "\npassed")
        return 1 if wrong else 0


def _imported(name: str) -> Any:
    """Imports the object package.module:name; the working directory comes first in the search path."""
    module, _, attribute = name.partition(":")
    if not attribute:
        raise InputError(f"{name!r} names no object: expected package.module:name")
    if "" not in sys.path and os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        found = importlib.import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
    except Exception as error:  # importing runs the caller's code
        raise InputError(f"{name} cannot be imported: {_first_line(str(error))}") from error
    return found


def _explain(error: Exception) -> str:
    """What was raised, and where if it was in the caller's own code."""
    frames, package = traceback.extract_tb(error.__traceback__), Path(__file__).parents[1]
    installed = {package, *(Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib", "platlib"))}
    own = [
        f"{Path(frame.filename).name}, line {frame.lineno}"
        for frame in frames
        if not installed & set(Path(frame.filename).parents) and Path(frame.filename).is_file()
    ]
    if not own or package in Path(frames[-1].filename).parents:
        return _first_line(
            str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
        )
    return f"{type(error).__name__}: {_first_line(str(error))} ({own[-1]})"


def _inputs(name: str) -> tuple[Any, ...]:
    """Params and args, from a .npz file or from package.module:name."""
    if name.endswith(".npz"):
        from softjax.npz import read_arrays

        values = tuple(read_arrays(Path(name)).values())
        # a single number is a number, not an array
        values = tuple(value.item() if value.ndim == 0 else value for value in values)
    else:
        found = _imported(name)
        try:
            values = found() if callable(found) else found
        except Exception as error:
            raise InputError(f"{name} raised {type(error).__name__}: {_first_line(str(error))}") from error
    if not isinstance(values, tuple) or not values:
        raise InputError(f"{name} must give a tuple (params, *args), got {type(values).__name__}")
    return values


def _first_line(text: str) -> str:
    return text.strip().split("\n")[0]


def _print_samples(check: Any, claim: str) -> None:
    print_table(
        [("entry", "numerical", claim, "jax.grad", "relative error")]
        + [
            (
                sample.name,
                f"{sample.numerical:.6f}",
                f"{sample.analytic:.6f}",
                f"{sample.autodiff:.6f}",
                f"{sample.relative_error:.6e}",
            )
            for sample in check.samples
        ]
    )
