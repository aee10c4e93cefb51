"""The report: its text, and a table with a row for every published figure, our figure, and whether they agree."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from reproduction.facts import ENOUGH, Facts
from reproduction.published import HERE, read_figures, read_grid
from reproduction.sweeps import Stage
from softjax.reports.markdown import fill, render, render_table, table

YES, NO, OPEN = "yes", "**no**", "–"
EXACT = 1e-9  # a formula's largest difference from autodiff, relative, in float64
SIX_DECIMALS = 5e-7
HEADER = ("account", "figure", "published", "ours", "judged by", "agrees")


class Row(NamedTuple):
    """A row of the table."""

    account: str
    figure: str
    theirs: str
    ours: str
    judged_by: str
    agrees: str


def judge(facts: Facts) -> dict[str, Any]:
    """Whether each published figure agrees with ours, by its key; None if it is not judged."""
    published = read_figures()
    versus, initial = facts["measurements"]["versus"], facts["measurements"]["initial"]
    reg = read_grid().reg[read_grid().val.argmax()]
    agrees = {
        "curve": facts["curve_correlation"] >= 0.99,
        "tutorial": facts["num_near"] > 0,
        "hope": facts["runs"]["hope"].high >= published["hope"].value,
        "templates": facts["correlation"]["mean"] >= 0.5,
        "shapes": facts["measurements"]["shapes"] == published["shapes"].printed,
        "sanity": round(initial["zero"], 6) == published["sanity"].value,
        "same-loss": versus["loss_difference"] < SIX_DECIMALS,
        "loss-difference": versus["loss_difference"] < SIX_DECIMALS,
        "gradient-difference": versus["gradient_difference"] < SIX_DECIMALS,
        "naive-time": None,
        "vectorized-time": None,
        "where": facts["chosen_reg"]["low"] <= reg * (1 + 1e-5)
        and reg * (1 - 1e-5) <= facts["chosen_reg"]["high"],
    }
    for key in ("softmax", "svm", "marginally-worse", "notebook", "initial", "best", "test"):
        agrees[key] = facts["runs"][key].low <= published[key].value <= facts["runs"][key].high
    for reg, (theirs, _, middle) in facts["checks"].items():
        held = [low <= value <= high for value, (low, high) in zip(theirs, middle, strict=True)]
        agrees |= {f"check-{reg}": held[0] and held[1], f"sizes-{reg}": held[2]}
    agrees |= {key: number > 0 for key, number in facts["num_above"].items()}
    agrees |= {key: off < EXACT for key, off in facts["off"].items()}
    return agrees | {f"grid-{split}": each.num_inside >= ENOUGH for split, each in facts["own"].items()}


def list_rows(facts: Facts) -> list[Row]:
    """The rows of the table; 003's cells are the last. Raises `KeyError` if a published figure has no verdict."""
    rows, agrees, tables = [], judge(facts), facts["own"].values()
    for key, figure in read_figures().items():
        ours, judged_by = (fill(text, **facts) for text in (figure.ours, figure.judged_by))
        verdict = OPEN if agrees[key] is None else YES if agrees[key] else NO
        rows.append(Row(figure.account, figure.figure, figure.printed, ours, judged_by, verdict))
    for c, (lr, reg, train, val) in enumerate(read_grid()):
        cell = f"lr {lr:.6e}, reg {reg:.6e}: train, validation accuracy"
        ours = ", ".join(f"{each.mean[c]:.4f} ± {each.sd[c]:.4f}" for each in tables)
        ends = ", ".join("{:.4f} to {:.4f}".format(*each.interval[c]) for each in tables)
        both = [YES if each.inside[c] else NO for each in tables]
        verdict = YES if both == [YES, YES] else ", ".join(both)
        rows.append(Row("003", cell, f"{train:.6f}, {val:.3f}", ours, ends, verdict))
    return rows


def write_readme(facts: Facts, rows: Sequence[Row], stages: Sequence[Stage], run: dict[str, Any]) -> str:
    """The text of README.md."""
    others = rows[: len(read_figures())]
    counts = Counter(row.agrees for row in others)
    named = "; ".join(f"{row.account}'s {row.figure} ({row.theirs})" for row in others if row.agrees == NO)
    sweeps = ({"stage": stage} for stage in stages)
    return render(
        HERE / "report.md",
        num_figures=len(others),
        counts=counts,
        differing=f"{counts[NO] or 'none'} disagree{'' if counts[NO] > 1 else 's'}{': ' + named if named else ''}",
        figures=table([HEADER, *others]),
        sweeps=render_table(HERE / "table_sweeps.md", sweeps),
        run=run,
        versions=", ".join(f"{name} {number}" for name, number in run["versions"].items()),
        **facts,
    )
