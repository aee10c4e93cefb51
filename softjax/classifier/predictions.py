"""A file of predictions, written while the data are read, and how good they are where labels are given."""

import csv
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import UInt8

from softjax.classifier.classifier import Classifier
from softjax.classifier.rows import Rows
from softjax.classifier.scoring import encode_labels, log_softmax, softmax
from softjax.errors import InputError
from softjax.evaluation.intervals import accuracy_intervals

DIGITS = {"float32": ".9g", "float64": ".17g"}  # with which a number is read back as it was


@dataclass(frozen=True)
class Outcome:
    """What was predicted: how many rows, and where labels were given, which predictions are right (N,), as 0 or 1, and the
    negative log-likelihood in nats, NaN for the hinge.
    """

    rows: int
    hits: UInt8[np.ndarray, " N"] | None
    negative_log_likelihood: float

    @property
    def accuracy(self) -> float:
        """The share of right predictions; NaN without labels."""
        return float("nan") if self.hits is None else float(self.hits.mean())

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the accuracy, lower and upper end; NaN without labels."""
        if self.hits is None:
            return float("nan"), float("nan")
        low, high = accuracy_intervals(self.hits[None], np.array([[self.accuracy]]))[0]
        return float(low), float(high)


def write_predictions(
    classifier: Classifier,
    blocks: Iterable[Rows],
    file: Any,
    *,
    id: str | None = None,
    proba: bool = False,
    on_rows: Callable[[int, float], None] = lambda rows, done: None,
) -> Outcome:
    """Writes a CSV file with a line for each row: its id if there are any, the prediction, and with `proba` the probabilities.

    **Arguments:**

    - `blocks`: as `read_rows` gives them.
    - `file`: a stream of text.
    - `id`: the name of the column of the ids.
    - `on_rows`: called after each block with the number of rows so far and the share that is done.

    Raises `InputError` for rows that cannot be classified, or if there are none.
    """
    schema, rows, hits, nats = classifier.schema, 0, [], 0.0
    texts, digits = [str(label) for label in schema.classes], DIGITS[classifier.W.dtype.name]
    writer = csv.writer(file, lineterminator="\n")
    header = [
        *([] if id is None else [id]),
        "prediction",
        *([f"p_{text}" for text in texts] if proba else []),
    ]
    for block in blocks:
        try:
            scores = classifier.decision_function(block.X)
            codes = None if block.label is None else encode_labels(block.label, schema.classes, len(scores))
        except InputError as error:
            raise type(error)(f"after {rows:,} rows: {error}" if rows else str(error)) from error
        predicted = scores.argmax(axis=1)
        if rows == 0:
            writer.writerow(header)
        columns = [] if block.id is None else [block.id]
        columns.append([texts[k] for k in predicted.tolist()])
        if proba:
            columns += [[format(p, digits) for p in column] for column in softmax(scores).T.tolist()]
        writer.writerows(zip(*columns, strict=True))
        if codes is not None:
            hits.append((predicted == codes).astype(np.uint8))
            nats -= float(log_softmax(scores)[np.arange(len(codes)), codes].sum(dtype=np.float64))
        rows += len(scores)
        on_rows(rows, block.done)
    if rows == 0:
        raise InputError("the data hold no rows")
    if not hits:
        return Outcome(rows, None, float("nan"))
    return Outcome(rows, np.concatenate(hits), nats / rows if classifier.kind == "softmax" else float("nan"))
