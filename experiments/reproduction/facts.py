"""The values in the report's texts. figures.csv and the Markdown files in this folder refer to them by name."""

from collections.abc import Mapping
from itertools import product
from typing import Any

import numpy as np
from jaxtyping import Float

from reproduction import measurements
from reproduction.agreement import Agreement, choose, compare, compare_neighbours, summarize
from reproduction.published import HERE, LEARNING_RATES, REGS, read_checks, read_figures, read_grid
from reproduction.sweeps import INDEPENDENT, KINDS, PENALTIES, SHARED, name_assignment
from softjax import Dataset, SweepResult
from softjax.reports.markdown import render, render_table, table

Facts = dict[str, Any]
ENOUGH = 90  # cells inside of 100
WAYS = {INDEPENDENT: "independent", SHARED: "shared"}
SPLITS = {"train": "train", "val": "validation"}
TEMPLATES = "\n\n![Softmax's class templates](templates_softmax.png)\n\n![The SVM's class templates](templates_svm.png)"


def gather(dataset: Dataset, results: Mapping[str, SweepResult], measured: Mapping[str, Any]) -> Facts:
    """All values for the texts, from the results of the sweeps (by name) and from the other measurements."""
    facts = {
        "dataset": dataset,
        "sizes": {split: len(getattr(dataset, split)) for split in ("train", "val", "test")},
        "D": dataset.num_features + 1,
        "K": dataset.num_classes,
        "log_K": np.log(dataset.num_classes),
        "results": results,
        "published": read_figures(),
        "course": measurements,
        **measured,
    }
    for find in (summarize_runs, compare_grid, explain_penalty, compare_curves, scan_wide_grid):
        facts |= find(facts)
    for find in (check_formulas, check_gradients, compare_times, answer_questions):
        facts |= find(facts)
    noise = facts["pixel_noise"]
    jpeg = noise and render(HERE / "jpeg.md", per_cent=100 * noise["changed"], **facts).rstrip("\n")
    return facts | {"re_encoded": jpeg or "."}


def summarize_runs(facts: Facts) -> Facts:
    """What each seed chooses from 000's grids, from 003's grid and from the wider grid; and the losses at random W."""
    results = facts["results"]
    grid, wide = choose(results[INDEPENDENT]), choose(results["wide-softmax"])
    softmax, svm = (choose(results[name_assignment(kind, "l2")]).val for kind in KINDS)
    runs = {
        "softmax": softmax,
        "svm": svm,
        "marginally-worse": softmax - svm,
        "notebook": softmax,
        "initial": np.array(facts["measurements"]["initial"]["losses"]),
        "best": grid.val,
        "test": grid.test,
        "hope": wide.val,
        "wide-test": wide.test,
    }
    bests = {"just-above": np.concatenate([softmax, grid.val]), "over": grid.val}
    highest = results[INDEPENDENT].val_accuracy.mean(axis=1).max()
    reg = results[INDEPENDENT].reg[grid.config]
    return {
        "runs": {key: summarize(values) for key, values in runs.items()},
        "num_seeds": len(softmax),
        "highest": {key: values.max() for key, values in bests.items()} | {"mean": highest},
        "num_bests": {key: len(values) for key, values in bests.items()},
        "num_above": {key: (values > read_figures()[key].value).sum() for key, values in bests.items()},
        "flattery": grid.val.mean() - highest,
        "num_chosen": len(np.unique(grid.config)),
        "chosen_reg": {"low": reg.min(), "median": np.median(reg), "high": reg.max()},
    }


def compare_grid(facts: Facts) -> Facts:
    """003's grid, with independent and with shared minibatches."""
    tables: dict[str, dict[str, Agreement]] = {}
    rows: list[Facts] = []
    for way, name in WAYS.items():
        runs = {split: getattr(facts["results"][way], f"{split}_accuracy") for split in SPLITS}
        tables[way] = {split: compare(np.array(read_grid()[split]), runs[split]) for split in SPLITS}
        rows += [{"minibatches": name, "split": SPLITS[s], "each": each} for s, each in tables[way].items()]
    S, own = facts["num_seeds"], tables[INDEPENDENT]
    means = {way: facts["results"][way].val_accuracy.mean() for way in WAYS}
    return {
        "tables": tables,
        "own": own,
        "ranges": {split: (each.mean.min(), each.mean.max()) for split, each in own.items()},
        "grid": render_table(HERE / "table_grid.md", rows),
        "freedom": S - 1,
        "usual": f"{(S - 1) / (S - 3):.2f}" if S > 3 else "a small number",
        "misses": count_misses(rows, len(facts["dataset"].val)),
        "explanation": explain_misses(own),
        "variances": {split: compare_variances(facts, split) for split in SPLITS},
        "moved": means[SHARED] - means[INDEPENDENT],
    }


def count_misses(rows: list[Facts], num_images: int) -> str:
    """The text on the misses of our own seeds, each left out in turn, and on their spread if cells were independent (binomial)."""
    for row in rows:
        ours, C = row["each"].misses_of_ours, len(row["each"].inside)
        if not len(ours):
            return "At least three seeds are needed to answer this question."
        row |= {"mean": ours.mean(), "sd": ours.std(ddof=1), "most": ours.max()}
        row["sd_alone"] = np.sqrt(ours.mean() * (1 - ours.mean() / C))
    table = render_table(HERE / "table_misses.md", rows)
    return render(HERE / "misses.md", images=num_images, table=table).rstrip("\n")


def explain_misses(tables: dict[str, Agreement]) -> str:
    """A text on the offset of each split in which too few cells are inside."""
    few = []
    for split, each in tables.items():
        if each.num_inside < ENOUGH:
            values = {"name": SPLITS[split].capitalize(), "share": abs(each.offset) / each.median_sd}
            few.append(render(HERE / "offset.md", each=each, minus=-each.offset, **values).rstrip("\n"))
    return f"\nFewer than {ENOUGH} of the 100 cells are inside. {' '.join(few)}\n" if few else ""


def compare_variances(facts: Facts, split: str) -> tuple[float, float, str]:
    """The median variance of the difference between neighbouring cells: independent, shared, and their ratio."""
    accuracies = [getattr(facts["results"][way], f"{split}_accuracy") for way in WAYS]
    shape = len(LEARNING_RATES), len(REGS)
    own, common = (float(np.median(compare_neighbours(each, shape))) for each in accuracies)
    return own, common, f"{own / common:.0f}" if common > 0 else "–"


def compare_curves(facts: Facts) -> Facts:
    """001's loss curves, and the penalty of the initial weights, which makes up most of the fall of the curves."""
    config, data = facts["results"]["curve-softmax"].config, facts["dataset"]
    curves = {kind: facts["results"][f"curve-{kind}"].loss_history[0, 0] for kind in KINDS}
    lr, reg, scale = config.learning_rates[0], config.regs[0], config.init_scale
    return {
        "curves": curves,
        "curve_correlation": np.corrcoef(curves["softmax"], curves["hinge"])[0, 1],
        "first": {"lr": lr, "reg": reg, "scale": scale},
        "penalty": 0.5 * reg * scale**2 * (data.num_features + 1) * data.num_classes,
        "halves": np.log(2) / (2 * lr * reg),
    }


def scan_wide_grid(facts: Facts) -> Facts:
    """The accuracies and weights of the wider grid, for comparison with 001's."""
    result, svm = (facts["results"][f"wide-{kind}"] for kind in KINDS)
    rates, regs, means = result.config.learning_rates, result.config.regs, result.val_accuracy.mean(axis=1)
    off = np.abs(means - read_figures()["tutorial"].value)
    near, closest, where = off < 0.005, np.nanargmin(off), ""  # rounds to it
    if near.any():
        lr, reg = result.learning_rate[near], result.reg[near]
        where = f"They lie at lr {lr.min():.2g} to {lr.max():.2g} and reg {reg.min():.3g} to {reg.max():.3g}."
    cells = [f"**{mean:.3f}**" if held else f"{mean:.3f}" for mean, held in zip(means, near, strict=True)]
    lines = [("lr \\ reg", *(f"{reg:.3g}" for reg in regs))]
    lines += [(f"{lr:.2g}", *cells[k * len(regs) :][: len(regs)]) for k, lr in enumerate(rates)]
    pairs = zip(result.best_weights[:-1].T, svm.best_weights[:-1].T, strict=True)  # without the bias
    correlations = np.array([np.corrcoef(*pair)[0, 1] for pair in pairs])
    return {
        "closest": {"mean": means[closest], "lr": result.learning_rate[closest], "reg": result.reg[closest]},
        "num_near": near.sum(),
        "cells_have": "cell has" if near.sum() == 1 else "cells have",
        "where": where,
        "wide_grid": table(lines),
        "wide_highest": means.max(),
        "ends": (rates[0], rates[-1], regs[0], regs[-1]),
        "svm": (svm.learning_rate[svm.best], svm.reg[svm.best], svm.val_accuracy[svm.best].mean()),
        "correlation": {"mean": correlations.mean(), "low": correlations.min(), "high": correlations.max()},
        "templates": TEMPLATES if facts["dataset"].image_shape is not None else "",
    }


def check_gradients(facts: Facts) -> Facts:
    """003's gradient checks, ours, and the range of the middle 95 % of our repeats, each as `describe_check` returns it."""
    compared, texts, smaller = {}, [], []
    for check in facts["measurements"]["checks"]:
        reg, ours, repeats = check["reg"], np.array(check["naive"]), np.array(check["repeats"])
        theirs, errors = read_checks()[reg], repeats[..., 2]
        middle = [np.quantile(values, (0.025, 0.975)) for values in describe_check(repeats)]
        compared[int(reg)] = (describe_check(theirs), describe_check(ours), middle)
        lines = [{"theirs": line, "ours": our_line} for line, our_line in zip(theirs, ours, strict=True)]
        values = {"lines": render_table(HERE / "table_check.md", lines), "errors": errors, "check": check}
        title = f"Reg {reg:g}" if reg else "Without penalty"
        texts.append(render(HERE / "check.md", title=title, median=np.median(errors), **values))
        smaller.append(np.median(errors[0]) / check["smaller_step"])
    return {
        "checks": compared,
        "check_texts": "\n".join(texts).rstrip("\n"),
        "smaller": min(smaller),
        "num_repeats": len(repeats),
        "num_development": min(measurements.NUM_DEVELOPMENT, facts["sizes"]["train"]),
    }


def describe_check(lines: Float[np.ndarray, "... n 3"]) -> tuple[Any, Any, Any]:
    """The smallest and the largest relative error, and the root mean square of the analytic derivatives."""
    errors = lines[..., 2]
    return errors.min(axis=-1), errors.max(axis=-1), np.sqrt((lines[..., 1] ** 2).mean(axis=-1))


def check_formulas(facts: Facts) -> Facts:
    """The differences between formulas and autodiff; 002's example, and 001's comment applied to it."""
    found = {name: np.array(value) for name, value in facts["derivation"].items()}
    corrections, p = facts["corrections"], found["p"]
    classes = np.abs(found["equations"] - found["autodiff"]).max(axis=1) / np.abs(found["autodiff"]).max()
    return {
        "off": {
            "gradient-001": classes.max(),
            "vectorized-001": corrections["penalty_wrong"],
            "equation-2": abs(found["loss"] - found["expanded"]) / found["loss"],
            "equation-4": classes[0],
            "equation-5": classes[1:].max(),
            "same-gradient": max(corrections["cross_entropy_form"], corrections["squared_error_form"]),
        },
        "minus_f": -found["f"][0],
        "bias": (found["equations"][:, -1], found["autodiff"][:, -1]),
        "num_entries": found["equations"].size,
        "comment": (p[0] * (1 + p[0]), p[0] * p[1]),
        "quotient": (p[0] * (1 - p[0]), -p[0] * p[1]),
        "of_loss": -found["jacobian"][0] / p[0],
    }


def compare_times(facts: Facts) -> Facts:
    """The median times, and how many times as fast as the loops each way is."""
    versus = facts["measurements"]["versus"]
    ours = {way: np.median(versus[way]) for way in ("naive", "vectorized", "jax")}
    theirs = {way: read_figures()[f"{way}-time"].value for way in ("naive", "vectorized")}
    return {
        "turns": {way: len(versus[way]) for way in ours},
        "seconds": ours,
        "our_ms": {way: 1e3 * median for way, median in ours.items()},
        "their_ms": {way: 1e3 * seconds for way, seconds in theirs.items()},
        "our_ratios": {way: ours["naive"] / median for way, median in ours.items()},
        "their_ratio": theirs["naive"] / theirs["vectorized"],
    }


def answer_questions(facts: Facts) -> Facts:
    """The values for 003's second inline question."""
    point = facts["added_point"]
    n, factor = point["num_examples"], point["factor"]
    changes = [after - before for before, after in (point["svm"], point["softmax"])]
    return {
        "as_it_is": "unchanged" if factor == 1 else f"with its features multiplied by {factor:.2g}",
        "one_more": n + 1,
        "changes": [f"{change:.6f}" if abs(change) > 1e-9 else "0" for change in changes],
        "mean_losses": (point["svm"][0] / n, point["svm"][1] / (n + 1)),
    }


def explain_penalty(facts: Facts) -> Facts:
    """000's accuracy with each penalty, and the prior that each penalty corresponds to."""
    rows = []
    for (kind, loss), (penalty, name) in product(KINDS.items(), PENALTIES.items()):
        theirs = read_figures()[loss.lower()].value
        ours = summarize(choose(facts["results"][name_assignment(kind, penalty)]).val)
        inside = "yes" if ours.low <= theirs <= ours.high else "no"
        rows.append({"loss": loss, "penalty": name, "theirs": theirs, "ours": ours, "inside": inside})
    weights = facts["results"][INDEPENDENT].best_weights.astype(np.float64)
    sigma = 1 / np.sqrt(2 * len(facts["dataset"].train) * REGS[0])
    sigmas = {"l2": sigma, "half_l2": np.sqrt(2) * sigma, "weights": np.sqrt((weights**2).mean())}
    return {"assignment": render_table(HERE / "table_assignment.md", rows), "sigmas": sigmas}
