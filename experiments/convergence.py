"""What the regularization path to convergence costs, against scikit-learn's LogisticRegression on the same objective.

    python experiments/convergence.py --data-dir DIR --overwrite

CIFAR-10's pixels, and a linear probe with many classes on features that are made here. Takes 20 to 40 minutes on two CPU
cores, nearly all of it scikit-learn's. Needs an idle machine.
"""

import json
import shlex
import sys
import time
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from jaxtyping import Float
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from softjax import (
    Dataset,
    InputError,
    PathConfig,
    PathResult,
    Split,
    SweepConfig,
    load_dataset,
    regularization_path,
)
from softjax.cli.console import progress_bar
from softjax.datasets.dataset import from_splits
from softjax.path.config import PathOrder
from softjax.ranges import format_range, parse_range
from softjax.reports import markdown, run_folder
from softjax.reports.environment import describe_environment, made_on


@dataclass(frozen=True)
class Config:
    """What to measure, and where the report goes."""

    dataset: str = "cifar10"
    """As for softjax sweep."""
    data_dir: Path | None = None
    """Folder of cifar10."""
    regs: tuple[float, ...] = parse_range("log:30:1e4:20")
    """Penalty strengths, for pixels as they are."""
    theirs: int = 20
    """How many of them, evenly spaced, scikit-learn is run for."""
    probe_examples: int = 100_000
    """The linear probe: training examples."""
    probe_features: int = 768
    """The linear probe: features."""
    probe_classes: int = 1000
    """The linear probe: classes."""
    probe_regs: tuple[float, ...] = parse_range("log:1e-5:1e-2:4")
    """The linear probe: penalty strengths."""
    out: Path = Path("reports/convergence")
    """Folder of the report."""
    overwrite: bool = False
    """Replace an earlier report there."""


@dataclass(frozen=True)
class Theirs:
    """One penalty strength by scikit-learn, and how far its minimum and ours lie apart."""

    reg: float
    seconds: float
    warm_seconds: float
    """started from the next larger one's weights"""
    iterations: int
    objective: float
    """in float64"""
    our_objective: float
    weights_apart: float
    """‖W − W'‖ / ‖W'‖"""


def main(config: Config) -> None:
    run_folder.check_free(config.out, config.overwrite)
    dataset = load_dataset(config.dataset, config.data_dir)
    sweep_config = SweepConfig(regs=config.regs)
    picked = np.linspace(0, len(config.regs) - 1, config.theirs).round().astype(int)
    orders: tuple[PathOrder, ...] = ("together", "warm")
    with progress_bar(3 * len(orders) + len(picked) + 1, unit="run", desc="minimizing") as bar:
        ours: dict[str, list[PathResult]] = {order: [] for order in orders}

        def one_round() -> None:
            for order in orders:
                ours[order].append(regularization_path(dataset, sweep_config, PathConfig(path=order)))
                bar.update()

        one_round()
        theirs: list[Theirs] = []
        for k, each in enumerate(by_scikit_learn(dataset, ours["together"][0], picked)):
            theirs.append(each)
            bar.update()
            if k == len(picked) // 2:
                one_round()
        one_round()
        bar.set_postfix_str("linear probe")
        probe_dataset = features(config)
        probe = regularization_path(probe_dataset, SweepConfig(regs=config.probe_regs, penalty="half_l2"))
        bar.update()
    write(config, dataset, ours, theirs, probe_dataset, probe)
    print(f"report: {config.out / 'README.md'}")


def by_scikit_learn(dataset: Dataset, ours: PathResult, picked: np.ndarray) -> Iterator[Theirs]:
    """The same minima by LogisticRegression, cold and warm, from the largest penalty strength on.

    It minimizes C Σ ℓ + ½ ΣW². Pixels are centred and divided by their overall standard deviation σ, for which its solver
    is the faster, so that C = σ² / (2 N reg); the bias is a column, 1/σ, penalized like the rest. float32, its default
    tolerance.
    """
    X, y = dataset.train.X, dataset.train.y
    mean = X.mean(axis=0, dtype=np.float64)
    sigma = float(np.sqrt(np.mean([np.var(X[i : i + 1000] - mean) for i in range(0, len(X), 1000)])))
    ready = np.empty((len(X), X.shape[1] + 1), np.float32)
    for i in range(0, len(X), 1000):
        ready[i : i + 1000, :-1] = (X[i : i + 1000] - mean) / sigma
    ready[:, -1] = 1 / sigma
    warm = LogisticRegression(fit_intercept=False, warm_start=True, max_iter=10_000)
    for r in sorted(picked, key=lambda r: -ours.reg[r]):
        C = sigma**2 / (2 * len(y) * ours.reg[r])
        cold = LogisticRegression(C=C, fit_intercept=False, max_iter=10_000)
        seconds = []
        for model in (cold, warm.set_params(C=C)):
            start = time.perf_counter()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)  # the table shows the objective
                model.fit(ready, y)
            seconds.append(time.perf_counter() - start)
        W = cold.coef_.T.astype(np.float64) / sigma
        own = ours.weights[r].astype(np.float64)
        yield Theirs(
            float(ours.reg[r]),
            seconds[0],
            seconds[1],
            int(cold.n_iter_[0]),
            objective(W, ready, y, ours.reg[r], sigma),
            objective(own, ready, y, ours.reg[r], sigma),
            float(np.linalg.norm(own - W) / np.linalg.norm(W)),
        )


def objective(
    W: Float[np.ndarray, "D K"], X: Float[np.ndarray, "N D"], y: np.ndarray, reg: float, sigma: float
) -> float:
    """Mean cross-entropy and reg ΣW², of weights for σ times the features, in float64."""
    total = 0.0
    for i in range(0, len(X), 1000):
        s = sigma * (X[i : i + 1000].astype(np.float64) @ W)
        s -= s.max(axis=1, keepdims=True)
        label = np.take_along_axis(s, y[i : i + 1000, None].astype(int), axis=1)[:, 0]
        total += (np.log(np.exp(s).sum(axis=1)) - label).sum()
    return float(total / len(X) + reg * (W**2).sum())


def features(config: Config) -> Dataset:
    """Features like a network's: classes in overlapping clouds, a few directions much wider than the rest."""
    rng = np.random.default_rng(0)
    K, F = config.probe_classes, config.probe_features
    spectrum = (np.arange(1, F + 1) ** -0.5).astype(np.float32)
    centers = rng.standard_normal((K, F), np.float32) * spectrum
    rotation = np.linalg.qr(rng.standard_normal((F, F), np.float32))[0]

    def split(num_examples: int) -> Split:
        y = rng.permutation(np.arange(num_examples, dtype=np.int32) % K)
        noise = 2.5 * rng.standard_normal((num_examples, F), np.float32) * spectrum
        return Split((centers[y] + noise) @ rotation, y)

    held_out = max(config.probe_examples // 20, K)
    title = f"made features ({config.probe_examples:,} × {F:,}, {K:,} classes)"
    return from_splits("features", title, (split(config.probe_examples), split(held_out), split(held_out)))


def write(
    config: Config,
    dataset: Dataset,
    ours: dict[str, list[PathResult]],
    theirs: list[Theirs],
    probe_dataset: Dataset,
    probe: PathResult,
) -> None:
    totals = {order: [total(result) for result in results] for order, results in ours.items()}
    medians = {order: float(np.median(values)) for order, values in totals.items()}
    best_order = min(medians, key=lambda order: medians[order])
    environment = describe_environment()
    environment["versions"]["scikit-learn"] = version("scikit-learn")
    run = {
        "command": shlex.join(["python", "experiments/convergence.py", *sys.argv[1:]]),
        "config": asdict(config) | {"data_dir": None, "out": str(config.out)},
        "dataset": {"title": dataset.title, "fingerprint": dataset.fingerprint},
        "seconds": {order: [asdict(each.seconds) for each in results] for order, results in ours.items()},
        "scikit_learn": [asdict(each) for each in theirs],
        "probe": asdict(probe.seconds)
        | {
            name: getattr(probe, name).tolist()
            for name in (
                "reg",
                "iterations",
                "evaluations",
                "objective",
                "gap",
                "val_accuracy",
                "test_accuracy",
            )
        },
        **environment,
    }
    with run_folder.report_folder(config.out, config.overwrite) as folder:
        (folder / "run.json").write_text(json.dumps(run, indent=2, ensure_ascii=False) + "\n")
        (folder / "README.md").write_text(
            readme(config, dataset, ours, medians, best_order, theirs, probe_dataset, probe, run)
        )


def total(result: PathResult) -> float:
    """Seconds for principal axes, compilation and minimization."""
    return result.seconds.axes + result.seconds.compile + result.seconds.solve


def readme(
    config: Config,
    dataset: Dataset,
    ours: dict[str, list[PathResult]],
    medians: dict[str, float],
    best_order: str,
    theirs: list[Theirs],
    probe_dataset: Dataset,
    probe: PathResult,
    run: dict[str, Any],
) -> str:
    cold, warm = (sum(getattr(each, name) for each in theirs) for name in ("seconds", "warm_seconds"))
    scale = len(config.regs) / len(theirs)
    ways: list[tuple[str, ...]] = [
        ("way", "seconds", "of the fastest", "iterations, median", "evaluations, sum")
    ]
    for order, results in ours.items():
        text = {"together": "softjax, all at once", "warm": "softjax, in batches, each from the one before"}[
            order
        ]
        ways.append(
            (
                text,
                f"{medians[order]:.1f} (" + ", ".join(f"{total(each):.1f}" for each in results) + ")",
                f"{medians[order] / medians[best_order]:.2f}",
                f"{np.median(results[0].iterations):.0f}",
                f"{results[0].evaluations.sum():,}",
            )
        )
    of = "" if scale == 1 else f", {scale:g} times that of {len(theirs)} strengths"
    for text, value in (
        ("scikit-learn, each from 0", cold),
        ("scikit-learn, each from the one before", warm),
    ):
        ways.append(
            (
                f"{text}{of}",
                f"{scale * value:.0f}",
                f"{scale * value / medians[best_order]:.1f}",
                f"{np.median([each.iterations for each in theirs]):.0f}" if text.endswith("0") else "",
                "",
            )
        )
    lines: list[tuple[str, ...]] = [
        (
            "reg",
            "scikit-learn, s",
            "warm, s",
            "its iterations",
            "objective, its",
            "ours less its, relative",
            "weights apart",
        )
    ]
    for each in sorted(theirs, key=lambda each: each.reg):
        lines.append(
            (
                f"{each.reg:.4g}",
                f"{each.seconds:.1f}",
                f"{each.warm_seconds:.1f}",
                str(each.iterations),
                f"{each.objective:.7f}",
                f"{each.our_objective / each.objective - 1:.1e}",
                f"{each.weights_apart:.1e}",
            )
        )
    probes: list[tuple[str, ...]] = [
        (
            "reg (½ reg ΣW²)",
            "iterations",
            "evaluations",
            "objective",
            "gap",
            "validation accuracy",
            "test accuracy",
        )
    ]
    for r in range(len(probe.reg)):
        probes.append(
            (
                f"{probe.reg[r]:.3g}",
                str(probe.iterations[r]),
                str(probe.evaluations[r]),
                f"{probe.objective[r]:.6f}",
                f"{probe.gap[r]:.1e}",
                f"{probe.val_accuracy[r]:.4f}",
                f"{probe.test_accuracy[r]:.4f}",
            )
        )
    flops = 4 * len(probe_dataset.train) * (probe_dataset.num_features + 1) * probe_dataset.num_classes
    rate = flops * int(probe.evaluations.sum()) / probe.seconds.solve
    apart = max(each.our_objective / each.objective - 1 for each in theirs)
    below = "nowhere below ours" if apart <= 0 else f"below ours by {apart:.0e} of it at most"
    nearest = max(each.weights_apart for each in theirs)
    how = [
        ("", ""),
        ("data", f"{dataset.title}: {len(dataset.train):,} training examples, D = {dataset.num_features + 1:,}, K = "
                 f"{dataset.num_classes}; {probe_dataset.title}"),
        ("penalty strengths", f"{format_range(config.regs)}, penalty reg ΣW², the bias's too"),
        ("precision", "float32, both"),
        *made_on(run),
    ]  # fmt: skip
    return f"""# To convergence: what a regularization path costs

{len(config.regs)} penalty strengths on {dataset.title}, {len(dataset.train):,} × {
        dataset.num_features:,}, to a gap of {PathConfig().tolerance:g}: softjax takes {
        medians[best_order]:.1f} s, scikit-learn's LogisticRegression {
        cold * scale / medians[best_order]:.1f} times as long, and {
        warm * scale / medians[best_order]:.1f} times where each
strength starts from the one before. Its objective is {below}, and the
weights differ by at most {nearest:.0e} of their norm.

{markdown.table(ways)}

softjax's seconds are for principal axes, compilation and minimization, medians of three runs (all in brackets), before,
amid and after scikit-learn's. An evaluation is one pass over the training examples for objective and gradient.

{markdown.table(lines)}

Objectives are evaluated in float64.

## A linear probe

{probe_dataset.title}: {len(config.probe_regs)} penalty strengths took {total(probe):.0f} s ({
        probe.order
    }; axes {probe.seconds.axes:.1f} s, compilation {probe.seconds.compile:.1f} s, minimization {
        probe.seconds.solve:.0f} s), {probe.seconds.solve / len(config.probe_regs):.0f} s each. {
        int(probe.evaluations.sum())
    } passes over the examples at {flops / 1e9:,.0f} GFLOP each: {rate / 1e9:.0f} GFLOP/s of matrix products.

{markdown.table(probes)}

## How it was made

    {run["command"]}

{markdown.table(how)}
"""


if __name__ == "__main__":
    try:
        main(tyro.cli(Config, description=__doc__))
    except InputError as error:
        sys.exit(f"error: {error}")
