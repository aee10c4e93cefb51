"""A row for every published figure: the seed's, ours, how it is judged, and whether they agree."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from seeds import published, training
from seeds.agreement import Agreement, Chosen, central, chosen, inside
from seeds.examples import AddedPoint, Derivation, Noise, Slips
from seeds.measurements import Check, Measurements, check_lines, root_mean_square
from softjax import Dataset, SweepResult
from softjax.evaluation.intervals import prediction_intervals
from softjax.objective.config import Kind, PenaltyName

ENOUGH = 90  # cells inside of 100
YES, NO, OPEN = "yes", "**no**", "–"
EXACT = 1e-9  # a formula's largest difference from autodiff, relative, in float64


class Row(NamedTuple):
    """A line of the table."""

    seed: str
    figure: str
    theirs: str
    ours: str
    judged_by: str
    agrees: str


class Verdict(NamedTuple):
    """Our part of a row."""

    ours: str
    judged_by: str
    agrees: str


@dataclass(frozen=True)
class Findings:
    """Everything the run found."""

    dataset: Dataset
    results: Mapping[str, SweepResult]
    measurements: Measurements
    derivation: Derivation
    slips: Slips
    point: AddedPoint
    noise: Noise | None

    def agreement(self, stage: str, split: str) -> Agreement:
        """003's table against a stage's runs; `split` is train or val."""
        return Agreement(getattr(published.grid(), split), getattr(self.results[stage], f"{split}_accuracy"))

    def choice(self, stage: str) -> Chosen:
        """What each seed of a stage chooses by its validation accuracy."""
        result = self.results[stage]
        return chosen(result.val_accuracy, result.test_accuracy)

    def assignment(self, kind: Kind, penalty: PenaltyName) -> Chosen:
        """The same of 000's stages."""
        return self.choice(training.assignment(kind, penalty))

    @cached_property
    def near(self) -> Bool[np.ndarray, " C"]:
        """The cells of the wider grid whose mean rounds to 001's accuracy."""
        means = self.results[training.wide("softmax")].val_accuracy.mean(axis=1)
        close: Bool[np.ndarray, " C"] = np.abs(means - published.TUTORIAL_VALIDATION) < 0.005
        return close

    @cached_property
    def curves(self) -> dict[Kind, Float[np.ndarray, " T"]]:
        """001's loss curves, of the first seed in the first cell of everybody's grid."""
        kinds: tuple[Kind, ...] = ("softmax", "hinge")
        return {kind: self.results[training.curve(kind)].loss_history[0, 0] for kind in kinds}

    @property
    def curve_correlation(self) -> float:
        """Of the two, over the steps."""
        return float(np.corrcoef(self.curves["softmax"], self.curves["hinge"])[0, 1])

    @cached_property
    def template_correlation(self) -> Float[np.ndarray, " K"]:
        """Of each class's weights, softmax's best on the wider grid with the SVM's, without the bias."""
        ours, svm = (self.results[training.wide(kind)].best_weights[:-1].T for kind in ("softmax", "hinge"))
        return np.array([np.corrcoef(a, b)[0, 1] for a, b in zip(ours, svm, strict=True)])


def rows(findings: Findings) -> list[Row]:
    """The whole table. Raises `KeyError` where a published figure has no verdict."""
    verdicts = assignment(findings) | tutorial(findings) | derived(findings)
    verdicts |= notebook(findings) | grid(findings) | cells(findings)
    theirs = printed(findings.measurements)
    return [
        Row(figure.seed, figure.what, theirs.get(figure.key, figure.printed), *verdicts[figure.key])
        for figure in published.figures()
    ]


def printed(measurements: Measurements) -> dict[str, str]:
    """What is computed of the seeds' own numbers."""
    return {f"sizes-{check.reg:g}": f"{root_mean_square(quoted(check)):.3f}" for check in measurements.checks}


def quoted(check: Check) -> Float[np.ndarray, "n 3"]:
    """003's lines of that check."""
    return check_lines(published.CHECK_WITH if check.reg else published.CHECK_WITHOUT)


def assignment(findings: Findings) -> dict[str, Verdict]:
    """000."""
    softmax, svm = (findings.assignment(kind, "l2").val for kind in ("softmax", "hinge"))
    both = np.concatenate([softmax, findings.choice(training.FAITHFUL).val])
    slips = findings.slips
    return {
        "softmax": next_run(published.SOFTMAX_VALIDATION, softmax),
        "svm": next_run(published.SVM_VALIDATION, svm),
        "marginally-worse": next_run(published.SOFTMAX_VALIDATION - published.SVM_VALIDATION, softmax - svm),
        "notebook": next_run(published.NOTEBOOK_VALIDATION, softmax),
        "just-above": above(published.HINT, both, "runs of its grid and of 003's, the best of each"),
        "same-gradient": Verdict(
            f"Xᵀ(prediction − target)/N is both's, to {max(slips.cross_entropy_form, slips.squared_error_form):.0e}",
            "autodiff of both losses: true of the form; the predictions differ",
            yes(max(slips.cross_entropy_form, slips.squared_error_form) < EXACT),
        ),
    }


def tutorial(findings: Findings) -> dict[str, Verdict]:
    """001."""
    result, choice = findings.results[training.wide("softmax")], findings.choice(training.wide("softmax"))
    means = result.val_accuracy.mean(axis=1)
    closest = int(np.nanargmin(np.abs(means - published.TUTORIAL_VALIDATION)))
    slips, correlation = findings.slips, findings.template_correlation
    low, high = prediction_intervals(choice.val)
    return {
        "gradient-001": formula(findings.derivation.difference),
        "vectorized-001": Verdict(
            "1/m XᵀQ + λW",
            f"autodiff: λW is right to {slips.penalty_right:.0e}, λ ΣW is {slips.penalty_wrong:.0f} times its norm off",
            yes(slips.penalty_wrong < EXACT),
        ),
        "curve": Verdict(
            f"correlation {findings.curve_correlation:.4f}",
            "correlation over the steps, at least 0.99",
            yes(findings.curve_correlation >= 0.99),
        ),
        "tutorial": Verdict(
            f"{means[closest]:.4f} at lr {result.learning_rate[closest]:.3g}, reg {result.reg[closest]:.3g}",
            f"the mean of {findings.near.sum()} of {len(means)} cells of a wider grid rounds to it",
            yes(bool(findings.near.any())),
        ),
        "hope": Verdict(
            f"best of the wider grid: {spread(choice.val)}",
            f"95 % prediction interval {low:.3f} to {high:.3f} reaches it",
            yes(bool(high >= published.TUTORIAL_HOPE)),
        ),
        "templates": Verdict(
            f"correlation {correlation.mean():.2f} ({correlation.min():.2f} to {correlation.max():.2f})",
            "mean over the classes, at least 0.5",
            yes(bool(correlation.mean() >= 0.5)),
        ),
    }


def derived(findings: Findings) -> dict[str, Verdict]:
    """002."""
    derivation = findings.derivation
    scale = np.abs(derivation.autodiff).max()
    off = np.abs(derivation.equations - derivation.autodiff).max(axis=1) / scale
    return {
        "equation-2": formula(abs(derivation.loss - derivation.expanded) / derivation.loss),
        "equation-4": formula(float(off[0])),
        "equation-5": formula(float(off[1:].max())),
    }


def notebook(findings: Findings) -> dict[str, Verdict]:
    """003 without its grid."""
    measured, versus = findings.measurements, findings.measurements.versus
    losses = measured.initial.losses
    naive, vectorized = np.median(versus.naive), np.median(versus.vectorized)
    below = "printed with six decimals"
    machine = "another machine"
    verdicts = {
        "shapes": Verdict(measured.shapes, "the same", yes(measured.shapes == published.SHAPES)),
        "sanity": Verdict(
            f"{measured.initial.zero:.6f}",
            f"the loss at W = 0, {below}",
            yes(round(measured.initial.zero, 6) == published.SANITY_CHECK),
        ),
        "initial": next_run(published.INITIAL_LOSS, losses, over=f"{len(losses)} draws of W and examples"),
        "same-loss": Verdict(
            f"{versus.loss:.6e}, off by {versus.loss_difference:.0e}",
            f"the same, {below}; its size depends on W, see above",
            yes(versus.loss_difference < 5e-7),
        ),
        "loss-difference": Verdict(
            f"{versus.loss_difference:.6f}", below, yes(versus.loss_difference < 5e-7)
        ),
        "gradient-difference": Verdict(
            f"{versus.gradient_difference:.6f}", below, yes(versus.gradient_difference < 5e-7)
        ),
        "naive-time": Verdict(f"{naive:.6f}", machine, OPEN),
        "vectorized-time": Verdict(
            f"{vectorized:.6f}",
            f"{machine}: {published.NAIVE_SECONDS / published.VECTORIZED_SECONDS:.1f} times as fast as naive there, "
            f"{versus.ratio:.1f} here",
            OPEN,
        ),
    }
    for check in measured.checks:
        theirs, errors = quoted(check)[:, 2], check.errors
        smallest, largest = central(errors.min(axis=1)), central(errors.max(axis=1))
        verdicts[f"check-{check.reg:g}"] = Verdict(
            f"{check.naive[:, 2].min():.1e} to {check.naive[:, 2].max():.1e}",
            f"in 95 % of {len(errors)} repeats the least is {smallest[0]:.1e} to {smallest[1]:.1e}, "
            f"the largest {largest[0]:.1e} to {largest[1]:.1e}",
            yes(
                smallest[0] <= theirs.min() <= smallest[1] and largest[0] <= theirs.max() <= largest[1],
            ),
        )
        low, high = central(check.sizes)
        verdicts[f"sizes-{check.reg:g}"] = Verdict(
            f"{root_mean_square(check.naive):.3f}",
            f"in 95 % of {len(errors)} repeats {low:.3f} to {high:.3f}",
            yes(low <= float(root_mean_square(quoted(check))) <= high),
        )
    return verdicts


def grid(findings: Findings) -> dict[str, Verdict]:
    """003's grid as a whole."""
    choice = findings.choice(training.FAITHFUL)
    reg = findings.results[training.FAITHFUL].reg[choice.config]
    theirs = published.grid()
    best = float(theirs.reg[theirs.val.argmax()])

    def whole(split: str) -> Verdict:
        table = findings.agreement(training.FAITHFUL, split)
        held = len(table.inside) - table.misses
        digits = 4 if split == "train" else 3
        return Verdict(
            f"{table.mean.min():.{digits}f} to {table.mean.max():.{digits}f}, {held} of {len(table.inside)} inside",
            f"at least {ENOUGH} inside the 95 % prediction interval of their cell",
            yes(held >= ENOUGH),
        )

    return {
        "grid-train": whole("train"),
        "grid-val": whole("val"),
        "best": next_run(published.BEST_VALIDATION, choice.val),
        "where": Verdict(
            f"{np.median(reg):.0f}, median",
            f"{reg.min():.0f} to {reg.max():.0f} over {len(reg)} seeds",
            yes(bool(reg.min() <= best * (1 + 1e-5) and best * (1 - 1e-5) <= reg.max())),
        ),
        "test": next_run(published.BEST_TEST, choice.test),
        "over": above(published.HINT, choice.val, "runs of the grid, the best of each"),
    }


def cells(findings: Findings) -> dict[str, Verdict]:
    """003's grid cell by cell."""
    train, val = (findings.agreement(training.FAITHFUL, split) for split in ("train", "val"))

    def verdict(c: int) -> Verdict:
        both = (bool(train.inside[c]), bool(val.inside[c]))
        return Verdict(
            f"{train.mean[c]:.4f} ± {train.sd[c]:.4f}, {val.mean[c]:.4f} ± {val.sd[c]:.4f}",
            f"{ends(train.interval[c])}, {ends(val.interval[c])}",
            YES if all(both) else f"{yes(both[0])}, {yes(both[1])}",
        )

    return {f"cell-{c}": verdict(c) for c in range(len(train.published))}


def next_run(theirs: float, runs: Float[np.ndarray, " S"], over: str | None = None) -> Verdict:
    """Whether a published run lies in the prediction interval of ours."""
    interval = prediction_intervals(runs)
    return Verdict(
        spread(runs),
        f"95 % prediction interval {ends(interval)}, {over or f'{len(runs)} seeds'}",
        yes(bool(inside(np.array(theirs), interval))),
    )


def above(bound: float, runs: Float[np.ndarray, " S"], which: str) -> Verdict:
    """Whether a value above `bound` is had in any of our runs."""
    over = int((runs > bound).sum())
    return Verdict(f"up to {runs.max():.3f}", f"above it in {over} of {len(runs)} {which}", yes(over > 0))


def formula(difference: float) -> Verdict:
    """Whether a formula is what autodiff gives."""
    return Verdict("the same", f"autodiff in float64, off by {difference:.0e}", yes(difference < EXACT))


def spread(runs: Float[np.ndarray, " S"]) -> str:
    """Mean ± standard deviation."""
    sd = f" ± {runs.std(ddof=1):.4f}" if len(runs) > 1 else ""
    return f"{runs.mean():.4f}{sd}"


def ends(interval: Float[np.ndarray, " 2"]) -> str:
    """An interval in words."""
    return f"{interval[0]:.4f} to {interval[1]:.4f}"


def yes(agrees: bool) -> str:
    """As the table says it."""
    return YES if agrees else NO
