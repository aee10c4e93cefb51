"""The accuracy cases: random problems of several sizes and score scales, and their true losses and gradients."""

from dataclasses import dataclass, replace
from typing import Any

import ml_dtypes
import numpy as np

from softjax.comparison import oracle
from softjax.comparison.frameworks.protocol import Problem

DTYPES = ("float64", "float32", "bfloat16", "float16")


def numpy_dtype(name: str) -> Any:
    """The NumPy type of a name, bfloat16 included."""
    return np.dtype(ml_dtypes.bfloat16 if name == "bfloat16" else name)


@dataclass(frozen=True)
class AccuracyCase:
    """A random problem. Its scores have a standard deviation of about `scale`.

    The numbers are the same in every type, except for their rounding to it. If it is `weighted`, examples and classes
    have weights between ½ and 2.
    """

    name: str
    N: int
    D: int
    K: int
    scale: float = 1.0
    reg: float = 1e-3
    weighted: bool = False

    @property
    def title(self) -> str:
        """The name with N × D × K, for tables."""
        return f"{self.name} ({self.N} × {self.D} × {self.K})"

    @property
    def size(self) -> int:
        """The number of products N D K in all scores together."""
        return self.N * self.D * self.K

    def problem(self, dtype: str) -> Problem:
        """The problem, its numbers rounded to `dtype`."""
        rng = np.random.default_rng(0)
        X = np.hstack([rng.standard_normal((self.N, self.D - 1)), np.ones((self.N, 1))])
        W = self.scale / np.sqrt(self.D) * rng.standard_normal((self.D, self.K))
        y = rng.integers(0, self.K, self.N)
        type_ = numpy_dtype(dtype)
        problem = Problem(X.astype(type_), y, W.astype(type_), self.reg)
        if not self.weighted:
            return problem
        of_examples, of_classes = (rng.uniform(0.5, 2, length).astype(type_) for length in (self.N, self.K))
        return replace(problem, sample_weight=of_examples, class_weight=of_classes)

    def truth(self, dtype: str) -> oracle.Truth:
        """The true loss and gradient of `problem(dtype)`."""
        problem = self.problem(dtype)
        return oracle.truth(*problem.as_shares(), problem.l1, problem.l2)


ACCURACY = {
    case.name: case
    for case in (
        AccuracyCase("tiny", 4, 5, 3, reg=0.1),
        AccuracyCase("weighted", 60, 30, 10, weighted=True),
        AccuracyCase("minibatch", 200, 3073, 10),
        AccuracyCase("scores-1e-4", 500, 3073, 10, scale=1e-4),
        AccuracyCase("scores-1e-2", 500, 3073, 10, scale=1e-2),
        AccuracyCase("development", 500, 3073, 10),
        AccuracyCase("scores-1e2", 500, 3073, 10, scale=1e2, reg=0.0),
        AccuracyCase("scores-1e4", 500, 3073, 10, scale=1e4, reg=0.0),
        AccuracyCase("vocabulary", 256, 512, 50_000, reg=0.0),
        AccuracyCase("classes-1e6", 2, 4, 1_000_000, reg=0.0),
    )
}

# The cases that differ in size alone: those that are timed, too.
SIZES = ("tiny", "minibatch", "development", "vocabulary")
TIMED_TYPES = ("float32", "float64")  # the first one is that of the tables and pictures
