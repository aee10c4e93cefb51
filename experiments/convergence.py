"""Times the regularization path to convergence, and compares it with scikit-learn's LogisticRegression on the same objective.

    python experiments/convergence.py --data-dir DIR --overwrite

The data are CIFAR-10's pixels, and random features for a linear probe with many classes. It takes 20 to 40 minutes on two
CPU cores; scikit-learn takes nearly all of this time. The machine must be idle.
"""

import time
import warnings
from dataclasses import asdict, dataclass, fields
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from harness import DatasetOptions, Experiment, run_experiment
from jaxtyping import Float, Int
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from softjax import Dataset, PathConfig, PathResult, Split, SweepConfig, regularization_path
from softjax.cli.console import progress_bar
from softjax.datasets.dataset import build_dataset
from softjax.path.config import PathOrder
from softjax.path.result import PathSeconds
from softjax.ranges import format_range, parse_range
from softjax.reports import markdown
from softjax.reports.environment import environment_rows

ORDERS: tuple[PathOrder, ...] = ("together", "warm")
ROWS = 1000  # examples at a time, in float64


@dataclass(frozen=True)
class ConvergenceOptions(DatasetOptions):
    """The options: what is measured, and the folder of the report."""

    out: Path = Path("reports/convergence")
    """Folder of the report."""
    regs: tuple[float, ...] = parse_range("log:30:1e4:20")
    """Penalty strengths for the unscaled pixels."""
    theirs: int = 20
    """Number of these strengths, evenly spaced, for which scikit-learn runs."""
    probe_examples: int = 100_000
    """Number of training examples of the linear probe."""
    probe_features: int = 768
    """Number of features of the linear probe."""
    probe_classes: int = 1000
    """Number of classes of the linear probe."""
    probe_regs: tuple[float, ...] = parse_range("log:1e-5:1e-2:4")
    """Penalty strengths of the linear probe."""


@dataclass(frozen=True)
class TimedPath:
    """A whole path by softjax, and its time. The arrays are those of `softjax.PathResult`."""

    order: str
    seconds: PathSeconds
    reg: Float[np.ndarray, " R"]
    iterations: Int[np.ndarray, " R"]
    evaluations: Int[np.ndarray, " R"]
    objective: Float[np.ndarray, " R"]
    gap: Float[np.ndarray, " R"]
    val_accuracy: Float[np.ndarray, " R"]
    test_accuracy: Float[np.ndarray, " R"]

    @property
    def total(self) -> float:
        """Seconds for principal axes, compilation and minimization."""
        return self.seconds.axes + self.seconds.compile + self.seconds.solve


@dataclass(frozen=True)
class TheirMinimum:
    """scikit-learn's minimum for one penalty strength, and its distance from ours."""

    reg: float
    seconds: float
    warm_seconds: float
    """seconds if it starts from the weights of the next larger strength"""
    iterations: int
    objective: float
    """in float64"""
    our_objective: float
    weights_apart: float
    """‖W − W'‖ / ‖W'‖"""


@dataclass(frozen=True)
class Timings:
    """All times on the pixels: three rounds of softjax in two orders, and scikit-learn's strengths, the largest first."""

    dataset: Dataset
    ours: dict[str, list[TimedPath]]
    theirs: list[TheirMinimum]

    @property
    def medians(self) -> dict[str, float]:
        """Seconds of each order."""
        return {order: float(np.median([path.total for path in paths])) for order, paths in self.ours.items()}

    @property
    def fastest(self) -> float:
        """Seconds of the faster order."""
        return min(self.medians.values())


def run_paths(options: ConvergenceOptions, experiment: Experiment) -> None:
    """Times softjax and scikit-learn in turns, then the linear probe, and writes the report."""
    dataset = experiment.dataset
    assert dataset is not None
    timings = time_both(options, experiment, dataset)
    features = make_features(options)
    config = SweepConfig(regs=options.probe_regs, penalty="half_l2")
    probe = experiment.keep("linear-probe", lambda: describe_path(regularization_path(features, config)))
    write(options, experiment, timings, features, read_path(probe))


def time_both(options: ConvergenceOptions, experiment: Experiment, dataset: Dataset) -> Timings:
    """Rounds of softjax before, between and after scikit-learn's runs. Each round and each run is saved when it ends."""
    picked = np.linspace(0, len(options.regs) - 1, options.theirs).round().astype(int)
    picked = picked[np.argsort(-np.asarray(options.regs)[picked], kind="stable")]
    ours: dict[str, list[TimedPath]] = {order: [] for order in ORDERS}
    theirs: list[TheirMinimum] = []
    measured: list[str] = []  # rounds, by this process
    with progress_bar(3 + len(picked), unit="part", desc="minimizing") as bar:

        def measure(name: str) -> dict[str, Any]:
            if name != "before" and not measured:
                time_ours(dataset, options.regs)  # compiles, because this process has not done so yet
            measured.append(name)
            return time_ours(dataset, options.regs)

        def time_round(name: str) -> list[Any]:
            kept = experiment.keep(f"softjax-{name}", partial(measure, name))
            for order in ORDERS:
                ours[order].append(read_path(kept[order]))
            bar.update()
            return list(kept["weights"])

        weights = time_round("before")
        scikit_learn = ScikitLearn.prepare(dataset)
        warm: list[list[float]] | None = None
        for k, r in enumerate(picked):
            own = np.array(weights[r], np.float32)
            compute = partial(scikit_learn.compare, options.regs[r], own, warm)
            found = experiment.keep(f"scikit-learn-{k}", compute)
            warm = found.pop("warm_weights")
            theirs.append(TheirMinimum(**found))
            bar.update()
            if k == len(picked) // 2:
                time_round("amid")
        time_round("after")
    return Timings(dataset, ours, theirs)


def time_ours(dataset: Dataset, regs: tuple[float, ...]) -> dict[str, Any]:
    """A whole path in each order, without checkpoints, which would take time; and the weights of the first."""
    results = {
        order: regularization_path(dataset, SweepConfig(regs=regs), PathConfig(path=order))
        for order in ORDERS
    }
    described = {order: describe_path(result) for order, result in results.items()}
    return described | {"weights": results[ORDERS[0]].weights}


def describe_path(result: PathResult) -> dict[str, Any]:
    """The fields of the `TimedPath` of a result."""
    names = (field.name for field in fields(TimedPath) if field.name != "seconds")
    return {"seconds": asdict(result.seconds)} | {name: getattr(result, name) for name in names}


def read_path(kept: dict[str, Any]) -> TimedPath:
    """The `TimedPath` of what `describe_path` returned, as read from a stage."""
    columns: dict[str, Any] = {k: np.array(v) if isinstance(v, list) else v for k, v in kept.items()}
    return TimedPath(**columns | {"seconds": PathSeconds(**kept["seconds"])})


@dataclass(frozen=True)
class ScikitLearn:
    """LogisticRegression on the same objective: it minimizes C Σ ℓ + ½ ΣW².

    Pixels are centred and divided by their overall standard deviation σ, because its solver is faster then. Hence
    C = σ² / (2 N reg). The bias is a column of 1/σ, and is penalized like the others. In float32, with the default tolerance.
    """

    X: Float[np.ndarray, "N D"]
    y: Int[np.ndarray, " N"]
    sigma: float

    @classmethod
    def prepare(cls, dataset: Dataset) -> "ScikitLearn":
        """The training examples of a data set."""
        X = dataset.train.X
        blocks = [slice(i, i + ROWS) for i in range(0, len(X), ROWS)]
        mean = X.mean(axis=0, dtype=np.float64)
        sigma = float(np.sqrt(np.mean([np.var(X[block] - mean) for block in blocks])))
        ready = np.empty((len(X), X.shape[1] + 1), np.float32)
        for block in blocks:
            ready[block, :-1] = (X[block] - mean) / sigma
        ready[:, -1] = 1 / sigma
        return cls(ready, dataset.train.y, sigma)

    def compare(
        self, reg: float, ours: Float[np.ndarray, "D K"], start: list[list[float]] | None
    ) -> dict[str, Any]:
        """The fields of `TheirMinimum`, and the weights of the run that starts from `start`, the weights of the strength before."""
        # a NumPy number, as from an array of strengths: with a Python number scikit-learn rounds to float32 more often
        C = np.float64(self.sigma**2 / (2 * len(self.y) * reg))
        cold = LogisticRegression(C=C, fit_intercept=False, max_iter=10_000)
        warm = LogisticRegression(C=C, fit_intercept=False, max_iter=10_000, warm_start=True)
        if start is not None:
            warm.coef_ = np.array(start)
        seconds = []
        for model in (cold, warm):
            begin = time.perf_counter()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)  # the table shows the objective
                model.fit(self.X, self.y)
            seconds.append(time.perf_counter() - begin)
        W, own = cold.coef_.T.astype(np.float64) / self.sigma, ours.astype(np.float64)
        minimum = TheirMinimum(
            reg=reg,
            seconds=seconds[0],
            warm_seconds=seconds[1],
            iterations=int(cold.n_iter_[0]),
            objective=self.evaluate(W, reg),
            our_objective=self.evaluate(own, reg),
            weights_apart=float(np.linalg.norm(own - W) / np.linalg.norm(W)),
        )
        return asdict(minimum) | {"warm_weights": warm.coef_}

    def evaluate(self, W: Float[np.ndarray, "D K"], reg: float) -> float:
        """The mean cross-entropy + reg ΣW² in float64; `W` are the weights for σ times the features."""
        total = 0.0
        for i in range(0, len(self.X), ROWS):
            s = self.sigma * (self.X[i : i + ROWS].astype(np.float64) @ W)
            s -= s.max(axis=1, keepdims=True)
            label = np.take_along_axis(s, self.y[i : i + ROWS, None].astype(int), axis=1)[:, 0]
            total += (np.log(np.exp(s).sum(axis=1)) - label).sum()
        return float(total / len(self.X) + reg * (W**2).sum())


def make_features(options: ConvergenceOptions) -> Dataset:
    """Random features that resemble a network's: classes overlap, and a few directions are much wider than the others."""
    rng = np.random.default_rng(0)
    K, F = options.probe_classes, options.probe_features
    spectrum = (np.arange(1, F + 1) ** -0.5).astype(np.float32)
    centers = rng.standard_normal((K, F), np.float32) * spectrum
    rotation = np.linalg.qr(rng.standard_normal((F, F), np.float32))[0]

    def split(num_examples: int) -> Split:
        y = rng.permutation(np.arange(num_examples, dtype=np.int32) % K)
        noise = 2.5 * rng.standard_normal((num_examples, F), np.float32) * spectrum
        return Split((centers[y] + noise) @ rotation, y)

    held_out = max(options.probe_examples // 20, K)
    title = f"random features ({options.probe_examples:,} × {F:,}, {K:,} classes)"
    return build_dataset("features", title, (split(options.probe_examples), split(held_out), split(held_out)))


def write(
    options: ConvergenceOptions,
    experiment: Experiment,
    timings: Timings,
    features: Dataset,
    probe: TimedPath,
) -> None:
    """Writes the report."""
    names = ("reg", "iterations", "evaluations", "objective", "gap", "val_accuracy", "test_accuracy")
    experiment.write(
        lambda about: write_readme(options, timings, features, probe, about),
        run={
            "seconds": {
                order: [asdict(path.seconds) for path in paths] for order, paths in timings.ours.items()
            },
            "scikit_learn": [asdict(minimum) for minimum in timings.theirs],
            "probe": asdict(probe.seconds) | {name: getattr(probe, name) for name in names},
        },
        versions={"scikit-learn": version("scikit-learn")},
    )


def write_readme(
    options: ConvergenceOptions,
    timings: Timings,
    features: Dataset,
    probe: TimedPath,
    about: dict[str, Any],
) -> str:
    """The text of README.md."""
    dataset, theirs = timings.dataset, timings.theirs
    scale = len(options.regs) / len(theirs) / timings.fastest
    above = max(minimum.our_objective / minimum.objective - 1 for minimum in theirs)
    how = [
        ("", ""),
        ("data", f"{dataset.title}: {len(dataset.train):,} training examples, D = {dataset.num_features + 1:,}, K = "
                 f"{dataset.num_classes}; {features.title}"),
        ("penalty strengths", f"{format_range(options.regs)}, penalty reg ΣW², on the bias too"),
        ("precision", "float32 for both"),
        *environment_rows(about),
    ]  # fmt: skip
    return markdown.render(
        Path(__file__).with_suffix(".md"),
        num_regs=len(options.regs),
        title=dataset.title,
        num_train=f"{len(dataset.train):,}",
        num_features=f"{dataset.num_features:,}",
        tolerance=f"{PathConfig().tolerance:g}",
        seconds=f"{timings.fastest:.1f}",
        cold_ratio=f"{sum(minimum.seconds for minimum in theirs) * scale:.1f}",
        warm_ratio=f"{sum(minimum.warm_seconds for minimum in theirs) * scale:.1f}",
        below="never lower than softjax's"
        if above <= 0
        else f"lower than softjax's by at most a relative {above:.0e}",
        apart=f"{max(minimum.weights_apart for minimum in theirs):.0e}",
        ways=markdown.table(tabulate_ways(timings, len(options.regs))),
        strengths=markdown.table(tabulate_strengths(theirs)),
        probe=describe_probe(features, probe),
        probe_strengths=markdown.table(tabulate_probe(probe)),
        command=about["command"],
        how=markdown.table(how),
    )


def tabulate_ways(timings: Timings, num_regs: int) -> list[tuple[str, ...]]:
    """A row for each way to all minima: softjax's orders, and scikit-learn cold and warm."""
    names = {
        "together": "softjax, all at once",
        "warm": "softjax, in batches, each from the batch before",
    }
    rows: list[tuple[str, ...]] = [
        ("way", "seconds", "times the fastest", "iterations, median", "evaluations, sum")
    ]
    for order, paths in timings.ours.items():
        median = timings.medians[order]
        rows.append(
            (
                names[order],
                f"{median:.1f} (" + ", ".join(f"{path.total:.1f}" for path in paths) + ")",
                f"{median / timings.fastest:.2f}",
                f"{np.median(paths[0].iterations):.0f}",
                f"{paths[0].evaluations.sum():,}",
            )
        )
    theirs = timings.theirs
    scale = num_regs / len(theirs)
    of = "" if scale == 1 else f", {scale:g} times the sum of {len(theirs)} strengths"
    iterations = f"{np.median([minimum.iterations for minimum in theirs]):.0f}"
    for name, seconds, shown in (
        ("scikit-learn, each from 0", sum(minimum.seconds for minimum in theirs), iterations),
        ("scikit-learn, each from the strength before", sum(minimum.warm_seconds for minimum in theirs), ""),
    ):
        rows.append(
            (f"{name}{of}", f"{scale * seconds:.0f}", f"{scale * seconds / timings.fastest:.1f}", shown, "")
        )
    return rows


def tabulate_strengths(theirs: list[TheirMinimum]) -> list[tuple[str, ...]]:
    """A row for each penalty strength that scikit-learn was run for."""
    header = (
        "reg", "scikit-learn, s", "scikit-learn from the strength before, s", "scikit-learn's iterations",
        "scikit-learn's objective", "softjax's objective minus it, relative", "relative difference of the weights",
    )  # fmt: skip
    rows: list[tuple[str, ...]] = [
        (
            f"{minimum.reg:.4g}",
            f"{minimum.seconds:.1f}",
            f"{minimum.warm_seconds:.1f}",
            str(minimum.iterations),
            f"{minimum.objective:.7f}",
            f"{minimum.our_objective / minimum.objective - 1:.1e}",
            f"{minimum.weights_apart:.1e}",
        )
        for minimum in sorted(theirs, key=lambda minimum: minimum.reg)
    ]
    return [header, *rows]


def tabulate_probe(probe: TimedPath) -> list[tuple[str, ...]]:
    """A row for each penalty strength of the linear probe."""
    header = (
        "reg (½ reg ΣW²)", "iterations", "evaluations", "objective", "gap", "validation accuracy", "test accuracy",
    )  # fmt: skip
    rows: list[tuple[str, ...]] = [
        (
            f"{probe.reg[r]:.3g}",
            str(probe.iterations[r]),
            str(probe.evaluations[r]),
            f"{probe.objective[r]:.6f}",
            f"{probe.gap[r]:.1e}",
            f"{probe.val_accuracy[r]:.4f}",
            f"{probe.test_accuracy[r]:.4f}",
        )
        for r in range(len(probe.reg))
    ]
    return [header, *rows]


def describe_probe(features: Dataset, probe: TimedPath) -> str:
    """The times of the linear probe, and the rate of its matrix products."""
    seconds, num_regs, passes = probe.seconds, len(probe.reg), int(probe.evaluations.sum())
    flops = 4 * len(features.train) * (features.num_features + 1) * features.num_classes
    return (
        f"The data are {features.title}. {num_regs} penalty strengths took {probe.total:.0f} s (order: {probe.order}; "
        f"axes {seconds.axes:.1f} s, compilation {seconds.compile:.1f} s, minimization {seconds.solve:.0f} s). The minimization "
        f"took {seconds.solve / num_regs:.0f} s for each strength. It made {passes} passes over the examples, with {flops / 1e9:,.0f} GFLOP each. "
        f"Its matrix products ran at {flops * passes / seconds.solve / 1e9:.0f} GFLOP/s."
    )


if __name__ == "__main__":
    run_experiment(ConvergenceOptions, run_paths, load=ConvergenceOptions.load, description=__doc__)
