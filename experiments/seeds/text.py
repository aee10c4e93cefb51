"""The report's README: its frame, 003's grid and the table. Every number is computed by the run, or quoted from a seed."""

import numpy as np

from seeds import published, training
from seeds.agreement import PER_CENT_INSIDE, Agreement, neighbour_variances
from seeds.examples import JPEG_DECIBELS
from seeds.figures import ENOUGH, NO, OPEN, YES, Findings, Row, ends, spread
from seeds.sections import assignment, checks, corrections, questions, tutorial, worked_example
from softjax.evaluation.intervals import prediction_intervals
from softjax.reports.markdown import table


def readme(findings: Findings, rows: list[Row], how: str) -> str:
    """The whole text."""
    return "\n\n".join(
        [
            "# The seeds' figures, reproduced",
            opening(findings),
            short(findings, rows),
            grid(findings),
            by_chance(findings),
            checks(findings),
            questions(findings),
            assignment(findings),
            tutorial(findings),
            worked_example(findings),
            corrections(findings),
            everything(rows),
            how,
        ]
    )


def opening(findings: Findings) -> str:
    """What this is, and of which data."""
    data, noise = findings.dataset, findings.noise
    text = f"""Four published accounts of one exercise, the softmax classifier on CIFAR-10, report figures of one run each: a blog post of
2021 with results (**000**), a tutorial (**001**), a derivation of 2019 (**002**), and a notebook of 2024 with all of its
output (**003**). Here every one of their figures stands beside ours with its uncertainty: how much it moves in another run.

The data here are **{data.title}**: {len(data.train):,} training, {len(data.val):,} validation and {len(data.test):,} test examples."""
    if noise is None:
        return text
    return f"""{text[:-1]}: the images of CIFAR-10 in their published order,
every one of them re-encoded as a JPEG of quality 75. Re-encoding at that quality leaves an error of about {JPEG_DECIBELS:.0f} dB PSNR,
{noise.grey_levels:.0f} grey levels, the same one in every run of ours: what it changes is an offset, not a scatter. White noise as strong as that, added to
the validation images alone, changed {100 * noise.changed:.1f} % of a trained classifier's predictions and moved its accuracy by
{noise.accuracy_shift:+.4f} ± {noise.accuracy_sd:.4f} (mean ± standard deviation over draws), where another seed moves it by
± {np.median(findings.agreement(training.FAITHFUL, "val").sd):.4f}."""


def short(findings: Findings, rows: list[Row]) -> str:
    """The result in a paragraph and two pictures."""
    others = rows[: -len(published.grid().val)]
    verdicts = [row.agrees for row in others]
    differing = [f"{row.seed}'s {row.figure} ({row.theirs})" for row in others if row.agrees == NO]
    train, val = (findings.agreement(training.FAITHFUL, split) for split in ("train", "val"))
    C, S = train.runs.shape
    return f"""## In short

- Of the {len(verdicts)} figures besides the cells of 003's grid, {verdicts.count(YES)} agree, {verdicts.count(OPEN)} are times on another
  machine, and {len(differing) or "none"} {"does" if len(differing) == 1 else "do"} not agree{": " + "; ".join(differing) if differing else ""}. [The whole table](#every-figure).
- Of 003's {C} cells, the published train accuracy lies in the 95 % prediction interval of our {S} seeds in
  **{C - train.misses}**, the validation accuracy in **{C - val.misses}**; {PER_CENT_INSIDE:.0f} are expected.
- Ours less the published, mean over the cells: train {train.offset:+.4f}, validation {val.offset:+.4f}.

![Published accuracies against ours](cells.png)

![Published and reproduced accuracies as heat maps](heat_maps.png)"""


def grid(findings: Findings) -> str:
    """003's table, faithful and shared."""
    tables = {
        (stage, split): findings.agreement(stage, split)
        for stage in (training.FAITHFUL, training.SHARED)
        for split in ("train", "val")
    }
    names = {training.FAITHFUL: "independent", training.SHARED: "shared"}
    splits = {"train": "train", "val": "validation"}
    held = [
        (
            "minibatches", "accuracy", "published inside", "expected", "sd of a cell over the seeds, median",
            "offset, ours − published", "inside, less the offset", "scatter²",
        ),
        *(
            (
                names[stage],
                splits[split],
                f"{len(each.inside) - each.misses} of {len(each.inside)}",
                f"{PER_CENT_INSIDE:.0f}",
                f"{np.median(each.sd):.4f}",
                f"{each.offset:+.4f} ± {each.offset_error:.4f}",
                f"{each.inside_less_offset.sum()}",
                f"{each.scatter:.2f}",
            )
            for (stage, split), each in tables.items()
        ),
    ]  # fmt: skip
    train, val = (tables[training.FAITHFUL, split] for split in ("train", "val"))
    S = train.runs.shape[1]
    config = findings.results[training.FAITHFUL].config
    usual = f"{(S - 1) / (S - 3):.2f}" if S > 3 else "a few"
    return f"""## 003's grid

{len(config.learning_rates)} learning rates × {len(config.regs)} penalty strengths, {config.num_iters:,} steps of {config.batch_size} examples, initial weights
{config.init_scale:g} · normal, penalty reg ΣW²; {S} runs of each cell. *Independent*: every run has weights and minibatches of its own, as
in the notebook's loop; this is the comparison. The interval for one run more is mean ± t(0.975, {S - 1}) · sd · √(1 + 1/{S}). *Shared*: all
cells of a seed start alike and see the same minibatches, as `softjax sweep` does by default.

{table(held)}

The offset's ± is its standard error over the cells. Scatter²: the mean square of published + offset − mean, in units of what one
run more is to scatter by; about {usual} is expected of runs like ours.

### Do the misses come together?

{left_out(train, val, tables[training.SHARED, "train"], tables[training.SHARED, "val"])}
{explanation(train, val)}
### What sharing minibatches changes

{sharing(findings)}"""


def left_out(*tables: Agreement) -> str:
    """The misses of our own seeds, one left out at a time."""
    if tables[0].runs.shape[1] < 3:
        return "At least three seeds are needed to tell."
    names = ("independent, train", "independent, validation", "shared, train", "shared, validation")
    counted = [
        ("minibatches, accuracy", "misses of ours, mean", "sd", "sd if cells missed one by one", "most", "published", "share of seeds with as many"),
        *(
            (
                name,
                f"{each.misses_of_ours.mean():.1f}",
                f"{each.misses_of_ours.std(ddof=1):.1f}",
                f"{alone(each):.1f}",
                f"{each.misses_of_ours.max()}",
                f"{each.misses}",
                f"{each.rank:.2f}",
            )
            for name, each in zip(names, tables, strict=True)
        ),
    ]  # fmt: skip
    return f"""All cells are measured on the same {findings_images(tables[1])}, so whatever those images have in common moves all cells at once:
other pixels, as here, or other images. What another seed changes is told by our own: each seed is left out in turn, and its {len(tables[0].inside)}
cells are held against the intervals of the others.

{table(counted)}

The last column counts the published run among them. With shared minibatches the cells of a seed rise and fall together, and so do their misses."""


def findings_images(each: Agreement) -> str:
    """The validation images, in words, from the step of an accuracy."""
    steps = np.unique(np.round(np.diff(np.unique(each.runs)), 9))
    return f"{round(1 / steps[0]):,} validation images" if len(steps) else "validation images"


def alone(each: Agreement) -> float:
    """The standard deviation of a binomial count of our own mean number of misses."""
    share = each.misses_of_ours.mean() / len(each.inside)
    return float(np.sqrt(len(each.inside) * share * (1 - share)))


def explanation(*tables: Agreement) -> str:
    """What differs, where too few cells are inside."""
    few = [
        f"{name}: {each.misses} of {len(each.inside)} are outside; the published cells differ from ours by {-each.offset:+.4f} ± "
        f"{each.offset_error:.4f} on the whole, {abs(each.offset) / np.median(each.sd):.1f} times a cell's standard deviation over the seeds, and "
        f"{each.inside_less_offset.sum()} are inside without that common offset."
        for name, each in zip(("Train", "Validation"), tables, strict=True)
        if len(each.inside) - each.misses < ENOUGH
    ]
    return f"\nFewer than {ENOUGH} cells are inside. " + " ".join(few) + "\n" if few else ""


def sharing(findings: Findings) -> str:
    """Variances of differences between neighbouring cells."""
    lines = [("accuracy", "independent", "shared", "independent ÷ shared")]
    for split, name in (("train", "train"), ("val", "validation")):
        found = [
            neighbour_variances(getattr(findings.results[stage], f"{split}_accuracy"), published.GRID_SHAPE)
            for stage in (training.FAITHFUL, training.SHARED)
        ]
        own, common = (float(np.median(each)) for each in found)
        ratio = f"{own / common:.0f}" if common > 0 else "–"
        lines.append((name, f"{own:.2e}", f"{common:.2e}", ratio))
    pairs = len(found[0])
    shared, independent = (
        findings.results[name].val_accuracy for name in (training.SHARED, training.FAITHFUL)
    )
    moved = float(shared.mean() - independent.mean())
    return f"""The variance over the seeds of the difference between two neighbouring cells, the median of {pairs} pairs:

{table(lines)}

Over all cells the means over the seeds differ by {moved:+.4f} (shared less independent, validation). To see which of two cells is the better takes as
many times fewer seeds with shared minibatches."""


def by_chance(findings: Findings) -> str:
    """Selection."""
    choice = findings.choice(training.FAITHFUL)
    val = findings.results[training.FAITHFUL].val_accuracy
    means = val.mean(axis=1)
    S = len(choice.val)
    return f"""## The best of a hundred

003 reports the best validation accuracy of its grid, {published.BEST_VALIDATION:.3f}, and that classifier's test accuracy on the first 1,000
images, {published.BEST_TEST:.3f}. In {S} seeds of ours the best of the {len(means)} cells has {spread(choice.val)}
(95 % prediction interval {ends(prediction_intervals(choice.val))}), and the chosen one a test accuracy of {spread(choice.test)}
({ends(prediction_intervals(choice.test))}). A maximum of {len(means)} noisy numbers is no estimate of any of them: no cell's mean over the seeds is
above {means.max():.4f}, so choosing flatters by {choice.val.mean() - means.max():.4f} at least; and {len(np.unique(choice.config))} different cells were chosen in {S} seeds.

![What chance does to single figures](distributions.png)"""


def everything(rows: list[Row]) -> str:
    """The table."""
    header = ("seed", "figure", "the seed's", "ours", "judged by", "agrees")
    S_rows = [tuple(row) for row in rows]
    return f"""## Every figure

± is the standard deviation over runs, without the uncertainty of the mean. The 100 cells of 003's grid come last: train and validation accuracy, each with its 95 % prediction interval.
"yes": both inside.

{table([header, *S_rows])}

The same in [figures.csv](figures.csv); the cells with every statistic, independent and shared, in [cells.csv](cells.csv); all runs of all sweeps in [runs.csv](runs.csv); what was measured
besides in [measurements.json](measurements.json)."""
