"""The report of a cross-validation counts the examples that were trained on, and has the accuracy of each fold."""

import csv

import pytest

from softjax import cli


@pytest.mark.usefixtures("without_pictures")
@pytest.mark.parametrize(
    ("options", "rows"),
    [
        ("--learning-rates 0.01,0.1 --regs 0.01 --num-iters 5 --num-seeds 2", 2 * 2 * 3),
        ("--converge --regs 0.01,1", 2 * 3),
    ],
    ids=["sweep", "path"],
)
def test_a_report_says_what_was_cross_validated(tmp_path, capsys, options, rows):
    out = tmp_path / "out"
    assert cli.main(["sweep", *options.split(), "--folds", "3", "--out", str(out)]) == 0
    text = (out / "README.md").read_text()
    assert "training accuracy (1,527 examples" in text  # 1,257 and 270
    assert "cross-validation accuracy (1,527 examples" in text
    assert "the highest cross-validation accuracy" in text
    assert "difference in cross-validation accuracy" in " ".join(text.split())
    assert "| cross-validation accuracy |" in text  # the table's header
    assert "test accuracy (270 examples" in text
    with (out / "folds.csv").open(newline="") as file:
        found = list(csv.DictReader(file))
    assert len(found) == rows
    assert {row["fold"] for row in found} == {"0", "1", "2"}
