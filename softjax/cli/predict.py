"""softjax predict."""

import io
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from softjax.cli.console import say
from softjax.cli.interrupt import unwind
from softjax.cli.surroundings import start_jax
from softjax.errors import InputError
from softjax.progress import progress_bar

STANDARD_OUTPUT = Path("-")


@dataclass(frozen=True)
class Predict:
    """Classify the rows of a file with a saved classifier.

    A CSV file of predictions is written. Columns of CSV and Parquet files are matched by name with the classifier's
    features, in any order. The file may be larger than memory, unless it is a .npz file. Where labels are given, the
    accuracy is printed with its 95 % interval.

    Examples:
      softjax predict runs/digits-001 new.npy --out predictions.csv
      softjax predict classifier.npz rows.csv --id name --proba
      softjax predict classifier.npz test.parquet --label species --overwrite
      softjax predict classifier.npz rows.csv --ignore-extra --out - | head

    Attributes:
        classifier: The file of a classifier, or the folder of a report.
        data: The rows: .csv, .parquet, .npy (an array of features), or .npz (features in X, label and id in arrays of
            these names).
        out: The file that is written; - for standard output. It appears when it is whole.
        proba: Write the probability of each class too, in columns p_CLASS.
        label: The column of the right labels.
        id: A column that is written in front of each prediction.
        ignore_extra: Leave out columns that the classifier does not know.
        overwrite: Replace an earlier file of that name.
    """

    classifier: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="CLASSIFIER")]
    data: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="DATA")]
    out: Path = Path("predictions.csv")
    proba: bool = False
    label: Annotated[str | None, tyro.conf.arg(metavar="COLUMN")] = None
    id: Annotated[str | None, tyro.conf.arg(metavar="COLUMN")] = None
    ignore_extra: bool = False
    overwrite: bool = False

    def run(self, command: str, called: str) -> int:
        """Writes the predictions, and prints how good they are where labels are given."""
        self._check_out()
        start_jax()
        from softjax.classifier.classifier import load_classifier

        classifier = load_classifier(self.classifier)
        if self.proba and classifier.kind != "softmax":
            raise InputError(
                f"the {classifier.kind} loss gives scores, but no probabilities: leave out --proba"
            )
        if self.ignore_extra and classifier.feature_names is None:
            raise InputError(
                "the classifier has no names of features, so that none can be told from others: leave out --ignore-extra"
            )
        outcome = self._write(classifier)
        tell = say if self.out == STANDARD_OUTPUT else print
        if outcome.hits is not None:
            low, high = outcome.interval
            nats = outcome.negative_log_likelihood
            likelihood = "" if math.isnan(nats) else f", negative log-likelihood {nats:.4f} nats"
            tell(f"accuracy {outcome.accuracy:.4f} (95 % interval {low:.4f} to {high:.4f}){likelihood}")
        tell(f"predictions: {self.out} ({outcome.rows:,} rows)")
        return 0

    def _write(self, classifier: Any) -> Any:
        """Writes the predictions, with a progress bar, and returns their outcome."""
        from softjax.classifier.predictions import write_predictions
        from softjax.classifier.rows import Selection, read_rows
        from softjax.runs.files import raise_as_input_error, write_file

        schema = classifier.schema
        selection = Selection(schema.feature_names, schema.classes, self.label, self.id, self.ignore_extra)
        with unwind(), progress_bar(100, unit="%", desc="predicting") as bar:

            def show(rows: int, done: float) -> None:
                bar.set_postfix_str(f"{rows:,} rows", refresh=False)
                bar.update(int(100 * done) - bar.n)

            def write(file: Any) -> Any:
                blocks = read_rows(self.data, selection)
                return write_predictions(classifier, blocks, file, id=self.id, proba=self.proba, on_rows=show)

            if self.out == STANDARD_OUTPUT:
                return write(sys.stdout)
            found = []

            def write_bytes(file: Any) -> None:
                text = io.TextIOWrapper(file, "utf-8", "surrogateescape", newline="")
                found.append(write(text))
                text.flush()
                text.detach()

            with raise_as_input_error(f"{self.out} cannot be written"):
                self.out.absolute().parent.mkdir(parents=True, exist_ok=True)
                write_file(self.out, write_bytes)
            return found[0]

    def _check_out(self) -> None:
        """Raises `InputError` if the predictions cannot be written, before anything takes time."""
        if self.out == STANDARD_OUTPUT:
            return
        if self.out.is_dir():
            raise InputError(f"{self.out} is a folder: give --out the name of a file")
        if self.out.exists():
            for given in (self.data, self.classifier):
                if given.exists() and self.out.samefile(given):
                    raise InputError(f"--out {self.out} would replace {given}: give another --out")
            if not self.overwrite:
                raise InputError(f"{self.out} exists: give --overwrite to replace it, or another --out")
