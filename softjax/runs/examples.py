"""examples.npz of a report: which examples the classifiers of a run have right, so that two runs can be compared pair by pair."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Integer

from softjax.npz import read_arrays
from softjax.runs.files import write_arrays

EXAMPLES = "examples.npz"
MOST_ANSWERS = 10_000_000  # beyond that only those of the best configuration are kept


@dataclass(frozen=True)
class RightAnswers:
    """Which examples the classifiers of a run have right.

    Attributes:
        configs: The configurations whose answers are here (c,).
        val_hits: For each validation example, how many of the S classifiers are right (c, V).
        test_hits: The same for each test example (c, N).
        val_accuracy: Of each classifier on the validation examples (c, S); NaN if the run diverged.
        test_accuracy: The same on the test examples (c, S).
        val_fingerprint: That of the validation examples and their labels.
        test_fingerprint: That of the test examples and their labels.
    """

    configs: Integer[np.ndarray, " c"]
    val_hits: Integer[np.ndarray, "c V"]
    test_hits: Integer[np.ndarray, "c N"]
    val_accuracy: Float[np.ndarray, "c S"]
    test_accuracy: Float[np.ndarray, "c S"]
    val_fingerprint: str
    test_fingerprint: str

    def keep_some(self, best: int) -> "RightAnswers":
        """All, or those of the configuration `best` alone if all are too many."""
        if self.val_hits.size + self.test_hits.size <= MOST_ANSWERS:
            return self
        rows = np.flatnonzero(self.configs == best)
        return RightAnswers(
            self.configs[rows],
            self.val_hits[rows],
            self.test_hits[rows],
            self.val_accuracy[rows],
            self.test_accuracy[rows],
            self.val_fingerprint,
            self.test_fingerprint,
        )

    def save(self, path: Path) -> None:
        """Writes them as a .npz file."""
        write_arrays(path, vars(self))

    @classmethod
    def load(cls, path: Path) -> "RightAnswers":
        """Reads what `save` wrote. Raises `InputError` if the file is missing or damaged."""
        arrays: dict[str, Any] = dict(read_arrays(path, list(cls.__dataclass_fields__)))
        texts = {name: str(arrays[name]) for name in ("val_fingerprint", "test_fingerprint")}
        return cls(**arrays | texts)
